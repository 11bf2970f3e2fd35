"""Patches that are accepted in part, with the real Codex: what is written, and what its model hears."""

from __future__ import annotations

from typing import Final

import pytest

from autopilot_ls.model.approvals import Approval, DecisionKind, Mark
from autopilot_ls.model.events import FactsTold, FilesSettled, TurnStatus
from autopilot_ls.model.review import units_of
from autopilot_ls.scripted_model import message, patch
from tests.support.staged import staged

pytestmark = [pytest.mark.core, pytest.mark.timeout(120)]

OLD: Final = "".join(f"line {number}\n" for number in range(1, 31))
FOUR_HUNKS: Final = """\
*** Begin Patch
*** Update File: one.py
@@
 line 1
-line 2
+line two
 line 3
@@
 line 19
-line 20
+line twenty
 line 21
*** Update File: two.py
@@
 line 4
-line 5
+line five
 line 6
@@
 line 24
+line 24 and a half
 line 25
*** End Patch"""
ALL_KINDS: Final = """\
*** Begin Patch
*** Add File: made.py
+made = 1
*** Add File: unwanted.py
+unwanted = 1
*** Delete File: gone.py
*** Delete File: kept.py
*** Update File: one.py
*** Move to: moved.py
@@
 line 1
-line 2
+line two
 line 3
@@
 line 19
-line 20
+line twenty
 line 21
*** End Patch"""


def ids(approval: Approval) -> list[str]:
    return [unit.id for unit in units_of(approval)]


async def test_two_of_four_hunks_in_two_files_are_applied_and_the_model_hears_which() -> None:
    async with staged(patch(FOUR_HUNKS), message("I see."), message("I see.")) as stage:
        stage.world.write("one.py", OLD)
        stage.world.write("two.py", OLD)
        await stage.start()
        (approval,) = await stage.waiting()
        first, second, third, fourth = ids(approval)
        mark = stage.supervisor.mark
        await mark(approval.id, [second], Mark.REJECT, marked_by="test", message="Twenty is fine.")
        await mark(approval.id, [first, fourth], Mark.ACCEPT, marked_by="test")
        assert await mark(approval.id, [third], Mark.REJECT, marked_by="test") is not None
        assert (await stage.ended()).status is TurnStatus.COMPLETED
        assert stage.world.read("one.py") == OLD.replace("line 2\n", "line two\n", 1)
        assert stage.world.read("two.py") == OLD.replace("24\n", "24\nline 24 and a half\n", 1)
        stage.model.wait_for_requests(2, timeout=20)
        heard = str(stage.model.requests[1])
        applied, _, refused = heard.partition("Not applied:")
        assert "one.py: hunk 1 of 2, at line 2" in applied
        assert "two.py: hunk 2 of 2, at line 25" in applied
        assert "one.py: hunk 2 of 2, at line 20" in refused
        assert "+line twenty" in refused
        assert "Twenty is fine." in refused
        assert "two.py: hunk 1 of 2, at line 5" in refused
        assert (await stage.view.saw(FilesSettled)).outcome == "applied"
        assert (await stage.view.saw(FactsTold)).how == "inTurn"


async def test_adds_deletes_and_a_rename_are_chosen_one_by_one() -> None:
    async with staged(patch(ALL_KINDS), message("I see."), message("I see.")) as stage:
        for name in ("gone.py", "kept.py", "one.py"):
            stage.world.write(name, OLD)
        await stage.start()
        (approval,) = await stage.waiting()
        wanted = [
            unit.id
            for unit in units_of(approval)
            if unit.file.path.endswith(("made.py", "gone.py", "one.py")) and unit.number == 1
        ]
        await stage.supervisor.decide(
            approval.id, DecisionKind.ACCEPT, decided_by="test", hunks=wanted, message="Enough."
        )
        assert (await stage.ended()).status is TurnStatus.COMPLETED
        there = sorted(path.name for path in stage.world.workspace.glob("*.py"))
        assert there == ["kept.py", "made.py", "moved.py"]
        assert stage.world.read("made.py") == "made = 1\n"
        assert stage.world.read("kept.py") == OLD
        assert stage.world.read("moved.py") == OLD.replace("line 2\n", "line two\n", 1)
        stage.model.wait_for_requests(2, timeout=20)
        heard = str(stage.model.requests[1])
        applied, _, refused = heard.partition("Not applied:")
        assert "renaming it to moved.py" in applied
        assert "Enough." in applied
        assert "unwanted.py: creating it" in refused
        assert "kept.py: deleting it" in refused


async def test_a_model_that_builds_on_what_was_applied_is_not_in_the_way_of_itself() -> None:
    again = """\
*** Begin Patch
*** Update File: one.py
@@
 line 1
-line two
+line 2, as you like it
 line 3
*** End Patch"""
    steps = [patch(FOUR_HUNKS), patch(again, call_id="c2"), message("Done."), message("Done.")]
    async with staged(*steps) as stage:
        stage.world.write("one.py", OLD)
        stage.world.write("two.py", OLD)
        await stage.start()
        (approval,) = await stage.waiting()
        hunks = ids(approval)[:1]
        await stage.supervisor.decide(
            approval.id, DecisionKind.ACCEPT, decided_by="test", hunks=hunks
        )
        await stage.view.saw(FactsTold)
        await stage.view.until(
            lambda: any(a.id != approval.id for a in stage.supervisor.approvals(stage.session_id))
        )
        (second,) = stage.supervisor.approvals(stage.session_id)
        assert second.files[0].problem == ""
        await stage.decide(second)
        assert (await stage.ended()).status is TurnStatus.COMPLETED
        assert "line 2, as you like it" in stage.world.read("one.py")
