"""The state of a session as its events make it.

`apply` is the only way to change a `SessionState`, and replaying the recorded events gives the live
state. Mutable inside, owned by the supervisor alone; everybody else gets the immutable values of
`snapshot`. Bounded: turns, diffs and names have limits; the trace has the rest. No clock, no I/O, and
not aware of who records the events. The supervisor stands above; `turns`, `snapshots` and `events` below.
"""

from __future__ import annotations

from typing import Final

from autopilot_ls.model.activity import Activity
from autopilot_ls.model.applying import apply_event
from autopilot_ls.model.approvals import Approval, Grant, Mode, PatchAction
from autopilot_ls.model.aside import Aside
from autopilot_ls.model.events import (
    ApprovalResolved,
    Event,
    FactsDue,
    FilesSettled,
    HunksMarked,
    TurnStatus,
)
from autopilot_ls.model.items import FileChanges, Item, RateLimit, TokenUsage
from autopilot_ls.model.review import chosen
from autopilot_ls.model.snapshots import ResolvedApproval, SessionSnapshot
from autopilot_ls.model.turns import ItemState, TurnState

MAX_TURNS: Final = 200
"""Turns that are kept."""

MAX_LATE_TURNS: Final = 5
"""So many turns back an item can still go on."""

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
        self.untold: dict[str, None] = {}
        """Approvals that were accepted in part, of which the agent has not been told and nothing is due."""
        self.grants: dict[str, Grant] = {}
        self.activity = Activity()
        self.aside = Aside()
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
        apply_event(self, event)

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
            queue=tuple(self.aside.queue.values()),
            findings=tuple(self.aside.findings.values()),
            archived=self.aside.archived,
            forked_from=self.aside.forked_from,
            usage=self.usage(),
            sub_agent_usage=self.sub_agent_usage(),
            limits=self.limits,
            account=self.account,
            unknown=tuple(sorted(self._unknown.items())),
            activity=self.activity.snapshot(self._usage),
        )

    def turn_for(self, event: Event, *, opens: bool = False) -> TurnState:
        """Return the turn an event belongs to: the last one, or a new one. Used by `apply` only."""
        if opens and self.active_turn_id is not None:
            # An agent that begins another turn without having ended this one never tells how it ended.
            cut = self._turns[-1]
            cut.status, cut.completed_at, cut.cached = TurnStatus.UNKNOWN, event.time, None
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
        if decision.kind.accepts and decision.hunks is not None:
            self.untold[approval.id] = None
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
        if decision.kind.accepts:
            self.activity.allowed(approval.thread_id, approval.item_id, event.time)
        if decision.kind.accepts and isinstance(approval.action, PatchAction):
            # What goes into the person's unsaved text is never on the disk to be settled.
            files = chosen(approval, decision.hunks)
            turn.changed.add_hunks(
                [file for file in files if decision.in_editor or file.path in decision.merged]
            )

    def settle(self, event: Event, body: FilesSettled) -> None:
        """Take what the disk holds of an accepted patch. Used by `apply` only."""
        approval = self.unsettled.pop(body.approval_id, None)
        if approval is None or body.outcome not in {"applied", "different"}:
            return
        asked_in = [turn for turn in self._turns if approval.id in turn.approvals]
        turn = asked_in[-1] if asked_in else self.turn_for(event)
        turn.changed.add_hunks(approval.files)
        turn.cached = None

    def patched(self, event: Event, item: FileChanges) -> None:
        """Take that the agent carried out a patch. Used by `apply` only."""
        turn = self.turn_for(event)
        judged = (
            done.approval if done is not None else self.pending.get(key)
            for key, done in turn.approvals.items()
        )
        # Where the agent asked, the disk says what became of it.
        if not any(each is not None and each.item_id == item.id for each in judged):
            turn.changed.add_proposed(item.changes)

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
        self.untold.pop(body.approval_id, None)
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
