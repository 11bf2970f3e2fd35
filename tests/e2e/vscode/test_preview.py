"""The Refactor Preview of a real VS Code as a review: what is ticked is accepted, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Locator, expect

from autopilot_ls.scripted_model import ScriptedModel, message, patch
from tests.support.vscode import WAIT, Workbench, vscode
from tests.support.world import World, world

pytestmark = pytest.mark.timeout(400)

LINES: Final = "".join(f"line_{number} = {number}\n" for number in range(1, 31))
PATCH: Final = """\
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
*** Update File: other.py
@@
 line_5 = 5
-line_6 = 6
+line_6 = 66
 line_7 = 7
*** Add File: fresh.py
+fresh = 1
*** End Patch
"""
PROPOSED: Final = "Change area.py and 2 more files"
FIRST: Final = LINES.replace("line_3 = 3\n", "line_3 = 33\n", 1)
OTHER: Final = LINES.replace("line_6 = 6\n", "line_6 = 66\n", 1)


def panel(bench: Workbench) -> Locator:
    return bench.page.locator(".bulk-edit-panel")


def begin(bench: Workbench, here: World) -> None:
    """Give the task, and wait for what the agent proposes."""
    here.write("area.py", LINES)
    here.write("other.py", LINES)
    bench.open("area.py")
    bench.show()
    bench.chord("n")
    bench.answer("Change the lines")
    bench.see(bench.row("Approvals", PROPOSED))


def open_preview(bench: Workbench) -> None:
    bench.choose(bench.row("Approvals", PROPOSED), "Choose Hunks")
    bench.see(panel(bench).locator(".monaco-list-row").filter(has_text="line_6"))


def tick(bench: Workbench, text: str) -> None:
    """Tick the row that says this; nothing is ticked by itself."""
    row = bench.see(panel(bench).locator(".monaco-list-row").filter(has_text=text))
    box = row.locator(".edit-checkbox")
    expect(box).not_to_be_checked(timeout=WAIT)
    box.click()
    expect(box).to_be_checked(timeout=WAIT)


def press(bench: Workbench, button: str) -> None:
    bench.see(panel(bench).locator(".monaco-button").filter(has_text=button)).click()
    bench.miss(panel(bench).locator(".monaco-list-row"))


def heard(model: ScriptedModel) -> tuple[str, str]:
    """Return what the agent was told was applied, and what not."""
    said = str(model.wait_for_requests(2)[1]["input"])
    applied, _, refused = said.partition("Not applied:")
    return applied.partition("Applied:")[2], refused


def test_what_is_ticked_is_accepted_once_and_nothing_else(package: Path) -> None:
    steps = [patch(PATCH), message("I see."), message("I see.")]
    with ScriptedModel(steps) as model, world(model) as here, vscode(here, package) as editor:
        bench = editor.window("preview")
        begin(bench, here)

        # Closing it decides nothing, and neither does applying nothing.
        open_preview(bench)
        press(bench, "Discard")
        open_preview(bench)
        press(bench, "Apply")
        open_preview(bench)

        # A new file has a tick for its creation and one for its text: without its text it is no change.
        tick(bench, "(creating)")
        text = bench.see(panel(bench).locator(".monaco-list-row").filter(has_text="fresh = 1"))
        box = text.locator(".edit-checkbox")
        expect(box).to_be_checked(timeout=WAIT)
        box.click()
        expect(box).not_to_be_checked(timeout=WAIT)
        press(bench, "Apply")
        bench.see(bench.toast("fresh.py is removed again"))
        assert not (here.workspace / "fresh.py").exists()
        open_preview(bench)
        assert len(model.requests) == 1
        assert (here.read("area.py"), here.read("other.py")) == (LINES, LINES)

        # One of two hunks, one in a file that is not open, and the new file.
        tick(bench, "line_3 = 33")
        tick(bench, "line_6 = 66")
        tick(bench, "(creating)")
        bench.shot("ticked")
        press(bench, "Apply")
        applied, refused = heard(model)
        assert "area.py: hunk 1 of 2" in applied
        assert "other.py: the only hunk" in applied
        assert "fresh.py" in applied
        assert "area.py: hunk 2 of 2" in refused
        assert "fresh.py" not in refused
        bench.miss(bench.row("Approvals", PROPOSED))

        # It stands in the editor, unsaved; saving it asks nothing, and puts each hunk there once.
        assert (here.read("area.py"), here.read("other.py")) == (LINES, LINES)
        bench.see(bench.page.locator(".tab.dirty").filter(has_text="area.py"))
        bench.shot("applied")
        bench.command("File: Save All Files")
        bench.miss(bench.page.locator(".tab.dirty"))
        assert (here.read("area.py"), here.read("other.py")) == (FIRST, OTHER)
        assert here.read("fresh.py") == "fresh = 1\n"
        assert bench.toast(re.compile("Failed to save|newer")).count() == 0
