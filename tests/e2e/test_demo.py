"""`autopilot-ls demo`: the whole story with the real server and Codex, told, decided on, and failing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.pseudo_terminal import Program, program
from tests.support.world import codex_binary

COMMAND = [sys.executable, "-m", "autopilot_ls", "demo"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Give the environment of a person whose own settings and network would spoil the demo."""
    home = tmp_path / "home"
    (home / ".codex").mkdir(parents=True)
    (home / ".codex" / "config.toml").write_text("this is no configuration")
    (tmp_path / "tmp").mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    return {
        **kept,
        "HOME": str(home),
        "TMPDIR": str(tmp_path / "tmp"),
        "CODEX_HOME": str(home / ".codex"),
        "AUTOPILOT_CODEX_COMMAND": json.dumps([str(codex_binary())]),
        "AUTOPILOT_MODE": "read-only",
        "AUTOPILOT_STATE_DIR": str(tmp_path / "not-used"),
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "OPENAI_API_KEY": "sk-not-for-the-demo",
        "TERM": "xterm",
    }


@contextmanager
def interactive(environment: dict[str, str], cwd: Path, *words: str) -> Generator[Program]:
    command = [*COMMAND, "--interactive", *words]
    with program(command, cwd=cwd, environment=environment) as running:
        yield running


def offered(running: Program, title: str) -> str:
    """Wait for an offer with this in its title, and for the question; returns its number."""
    offers = running.wait_for("Your choice")
    running.wait_for(":")
    line = next(line for line in offers.splitlines() if title in line)
    return line.strip().split(".")[0]


def choose(running: Program, title: str) -> None:
    """Choose the action with this in its title by its number."""
    running.type(offered(running, title) + "\n")


@pytest.mark.core
def test_the_demo_tells_the_whole_story(environment: dict[str, str], tmp_path: Path) -> None:
    before = sorted(path.name for path in (tmp_path / "home").rglob("*"))
    done = subprocess.run(
        COMMAND,
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    story = [
        "run this task: the quantity is ignored",
        "Waits for you: Run: ",
        "A command waits",
        "exactly this for this session",
        "Decided: acceptForSession",
        "Waits for you: Change cart.py",
        "cart.py:8:1 information (autopilot): The agent wants to change this to",
        "The editor was asked to show",
        "accept: Change cart.py (+1 −2)   ← chosen",
        "Decided: accept",
        "✓ 1 file, +1 −2, 2 commands",
        "--- cart.py before",
        '+        result += line["price"] * line["quantity"]',
        "`total` now counts each piece, and the test passes.",
        "events.jsonl has",
    ]
    at = 0
    for expected in story:
        assert expected in told[at:], f"{expected!r} is missing after:\n{told[:at]}"
        at = told.index(expected, at) + len(expected)
    assert "\x1b" not in told

    # What is left is the record, where it says; the person's own things are as they were.
    (left,) = (tmp_path / "tmp").iterdir()
    assert [path.name for path in left.iterdir()] == ["state"]
    assert str(left / "state") in told
    (session,) = (left / "state" / "sessions").iterdir()
    assert (session / "raw.jsonl").stat().st_size > 0
    assert sorted(path.name for path in (tmp_path / "home").rglob("*")) == before
    assert not (tmp_path / "not-used").exists()
    assert "sk-not-for-the-demo" not in (session / "raw.jsonl").read_text()


def test_the_person_decides_and_may_reject(environment: dict[str, str], tmp_path: Path) -> None:
    with interactive(environment, tmp_path, "--keep") as running:
        choose(running, "run this task")
        choose(running, "accept, and exactly this")
        choose(running, "preview the patch")
        running.wait_for("The editor was asked to show")
        choose(running, "reject the patch")
        running.wait_for("Decided: decline")
        running.wait_for("cart.py is unchanged.")
        running.wait_for("I did not change cart.py")
        assert running.ended() == 0
        assert "\x1b[" in running.raw
    (left,) = (tmp_path / "tmp").iterdir()
    assert "autopilot: the quantity" in (left / "repo" / "cart.py").read_text()


def test_the_person_may_stop_the_turn(environment: dict[str, str], tmp_path: Path) -> None:
    with interactive({**environment, "NO_COLOR": "1"}, tmp_path) as running:
        choose(running, "run this task")
        number = offered(running, "reject and stop the turn")
        for wrong in ("0", "99", "x", ""):
            running.type(wrong + "\n")
            running.wait_for("Your choice")
            running.wait_for(":")
        running.type(number + "\n")
        running.wait_for("Decided: cancel")
        running.wait_for("Interrupted")
        assert running.ended() == 0
        assert "\x1b[3" not in running.raw


def test_ctrl_c_ends_the_demo_and_leaves_only_the_record(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with interactive(environment, tmp_path) as running:
        choose(running, "run this task")
        running.wait_for("Your choice")
        running.press_ctrl_c()
        assert running.ended() == 130
        assert "Traceback" not in running.seen
    (left,) = (tmp_path / "tmp").iterdir()
    assert [path.name for path in left.iterdir()] == ["state"]


def test_interactive_needs_a_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--interactive"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"AUTOPILOT_CODEX_COMMAND": "/does/not/exist"}, "/does/not/exist"),
        ({"PATH": "/does/not/exist"}, "git is not installed"),
    ],
)
def test_what_goes_wrong_is_said(
    environment: dict[str, str], tmp_path: Path, change: dict[str, str], said: str
) -> None:
    done = subprocess.run(
        COMMAND,
        cwd=tmp_path,
        env={**environment, **change},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode not in (0, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
