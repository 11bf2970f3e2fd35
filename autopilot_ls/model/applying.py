"""What each kind of event does to the state of a session.

Only `SessionState.apply` calls this. Not aware of where events come from. `state` has the parts that are
changed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from autopilot_ls.model.events import (
    AccountUpdated,
    ApprovalRequested,
    ApprovalResolved,
    Compacted,
    DiffUpdated,
    Event,
    FactsDue,
    FactsTold,
    FilesSettled,
    FindingsDismissed,
    FindingsReported,
    GrantAdded,
    GrantRevoked,
    HunksMarked,
    ItemCompleted,
    ItemStarted,
    MessageQueued,
    MessagesHeld,
    MessageUnqueued,
    ModeChanged,
    Notice,
    PlanUpdated,
    RateLimitsUpdated,
    RuntimeExited,
    RuntimeStarted,
    SessionArchived,
    SessionCreated,
    SessionTitled,
    SubAgentOpened,
    TextDelta,
    ThreadOpened,
    TokensUsed,
    TurnCompleted,
    TurnStarted,
    UnknownReceived,
)
from autopilot_ls.model.items import (
    AgentMessage,
    CommandExecution,
    FileChanges,
    Item,
    ItemStatus,
    Reasoning,
)
from autopilot_ls.model.snapshots import NoteEntry

if TYPE_CHECKING:
    from autopilot_ls.model.state import SessionState

MAX_DIFF: Final = 1_000_000
"""Characters that are kept of the beginning of a turn's diff."""


def apply_event(state: SessionState, event: Event) -> None:
    """Change the state as the event says."""
    body = event.body
    if isinstance(body, TextDelta):
        _apply_delta(state, event, body)
        return
    state.activity.take(event, state.thread_id)
    match body:
        case ItemStarted() | ItemCompleted():
            _apply_item(state, event, body)
        case TurnStarted() | TurnCompleted() | PlanUpdated() | DiffUpdated() | TokensUsed():
            _apply_turn(state, event, body)
        case (
            ApprovalRequested()
            | ApprovalResolved()
            | HunksMarked()
            | FactsDue()
            | FactsTold()
            | FilesSettled()
            | GrantAdded()
            | GrantRevoked()
            | ModeChanged()
        ):
            _apply_decision(state, event, body)
        case _:
            _apply_life(state, event)


def _apply_delta(state: SessionState, event: Event, body: TextDelta) -> None:
    found = state.item_state(event, body.item_id)
    if found is None:
        fresh: Item
        match body.field:
            case "output":
                fresh = CommandExecution(id=body.item_id, command="")
            case "summary" | "content":
                fresh = Reasoning(id=body.item_id)
            case "text":
                fresh = AgentMessage(id=body.item_id)
        found = state.turn_for(event).add_item(fresh, event.thread_id, event.time)
        state.activity.item_changed(found)
    found.append(body.field, body.text)


def _apply_item(state: SessionState, event: Event, body: ItemStarted | ItemCompleted) -> None:
    found = state.item_state(event, body.item.id)
    if found is None:
        found = state.turn_for(event).add_item(body.item, event.thread_id, event.time)
    else:
        found.complete(body.item)
    state.activity.item_changed(found)
    item = body.item
    if isinstance(item, FileChanges) and item.status is ItemStatus.COMPLETED:
        state.patched(event, item)


def _apply_turn(
    state: SessionState,
    event: Event,
    body: TurnStarted | TurnCompleted | PlanUpdated | DiffUpdated | TokensUsed,
) -> None:
    if isinstance(body, TurnStarted):
        state.turn_for(event, opens=True)
        return
    turn = state.turn_for(event)
    match body:
        case TurnCompleted():
            turn.status = body.status
            turn.completed_at = event.time
            turn.error, turn.error_code = body.error, body.error_code
            if body.error:
                turn.add(NoteEntry("error", body.error_code, body.error))
        case PlanUpdated():
            turn.plan = body.steps
        case DiffUpdated():
            turn.diff = body.diff[:MAX_DIFF]
        case TokensUsed():
            state.set_usage(event.thread_id, body.usage)
            turn.tokens = state.usage().plus(state.sub_agent_usage())


def _apply_decision(
    state: SessionState,
    event: Event,
    body: ApprovalRequested
    | ApprovalResolved
    | HunksMarked
    | FactsDue
    | FactsTold
    | FilesSettled
    | GrantAdded
    | GrantRevoked
    | ModeChanged,
) -> None:
    turn = state.turn_for(event)
    match body:
        case ApprovalRequested():
            state.ask(event, body.approval)
        case ApprovalResolved():
            state.resolve(event, body)
        case HunksMarked():
            state.mark(event, body)
        case FactsDue():
            state.owe(body)
        case FactsTold():
            for approval_id in body.approval_ids:
                state.facts_due.pop(approval_id, None)
        case FilesSettled():
            state.settle(event, body)
            if body.outcome != "applied":
                turn.add(NoteEntry("warning", f"files-{body.outcome}", body.detail))
        case GrantAdded():
            state.grants[body.grant.id] = body.grant
        case GrantRevoked():
            state.grants.pop(body.grant_id, None)
        case ModeChanged():
            state.mode = body.mode
            turn.add(NoteEntry("info", "mode", f"Mode {body.mode} set by {body.changed_by}."))


def _apply_life(state: SessionState, event: Event) -> None:
    match event.body:
        case SessionCreated() as body:
            state.created_at = event.time
            state.cwd, state.runtime = body.cwd, body.runtime
            state.mode, state.title = body.mode, body.title
            state.aside.created(body)
        case SessionTitled() as body:
            state.title = body.title
        case RuntimeStarted() as body:
            state.alive, state.runtime_version = True, body.version
        case RuntimeExited() as body:
            state.alive = False
            if not body.expected:
                text = "The agent's process ended unexpectedly."
                state.turn_for(event).add(NoteEntry("error", "agent-died", text))
        case ThreadOpened() as body:
            state.thread_id, state.model = event.thread_id, body.model
        case RateLimitsUpdated() as body:
            state.limits = body.limits
        case AccountUpdated() as body:
            state.account = body.description
        case Notice() as body:
            state.turn_for(event).add(NoteEntry(body.severity, body.code, body.message))
        case Compacted():
            text = "The agent shortened its context."
            state.turn_for(event).add(NoteEntry("info", "compacted", text))
        case UnknownReceived() as body:
            state.count_unknown(body.method)
        case (
            SessionArchived()
            | MessageQueued()
            | MessageUnqueued()
            | MessagesHeld()
            | FindingsReported()
            | FindingsDismissed()
        ) as body:
            state.aside.apply(body)
        case SubAgentOpened() as body:
            text = f"Sub-agent {body.name or event.thread_id or ''} started."
            state.turn_for(event).add(NoteEntry("info", "sub-agent", text))
        case _:
            pass
