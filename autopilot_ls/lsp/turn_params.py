"""The models of the commands that give an agent work: turns, messages that wait, reviews.

Values only; `methods` says which belongs to what. Not aware of who sends them. Not imported before
`initialize` is answered.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from autopilot_ls.lsp.shared_params import Name, Reference, Text
from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.base import Frozen

References = Annotated[tuple[Reference, ...], Field(max_length=200)]


class AttachedFile(Frozen):
    """A file that goes with a message: an image is shown to the model, any other is named to it.

    Attributes:
        uri: A `file:` URI or an absolute path.
    """

    uri: Name


Attachments = Annotated[tuple[AttachedFile, ...], Field(max_length=20)]


class TurnStartParams(Frozen):
    """Give an agent a task.

    Attributes:
        session_id: The session to go on with; a new one when omitted.
        cwd: Folder of a new session, as an absolute path or a `file:` URI. When omitted: the workspace
            folder of the first reference, else the first workspace folder.
        attachments: Files that go with the text.
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
    references: References = ()
    attachments: Attachments = ()
    mode: Mode | None = None
    model: Name | None = None
    effort: Name | None = None
    unsaved: Literal["wait", "ignore"] = "wait"


class TurnBegun(Frozen):
    """The turn that began; `turnId` is the agent's own id."""

    session_id: str
    turn_id: str


class TurnSteerParams(Frozen):
    """Say something into the running turn; without a session, into the only one that runs."""

    text: Text
    session_id: Name | None = None
    attachments: Attachments = ()


class WaitingTaskParams(Frozen):
    """Names a task that waits for files to be saved."""

    task_id: Name


class TurnQueueParams(Frozen):
    """Leave a message that goes as the next turn when the running one is completed, or at once if none runs."""

    session_id: Name
    text: Text
    references: References = ()
    attachments: Attachments = ()


class TurnQueued(Frozen):
    """The message that waits."""

    message_id: str


class QueuedMessageParams(Frozen):
    """Names a message that waits."""

    session_id: Name
    message_id: Name


class TurnReleaseParams(Frozen):
    """Names a message that is held; all that are held in the session when omitted."""

    session_id: Name
    message_id: Name | None = None


class ReviewTarget(Frozen):
    """What is to be reviewed.

    Attributes:
        branch: With `baseBranch`: what the present branch is compared with.
        sha: With `commit`.
        instructions: With `custom`: what to look at, in words.
    """

    type: Literal["uncommittedChanges", "baseBranch", "commit", "custom"] = "uncommittedChanges"
    branch: Name | None = None
    sha: Name | None = None
    instructions: Text | None = None


class ReviewStartParams(Frozen):
    """Have the agent's reviewer look at changes.

    Attributes:
        session_id: The session to review in; a new one when omitted.
        cwd: As in `autopilot.turn.start`.
    """

    session_id: Name | None = None
    cwd: Name | None = None
    target: ReviewTarget = ReviewTarget()


class ReviewDismissParams(Frozen):
    """Names findings of a session's last review; all of them when none is named."""

    session_id: Name
    findings: tuple[Name, ...] = Field(default=(), max_length=1_000)
