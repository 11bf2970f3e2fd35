"""The whole story in a real Neovim in a real terminal, with no plugin of ours.

Attach, start a turn from a code action, see progress and the diagnostic, decide by a code action, see
the buffer change with its undo intact, write without a question. Nothing ever takes the keyboard.
"""

from __future__ import annotations

from typing import Final, cast

import pytest

from autopilot_ls.scripted_model import ScriptedModel, command, message, patch, respond
from tests.support.neovim import Neovim, neovim
from tests.support.world import world

pytestmark = pytest.mark.timeout(180)

CODE: Final = "def area(w, h):\n    # autopilot: rename w to width\n    return w * h\n"
CHANGED: Final = "def area(width, h):\n    return width * h\n"
PATCH: Final = """\
*** Begin Patch
*** Update File: area.py
@@
-def area(w, h):
-    # autopilot: rename w to width
-    return w * h
+def area(width, h):
+    return width * h
*** End Patch
"""

# Progress as the editor hears it, and what it would have said aloud.
WATCH: Final = """
_G.heard = {}
vim.api.nvim_create_autocmd('LspProgress', {
  callback = function(event)
    local value = event.data.params.value
    table.insert(_G.heard, { value.kind, value.title, value.message })
  end,
})
vim.o.shada = ''
"""

PENDING: Final = "#vim.diagnostic.get(0, {severity = vim.diagnostic.severity.INFO})"
ENDED: Final = "vim.iter(_G.heard):any(function(h) return h[1] == 'end' end)"


def _start_from_the_comment(editor: Neovim) -> None:
    editor.terminal.type("2G")
    editor.choose("run this task")
    editor.wait(PENDING, lambda count: cast("int", count) >= 1)


def _keyboard_is_free(editor: Neovim) -> None:
    # What is typed must arrive as text; a prompt would have swallowed it.
    editor.terminal.press("Escape")
    editor.terminal.type("Go# typed 1")
    editor.terminal.press("Enter", "Escape")
    editor.wait(
        "vim.api.nvim_buf_get_lines(0, 0, -1, false)",
        lambda lines: "# typed 1" in cast("list[str]", lines),
        timeout=5,
    )
    assert editor.lua("vim.api.nvim_get_mode().mode") == "n"
    editor.terminal.type("uu")
    editor.wait("vim.bo.modified == false")


def test_accepting_a_patch_changes_the_buffer_with_undo_intact_and_a_silent_write() -> None:
    with (
        ScriptedModel([patch(PATCH), message("Renamed it.")]) as model,
        world(model) as here,
    ):
        here.write("area.py", CODE)
        with neovim(here, "area.py", extra=WATCH) as editor:
            _start_from_the_comment(editor)
            editor.wait("(_G.heard[1] or {})[1]", lambda kind: kind == "begin")
            _keyboard_is_free(editor)

            editor.terminal.type("gg")
            editor.choose("accept:")
            editor.wait(ENDED)
            editor.wait(
                "vim.api.nvim_buf_get_lines(0, 0, -1, false)[1]",
                lambda line: line == "def area(width, h):",
            )
            assert here.read("area.py") == CHANGED
            assert editor.lua("vim.bo.modified") is False
            editor.wait(PENDING, lambda count: count == 0)

            editor.terminal.type("u")
            editor.wait("vim.bo.modified")
            assert editor.lines() == CODE.splitlines()
            editor.terminal.press("C-r")
            editor.wait("vim.bo.modified == false")
            editor.terminal.type(":w")
            editor.terminal.press("Enter")
            screen = editor.terminal.wait_for("written")
            assert "WARNING" not in screen
            assert "Press ENTER" not in screen
            closing = cast("list[list[str]]", editor.lua("_G.heard"))[-1][2]
            assert "1 file" in closing


def test_rejecting_a_patch_leaves_file_and_buffer_alone() -> None:
    with (
        ScriptedModel([patch(PATCH), message("As you wish.")]) as model,
        world(model) as here,
    ):
        here.write("area.py", CODE)
        with neovim(here, "area.py", extra=WATCH) as editor:
            _start_from_the_comment(editor)
            editor.terminal.type("gg")
            editor.choose("reject the")
            editor.wait(ENDED)
            editor.wait(PENDING, lambda count: count == 0)
            assert editor.lines() == CODE.splitlines()
            assert here.read("area.py") == CODE
            assert editor.lua("vim.bo.modified") is False


