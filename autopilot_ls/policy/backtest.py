"""Judging recorded approvals again under another policy: what would have changed.

Pure. The command line reads the approvals from traces and prints the differences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autopilot_ls.model.approvals import Approval, Decision, Grant, Mode, Outcome, Verdict
from autopilot_ls.policy.policy import Policy


@dataclass(frozen=True, slots=True)
class Recorded:
    """An approval as it was recorded.

    Attributes:
        decision: What was decided, None when it never was.
        mode: The session's mode then.
        workspace: The session's folder.
        grants: The grants in force then.
    """

    approval: Approval
    decision: Decision | None
    mode: Mode
    workspace: Path
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """A verdict that would be another one.

    Attributes:
        against_person: The new verdict would do by itself the opposite of what a person decided.
    """

    recorded: Recorded
    before: Verdict
    after: Verdict
    against_person: bool


def backtest(recorded: Iterable[Recorded], policy: Policy) -> Iterator[Difference]:
    """Yield what would have changed, in the order of the record.

    Paths are looked up as they are now, which may differ from how they were.

    Args:
        recorded: The approvals.
        policy: The policy to judge them by.
    """
    for one in recorded:
        before = one.approval.verdict
        after = policy.judge(
            one.approval.action, mode=one.mode, grants=one.grants, workspace=one.workspace
        )
        if after.outcome is not before.outcome:
            yield Difference(one, before, after, _against_person(one, after))


def _against_person(one: Recorded, after: Verdict) -> bool:
    if one.decision is None or one.decision.decided_by in {"policy", "autopilot"}:
        return False
    if after.outcome is Outcome.ASK:
        return False
    return one.decision.kind.accepts is not (after.outcome is Outcome.ALLOW)
