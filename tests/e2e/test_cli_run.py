"""`autopilot-ls run` with the real Codex, in a real terminal and without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from autopilot_ls.model.events import Event
from autopilot_ls.scripted_model import (
    Output,
    ScriptedModel,
    Step,
    call_outputs,
    command,
    hold,
    http_error,
    message,
    patch,
    question,
)
from tests.support.pseudo_terminal import Program, program
from tests.support.world import World, world

PATCH = "*** Begin Patch\n*** Update File: a.txt\n@@\n-one\n+two\n*** End Patch\n"


@contextmanager
def scripted(*script: Step | Output) -> Generator[tuple[ScriptedModel, World]]:
    with ScriptedModel(list(script)) as model, world(model) as here:
        here.write("a.txt", "one\n")
        yield model, here


@contextmanager
def in_terminal(here: World, *words: str) -> Generator[Program]:
    argv: Sequence[str] = [sys.executable, "-m", "autopilot_ls", *words]
    environment = {**here.environment, "TERM": "xterm"}
    with program(argv, cwd=here.workspace, environment=environment) as running:
        yield running


def until(condition: Callable[[], bool], what: str, limit: float = 20.0) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"it never came true: {what}"
        time.sleep(0.05)  # reason: a poll with a deadline; strangers' lives are no event


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def runs(words: str) -> bool:
    """Tell whether some process of the machine has these words in its command line."""
    if not Path("/proc/self/cmdline").exists():
        listed = subprocess.run(
            ["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True
        )
        return words in listed.stdout
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if words in path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"):
                return True
    return False


@pytest.mark.core
def test_a_patch_is_accepted_at_the_prompt() -> None:
    with scripted(patch(PATCH), message("Done.")) as (_, here):
        with in_terminal(here, "run", "change it") as running:
            running.wait_for("Change a.txt (+1 −1)")
            running.wait_for("-one")
            running.wait_for("+two")
            running.wait_for("> ")
            assert here.read("a.txt") == "one\n"
            running.type("a\n")
            running.wait_for("accepted by the terminal")
            running.wait_for("Done.")
            running.wait_for("1 file, +1 −1")
            assert running.ended() == 0
        assert here.read("a.txt") == "two\n"


@pytest.mark.core
def test_a_rejection_and_its_reason_reach_the_model() -> None:
    with scripted(patch(PATCH), message("I see.")) as (model, here):
        with in_terminal(here, "run", "change it") as running:
            running.wait_for("d whole diff > ")
            running.type("r\n")
            running.wait_for("Why")
            running.type("not this file\n")
            running.wait_for("I see.")
            assert running.ended() == 0
        assert here.read("a.txt") == "one\n"
        assert "not this file" in json.dumps(model.requests[-1])


def test_a_grant_is_not_asked_for_again() -> None:
    touch = "touch made.txt"
    with scripted(command(touch), command(touch), message("Twice.")) as (_, here):
        with in_terminal(here, "run", "touch it") as running:
            running.wait_for("reject and stop > ")
            running.type("s\n")
            running.wait_for("Allowed for this session")
            running.wait_for("Twice.")
            assert running.ended() == 0
        assert (here.workspace / "made.txt").exists()


def test_reject_and_stop_ends_the_turn() -> None:
    with scripted(command("touch made.txt"), message("never said")) as (_, here):
        with in_terminal(here, "run", "touch it") as running:
            running.wait_for("reject and stop > ")
            running.type("c\n")
            assert running.ended() == 130
            assert "never said" not in running.seen
        assert not (here.workspace / "made.txt").exists()


def test_a_question_is_answered_with_a_number() -> None:
    asked = question("colour", "Which colour?", [("Red", "warm"), ("Blue", "cool")])
    with scripted(asked, message("Noted.")) as (model, here):
        with in_terminal(here, "run", "ask me") as running:
            running.wait_for("2. Blue")
            running.wait_for("> ")
            running.type("2\n")
            running.wait_for("Noted.")
            assert running.ended() == 0
        assert "Blue" in call_outputs(model.requests[-1])[-1]


@pytest.mark.core
def test_without_a_terminal_nothing_is_approved() -> None:
    script = (command("touch made.txt"), patch(PATCH), message("I could do nothing."))
    with scripted(*script) as (model, here):
        done = here.run("run", "do both", said="a\na\na\n")
        assert done.returncode == 1
        assert "2 requests declined. Nobody can be asked" in done.stdout
        assert "I could do nothing." in done.stdout
        assert "\x1b" not in done.stdout
        assert not (here.workspace / "made.txt").exists()
        assert here.read("a.txt") == "one\n"
        assert "Nobody can be asked" in json.dumps(model.requests[-1])


@pytest.mark.core
@pytest.mark.parametrize("mode", ["auto", "escalate"])
def test_without_a_terminal_rules_allow_and_what_asks_is_declined(mode: str) -> None:
    script = (patch(PATCH), command("git push", call_id="c1"), message("I did what I could."))
    with scripted(*script) as (model, here):
        done = here.run("run", "--mode", mode, "do both")
        assert done.returncode == 1
        assert "1 request declined. Nobody can be asked" in done.stdout
        assert here.read("a.txt") == "two\n"
        assert "Nobody can be asked" in json.dumps(model.requests[-1])


def test_without_a_terminal_what_plainly_reads_still_runs() -> None:
    with scripted(command("cat a.txt"), message("It says one.")) as (model, here):
        done = here.run("run", "-", said="what does it say?")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "It says one." in done.stdout
        assert "one" in call_outputs(model.requests[-1])[-1]


def test_json_gives_every_event_and_asks_nobody() -> None:
    with scripted(patch(PATCH), message("Done.")) as (_, here):
        with in_terminal(here, "run", "--json", "change it") as running:
            assert running.ended() == 1
        lines = [line for line in running.seen.splitlines() if line.strip()]
        events = [Event.model_validate_json(line) for line in lines]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        kinds = [event.body.type for event in events]
        assert kinds[0] == "sessionCreated"
        assert "approvalResolved" in kinds
        assert "turnCompleted" in kinds
        assert here.read("a.txt") == "one\n"


def test_ctrl_c_stops_the_turn_and_its_command() -> None:
    # The sandbox has process ids of its own, so the command is known by its words.
    nap = f"sleep 300.{os.getpid()}"
    with scripted(command(nap), message("never said")) as (_, here):
        with in_terminal(here, "run", "sleep") as running:
            running.wait_for("reject and stop > ")
            running.type("a\n")
            until(lambda: runs(nap), "the command runs")
            running.press_ctrl_c()
            running.wait_for("Stopping the turn")
            assert running.ended() == 130
        until(lambda: not runs(nap), "the command is gone")
        assert here.run("sessions", "list").stdout.count("interrupted") == 1


def test_ctrl_c_at_a_prompt_withdraws_it() -> None:
    with scripted(command("touch made.txt"), message("never said")) as (_, here):
        with in_terminal(here, "run", "touch it") as running:
            running.wait_for("reject and stop > ")
            running.press_ctrl_c()
            assert running.ended() == 130
        assert not (here.workspace / "made.txt").exists()


def test_sigterm_ends_the_agent_too() -> None:
    release = threading.Event()
    with scripted(hold(release, message("late"))) as (_, here):
        with in_terminal(here, "run", "wait") as running:
            running.wait_for("> wait")
            agent = int(running.seen.partition(", process ")[2].split()[0])
            assert alive(agent)
            running.process.send_signal(signal.SIGTERM)
            assert running.ended() == 130
        until(lambda: not alive(agent), "the agent is gone")


def test_a_session_goes_on() -> None:
    with scripted(message("first answer"), message("second answer")) as (model, here):
        assert here.run("run", "first").returncode == 0
        done = here.run("run", "--session", "last", "second")
        assert done.returncode == 0, done.stderr
        assert "second answer" in done.stdout
        assert "first answer" in json.dumps(model.requests[-1])
        assert len(json.loads(here.run("sessions", "list", "--json").stdout)) == 1


def test_a_failed_turn_is_told_and_exits_with_1() -> None:
    with scripted(http_error(400, "the model is out of order")) as (_, here):
        done = here.run("run", "try")
        assert done.returncode == 1
        assert "out of order" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "--session", "2099", "x"), 2, "no session"),
        (("run", "--cwd", "/does/not/exist", "x"), 2, "not an existing folder"),
        (("run", " "), 2, "no text"),
        (("run", "--session", "last", "--cwd", "/tmp", "x"), 2, "no session"),
    ],
)
def test_wrong_usage_is_said_and_exits_with_2(words: tuple[str, ...], code: int, said: str) -> None:
    with scripted() as (model, here):
        done = here.run(*words)
        assert done.returncode == code, done.stdout + done.stderr
        assert said in done.stderr
        assert not model.requests


def test_a_missing_codex_is_said_once_and_exits_with_3() -> None:
    with scripted() as (_, here):
        here.environment["AUTOPILOT_CODEX_COMMAND"] = "/does/not/exist"
        done = here.run("run", "try")
        assert done.returncode == 3
        assert (done.stdout + done.stderr).count("/does/not/exist") == 1


def test_a_reader_that_goes_away_ends_the_run() -> None:
    with scripted(message("one\n" * 50_000)) as (_, here):
        done = subprocess.run(
            ["sh", "-c", f"{sys.executable} -m autopilot_ls run --json talk | head -n 1"],
            cwd=here.workspace,
            env=here.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout.count("\n") == 1
        assert "Traceback" not in done.stderr
