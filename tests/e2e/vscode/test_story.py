"""The whole story in a real VS Code with our extension, by keys and clicks."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Final

import pytest

from autopilot_ls.scripted_model import (
    ScriptedModel,
    command,
    hold,
    message,
    patch,
    plan,
    reasoning,
    respond,
)
from tests.support.vscode import vscode
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


def test_a_task_from_its_beginning_to_its_undoing(package: Path) -> None:
    go = threading.Event()
    steps = [
        respond(
            reasoning("Looking at the lines."),
            plan([("Make a file", "in_progress"), ("Change two lines", "pending")]),
        ),
        respond(command("for n in 1 2 3; do echo made $n; done > made.txt", call_id="c1")),
        respond(plan([("Make a file", "completed"), ("Change two lines", "in_progress")])),
        patch(TWO_HUNKS),
        # What is said into the turn makes Codex ask anew.
        hold(go, message("Changed what you wanted."), first=(reasoning("Thinking it over."),)),
        hold(go, message("Minding the names.")),
    ]
    with ScriptedModel(steps) as model, world(model) as here:
        here.write("area.py", LINES)
        with vscode(here, package) as editor:
            bench = editor.window("story")
            bench.open("area.py")
            bench.show()

            # The task.
            bench.chord("n")
            bench.see(bench.page.locator(".quick-input-widget:visible"))
            bench.shot("ask")
            bench.answer("Change two lines")

            # What waits is shown in all places, and accepted at one of them.
            asked = bench.row("Approvals", "Run: for n in 1 2 3")
            bench.see(asked)
            bench.see(bench.toast("Run: for n in 1 2 3"))
            bench.see(bench.status().filter(has_text="1 approval"))
            bench.see(bench.row("Now", "Change two lines"))
            bench.see(bench.row("Plan", "Make a file"))
            bench.shot("command")
            bench.act(asked, "Accept")

            # One hunk is accepted and the other rejected.
            bench.see(bench.row("Approvals", "Change area.py"))
            assert here.read("made.txt") == "made 1\nmade 2\nmade 3\n"
            bench.row("Approvals", "Change area.py").first.click()
            bench.see(bench.page.locator(".monaco-diff-editor .line-insert"))
            bench.see(bench.page.locator(".editor-actions .action-label[aria-label^=Accept]"))
            bench.shot("diff")
            bench.act(bench.row("Approvals", "Hunk 1"), "Accept")
            bench.see(bench.row("Approvals", re.compile("Hunk 1.*accepted")))
            assert here.read("area.py") == LINES
            bench.act(bench.row("Approvals", "Hunk 2"), "Reject")
            bench.miss(bench.tree("Approvals"))
            assert here.read("area.py") == LINES.replace("= 3\n", "= 33\n")
            model.wait_for_requests(5, timeout=30)
            assert "hunk 2 of 2, at line 9" in str(model.requests[4])

            # The turn goes on: it is told something, and stopped.
            bench.see(bench.status().filter(has_text="propose"))
            bench.chord("s")
            bench.answer("And mind the names")
            model.wait_for_requests(6, timeout=30)
            assert "And mind the names" in str(model.requests[5])
            bench.shot("running")
            bench.chord("x")
            bench.see(bench.row("Now", re.compile("[Ii]nterrupted|stopped")))
            go.set()

            # The mode.
            bench.chord("m")
            bench.see(bench.page.locator(".quick-input-widget:visible").filter(has_text="escalate"))
            bench.shot("mode")
            bench.pick("read-only")
            bench.see(bench.status().filter(has_text="read-only"))

            # The transcript, and the turn undone.
            bench.chord("t")
            told = bench.page.locator(".editor-instance .view-line").filter(
                has_text="mind the names"
            )
            bench.see(told)
            bench.shot("transcript")
            bench.see(bench.row("Changes", "made.txt"))
            bench.chord("u")
            bench.see(bench.toast("the turn is undone"))
            bench.shot("undone")
            assert here.read("area.py") == LINES
            assert not (here.workspace / "made.txt").exists()
