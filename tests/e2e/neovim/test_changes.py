"""Review after the fact in a real Neovim with the real Codex: keep, undo, undo of the turn, a server that dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final, cast

import pytest

from autopilot_ls.scripted_model import ScriptedModel, command, message
from tests.support.neovim import Neovim, neovim
from tests.support.world import world

pytestmark = pytest.mark.timeout(240)

OLD: Final = "".join(f"line {number}\n" for number in range(1, 21))
NEW: Final = OLD.replace("line 2\n", "line two\n").replace("line 10\n", "line ten\n")
REWRITE: Final = "sed -i 's/^line 2$/line two/; s/^line 10$/line ten/' one.py two.py three.py"
HINTS: Final = (
    "vim.iter(vim.diagnostic.get(nil, {severity = vim.diagnostic.severity.HINT}))"
    ":map(function(d) return vim.fs.basename(vim.api.nvim_buf_get_name(d.bufnr)) .. ':' .. d.lnum end):totable()"
)
START: Final = "autopilot: run it"


def _shows(editor: Neovim, *wanted: str) -> None:
    editor.wait(HINTS, lambda found: sorted(cast("list[str]", found or [])) == sorted(wanted))


def _server(editor: Neovim) -> int:
    root = cast("int", editor.lua("vim.fn.getpid()"))
    return int(Path(f"/proc/{root}/task/{root}/children").read_text().split()[0])


def test_three_files_are_reviewed_and_the_review_outlives_the_server() -> None:
    with ScriptedModel([command(REWRITE), message("Done.")]) as model, world(model) as here:
        here.environment["AUTOPILOT_MODE"] = "auto"
        for name in ("one.py", "two.py", "three.py"):
            here.write(name, OLD)
        with neovim(here, "one.py", extra="vim.o.shada = ''") as editor:
            editor.terminal.type("O# " + START)
            editor.terminal.press("Escape")
            editor.terminal.type(":w")
            editor.terminal.press("Enter")
            editor.wait("vim.bo.modified == false")
            editor.choose("run this task")
            both = [f"{name}:{line}" for name in ("two.py", "three.py") for line in (1, 9)]
            _shows(editor, "one.py:2", "one.py:10", *both)
            editor.terminal.type("3G")
            editor.choose("keep this change")
            _shows(editor, "one.py:10", *both)
            editor.terminal.type("11G")
            editor.choose("undo this change")
            _shows(editor, *both)
            editor.wait("vim.fn.getline(11)", lambda line: line == "line 10")
            # The person types into another file, beside what the agent did.
            editor.terminal.type(":e two.py")
            editor.terminal.press("Enter")
            editor.wait("vim.fn.getline(2)", lambda line: line == "line two")
            editor.terminal.type("ggOtyped")
            editor.terminal.press("Escape")
            _shows(editor, "two.py:2", "two.py:10", "three.py:1", "three.py:9")
            editor.terminal.type(":w")
            editor.terminal.press("Enter")
            editor.wait("vim.bo.modified == false")
            # The server dies and comes again.
            client = "vim.lsp.get_clients()[1]"
            first = editor.lua(f"{client}.id")
            os.kill(_server(editor), signal.SIGKILL)
            # Neovim says so, and waits for a key.
            editor.terminal.wait_for("signal 9")
            editor.terminal.press("Enter")
            editor.wait("#vim.lsp.get_clients()", lambda count: count == 0)
            editor.terminal.type(":lua vim.diagnostic.reset()")
            editor.terminal.press("Enter")
            editor.terminal.type(":doautoall FileType")
            editor.terminal.press("Enter")
            editor.wait(
                f"{client} ~= nil and {client}.initialized == true and {client}.id ~= {first}"
            )
            _shows(editor, "two.py:2", "two.py:10", "three.py:1", "three.py:9")
            editor.terminal.type("3G")
            editor.choose("undo turn 1")
            _shows(editor)
            editor.wait("vim.fn.getline(3)", lambda line: line == "line 2")
            assert here.read("two.py") == "typed\n" + OLD
            assert here.read("three.py") == OLD
            editor.choose("undo the last undo")
            editor.wait("vim.fn.getline(3)", lambda line: line == "line two")
            assert here.read("two.py") == "typed\n" + NEW
            assert here.read("three.py") == NEW
            screen = editor.terminal.screen()
            assert "Press ENTER" not in screen
