"""Lines out of a stream of bytes, bounded.

Not aware of JSON, of processes, or of who wrote the bytes. `jsonrpc` stands above, `model.errors`
below.
"""

from __future__ import annotations

from typing import Final

from autopilot_ls.model.errors import LineTooLong

MAX_LINE: Final = 64 * 1024 * 1024
"""Longest line accepted by default, in bytes without its newline."""


class LineSplitter:
    """Cuts chunks into lines at line feeds, keeping an unfinished line until its end comes.

    The cost of a long line is linear in its length, whatever the size of the chunks. After a line
    that is too long the stream cannot be trusted any more, so the splitter stays failed.
    """

    __slots__ = ("_failure", "_max_line", "_pending", "_pending_size")

    def __init__(self, max_line: int = MAX_LINE) -> None:
        """Create an empty splitter.

        Args:
            max_line: Longest line accepted, in bytes without its newline.
        """
        self._max_line = max_line
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._failure: LineTooLong | None = None

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take a chunk and return the lines it completes, without newlines; empty lines are dropped.

        Lines that came before a line that is too long are still returned; then the next call of
        `feed` or `finish` raises.

        Raises:
            LineTooLong: A line, finished or not, exceeds the limit.
        """
        if self._failure is not None:
            raise self._failure
        if b"\n" not in chunk:
            self._keep(chunk)
            self._refuse_long_rest([])
            return []
        if self._pending:
            chunk = b"".join((*self._pending, chunk))
            self._pending.clear()
            self._pending_size = 0
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if len(chunk) > self._max_line:
            lines = self._only_before_a_long_line(lines)
        if self._failure is None:
            if rest:
                self._keep(rest)
            self._refuse_long_rest(lines)
        return [line for line in lines if line not in {b"", b"\r"}]

    def finish(self) -> bytes:
        """Return what stands after the last newline, at the end of the stream.

        Raises:
            LineTooLong: An earlier line was too long.
        """
        if self._failure is not None:
            raise self._failure
        rest = b"".join(self._pending)
        self._pending.clear()
        self._pending_size = 0
        return rest

    def _keep(self, piece: bytes) -> None:
        self._pending.append(piece)
        self._pending_size += len(piece)

    def _refuse_long_rest(self, lines: list[bytes]) -> None:
        if self._pending_size > self._max_line:
            self._fail(raise_now=not lines)

    def _only_before_a_long_line(self, lines: list[bytes]) -> list[bytes]:
        for index, line in enumerate(lines):
            if len(line) > self._max_line:
                self._fail(raise_now=index == 0)
                return lines[:index]
        return lines

    def _fail(self, *, raise_now: bool) -> None:
        self._pending.clear()
        self._pending_size = 0
        self._failure = LineTooLong(
            f"The agent sent a line longer than {self._max_line:,} bytes.",
            advice="The connection was closed; start the session again.",
        )
        if raise_now:
            raise self._failure
