"""A session at a glance, as a value that clients get as JSON.

The answer of `autopilot.status` and the body of the `autopilot/status` notification. Not aware of how
it is sent. `lsp` and `cli` stand above, `progress` and `approvals` below.
"""

from __future__ import annotations

from typing import Literal

from autopilot_ls.model.approvals import Approval, Grant, Mode
from autopilot_ls.model.base import Frozen
from autopilot_ls.model.items import PlanStep, RateLimit
from autopilot_ls.model.snapshots import SessionSnapshot, TurnSnapshot
from autopilot_ls.model.text import one_line
from autopilot_ls.presentation import approvals, progress
from autopilot_ls.presentation.markdown import Redact, unchanged
from autopilot_ls.presentation.verdicts import explained


class PendingApproval(Frozen):
    """An approval that waits.

    Attributes:
        kind: The type of its action: command, patch, permission, question, elicitation or tool.
        title: One visible line.
        rule: Name of the rule that asked.
        risk: How much harm it can do.
        alarm: What must be said loudly of it, such as `HIGH RISK`; empty for an ordinary one.
        why: How the verdict explains itself: the rule, where it stands, the part, the risk, the reason.
        age: Seconds that it has waited.
        paths: Files that it is about, absolute.
        hunks: How many hunks its patch has.
        thread_id: The agent's thread that asks, a sub-agent's where one does.
    """

    id: str
    kind: str
    title: str
    rule: str
    risk: Literal["low", "high"] = "low"
    alarm: str = ""
    why: str
    age: float
    paths: tuple[str, ...] = ()
    hunks: int = 0
    thread_id: str | None = None


class StatusView(Frozen):
    """A session at a glance.

    Attributes:
        state: `waiting` when an approval is pending; `idle` before the first turn; else how the
            running or last turn stands.
        alive: Whether an agent process serves the session.
        doing: What happens now, one visible line.
        closing: What the last turn came to, once it ended.
        percentage: How much of the plan is done, 0 to 100.
        elapsed: Seconds that the turn has run, or took.
        waited: Seconds of it that were spent waiting for decisions, without those that wait now.
        tokens: Tokens of the session, with those of its sub-agents.
        turn_tokens: Tokens of the turn, likewise.
        context_used: Tokens in the context at the last model call.
        unknown: How many messages were received that this version does not know.
    """

    session_id: str
    title: str
    cwd: str
    runtime: str
    runtime_version: str
    model: str
    mode: Mode
    state: Literal["idle", "waiting", "inProgress", "completed", "interrupted", "failed", "unknown"]
    alive: bool
    turn_id: str | None = None
    doing: str = ""
    closing: str = ""
    error: str = ""
    error_code: str = ""
    plan: tuple[PlanStep, ...] = ()
    percentage: int | None = None
    elapsed: float = 0.0
    waited: float = 0.0
    pending: tuple[PendingApproval, ...] = ()
    grants: tuple[Grant, ...] = ()
    tokens: int = 0
    turn_tokens: int = 0
    context_used: int | None = None
    context_window: int | None = None
    limits: tuple[RateLimit, ...] = ()
    account: str = ""
    unknown: int = 0
    turns: int = 0


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
        paths=tuple(change.path for change in approval.files),
        hunks=sum(len(change.hunks) for change in approval.files),
        thread_id=approval.thread_id,
    )
