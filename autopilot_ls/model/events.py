"""Normalized events: immutable facts about a session, one closed and versioned union.

Runtimes produce the bodies, the supervisor alone wraps them into `Event`s, gives them their sequence
numbers, records and applies them. Not aware of any agent's wire; native ids and the position of the
raw frame are kept so that no information of the source is lost. `state.apply` gives them meaning.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from autopilot_ls.model.approvals import Approval, Decision, Grant, HunkMark, Mode
from autopilot_ls.model.base import Frozen
from autopilot_ls.model.findings import Finding
from autopilot_ls.model.items import Item, PlanStep, RateLimit, TextField, TokenUsage
from autopilot_ls.model.queue import WaitingMessage

EVENT_VERSION: Final = 1


class TurnStatus(StrEnum):
    """How a turn stands or ended; `unknown` when nobody told: a crash or the next turn cut it off."""

    IN_PROGRESS = "inProgress"
    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    UNKNOWN = "unknown"


class SessionCreated(Frozen):
    """A session begins: one goal in one workspace.

    Attributes:
        forked_from: The session that it goes on from, when it is a fork of one.
        forked_thread: The agent's thread of that session.
        forked_turn: The last turn of that thread that it knows of.
    """

    type: Literal["sessionCreated"] = "sessionCreated"
    cwd: str
    runtime: str
    mode: Mode
    title: str
    forked_from: str = ""
    forked_thread: str = ""
    forked_turn: str = ""


class SessionTitled(Frozen):
    """The session has a (new) title."""

    type: Literal["sessionTitled"] = "sessionTitled"
    title: str


class SessionArchived(Frozen):
    """The session is put away, or back among the others."""

    type: Literal["sessionArchived"] = "sessionArchived"
    archived: bool


class RuntimeStarted(Frozen):
    """An agent process serves the session from now on."""

    type: Literal["runtimeStarted"] = "runtimeStarted"
    runtime: str
    version: str
    pid: int


class RuntimeExited(Frozen):
    """The agent process ended.

    Attributes:
        expected: Whether we asked it to.
        stderr: The end of what it wrote to its standard error.
        survivors: Process ids that escaped from its process group and were still alive.
    """

    type: Literal["runtimeExited"] = "runtimeExited"
    expected: bool
    code: int | None = None
    signal: int | None = None
    stderr: str = ""
    survivors: tuple[int, ...] = ()


class ThreadOpened(Frozen):
    """The session's work goes on in this thread of the agent.

    Attributes:
        how: `forked` when a resume was not possible and the agent copied the thread.
    """

    type: Literal["threadOpened"] = "threadOpened"
    how: Literal["started", "resumed", "forked"]
    model: str = ""
    native_settings: str = ""


class SubAgentOpened(Frozen):
    """A sub-agent works in a thread of its own (`thread_id` of the event)."""

    type: Literal["subAgentOpened"] = "subAgentOpened"
    parent_thread_id: str = ""
    name: str = ""


class TurnStarted(Frozen):
    """The main thread begins to work on what it was told (`turn_id` of the event).

    Turns, plans and diffs of sub-agents are not reported: their items, tokens and approvals are.
    """

    type: Literal["turnStarted"] = "turnStarted"


class TurnCompleted(Frozen):
    """The turn ended.

    Attributes:
        error: What went wrong, for a person; empty when nothing did.
        error_code: One of the codes of `errors`, or the agent's own.
    """

    type: Literal["turnCompleted"] = "turnCompleted"
    status: TurnStatus
    error: str = ""
    error_code: str = ""


class ItemStarted(Frozen):
    """An item appears."""

    type: Literal["itemStarted"] = "itemStarted"
    item: Item


class ItemCompleted(Frozen):
    """An item has its final form."""

    type: Literal["itemCompleted"] = "itemCompleted"
    item: Item


class TextDelta(Frozen):
    """An item's text grows; what one read of the pipe brought is one delta."""

    type: Literal["textDelta"] = "textDelta"
    item_id: str
    field: TextField
    text: str


class PlanUpdated(Frozen):
    """The plan of the turn is now this."""

    type: Literal["planUpdated"] = "planUpdated"
    explanation: str = ""
    steps: tuple[PlanStep, ...]


class DiffUpdated(Frozen):
    """The agent's own account of all that the turn changed so far, as a unified diff."""

    type: Literal["diffUpdated"] = "diffUpdated"
    diff: str


class TokensUsed(Frozen):
    """The token count of a thread is now this."""

    type: Literal["tokensUsed"] = "tokensUsed"
    usage: TokenUsage


class RateLimitsUpdated(Frozen):
    """The account's limits are now these."""

    type: Literal["rateLimitsUpdated"] = "rateLimitsUpdated"
    limits: tuple[RateLimit, ...]


class AccountUpdated(Frozen):
    """The agent's account changed; `description` is for a person."""

    type: Literal["accountUpdated"] = "accountUpdated"
    logged_in: bool
    description: str = ""


class ApprovalRequested(Frozen):
    """The agent waits for a decision, or the policy already gave one."""

    type: Literal["approvalRequested"] = "approvalRequested"
    approval: Approval


class ApprovalResolved(Frozen):
    """The approval has its one decision.

    Attributes:
        waited: Seconds from the request to the decision.
    """

    type: Literal["approvalResolved"] = "approvalResolved"
    approval_id: str
    decision: Decision
    waited: float


