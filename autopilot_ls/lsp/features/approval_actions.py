"""What a person may decide on a pending approval, as code actions.

Only what is possible is offered: a patch that cannot be applied has no accept, a question only has the
answers there are. What the agent wrote stands in a title as one visible line, with nothing redacted,
since it is what is decided on. Not aware of where in a document an action is offered. `code_actions` stands above.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final, cast

from pydantic import JsonValue

from autopilot_ls.lsp import methods
from autopilot_ls.lsp.features.actions import Offer, UnsavedText, accepting
from autopilot_ls.lsp.plain import member
from autopilot_ls.model.approvals import (
    Action,
    Approval,
    ChangeKind,
    CommandAction,
    DecisionKind,
    ElicitationAction,
    Mark,
    PatchAction,
    Question,
    QuestionAction,
    RememberOffer,
)
from autopilot_ls.model.text import count, one_line
from autopilot_ls.presentation.approvals import title as title_of

MAX_OPTIONS: Final = 12
"""Answers of one question that become code actions; the rest are in the transcript."""

MAX_REASON: Final = 20_000
"""Characters of a selection that become a reason."""

_NAMES: Final[Mapping[str, str]] = {
    "patch": "patch",
    "command": "command",
    "permission": "permission",
    "question": "question",
    "elicitation": "request",
    "tool": "tool call",
}


def has_place(approval: Approval) -> bool:
    """Tell whether the approval can be decided at hunks in files that exist."""
    return (
        isinstance(approval.action, PatchAction)
        and bool(approval.files)
        and not all(file.kind is ChangeKind.ADD or not file.hunks for file in approval.files)
    )


def offers(
    approval: Approval,
    *,
    root: str | None,
    selection: str = "",
    acceptable: bool = True,
    unsaved: UnsavedText | None = None,
) -> list[Offer]:
    """Return what may be decided.

    Args:
        approval: One that waits.
        root: The session's folder, which paths are shown relative to.
        selection: The text that is selected, which may be an answer.
        acceptable: Whether the hunks of a patch stand in the open documents as they should.
        unsaved: Says that files of a patch have unsaved changes.
    """
    title = title_of(approval, root=root, limit=110)
    action = approval.action
    found: list[Offer] = []
    if isinstance(action, QuestionAction):
        for question in action.questions:
            found += _answers(approval, question, selection)
    elif isinstance(action, ElicitationAction):
        found += _contents(approval, action, title)
    elif acceptable and not any(file.problem for file in approval.files):
        rejected = sum(choice.mark is Mark.REJECT for choice in approval.marks)
        over = f", also the {count(rejected, 'hunk')} that you rejected" if rejected else ""
        plain = _decide(
            approval, DecisionKind.ACCEPT, f"accept{over}: {title}", preferred=not rejected
        )
        merged = f"accept without saving, into the unsaved text{over}: {title}"
        found += accepting(plain, unsaved, merged)
        if _grantable(action) and unsaved is None:
            what = "edits of these files" if isinstance(action, PatchAction) else "exactly this"
            found.append(
                _decide(
                    approval,
                    DecisionKind.ACCEPT_FOR_SESSION,
                    f"accept, and {what} for this session: {title}",
                )
            )
    name = _NAMES[action.type]
    found.append(_decide(approval, DecisionKind.DECLINE, f"reject the {name}: {title}"))
    if selection.strip():
        why = f"reject the {name}, with the selected text as the reason: {title}"
        found.append(_decide(approval, DecisionKind.DECLINE, why, message=selection.strip()))
    found.append(_decide(approval, DecisionKind.CANCEL, f"reject and stop the turn: {title}"))
    if acceptable and unsaved is None and not any(file.problem for file in approval.files):
        found += [_remember(approval, offer, title) for offer in approval.offers]
    if isinstance(action, PatchAction) and approval.files:
        size = count(len(approval.files), "file")
        found.append(
            Offer(
                f"preview the patch ({size})",
                methods.APPROVAL_PREVIEW,
                {"approvalId": approval.id},
            )
        )
    return found


def _grantable(action: Action) -> bool:
    if isinstance(action, PatchAction):
        return bool(action.changes)
    return isinstance(action, CommandAction) and not (
        action.escalated or action.types_input or action.permissions or action.network_host
    )


def _decide(
    approval: Approval,
    kind: DecisionKind,
    title: str,
    *,
    preferred: bool = False,
    content: JsonValue = None,
    message: str = "",
) -> Offer:
    argument: dict[str, JsonValue] = {"approvalId": approval.id, "decision": kind.value}
    if message:
        argument["message"] = message[:MAX_REASON]
    if content is not None:
        argument["content"] = content
    return Offer(title, methods.APPROVAL_DECIDE, argument, preferred=preferred)


def _remember(approval: Approval, offer: RememberOffer, title: str) -> Offer:
    argument: dict[str, JsonValue] = {
        "approvalId": approval.id,
        "decision": DecisionKind.ACCEPT.value,
        "remember": offer.key,
    }
    label = offer.label[:1].upper() + offer.label[1:]
    return Offer(f"{label} – {title}", methods.APPROVAL_DECIDE, argument)


def _answers(approval: Approval, question: Question, selection: str) -> Iterable[Offer]:
    # The header is one word at most; this is the only place where many editors show the question.
    asked = one_line(question.text or question.header, 60)

    def offer(title: str, answer: str) -> Offer:
        argument: dict[str, JsonValue] = {
            "approvalId": approval.id,
            "questionId": question.id,
            "answers": [answer],
        }
        return Offer(title, methods.APPROVAL_ANSWER, argument)

    for option in question.options[:MAX_OPTIONS]:
        yield offer(f"answer “{asked}”: {one_line(option.label, 80)}", option.label)
    if selection.strip() and (question.free_text or not question.options):
        yield offer(f"answer “{asked}” with the selected text", selection.strip())


def _contents(approval: Approval, action: ElicitationAction, title: str) -> Iterable[Offer]:
    try:
        schema: object = json.loads(action.content_schema or "{}")
    except (ValueError, RecursionError):
        return
    properties = member(schema, "properties")
    if not isinstance(properties, dict) or not properties:
        yield _decide(approval, DecisionKind.ACCEPT, f"accept: {title}", content={})
        return
    fields = cast("dict[str, object]", properties)
    if len(fields) == 1:
        name, field = next(iter(fields.items()))
        for value in _choices(field)[:MAX_OPTIONS]:
            shown = one_line(json.dumps(value, ensure_ascii=False), 40)
            text = f"answer {one_line(name, 30)} = {shown}: {title}"
            yield _decide(approval, DecisionKind.ACCEPT, text, content={name: value})


def _choices(field: object) -> list[JsonValue]:
    if member(field, "type") == "boolean":
        return [True, False]
    values = member(field, "enum")
    if not isinstance(values, list):
        return []
    return [value for value in cast("list[object]", values) if isinstance(value, (str, int, float))]
