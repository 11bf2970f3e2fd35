"""The desk for messages that clients leave in a session while a turn runs.

Opens a recorded session where one is named, and checks what is attached. Not aware of when a message goes;
`waiting` knows that. `supervisor` stands above; `sessions` below.
"""

from __future__ import annotations

from pathlib import Path

import anyio.to_thread

from autopilot_ls.model.ids import new_message_id
from autopilot_ls.model.queue import WaitingMessage
from autopilot_ls.supervisor.attachments import look_at
from autopilot_ls.supervisor.prompt import compose, require_text
from autopilot_ls.supervisor.requests import QueueMessage
from autopilot_ls.supervisor.sessions import Sessions
from autopilot_ls.supervisor.shelf import Shelf


class MessageDesk:
    """Takes messages for sessions."""

    def __init__(self, sessions: Sessions, shelf: Shelf) -> None:
        """Create it over the open sessions, and where those stand that were put away."""
        self._sessions = sessions
        self._shelf = shelf

    async def queue(self, request: QueueMessage, by: str) -> str:
        """Leave a message for the end of the turn; it goes at once when none runs.

        Args:
            request: What to say and where.
            by: Who says it, for the record.

        Returns:
            The message's id.

        Raises:
            InvalidRequest: It makes no sense, or too much waits already.
            SessionNotFound: There is no such session.
            SessionBusy: Another process has it open.
        """
        require_text(request.text)
        attachments = await anyio.to_thread.run_sync(look_at, request.attachments)
        session, fresh = await self._sessions.open(request.session_id)
        async with self._sessions.released_on_failure(session, fresh=fresh):
            await self._shelf.take_out(session)
            cwd = Path(session.record.state.cwd)
            prompt = compose(request.text, request.references, attachments, cwd)
            message = WaitingMessage(
                id=new_message_id(),
                text=request.text,
                prompt="" if prompt == request.text else prompt,
                attachments=attachments,
                queued_by=by,
                queued_at=session.record.now(),
            )
            session.waiting.add(message)
        return message.id

    async def unqueue(self, session_id: str, message_id: str) -> None:
        """Take a message back. Raises as `Waiting.drop`, and as `queue`."""
        async with self._sessions.borrowed(session_id) as session:
            session.waiting.drop(message_id)

    async def release(self, session_id: str, message_id: str | None) -> None:
        """Let a message go, or all that are held. Raises as `Waiting.release`, and as `queue`."""
        session, fresh = await self._sessions.open(session_id)
        async with self._sessions.released_on_failure(session, fresh=fresh):
            await self._shelf.take_out(session)
            session.waiting.release(message_id)
