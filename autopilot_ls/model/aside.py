"""What lies beside a session's turns: messages that wait, findings of a review, where it came from.

Changed by events only, and bounded; a part of `state.SessionState`, which stands above. Not aware of
turns, items or approvals.
"""

from __future__ import annotations

from typing import Final

from autopilot_ls.model.events import (
    FindingsDismissed,
    FindingsReported,
    MessageQueued,
    MessagesHeld,
    MessageUnqueued,
    SessionArchived,
    SessionCreated,
)
from autopilot_ls.model.findings import Finding
from autopilot_ls.model.queue import WaitingMessage

MAX_QUEUED: Final = 20
"""Messages that may wait in one session."""

MAX_FINDINGS: Final = 200
"""Findings of one review that are kept."""

Beside = (
    SessionArchived
    | MessageQueued
    | MessageUnqueued
    | MessagesHeld
    | FindingsReported
    | FindingsDismissed
)
"""The facts that change what lies beside the turns."""


class Aside:
    """See the module's docstring."""

    def __init__(self) -> None:
        """Create it empty."""
        self.archived = False
        self.forked_from = ""
        self.forked_thread = ""
        self.forked_turn = ""
        self.queue: dict[str, WaitingMessage] = {}
        """Messages that wait, by their ids, in the order in which they were written."""
        self.findings: dict[str, Finding] = {}
        """What the last review found and nobody has dismissed, by their ids."""

    def created(self, body: SessionCreated) -> None:
        """Take what is told once, when the session begins."""
        self.forked_from = body.forked_from
        self.forked_thread, self.forked_turn = body.forked_thread, body.forked_turn

    def apply(self, body: Beside) -> None:
        """Apply a fact."""
        match body:
            case SessionArchived():
                self.archived = body.archived
            case MessageQueued():
                # A record that says more than we ever write must not take more room than that.
                if len(self.queue) < MAX_QUEUED:
                    self.queue[body.message.id] = body.message
            case MessageUnqueued():
                self.queue.pop(body.message_id, None)
            case MessagesHeld():
                for message_id in body.message_ids:
                    message = self.queue.get(message_id)
                    if message is not None:
                        changed = message.model_copy(update={"held": body.held})
                        self.queue[message_id] = changed
            case FindingsReported():
                kept = body.findings[:MAX_FINDINGS]
                self.findings = {finding.id: finding for finding in kept}
            case FindingsDismissed():
                for finding_id in body.finding_ids:
                    self.findings.pop(finding_id, None)
