"""Accepting in a real Neovim: saved first, into the unsaved text as one step of undo, or into an empty buffer."""

from __future__ import annotations

from typing import Final

import pytest

from autopilot_ls.scripted_model import ScriptedModel, message, patch
from tests.support.neovim import Neovim, neovim
from tests.support.world import World, world

pytestmark = pytest.mark.timeout(180)

TEXT: Final = (
    "# autopilot: sum them\n\n\ndef total(xs):\n    return len(xs)  # 😋\n\n\n"
    "def mean(xs):\n    return total(xs)\n\n\nprint(total([1]))\n"
)
PATCH: Final = """\
*** Begin Patch
*** Update File: total.py
@@
 def total(xs):
-    return len(xs)  # 😋
+    return sum(xs)  # 😋
@@
 def mean(xs):
-    return total(xs)
+    mine = total(xs)
+    return mine / len(xs)
*** End Patch
"""
CHANGED: Final = TEXT.replace("len(xs)  #", "sum(xs)  #").replace(
    "    return total(xs)\n", "    mine = total(xs)\n    return mine / len(xs)\n"
)
PENDING: Final = "#vim.diagnostic.get(0)"
OPTIONS: Final = "vim.o.shada = ''\nvim.o.autoindent = false"
TEXT_NOW: Final = "table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\\n') .. '\\n'"


def test_the_hunks_go_into_the_unsaved_text_and_one_undo_takes_them_back() -> None:
    with ScriptedModel([patch(PATCH), message("I see.")]) as model, world(model) as here:
        here.write("total.py", TEXT)
        with neovim(here, "total.py", extra=OPTIONS) as editor:
            editor.choose("run this task")
            editor.wait(PENDING, lambda count: count == 2)
            editor.terminal.type("Gotyped = 1")
            editor.terminal.press("Escape")
            typed = TEXT + "typed = 1\n"
            editor.wait(TEXT_NOW, lambda text: text == typed)
            editor.terminal.type("5G")
            editor.choose("accept without saving")
            editor.wait(TEXT_NOW, lambda text: text == CHANGED + "typed = 1\n")
            editor.wait(PENDING, lambda count: count == 0)
            assert here.read("total.py") == TEXT
            assert editor.lua("vim.bo.modified") is True
            assert editor.lua("vim.fn.line('.')") == 5, "the cursor stays where it was"

            editor.terminal.type("u")
            editor.wait(TEXT_NOW, lambda text: text == typed)
            editor.terminal.press("C-r")
            editor.wait(TEXT_NOW, lambda text: text == CHANGED + "typed = 1\n")
            editor.terminal.type(":w")
            editor.terminal.press("Enter")
            screen = editor.terminal.wait_for("written")
            assert "WARNING" not in screen
            assert "W12" not in screen
            assert here.read("total.py") == CHANGED + "typed = 1\n"
            assert "in the user's editor, not saved to disk yet" in str(model.requests[1]["input"])


def _type_at_the_end(editor: Neovim) -> str:
    editor.choose("run this task")
    editor.wait(PENDING, lambda count: count == 2)
    editor.terminal.type("Gotyped = 1")
    editor.terminal.press("Escape")
    typed = TEXT + "typed = 1\n"
    editor.wait(TEXT_NOW, lambda text: text == typed)
    editor.terminal.type("5G")
    return typed


def _is_accepted_and_writes_without_a_warning(editor: Neovim, here: World) -> None:
    editor.wait(TEXT_NOW, lambda text: text == CHANGED + "typed = 1\n")
    editor.wait(PENDING, lambda count: count == 0)
    assert here.read("total.py") == CHANGED + "typed = 1\n"
    assert editor.lua("vim.bo.modified") is False
    editor.terminal.type("Gomore = 2")
    editor.terminal.press("Escape")
    editor.wait("vim.bo.modified")
    editor.terminal.type(":w")
    editor.terminal.press("Enter")
    editor.wait("vim.bo.modified == false")
    screen = editor.terminal.screen()
    assert "WARNING" not in screen
    assert "W12" not in screen
    assert here.read("total.py") == CHANGED + "typed = 1\nmore = 2\n"


def test_a_plain_neovim_accepts_as_soon_as_the_person_saves() -> None:
    with ScriptedModel([patch(PATCH), message("I see.")]) as model, world(model) as here:
        here.write("total.py", TEXT)
        with neovim(here, "total.py", extra=OPTIONS) as editor:
            _type_at_the_end(editor)
            editor.choose("as soon as you save: accept: ")
            editor.terminal.wait_for("Save total.py, and it is accepted.")
            editor.terminal.press("Escape")
            assert here.read("total.py") == TEXT
            editor.terminal.type(":w")
            editor.terminal.press("Enter")
            _is_accepted_and_writes_without_a_warning(editor, here)
            assert "Not applied" not in str(model.requests[1]["input"])


def test_our_client_saves_and_accepts_at_once() -> None:
    with ScriptedModel([patch(PATCH), message("I see.")]) as model, world(model) as here:
        here.write("total.py", TEXT)
        with neovim(here, "total.py", extra=OPTIONS, client=True) as editor:
            _type_at_the_end(editor)
            editor.choose("save and accept: ")
            _is_accepted_and_writes_without_a_warning(editor, here)


def test_what_was_typed_beside_a_hunk_refuses_and_changes_nothing() -> None:
    with ScriptedModel([patch(PATCH), message("I see.")]) as model, world(model) as here:
        here.write("total.py", TEXT)
        with neovim(here, "total.py", extra=OPTIONS) as editor:
            editor.choose("run this task")
            editor.wait(PENDING, lambda count: count == 2)
            editor.terminal.type("4GOdef other(): pass")
            editor.terminal.press("Escape")
            # Beside the first hunk, with nothing between them.
            editor.terminal.type("5Goxs = list(xs)")
            editor.terminal.press("Escape")
            typed = TEXT.replace(
                "def total(xs):\n", "def other(): pass\ndef total(xs):\n    xs = list(xs)\n"
            )
            editor.wait(TEXT_NOW, lambda text: text == typed)
            editor.terminal.type("7G")
            editor.choose("accept without saving")
            editor.terminal.wait_for("Nothing was accepted")
            editor.terminal.press("Escape")
            assert editor.lua(TEXT_NOW) == typed
            assert here.read("total.py") == TEXT
            assert len(model.requests) == 1
            assert editor.lua(PENDING) == 2


def test_a_new_file_whose_buffer_is_open_already_is_accepted_and_read_without_a_question() -> None:
    added = patch("*** Begin Patch\n*** Add File: fresh.py\n+fresh = 1\n*** End Patch\n")
    with ScriptedModel([added, message("I see.")]) as model, world(model) as here:
        here.write("total.py", TEXT)
        with neovim(here, "total.py", extra=OPTIONS) as editor:
            editor.choose("run this task")
            editor.wait("#vim.diagnostic.get()", lambda count: count == 1)
            editor.terminal.type(":edit fresh.py")
            editor.terminal.press("Enter")
            editor.wait("vim.fn.expand('%:t')", lambda name: name == "fresh.py")
            editor.choose("accept: ")
            editor.wait(TEXT_NOW, lambda text: text == "fresh = 1\n")
            editor.wait("vim.bo.modified == false")
            assert "W13" not in editor.terminal.screen()
