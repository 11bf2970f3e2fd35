"""The review in the real VS Code: the Refactor Preview, unsaved text, and changes after the fact."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import expect

from autopilot_ls.scripted_model import ScriptedModel, command, message, patch, respond
from tests.support.vscode import WAIT, Workbench, vscode
from tests.support.world import world

pytestmark = pytest.mark.timeout(400)

LINES: Final = "".join(f"line_{number} = {number}\n" for number in range(1, 31))
TWO_HUNKS: Final = """\
*** Begin Patch
*** Update File: area.py
@@
 line_2 = 2
-line_3 = 3
+line_3 = 33
 line_4 = 4
@@
 line_8 = 8
-line_9 = 9
+line_9 = 99
 line_10 = 10
*** End Patch
"""
ONE_HUNK: Final = """\
*** Begin Patch
*** Update File: area.py
@@
 line_19 = 19
-line_20 = 20
+line_20 = 200
 line_21 = 21
*** End Patch
"""


def _ask(bench: Workbench, task: str) -> None:
    bench.chord("n")
    bench.answer(task)


def _save(bench: Workbench, name: str) -> None:
    """Save as a person does; VS Code would ask if the file on disk were newer."""
    bench.see(bench.page.locator(f'.tab.dirty[data-resource-name="{name}"]'))
    bench.editor(name).click(position={"x": 300, "y": 300})
    bench.page.keyboard.press("Control+s")
    bench.miss(bench.page.locator(f'.tab.dirty[data-resource-name="{name}"]'))
    expect(bench.toast("Failed to save")).to_have_count(0)


def test_ticks_in_the_refactor_preview_and_unsaved_text(package: Path) -> None:
    steps = [
        patch(TWO_HUNKS),
        message("I see."),
        patch(ONE_HUNK),
        message("Done."),
        patch(ONE_HUNK.replace("200", "2000").replace("-line_20 = 20\n", "-line_20 = 200\n")),
        message("Done again."),
    ]
    with ScriptedModel(steps) as model, world(model) as here:
        here.write("area.py", LINES)
        with vscode(here, package) as editor:
            bench = editor.window("review")
            bench.open("area.py")
            bench.show()

            # The hunks that are ticked are accepted in the editor, the others are rejected.
            _ask(bench, "Change two lines")
            bench.see(bench.row("Approvals", "Hunk 2"))
            # What was rejected is not accepted with the whole patch without a word.
            bench.act(bench.row("Approvals", "Hunk 2"), "Reject")
            bench.see(bench.row("Approvals", "Hunk 2").filter(has_text="rejected"))
            bench.act(bench.row("Approvals", "Change area.py"), "Accept")
            bench.see(bench.toast("you rejected 1 hunk"))
            bench.shot("rejected-before")
            bench.act(bench.toast("you rejected 1 hunk"), "Clear")
            bench.miss(bench.toast("you rejected 1 hunk"))
            assert here.read("area.py") == LINES
            bench.act(bench.row("Approvals", "Hunk 2"), "Take the Choice Back")
            bench.chord("d")
            bench.pick("Change area.py")
            bench.pick("Refactor Preview")
            panel = bench.page.locator(".bulk-edit-panel")
            bench.see(panel.locator(".monaco-list-row"))
            rows = panel.locator(".monaco-list-row")
            bench.see(rows.filter(has_text="line_3 = 33")).locator(".edit-checkbox").check()
            bench.shot("refactor-preview")
            panel.locator(".monaco-button", has_text="Apply").click()
            bench.miss(bench.row("Approvals", "Change area.py"))
            model.wait_for_requests(2, timeout=30)
            said = str(model.requests[1])
            assert "hunk 1 of 2" in said
            assert "hunk 2 of 2" in said
            assert here.read("area.py") == LINES
            _save(bench, "area.py")
            mine = LINES.replace("= 3\n", "= 33\n")
            assert here.read("area.py") == mine

            # Unsaved text elsewhere in the file: the accepted hunk is put into it, and saving asks nothing.
            bench.editor("area.py").click(position={"x": 300, "y": 300})
            bench.page.keyboard.press("Control+End")
            bench.page.keyboard.type("mine = 1\n")
            _ask(bench, "Change line 20")
            _start_unsaved(bench)
            bench.see(bench.row("Approvals", "Change area.py"))
            bench.editor("area.py").click(position={"x": 300, "y": 300})
            bench.page.keyboard.press("Control+End")
            bench.page.keyboard.type("mine = 2\n")
            bench.act(bench.row("Approvals", "Change area.py"), "Accept")
            asked = bench.toast("Save area.py first")
            bench.see(asked)
            bench.shot("unsaved")
            bench.press(asked, "Accept Without Saving")
            bench.miss(asked)
            bench.miss(bench.row("Approvals", "Change area.py"))
            assert "line_20 = 20\n" in here.read("area.py")
            _save(bench, "area.py")
            assert "line_20 = 200\n" in here.read("area.py")
            assert here.read("area.py").endswith("mine = 1\nmine = 2\n")

            # Saving first.
            _ask(bench, "Change line 20 again")
            bench.see(bench.row("Approvals", "Change area.py"))
            bench.editor("area.py").click(position={"x": 300, "y": 300})
            bench.page.keyboard.press("Control+End")
            bench.page.keyboard.type("mine = 3\n")
            bench.act(bench.row("Approvals", "Change area.py"), "Accept")
            bench.press(asked, "Save and Accept")
            bench.miss(bench.row("Approvals", "Change area.py"))
            bench.see(bench.editor("area.py").locator(".view-line").filter(has_text="2000"))
            assert "line_20 = 2000\n" in here.read("area.py")
            assert here.read("area.py").endswith("mine = 2\nmine = 3\n")


def _start_unsaved(bench: Workbench) -> None:
    """A task waits until what is unsaved is saved."""
    bench.press(bench.toast("Unsaved: area.py"), "Save All")


def test_what_a_command_changed_is_kept_and_undone(package: Path) -> None:
    steps = [
        respond(command("for f in a b c; do echo new > $f.txt; done", call_id="c1")),
        message("Changed three files."),
    ]
    with ScriptedModel(steps) as model, world(model) as here:
        for name in "abc":
            here.write(f"{name}.txt", "old\n")
        with vscode(here, package, {"autopilot.mode": "auto"}) as editor:
            bench = editor.window("changes")
            bench.see(bench.status().filter(has_text=re.compile(r"\bauto$")))
            bench.show()
            _ask(bench, "Change three files")
            bench.see(bench.row("Changes", "c.txt"))
            bench.chord("r")
            bench.see(bench.page.locator(".multiDiffEditor"))
            expect(bench.page.locator(".multiDiffEntry .header-content")).to_have_count(
                3, timeout=WAIT
            )
            bench.see(bench.page.locator(".multiDiffEntry .view-line").filter(has_text="old"))
            bench.shot("three-files")
            bench.row("Changes", "c.txt").first.click()
            bench.see(bench.page.locator(".tab.active").filter(has_text="c.txt (to review)"))
            bench.act(bench.row("Changes", "a.txt"), "Keep")
            bench.miss(bench.row("Changes", "a.txt"))
            bench.act(bench.row("Changes", "b.txt"), "Undo")
            bench.miss(bench.row("Changes", "b.txt"))
            bench.shot("one-left")
            assert here.read("a.txt") == "new\n"
            assert here.read("b.txt") == "old\n"
            assert here.read("c.txt") == "new\n"
            expect(bench.tree("Changes")).to_have_count(1, timeout=WAIT)
