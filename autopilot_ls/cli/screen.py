"""A terminal as a whole: lines are put at their places, and only those that have changed.

The screen that was there comes back at the end, also when the program is stopped or fails. Not aware of
what is shown; `hud` stands above. Needs a terminal as POSIX knows it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import Final, TextIO

from autopilot_ls.cli.terminal import Style, wants_colour
from autopilot_ls.model.text import visible
from autopilot_ls.presentation.hud import Line

# The other screen, no cursor, no wrapping of what is too wide.
_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l"
_LEAVE: Final = "\x1b[?7h\x1b[?25h\x1b[?1049l"
# Terminals that know these draw everything in between at once.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"

_PATIENCE: Final = 1.0
"""Seconds to wait for what is being drawn when the terminal is given back."""

_STYLES: Final = {
    "plain": Style.PLAIN,
    "dim": Style.DIM,
    "bold": Style.BOLD,
    "good": Style.GOOD,
    "bad": Style.BAD,
    "warning": Style.WARNING,
    "info": Style.INFO,
}


def drawn(line: Line, *, colour: bool) -> str:
    """Return a line with the escape sequences for its tones, if colours are wanted."""
    parts: list[str] = []
    for text, tone in line:
        style, shown = _STYLES[tone], visible(text)
        plain = not colour or style is Style.PLAIN
        parts.append(shown if plain else f"\x1b[{style.value}m{shown}\x1b[0m")
    return "".join(parts).rstrip()


class Screen:
    """The terminal on a stream, and what stands on it."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Create it; nothing is written yet."""
        self._stream = sys.stdout if stream is None else stream
        self._colour = wants_colour(self._stream)
        self._shown: list[str] = []
        self._inside = False
        # What is drawn in a thread must not come after the terminal was given back.
        self._writing = threading.Lock()
        self._before: list[int | list[bytes | int]] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """How many columns and rows there are."""
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except OSError:
            columns, rows = 80, 24
        return max(1, columns), max(1, rows)

    def enter(self) -> None:
        """Take the whole terminal; what is typed is not shown."""
        import termios

        if self._inside:
            return
        self._inside = True
        if sys.stdin.isatty():
            descriptor = sys.stdin.fileno()
            self._before = termios.tcgetattr(descriptor)
            quiet = termios.tcgetattr(descriptor)
            quiet[3] &= ~(termios.ECHO | termios.ICANON)
            termios.tcsetattr(descriptor, termios.TCSANOW, quiet)
        self._write(_ENTER)
        self.forget()

    def leave(self) -> None:
        """Give the terminal back as it was. May be called again."""
        import termios

        if not self._inside:
            return
        # A terminal that is stopped lets the thread hang; then there is nobody to see it.
        taken = self._writing.acquire(timeout=_PATIENCE)
        self._inside = False
        try:
            self._write(_LEAVE)
        finally:
            if taken:
                self._writing.release()
        if self._before is not None:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, self._before)
            self._before = None

    def forget(self) -> None:
        """Draw everything anew the next time, because the terminal may show anything."""
        self._shown = []

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines; what has not changed is not written again. May block as the terminal does."""
        with self._writing:
            if self._inside:
                self._draw(lines)

    def _draw(self, lines: Sequence[Line]) -> None:
        wanted = [drawn(line, colour=self._colour) for line in lines]
        parts: list[str] = [] if self._shown else ["\x1b[H\x1b[2J"]
        for number in range(max(len(wanted), len(self._shown))):
            line = wanted[number] if number < len(wanted) else ""
            before = self._shown[number] if number < len(self._shown) else None
            if line != before:
                # Erased before, because at the edge the last character would go too.
                parts.append(f"\x1b[{number + 1};1H\x1b[K{line}")
        self._shown = wanted
        if parts:
            self._write(_BEGIN + "".join(parts) + _END)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
