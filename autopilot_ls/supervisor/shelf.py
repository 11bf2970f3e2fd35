"""What is done with whole sessions: naming, putting away, going on in a copy, shortening.

A recorded session is opened for it and released again. Not aware of editors or agents' wires. `supervisor`
stands above; `sessions` and `session` below.
"""

from __future__ import annotations

from autopilot_ls.model.errors import InvalidRequest, SessionBusy
from autopilot_ls.model.events import SessionArchived, SessionTitled
from autopilot_ls.model.text import one_line
from autopilot_ls.supervisor.sessions import Sessions

MAX_TITLE = 200
"""Characters of a title."""


class Shelf:
    """The sessions as things to be kept in order."""

    def __init__(self, sessions: Sessions) -> None:
        """Create it over the open sessions."""
        self._sessions = sessions

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

        Raises:
            SessionNotFound: There is no such session.
            SessionBusy: A turn runs in it, or another process has it open.
        """
        async with self._sessions.borrowed(session_id) as session:
            if archived and not session.is_idle:
                raise SessionBusy(
                    f"Session {session_id} is working on a turn.", advice="Interrupt it first."
                )
            if session.record.state.aside.archived is not archived:
                session.record.tell(SessionArchived(archived=archived))
                session.record.save_summary()
        if archived and self._sessions.get(session_id) is not None:
            await self._sessions.close(session_id)

    async def fork(self, session_id: str, turn_id: str | None) -> str:
        """Go on from a session in a new one; returns the new one's id."""
        del session_id, turn_id
        raise InvalidRequest("Not available yet.")

    async def compact(self, session_id: str) -> None:
        """Have the agent shorten its context."""
        del session_id
        raise InvalidRequest("Not available yet.")
