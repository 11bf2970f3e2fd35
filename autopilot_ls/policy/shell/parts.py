"""The parts that a command line is judged by.

Values only. `walker` and `unwrap` make them, `policy.judging` judges them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from autopilot_ls.policy.shell.words import Word

MAX_LENGTH: Final = 32_768
"""Characters of a line beyond which it is not read."""

MAX_DEPTH: Final = 8
"""Shells within shells, wrappers within wrappers."""

MAX_PARTS: Final = 256
"""Parts of one line."""

MAX_SHOWN: Final = 200
"""Characters of a part's text that are kept for people."""

Folder = tuple[Word, ...] | None
"""Operands of the `cd` commands that led to a folder, from where the line starts; None: not known."""

START: Final[tuple[Folder, ...]] = ((),)
NOWHERE: Final[tuple[Folder, ...]] = (None,)


class PartKind(StrEnum):
    """What a part does."""

    COMMAND = "command"
    WRITE = "write"
    READ = "read"
    ENVIRONMENT = "environment"
    NETWORK = "network"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a command line, judged by itself.

    Attributes:
        source: Its text, shortened; what a person is shown.
        words: Program and arguments of a command; the target of a redirection; an assigned value.
        note: The name of a variable, the host of a connection, or why the part is not understood.
        via: Wrappers that it was taken out of, the outermost first.
        folders: The folders it may run in.
    """

    kind: PartKind
    source: str
    words: tuple[Word, ...] = ()
    note: str = ""
    via: tuple[str, ...] = ()
    folders: tuple[Folder, ...] = START


@dataclass(slots=True)
class Collector:
    """Gathers parts up to the limit; beyond it one part says that there are more."""

    parts: list[Part] = field(default_factory=list[Part])
    full: bool = False

    def add(self, part: Part) -> None:
        """Keep a part."""
        if len(self.parts) < MAX_PARTS:
            self.parts.append(part)
        elif not self.full:
            self.full = True
            self.parts.append(
                Part(PartKind.UNKNOWN, part.source, note="the line has too many parts")
            )

    def unknown(self, source: str, why: str, via: tuple[str, ...] = ()) -> None:
        """Keep a part that is not understood."""
        part = Part(PartKind.UNKNOWN, shorten(source), note=why, via=via)
        if part not in self.parts[-3:]:
            self.add(part)


def shorten(text: str) -> str:
    """Return the text within what is kept for people."""
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
