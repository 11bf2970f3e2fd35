"""What the commands about approvals do: list, decide, mark, answer, preview.

Not aware of how an editor sends a command. `commands` stands above.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from autopilot_ls.lsp import approval_params as params
from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.content_params import documents_of
from autopilot_ls.lsp.features.pending_hunks import PendingHunks
from autopilot_ls.lsp.features.preview import Preview
from autopilot_ls.lsp.features.saving import Saving
from autopilot_ls.lsp.shared_params import OptionalSessionParams
from autopilot_ls.model.approvals import Approval, DecisionKind, Mark, QuestionAction
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.review import completed, expanded, marked, units_of
from autopilot_ls.model.text import count

MADE_BY_HAND: Final = "I have made this change myself."
"""What the agent is told of a hunk that the person has made."""


class ApprovalCommands:
    """The commands of one editor about approvals."""

    def __init__(
        self,
        backend: Backend,
        *,
        name: Callable[[], str],
        preview: Preview,
        saving: Saving,
        pending: PendingHunks,
    ) -> None:
        """Create them.

        Args:
            backend: The supervisor.
            name: Says who decides.
            preview: Shows patches.
            saving: Has unsaved files saved.
            pending: Knows what has become of hunks in the text.
        """
        self._backend = backend
        self._saving = saving
        self._pending = pending
        self._name = name
        self._preview = preview
        self._answers: dict[str, dict[str, tuple[str, ...]]] = {}

    async def list(self, request: OptionalSessionParams) -> params.ApprovalList:
        """List what waits."""
        approvals = self._backend.approvals(request.session_id)
        documents = tuple(documents_of(each) for each in approvals if each.files)
        return params.ApprovalList(approvals=approvals, documents=documents)

    async def decide(self, request: params.ApprovalDecideParams) -> params.ApprovalDecided:
        """Give the one decision, or remember it until everything is saved.

        Raises:
            UnsavedDocuments: Files have unsaved changes, and it waits until they are saved.
        """
        if request.unsaved == "save" and request.decision.accepts:
            later = request.model_copy(update={"unsaved": "refuse"})
            approval = self._backend.approval(request.approval_id)
            await self._saving.before(approval, request.hunks, lambda: self.decide(later))
        content = None if request.content is None else json.dumps(request.content)
        decision = await self._backend.decide(
            request.approval_id,
            request.decision,
            decided_by=self._name(),
            message=request.message,
            answers=request.answers or None,
            content=content,
            hunks=request.hunks,
            reasons=request.reasons,
            remember=request.remember,
            merge=request.unsaved == "merge",
        )
        self._answers.pop(request.approval_id, None)
        return params.ApprovalDecided(approval_id=request.approval_id, decision=decision)

    async def mark(self, request: params.ApprovalMarkParams) -> params.ApprovalMarked:
        """Choose for single hunks; the last choice waits until everything is saved, where it has to.

        Raises:
            UnsavedDocuments: Files have unsaved changes, and it waits until they are saved.
            InvalidRequest: The person has typed into what is to be accepted.
        """
        if request.mark != "none":
            request = await self._without_made(request, Mark(request.mark))
        mark = None if request.mark == "none" else Mark(request.mark)
        if request.unsaved == "save":
            approval = self._backend.approval(request.approval_id)
            marks = marked(approval, request.hunks, mark, request.message, self._name())
            decision = completed(approval.model_copy(update={"marks": marks}), self._name())
            if decision is not None and decision.kind.accepts:
                later = request.model_copy(update={"unsaved": "refuse"})
                await self._saving.before(approval, decision.hunks, lambda: self.mark(later))
        decision = await self._backend.mark(
            request.approval_id,
            request.hunks,
            mark,
            marked_by=self._name(),
            message=request.message,
            merge=request.unsaved == "merge",
        )
        if decision is not None:
            return params.ApprovalMarked(approval_id=request.approval_id, decision=decision)
        approval = self._backend.approval(request.approval_id)
        chosen = {choice.hunk_id for choice in approval.marks}
        missing = tuple(unit.id for unit in units_of(approval) if unit.id not in chosen)
        return params.ApprovalMarked(approval_id=approval.id, marks=approval.marks, missing=missing)

    async def _without_made(
        self, request: params.ApprovalMarkParams, mark: Mark
    ) -> params.ApprovalMarkParams:
        """Return what is left to be chosen when those hunks have their choice that the person has made by hand.

        Nobody can choose for these any more, as they are shown nowhere. With the last choice for the others
        they count as rejected, so that the agent hears of it and nothing is made twice.
        """
        approval = self._backend.approval(request.approval_id)
        unfit = self._pending.unfit(approval.id)
        if not unfit:
            return request
        made = self._pending.made(approval.id)
        meant = expanded(approval, request.hunks)
        if mark is Mark.ACCEPT and (typed := (unfit - made).intersection(meant)):
            raise InvalidRequest(
                f"Not accepted: you have typed into {count(len(typed), 'hunk')} of it.",
                advice="Undo that, or reject.",
            )
        marks = {choice.hunk_id: choice.mark for choice in approval.marks}
        units = [unit.id for unit in units_of(approval)]
        is_last = all(unit in marks or unit in meant or unit in made for unit in units)
        by_hand = tuple(
            unit
            for unit in units
            if unit in made
            and (
                mark is Mark.ACCEPT
                if unit in meant
                else is_last and marks.get(unit) is not Mark.REJECT
            )
        )
        if not by_hand:
            return request
        others = tuple(unit for unit in meant if unit not in by_hand)
        if others:
            # The last of both makes the decision, which has to be the other one.
            by = self._name()
            if any(unit in marks for unit in by_hand):
                await self._backend.mark(approval.id, by_hand, None, marked_by=by)
            await self._backend.mark(
                approval.id, others, mark, marked_by=by, message=request.message
            )
        rejected = {"hunks": by_hand, "mark": Mark.REJECT.value, "message": MADE_BY_HAND}
        return request.model_copy(update=rejected)

    async def answer(self, request: params.ApprovalAnswerParams) -> params.ApprovalAnswered:
        """Answer one question."""
        approval = self._backend.approval(request.approval_id)
        asked = _questions(approval)
        if request.question_id not in asked:
            raise InvalidRequest(
                f"Approval {approval.id} has no question {request.question_id!r}.",
                advice=f"Its questions: {', '.join(asked)}." if asked else "It asks no questions.",
            )
        waiting = {other.id for other in self._backend.approvals()}
        self._answers = {key: value for key, value in self._answers.items() if key in waiting}
        answers = self._answers.setdefault(approval.id, {})
        answers[request.question_id] = request.answers
        missing = tuple(question for question in asked if question not in answers)
        if not missing:
            await self._backend.decide(
                approval.id, DecisionKind.ACCEPT, decided_by=self._name(), answers=answers
            )
            self._answers.pop(approval.id, None)
        return params.ApprovalAnswered(approval_id=approval.id, missing=missing)

    async def preview(self, request: params.ApprovalPreviewParams) -> params.ApprovalPreviewed:
        """Show a patch."""
        approval = self._backend.approval(request.approval_id)
        root = self._backend.snapshot(approval.session_id).cwd
        shown, uri, diff = await self._preview.show(approval, root, request.view)
        return params.ApprovalPreviewed(shown=shown, uri=uri, diff=diff)


def _questions(approval: Approval) -> tuple[str, ...]:
    if not isinstance(approval.action, QuestionAction):
        return ()
    return tuple(question.id for question in approval.action.questions)
