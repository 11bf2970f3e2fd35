"""Work that goes on in the server's task group, whoever waits for it.

An editor that cancels a request ends its wait, never the work; a fault in one piece of work ends neither
the others nor the server. Not aware of what the work is.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from autopilot_ls.model.errors import AutopilotError

_log = logging.getLogger(__name__)

MAX_JOBS: Final = 1_000
"""Pieces of work that may be going on at once."""

T = TypeVar("T")


class TooBusy(AutopilotError):
    """Too much is going on at once; nothing was done."""

    code = "too-busy"


class _Result(Generic[T]):
    """What a piece of work came to."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.value: T
        self.error: BaseException | None = None


class Jobs:
    """The work of one editor's connection."""

    def __init__(self, tasks: TaskGroup, *, lasting: TaskGroup | None = None) -> None:
        """Run work in a task group.

        Args:
            tasks: Ends with the connection.
            lasting: Where what was asked for is carried out to its end, whoever asked; the same when omitted.
        """
        self._tasks = tasks
        self._lasting = lasting or tasks
        self._running = 0

    def start(self, work: Callable[[], Awaitable[object]]) -> None:
        """Begin a piece of work that nobody waits for; what it raises is logged."""
        if self._running >= MAX_JOBS:
            _log.error("Left out a piece of work: %d are going on already.", self._running)
            return
        self._running += 1
        self._tasks.start_soon(self._run_alone, work)

    async def _run_alone(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except AutopilotError as error:
            _log.warning("%s", error)
        except Exception:  # noqa: BLE001 - one fault must not end what else goes on
            _log.exception("Fault in the background.")
        finally:
            self._running -= 1

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do a piece of work and return its result; when the caller is cancelled, it goes on.

        Raises:
            TooBusy: Too much is going on.
        """
        if self._running >= MAX_JOBS:
            raise TooBusy("Too many commands are being carried out at once.", advice="Try again.")
        result: _Result[T] = _Result()

        async def carry_out() -> None:
            try:
                result.value = await work()
            except BaseException as error:
                result.error = error
                if not isinstance(error, Exception):
                    raise
            finally:
                result.done.set()

        self._running += 1
        self._lasting.start_soon(self._run_alone, carry_out)
        await result.done.wait()
        if result.error is not None:
            if isinstance(result.error, Exception):
                raise result.error
            raise AutopilotError("The server is shutting down.")
        return result.value
