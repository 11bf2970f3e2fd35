"""The entry: light for editors, and one message with the right exit code for every failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autopilot_ls.cli import main as entry
from autopilot_ls.cli.commands import Exit
from autopilot_ls.cli.exits import agent_codes, exit_for, exit_for_turn
from autopilot_ls.model.errors import (
    AgentDied,
    AgentNotFound,
    AutopilotError,
    InvalidRequest,
    NotLoggedIn,
    SessionBusy,
    SessionNotFound,
    TraceFull,
)
from autopilot_ls.model.events import TurnStatus
from autopilot_ls.model.items import TokenUsage
from autopilot_ls.model.snapshots import TurnSnapshot
from tests.support.pseudo_terminal import program


def turn(status: TurnStatus, code: str = "") -> TurnSnapshot:
    return TurnSnapshot(
        id="t",
        status=status,
        started_at=0.0,
        completed_at=1.0,
        error="",
        error_code=code,
        plan=(),
        diff="",
        entries=(),
        dropped=0,
        waited=0.0,
        tokens=TokenUsage(),
        tokens_before=TokenUsage(),
    )


@pytest.mark.parametrize("words", [[], ["--stdio"], ["--stdio", "--clientProcessId=1"]])
def test_the_language_server_is_started_without_the_command_line(words: list[str]) -> None:
    program = (
        "import sys, types\n"
        "served = types.ModuleType('autopilot_ls.lsp.main')\n"
        "served.serve_stdio = lambda said: 7\n"
        "import autopilot_ls.__main__ as entry\n"
        "sys.modules['autopilot_ls.lsp.main'] = served\n"
        "before = set(sys.modules)\n"
        f"sys.argv = ['autopilot-ls', *{words!r}]\n"
        "assert entry.main() == 7\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print(loaded & {'argparse', 'pydantic', 'anyio', 'pygls', 'lsprotocol', 'asyncio'})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == "set()\n", done.stderr


def test_the_way_to_the_shared_process_is_light() -> None:
    program = (
        "import sys\n"
        "import autopilot_ls.__main__ as entry\n"
        "import autopilot_ls.shared.forwarder as forwarder\n"
        "import autopilot_ls.shared.starting\n"
        "forwarder.forward = lambda: 7\n"
        "sys.argv = ['autopilot-ls', '--stdio', '--remote=auto']\n"
        "assert entry.main() == 7\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "heavy = {'argparse', 'pydantic', 'anyio', 'pygls', 'lsprotocol', 'asyncio', 'platformdirs'}\n"
        "print(loaded & heavy, any(name.startswith('autopilot_ls.lsp') for name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == "set() False\n", done.stderr


def test_the_shared_process_answers_initialize_before_it_loads_the_rest() -> None:
    program = (
        "import sys\n"
        "import autopilot_ls.shared.clients, autopilot_ls.shared.daemon, autopilot_ls.lsp.protocol\n"
        "print({name.split('.')[0] for name in sys.modules} & {'pydantic', 'anyio', 'watchfiles'})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "set()\n", done.stderr


def test_a_person_who_starts_the_server_by_hand_is_told(tmp_path: Path) -> None:
    import os

    environment = {**os.environ, "AUTOPILOT_STATE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "autopilot_ls"]
    with program(command, cwd=Path.cwd(), environment=environment) as running:
        running.wait_for("waiting for an editor")
        running.wait_for("--help")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("x"), Exit.USAGE),
        (SessionNotFound("x"), Exit.USAGE),
        (SessionBusy("x"), Exit.FAILED),
        (TraceFull("x"), Exit.FAILED),
        (AgentNotFound("x"), Exit.AGENT),
        (NotLoggedIn("x"), Exit.AGENT),
    ],
)
def test_errors_have_exit_codes(error: AutopilotError, code: Exit) -> None:
    assert exit_for(error) is code


@pytest.mark.parametrize(
    ("ended", "declined", "code"),
    [
        (turn(TurnStatus.COMPLETED), False, Exit.OK),
        (turn(TurnStatus.COMPLETED), True, Exit.FAILED),
        (turn(TurnStatus.INTERRUPTED), False, Exit.INTERRUPTED),
        (turn(TurnStatus.INTERRUPTED), True, Exit.FAILED),
        (turn(TurnStatus.FAILED), False, Exit.FAILED),
        (turn(TurnStatus.FAILED, AgentDied.code), False, Exit.AGENT),
        (turn(TurnStatus.UNKNOWN), False, Exit.FAILED),
        (None, False, Exit.FAILED),
    ],
)
def test_turns_have_exit_codes(ended: TurnSnapshot | None, declined: bool, code: Exit) -> None:  # noqa: FBT001
    assert exit_for_turn(ended, declined=declined) is code


def test_the_codes_of_agents_are_those_of_agents() -> None:
    assert {"agent-died", "not-logged-in", "request-timeout"} <= agent_codes()
    assert "trace-full" not in agent_codes()


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (AgentNotFound("No agent\x1b[2J.", advice="Get one."), 3, "No agent\\x1b[2J. Get one."),
        (PermissionError(13, "Permission denied", "/x"), 1, "ls: /x: Permission denied.\n"),
        (OSError("Nothing goes"), 1, "Nothing goes"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_failure_is_one_message(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: BaseException,
    code: int,
    said: str,
) -> None:
    def fail(_: object) -> int:
        raise raised

    monkeypatch.setattr(entry, "_dispatch", fail)
    assert entry.run_command(["doctor"]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert "Traceback" not in shown.err
