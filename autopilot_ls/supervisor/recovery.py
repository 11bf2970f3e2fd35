"""Closing what a crash left open in a recorded session.

What was in flight is *unknown*: approvals that waited are cancelled, a turn that ran is marked, and a
patch that was accepted but never reported as done is settled by looking at the disk. What the agent was to
hear of a patch that was accepted in part is told it with its next turn. Pure but for the looks at the disk,
which are handed in. Not aware of processes; `sessions` calls it when it opens one again.
"""

from __future__ import annotations

from collections.abc import Callable

from autopilot_ls.model.approvals import Approval
from autopilot_ls.model.events import (
    ApprovalResolved,
    Body,
    FactsDue,
    FilesSettled,
    RuntimeExited,
    TurnCompleted,
    TurnStatus,
)
from autopilot_ls.model.state import SessionState
from autopilot_ls.supervisor.decisions import cancel
from autopilot_ls.supervisor.facts import facts_after_crash
from autopilot_ls.supervisor.waiting import held

Settle = Callable[[Approval], FilesSettled | None]


def closing_facts(state: SessionState, now: float, settle: Settle) -> list[Body]:
    """Return the facts that close what a crash left open; empty after an orderly end.

    Args:
        state: The state that the recorded events gave.
        now: Seconds since the epoch.
        settle: Says what the disk holds of an accepted patch.
    """
    facts = held(state, tuple(state.aside.queue), "Autopilot ended before they were sent")
    for approval in state.pending.values():
        decision = cancel("Autopilot or the agent ended before anybody decided.")
        waited = max(0.0, now - approval.requested_at)
        facts.append(ApprovalResolved(approval_id=approval.id, decision=decision, waited=waited))
    found: dict[str, FilesSettled] = {}
    for approval in state.unsettled.values():
        settled = settle(approval)
        if settled is not None:
            facts.append(settled)
            found[approval.id] = settled
    for approval_id in state.untold:
        done = state.resolved(approval_id)
        if done is not None:
            text = facts_after_crash(
                done.approval, done.decision, found.get(approval_id), root=state.cwd
            )
            facts.append(FactsDue(approval_id=approval_id, text=text))
    if state.alive:
        # Nobody saw it end, but without us it does: its input is closed.
        facts.append(RuntimeExited(expected=True))
    if state.active_turn_id is None:
        return facts
    facts.append(
        TurnCompleted(
            status=TurnStatus.UNKNOWN,
            error="Autopilot ended in the middle of this turn; how far the agent came is unknown.",
            error_code="turn-unknown",
        )
    )
    return facts
