"""Reading from and writing to an editor without ever blocking the event loop.

Pipes and sockets, which editors use, are watched by the loop itself; anything else (a file, a terminal,
Windows) goes through a thread each way. A socket that an editor has to a shared process carries both
ways. What the editor does not read waits in a buffer with a limit; at
the limit the connection is given up. Not aware of messages. `main` opens it, `protocol` writes to it.
"""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import stat
import sys
import threading
from collections.abc import Callable
from typing import Final, Protocol

SOFT_LIMIT: Final = 256 * 1024
"""Bytes waiting for the editor from which on what can be left out is left out."""

HARD_LIMIT: Final = 64 * 1024 * 1024
"""Bytes waiting for the editor at which the connection is given up."""

_CHUNK: Final = 256 * 1024


class Receiver(Protocol):
    """Who takes what is read. Called in the event loop."""

    def received(self, chunk: bytes) -> None:
        """Take some bytes."""
        ...

    def ended(self) -> None:
        """There will be no more."""
        ...


class Outbox(Protocol):
    """Where bytes for the editor go."""

    @property
    def congested(self) -> bool:
        """Whether more is waiting than should be; what can be left out should be left out."""
        ...

    def write(self, data: bytes) -> None:
        """Send the bytes, now or as soon as the editor reads; never waits."""
        ...

    async def close(self, grace: float) -> None:
        """Wait at most `grace` seconds until everything is sent, then stop sending."""
        ...


class _Writable(asyncio.BaseProtocol):
    """Follows the state of the pipe for `PipeOutbox`."""

    def __init__(self, lost: Callable[[], None], drained: Callable[[], None]) -> None:
        self.congested = False
        self._lost = lost
        self._drained = drained
        self.gone = asyncio.Event()

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        self._drained()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.gone.set()
        self._lost()


