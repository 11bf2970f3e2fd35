"""The notify command with real children: what they are given, and that no misbehaving one matters."""

from __future__ import annotations

import json
import os
import shlex
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from autopilot_ls.model.approvals import DecisionKind, Mode
from autopilot_ls.model.events import Notice, TurnCompleted
from autopilot_ls.settings.tree import NotifySettings, Settings
from autopilot_ls.supervisor import notifier, notify_command
from autopilot_ls.supervisor.notify_command import Message, run
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.supervisor import open_supervisor
from tests.support.own_policy import no_rules
from tests.support.watcher import PATIENCE, Watcher
from tests.unit.supervisor.played_runtime import PlayedFactory, command

# Writes what it was given, each run into a file of its own that appears whole.
SHOW = """
import json, os, sys
told = {n: v for n, v in os.environ.items() if n.startswith("AUTOPILOT_")}
said = {"argv": sys.argv[2:], "stdin": sys.stdin.read(), "env": told, "cwd": os.getcwd()}
folder = sys.argv[1]
name = f"{len(os.listdir(folder)):03}.json"
with open(os.path.join(folder, "." + name), "w") as file:
    json.dump(said, file)
os.rename(os.path.join(folder, "." + name), os.path.join(folder, name))
"""
EVIL = (
    "-x $(touch pwned) `id` '\" ; rm -rf ~ \x1b[2J\u202e <a href='https://evil'>ok</a>\nnext "
    + "y" * 2_000
)

NEWS = Message("limit", EVIL, EVIL, "s1", "/work/a b")


@pytest.fixture
def told(tmp_path: Path) -> Path:
    folder = tmp_path / "told"
    folder.mkdir()
    return folder


def show(tmp_path: Path, told: Path, *words: str) -> tuple[str, ...]:
    script = tmp_path / "show.py"
    script.write_text(SHOW)
    return (sys.executable, "-I", str(script), str(told), *words)


def said(told: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted(told.glob("0*.json"))]


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await anyio.sleep(0.01)


async def test_text_of_an_agent_stays_one_word_of_visible_bounded_text(
    tmp_path: Path, told: Path
) -> None:
    words = show(tmp_path, told, "{title}", "--text={text}", "{session} in {workspace}", "{other}")
    assert await run(words, NEWS, dict(os.environ)) == ""
    (seen,) = said(told)
    title, text, place, other = seen["argv"]  # type: ignore[misc]  # reason: JSON of our own
    assert title.startswith(" -x $(touch pwned) `id` '\" ; rm -rf ~ \\x1b[2J\\u{202e} ‹a href=")
    assert text.startswith("--text= -x $(touch")
    assert (place, other) == ("s1 in /work/a b", "{other}")
    assert len(title) <= 121
    assert len(text) <= 610
    values = json.loads(str(seen["stdin"]))
    assert values["text"].startswith("-x $(touch pwned)")
    assert "<a href='https://evil'>" in values["text"]
    assert values["kind"] == "limit"
    assert seen["env"]["AUTOPILOT_TEXT"] == values["text"]  # type: ignore[index]
    assert seen["cwd"] == str(Path.home())
    assert not any("\x1b" in str(value) or "\n" in str(value) for value in values.values())
    assert not (Path.home() / "pwned").exists()


async def test_a_shell_gets_the_text_by_its_variable_as_data(tmp_path: Path) -> None:
    out = tmp_path / "out"
    line = f'printf %s "$AUTOPILOT_TEXT" > {shlex.quote(str(out))}'
    assert await run(("sh", "-c", line), NEWS, dict(os.environ)) == ""
    assert out.read_text().startswith("-x $(touch pwned) `id`")


async def test_a_child_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify_command, "TIME_LIMIT", 1.0)
    pids = tmp_path / "pids"
    code = (
        "import os,signal,sys,time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.setsid()\n"
        "    time.sleep(300)\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child}}')\n"
        "time.sleep(300)\n"
    )
    problem = await run((sys.executable, "-I", "-c", code), NEWS, dict(os.environ))
    assert "did not end within 1 seconds" in problem
    for pid in pids.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


async def test_a_child_that_ends_and_leaves_another_leaves_none(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    line = f"sleep 300 & echo $! > {shlex.quote(str(pid))}"
    with anyio.fail_after(PATIENCE):
        assert await run(("sh", "-c", line), NEWS, dict(os.environ)) == ""
    if sys.platform == "linux":
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)


