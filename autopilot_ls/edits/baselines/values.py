"""What baselines are in words of data. Not aware of git nor of how anything is measured."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_MEBIBYTE: Final = 1024 * 1024
_DAY: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class BaselineLimits:
    """What a baseline may cost.

    Attributes:
        files: Files of one workspace whose content is kept.
        file_bytes: Bytes of a file beyond which only its size and times are known.
        read_bytes: Bytes read by one look at the workspace.
        watched: Files beyond the others of which only size and times are known.
        listing: Bytes of the names that one listing of the workspace may have.
        seconds: Seconds that one look at the workspace may take.
        wait: Seconds to wait for another process that looks at the same workspace.
        retention: Seconds that a baseline nobody keeps can still be had.
    """

    files: int = 100_000
    file_bytes: int = 8 * _MEBIBYTE
    read_bytes: int = 512 * _MEBIBYTE
    watched: int = 200_000
    listing: int = 64 * _MEBIBYTE
    seconds: float = 60.0
    wait: float = 30.0
    retention: float = 14 * _DAY


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the files of a workspace are at one moment.

    Attributes:
        id: Names it for ever, among the baselines of its workspace; the same for the same files.
        taken_at: Seconds since the epoch at which the look began.
        files: Files whose content it has.
        notices: What it does not cover, in sentences for a person.
    """

    id: str
    taken_at: float
    files: int
    notices: tuple[str, ...] = ()


class Change(StrEnum):
    """How a file differs."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"
    TYPE = "type"
    """A file became a link, or a link a file."""
    MODE = "mode"
    """Only the executable bit changed."""


@dataclass(frozen=True, slots=True)
class Side:
    """A file before or after.

    Attributes:
        mode: 0o100644, 0o100755 for an executable, 0o120000 for a link, whose bytes are its target.
        size: Bytes.
        blob: Names the content; empty where it was not kept, or not even known.
        reason: Why it was not kept.
    """

    mode: int
    size: int
    blob: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file that differs between two moments.

    Attributes:
        path: Relative to the workspace, `/` between its parts; bytes that are not UTF-8 are
            surrogates, as `os.fsdecode` makes them.
        before: None where it did not exist.
        after: None where it does not exist.
        certain: Whether the baseline covers the file. If not, it may have existed before, though
            `before` is None or has no content: never delete such a file to undo its "add".
        binary: Whether one of the contents is binary; None when that was not looked at.
        moved_from: A deleted file that this added one resembles; for display only.
    """

    path: str
    change: Change
    before: Side | None
    after: Side | None
    certain: bool = True
    binary: bool | None = None
    moved_from: str | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two moments, by path, and what could not be compared."""

    files: tuple[ChangedFile, ...]
    until: Baseline | None = None
    notices: tuple[str, ...] = ()
