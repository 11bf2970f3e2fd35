"""The models of what goes through our commands and notifications.

Values only; `methods` says which belongs to what, and the schema is generated from them. Not aware of who
sends them. Not imported before `initialize` is answered.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from autopilot_ls.lsp.policy_params import PolicyFileShown
from autopilot_ls.model.approvals import (
    Approval,
    Decision,
    DecisionKind,
    Grant,
    HunkMark,
    Mode,
)
from autopilot_ls.model.base import Frozen
from autopilot_ls.model.events import Event
from autopilot_ls.model.items import PlanStep
from autopilot_ls.model.snapshots import SessionSnapshot, TurnSnapshot
from autopilot_ls.policy.remember import Remembered
from autopilot_ls.presentation.status_view import StatusView
from autopilot_ls.runtimes.base import ModelInfo
from autopilot_ls.trace.summary import SessionSummary

Text = Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Reason = Annotated[str, StringConstraints(max_length=20_000)]
Hunks = Annotated[tuple[Name, ...], Field(max_length=10_000)]
LineNumber = Annotated[int, Field(ge=0, le=2**31 - 1)]


class NoParams(Frozen):
    """A command without arguments."""


class Done(Frozen):
    """The command was carried out."""

    done: Literal[True] = True


class Position(Frozen):
    """A position as the protocol has it, in the unit agreed on."""

    line: LineNumber
    character: LineNumber


class Range(Frozen):
    """A range as the protocol has it."""

    start: Position
    end: Position


class Reference(Frozen):
    """A place that the person points at.

    Attributes:
        uri: The document.
        range: The part of it that is meant; the whole document when omitted.
    """

    uri: Name
    range: Range | None = None


class TurnStartParams(Frozen):
    """Give an agent a task.

    Attributes:
        session_id: The session to go on with; a new one when omitted.
        cwd: Folder of a new session, as an absolute path or a `file:` URI. When omitted: the workspace
            folder of the first reference, else the first workspace folder.
        mode: The session's mode from now on.
        model: The agent's own name of a model.
        effort: The agent's own name of a reasoning effort.
        unsaved: What to do when files in the folder have unsaved changes, which the agent does not
            see: `wait` refuses, remembers the task and starts it when they are saved; `ignore` starts
            at once on what is saved.
    """

    text: Text
    session_id: Name | None = None
    cwd: Name | None = None
    references: tuple[Reference, ...] = Field(default=(), max_length=200)
    mode: Mode | None = None
    model: Name | None = None
    effort: Name | None = None
    unsaved: Literal["wait", "ignore"] = "wait"


class TurnStarted(Frozen):
    """The turn that began; `turnId` is the agent's own id."""

    session_id: str
    turn_id: str


class TurnSteerParams(Frozen):
    """Say something into the running turn; without a session, into the only one that runs."""

    text: Text
    session_id: Name | None = None


class WaitingTaskParams(Frozen):
    """Names a task that waits for files to be saved."""

    task_id: Name


class SessionParams(Frozen):
    """Names a session."""

    session_id: Name


class OptionalSessionParams(Frozen):
    """Names a session, or leaves the choice to the command."""

    session_id: Name | None = None


class SessionList(Frozen):
    """All sessions, newest first."""

    sessions: tuple[SessionSummary, ...]


class TurnShown(Frozen):
    """A turn in short; times are seconds since the epoch."""

    turn_id: str
    status: str
    started_at: float
    completed_at: float | None
    error: str
    error_code: str
    plan: tuple[PlanStep, ...]
    tokens: int
    waited: float


class SessionShown(Frozen):
    """One session; `transcript` is its story so far as markdown."""

    session_id: str
    title: str
    cwd: str
    runtime: str
    model: str
    mode: Mode
    alive: bool
    thread_id: str | None
    turns: tuple[TurnShown, ...]
    pending: tuple[Approval, ...]
    grants: tuple[Grant, ...]
    transcript: str


