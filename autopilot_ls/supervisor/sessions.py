"""The sessions that are open in this process: how one is made, opened again, closed and deleted.

Keeps them by their id, and sees to it that a record never has two owners. Not aware of what clients
ask of a session or of who watches. `supervisor` stands above; `session`, `recovery` and the store of
the trace below.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import (
    AutopilotError,
    InvalidRequest,
    SessionBusy,
    SessionError,
    SessionNotFound,
)
from autopilot_ls.model.events import Body, FactsDue, Notice, SessionCreated
from autopilot_ls.model.ids import new_approval_id, new_session_id
from autopilot_ls.model.state import SessionState
from autopilot_ls.model.text import one_line
from autopilot_ls.runtimes.base import RuntimeFactory
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor import caller
from autopilot_ls.supervisor.patches import clear_after_crash, settle_after_crash
from autopilot_ls.supervisor.policies import Policies, policy_files
from autopilot_ls.supervisor.recovery import closing_facts
from autopilot_ls.supervisor.review.reviews import Reviews
from autopilot_ls.supervisor.session import Session
from autopilot_ls.supervisor.tasks import Tasks
from autopilot_ls.supervisor.views import ClientView
from autopilot_ls.trace.store import TraceStore
from autopilot_ls.trace.writer import SessionTrace

_LOG: Final = logging.getLogger(__name__)

SHUTDOWN_GRACE: Final = 15.0
"""Seconds all sessions together have for an orderly end."""

OWN_ATTEMPTS: Final = 10
OWN_PAUSE: Final = 0.05
"""How often, and with how many seconds in between, to try to own a session that seems in use."""


class Sessions:
    """The open sessions; iterating gives them oldest first."""

    def __init__(
        self,
        settings: Settings,
        store: TraceStore,
        factories: Mapping[str, RuntimeFactory],
        views: Callable[[], Iterable[ClientView]],
        tasks: Tasks,
        *,
        reviews: Reviews | None,
    ) -> None:
        """Create it empty.

        Args:
            settings: The checked settings.
            store: The recorded sessions.
            factories: The runtimes by name.
            views: The clients that are attached at the moment.
            tasks: Where the agents of the sessions run.
            reviews: Where it is kept what they change; None when it is not.
        """
        self._settings = settings
        self._store = store
        self._factories = factories
        self._views = views
        self._tasks = tasks
        self._reviews = reviews
        self.policies = Policies(policy_files(settings))
        self._live: dict[str, Session] = {}
        self._opening = anyio.Lock()
        self._shut = False

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._live.values()))

    def get(self, session_id: str) -> Session | None:
        """Return a session if it is open here."""
        return self._live.get(session_id)

    def __getitem__(self, session_id: str) -> Session:
        """Return a session that is open here.

        Raises:
            SessionNotFound: It is not open, or there is none of this id.
        """
        session = self._live.get(session_id)
        if session is None:
            self._store.summary(session_id)
            raise SessionNotFound(
                f"Session {session_id} is not open here.",
                advice="Open it with autopilot.session.resume.",
            )
        return session

    def tell_agents(self, session_ids: Collection[str], facts: str) -> None:
        """Have the agents of these sessions told something when their next turns begin."""
        for session_id in session_ids:
            session = self._live.get(session_id)
            if session is not None and not session.is_closed:
                session.record.tell(FactsDue(approval_id=new_approval_id(), text=facts))

    def replay(self, session_id: str) -> SessionState:
        """Return the state that a session's recorded events give; blocking.

        Raises:
            SessionNotFound: There is none of this id.
            TraceUnreadable: Its record is damaged.
        """
        state = SessionState(session_id)
        for event in self._store.read_events(session_id):
            state.apply(event)
        return state

    def factory(self, runtime: str) -> RuntimeFactory:
        """Return the runtime of this name.

        Raises:
            InvalidRequest: There is none.
        """
        factory = self._factories.get(runtime)
        if factory is None:
            known = ", ".join(sorted(self._factories))
            raise InvalidRequest(
                f"There is no runtime called {runtime!r}.",
                advice=f"Set `runtime` to one of: {known}.",
            )
        return factory

    def create(self, cwd: Path, mode: Mode, title: str) -> Session:
        """Make a new session in this folder; its agent is not started yet.

        Raises:
            InvalidRequest: The folder does not exist, or the configured runtime does not.
        """
        self._require_open()
        if not cwd.is_absolute() or not cwd.is_dir():
            raise InvalidRequest(
                f"{cwd} is not an existing folder.",
                advice="Give the absolute path of a folder that exists.",
            )
        runtime = self._settings.runtime
        self.factory(runtime)
        created = SessionCreated(cwd=str(cwd.resolve()), runtime=runtime, mode=mode, title=title)
        state = SessionState(new_session_id())
        return self._make(self._store.create(state.session_id), state, created)

    def fork(self, origin: SessionState, turn_id: str) -> Session:
        """Make a new session that goes on from a turn of another one; its agent is not started yet.

        Grants and what the agent was still to be told stay with the other session.

        Raises:
            InvalidRequest: The other one's folder or runtime is gone.
        """
        self._require_open()
        if not Path(origin.cwd).is_dir():
            raise InvalidRequest(f"{origin.cwd} is not an existing folder.")
        self.factory(origin.runtime)
        created = SessionCreated(
            cwd=origin.cwd,
            runtime=origin.runtime,
            mode=origin.mode,
            title=one_line(f"{origin.title} (fork)", 80),
            forked_from=origin.session_id,
            forked_thread=origin.thread_id or "",
            forked_turn=turn_id,
        )
        told = Notice(
            severity="info",
            code="forked",
            message=f"Goes on from session {origin.session_id}, “{one_line(origin.title, 80)}”.",
        )
        state = SessionState(new_session_id())
        return self._make(self._store.create(state.session_id), state, created, told)

    def _require_open(self) -> None:
        if self._shut:
            raise SessionError("Autopilot is ending.", advice="Start it again.")

    def _make(self, trace: SessionTrace, state: SessionState, *bodies: Body) -> Session:
        """Take a session among the live ones, once its first events are on record."""
        try:
            session = Session(
                trace,
                state,
                factory=self.factory(state.runtime or self._settings.runtime),
                private=self._settings.state_folder,
                environment=caller.environment(),
                model=caller.model(),
                effort=caller.effort(),
                policies=self.policies,
                reviews=self._reviews,
                views=self._views,
                tasks=self._tasks,
            )
            # Who hears of the events must find the session.
            self._live[state.session_id] = session
            session.record.tell(*bodies)
        except BaseException:
            self._live.pop(state.session_id, None)
            trace.close()
            raise
        return session

    async def open(self, session_id: str) -> tuple[Session, bool]:
        """Return a session, and whether it had to be opened for this; its agent is not started.

        Raises:
            SessionNotFound: There is none of this id.
            SessionBusy: Another process has it open.
        """
        live = self._live.get(session_id)
        if live is not None and not live.is_closed:
            return live, False
        async with self._opening:
            self._require_open()
            live = self._live.get(session_id)
            if live is not None:
                if not live.is_closed:
                    return live, False
                # It ended because its record could not be written.
                await live.close()
                del self._live[session_id]
            trace = await self._own(session_id)
            try:
                state = await anyio.to_thread.run_sync(self.replay, session_id)
                await anyio.to_thread.run_sync(clear_after_crash, state)
                facts = await anyio.to_thread.run_sync(
                    closing_facts, state, time.time(), settle_after_crash
                )
                self._require_open()
            except BaseException:
                trace.close()
                raise
            return self._make(trace, state, *facts), True

    async def _own(self, session_id: str) -> SessionTrace:
        # Somebody who lists or tidies the sessions holds the lock for a moment.
        for _ in range(OWN_ATTEMPTS):
            with contextlib.suppress(SessionBusy):
                return await anyio.to_thread.run_sync(self._store.open, session_id)
            await anyio.sleep(OWN_PAUSE)
        return await anyio.to_thread.run_sync(self._store.open, session_id)

    @asynccontextmanager
    async def borrowed(self, session_id: str) -> AsyncGenerator[Session]:
        """Open a session for a moment; one that was not open is released again if nothing runs in it.

        Raises:
            SessionNotFound: There is none of this id.
            SessionBusy: Another process has it open.
        """
        session, fresh = await self.open(session_id)
        try:
            yield session
        finally:
            if fresh and session.is_idle:
                with contextlib.suppress(AutopilotError):
                    await self.close(session_id)

    @asynccontextmanager
    async def released_on_failure(self, session: Session, *, fresh: bool) -> AsyncGenerator[None]:
        """Release a session that was opened only for what failed; its record stays."""
        try:
            yield
        except Exception:
            if fresh and session.is_idle:
                # Nobody may know its id, and its lock would keep other processes out.
                with contextlib.suppress(AutopilotError):
                    await self.close(session.record.session_id)
            raise

    async def close(self, session_id: str) -> None:
        """End a session's agent and release its record; its history stays."""
        # Who opens it meanwhile waits, and gets a new one.
        async with self._opening:
            session = self[session_id]
            # The record is not released before the agent has ended, which has its limits.
            with anyio.CancelScope(shield=True):
                try:
                    await session.close()
                finally:
                    del self._live[session_id]

    async def delete(self, session_id: str) -> None:
        """Delete a session's record for good.

        Raises:
            SessionBusy: It is open, here or elsewhere.
        """
        if session_id in self._live:
            raise SessionBusy(f"Session {session_id} is open.", advice="Close it first.")
        await anyio.to_thread.run_sync(self._store.delete, session_id)

    async def shut_down(self) -> None:
        """End all sessions in an orderly way: what waits is cancelled, processes are ended."""
        self._shut = True
        with anyio.move_on_after(SHUTDOWN_GRACE, shield=True):
            async with anyio.create_task_group() as ending:
                for session in self:
                    ending.start_soon(_close_quietly, session)


async def _close_quietly(session: Session) -> None:
    try:
        await session.close()
    except Exception:  # noqa: BLE001 reason: the others must be closed all the same
        _LOG.exception("session %s could not be closed in order", session.record.session_id)
