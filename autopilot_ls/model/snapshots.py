"""What a session looks like at one moment: immutable values that everybody may read and keep.

Not aware of events, nor of how a state comes to be: `state` and `turns` make these values.
The presentation, the clients and the command line read them; `items` and `approvals` stand below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autopilot_ls.model.approvals import Approval, Decision, Grant, Mode
from autopilot_ls.model.changed import FileEntry
from autopilot_ls.model.events import TurnStatus
from autopilot_ls.model.findings import Finding
from autopilot_ls.model.items import Item, PlanStep, RateLimit, TokenUsage
from autopilot_ls.model.queue import WaitingMessage


@dataclass(frozen=True, slots=True)
class ResolvedApproval:
    """An approval with its decision and the time it waited, in seconds."""

    approval: Approval
    decision: Decision
    waited: float


@dataclass(frozen=True, slots=True)
class ItemEntry:
    """An item in its present form; `thread_id` tells a sub-agent's from the main one's."""

    item: Item
    thread_id: str | None


@dataclass(frozen=True, slots=True)
class ApprovalEntry:
    """An approval at its place in the turn; pending while `decision` is None."""

    approval: Approval
    decision: Decision | None
    waited: float


@dataclass(frozen=True, slots=True)
class NoteEntry:
    """Something said to the person at this place of the turn."""

    severity: Literal["info", "warning", "error"]
    code: str
    message: str


Entry = ItemEntry | ApprovalEntry | NoteEntry


@dataclass(frozen=True, slots=True)
class RunningItem:
    """An item that runs.

    Attributes:
        item: In its present form; a command without its output.
        thread_id: The agent's thread, a sub-agent's where it is one's.
        started_at: Seconds since the epoch.
        tail: The last lines of a command's output, visible.
        background: Whether the agent went on without waiting for the command.
    """

    item: Item
    thread_id: str | None
    started_at: float
    tail: tuple[str, ...] = ()
    background: bool = False


@dataclass(frozen=True, slots=True)
class AgentEntry:
    """A sub-agent, and the tokens it used so far."""

    thread_id: str
    name: str
    tokens: int


@dataclass(frozen=True, slots=True)
class ProblemEntry:
    """Something that went wrong; `time` is in seconds since the epoch."""

    level: Literal["error", "warning"]
    code: str
    message: str
    time: float


@dataclass(frozen=True, slots=True)
class ActivitySnapshot:
    """What goes on in a session, in whatever turn it began; the newest is last everywhere."""

    running: tuple[RunningItem, ...] = ()
    agents: tuple[AgentEntry, ...] = ()
    problems: tuple[ProblemEntry, ...] = ()
    compactions: int = 0


@dataclass(frozen=True, slots=True)
class TurnSnapshot:
    """A turn at one moment; times are seconds since the epoch, `waited` seconds for decisions.

    Attributes:
        files: What its patches changed, and `files_more` how many files beyond them.
        id: The agent's id of the turn, empty for what happened before the first turn.
        dropped: Entries that were left out here because of the limit; the trace has them.
    """

    id: str
    status: TurnStatus
    started_at: float
    completed_at: float | None
    error: str
    error_code: str
    plan: tuple[PlanStep, ...]
    diff: str
    entries: tuple[Entry, ...]
    dropped: int
    waited: float
    tokens: TokenUsage
    tokens_before: TokenUsage
    files: tuple[FileEntry, ...] = ()
    files_more: int = 0


@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """A session at one moment, immutable; unchanged parts are shared with earlier snapshots.

    Attributes:
        seq: Sequence number of the last event applied.
        thread_id: The agent's main thread; None before it has one.
        usage: Tokens of the main thread; `sub_agent_usage` those of all sub-agents together.
        alive: Whether an agent process serves the session.
        dropped_turns: Older turns left out here; the trace has them.
        unknown: How often something unknown was received, by its native name.
        queue: Messages that wait, in their order.
        findings: What the last review found and nobody has dismissed.
        archived: Whether a list leaves it out.
        forked_from: The session that it is a fork of; empty when it is none.
    """

    session_id: str
    seq: int
    title: str
    cwd: str
    runtime: str
    runtime_version: str
    model: str
    mode: Mode
    thread_id: str | None
    created_at: float
    updated_at: float
    alive: bool
    turns: tuple[TurnSnapshot, ...]
    dropped_turns: int
    pending: tuple[Approval, ...]
    grants: tuple[Grant, ...]
    usage: TokenUsage
    sub_agent_usage: TokenUsage
    limits: tuple[RateLimit, ...]
    account: str
    unknown: tuple[tuple[str, int], ...]
    activity: ActivitySnapshot = ActivitySnapshot()
    queue: tuple[WaitingMessage, ...] = ()
    findings: tuple[Finding, ...] = ()
    archived: bool = False
    forked_from: str = ""

    @property
    def active_turn(self) -> TurnSnapshot | None:
        """The turn that runs, if one does."""
        turn = self.turns[-1] if self.turns else None
        return turn if turn and turn.id and turn.status is TurnStatus.IN_PROGRESS else None
