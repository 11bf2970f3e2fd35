"""What a decision must say, what of it may be recorded, and what of it lasts.

Pure. Not aware of what waits or of who is faster: that is the broker's business. `broker` stands
above, the model below.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from autopilot_ls.model.approvals import (
    Approval,
    CommandAction,
    Decision,
    DecisionKind,
    Grant,
    PatchAction,
    QuestionAction,
)
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.review import expanded, units_of

POLICY: Final = "policy"
"""Who decided, when a rule did."""

AUTOPILOT: Final = "autopilot"
"""Who decided, when nobody could any more."""


def require_complete(approval: Approval, decision: Decision) -> None:
    """Check that an accepting decision says all that the request asks for.

    Raises:
        InvalidRequest: It lacks an answer, or is for the whole session where that cannot be.
    """
    action = approval.action
    if isinstance(action, QuestionAction):
        missing = [q.id for q in action.questions if not decision.answers.get(q.id)]
        if missing:
            raise InvalidRequest(
                f"The questions {', '.join(missing)} have no answer.",
                advice="Give `answers` as an object of question id to a list of answers.",
            )
    if decision.kind is DecisionKind.ACCEPT_FOR_SESSION:
        grantable = isinstance(action, PatchAction) or (
            isinstance(action, CommandAction)
            and not (action.escalated or action.types_input or action.permissions)
            and action.network_host is None
        )
        if not grantable:
            raise InvalidRequest(
                "Only patches and plain sandboxed commands can be accepted for the session.",
                advice="Accept it once instead.",
            )


def exact(approval: Approval, decision: Decision) -> Decision:
    """Return the decision with its hunks checked and in the patch's order, and as a whole if it is one.

    Raises:
        InvalidRequest: Hunks are named that are none, or where none can be.
    """
    if decision.reasons:
        meant = set(expanded(approval, decision.reasons))
        reasons = {
            unit.id: decision.reasons.get(unit.id) or decision.reasons.get(unit.file_id, "")
            for unit in units_of(approval)
            if unit.id in meant
        }
        decision = decision.model_copy(update={"reasons": reasons})
    if decision.hunks is None:
        return decision
    if decision.kind is not DecisionKind.ACCEPT:
        raise InvalidRequest(
            "Hunks are named to be accepted, all others are rejected then.",
            advice='Use the decision "accept" with the hunks to accept, or mark the others.',
        )
    hunks = expanded(approval, decision.hunks)
    if not hunks:
        raise InvalidRequest(
            "No hunk was named.", advice="Use the decision decline to reject all of them."
        )
    whole = len(hunks) == sum(1 for _ in units_of(approval)) and not decision.in_editor
    return decision.model_copy(update={"hunks": None if whole else hunks})


def require_plain(decision: Decision) -> None:
    """Check that a decision which is to be remembered accepts the whole, and just once.

    Raises:
        InvalidRequest: It does not.
    """
    if decision.kind is not DecisionKind.ACCEPT or decision.hunks is not None:
        raise InvalidRequest(
            "Only a plain accept of the whole can be remembered.",
            advice="Leave `remember` out, or decide `accept`.",
        )


def cancel(message: str) -> Decision:
    """Return our own decision for what nobody can decide any more."""
    return Decision(kind=DecisionKind.CANCEL, decided_by=AUTOPILOT, message=message)


def without_secrets(approval: Approval, decision: Decision) -> Decision:
    """Return the decision as it may be recorded."""
    if not isinstance(approval.action, QuestionAction):
        return decision
    secret = {question.id for question in approval.action.questions if question.secret}
    shown: Mapping[str, tuple[str, ...]] = {
        key: ("(not recorded)",) if key in secret else value
        for key, value in decision.answers.items()
    }
    return decision.model_copy(update={"answers": dict(shown)})


def grant_from(approval: Approval, decision: Decision) -> Grant | None:
    """Return the lasting grant that a decision gives, if it gives one."""
    if decision.kind is not DecisionKind.ACCEPT_FOR_SESSION:
        return None
    action = approval.action
    if isinstance(action, CommandAction):
        return Grant(
            id=f"grant-{approval.id}",
            command=action.command,
            cwd=action.cwd,
            granted_by=decision.decided_by,
        )
    if isinstance(action, PatchAction):
        paths = {c.path for c in action.changes} | {c.move_to for c in action.changes if c.move_to}
        return Grant(
            id=f"grant-{approval.id}", paths=tuple(sorted(paths)), granted_by=decision.decided_by
        )
    return None
