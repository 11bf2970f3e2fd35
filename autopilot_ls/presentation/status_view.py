"""A session at a glance: the values that clients get as JSON.

The answer of `autopilot.status` and the body of the `autopilot/status` notification. Not aware of how
they are made or sent. `status` stands above, the model below.
"""

from __future__ import annotations

from typing import Literal

from autopilot_ls.model.approvals import Grant, Mode
from autopilot_ls.model.base import Frozen
from autopilot_ls.model.items import PlanStep, RateLimit


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
        requested_at: Since when it waits, in seconds since the epoch.
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
    requested_at: float = 0.0
    paths: tuple[str, ...] = ()
    hunks: int = 0
    thread_id: str | None = None


class ItemShown(Frozen):
    """What the agent does now.

    Attributes:
        title: One visible line.
    """

    kind: Literal[
        "message", "reasoning", "plan", "command", "patch", "tool", "search", "agent", "other"
    ]
    title: str


class RunningCommand(Frozen):
    """A command that runs.

    Attributes:
        command: One visible line.
        started_at: Seconds since the epoch.
        tail: The last lines of its output, visible, the newest last.
        background: Whether it goes on without the agent waiting for it.
        thread_id: The agent's thread that runs it, a sub-agent's where one does.
    """

    id: str
    command: str
    cwd: str
    started_at: float
    tail: tuple[str, ...] = ()
    background: bool = False
    thread_id: str | None = None


class ChangedFile(Frozen):
    """A file that the turn changed.

    Attributes:
        path: For a person: relative to the session's folder where it is in it.
        uri: Empty where it cannot be opened.
        added: Lines.
        removed: Lines.
    """

    path: str
    uri: str
    added: int
    removed: int
    kind: Literal["add", "update", "delete", "rename"]


class QueuedMessage(Frozen):
    """What the person wrote and the agent gets when the turn ends.

    Attributes:
        text: One visible line.
        held: Whether it goes only when a person lets it: the turn that it waited for was stopped or failed.
    """

    id: str
    text: str
    held: bool = False


class Problem(Frozen):
    """Something that went wrong.

    Attributes:
        code: A stable code, or the agent's own name for it.
        text: One visible line.
        at: Seconds since the epoch.
    """

    level: Literal["error", "warning"]
    code: str
    text: str
    at: float


class AgentShown(Frozen):
    """A sub-agent.

    Attributes:
        state: `working` while one of its items runs, `waiting` while it waits for a decision.
        tokens: What it has used since it began.
        doing: What it does now, one visible line.
    """

    thread_id: str
    name: str
    state: Literal["working", "waiting", "idle"]
    tokens: int = 0
    doing: str = ""


class Unreviewed(Frozen):
    """How much of what was changed without asking nobody has reviewed yet."""

    files: int = 0
    hunks: int = 0


class StatusView(Frozen):
    """A session at a glance: whole and bounded each time, so that a client just replaces what it has.

    Attributes:
        seq: Number of the session's last event that is included; a client drops a view with a lower
            one than it has.
        state: `waiting` when an approval is pending; `idle` before the first turn; else how the
            running or last turn stands.
        alive: Whether an agent process serves the session.
        doing: What happens now, one visible line.
        closing: What the last turn came to, once it ended.
        percentage: How much of the plan is done, 0 to 100.
        started_at: When the running turn began, in seconds since the epoch, so that a client can tick
            the clock itself; null when none runs.
        elapsed: Seconds that the turn has run, or took.
        waited: Seconds of it that were spent waiting for decisions, without those that wait now.
        tokens: Tokens of the session, with those of its sub-agents.
        pending: What waits for a decision, the oldest first, and `pendingMore` how much beyond it.
        turn_tokens: Tokens of the turn, likewise.
        context_used: Tokens in the context at the last model call.
        unknown: How many messages were received that this version does not know.
        item: What the agent does now; null when it does nothing.
        commands: Running commands, the newest last.
        files: What the turn changed, and `filesMore` how many files beyond them.
        queue: Messages that wait for the end of the turn.
        compactions: How often the agent shortened its context.
        problems: What went wrong lately, the newest last.
        agents: Sub-agents.
        unreviewed: What nobody has reviewed yet of what was changed without asking.
    """

    seq: int

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
    started_at: float | None = None
    elapsed: float = 0.0
    waited: float = 0.0
    pending: tuple[PendingApproval, ...] = ()
    pending_more: int = 0
    grants: tuple[Grant, ...] = ()
    tokens: int = 0
    turn_tokens: int = 0
    context_used: int | None = None
    context_window: int | None = None
    limits: tuple[RateLimit, ...] = ()
    account: str = ""
    unknown: int = 0
    turns: int = 0
    item: ItemShown | None = None
    commands: tuple[RunningCommand, ...] = ()
    files: tuple[ChangedFile, ...] = ()
    files_more: int = 0
    queue: tuple[QueuedMessage, ...] = ()
    compactions: int = 0
    problems: tuple[Problem, ...] = ()
    agents: tuple[AgentShown, ...] = ()
    unreviewed: Unreviewed = Unreviewed()
