"""What is done with whole sessions: naming, putting away, going on in a copy, shortening.

A recorded session is opened for it and released again. Not aware of editors or agents' wires. `supervisor`
stands above; `sessions` and `session` below.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import anyio
import anyio.to_thread

from autopilot_ls.model.errors import AutopilotError, InvalidRequest, SessionBusy
from autopilot_ls.model.events import SessionArchived, SessionTitled, TurnStatus
from autopilot_ls.model.state import SessionState
from autopilot_ls.model.text import one_line
from autopilot_ls.runtimes.base import AgentRuntime
from autopilot_ls.supervisor.session import Session
from autopilot_ls.supervisor.sessions import Sessions

_LOG: Final = logging.getLogger(__name__)

MAX_TITLE: Final = 200
"""Characters of a title."""

AGENT_LIMIT: Final = 20.0
"""Seconds that the agent's own list of threads may take to be changed."""


class Shelf:
    """The sessions as things to be kept in order."""

    def __init__(
        self,
        sessions: Sessions,
        open_agent: Callable[[str], AbstractAsyncContextManager[AgentRuntime]],
    ) -> None:
        """Create it.

        Args:
            sessions: The open sessions.
            open_agent: Starts an agent of this name that serves no session.
        """
        self._sessions = sessions
        self._open_agent = open_agent

    async def rename(self, session_id: str, title: str) -> None:
        """Give a session another title.

        Raises:
            InvalidRequest: The title is empty.
            SessionNotFound: There is no such session.
            SessionBusy: Another process has it open.
        """
        line = one_line(title, MAX_TITLE)
        if not line:
            raise InvalidRequest("The title is empty.")
        async with self._sessions.borrowed(session_id) as session:
            session.record.tell(SessionTitled(title=line))
            session.record.save_summary()

    async def archive(self, session_id: str, *, archived: bool) -> None:
        """Put a session away, which closes it, or back among the others.

        The agent's own list of its threads is brought into line where the agent lets us.

        Raises:
            SessionNotFound: There is no such session.
            SessionBusy: A turn runs in it, or another process has it open.
        """
        async with self._sessions.borrowed(session_id) as session:
            if archived and not session.is_idle:
                raise SessionBusy(
                    f"Session {session_id} is working on a turn.", advice="Interrupt it first."
                )
            state = session.record.state
            changed = self._mark(session, archived=archived)
        if archived and self._sessions.get(session_id) is not None:
            await self._sessions.close(session_id)
        if changed:
            await self._tell_agent(state, archived=archived)

    async def take_out(self, session: Session) -> None:
        """Bring a session back that was put away, because work begins in it."""
        if self._mark(session, archived=False):
            await self._tell_agent(session.record.state, archived=False)

    def _mark(self, session: Session, *, archived: bool) -> bool:
        if session.record.state.aside.archived is archived:
            return False
        session.record.tell(SessionArchived(archived=archived))
        session.record.save_summary()
        return True

    async def _tell_agent(self, state: SessionState, *, archived: bool) -> None:
        if state.thread_id is None or not state.turn_count:
            return  # The agent has nothing stored of it.
        try:
            with anyio.fail_after(AGENT_LIMIT):
                async with self._open_agent(state.runtime) as agent:
                    await agent.archive_thread(state.thread_id, archived=archived)
        except (AutopilotError, TimeoutError) as error:
            _LOG.info("the agent's own list still has the thread as before: %s", error)

    async def fork(self, session_id: str, turn_id: str | None) -> str:
        """Go on from a session in a new one, which knows all up to a turn.

        Args:
            session_id: The session, open or not.
            turn_id: The last turn to be known, by the agent's id; the last that has ended when omitted.

        Returns:
            The new session's id.

        Raises:
            InvalidRequest: It has no such turn, or none that has ended.
            SessionNotFound: There is no such session.
            AgentError: The agent cannot be had or refuses; there is no new session then.
        """
        live = self._sessions.get(session_id)
        state = live.record.state if live else None
        if state is None:
            state = await anyio.to_thread.run_sync(self._sessions.replay, session_id)
        ended = [
            turn.id
            for turn in state.snapshot().turns
            if turn.id and turn.status is not TurnStatus.IN_PROGRESS
        ]
        if not ended or state.thread_id is None:
            raise InvalidRequest(f"Session {session_id} has no turn that has ended.")
        if turn_id is not None and turn_id not in ended:
            raise InvalidRequest(f"Session {session_id} has no turn {turn_id!r} that has ended.")
        session = self._sessions.fork(state, turn_id or ended[-1])
        forked = session.record.session_id
        try:
            await session.ensure_agent()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._sessions.close(forked)
                await self._sessions.delete(forked)
            raise
        return forked

    async def compact(self, session_id: str) -> None:
        """Have a session's agent shorten its context; see `Session.compact`."""
        session, fresh = await self._sessions.open(session_id)
        async with self._sessions.released_on_failure(session, fresh=fresh):
            await self.take_out(session)
            await session.compact()
