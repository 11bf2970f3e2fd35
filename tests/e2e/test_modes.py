"""The four modes with the real Codex: what goes, what asks, what is denied, and who decided."""

from __future__ import annotations

from typing import Final

import pytest

from autopilot_ls.model.approvals import Approval, DecisionKind, Mode, Outcome
from autopilot_ls.model.events import ApprovalResolved, TurnStatus
from autopilot_ls.scripted_model import command, message, patch
from tests.support.staged import Staged, staged

pytestmark = [pytest.mark.core, pytest.mark.timeout(120)]

ADD: Final = "*** Begin Patch\n*** Add File: new.py\n+y = 1\n*** End Patch"
MADE: Final = "mkdir made"
PUSH: Final = "git push origin main"


def _by(stage: Staged) -> list[tuple[DecisionKind, str]]:
    return [(r.decision.kind, r.decision.decided_by) for r in stage.view.all(ApprovalResolved)]


async def _asked(stage: Staged) -> Approval:
    """Wait for what a person has to decide on; what the policy decides waits a moment too."""

    def asking() -> list[Approval]:
        waiting = stage.supervisor.approvals(stage.session_id)
        return [each for each in waiting if each.verdict.outcome is Outcome.ASK]

    await stage.view.until(lambda: bool(asking()))
    return asking()[0]


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.ESCALATE])
async def test_in_the_acting_modes_rules_decide_and_a_person_has_the_rest(mode: Mode) -> None:
    steps = [
        patch(ADD),
        command(MADE, call_id="c1"),
        command("touch out", escalate=True, call_id="c2"),
        command(PUSH, call_id="c3"),
        message("Done."),
        message("Done."),
    ]
    async with staged(*steps) as stage:
        await stage.start(mode=mode)
        approval = await _asked(stage)
        assert (approval.verdict.rule, approval.verdict.risk) == ("publishing", "high")
        # What was before it went by rules, the attempt to leave the sandbox among it.
        accepted, declined = (DecisionKind.ACCEPT, "policy"), (DecisionKind.DECLINE, "policy")
        assert _by(stage) == [accepted, accepted, declined]
        assert stage.world.read("new.py") == "y = 1\n"
        assert (stage.world.workspace / "made").is_dir()
        await stage.decide(approval, DecisionKind.DECLINE)
        assert (await stage.ended()).status is TurnStatus.COMPLETED
        assert not (stage.world.workspace / "out").exists()
