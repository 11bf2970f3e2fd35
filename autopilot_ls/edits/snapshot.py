"""What files are at one moment, kept so that it can be had again.

`capture` looks, `restore` brings back. Both block; run them in a thread. A link is never followed,
a write is atomic, and nothing is overwritten that is neither what was there before nor what the agent
was to write. Not aware of hunks or agents; `check` and `settle` stand above.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from autopilot_ls.edits.leftovers import temporary_name
from autopilot_ls.model.errors import DecisionRefused, PatchInvalid

MAX_KEPT: Final = 64 * 1024 * 1024
"""Bytes that one snapshot keeps, of all its files together."""

Kind = Literal["absent", "file", "link", "large", "other"]


@dataclass(frozen=True, slots=True)
class FileState:
    """A file at one moment.

    Attributes:
        kind: `large` is a file beyond the limit, whose content is not known; `other` a folder, a
            device, or what cannot be looked at.
        sha256: Hex digest of the content, of a file.
        data: The content, of a file when it was asked for.
        mode: Permission bits.
        folder: The real path of its folder, links followed.
        missing: Folders above it that did not exist, the innermost first.
        problem: Why the kind is `large` or `other`, for a person.
    """

    path: Path
    kind: Kind
    sha256: str = ""
    data: bytes | None = field(default=None, repr=False)
    mode: int = 0
    folder: str = ""
    missing: tuple[Path, ...] = ()
    problem: str = ""

    @property
    def exists(self) -> bool:
        """Whether anything has this name."""
        return self.kind != "absent"


@dataclass(frozen=True, slots=True)
class Restored:
    """What `restore` did.

    Attributes:
        paths: Files that are again what they were.
        conflicts: Files left alone, because they hold something that is nobody's to discard.
        failed: Files that could not be written, each with the system's reason.
    """

    paths: tuple[Path, ...]
    conflicts: tuple[Path, ...] = ()
    failed: tuple[tuple[Path, str], ...] = ()


def capture(
    paths: Iterable[Path], *, keep: bool = True, limit: int = MAX_KEPT
) -> dict[Path, FileState]:
    """Return what the files are now.

    Args:
        paths: Absolute paths; files that do not exist are captured as such.
        keep: Whether to keep the contents, which restoring needs, or their digests only.
        limit: Bytes to read at most, of all files together.

    Raises:
        DecisionRefused: The contents are to be kept and are larger than the limit.
    """
    states: dict[Path, FileState] = {}
    left = limit
    for path in paths:
        state, size = _look(path, left, keep=keep)
        if keep and state.kind == "large":
            raise DecisionRefused(
                f"The files of this patch are too large to keep a copy of: {path.name} is one too many.",
                advice="Reject it, or have the change made in smaller steps.",
            )
        left -= size
        states[path] = state
    return states


def read_target(path: Path, limit: int = MAX_KEPT) -> bytes | None:
    """Return the bytes of a file that an agent wants to change; None when there is none.

    Raises:
        PatchInvalid: It is a link, a folder or a device, it is too large, or it cannot be read.
    """
    state, _ = _look(path, limit, keep=True)
    if state.kind == "link":
        raise PatchInvalid(
            "the file is a symbolic link, and the agent would write to what it leads to."
        )
    if state.kind in ("large", "other"):
        raise PatchInvalid(state.problem)
    return state.data


def _look(path: Path, limit: int, *, keep: bool) -> tuple[FileState, int]:
    folder = ""
    try:
        folder = os.path.realpath(path.parent)
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return FileState(path, "absent", folder=folder, missing=_missing(path)), 0
    except (OSError, ValueError) as error:
        return FileState(
            path, "other", folder=folder, problem=f"it cannot be looked at: {error}"
        ), 0
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return FileState(path, "link", mode=mode, folder=folder), 0
    if not stat.S_ISREG(status.st_mode):
        what = "it is a folder." if stat.S_ISDIR(status.st_mode) else "it is no regular file."
        return FileState(path, "other", mode=mode, folder=folder, problem=what), 0
    try:
        data = _read(path, limit)
    except OSError as error:
        problem = f"it cannot be read: {error.strerror}."
        return FileState(path, "other", mode=mode, folder=folder, problem=problem), 0
    if len(data) > limit:
        problem = "it is too large."
        return FileState(path, "large", mode=mode, folder=folder, problem=problem), 0
    digest = hashlib.sha256(data).hexdigest()
    state = FileState(path, "file", digest, data if keep else None, mode, folder)
    return state, len(data)


def _read(path: Path, limit: int) -> bytes:
    # Between the look and the opening a link or a pipe may have taken the name.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | _NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is no regular file")
        return file.read(limit + 1)


_NONBLOCK: Final = getattr(os, "O_NONBLOCK", 0)


def _missing(path: Path) -> tuple[Path, ...]:
    missing: list[Path] = []
    for parent in path.parents:
        if os.path.lexists(parent):
            break
        missing.append(parent)
    return tuple(missing)


def restore(
    before: Mapping[Path, FileState], *, written: Mapping[Path, bytes | None], tag: str = ""
) -> Restored:
    """Bring files back to what they were, where the agent, and nobody else, changed them.

    A file that holds a beginning of what the agent was to write counts as half-written by it.

    Args:
        before: The files as `capture` kept them.
        written: What the agent was to leave in each file; None for a file it was to remove.
        tag: As for `write_atomically`.
    """
    paths: list[Path] = []
    conflicts: list[Path] = []
    failed: list[tuple[Path, str]] = []
    # What goes, goes last: it may hold all that is left of a renamed file that cannot be brought back.
    for path, state in sorted(before.items(), key=lambda item: item[1].kind == "absent"):
        now, _ = _look(path, max(MAX_KEPT, len(state.data or b"")), keep=True)
        if same(now, state):
            continue
        lacking = (*conflicts, *(each for each, _ in failed))
        is_last_copy = state.kind == "absent" and any(written.get(p) is None for p in lacking)
        if is_last_copy or now.folder != state.folder or not _is_the_agents(now, path, written):
            conflicts.append(path)
            continue
        try:
            _bring_back(state, tag)
        except OSError as error:
            failed.append((path, error.strerror or type(error).__name__))
        else:
            paths.append(path)
    return Restored(tuple(paths), tuple(conflicts), tuple(failed))


def same(one: FileState, other: FileState) -> bool:
    """Tell whether two states have the same content, or are both nothing."""
    return one.kind == other.kind and one.sha256 == other.sha256


def holds(state: FileState, content: bytes | None) -> bool:
    """Tell whether the file holds exactly this content; None means that it is absent."""
    if content is None:
        return state.kind == "absent"
    return state.kind == "file" and state.sha256 == hashlib.sha256(content).hexdigest()


def _is_the_agents(now: FileState, path: Path, written: Mapping[Path, bytes | None]) -> bool:
    if path not in written:
        return False
    content = written[path]
    if content is None:
        return now.kind == "absent"
    return now.kind == "file" and now.data is not None and content.startswith(now.data)


def _bring_back(state: FileState, tag: str) -> None:
    if state.kind == "absent":
        state.path.unlink(missing_ok=True)
        for folder in state.missing:
            # A folder that somebody put something else into stays.
            with contextlib.suppress(OSError):
                folder.rmdir()
        return
    if state.kind != "file" or state.data is None:
        raise OSError(0, "its content was not kept")
    write_atomically(state.path, state.data, state.mode, tag)


def write_atomically(path: Path, data: bytes, mode: int, tag: str = "") -> None:
    """Replace a file's content as a whole: nobody ever sees a part of it.

    Args:
        path: The file; folders above it are made.
        data: Its new content.
        mode: Permission bits that the file gets.
        tag: By which `leftovers.clear` finds what a crash leaves behind.

    Raises:
        OSError: It could not be written; the file is then what it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / temporary_name(tag)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            temporary.chmod(mode)
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    # Not every system lets a folder be opened; the rename has then happened all the same.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
