"""`autopilot-ls hud` in a real terminal, beside a real Codex that another process runs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from autopilot_ls.scripted_model import (
    PlanStatus,
    ScriptedModel,
    command,
    message,
    patch,
    plan,
    respond,
)
from tests.support.captures import Captures
from tests.support.pseudo_terminal import Person, program
from tests.support.terminal import Terminal, terminal
from tests.support.world import World, world

HUD = [sys.executable, "-m", "autopilot_ls", "hud"]
TEXT = "def total(items):\n    return sum(items)\n"
PATCH = """\
*** Begin Patch
*** Update File: cart.py
@@
 def total(items):
-    return sum(items)
+    return sum(item.price for item in items)
*** Add File: tests/test_cart.py
+def test_total():
+    assert total([]) == 0
*** End Patch
"""
STEPS = "Read the cart and its tests", "Mend total()", "Run the tests"
# Writes over its own line, in colour, and goes on until it is told to end. It begins with a pause because
# Codex 0.163 may not tell what a command writes in its first moments.
TESTS = """\
sleep 1
echo collected 12 items
for n in 3 6 9; do printf "\\rtests/test_cart.py  $n of 12"; done
printf '\\n'
while [ ! -e go ]; do printf '\\r\\033[32m11 passed\\033[0m, 1 still runs'; sleep 0.2; done
echo
"""


def _steps(done: int) -> list[tuple[str, PlanStatus]]:
    """Return the plan when so many steps are done."""
    return [
        (step, "completed" if place < done else "in_progress" if place == done else "pending")
        for place, step in enumerate(STEPS)
    ]


@contextmanager
def scene() -> Generator[World]:
    script = [
        respond(plan(_steps(1))),
        patch(PATCH),
        respond(plan(_steps(2))),
        command("bash tests.sh"),
        message("All tests pass."),
    ]
    with ScriptedModel(script) as model, world(model) as here:
        here.write("cart.py", TEXT)
        here.write("tests.sh", TESTS)
        here.environment |= {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
        yield here


def once(here: World, *words: str) -> str:
    done = here.run("hud", *words)
    assert done.returncode == 0
    assert done.stderr == ""
    return done.stdout


def test_a_turn_of_another_process_is_seen_as_it_goes() -> None:
    task = "Mend the total of the cart"
    argv = [sys.executable, "-m", "autopilot_ls", "run", "--mode", "propose", task]
    with scene() as here, terminal(here.root) as screen:
        pictures = Captures("hud", "terminal")
        screen.start(HUD, cwd=here.workspace, environment=here.environment, size=(80, 24))
        screen.wait_for("no open session")
        with program(argv, cwd=here.workspace, environment=here.environment) as person:
            shown = screen.wait_for("1 waiting for you")
            shown = screen.wait_for("Change cart.py and 1 more file (+3 −1)")
            assert "1 of 3" in shown
            assert f"▸ {STEPS[1]}" in shown
            pictures.take(screen, "approval")
            accept(person)
            screen.wait_for("Run: bash tests.sh")
            accept(person)
            shown = screen.wait_for("│ 11 passed, 1 still runs")
            assert "│ tests/test_cart.py  9 of 12" in shown
            assert "3 of 12" not in shown
            assert "$ bash tests.sh" in shown
            assert "files 2  +3 −1" in shown
            assert "1 at work" in shown
            assert all(len(line) <= 80 for line in shown.splitlines())
            pictures.take(screen, "command")
            fits_other_sizes(screen)
            pictures.take(screen, "wide")
            told = json.loads(once(here, "--once", "--json"))
            (view,) = told["sessions"]
            assert view["commands"][0]["tail"][-1] == "11 passed, 1 still runs"
            plain = once(here, "last")
            assert "\x1b" not in plain
            assert f"works  {task}" in plain
            here.write("go", "")
            screen.wait_for("done")
        screen.wait_for("2 files, +3 −1, 1 command")
        screen.press("q")
        ended(screen)


def accept(person: Person) -> None:
    person.wait_for("reject and stop")
    person.type("a\n")


def fits_other_sizes(screen: Terminal) -> None:
    screen.resize(40, 10)
    shown = screen.wait_for(lambda seen: "─" * 40 in seen and "─" * 41 not in seen)
    assert "● works" in shown
    assert "bash tests.sh" in shown
    screen.resize(100, 30)
    screen.wait_for(lambda seen: "─" * 100 in seen and "11 passed" in seen)


def ended(screen: Terminal) -> None:
    """Wait until the window's program has ended, and tmux with it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            screen.screen()
        except AssertionError:
            return
        time.sleep(0.05)  # reason: a poll with a deadline; tmux tells nobody
    pytest.fail("the program did not end")


def test_the_terminal_is_as_before_after_ctrl_c() -> None:
    with scene() as here, terminal(here.root) as screen:
        # The shell goes on after Ctrl-C, and says how the terminal is.
        state = "stty -a | tr ' ;' '\\n\\n' | grep -xE 'icanon|echo' | tr '\\n' +"
        script = f"trap : INT; echo before; {' '.join(HUD)}; echo exit code $?; {state}; sleep 60"
        screen.start(["sh", "-c", script], cwd=here.workspace, environment=here.environment)
        shown = screen.wait_for("no open session")
        assert "before" not in shown
        screen.press("C-c")
        shown = screen.wait_for("icanon+echo")
        assert "before" in shown
        assert "exit code 130" in shown
        assert "Traceback" not in shown


def test_no_colours_where_nobody_wants_them() -> None:
    with scene() as here, terminal(here.root) as screen:
        quiet = {**here.environment, "NO_COLOR": "1"}
        screen.start(HUD, cwd=here.workspace, environment=quiet, size=(80, 24))
        screen.wait_for("no open session")
        assert "\x1b[" not in screen.screen(colours=True).replace("\x1b[39m", "").replace(
            "\x1b[0m", ""
        )
        screen.press("q")
        ended(screen)
