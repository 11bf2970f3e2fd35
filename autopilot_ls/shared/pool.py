"""The supervisors of the shared process: one for all editors whose settings agree in what it depends on.

Each lives in a task of its own until nobody has needed it for a while and nothing runs or waits in it; a fault
of one ends neither the others nor the process. Not aware of connections. `clients` and `daemon` stand
above, the supervisor below.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, cast

import anyio
from anyio.abc import TaskGroup

from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.supervisor import Supervisor, open_supervisor

_LOG: Final = logging.getLogger(__name__)

LOOK_PAUSE: Final = 1.0
"""Seconds between two looks at whether something still runs in a supervisor that nobody uses."""

LINGER: Final = 20.0
"""Seconds a supervisor stays when nobody uses it and nothing runs: an editor may be starting again. Longer
would keep its sessions from others, such as the command line."""


def shared_part(settings: Settings) -> Settings:
    """Return the settings without what each editor has to itself, which `Caller` and the view carry."""
    plain = Settings()
    return settings.model_copy(
        update={
            "mode": plain.mode,
            "log_level": plain.log_level,
            "log_file": plain.log_file,
            "transcript": plain.transcript,
            "approvals": plain.approvals,
            "shared": plain.shared,
            "codex": settings.codex.model_copy(update={"model": None, "effort": None}),
        }
    )


@dataclass(frozen=True, slots=True)
class Hosted:
    """A supervisor that several editors share.

    Attributes:
        tasks: Where what an editor asked for is carried out, also when the editor has gone.
        ended: Set when the supervisor has ended, which it does under its users only by a fault.
    """

    supervisor: Supervisor
    tasks: TaskGroup
    ended: anyio.Event


class _Entry:
    """One supervisor, from the wish for it to its end."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.place: Hosted | None = None
        self.failure: BaseException | None = None
        self.users = 0
        self.ending = False
        self.ready = anyio.Event()
        self.unwanted = anyio.Event()
        self.ended = anyio.Event()


class Pool:
    """See the module's docstring."""

    def __init__(self, tasks: TaskGroup, idle_seconds: Callable[[], float]) -> None:
        """Create it empty.

        Args:
            tasks: Where the supervisors live.
            idle_seconds: The most that one stays which nobody uses and in which nothing goes on.
        """
        self._tasks = tasks
        self._idle_seconds = idle_seconds
        self._entries: list[_Entry] = []

    @property
    def places(self) -> tuple[Hosted, ...]:
        """The supervisors there are."""
        return tuple(entry.place for entry in self._entries if entry.place is not None)

    @property
    def is_empty(self) -> bool:
        """Whether there is none, not even one that is ending."""
        return not self._entries

    @property
    def is_working(self) -> bool:
        """Whether something runs or waits in one of them."""
        return any(place.supervisor.is_working for place in self.places)

    def users(self, place: Hosted) -> int:
        """Return how many use a supervisor."""
        return sum(entry.users for entry in self._entries if entry.place is place)

    @asynccontextmanager
    async def use(self, settings: Settings) -> AsyncGenerator[Hosted]:
        """Have the supervisor for these settings, begun when there is none.

        Raises:
            AutopilotError: It cannot be had.
            OSError: Likewise, for instance because its folder cannot be written.
        """
        entry = await self._entry(shared_part(settings))
        entry.users += 1
        try:
            await entry.ready.wait()
            if entry.place is None:
                raise _told(entry.failure)
            yield entry.place
        finally:
            entry.users -= 1

    async def _entry(self, settings: Settings) -> _Entry:
        while True:
            found = next((e for e in self._entries if e.settings == settings), None)
            if found is None:
                entry = _Entry(settings)
                self._entries.append(entry)
                self._tasks.start_soon(self._run, entry)
                return entry
            if not found.ending:
                return found
            # It still owns its sessions, so that another could not open them.
            await found.ended.wait()

    async def _run(self, entry: _Entry) -> None:
        try:
            async with (
                open_supervisor(entry.settings) as supervisor,
                anyio.create_task_group() as tasks,
            ):
                entry.place = Hosted(supervisor, tasks, entry.ended)
                entry.ready.set()
                await self._until_unneeded(entry, entry.place)
                entry.ending = True
                tasks.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 reason: the others go on; who uses it is told
            entry.failure = error
            _LOG.exception("A supervisor failed.")
        finally:
            self._entries.remove(entry)
            entry.place = None
            entry.ready.set()
            entry.ended.set()

    async def _until_unneeded(self, entry: _Entry, place: Hosted) -> None:
        since: float | None = None
        while not entry.unwanted.is_set():
            left = LOOK_PAUSE
            if entry.users or place.supervisor.is_working:
                since = None
            else:
                since = anyio.current_time() if since is None else since
                left = since + min(LINGER, self._idle_seconds()) - anyio.current_time()
            if left <= 0:
                return
            with anyio.move_on_after(min(left, LOOK_PAUSE)):
                await entry.unwanted.wait()

    async def release(self) -> None:
        """End those that nobody uses and in which nothing goes on, so that others can have what they own."""
        idle = [
            entry
            for entry in self._entries
            if entry.place and not entry.users and not entry.place.supervisor.is_working
        ]
        for entry in idle:
            entry.unwanted.set()
        for entry in idle:
            await entry.ended.wait()

    async def end(self) -> None:
        """End all of them in an orderly way: what waits is cancelled, agents are ended."""
        for entry in self._entries:
            entry.unwanted.set()
        for entry in tuple(self._entries):
            await entry.ended.wait()


def _told(error: BaseException | None) -> BaseException:
    """Return what a person can do something with."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    if isinstance(error, AutopilotError | OSError):
        return error
    return AutopilotError(
        "The shared process could not set up what your settings ask for.",
        advice="Start the language server again; the log of the shared process has more.",
    )