class HunksMarked(Frozen):
    """The person's choices for single hunks of an approval that waits are now these, all of them."""

    type: Literal["hunksMarked"] = "hunksMarked"
    approval_id: str
    marks: tuple[HunkMark, ...]


class FactsDue(Frozen):
    """The agent has to be told what became of a patch that was accepted in part.

    Attributes:
        text: What it is told.
    """

    type: Literal["factsDue"] = "factsDue"
    approval_id: str
    text: str


class FactsTold(Frozen):
    """The agent was told what became of these patches.

    Attributes:
        how: `inTurn` into the turn that ran; `nextTurn` at the beginning of a later one.
    """

    type: Literal["factsTold"] = "factsTold"
    approval_ids: tuple[str, ...]
    how: Literal["inTurn", "nextTurn"]


class FilesSettled(Frozen):
    """What the disk says about a patch that was accepted.

    Attributes:
        outcome: `applied` as promised; `different` from the promise; `restored` to what was before,
            after the agent left it half-written; `unchanged`.
        detail: One sentence for a person.
    """

    type: Literal["filesSettled"] = "filesSettled"
    approval_id: str
    outcome: Literal["applied", "different", "restored", "unchanged"]
    paths: tuple[str, ...]
    detail: str = ""


class ModeChanged(Frozen):
    """The session's mode is now this."""

    type: Literal["modeChanged"] = "modeChanged"
    mode: Mode
    changed_by: str


class GrantAdded(Frozen):
    """A "for this session" rule of our own is in force."""

    type: Literal["grantAdded"] = "grantAdded"
    grant: Grant


class GrantRevoked(Frozen):
    """A "for this session" rule of our own is gone."""

    type: Literal["grantRevoked"] = "grantRevoked"
    grant_id: str


class MessageQueued(Frozen):
    """A message of a person waits for the end of the turn."""

    type: Literal["messageQueued"] = "messageQueued"
    message: WaitingMessage


class MessageUnqueued(Frozen):
    """A message waits no longer.

    Attributes:
        why: `sent` when a turn began with it; `dropped` when a person took it back.
    """

    type: Literal["messageUnqueued"] = "messageUnqueued"
    message_id: str
    why: Literal["sent", "dropped"]


class MessagesHeld(Frozen):
    """These messages do not go by themselves any more, or do again.

    Attributes:
        held: False when a person let them go.
    """

    type: Literal["messagesHeld"] = "messagesHeld"
    message_ids: tuple[str, ...]
    held: bool


class FindingsReported(Frozen):
    """A review has ended with these findings; those of the review before are gone.

    Attributes:
        summary: What the reviewer says of the whole.
        omitted: How many findings beyond the limit were left out.
    """

    type: Literal["findingsReported"] = "findingsReported"
    findings: tuple[Finding, ...]
    summary: str = ""
    omitted: int = 0


class FindingsDismissed(Frozen):
    """A person has seen to these findings, or wants to see them no longer."""

    type: Literal["findingsDismissed"] = "findingsDismissed"
    finding_ids: tuple[str, ...]


class Notice(Frozen):
    """Something a person should know that is not the end of a turn.

    Attributes:
        code: One of the codes of `errors`, or the agent's own name for it.
        will_retry: Whether the agent goes on by itself.
    """

    type: Literal["notice"] = "notice"
    severity: Literal["info", "warning", "error"]
    code: str
    message: str
    will_retry: bool = False


class Compacted(Frozen):
    """The agent shortened its context."""

    type: Literal["compacted"] = "compacted"


class UnknownReceived(Frozen):
    """The agent sent something this version does not know; the raw frame is recorded."""

    type: Literal["unknownReceived"] = "unknownReceived"
    method: str


Body = Annotated[
    SessionCreated
    | SessionTitled
    | SessionArchived
    | RuntimeStarted
    | RuntimeExited
    | ThreadOpened
    | SubAgentOpened
    | TurnStarted
    | TurnCompleted
    | ItemStarted
    | ItemCompleted
    | TextDelta
    | PlanUpdated
    | DiffUpdated
    | TokensUsed
    | RateLimitsUpdated
    | AccountUpdated
    | ApprovalRequested
    | ApprovalResolved
    | HunksMarked
    | FactsDue
    | FactsTold
    | FilesSettled
    | ModeChanged
    | GrantAdded
    | GrantRevoked
    | MessageQueued
    | MessageUnqueued
    | MessagesHeld
    | FindingsReported
    | FindingsDismissed
    | Notice
    | Compacted
    | UnknownReceived,
    Field(discriminator="type"),
]


class Event(Frozen):
    """A fact about a session, in order.

    Attributes:
        seq: Position in the session's record, from 1, without gaps.
        time: Seconds since the epoch.
        thread_id: The agent's thread, where the fact has one; a sub-agent's differs from the main one.
        turn_id: The agent's turn, where the fact has one.
        frames: First and last number (from 1) of the raw frames it came from; None for our own facts.
    """

    version: Literal[1] = EVENT_VERSION
    seq: int
    time: float
    session_id: str
    thread_id: str | None = None
    turn_id: str | None = None
    frames: tuple[int, int] | None = None
    body: Body
