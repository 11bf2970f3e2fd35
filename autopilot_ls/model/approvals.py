"""Approvals: what an agent asks for, the policy's verdict on it, and the one decision.

Runtime-neutral values. Not aware of how an agent words its request nor of how an editor shows it.
The runtimes produce actions, the policy judges them, the supervisor turns them into approvals.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from autopilot_ls.model.base import Frozen


class Mode(StrEnum):
    """How autonomous a session may be."""

    READ_ONLY = "read-only"
    PROPOSE = "propose"
    AUTO = "auto"
    ESCALATE = "escalate"


class ChangeKind(StrEnum):
    """What a proposed change does to a file."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


class ProposedChange(Frozen):
    """A change to one file as the agent worded it.

    Attributes:
        path: Absolute path of the file.
        move_to: Absolute new path when the file is also renamed.
        form: How `text` is to be read: `unified` are unified-diff hunks without file headers,
            `content` is the whole new text (of an add) or the whole old text (of a delete).
    """

    path: str
    kind: ChangeKind
    move_to: str | None = None
    form: Literal["unified", "content"]
    text: str


class Hunk(Frozen):
    """One contiguous change in one file, the unit of review.

    Attributes:
        id: Unique within the approval, stable for its life.
        old_start: Line number, from 1, of the first line replaced; for a pure insertion the line
            before which the new lines go.
        old_lines: The exact lines taken out, each with its line end.
        new_lines: The exact lines put in, each with its line end.
    """

    id: str
    old_start: int
    old_lines: tuple[str, ...]
    new_start: int
    new_lines: tuple[str, ...]


class FileChange(Frozen):
    """A proposed change in the form that is reviewed: exact hunks.

    Attributes:
        path: Absolute path, resolved against the session's folder.
        problem: Why the change cannot be shown by hunks or be accepted; empty when it can.
    """

    path: str
    kind: ChangeKind
    move_to: str | None = None
    hunks: tuple[Hunk, ...] = ()
    problem: str = ""


class CommandAction(Frozen):
    """Running a command, or typing into one that runs.

    Attributes:
        command: The command line as the agent gave it.
        cwd: Absolute folder that it runs in.
        escalated: Whether it asks to run outside the sandbox.
        types_input: Whether `command` is input for the running program, not a shell line.
        network_host: The host it wants to reach, when that is what is asked.
        permissions: Further permissions asked for with it, one readable line each.
    """

    type: Literal["command"] = "command"
    command: str
    cwd: str
    escalated: bool = False
    types_input: bool = False
    network_host: str | None = None
    permissions: tuple[str, ...] = ()


class PatchAction(Frozen):
    """Changing files.

    Attributes:
        grant_root: A folder under which the agent asks to write without asking again; never granted.
    """

    type: Literal["patch"] = "patch"
    changes: tuple[ProposedChange, ...]
    grant_root: str | None = None


class PermissionAction(Frozen):
    """Widening the sandbox for the rest of a turn.

    Attributes:
        permissions: One readable line for each permission asked for.
        native: The agent's own description as JSON text, which an accept grants for one turn only.
    """

    type: Literal["permission"] = "permission"
    cwd: str
    permissions: tuple[str, ...]
    native: str


class QuestionOption(Frozen):
    """One answer that the agent offers."""

    label: str
    description: str = ""


class Question(Frozen):
    """A question of the agent to the person.

    Attributes:
        options: Offered answers; empty means free text.
        free_text: Whether another answer than the offered ones may be given.
        secret: Whether the answer must not be shown or stand in an event. The private record of raw
            frames has it, since that is exactly what was sent.
    """

    id: str
    header: str = ""
    text: str
    options: tuple[QuestionOption, ...] = ()
    free_text: bool = True
    secret: bool = False


class QuestionAction(Frozen):
    """Asking the person something."""

    type: Literal["question"] = "question"
    questions: tuple[Question, ...]


class ElicitationAction(Frozen):
    """An MCP server asks the person for input.

    Attributes:
        content_schema: The JSON Schema of the content asked for, as JSON text.
        url: An address the person is asked to open; shown as text only.
    """

    type: Literal["elicitation"] = "elicitation"
    server: str
    message: str
    content_schema: str = "{}"
    url: str | None = None


class ToolAction(Frozen):
    """Calling a tool of an MCP server or of the client.

    Attributes:
        arguments: The arguments as JSON text.
    """

    type: Literal["tool"] = "tool"
    server: str
    tool: str
    arguments: str = "{}"
    message: str = ""


