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
    question,
    respond,
)
from tests.support.captures import Captures
from tests.support.neovim import neovim
from tests.support.neovim_client import BUFFER, HUNKS, OPTIONS, do, ended, take, waits
from tests.support.world import world

pytestmark = pytest.mark.timeout(240)

TEXT: Final = '''\
"""What a basket costs."""

from dataclasses import dataclass


@dataclass
class Item:
    name: str
    price: float
    count: int = 1


def total(items):
    result = 0
    for item in items:
        result += item.price
    return result


def receipt(items):
    lines = []
    for item in items:
        lines.append(f"{item.name}: {item.price}")
    lines.append(f"total: {total(items)}")
    return "\\n".join(lines)
'''
OLD: Final = (
    "        result += item.price\n",
    '        lines.append(f"{item.name}: {item.price}")\n',
)
NEW: Final = (
    "        result += item.price * item.count\n",
    '        cost = item.price * item.count\n        lines.append(f"{item.count} × {item.name}: {cost:.2f}")\n',
)
PATCH: Final = """\
*** Begin Patch
*** Update File: basket.py
@@ def total(items):
     for item in items:
-        result += item.price
+        result += item.price * item.count
     return result
@@ def receipt(items):
     for item in items:
-        lines.append(f"{item.name}: {item.price}")
+        cost = item.price * item.count
+        lines.append(f"{item.count} × {item.name}: {cost:.2f}")
     lines.append(f"total: {total(items)}")
*** End Patch
"""
PLAN: Final = plan(
    [
        ("See what a basket costs now", "completed"),
        ("Count each item in the total and on the receipt", "in_progress"),
        ("Run the tests", "pending"),
    ]
)
RUN: Final = "python3 basket.py > before.txt"


def test_a_task_from_the_first_word_to_the_undo() -> None:
    go_on = threading.Event()
    half = TEXT.replace(OLD[0], NEW[0])
    first, second = (TEXT.splitlines().index(line.rstrip("\n")) + 1 for line in OLD)
    whole = half.replace(OLD[1], NEW[1])
    steps = [
        respond(PLAN, command(RUN, call_id="c1")),
        patch(PATCH),
        hold(go_on, message("I see."), first=()),
        message("Done, with what you said."),
    ]
    with ScriptedModel(steps) as model, world(model) as here:
        here.write("basket.py", TEXT)
        pictures = Captures("neovim", "story")
        with neovim(here, "basket.py", extra=OPTIONS, client=True, size=(120, 32)) as editor:
            do(editor, "Autopilot hud")
            do(editor, "Autopilot ask count the items of a basket")
            waits(editor, 1)
            editor.terminal.wait_for(f"Run: {RUN}")
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
            assert (here.workspace / "before.txt").exists()
            editor.terminal.type("gg]a")
            editor.terminal.wait_for("+       result += item.price * item.count")
            pictures.take(editor.terminal, "hunks")
            assert editor.lua("vim.fn.line('.')") == first
            editor.terminal.type(" a")
            editor.terminal.wait_for("✔ accept")
            editor.terminal.type("]a")
            editor.wait("vim.fn.line('.')", lambda line: line == second)
            pictures.take(editor.terminal, "one-accepted")
            # The whole patch as one diff.
            do(editor, "Autopilot preview")
            editor.wait("vim.bo.filetype", lambda kind: kind == "diff")
            editor.wait(
                BUFFER, lambda lines: "+        cost = item.price * item.count" in str(lines)
            )
            pictures.take(editor.terminal, "preview")
            do(editor, "edit basket.py")
            editor.wait("vim.fn.line('.')", lambda line: line == second)
            # Side by side: as it is, and as it would be.
            do(editor, "Autopilot diff")
            editor.wait("#vim.api.nvim_list_tabpages()", lambda count: count == 2)
            editor.wait(BUFFER, lambda lines: lines == whole.splitlines())
            assert editor.lua("vim.wo.diff") is True
            assert editor.lua("vim.bo.modifiable") is False
            editor.terminal.wait_for("before  basket.py")
            pictures.take(editor.terminal, "diff")
            editor.terminal.type("q")
            editor.wait("#vim.api.nvim_list_tabpages()", lambda count: count == 1)
            assert editor.lua("vim.fn.line('.')") == second
            editor.terminal.type(" r")
            editor.wait(BUFFER, lambda lines: lines == half.splitlines())
            assert here.read("basket.py") == half
            waits(editor, 0)

            do(editor, "Autopilot steer look twice")
            model.wait_for_requests(3)
            pictures.take(editor.terminal, "steered")
            go_on.set()
            ended(editor)
            pictures.take(editor.terminal, "done")
            # The reload kept the history: the agent's change is one undo away.
            editor.terminal.type("u")
            editor.wait(BUFFER, lambda lines: lines == TEXT.splitlines())
            editor.terminal.press("C-r")
            editor.wait("vim.bo.modified == false")

            # What was said and done, as a document that follows along.
            do(editor, "Autopilot transcript")
            editor.terminal.wait_for("count the items of a basket")
            assert editor.lua("vim.bo.filetype") == "markdown"
            editor.wait(BUFFER, lambda lines: "Done, with what you said." in str(lines))
            pictures.take(editor.terminal, "transcript")
            do(editor, "edit basket.py")
            editor.wait("vim.fn.expand('%:t')", lambda name: name == "basket.py")

            do(editor, "Autopilot undo")
            editor.wait(BUFFER, lambda lines: lines == TEXT.splitlines())
            assert here.read("basket.py") == TEXT
            assert not (here.workspace / "before.txt").exists()
            pictures.take(editor.terminal, "undone")
            assert "Press ENTER" not in editor.terminal.screen()


def test_a_diagnostic_is_mended_and_a_question_answered_with_the_lines_pointed_at() -> None:
    steps = [
        respond(question("unit", "Which unit?", [("euro", "with two places"), ("cent", "whole")])),
        message("In cents, then."),
        message("Looked at."),
    ]
    with ScriptedModel(steps) as model, world(model) as here:
        here.write("basket.py", TEXT)
        pictures = Captures("neovim", "question")
        with neovim(here, "basket.py", extra=OPTIONS, client=True, size=(120, 32)) as editor:
            editor.terminal.type("9G")
            do(
                editor,
                "lua vim.diagnostic.set(vim.api.nvim_create_namespace('x'), 0, {{ lnum = 8, col = 4, "
                "end_lnum = 8, end_col = 9, message = 'A float is no price', source = 'other' }})",
            )
            do(editor, "Autopilot fix")
            waits(editor, 1)
            assert "Fix this problem (other): A float is no price" in str(model.requests[0])
            do(editor, "Autopilot approvals")
            take(editor, ": Answer")
            editor.terminal.wait_for("2: cent")
            pictures.take(editor.terminal, "question")
            take(editor, ": cent")
            ended(editor)
            assert "cent" in str(model.requests[1])

            do(editor, "7,10Autopilot! ask look at these lines")
            model.wait_for_requests(3)
            asked = str(model.requests[2])
            assert "look at these lines" in asked
            assert "basket.py" in asked
            editor.wait("#require('autopilot').sessions()", lambda count: count == 2)
            ended(editor)
