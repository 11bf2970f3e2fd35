"""Makes the view of a session at a glance.

Pure. Not aware of how it is sent. `lsp` and `cli` stand above, `status_view`, `progress` and `approvals`
below.
"""

from __future__ import annotations

from autopilot_ls.model.approvals import Approval
from autopilot_ls.model.items import PlanStep
from autopilot_ls.model.snapshots import SessionSnapshot, TurnSnapshot
from autopilot_ls.model.text import one_line
from autopilot_ls.presentation import approvals, progress
from autopilot_ls.presentation.markdown import Redact, unchanged
from autopilot_ls.presentation.status_view import PendingApproval, StatusView
from autopilot_ls.presentation.verdicts import explained


def status(
    snapshot: SessionSnapshot, *, now: float | None = None, redact: Redact = unchanged
) -> StatusView:
    """Return a session at a glance.

    Args:
        snapshot: The session.
        now: Seconds since the epoch; by default the time of the session's last event.
        redact: Leaves out secrets.
    """
    moment = snapshot.updated_at if now is None else now
    turn = next((turn for turn in reversed(snapshot.turns) if turn.id), None)
    running = turn is not None and turn is snapshot.active_turn
    return StatusView(
        seq=snapshot.seq,
        session_id=snapshot.session_id,
        title=one_line(redact(snapshot.title)),
        cwd=snapshot.cwd,
        runtime=snapshot.runtime,
        runtime_version=snapshot.runtime_version,
        model=snapshot.model,
        mode=snapshot.mode,
        state="waiting" if snapshot.pending else "idle" if turn is None else turn.status.value,
        alive=snapshot.alive,
        turn_id=turn.id if turn else None,
        doing=progress.message(snapshot, redact=redact),
        closing=""
        if turn is None or running
        else progress.closing_line(snapshot, turn, redact=redact),
        error=one_line(redact(turn.error), 500) if turn else "",
        error_code=turn.error_code if turn else "",
        plan=_plan(turn, redact),
        percentage=progress.percentage(snapshot),
        started_at=turn.started_at if turn and running else None,
        elapsed=max(0.0, (turn.completed_at or moment) - turn.started_at) if turn else 0.0,
        waited=turn.waited if turn else 0.0,
        pending=tuple(
            _pending(approval, snapshot, moment, redact) for approval in snapshot.pending
        ),
        grants=snapshot.grants,
        tokens=snapshot.usage.total_tokens + snapshot.sub_agent_usage.total_tokens,
        turn_tokens=progress.tokens_of(turn) if turn else 0,
        context_used=snapshot.usage.context_used,
        context_window=snapshot.usage.context_window,
        limits=snapshot.limits,
        account=snapshot.account,
        unknown=sum(number for _, number in snapshot.unknown),
        turns=snapshot.dropped_turns + sum(bool(each.id) for each in snapshot.turns),
    )


def _plan(turn: TurnSnapshot | None, redact: Redact) -> tuple[PlanStep, ...]:
    if turn is None:
        return ()
    return tuple(
        PlanStep(step=one_line(redact(step.step)), status=step.status) for step in turn.plan
    )


def _pending(
    approval: Approval, snapshot: SessionSnapshot, now: float, redact: Redact
) -> PendingApproval:
    return PendingApproval(
        id=approval.id,
        kind=approval.action.type,
        title=approvals.title(approval, root=snapshot.cwd, redact=redact),
        rule=approval.verdict.rule,
        risk=approval.verdict.risk,
        alarm=approvals.alarm(approval, snapshot.mode),
        why=explained(approval.verdict, redact=redact),
        age=max(0.0, now - approval.requested_at),
        requested_at=approval.requested_at,
        paths=tuple(change.path for change in approval.files),
        hunks=sum(len(change.hunks) for change in approval.files),
        thread_id=approval.thread_id,
    )
