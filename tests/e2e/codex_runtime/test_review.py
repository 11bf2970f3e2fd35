"""Codex's reviewer, which never asks: where it may work, and what holds it there."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import AgentNotSafe
from autopilot_ls.model.events import FindingsReported, ItemCompleted, Notice, TurnStarted
from autopilot_ls.model.findings import ReviewTarget
from autopilot_ls.model.items import CommandExecution
from autopilot_ls.runtimes.base import RuntimeEvent
from autopilot_ls.scripted_model import ScriptedModel, command, message
from tests.e2e.codex_runtime.driver import codex, decline

pytestmark = [pytest.mark.anyio, pytest.mark.core, pytest.mark.timeout(120)]

CHANGES = ReviewTarget(kind="uncommittedChanges")


async def test_a_process_whose_turns_could_write_is_not_used(tmp_path: Path) -> None:
    with ScriptedModel([message("hello")]) as model:
        async with codex(model, tmp_path, mode=Mode.PROPOSE) as session:
            await session.turn()
            with pytest.raises(AgentNotSafe):
                await session.runtime.start_review(CHANGES)


async def test_the_reviewer_is_held_and_asking_is_back_after_it(tmp_path: Path) -> None:
    script = [
        command("touch written; touch /tmp/autopilot-written; cat ../private/x", call_id="c1"),
        command("id", escalate=True, call_id="c2"),
        message("All is well."),
        command("touch after", call_id="c3"),
        message("Done."),
    ]
    with ScriptedModel(script) as model:
        async with codex(model, tmp_path, mode=Mode.PROPOSE) as session:
            turn = await session.runtime.start_review(CHANGES)
            await session.end()
            begun = [
                event
                for event in session.sink.messages
                if isinstance(event, RuntimeEvent) and isinstance(event.body, TurnStarted)
            ]
            # Newer versions name the reviewer's own turn there, and the whole one as its root.
            assert len(begun) == 1
            assert turn
            ran = [
                done.item
                for done in session.sink.bodies(ItemCompleted)
                if isinstance(done.item, CommandExecution)
            ]
            # A command that ends in its first moments may not be reported; the model always hears of it.
            assert "c2" not in [item.id for item in ran], "what would leave the sandbox never ran"
            assert str(model.requests[1]["input"]).count("Read-only file system") == 2
            assert not (tmp_path / "work" / "written").exists()
            assert session.sink.bodies(FindingsReported)[-1].summary == "All is well."
            assert not [n for n in session.sink.bodies(Notice) if n.severity == "error"]
            await session.turn("next", decline)
            assert len(session.sink.approvals()) == 1
            assert not (tmp_path / "work" / "after").exists()
