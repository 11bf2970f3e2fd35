"""Writing to a terminal: lines with a little colour, and one status line that is rewritten.

Whatever is written passes through `visible` and the redactor, so that nothing an agent wrote reaches
the terminal as a control sequence. What is written is kept until `flush`, which does it in a thread:
a terminal that is stopped (Ctrl-S) or a slow reader never holds up the agent. Not aware of what is
said; `live`, `prompting` and the commands stand above.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import Final, TextIO

import anyio.to_thread

from autopilot_ls.model.text import one_line, visible
from autopilot_ls.presentation.columns import shorten


class Style(Enum):
    """How a line is set off; the value is its SGR parameter."""

    PLAIN = ""
    DIM = "2"
    BOLD = "1"
    GOOD = "32"
    BAD = "31"
    WARNING = "33"
    INFO = "36"


_CLEAR: Final = "\r\x1b[K"


def wants_colour(stream: TextIO, environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether to use colours on a stream: a terminal, and nobody said no (https://no-color.org)."""
    environ = os.environ if environ is None else environ
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


class Terminal:
    """One output stream, which may or may not be a terminal."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        redact: Callable[[str], str] = str,
        colour: bool | None = None,
    ) -> None:
        """Write to a stream.

        Args:
            stream: Where to; standard output when omitted.
            redact: Hides secrets in what is shown.
            colour: Whether to colour; what `wants_colour` says when omitted.
        """
        self._stream = sys.stdout if stream is None else stream
        self._redact = redact
        self._colour = wants_colour(self._stream) if colour is None else colour
        self._moves = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._waiting: list[str] = []
        self._status = ""
        self._shown = ""

    def styled(self, text: str, style: Style) -> str:
        """Return text that is already visible with the style's colour around it."""
        if not self._colour or style is Style.PLAIN or not text:
            return text
        return f"\x1b[{style.value}m{text}\x1b[0m"

    def line(self, text: str = "", style: Style = Style.PLAIN, *, whole: bool = False) -> None:
        """Write text and end the line; it may be of several lines.

        Args:
            text: Untrusted text; it is made visible here.
            style: How it is set off.
            whole: Whether nothing is redacted, because a person must decide on it.
        """
        self._hide_status()
        shown = visible(text if whole else self._redact(text))
        self._waiting.append("\n".join(self.styled(part, style) for part in shown.split("\n")))
        self._waiting.append("\n")

    def ask(self, text: str) -> None:
        """Write text after which the person types, on the same line."""
        self._hide_status()
        self._status = ""
        self._waiting.append(self.styled(visible(text), Style.BOLD))

    def status(self, text: str) -> None:
        """Set the line that says what happens now; empty takes it away. Only terminals have one."""
        if self._moves:
            columns = shutil.get_terminal_size().columns - 1
            self._status = shorten(one_line(self._redact(text), 400), columns)

    def _hide_status(self) -> None:
        if self._shown:
            self._waiting.append(_CLEAR)
            self._shown = ""

    def take(self) -> str:
        """Return what is to be written now; it counts as written."""
        if self._status != self._shown:
            self._hide_status()
            self._waiting.append(self.styled(self._status, Style.DIM))
            self._shown = self._status
        text = "".join(self._waiting)
        self._waiting.clear()
        return text

    async def flush(self) -> None:
        """Write what waits. Cancelling does not wait for a terminal that is stopped."""
        text = self.take()
        if text:
            write = partial(_write, self._stream, text)
            await anyio.to_thread.run_sync(write, abandon_on_cancel=True)

    def flush_now(self) -> None:
        """Write what waits, from code that has no event loop."""
        text = self.take()
        if text:
            _write(self._stream, text)


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()
