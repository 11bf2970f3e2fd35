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
from tests.support.neovim import Neovim, neovim
from tests.support.world import world

pytestmark = pytest.mark.timeout(240)

OPTIONS: Final = """
vim.o.shada = ''
vim.o.termguicolors = true
vim.o.number = true
vim.o.laststatus = 3
vim.o.statusline = "%f %m%=%{v:lua.require'autopilot'.statusline()} %l:%c"
vim.keymap.set('n', ']a', '<Plug>(autopilot-next-hunk)')
vim.keymap.set('n', '[a', '<Plug>(autopilot-previous-hunk)')
vim.keymap.set({ 'n', 'x' }, ' a', '<Plug>(autopilot-accept)')
vim.keymap.set({ 'n', 'x' }, ' r', '<Plug>(autopilot-reject)')
"""

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
BUFFER: Final = "vim.api.nvim_buf_get_lines(0, 0, -1, false)"
STATE: Final = "(require('autopilot.state').current() or {}).state"
WAITING: Final = "require('autopilot.state').pending()"
HUNKS: Final = "#vim.diagnostic.get(0)"


def do(editor: Neovim, line: str) -> None:
    """Type a command line."""
    editor.terminal.press("Escape")
    editor.terminal.type(f":{line}")
    editor.terminal.press("Enter")


def take(editor: Neovim, title: str) -> None:
    """Take an entry of the list that is open by its number."""
    screen = editor.terminal.wait_for(title)
    number = next(row for row in screen.splitlines() if title in row).strip().split(":")[0]
    editor.terminal.type(number)
    editor.terminal.press("Enter")


def waits(editor: Neovim, count: int) -> None:
    editor.wait(WAITING, lambda found: found == count)


def ended(editor: Neovim, how: str = "completed") -> None:
    editor.wait(STATE, lambda state: state == how)


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

            do(editor, "Autopilot undo")
            editor.wait(BUFFER, lambda lines: cast("list[str]", lines)[2] == "line_3 = 3")
            assert here.read("area.py") == LINES
            assert not (here.workspace / "made").exists()
            pictures.take(editor.terminal, "undone")
            assert "Press ENTER" not in editor.terminal.screen()