async def test_a_child_that_floods_is_ended_soon() -> None:
    code = "import os\nwhile True: os.write(1, b'x' * 65536)"
    problem = await run((sys.executable, "-I", "-c", code), NEWS, dict(os.environ))
    assert "printed more than 64 KB" in problem


async def test_a_flood_of_errors_ends_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_command, "TIME_LIMIT", 1.0)
    code = "import os\nwhile True: os.write(2, b'x' * 4096)"
    assert "did not end" in await run((sys.executable, "-I", "-c", code), NEWS, dict(os.environ))


async def test_a_child_that_never_reads_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_command, "MAX_TEXT", 1_000_000)
    news = Message("limit", "t", "y" * 900_000, "s", "/w")
    environment = {"PATH": os.environ["PATH"]}
    problem = await run(("true",), news, environment)
    # So long a text does not fit into an environment either, which is said as any failure to start.
    assert problem == "" or "could not be started" in problem


async def test_failures_say_what_the_command_said(tmp_path: Path) -> None:
    line = "echo first >&2; printf 'no \\033[31mhost\\n' >&2; exit 3"
    problem = await run(("sh", "-c", line), NEWS, dict(os.environ))
    assert problem == "ended with exit code 3: no host"
    missing = await run(("no-such-notifier",), NEWS, dict(os.environ))
    assert missing.startswith("could not be started: The program no-such-notifier")
    plain = tmp_path / "plain"
    plain.write_text("x")
    assert "could not be started" in await run((str(plain),), NEWS, dict(os.environ))


async def test_a_relative_folder_of_the_path_is_no_place_for_it(tmp_path: Path) -> None:
    planted = tmp_path / "notify-me"
    planted.write_text("#!/bin/sh\n")
    planted.chmod(planted.stat().st_mode | stat.S_IXUSR)
    assert "not found" in await run(("notify-me",), NEWS, {"PATH": f".:{tmp_path.name}"})


# -- with a supervisor


def settings_with(tmp_path: Path, words: tuple[str, ...], *on: str) -> Settings:
    notify = NotifySettings.model_validate({"command": words, "on": on or ("limit", "high-risk")})
    return Settings(
        state_dir=tmp_path / "state", policy_file=no_rules(tmp_path / "policy.toml"), notify=notify
    )


async def test_what_waits_meanwhile_is_told_together_and_what_was_decided_not_at_all(
    tmp_path: Path, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "PAUSE", 0.0)
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    line = (
        f"touch {shlex.quote(str(begun))}; while [ ! -e {shlex.quote(str(gate))} ]; do sleep 0.02; done; exec "
        + shlex.join(show(tmp_path, told))
    )
    settings = settings_with(tmp_path, ("sh", "-c", line), "approval")
    factory, view = PlayedFactory(), Watcher()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        supervisor.attach(view)
        await supervisor.start_turn(StartTurn(text="x", cwd=str(tmp_path)), "me")
        factory.last.ask(command("frobnicate 0", tmp_path), key="k0")
        await until(begun.exists)
        for number in range(1, 5):
            factory.last.ask(command(f"frobnicate {number}", tmp_path), key=f"k{number}")
        waiting = supervisor.approvals()
        # The command runs for the first already; a decision waits for none of it.
        await supervisor.decide(waiting[1].id, DecisionKind.DECLINE, decided_by="me")
        gate.touch()
        await until(lambda: len(said(told)) == 2)
    first, second = (json.loads(str(one["stdin"])) for one in said(told))
    assert first["text"].startswith("Waits for you: Run: frobnicate 0.")
    assert first["title"] == "Autopilot: something waits for you"
    assert second["title"] == "Autopilot: 3 approvals wait"
    assert "frobnicate 2" in second["text"]
    assert "frobnicate 1" not in second["text"]
    assert second["workspace"] == str(tmp_path)


