"""Reading from pipes: one that somebody reads, and one that is drained into a bounded tail.

Not aware of what is said or of how a process lives. `process` stands above. A pipe outlives the
process that wrote to it when a child of its holds it open, so both can be closed with what is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from typing import IO, Final

import anyio
from anyio.lowlevel import checkpoint

_CHUNK: Final = 65_536
_LAST_OUTPUT: Final = 64 * 1024 * 1024
_LAST_ERRORS: Final = 1024 * 1024


class IncomingPipe:
    """The reading end of a pipe that one task at a time reads."""

    def __init__(self, file: IO[bytes]) -> None:
        """Take over the file, an unbuffered reading end; closed by this object."""
        self._loop = asyncio.get_running_loop()
        self._file = file
        self._readable = anyio.Event()
        self._reading = False
        self._rest: bytes | None = None
        os.set_blocking(file.fileno(), False)

    async def read(self, limit: int) -> bytes:
        """Return at most `limit` bytes, waiting for at least one; b"" at the end.

        A cancelled read loses nothing.

        Raises:
            anyio.BusyResourceError: Another task is reading.
        """
        if self._reading:
            raise anyio.BusyResourceError("reading from")
        self._reading = True
        try:
            # Giving way before, not after, the bytes are taken, so that cancelling loses none.
            await checkpoint()
            while True:
                data = self._read_now(limit)
                if data is not None:
                    return data
                await self._until_readable()
        finally:
            self._reading = False

    def _read_now(self, limit: int) -> bytes | None:
        if self._rest is not None:
            data, self._rest = self._rest[:limit], self._rest[limit:]
            return data
        try:
            return os.read(self._file.fileno(), limit)
        except BlockingIOError:
            return None

    async def _until_readable(self) -> None:
        self._readable = anyio.Event()
        fd = self._file.fileno()
        self._loop.add_reader(fd, self._readable.set)
        try:
            await self._readable.wait()
        finally:
            if not self._file.closed:
                self._loop.remove_reader(fd)

    def discard(self) -> None:
        """Throw away from now on what arrives, unless somebody reads."""
        if not self._reading and self._rest is None:
            self._loop.add_reader(self._file.fileno(), self._discard_chunk)

    def _discard_chunk(self) -> None:
        with contextlib.suppress(BlockingIOError):
            if not os.read(self._file.fileno(), _CHUNK):
                self._loop.remove_reader(self._file.fileno())

    def close(self) -> None:
        """Close the pipe; what is in it now can still be read, what others write later cannot."""
        if self._rest is not None:
            return
        fd = self._file.fileno()
        answer = fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4)
        left = min(int(struct.unpack("i", answer)[0]), _LAST_OUTPUT)
        pieces: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            while left > 0 and (piece := os.read(fd, left)):
                pieces.append(piece)
                left -= len(piece)
        self._rest = b"".join(pieces)
        self._loop.remove_reader(fd)
        self._file.close()
        self._readable.set()


class DrainedPipe:
    """The reading end of a pipe that is read always, keeping only the end of what came."""

    def __init__(self, file: IO[bytes], *, limit: int) -> None:
        """Take over the file and begin.

        Args:
            file: Unbuffered reading end; closed by this object.
            limit: Bytes kept.
        """
        self._loop = asyncio.get_running_loop()
        self._file = file
        self._limit = limit
        self._tail = bytearray()
        os.set_blocking(file.fileno(), False)
        self._loop.add_reader(file.fileno(), self._drain)

    def tail(self) -> str:
        """Return the end of what came so far, not yet made safe to display."""
        kept = self._tail[-self._limit :] if self._limit else b""
        return bytes(kept).decode("utf-8", "replace")

    def _drain(self) -> None:
        self._take()

    def _take(self) -> int:
        if self._file.closed:
            return 0
        try:
            chunk = os.read(self._file.fileno(), _CHUNK)
        except BlockingIOError:
            return 0
        self._tail += chunk
        if len(self._tail) > 2 * self._limit:
            del self._tail[: -self._limit or None]
        if not chunk:
            self.close()
        return len(chunk)

    def catch_up(self) -> None:
        """Take what is there already, within a limit, for somebody may write for ever."""
        taken = 0
        while taken < _LAST_ERRORS and (size := self._take()):
            taken += size

    def close(self) -> None:
        """Stop and close; the tail stays. May be repeated."""
        if not self._file.closed:
            self._loop.remove_reader(self._file.fileno())
            self._file.close()
