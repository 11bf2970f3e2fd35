"""Writing to a pipe without ever blocking the loop, without interleaving, and bounded in time.

Not aware of what is written or of whom it goes to. `process` stands above, `model.errors` below.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from autopilot_ls.model.errors import AgentDied, AgentError, RequestTimeout, WireError

if TYPE_CHECKING:
    from typing import IO

MAX_PENDING: Final = 64 * 1024 * 1024
"""Bytes that may wait in memory for the reader of the pipe, beside the one message being added."""


@dataclass(slots=True)
class _Message:
    rest: memoryview
    done: asyncio.Future[None]
    timer: asyncio.TimerHandle


class OutgoingPipe:
    """The writing end of a pipe; whole messages go out in the order in which they were given.

    A message once given is written to its end, or the pipe breaks: a waiter that is cancelled leaves
    its message whole. A pipe that has not taken a message within the limit is broken for good, since
    half of it may have been read.
    """

    def __init__(self, file: IO[bytes], *, timeout: float) -> None:
        """Take over the file.

        Args:
            file: Unbuffered writing end; closed by this object.
            timeout: Seconds within which the pipe must have taken a message.
        """
        self._loop = asyncio.get_running_loop()
        self._file = file
        self._timeout = timeout
        self._waiting: deque[_Message] = deque()
        self._size = 0
        self._failure: AgentError | None = None
        os.set_blocking(file.fileno(), False)

    @property
    def failure(self) -> AgentError | None:
        """Why nothing can be written any more, if so."""
        return self._failure

    async def write(self, data: bytes) -> None:
        """Queue the message at once, before anything is awaited, and wait until the pipe took it.

        Raises:
            AgentDied: The reading end is closed.
            RequestTimeout: The pipe did not take the message within the limit; it is broken now.
            WireError: More than `MAX_PENDING` bytes wait already; the message was not queued.
        """
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        rest = memoryview(data)
        if not self._waiting:
            rest = rest[self._write_now(rest) :]
            if not rest:
                return
        elif self._size > MAX_PENDING:
            raise WireError(
                f"More than {MAX_PENDING:,} bytes wait for the agent to read them.",
                advice="It seems to hang; stop the session and resume it.",
            )
        await self._queue(rest)

    def _queue(self, rest: memoryview) -> asyncio.Future[None]:
        if not self._waiting:
            self._loop.add_writer(self._file.fileno(), self._flush)
        message = _Message(
            rest=rest,
            done=self._loop.create_future(),
            timer=self._loop.call_later(self._timeout, self._late),
        )
        self._waiting.append(message)
        self._size += len(rest)
        return message.done

    def _write_now(self, data: memoryview) -> int:
        try:
            return os.write(self._file.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            failure = AgentDied(f"The agent no longer reads its input ({error.strerror}).")
            self.close(failure)
            raise failure from error

    def _flush(self) -> None:
        while self._waiting:
            message = self._waiting[0]
            try:
                written = self._write_now(message.rest)
            except AgentDied:
                return
            if not written:
                return
            self._size -= written
            message.rest = message.rest[written:]
            if message.rest:
                return
            self._waiting.popleft()
            message.timer.cancel()
            if not message.done.done():
                message.done.set_result(None)
        self._loop.remove_writer(self._file.fileno())

    def _late(self) -> None:
        self.close(
            RequestTimeout(
                f"The agent did not read its input for {self._timeout:g} seconds.",
                advice="It seems to hang; stop the session and resume it.",
            )
        )

    def close(self, failure: AgentError) -> None:
        """Close the pipe; who still waits, or writes later, gets the failure. May be repeated."""
        if self._failure is not None:
            return
        self._failure = failure
        if self._waiting:
            self._loop.remove_writer(self._file.fileno())
        self._file.close()
        for message in self._waiting:
            message.timer.cancel()
            if not message.done.done():
                message.done.set_exception(failure)
        self._waiting.clear()
        self._size = 0