class SessionResumed(Frozen):
    """The session is open again."""

    session_id: str
    thread_id: str | None
    alive: bool


class ApprovalList(Frozen):
    """What waits for a decision, oldest first."""

    approvals: tuple[Approval, ...]


class ApprovalDecideParams(Frozen):
    """Give the one decision on an approval.

    Attributes:
        message: Why; told to the agent on a decline, and with hunks that are not accepted.
        answers: For questions: question id to chosen answers.
        content: For MCP elicitations: what is handed to the server, by the schema it gave.
        hunks: With `accept`, for patches: ids of the hunks to accept, all others being rejected. The id
            of a file, `<approvalId>-f<its place, from 0>`, stands for all of its hunks.
        reasons: Why single hunks are rejected, by their ids; told to the agent.
        remember: With `accept`: the `key` of one of the approval's `offers`, which is remembered.
        unsaved: What becomes of files with unsaved changes: `refuse` asks to save first, `merge` puts
            what is accepted of them into the editor's text, unsaved, and all else on disk.
    """

    approval_id: Name
    decision: DecisionKind
    message: Reason = ""
    answers: dict[str, tuple[Text, ...]] = Field(default_factory=dict, max_length=50)
    content: JsonValue = None
    hunks: Hunks | None = None
    reasons: dict[str, Reason] = Field(default_factory=dict, max_length=10_000)
    remember: Name | None = None
    unsaved: Literal["refuse", "merge"] = "refuse"


class ApprovalDecided(Frozen):
    """The decision as it was carried out."""

    approval_id: str
    decision: Decision


class ApprovalMarkParams(Frozen):
    """Choose for single hunks of a pending patch.

    Attributes:
        hunks: Their ids; the id of a file, `<approvalId>-f<its place, from 0>`, stands for all of its
            hunks, and for a change that has none.
        mark: `none` takes the choice back.
        message: Why it is rejected; told to the agent with the decision.
        unsaved: As in `autopilot.approval.decide`, when this is the last choice.
    """

    approval_id: Name
    hunks: Hunks = Field(min_length=1)
    mark: Literal["accept", "reject", "none"]
    message: Reason = ""
    unsaved: Literal["refuse", "merge"] = "refuse"


class ApprovalMarked(Frozen):
    """The choices so far.

    Attributes:
        marks: All of them.
        missing: The hunks that have none yet.
        decision: The decision, when this was the last choice.
    """

    approval_id: str
    marks: tuple[HunkMark, ...] = ()
    missing: tuple[str, ...] = ()
    decision: Decision | None = None


class ApprovalAnswerParams(Frozen):
    """Answer one question; an answer that is given twice is the later one."""

    approval_id: Name
    question_id: Name
    answers: tuple[Text, ...] = Field(min_length=1, max_length=50)


class ApprovalAnswered(Frozen):
    """The questions that still lack an answer; the decision is made when there are none."""

    approval_id: str
    missing: tuple[str, ...]


class ApprovalPreviewParams(Frozen):
    """Show a pending patch.

    Attributes:
        view: `edit` for a workspace edit that needs confirmation, `document` for a generated diff;
            `auto` takes the first where the client can.
    """

    approval_id: Name
    view: Literal["auto", "edit", "document"] = "auto"


class ApprovalPreviewed(Frozen):
    """What was shown and how.

    Attributes:
        shown: `edit`, `document`, or `none` where the client shows neither; `uri` and `diff` are
            given in any case.
    """

    shown: Literal["edit", "document", "none"]
    uri: str
    diff: str


class GrantRevokeParams(Frozen):
    """Names a grant of a session."""

    session_id: Name
    grant_id: Name


class RememberedRule(Frozen):
    """A rule that "always allow" wrote.

    Attributes:
        kind: What it is about: `command`, `line` (a whole command line), `edit` or `tool`.
        pattern: What it allows, as policy files write it.
        workspace: The folder in which it holds.
        reason: As it stands in the file.
        by: Who decided it; empty when the reason does not say it.
        at: When, likewise.
    """

    name: str
    verdict: str
    kind: str
    pattern: str
    workspace: str
    reason: str
    by: str = ""
    at: str = ""