Action = Annotated[
    CommandAction
    | PatchAction
    | PermissionAction
    | QuestionAction
    | ElicitationAction
    | ToolAction,
    Field(discriminator="type"),
]


class Outcome(StrEnum):
    """What the policy says."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class Verdict(Frozen):
    """The policy's word on one action.

    Attributes:
        rule: Name of the rule that decided.
        source: Where that rule stands: `mode`, `session grant`, or a file with its line.
        reason: One sentence for a person.
        part: The part of the command or patch that it decided on; raw text of the agent's, shortened.
        risk: How much harm it can do; what is high is said loudly.
    """

    outcome: Outcome
    rule: str
    source: str
    reason: str
    part: str = ""
    risk: Literal["low", "high"] = "low"


class DecisionKind(StrEnum):
    """The possible decisions; `acceptForSession` is an accept that adds a grant of our own."""

    ACCEPT = "accept"
    ACCEPT_FOR_SESSION = "acceptForSession"
    DECLINE = "decline"
    CANCEL = "cancel"

    @property
    def accepts(self) -> bool:
        """Whether the agent is told to go on with what it asked."""
        return self in (DecisionKind.ACCEPT, DecisionKind.ACCEPT_FOR_SESSION)


class Decision(Frozen):
    """The one answer to an approval.

    Attributes:
        decided_by: Who: a client's name, `policy`, or `autopilot` for shutdown and faults.
        message: Reason given; told to the agent on a decline, and for the hunks that are not accepted.
        answers: Question id to chosen answers, for questions.
        content: JSON text of the content, for elicitations.
        hunks: Ids of what is accepted of a patch, all else being rejected; None for the whole. What
            is accepted so is written by Autopilot, and the agent is told.
        reasons: Why single hunks are rejected, by their ids.
        in_editor: Whether the accepted hunks stand in the person's editor already, so that nothing
            is written to disk for them.
        merged: Absolute paths of the files whose accepted hunks go into the person's unsaved text, and
            not to disk.
        remembered: Name of the rule of ours that was written with it, so that the like goes without
            asking; the agent is told of a plain accept only.
    """

    kind: DecisionKind
    decided_by: str
    message: str = ""
    answers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    content: str | None = None
    hunks: tuple[str, ...] | None = None
    reasons: dict[str, str] = Field(default_factory=dict)
    in_editor: bool = False
    merged: tuple[str, ...] = ()
    remembered: str = ""


class Mark(StrEnum):
    """What the person has chosen for one hunk while the approval still waits."""

    ACCEPT = "accept"
    REJECT = "reject"


class HunkMark(Frozen):
    """The choice for one hunk, or for a change without hunks; see `review.units_of` for the ids.

    Attributes:
        message: Why it is rejected; told to the agent with the decision.
    """

    hunk_id: str
    mark: Mark
    message: str = ""
    marked_by: str


class Grant(Frozen):
    """A "for this session" rule of our own: exactly this command, or edits of exactly these files.

    Attributes:
        command: The exact command line, with `cwd`, or None for edits.
        paths: The absolute paths that may be edited, empty for commands.
    """

    id: str
    command: str | None = None
    cwd: str | None = None
    paths: tuple[str, ...] = ()
    granted_by: str


class RememberOffer(Frozen):
    """Something that can be remembered with an accept.

    Attributes:
        key: What a client names to choose it; the rule will be called so.
        label: What it means, for a person.
    """

    key: str
    label: str


class Approval(Frozen):
    """A blocking request of an agent for permission or input.

    Attributes:
        id: Ours; what clients name when they decide.
        native_key: The runtime's key for the request; opaque.
        thread_id: The agent's thread, which is a sub-agent's own where one asks.
        item_id: The agent's item the request belongs to.
        reason: The agent's stated reason, raw; show it through `text.visible`.
        files: The patch by hunks, for a `PatchAction`.
        marks: What the person has chosen for single hunks so far.
        offers: What can be remembered of it, as it was when it was requested.
        requested_at: Seconds since the epoch.
    """

    id: str
    session_id: str
    native_key: str
    thread_id: str | None = None
    turn_id: str | None = None
    item_id: str | None = None
    action: Action
    reason: str = ""
    files: tuple[FileChange, ...] = ()
    marks: tuple[HunkMark, ...] = ()
    verdict: Verdict
    offers: tuple[RememberOffer, ...] = ()
    requested_at: float