async def test_a_command_that_fails_is_said_once_until_it_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "PAUSE", 0.0)
    runs = tmp_path / "runs"
    path = shlex.quote(str(runs))
    # Only the third run works.
    line = f"echo x >> {path}; [ $(wc -l < {path}) -eq 3 ]"
    settings = settings_with(tmp_path, ("sh", "-c", line), "turn-end")
    factory, view = PlayedFactory(), Watcher()

    def failures() -> list[str]:
        return [n.message for n in view.all(Notice) if n.code == "notify-failed"]

    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        supervisor.attach(view)
        session: str | None = None
        for number in range(1, 5):
            request = StartTurn(text="x", cwd=str(tmp_path), session_id=session)
            session = (await supervisor.start_turn(request, "me")).session_id
            factory.last.end_turn()
            # The news of the next turn waits for the end of this run, and so has one of its own.
            await until(lambda n=number: runs.exists() and len(runs.read_text()) == 2 * n)
        await view.until(lambda: len(failures()) == 2)
        assert "ended with exit code 1" in failures()[0]


async def test_a_fault_in_it_ends_neither_the_sessions_nor_what_is_told_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "PAUSE", 0.0)
    runs: list[str] = []

    async def fail(_: tuple[str, ...], message: Message, __: object) -> str:
        runs.append(message.kind)
        raise RuntimeError("played")

    monkeypatch.setattr(notifier, "run", fail)
    settings = settings_with(tmp_path, ("true",), "turn-end")
    factory = PlayedFactory()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        session: str | None = None
        for number in range(1, 3):
            request = StartTurn(text="x", cwd=str(tmp_path), session_id=session)
            session = (await supervisor.start_turn(request, "me")).session_id
            factory.last.end_turn()
            await until(lambda n=number: len(runs) == n)


async def test_the_last_news_are_told_when_the_server_ends_but_never_hold_it_up(
    tmp_path: Path, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, seen in ((show(tmp_path, told), 1), (("sleep", "300"), 1)):
        settings = settings_with(tmp_path, words, "turn-end")
        factory = PlayedFactory()
        with anyio.fail_after(PATIENCE):
            async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
                await supervisor.start_turn(StartTurn(text="x", cwd=str(tmp_path)), "me")
                factory.last.end_turn()
        assert len(said(told)) == seen
        monkeypatch.setattr(notifier, "LAST_WORDS", 0.2)


@pytest.mark.parametrize(
    ("mode", "kinds"),
    [(Mode.PROPOSE, []), (Mode.AUTO, ["high-risk"]), (Mode.ESCALATE, ["high-risk"])],
)
async def test_high_risk_is_told_where_the_agent_is_left_alone(
    tmp_path: Path, told: Path, mode: Mode, kinds: list[str]
) -> None:
    settings = settings_with(tmp_path, show(tmp_path, told))
    factory, view = PlayedFactory(), Watcher()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        supervisor.attach(view)
        await supervisor.start_turn(StartTurn(text="x", cwd=str(tmp_path), mode=mode), "me")
        factory.last.ask(command("frobnicate", tmp_path), key="k1")
        factory.last.ask(command("git push", tmp_path), key="k2")
    assert [json.loads(str(one["stdin"]))["kind"] for one in said(told)] == kinds
    assert len(view.all(TurnCompleted)) == 1


async def test_a_reached_limit_and_a_stopped_turn_are_told(
    tmp_path: Path, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "PAUSE", 0.0)
    (tmp_path / "policy.toml").write_text("version = 1\n[limits]\napprovals = 1\nseconds = 2\n")
    settings = settings_with(tmp_path, show(tmp_path, told))
    factory, view = PlayedFactory(), Watcher()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        supervisor.attach(view)
        started = await supervisor.start_turn(StartTurn(text="x", cwd=str(tmp_path)), "me")
        for key in ("k1", "k2"):
            factory.last.ask(command(f"cat {key}", tmp_path), key=key)
        await until(lambda: len(said(told)) == 1)
        (waiting,) = supervisor.approvals()
        await supervisor.decide(waiting.id, DecisionKind.DECLINE, decided_by="me")
        with anyio.fail_after(PATIENCE):
            await supervisor.wait_turn_ended(started.session_id)
        await until(lambda: len(said(told)) == 2)
    first, second = (json.loads(str(one["stdin"])) for one in said(told))
    assert first["title"] == "Autopilot: a limit is reached"
    assert "Run: cat k2. The limit approvals = 1 is reached" in first["text"]
    assert second["title"] == "Autopilot: a limit stopped the turn"
    assert "The limit seconds = 2 is reached" in second["text"]
