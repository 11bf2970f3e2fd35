"""Messages that a person leaves while a turn runs, and when they go.

The first that is not held becomes the next turn as soon as one is completed, and so on in order. When a
turn was interrupted or failed, or a message cannot be sent, those that waited are held: they are shown, and
go only when a person says so. The state of it all is in the session's events, so that nothing is lost with
the process. Not aware of agents or editors. `session` stands above; `record` below.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio

from autopilot_ls.model.aside import MAX_QUEUED
from autopilot_ls.model.errors import AutopilotError, InvalidRequest, TraceFull
from autopilot_ls.model.events import (
    Body,
    Event,
    MessageQueued,
    MessagesHeld,
    MessageUnqueued,
    Notice,
    TurnCompleted,
    TurnStatus,
)
from autopilot_ls.model.queue import WaitingMessage
from autopilot_ls.model.state import SessionState
from autopilot_ls.model.text import count
from autopilot_ls.supervisor.record import SessionRecord
from autopilot_ls.supervisor.tasks import Tasks

MAX_CHARACTERS: Final = 2_000_000
"""Characters that the waiting messages of one session may have together."""

WHAT_TO_DO: Final = (
    "Send with autopilot.turn.release, or drop with autopilot.turn.unqueue, what is still wanted."
)


def held(state: SessionState, message_ids: Sequence[str], why: str) -> list[Body]:
    """Return the facts that hold those of these messages that still wait and are not held."""
    queue = state.aside.queue
    found = tuple(each for each in message_ids if each in queue and not queue[each].held)
    if not found:
        return []
    are = "is" if len(found) == 1 else "are"
    message = f"{count(len(found), 'waiting message')} {are} held, because {why}. {WHAT_TO_DO}"
    return [
        MessagesHeld(message_ids=found, held=True),
        Notice(severity="warning", code="messages-held", message=message),
    ]


class Waiting:
    """The waiting messages of one session."""

    def __init__(
        self,
        record: SessionRecord,
        turn_starting: anyio.Lock,
        *,
        begin: Callable[[WaitingMessage], Awaitable[object]],
        is_unwanted: Callable[[], bool],
        is_closed: Callable[[], bool],
        fail: Callable[[AutopilotError], None],
        tasks: Tasks,
    ) -> None:
        """Create it.

        Args:
            record: Has the messages, and is told what becomes of them.
            turn_starting: Held while a turn is being started or switched to another mode.
            begin: Starts a turn with a message; the lock is held.
            is_unwanted: Tells whether a person wanted to stop what ran last.
            is_closed: Tells whether the session is closed or being closed.
            fail: Called with what must stop the session, such as a record that cannot be written.
            tasks: Where messages are sent.
        """
        self._record = record
        self._turn_starting = turn_starting
        self._begin = begin
        self._is_unwanted = is_unwanted
        self._is_closed = is_closed
        self._fail = fail
        self._tasks = tasks
        self._sending: str | None = None

    def add(self, message: WaitingMessage) -> None:
        """Take a message; it goes at once when no turn runs.

        Raises:
            InvalidRequest: Too many wait already.
        """
        queue = self._record.state.aside.queue
        if len(queue) >= MAX_QUEUED:
            raise InvalidRequest(
                f"{MAX_QUEUED} messages wait already.",
                advice="Drop one, or wait for the turn's end.",
            )
        size = sum(_size(each) for each in queue.values())
        if size + _size(message) > MAX_CHARACTERS:
            raise InvalidRequest(
                f"The waiting messages would have more than {MAX_CHARACTERS:,} characters.",
                advice="Drop one, or wait for the turn's end.",
            )
        self._record.tell(MessageQueued(message=message))
        self._go_if_idle()

    def drop(self, message_id: str) -> None:
        """Take a message back.

        Raises:
            InvalidRequest: It does not wait, or is just being sent.
        """
        self._required(message_id)
        if message_id == self._sending:
            raise InvalidRequest(f"Message {message_id} is just being sent.")
        self._record.tell(MessageUnqueued(message_id=message_id, why="dropped"))

    def release(self, message_id: str | None) -> None:
        """Let a message go, or all that are held; the first goes at once when no turn runs.

        Raises:
            InvalidRequest: There is none, or it is not held.
        """
        queue = self._record.state.aside.queue
        if message_id is not None and not self._required(message_id).held:
            raise InvalidRequest(f"Message {message_id} is not held.")
        wanted = [message_id] if message_id is not None else list(queue)
        found = tuple(each for each in wanted if queue[each].held)
        if not found:
            raise InvalidRequest("No message is held in this session.")
        self._record.tell(MessagesHeld(message_ids=found, held=False))
        self._go_if_idle()

    def _go_if_idle(self) -> None:
        # A turn that runs says by its end whether there is anything to go on with.
        if self._record.state.active_turn_id is None:
            self._tasks.start_soon(self._go_on, ())

    def _required(self, message_id: str) -> WaitingMessage:
        found = self._record.state.aside.queue.get(message_id)
        if found is None:
            raise InvalidRequest(f"No message {message_id!r} waits in this session.")
        return found

    def heard(self, events: Sequence[Event]) -> None:
        """Take what has happened; the end of a turn lets the next message go, or holds them all."""
        if not any(isinstance(event.body, TurnCompleted) for event in events):
            return
        waited = tuple(self._record.state.aside.queue)
        if waited:
            self._tasks.start_soon(self._go_on, waited)

    async def _go_on(self, waited: tuple[str, ...]) -> None:
        """Send the next message if no turn runs.

        Args:
            waited: Messages that waited for a turn which has ended: held unless it was completed.
        """
        try:
            # What switches to another mode has begun its own turn by then.
            async with self._turn_starting:
                if self._is_closed() or self._record.state.active_turn_id is not None:
                    return
                completed = self._record.state.status == TurnStatus.COMPLETED
                if waited and (self._is_unwanted() or not completed):
                    self._hold(waited, "the turn before them was stopped or failed")
                await self._send_next()
        except TraceFull as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 reason: the session must fail aloud, since its messages no longer go
            self._fail(AutopilotError(f"Internal error while sending a message: {error!r}."))

    def _hold(self, message_ids: Sequence[str], why: str) -> None:
        facts = held(self._record.state, message_ids, why)
        if facts:
            self._record.tell(*facts)

    async def _send_next(self) -> None:
        queue = self._record.state.aside.queue
        message = next((each for each in queue.values() if not each.held), None)
        if message is None:
            return
        self._sending = message.id
        try:
            await self._begin(message)
        except TraceFull:
            raise
        except AutopilotError as error:
            if not self._is_closed():
                self._hold(tuple(queue), f"the next one could not be sent: {error}")
            return
        finally:
            self._sending = None
        self._record.tell(MessageUnqueued(message_id=message.id, why="sent"))


def _size(message: WaitingMessage) -> int:
    return len(message.text) + len(message.prompt)
