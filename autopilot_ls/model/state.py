"""The state of a session as its events make it.

`apply` is the only way to change a `SessionState`, and replaying the recorded events gives the live
state. Mutable inside, owned by the supervisor alone; everybody else gets the immutable values of
`snapshot`. Bounded: turns, diffs and names have limits; the trace has the rest. No clock, no I/O, and
not aware of who records the events. The supervisor stands above; `turns`, `snapshots` and `events` below.
"""

from __future__ import annotations

from typing import Final

from autopilot_ls.model.approvals import Approval, Grant, Mode, PatchAction
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
    GrantAdded,
    GrantRevoked,
    HunksMarked,
    ItemCompleted,
    ItemStarted,
    ModeChanged,
    Notice,
    PlanUpdated,
    RateLimitsUpdated,
    RuntimeExited,
    RuntimeStarted,
    SessionCreated,
    SessionTitled,
    SubAgentOpened,
    TextDelta,
    ThreadOpened,
    TokensUsed,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
    UnknownReceived,
)
from autopilot_ls.model.items import (
    AgentMessage,
    CommandExecution,
    Item,
    RateLimit,
    Reasoning,
    TokenUsage,
)
from autopilot_ls.model.review import chosen
from autopilot_ls.model.snapshots import NoteEntry, ResolvedApproval, SessionSnapshot
from autopilot_ls.model.turns import ItemState, TurnState

MAX_TURNS: Final = 200
"""Turns that are kept."""

MAX_LATE_TURNS: Final = 5
"""So many turns back an item can still go on."""

MAX_DIFF: Final = 1_000_000
"""Characters that are kept of the beginning of a turn's diff."""

MAX_FACTS: Final = 20
"""Patches of which the agent still has to be told; beyond them the oldest is given up."""

MAX_NATIVE_UNKNOWN: Final = 200
"""Names of something unknown that are counted."""


