"""The whole story in a real VS Code with our extension, by keys and clicks."""

from __future__ import annotations

import re
import threading
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
from editors import toolchain
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


def test_a_task_from_its_beginning_to_its_undoing() -> None:
    go = threading.Event()
    steps = [
        respond(
            reasoning("Looking at the lines."),
            plan([("Make a file", "in_progress"), ("Change two lines", "pending")]),
        ),
        respond(command("echo made > made.txt", call_id="c1")),
        patch(TWO_HUNKS),
        hold(go, message("Changed what you wanted.")),
    ]
    with ScriptedModel(steps) as model, world(model) as here:
        here.write("area.py", LINES)
        with vscode(here, toolchain.package()) as editor:
            bench = editor.window("story")
            bench.open("area.py")
            bench.show()
            bench.page.keyboard.press("Control+'")
            bench.page.keyboard.press("n")
            bench.shot("ask")
            bench.answer("Change two lines")
            bench.see(bench.row("Approvals", "Run: echo made"))
            bench.see(bench.toast("Run: echo made"))
            bench.see(bench.status().filter(has_text="1 approval"))
            bench.see(bench.row("Plan", "Change two lines"))
            bench.shot("command")
            bench.act(bench.row("Approvals", "Run: echo made"), "Accept")
            bench.see(bench.row("Approvals", re.compile("Change area.py")))
            bench.shot("patch")
            assert (here.workspace / "made.txt").exists()
            go.set()
