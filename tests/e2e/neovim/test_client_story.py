"""The story of a task in a real Neovim with our client and the real Codex, from the first word to the undo.

Everything is done as a person does it: keys in a real terminal. What is on the screen at each step is kept.
"""

from __future__ import annotations

import threading
from typing import Final, cast

import pytest

from autopilot_ls.scripted_model import (
    ScriptedModel,
    command,
    hold,
    message,
    patch,
    plan,
    respond,
)
from tests.support.captures import Captures
from tests.support.neovim import neovim
from tests.support.neovim_client import BUFFER, HUNKS, OPTIONS, do, ended, take, waits
from tests.support.world import world

pytestmark = pytest.mark.timeout(240)

LINES: Final = "".join(f"line_{number} = {number}\n" for number in range(1, 13))
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
PLAN: Final = plan(
    [("Look around", "completed"), ("Change two lines", "in_progress"), ("Test", "pending")]
)


def test_a_task_from_the_first_word_to_the_undo() -> None:
    go_on = threading.Event()
    steps = [
        respond(PLAN, command("touch made", call_id="c1")),
        patch(TWO_HUNKS),
        hold(go_on, message("I see."), first=()),
        message("Done, with what you said."),
    ]
    with ScriptedModel(steps) as model, world(model) as here:
        here.write("area.py", LINES)
        pictures = Captures("neovim", "story")
        with neovim(here, "area.py", extra=OPTIONS, client=True) as editor:
            do(editor, "Autopilot hud")
            do(editor, "Autopilot ask make two lines better")
            waits(editor, 1)
            editor.terminal.wait_for("Run: touch made")
            pictures.take(editor.terminal, "hud-waits")
            # Nothing takes the keyboard: what is typed is text.
            editor.terminal.type("Go# typed 1")
            editor.terminal.press("Escape")
            editor.wait(BUFFER, lambda lines: cast("list[str]", lines)[-1] == "# typed 1")
            editor.terminal.type("u")
            editor.wait("vim.bo.modified == false")

            do(editor, "Autopilot approvals")
            editor.terminal.wait_for("Accept for this session")
            pictures.take(editor.terminal, "approval")
            take(editor, ": Accept")
            editor.wait(HUNKS, lambda count: count == 2)
            assert (here.workspace / "made").exists()
            editor.terminal.type("gg]a")
            editor.terminal.wait_for("+ line_3 = 33")
            pictures.take(editor.terminal, "hunks")
            assert editor.lua("vim.fn.line('.')") == 3
            editor.terminal.type(" a")
            editor.terminal.wait_for("✔ accept")
            editor.terminal.type("]a")
            editor.wait("vim.fn.line('.')", lambda line: line == 9)
            pictures.take(editor.terminal, "one-accepted")
            # Side by side: as it is, and as it would be.
            do(editor, "Autopilot diff")
            editor.wait("#vim.api.nvim_list_tabpages()", lambda count: count == 2)
            after = LINES.replace("= 3\n", "= 33\n").replace("= 9\n", "= 99\n")
            editor.wait(BUFFER, lambda lines: lines == after.splitlines())
            assert editor.lua("vim.wo.diff") is True
            assert editor.lua("vim.bo.modifiable") is False
            editor.terminal.wait_for("before  area.py")
            pictures.take(editor.terminal, "diff")
            editor.terminal.type("q")
            editor.wait("#vim.api.nvim_list_tabpages()", lambda count: count == 1)
            assert editor.lua("vim.fn.line('.')") == 9
            editor.terminal.type(" r")
            editor.wait(BUFFER, lambda lines: cast("list[str]", lines)[2] == "line_3 = 33")
            assert here.read("area.py") == LINES.replace("= 3\n", "= 33\n")
            waits(editor, 0)

            do(editor, "Autopilot steer look twice")
            model.wait_for_requests(3)
            pictures.take(editor.terminal, "steered")
            go_on.set()
            ended(editor)
            pictures.take(editor.terminal, "done")
            # The reload kept the history: the agent's change is one undo away.
            editor.terminal.type("u")
            editor.wait(BUFFER, lambda lines: cast("list[str]", lines)[2] == "line_3 = 3")
            editor.terminal.press("C-r")
            editor.wait("vim.bo.modified == false")

            # What was said and done, as a document that follows along.
            do(editor, "Autopilot transcript")
            editor.terminal.wait_for("make two lines better")
            assert editor.lua("vim.bo.filetype") == "markdown"
            editor.wait(BUFFER, lambda lines: "Done, with what you said." in str(lines))
            pictures.take(editor.terminal, "transcript")
            do(editor, "bprevious")
            editor.wait("vim.fn.expand('%:t')", lambda name: name == "area.py")

            do(editor, "Autopilot undo")
            editor.wait(BUFFER, lambda lines: cast("list[str]", lines)[2] == "line_3 = 3")
            assert here.read("area.py") == LINES
            assert not (here.workspace / "made").exists()
            pictures.take(editor.terminal, "undone")
            assert "Press ENTER" not in editor.terminal.screen()