class PolicyList(Frozen):
    """What was remembered, in the order it was."""

    rules: tuple[RememberedRule, ...]


class PolicyForgetParams(Frozen):
    """Names remembered rules; all of them are forgotten, or none."""

    names: tuple[Name, ...] = Field(min_length=1, max_length=1_000)


class ModeSetParams(Frozen):
    """The mode from now on, of one session or of new ones."""

    mode: Mode
    session_id: Name | None = None


class ModelListParams(Frozen):
    """Where to ask; the first workspace folder when omitted."""

    cwd: Name | None = None


class Model(Frozen):
    """A model that the agent offers."""

    id: str
    name: str
    description: str
    efforts: tuple[str, ...]
    default_effort: str
    is_default: bool


class ModelList(Frozen):
    """The models that the agent offers."""

    models: tuple[Model, ...]


class TranscriptOpened(Frozen):
    """Where the transcript stands, and whether the client was asked to show it and did."""

    session_id: str
    uri: str
    shown: bool


class WaitingTaskShown(Frozen):
    """A task that starts as soon as these documents are saved."""

    task_id: str
    text: str
    unsaved: tuple[str, ...]


class StatusResult(Frozen):
    """The status of open sessions, the tasks that wait for files to be saved, and the policy's files."""

    sessions: tuple[StatusView, ...]
    mode: Mode
    waiting_tasks: tuple[WaitingTaskShown, ...] = ()
    policies: tuple[PolicyFileShown, ...] = ()


class EventNotification(Frozen):
    """Events of one session since the last notification.

    Attributes:
        omitted: How many events were left out because the client did not read fast enough; ask for
            the session's state anew when it is not 0.
    """

    session_id: str
    events: tuple[Event, ...]
    omitted: int = 0


class ApprovalNotification(Frozen):
    """An approval waits while `decision` is null."""

    session_id: str
    approval_id: str
    approval: Approval | None = None
    decision: Decision | None = None


class StatusNotification(Frozen):
    """The status of a session."""

    status: StatusView


class ReloadNotification(Frozen):
    """Files that changed on disk."""

    uris: tuple[str, ...]


def session_shown(snapshot: SessionSnapshot, transcript: str) -> SessionShown:
    """Return a session's state as it is shown."""
    return SessionShown(
        session_id=snapshot.session_id,
        title=snapshot.title,
        cwd=snapshot.cwd,
        runtime=snapshot.runtime,
        model=snapshot.model,
        mode=snapshot.mode,
        alive=snapshot.alive,
        thread_id=snapshot.thread_id,
        turns=tuple(_turn_shown(turn) for turn in snapshot.turns if turn.id),
        pending=snapshot.pending,
        grants=snapshot.grants,
        transcript=transcript,
    )


def _turn_shown(turn: TurnSnapshot) -> TurnShown:
    return TurnShown(
        turn_id=turn.id,
        status=turn.status.value,
        started_at=turn.started_at,
        completed_at=turn.completed_at,
        error=turn.error,
        error_code=turn.error_code,
        plan=turn.plan,
        tokens=turn.tokens.total_tokens - turn.tokens_before.total_tokens,
        waited=turn.waited,
    )


def rule_of(rule: Remembered) -> RememberedRule:
    """Return a remembered rule as it is shown."""
    return RememberedRule(
        name=rule.name,
        verdict=rule.verdict,
        kind=rule.key,
        pattern=rule.pattern,
        workspace=rule.workspace,
        reason=rule.reason,
        by=rule.by,
        at=rule.at,
    )


def model_of(model: ModelInfo) -> Model:
    """Return a model as it is shown."""
    return Model(
        id=model.id,
        name=model.name,
        description=model.description,
        efforts=model.efforts,
        default_effort=model.default_effort,
        is_default=model.is_default,
    )