def test_a_patch_is_refused_where_unsaved_text_stands_beside_it_and_accepted_without() -> None:
    with (
        ScriptedModel([patch(PATCH), message("Renamed it.")]) as model,
        world(model) as here,
    ):
        here.write("area.py", CODE)
        with neovim(here, "area.py", extra=WATCH) as editor:
            _start_from_the_comment(editor)
            editor.terminal.type("Go# mine")
            editor.terminal.press("Escape")
            editor.wait("vim.bo.modified")
            editor.terminal.type("gg")
            editor.choose("accept:")
            screen = editor.terminal.wait_for("Nothing was accepted or saved")
            assert "Press ENTER" not in screen
            assert editor.lines()[-1] == "# mine"
            assert here.read("area.py") == CODE
            editor.terminal.press("Escape")
            editor.terminal.type("u:w")
            editor.terminal.press("Enter")
            editor.wait("vim.bo.modified == false")
            editor.terminal.type("gg")
            editor.choose("accept:")
            editor.wait(ENDED)
            editor.wait("vim.fn.line('$') == 2")
            assert here.read("area.py") == CHANGED


def test_a_command_is_decided_by_a_code_action_anywhere_in_the_workspace() -> None:
    with (
        ScriptedModel([respond(command("touch made", call_id="c1")), message("Made it.")]) as model,
        world(model) as here,
    ):
        here.write("area.py", CODE)
        with neovim(here, "area.py", extra=WATCH) as editor:
            editor.terminal.type("2G")
            editor.choose("run this task")
            model.wait_for_requests(1)
            editor.wait(
                "vim.iter(_G.heard):any(function(h) return (h[3] or ''):find('Waits for you') ~= nil end)"
            )
            _keyboard_is_free(editor)
            editor.choose("accept: Run: touch made")
            editor.wait(ENDED)
            assert (here.workspace / "made").exists()


LINES: Final = "# autopilot: change two lines\n" + "".join(
    f"line_{number} = {number}\n" for number in range(2, 12)
)
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


def test_one_hunk_is_accepted_and_the_other_rejected_by_code_actions() -> None:
    steps = [patch(TWO_HUNKS), message("I see."), message("I see.")]
    with ScriptedModel(steps) as model, world(model) as here:
        here.write("area.py", LINES)
        with neovim(here, "area.py", extra=WATCH) as editor:
            editor.choose("run this task")
            editor.wait(PENDING, lambda count: count == 2)
            editor.terminal.type("3G")
            editor.choose("accept this hunk")
            chosen = "vim.diagnostic.get(0)[1].message"
            editor.wait(chosen, lambda said: str(said).startswith("[You chose: accept]"))
            assert here.read("area.py") == LINES
            editor.terminal.type("9G")
            editor.choose("reject this hunk")
            editor.wait(ENDED)
            wanted = LINES.replace("= 3\n", "= 33\n")
            assert here.read("area.py") == wanted
            editor.wait(
                "vim.api.nvim_buf_get_lines(0, 0, -1, false)[3]",
                lambda line: line == "line_3 = 33",
            )
            assert editor.lua("vim.bo.modified") is False
            editor.wait(PENDING, lambda count: count == 0)
            model.wait_for_requests(2, timeout=20)
            assert "hunk 2 of 2, at line 9" in str(model.requests[1])
            editor.terminal.type(":w")
            editor.terminal.press("Enter")
            assert "WARNING" not in editor.terminal.wait_for("written")


def test_a_command_that_is_always_allowed_does_not_ask_again() -> None:
    steps = [
        respond(command("pytest -q", call_id="c1")),
        respond(command("pytest tests", call_id="c2")),
        message("Tested it."),
    ]
    with ScriptedModel(steps) as model, world(model) as here:
        here.write("area.py", CODE)
        with neovim(here, "area.py", extra=WATCH) as editor:
            editor.terminal.type("2G")
            editor.choose("run this task")
            model.wait_for_requests(1)
            editor.wait(
                "vim.iter(_G.heard):any(function(h) return (h[3] or ''):find('Waits for you') ~= nil end)"
            )
            editor.choose("Always allow `pytest …` in this workspace")
            editor.wait(ENDED)
            assert len(model.requests) == 3
            assert "pytest …" in (here.state / "remembered.toml").read_text()
