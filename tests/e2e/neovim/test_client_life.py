"""Stop, modes, changes after the fact, a server that dies: the Neovim client in a real terminal with the real Codex."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Final, cast

import pytest

from autopilot_ls.scripted_model import ScriptedModel, command, hold, message, patch
from autopilot_ls.shared.control import ask_all
from tests.support.captures import Captures
from tests.support.neovim import Neovim, neovim
from tests.support.neovim_client import BUFFER, HUNKS, OPTIONS, STATE, do, ended, take, waits
from tests.support.world import world

pytestmark = pytest.mark.timeout(240)

OLD: Final = "".join(f"line {number}\n" for number in range(1, 21))
REWRITE: Final = "sed -i 's/^line 2$/line two/; s/^line 10$/line ten/' one.py two.py"
PATCH: Final = """\
*** Begin Patch
*** Update File: one.py
@@
 line 4
-line 5
+line five
 line 6
*** End Patch
"""
MODE: Final = "(require('autopilot.state').current() or {}).mode"
ASKING: Final = "vim.tbl_map(function(r) return r.method end, vim.tbl_values(vim.lsp.get_clients()[1].requests))"
CLIENT: Final = "(vim.lsp.get_clients()[1] or {}).id"


def server(editor: Neovim) -> int:
    """Return the process id of the server that the editor started."""
    root = cast("int", editor.lua("vim.fn.getpid()"))
    return int(Path(f"/proc/{root}/task/{root}/children").read_text().split()[0])


def test_stop_really_stops_and_the_mode_is_switched() -> None:
    never = threading.Event()
    with (
        ScriptedModel([hold(never, message("Too late."))]) as model,
        world(model) as here,
    ):
        here.write("one.py", OLD)
        pictures = Captures("neovim", "stop")
        with neovim(here, "one.py", extra=OPTIONS, client=True) as editor:
            do(editor, "Autopilot hud")
            do(editor, "Autopilot ask take your time")
            model.wait_for_requests(1)
            ended(editor, "inProgress")
            do(editor, "Autopilot mode")
            editor.terminal.wait_for("propose (now)")
            take(editor, ": auto")
            editor.wait(MODE, lambda mode: mode == "auto")
            editor.terminal.wait_for("● auto")
            pictures.take(editor.terminal, "mode")
            do(editor, "Autopilot stop")
            ended(editor, "interrupted")
            editor.terminal.wait_for("■ auto stopped")
            pictures.take(editor.terminal, "stopped")
            never.set()


def test_what_a_command_changed_is_kept_and_undone_in_the_text() -> None:
    with ScriptedModel([command(REWRITE), message("Done.")]) as model, world(model) as here:
        here.environment["AUTOPILOT_MODE"] = "auto"
        for name in ("one.py", "two.py"):
            here.write(name, OLD)
        pictures = Captures("neovim", "changes")
        with neovim(here, "one.py", extra=OPTIONS, client=True) as editor:
            do(editor, "Autopilot ask rewrite it")
            editor.wait("#vim.diagnostic.get(nil)", lambda count: count == 4)
            ended(editor)
            # The buffer has what the command wrote, and still knows what was there before.
            editor.wait(BUFFER, lambda lines: cast("list[str]", lines)[1] == "line two")
            editor.terminal.wait_for("- line 2")
            pictures.take(editor.terminal, "to-review")
            editor.terminal.type("gg]a a")
            editor.wait(HUNKS, lambda count: count == 1)
            editor.terminal.type("]a")
            editor.wait("vim.fn.line('.')", lambda line: line == 10)
            editor.terminal.type(" r")
            editor.wait(BUFFER, lambda lines: cast("list[str]", lines)[9] == "line 10")
            assert here.read("one.py") == OLD.replace("line 2\n", "line two\n")
            # The next hunk is in the other file, which is not open yet.
            editor.terminal.type("]a")
            editor.wait("vim.fn.expand('%:t')", lambda name: name == "two.py")
            assert editor.lua("vim.fn.line('.')") == 2
            do(editor, "Autopilot review")
            editor.terminal.wait_for(lambda screen: screen.count("two.py|") == 2)
            pictures.take(editor.terminal, "quickfix")


@pytest.mark.parametrize("saves", [True, False])
def test_unsaved_text_is_saved_or_kept_as_the_person_says(saves: bool) -> None:  # noqa: FBT001 reason: pytest's
    with ScriptedModel([patch(PATCH), message("Done.")]) as model, world(model) as here:
        here.write("one.py", OLD)
        pictures = Captures("neovim", "unsaved-save" if saves else "unsaved-merge")
        with neovim(here, "one.py", extra=OPTIONS, client=True) as editor:
            do(editor, "Autopilot ask change it")
            editor.wait(HUNKS, lambda count: count == 1)
            editor.terminal.type("Gotyped")
            editor.terminal.press("Escape")
            editor.wait("vim.bo.modified")
            editor.terminal.type("gg]a a")
            editor.terminal.wait_for("Save, and accept")
            pictures.take(editor.terminal, "unsaved")
            take(editor, ": Save, and accept" if saves else ": Accept into the unsaved text")
            wanted = OLD.replace("line 5\n", "line five\n") + "typed\n"
            editor.wait(BUFFER, lambda lines: lines == wanted.splitlines())
            editor.wait("vim.bo.modified", lambda modified: modified is not saves)
            assert here.read("one.py") == (wanted if saves else OLD)
            assert "Press ENTER" not in editor.terminal.screen()


def test_a_server_that_dies_comes_back_without_taking_the_keyboard() -> None:
    go_on = threading.Event()
    with (
        ScriptedModel([hold(go_on, message("Here I am."))]) as model,
        world(model) as here,
    ):
        here.write("one.py", OLD)
        pictures = Captures("neovim", "restart")
        with neovim(here, "one.py", extra=OPTIONS, client=True) as editor:
            do(editor, "Autopilot hud")
            do(editor, "Autopilot ask take your time")
            model.wait_for_requests(1)
            ended(editor, "inProgress")
            first = editor.lua(CLIENT)
            editor.terminal.type("Gotyped ")
            os.kill(server(editor), signal.SIGKILL)
            editor.terminal.type("meanwhile")
            editor.wait(CLIENT, lambda found: found not in (None, first))
            editor.terminal.press("Escape")
            editor.wait("require('autopilot.say').history[1]", lambda said: "signal 9" in str(said))
            screen = editor.terminal.screen()
            assert "Press ENTER" not in screen
            assert editor.lines()[-1] == "typed meanwhile"
            pictures.take(editor.terminal, "back")
            # The turn went on meanwhile; it is attached again, and works.
            editor.wait("#vim.lsp.get_clients({ bufnr = 0 })", lambda count: count == 1)
            ended(editor, "inProgress")
            go_on.set()
            ended(editor)
            editor.terminal.wait_for("✔ take your time")


def test_a_session_whose_process_died_is_named_and_taken_up_again() -> None:
    never = threading.Event()
    steps = [hold(never, message("Too late.")), message("Here I am again.")]
    with ScriptedModel(steps) as model, world(model) as here:
        here.write("one.py", OLD)
        pictures = Captures("neovim", "died")
        with neovim(here, "one.py", extra=OPTIONS, client=True) as editor:
            do(editor, "Autopilot hud")
            do(editor, "Autopilot ask take your time")
            model.wait_for_requests(1)
            ended(editor, "inProgress")
            (process,) = ask_all(here.environment)
            os.kill(process.pid, signal.SIGKILL)
            said = "the server ended within “take your time” (:Autopilot resume "
            editor.wait(
                "table.concat(require('autopilot.say').history, ' ')",
                lambda all_of: said in str(all_of),
            )
            pictures.take(editor.terminal, "named")
            do(editor, "Autopilot resume")
            take(editor, "  take your time  ")
            editor.wait(STATE, lambda state: state not in {None, "inProgress"})
            do(editor, "Autopilot ask go on")
            model.wait_for_requests(2)
            ended(editor)
            editor.terminal.wait_for("✔ take your time")
            pictures.take(editor.terminal, "again")
            never.set()


def test_an_answer_that_did_not_arrive_is_said_and_asked_again() -> None:
    with ScriptedModel([command("touch made"), message("Done.")]) as model, world(model) as here:
        here.write("one.py", OLD)
        with neovim(here, "one.py", extra=OPTIONS, client=True) as editor:
            do(editor, "Autopilot ask make it")
            waits(editor, 1)
            do(editor, "Autopilot approvals")
            editor.terminal.wait_for("Accept for this session")
            # What carries the answer stands still, and dies before it has taken it.
            carrier = server(editor)
            os.kill(carrier, signal.SIGSTOP)
            take(editor, ": Accept")
            editor.wait(ASKING, lambda methods: "workspace/executeCommand" in str(methods))
            os.kill(carrier, signal.SIGKILL)
            editor.wait(
                "table.concat(require('autopilot.say').history, ' ')",
                lambda said: (
                    "your answer did not arrive, it waits again: Run: touch made" in str(said)
                ),
            )
            assert not (here.workspace / "made").exists()
            waits(editor, 1)
            do(editor, "Autopilot approvals")
            take(editor, ": Accept")
            ended(editor)
            assert (here.workspace / "made").exists()


def test_a_second_window_sees_and_decides_the_same_session() -> None:
    with ScriptedModel([command("touch made"), message("Done.")]) as model, world(model) as here:
        here.write("one.py", OLD)
        pictures = Captures("neovim", "second-window")
        with (
            neovim(here, "one.py", extra=OPTIONS, client=True) as first,
            neovim(here, "one.py", extra=OPTIONS, client=True, window="run2") as second,
        ):
            do(first, "Autopilot hud")
            do(second, "Autopilot hud")
            # While a command line is being typed, the message about what waits stands back.
            second.terminal.type(":let g:typed = 'who")
            do(first, "Autopilot ask make it")
            waits(second, 1)
            assert "waits for you: Run" not in second.terminal.screen()
            second.terminal.type("le'")
            second.terminal.press("Enter")
            assert second.wait("vim.g.typed") == "whole"
            second.terminal.wait_for("waits for you: Run: touch made")
            assert "Press ENTER" not in second.terminal.screen()
            second.terminal.wait_for("◆ Run: touch made")
            pictures.take(second.terminal, "second")
            do(second, "Autopilot approvals")
            take(second, ": Accept")
            ended(first)
            ended(second)
            assert (here.workspace / "made").exists()
            first.terminal.wait_for("✔ make it")
            pictures.take(first.terminal, "first")


def test_an_approval_rings_and_titles_the_window_while_the_focus_is_elsewhere() -> None:
    bell = "vim.g.autopilot = { attention = { 'bell', 'title' } }\nvim.o.titlestring = 'mine'\n"
    with ScriptedModel([command("touch made"), message("Done.")]) as model, world(model) as here:
        here.write("one.py", OLD)
        with neovim(here, "one.py", extra=bell + OPTIONS, client=True) as editor:
            editor.wait("require('autopilot.attention') ~= nil")
            do(editor, "doautocmd FocusLost")
            do(editor, "Autopilot ask make it")
            waits(editor, 1)
            editor.terminal.wait_for(lambda _: editor.terminal.window()[0])
            editor.terminal.wait_for(
                lambda _: editor.terminal.window()[1] == "(1) Autopilot waits for you"
            )
            do(editor, "Autopilot approvals")
            take(editor, ": Reject")
            waits(editor, 0)
            editor.wait("vim.o.titlestring", lambda title: title == "mine")
            ended(editor)
            assert editor.lua(STATE) == "completed"
            assert not (here.workspace / "made").exists()
