"""Reading what a person types at a terminal, a line at a time.

Waits in the event loop and not in a thread, so that a prompt can be withdrawn. What was typed before a
prompt was there is thrown away: nobody can have meant it as an answer. Not aware of questions;
`prompting` stands above. Needs a terminal as POSIX knows it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import anyio

_MAX_LINE: Final = 64 * 1024


class Keyboard:
    """The terminal on standard input, or on another descriptor."""

    def __init__(self, descriptor: int | None = None) -> None:
        """Read from a descriptor that is a terminal; standard input when omitted."""
        self._descriptor = sys.stdin.fileno() if descriptor is None else descriptor
        self._rest = b""

    def forget(self) -> None:
        """Throw away what was typed so far."""
        import termios

        self._rest = b""
        termios.tcflush(self._descriptor, termios.TCIFLUSH)

    async def line(self) -> str | None:
        """Return the next line without its end, or None when the person ended the input (Ctrl-D)."""
        while b"\n" not in self._rest:
            # Several prompts and a reload may share a terminal: it is never made non-blocking.
            await anyio.wait_readable(self._descriptor)
            try:
                chunk = os.read(self._descriptor, 4096)
            except OSError:
                chunk = b""
            if not chunk or len(self._rest) > _MAX_LINE:
                self._rest = b""
                return None
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")

    @contextmanager
    def hidden(self) -> Generator[None]:
        """Do not show what is typed, as for a password."""
        import termios

        before = termios.tcgetattr(self._descriptor)
        quiet = termios.tcgetattr(self._descriptor)
        quiet[3] &= ~termios.ECHO
        termios.tcsetattr(self._descriptor, termios.TCSANOW, quiet)
        try:
            yield
        finally:
            termios.tcsetattr(self._descriptor, termios.TCSANOW, before)