class PipeOutbox:
    """An outbox on a pipe or socket that the loop watches."""

    def __init__(self, pipe: asyncio.WriteTransport, state: _Writable, hard_limit: int) -> None:
        """Take over the transport; `open_pipe_outbox` makes one."""
        pipe.set_write_buffer_limits(high=SOFT_LIMIT, low=SOFT_LIMIT // 4)
        self._pipe = pipe
        self._state = state
        self._hard_limit = hard_limit

    @property
    def congested(self) -> bool:
        """See `Outbox`."""
        return self._state.congested

    def write(self, data: bytes) -> None:
        """See `Outbox`."""
        if self._pipe.is_closing():
            return
        self._pipe.write(data)
        if self._pipe.get_write_buffer_size() > self._hard_limit:
            self._pipe.abort()

    async def close(self, grace: float) -> None:
        """See `Outbox`."""
        self._pipe.close()
        try:
            async with asyncio.timeout(grace):
                await self._state.gone.wait()
        except TimeoutError:
            self._pipe.abort()


class ThreadOutbox:
    """An outbox on anything else, with a thread that may block."""

    def __init__(
        self,
        descriptor: int,
        lost: Callable[[], None],
        drained: Callable[[], None],
        hard_limit: int = HARD_LIMIT,
    ) -> None:
        """Start the thread."""
        self._descriptor = descriptor
        self._lost = lost
        self._drained = drained
        self._hard_limit = hard_limit
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._waiting = 0
        self._closed = False
        self._done = asyncio.Event()
        threading.Thread(target=self._run, name="editor-writer", daemon=True).start()

    @property
    def congested(self) -> bool:
        """See `Outbox`."""
        return self._waiting > SOFT_LIMIT

    def write(self, data: bytes) -> None:
        """See `Outbox`."""
        if self._closed:
            return
        self._waiting += len(data)
        self._queue.put(data)
        if self._waiting > self._hard_limit:
            self._give_up()

    def _give_up(self) -> None:
        if not self._closed:
            self._closed = True
            self._lost()

    def _run(self) -> None:
        try:
            while (data := self._queue.get()) is not None:
                view = memoryview(data)
                while view:
                    view = view[os.write(self._descriptor, view) :]
                self._tell(self._sent, len(data))
        except OSError:
            self._tell(self._give_up)
        self._tell(self._done.set)

    def _tell(self, function: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            return  # The loop has ended, and with it whoever wanted to know.

    def _sent(self, size: int) -> None:
        congested = self.congested
        self._waiting -= size
        if congested and not self.congested:
            self._drained()

    async def close(self, grace: float) -> None:
        """See `Outbox`."""
        self._closed = True
        self._queue.put(None)
        try:
            async with asyncio.timeout(grace):
                await self._done.wait()
        except TimeoutError:
            return


class _Readable(asyncio.Protocol):
    """Hands on what the loop reads."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def data_received(self, data: bytes) -> None:
        self._receiver.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._receiver.ended()


def can_be_watched(incoming: int, outgoing: int) -> bool:
    """Tell whether the loop itself can watch both file descriptors."""
    if sys.platform == "win32":
        return False
    states = os.fstat(incoming), os.fstat(outgoing)
    if stat.S_ISSOCK(states[0].st_mode) and os.path.samestat(*states):
        # On one socket for both ways, asyncio would take what the editor sends for its end.
        return False
    return all(stat.S_ISFIFO(state.st_mode) or stat.S_ISSOCK(state.st_mode) for state in states)


def _read_by_thread(descriptor: int, receiver: Receiver) -> None:
    loop = asyncio.get_running_loop()

    def run() -> None:
        try:
            while chunk := os.read(descriptor, _CHUNK):
                loop.call_soon_threadsafe(receiver.received, chunk)
            loop.call_soon_threadsafe(receiver.ended)
        except OSError:
            loop.call_soon_threadsafe(receiver.ended)
        except RuntimeError:
            return  # The loop has ended.

    # A daemon, because nothing can end a read that waits.
    threading.Thread(target=run, name="editor-reader", daemon=True).start()


async def start_reading(descriptor: int, receiver: Receiver, *, watched: bool) -> None:
    """Hand everything that comes from the file descriptor to the receiver, until it ends."""
    if not watched:
        _read_by_thread(descriptor, receiver)
        return
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    await loop.connect_read_pipe(lambda: _Readable(receiver), pipe)


async def open_outbox(
    descriptor: int,
    *,
    watched: bool,
    lost: Callable[[], None],
    drained: Callable[[], None],
    hard_limit: int = HARD_LIMIT,
) -> Outbox:
    """Return an outbox on the file descriptor.

    Args:
        descriptor: An open file descriptor; it belongs to the outbox from now on.
        watched: What `can_be_watched` says.
        lost: Called once when nothing can be sent any more.
        drained: Called when the outbox is no longer congested.
        hard_limit: Bytes waiting at which the connection is given up.
    """
    if not watched:
        return ThreadOutbox(descriptor, lost, drained, hard_limit)
    state = _Writable(lost, drained)
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor, "wb", buffering=0)
    transport, _ = await loop.connect_write_pipe(lambda: state, pipe)
    return PipeOutbox(transport, state, hard_limit)


class _BothWays(asyncio.Protocol, _Writable):
    """Hands on what comes through a socket, and follows the state of what goes."""

    def __init__(
        self, receiver: Receiver, lost: Callable[[], None], drained: Callable[[], None]
    ) -> None:
        super().__init__(lost, drained)
        self._receiver = receiver

    def data_received(self, data: bytes) -> None:
        self._receiver.received(data)

    def eof_received(self) -> bool:
        self._receiver.ended()
        # What is still to be said goes out before the socket is closed.
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._receiver.ended()


async def open_socket(
    connection: socket.socket,
    receiver: Receiver,
    *,
    lost: Callable[[], None],
    drained: Callable[[], None],
    hard_limit: int = HARD_LIMIT,
) -> Outbox:
    """Read from a connected socket, and return an outbox on it; see `open_outbox`."""
    state = _BothWays(receiver, lost, drained)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_accepted_socket(lambda: state, connection)
    return PipeOutbox(transport, state, hard_limit)
