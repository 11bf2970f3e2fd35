"""Remembered decisions with the real Codex: it hears a plain accept, and is never told of a rule."""

from __future__ import annotations

import json
import re

import pytest

from autopilot_ls.model.approvals import DecisionKind
from autopilot_ls.model.events import ApprovalResolved, ItemCompleted
from autopilot_ls.model.items import CommandExecution
from autopilot_ls.scripted_model import command, message
from tests.support.staged import staged

pytestmark = [pytest.mark.core, pytest.mark.timeout(120)]


async def test_what_is_always_allowed_runs_again_unasked_until_it_is_forgotten() -> None:
    steps = [command("touch made"), command("touch made"), message("Done.")]
    again = [command("touch made"), message("Done.")]
    async with staged(*steps, *again) as stage:
        await stage.start()
        (approval,) = await stage.waiting()
        (offer,) = approval.offers
        assert offer.label == "always allow exactly `touch made` in this workspace"
        decision = await stage.supervisor.decide(
            approval.id, DecisionKind.ACCEPT, decided_by="test", remember=offer.key
        )
        assert decision.remembered == offer.key
        await stage.ended()
        decided = [body.decision for body in stage.view.all(ApprovalResolved)]
        assert [one.decided_by for one in decided] == ["test", "policy"]
        ran = [body.item for body in stage.view.all(ItemCompleted)]
        commands = [item for item in ran if isinstance(item, CommandExecution)]
        assert [item.exit_code for item in commands] == [0, 0]

        # What Codex was answered: nothing of it outlives the one command.
        raw = (stage.world.state / "sessions" / stage.session_id / "raw.jsonl").read_text()
        answers = re.findall(r'\\?"decision\\?" *: *[^,}]*', raw)
        assert len(answers) == 2
        assert all(re.fullmatch(r'\\?"decision\\?" *: *\\?"accept\\?"', one) for one in answers), (
            answers
        )

        await stage.supervisor.forget([offer.key])
        await stage.start(session_id=stage.session_id)
        (asked,) = await stage.waiting()
        assert "touch made" in json.dumps(asked.action.model_dump(mode="json"))
        await stage.decide(asked, DecisionKind.DECLINE)
        await stage.ended(2)
