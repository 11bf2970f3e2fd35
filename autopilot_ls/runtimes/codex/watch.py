"""The watch over Codex: whether it acts or decides by itself, which must never happen.

Not aware of how it is stopped then; `runtime` does that. `mapping` and its parts stand above, `facts`
and `items` below.
"""

from __future__ import annotations

from typing import Final

from autopilot_ls.model.errors import AgentNotSafe
from autopilot_ls.model.events import Notice
from autopilot_ls.runtimes.codex.facts import Facts
from autopilot_ls.runtimes.codex.fields import Table, text
from autopilot_ls.runtimes.codex.items import describe, was_carried_out
from autopilot_ls.wire.messages import Notification

_BREACH: Final = (
    "The turn is stopped. Look at what it did, run `autopilot-ls doctor`, and report this."
)


class Watch:
    """Sounds the alarm once.

    Attributes:
        breached: Whether Codex was seen to act or decide by itself.
        expects_asking: Whether this Codex asks before everything.
    """

    def __init__(self, facts: Facts) -> None:
        """Create it; the alarm becomes one of these facts."""
        self.breached = False
        self.expects_asking = True
        self._facts = facts

    def check_judged(
        self, notification: Notification, native: Table, *, asked: bool | None, held: bool = False
    ) -> None:
        """Sound the alarm when something was carried out that nobody was asked about.

        Args:
            notification: The report that it is done.
            native: Codex's item.
            asked: Whether Codex asked; None if it need not have.
            held: Whether it is a command of the reviewer, which never asks and can only read.
        """
        if held and text(native, "type") == "commandExecution":
            return
        if asked is not False or not self.expects_asking or not was_carried_out(native):
            return
        self.alarm(notification, f"Codex acted without asking: {describe(native)}.")

    def alarm(self, notification: Notification, what: str) -> None:
        """Say what Codex did, once; the turn is stopped for it."""
        if not self.breached:
            message = f"{what} {_BREACH}"
            self._facts.emit(
                Notice(severity="error", code=AgentNotSafe.code, message=message), notification
            )
        self.breached = True
