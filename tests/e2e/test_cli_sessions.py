"""`autopilot-ls sessions` on what the real Codex left behind."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Generator, Sequence

import pytest

from autopilot_ls.scripted_model import ScriptedModel, hold, message
from tests.support.pseudo_terminal import program
from tests.support.world import World, world

HOSTILE = "look \x1b[31mred\x1b[0m \u202eesrever ![x](http://evil.example/p.png)"
SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture(scope="module")
def past() -> Generator[World]:
    """Give a world with two sessions that were run."""
    script = [message(f"First. {HOSTILE}"), message(f"Second, with {SECRET} in it.")]
    with ScriptedModel(script) as model, world(model) as here:
        for task in ("the first task", "the second task"):
            assert here.run("run", task).returncode == 0
        yield here


def ids(here: World) -> Sequence[str]:
    return [each["id"] for each in json.loads(here.run("sessions", "list", "--json").stdout)]


def test_the_list_has_the_newest_first(past: World) -> None:
    lines = past.run("sessions", "list").stdout.splitlines()
    assert lines[0].split()[:3] == ["SESSION", "USED", "STATE"]
    assert "the second task" in lines[1]
    assert "completed" in lines[1]
    assert "the first task" in lines[2]
    assert str(past.workspace)[-10:] in lines[1]


def test_a_transcript_is_shown_and_not_obeyed(past: World) -> None:
    shown = past.run("sessions", "show", ids(past)[1]).stdout
    assert "the first task" in shown
    assert "red" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "![x](http" not in shown


def test_secrets_are_hidden_in_what_is_shown_and_kept_in_the_record(past: World) -> None:
    for words in (("show", "last"), ("show", "last", "--json"), ("tail", "last")):
        shown = past.run("sessions", *words).stdout
        assert "Second, with" in shown
        assert SECRET not in shown
    record = past.state / "sessions" / ids(past)[0] / "events.jsonl"
    assert SECRET in record.read_text()


def test_the_json_of_a_session_is_its_events(past: World) -> None:
    lines = past.run("sessions", "show", "last", "--json").stdout.splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["body"]["title"] == "the second task"


def test_the_tail_has_as_many_lines_as_wanted(past: World) -> None:
    whole = past.run("sessions", "tail", "last", "-n", "1000").stdout.splitlines()
    assert "> the second task" in whole
    for number in (0, 1, 2):
        shown = past.run("sessions", "tail", "last", "-n", str(number)).stdout
        assert shown.splitlines() == whole[len(whole) - number :]


def test_a_beginning_names_a_session_when_only_one_has_it(past: World) -> None:
    first = ids(past)[0]
    assert past.run("sessions", "show", first[:-1]).returncode == 0
    several = past.run("sessions", "show", first[:4])
    assert several.returncode == 2
    assert "2 sessions begin with" in several.stderr
    none = past.run("sessions", "show", "1999")
    assert none.returncode == 2
    assert "no session" in none.stderr


def test_following_shows_what_still_happens_until_ctrl_c() -> None:
    release = threading.Event()
    script = [hold(release, message("The end of it."))]
    with ScriptedModel(script) as model, world(model) as here:
        run = [sys.executable, "-m", "autopilot_ls", "run", "take your time"]
        tail = [sys.executable, "-m", "autopilot_ls", "sessions", "tail", "-f", "last"]
        environment = {**here.environment, "TERM": "xterm"}
        with program(run, cwd=here.workspace, environment=environment) as running:
            running.wait_for("> take your time")
            assert "(open)" in here.run("sessions", "list").stdout
            busy = here.run("sessions", "delete", "last")
            assert busy.returncode == 1
            with program(tail, cwd=here.workspace, environment=environment) as following:
                following.wait_for("> take your time")
                release.set()
                following.wait_for("The end of it.")
                assert running.ended() == 0
                following.press_ctrl_c()
                assert following.ended() == 130
                assert "Traceback" not in following.seen


def test_deleting_deletes_all_that_are_named_or_none() -> None:
    with ScriptedModel([message("one"), message("two")]) as model, world(model) as here:
        for task in ("one", "two"):
            assert here.run("run", task).returncode == 0
        found = ids(here)
        assert here.run("sessions", "delete", found[0], "1999").returncode == 2
        assert ids(here) == found
        done = here.run("sessions", "delete", *found)
        assert done.returncode == 0
        assert done.stdout.count("Deleted") == 2
        assert ids(here) == []
        empty = here.run("sessions", "list")
        assert (empty.returncode, empty.stdout) == (0, "")
        assert "no sessions yet" in empty.stderr
        assert here.run("sessions", "show", "last").returncode == 2
        assert "0 sessions deleted" in here.run("sessions", "prune").stdout
