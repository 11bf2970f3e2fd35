"""What one batch of Codex's messages means so far, in order.

Knows how a notification becomes an event in its thread and turn, and nothing of what it says.
`mapping` and its parts stand above; `threads` and the model's events below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from autopilot_ls.model.events import Body, SubAgentOpened, UnknownReceived
from autopilot_ls.runtimes.base import RuntimeEvent, RuntimeMessage
from autopilot_ls.runtimes.codex.fields import Table, optional_text, table
from autopilot_ls.runtimes.codex.threads import Threads
from autopilot_ls.wire.messages import Notification

Handler = Callable[[Notification, Table], None]
"""Takes a notification and its parameters in."""

MAX_NAME: Final = 200
"""Characters of a name of Codex's that are kept, when the name is not known."""


class Facts:
    """Collects facts until they are taken."""

    def __init__(self, threads: Threads) -> None:
        """Create it empty, for these threads."""
        self._threads = threads
        self._messages: list[RuntimeMessage] = []

    def add(self, *messages: RuntimeMessage) -> None:
        """Add messages that are complete."""
        self._messages += messages

    def take(self) -> list[RuntimeMessage]:
        """Return all so far, and begin anew."""
        messages, self._messages = self._messages, []
        return messages

    def unknown(self, notification: Notification) -> None:
        """Report a notification that is not known, or has an unexpected shape."""
        self.emit(UnknownReceived(method=notification.method[:MAX_NAME]), notification)

    def emit(self, body: Body, notification: Notification, *, turn_id: str | None = None) -> None:
        """Report a fact in the thread and turn of the notification that says it, or in another turn."""
        params = notification.params
        turn = (
            turn_id or optional_text(params, "turnId") or optional_text(table(params, "turn"), "id")
        )
        self._messages.append(
            RuntimeEvent(
                body,
                thread_id=optional_text(params, "threadId"),
                turn_id=turn,
                frames=(notification.frame, notification.frame),
            )
        )

    def see_thread(self, thread: str, parent: str = "", name: str = "") -> None:
        """Report a thread that shows up for the first time and is not the main one."""
        if thread in self._threads:
            return
        self._threads.note(thread)
        if self._threads.main_id is not None and not self._threads.is_main(thread):
            opened = SubAgentOpened(parent_thread_id=parent or self._threads.main_id, name=name)
            self._messages.append(RuntimeEvent(opened, thread_id=thread))
