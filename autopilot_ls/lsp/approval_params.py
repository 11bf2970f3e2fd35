"""The models of the commands about approvals.

Values only; `methods` says which belongs to what. Not aware of who sends them. Not imported before
`initialize` is answered.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from autopilot_ls.lsp.content_params import ApprovalDocuments
from autopilot_ls.lsp.shared_params import Name, Reason, Text
from autopilot_ls.model.approvals import Approval, Decision, DecisionKind, HunkMark
from autopilot_ls.model.base import Frozen

Hunks = Annotated[tuple[Name, ...], Field(max_length=10_000)]


class ApprovalList(Frozen):
    """What waits for a decision, oldest first.

    Attributes:
        documents: Those of patches, for `workspace/textDocumentContent`.
    """

    approvals: tuple[Approval, ...]
    documents: tuple[ApprovalDocuments, ...] = ()


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
        unsaved: What becomes of files with unsaved changes: `refuse` asks to save first, `save` has an
            editor that opted in save them, or waits until the person has saved, and accepts then;
            `merge` puts what is accepted of them into the editor's text, unsaved, and all else on disk.
    """

    approval_id: Name
    decision: DecisionKind
    message: Reason = ""
    answers: dict[str, tuple[Text, ...]] = Field(default_factory=dict, max_length=50)
    content: JsonValue = None
    hunks: Hunks | None = None
    reasons: dict[str, Reason] = Field(default_factory=dict, max_length=10_000)
    remember: Name | None = None
    unsaved: Literal["refuse", "save", "merge"] = "refuse"


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
    unsaved: Literal["refuse", "save", "merge"] = "refuse"


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


class SaveParams(Frozen):
    """Save documents, as the person would."""

    uris: tuple[str, ...]


class Saved(Frozen):
    """The documents that are saved now, or were; those that could not be are left out."""

    saved: tuple[str, ...]
