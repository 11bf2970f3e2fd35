"""The last lines of a program's output as a person would see them, while it grows.

Each piece costs what it is long, whatever came before it. Lines that are written over and over (progress
bars) count once, in their newest form; terminal escape sequences and control characters are taken out.
What is kept depends only on the whole text, not on how it was cut into pieces. Not aware of items.
`turns` stands above, `text` below.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

from autopilot_ls.model.text import visible

LINES: Final = 8
"""Lines that are kept."""

WIDTH: Final = 200
"""Characters of a line that are shown."""

MAX_LINE: Final = 4_096
"""Characters of a line, escape sequences included, that are kept."""

_SEQUENCE: Final = re.compile(
    # Strings for the terminal (titles, links, pictures) go with their content, also where their end is
    # missing: no sequence is longer than its line.
    r"\x1b[\]PX^_][^\x07\x1b]*+(?:\x07|\x1b\\)?"
    r"|[\x90\x98\x9d\x9e\x9f][^\x07\x1b\x9c]*+(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?"
    r"|\x1b[ -/]*+[0-~]?"
)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


class Tail:
    """The end of a text that grows by pieces; see the module's docstring."""

    __slots__ = ("_current", "_lines", "_returned", "_shown")

    def __init__(self) -> None:
        """Create the tail of an empty text."""
        self._lines: deque[str] = deque(maxlen=LINES)
        self._current = ""
        # A carriage return was the last that came: what comes next stands in the place of the line.
        self._returned = False
        self._shown: tuple[str, ...] | None = ()

    def append(self, piece: str) -> None:
        """Add a piece; its cost does not grow with the text."""
        self._shown = None
        if "\n" not in piece:
            self._grow(piece)
            return
        first, *rest = piece.rsplit("\n", LINES)
        if "\n" in first:
            # More lines came than are kept: what stood before has scrolled away.
            self._current, self._returned = "", False
            first = first.rpartition("\n")[2]
        for part in (first, *rest[:-1]):
            self._grow(part)
            self._end_line()
        self._grow(rest[-1])

    def _grow(self, part: str) -> None:
        """Add to the line that is being written."""
        body = part.rstrip("\r")
        if body:
            _, returned, newest = body.rpartition("\r")
            if returned or self._returned:
                self._current = newest[:MAX_LINE]
            elif len(self._current) < MAX_LINE:
                self._current = (self._current + newest)[:MAX_LINE]
        self._returned = (self._returned and not part) or len(body) < len(part)

    def _end_line(self) -> None:
        if self._current.strip():
            self._lines.append(self._current)
        self._current, self._returned = "", False

    def lines(self) -> tuple[str, ...]:
        """Return the last lines that are not blank, each visible and cut to `WIDTH`; the newest is last."""
        if self._shown is None:
            cleaned = (clean(line) for line in (*self._lines, self._current))
            self._shown = tuple(line for line in cleaned if line)[-LINES:]
        return self._shown


def clean(line: str) -> str:
    """Return one line of output without what only a terminal understands."""
    line = _SEQUENCE.sub("", line)
    if "\x08" in line:
        kept: list[str] = []
        for char in line:
            if char != "\x08":
                kept.append(char)
            elif kept:
                kept.pop()
        line = "".join(kept)
    shown = visible(_CONTROLS.sub("", line.expandtabs(4))).rstrip()
    return shown if len(shown) <= WIDTH else shown[: WIDTH - 1] + "…"