class SessionState:
    """The live state of one session; see the module's docstring for who may touch it."""

    def __init__(self, session_id: str) -> None:
        """Create the state before the first event."""
        self.session_id = session_id
        self.seq = 0
        self.title = ""
        self.cwd = ""
        self.runtime = ""
        self.runtime_version = ""
        self.model = ""
        self.mode = Mode.PROPOSE
        self.thread_id: str | None = None
        self.created_at = 0.0
        self.updated_at = 0.0
        self.alive = False
        self.pending: dict[str, Approval] = {}
        self.unsettled: dict[str, Approval] = {}
        """Patches that were accepted, and of which it is not recorded what the disk holds."""
        self.facts_due: dict[str, str] = {}
        """What the agent has to be told of patches that were accepted in part, by their approval."""
        self.grants: dict[str, Grant] = {}
        self.account = ""
        self.limits: tuple[RateLimit, ...] = ()
        self._usage: dict[str | None, TokenUsage] = {}
        self._unknown: dict[str, int] = {}
        self._turns: list[TurnState] = []
        self._dropped_turns = 0
        self._started_turns = 0

    @property
    def active_turn_id(self) -> str | None:
        """The agent's id of the turn that runs, if one does."""
        turn = self._turns[-1] if self._turns else None
        return turn.id if turn and turn.id and turn.status is TurnStatus.IN_PROGRESS else None

    @property
    def turn_count(self) -> int:
        """How many turns were started."""
        return self._started_turns

    @property
    def status(self) -> str:
        """How the last turn stands, `idle` before the first."""
        started = [turn for turn in self._turns if turn.id]
        return started[-1].status.value if started else "idle"

    def resolved(self, approval_id: str) -> ResolvedApproval | None:
        """Return the approval with its decision, if it has one."""
        for turn in reversed(self._turns):
            found = turn.approvals.get(approval_id)
            if found is not None:
                return found
        return None

    def item(self, thread_id: str | None, item_id: str) -> Item | None:
        """Return the item in its present form, if the running or last turn has it."""
        for turn in reversed(self._turns[-2:]):
            found = turn.items.get((thread_id, item_id))
            if found is not None:
                return found.snapshot().item
        return None

    def usage(self) -> TokenUsage:
        """Return the tokens of the main thread."""
        return self._usage.get(self.thread_id, TokenUsage())

    def sub_agent_usage(self) -> TokenUsage:
        """Return the tokens of all sub-agents together."""
        total = TokenUsage()
        for thread, usage in self._usage.items():
            if thread != self.thread_id:
                total = total.plus(usage)
        return total

    def tokens_by_thread(self) -> dict[str | None, int]:
        """Return the tokens that each thread has used since it began."""
        return {thread: usage.total_tokens for thread, usage in self._usage.items()}

    def apply(self, event: Event) -> None:
        """Apply the next event.

        Raises:
            ValueError: The event is not the next of this session.
        """
        if event.session_id != self.session_id or event.seq != self.seq + 1:
            message = f"event {event.session_id}#{event.seq} does not follow {self.seq}"
            raise ValueError(message)
        self.seq = event.seq
        self.updated_at = event.time
        _apply(self, event)

    def snapshot(self) -> SessionSnapshot:
        """Return the present state as an immutable value."""
        return SessionSnapshot(
            session_id=self.session_id,
            seq=self.seq,
            title=self.title,
            cwd=self.cwd,
            runtime=self.runtime,
            runtime_version=self.runtime_version,
            model=self.model,
            mode=self.mode,
            thread_id=self.thread_id,
            created_at=self.created_at,
            updated_at=self.updated_at,
            alive=self.alive,
            turns=tuple(turn.snapshot(self.pending) for turn in self._turns),
            dropped_turns=self._dropped_turns,
            pending=tuple(self.pending.values()),
            grants=tuple(self.grants.values()),
            usage=self.usage(),
            sub_agent_usage=self.sub_agent_usage(),
            limits=self.limits,
            account=self.account,
            unknown=tuple(sorted(self._unknown.items())),
        )

    def turn_for(self, event: Event, *, opens: bool = False) -> TurnState:
        """Return the turn an event belongs to: the last one, or a new one. Used by `apply` only."""
        if opens or not self._turns:
            self._started_turns += opens
            turn = TurnState(
                event.turn_id or "" if opens else "",
                event.time,
                self.usage().plus(self.sub_agent_usage()),
            )
            self._turns.append(turn)
            if len(self._turns) > MAX_TURNS:
                self._turns.pop(0)
                self._dropped_turns += 1
        turn = self._turns[-1]
        turn.cached = None
        return turn

    def item_state(self, event: Event, item_id: str) -> ItemState | None:
        """Return the item an event is about, and its turn as changed. Used by `apply` only.

        What a turn left running (a terminal in the background, a sub-agent) goes on in its own place
        after the next turn has begun.
        """
        key = (event.thread_id, item_id)
        found = self.turn_for(event).items.get(key)
        if found is not None:
            return found
        for turn in reversed(self._turns[-1 - MAX_LATE_TURNS : -1]):
            late = turn.items.get(key)
            if late is None:
                continue
            # The turns of a sub-agent are not ours, and an agent may use an id again in a new turn.
            goes_on = event.thread_id != self.thread_id and late.is_running
            if goes_on or event.turn_id == turn.id:
                turn.cached = None
                return late
        return None

    def ask(self, event: Event, approval: Approval) -> None:
        """Let an approval wait. Used by `apply` only."""
        turn = self.turn_for(event)
        if any(approval.id in each.approvals for each in self._turns):
            return  # Ids are given once. A record that says otherwise must not confuse its reader.
        self.pending[approval.id] = approval
        turn.approvals[approval.id] = None
        turn.add(approval.id)

    def resolve(self, event: Event, body: ApprovalResolved) -> None:
        """Move an approval from pending to resolved, in its turn. Used by `apply` only."""
        approval = self.pending.pop(body.approval_id, None)
        if approval is None:
            return
        decision = body.decision
        writes = decision.kind.accepts and not decision.in_editor
        if writes and isinstance(approval.action, PatchAction):
            accepted = tuple(
                file
                for file in chosen(approval, decision.hunks)
                if file.path not in decision.merged
            )
            if accepted or not decision.merged:
                self.unsettled[approval.id] = approval.model_copy(update={"files": accepted})
        asked_in = [
            turn for turn in self._turns if turn.approvals.get(approval.id, approval) is None
        ]
        for turn in asked_in:
            turn.approvals[approval.id] = ResolvedApproval(approval, body.decision, body.waited)
            turn.cached = None
        turn = asked_in[-1] if asked_in else self.turn_for(event)
        turn.waited += body.waited

    def mark(self, event: Event, body: HunksMarked) -> None:
        """Set the choices for the hunks of an approval that waits. Used by `apply` only."""
        approval = self.pending.get(body.approval_id)
        if approval is None:
            return
        self.pending[approval.id] = approval.model_copy(update={"marks": body.marks})
        self.turn_for(event)
        for turn in self._turns:
            if approval.id in turn.approvals:
                turn.cached = None

    def owe(self, body: FactsDue) -> None:
        """Note what the agent has to be told; the number is bounded. Used by `apply` only."""
        self.facts_due[body.approval_id] = body.text
        if len(self.facts_due) > MAX_FACTS:
            del self.facts_due[next(iter(self.facts_due))]

    def count_unknown(self, method: str) -> None:
        """Count something unknown; the number of names is bounded. Used by `apply` only."""
        if method in self._unknown or len(self._unknown) < MAX_NATIVE_UNKNOWN:
            self._unknown[method] = self._unknown.get(method, 0) + 1

    def set_usage(self, thread_id: str | None, usage: TokenUsage) -> None:
        """Set the token count of a thread. Used by `apply` only."""
        self._usage[thread_id] = usage


def _apply(state: SessionState, event: Event) -> None:
    body = event.body
    match body:
        case TextDelta():
            _apply_delta(state, event, body)
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
        found = state.turn_for(event).add_item(fresh, event.thread_id)
    found.append(body.field, body.text)


def _apply_item(state: SessionState, event: Event, body: ItemStarted | ItemCompleted) -> None:
    found = state.item_state(event, body.item.id)
    if found is None:
        state.turn_for(event).add_item(body.item, event.thread_id)
    else:
        found.complete(body.item)


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
            state.unsettled.pop(body.approval_id, None)
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
        case SubAgentOpened() as body:
            text = f"Sub-agent {body.name or event.thread_id or ''} started."
            state.turn_for(event).add(NoteEntry("info", "sub-agent", text))
        case _:
            pass
