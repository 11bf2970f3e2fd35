"""Starting, stopping, dying, resuming, and what goes wrong with a turn."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest
from pydantic import JsonValue, SecretStr

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import (
    AgentDied,
    AgentError,
    AgentNotFound,
    AgentStartFailed,
    AgentTooOld,
    AutopilotError,
    NoActiveTurn,
    NotLoggedIn,
)
from autopilot_ls.model.events import (
    ItemStarted,
    PlanUpdated,
    RuntimeExited,
    TextDelta,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.model.items import CommandExecution, Reasoning, UserMessage
from autopilot_ls.runtimes.base import ApprovalWithdrawn, OpenOptions, RuntimeEvent, ThreadOptions
from autopilot_ls.runtimes.codex import CodexFactory, conversation
from autopilot_ls.scripted_model import (
    ScriptedModel,
    Step,
    command,
    cut_stream,
    flood,
    hold,
    http_error,
    message,
    patch,
    plan,
    reasoning,
    respond,
)
from autopilot_ls.settings.tree import CodexSettings
from tests.e2e.codex_runtime.driver import Sink, accept, codex, decline, settings_for

ADD = "*** Begin Patch\n*** Add File: a.txt\n+hello\n*** End Patch\n"


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.core
async def test_steer_reaches_the_model(tmp_path: Path) -> None:
    release = threading.Event()
    script = [hold(release, message("late"), first=(reasoning("hm"),)), message("done")]
    with ScriptedModel(script) as model:
        async with codex(model, tmp_path) as session:
            await session.runtime.start_turn("go", session.options)
            await anyio.to_thread.run_sync(model.wait_for_requests, 1, 20)
            await session.runtime.steer_turn("use tabs")
            release.set()
            ended = await session.end()
            assert "use tabs" in str(model.requests[-1]["input"])
            said = [
                each.item
                for each in session.sink.bodies(ItemStarted)
                if isinstance(each.item, UserMessage)
            ]
            with pytest.raises(NoActiveTurn):
                await session.runtime.steer_turn("too late")
            with pytest.raises(NoActiveTurn):
                await session.runtime.interrupt_turn()
    assert ended.status is TurnStatus.COMPLETED
    assert [(each.text, each.steered) for each in said] == [("go", False), ("use tabs", True)]


@pytest.mark.core
async def test_interrupt_ends_the_command(tmp_path: Path) -> None:
    line = "echo $$ > pid; sleep 600"
    with ScriptedModel([command(line, call_id="c1"), message("never")]) as model:
        async with codex(model, tmp_path) as session:
            pid_file = tmp_path / "work" / "pid"
            await session.runtime.start_turn("go", session.options)
            asked = await session.approval()
            await session.runtime.answer(asked.key, accept(asked))
            await until_there(pid_file)
            await session.runtime.interrupt_turn()
            ended = await session.end()
        assert ended.status is TurnStatus.INTERRUPTED
        # The sandbox has process ids of its own, so the command is found by what it runs.
        assert not [p for p in running() if "sleep 600" in p]


async def until_there(path: Path) -> None:
    """Wait until a file that nobody announces has something in it."""

    def is_there() -> bool:
        return path.exists() and bool(path.read_text().strip())

    with anyio.fail_after(20):
        while not is_there():  # noqa: ASYNC110 reason: there is no event for it
            await anyio.sleep(0.02)


def running() -> list[str]:
    lines: list[str] = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return lines


async def test_the_plan_and_the_reasoning_are_reported(tmp_path: Path) -> None:
    script = [
        respond(
            reasoning("**Think** first"),
            plan([("look", "completed"), ("write", "in_progress"), ("check", "pending")]),
        ),
        message("done"),
    ]
    with ScriptedModel(script) as model:
        async with codex(model, tmp_path) as session:
            await session.turn()
            (planned,) = session.sink.bodies(PlanUpdated)
            summary = [e.text for e in session.sink.bodies(TextDelta) if e.field == "summary"]
            items = [each.item for each in session.sink.bodies(ItemStarted)]
    assert [(each.step, each.status) for each in planned.steps] == [
        ("look", "completed"),
        ("write", "inProgress"),
        ("check", "pending"),
    ]
    assert "".join(summary) == "**Think** first"
    assert any(isinstance(each, Reasoning) for each in items)


@pytest.mark.core
@pytest.mark.parametrize(
    ("step", "code", "words"),
    [
        (http_error(400, "bad thing"), "other", "bad thing"),
        (http_error(401, "no auth"), "not-logged-in", "autopilot-ls login"),
        (http_error(500, "worse"), "internalServerError", "try again"),
        (http_error(429, "q", code="insufficient_quota"), "usageLimitExceeded", "usage limit"),
        (http_error(404, "no such model"), "badRequest", "model's name"),
        (cut_stream(message("part")), "responseStreamDisconnected", "lost in the middle"),
    ],
)
async def test_a_failed_turn_says_what_to_do(
    tmp_path: Path, step: Step, code: str, words: str
) -> None:
    with ScriptedModel([step, message("better")]) as model:
        async with codex(model, tmp_path) as session:
            ended = await session.turn()
            again = await session.turn()
    assert (ended.status, ended.error_code) == (TurnStatus.FAILED, code)
    assert words in ended.error
    assert "{" not in ended.error
    assert again.status is TurnStatus.COMPLETED


@pytest.mark.core
async def test_killed_while_an_approval_waits(tmp_path: Path) -> None:
    with ScriptedModel([patch(ADD, call_id="p1"), message("done")]) as model:
        sink = Sink()
        async with codex(model, tmp_path, sink=sink) as session:
            runtime, thread = session.runtime, session.thread_id
            await runtime.start_turn("go", session.options)
            asked = await session.approval()
            killed = time.monotonic()
            os.kill(runtime.pid, signal.SIGKILL)
            await sink.until(lambda: bool(sink.bodies(RuntimeExited)))
            noticed = time.monotonic() - killed
            with pytest.raises(AgentDied):
                await runtime.answer(asked.key, accept(asked))
            with pytest.raises(AutopilotError):
                await runtime.start_turn("more", session.options)
        assert noticed < 5
        assert ApprovalWithdrawn(asked.key) in sink.messages
        last = sink.messages[-1]
        assert isinstance(last, RuntimeEvent)
        assert isinstance(last.body, RuntimeExited)
        assert (last.body.expected, last.body.signal) == (False, signal.SIGKILL)
        assert not (tmp_path / "work" / "a.txt").exists()
        async with codex(model, tmp_path, resume=thread) as again:
            assert again.thread_id == thread
            ended = await again.turn()
        assert ended.status is TurnStatus.COMPLETED


@pytest.mark.core
async def test_killed_in_the_middle_of_a_turn(tmp_path: Path) -> None:
    release = threading.Event()
    script = [hold(release, message("late"), first=(reasoning("hm"),))]
    with ScriptedModel(script) as model:
        async with codex(model, tmp_path) as session:
            await session.runtime.start_turn("go", session.options)
            await anyio.to_thread.run_sync(model.wait_for_requests, 1, 20)
            killed = time.monotonic()
            os.kill(session.runtime.pid, signal.SIGKILL)
            await session.sink.until(lambda: bool(session.sink.bodies(RuntimeExited)))
            assert time.monotonic() - killed < 5
        release.set()


@pytest.mark.core
async def test_a_session_is_resumed_after_a_restart(tmp_path: Path) -> None:
    with ScriptedModel([message("first"), message("second")]) as model:
        async with codex(model, tmp_path) as session:
            await session.turn("remember 42")
            thread = session.thread_id
        async with codex(model, tmp_path, resume=thread) as session:
            assert session.thread_id == thread
            ended = await session.turn("again")
        assert ended.status is TurnStatus.COMPLETED
        assert "remember 42" in str(model.requests[-1]["input"])


async def test_a_thread_that_is_gone_cannot_be_resumed(tmp_path: Path) -> None:
    gone = "01a203ac-a733-72c1-9452-eb016744d115"
    with ScriptedModel([]) as model, pytest.raises(AgentError, match="no rollout"):
        async with codex(model, tmp_path, resume=gone):
            pass


async def test_two_at_once(tmp_path: Path) -> None:
    ends: list[TurnCompleted] = []

    async def one(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        with ScriptedModel([command("touch mine", call_id="c1"), message("done")]) as model:
            async with codex(model, folder) as session:
                ends.append(await session.turn(decide=accept))
        assert (folder / "work" / "mine").exists()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one, "a")
        tasks.start_soon(one, "b")
    assert [each.status for each in ends] == [TurnStatus.COMPLETED] * 2


@pytest.mark.core
async def test_the_mode_decides_on_the_sandbox_and_may_change(tmp_path: Path) -> None:
    script = [
        command("touch one", call_id="c1"),
        message("m"),
        command("touch two", call_id="c2"),
        message("m"),
        command("touch three", call_id="c3"),
        message("m"),
    ]
    with ScriptedModel(script) as model:
        async with codex(model, tmp_path, mode=Mode.READ_ONLY) as session:
            work = tmp_path / "work"
            await session.turn(decide=accept)
            assert not (work / "one").exists()
            session.options = ThreadOptions(work, Mode.PROPOSE)
            await session.turn(decide=accept)
            assert (work / "two").exists()
            session.options = ThreadOptions(work, Mode.READ_ONLY)
            await session.turn(decide=accept)
            assert not (work / "three").exists()


async def test_models_and_account(tmp_path: Path) -> None:
    with ScriptedModel([]) as model:
        async with codex(model, tmp_path) as session:
            models = await session.runtime.list_models()
            account = await session.runtime.account()
            assert session.runtime.version.count(".") == 2
            assert session.runtime.capabilities.sees_everything
    assert sum(each.is_default for each in models) == 1
    assert all(each.id and each.name and each.default_effort in each.efforts for each in models)
    assert not account.logged_in


async def test_leaving_in_the_middle_of_an_approval_cancels_it(tmp_path: Path) -> None:
    with ScriptedModel([patch(ADD, call_id="p1"), message("done")]) as model:
        sink = Sink()
        async with codex(model, tmp_path, sink=sink) as session:
            await session.runtime.start_turn("go", session.options)
            asked = await session.approval()
            pid = session.runtime.pid
    assert ApprovalWithdrawn(asked.key) in sink.messages
    assert b'"decision":"cancel"' in [f for d, f in sink.frames if d == "out"][-1]
    assert not (tmp_path / "work" / "a.txt").exists()
    assert not is_alive(pid)
    last = sink.messages[-1]
    assert isinstance(last, RuntimeEvent)
    assert isinstance(last.body, RuntimeExited)


# Starting ---------------------------------------------------------------------------------------


async def start(tmp_path: Path, settings: CodexSettings) -> Sink:
    sink = Sink()
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    async with CodexFactory(settings).open(
        OpenOptions(work, tmp_path, dict(os.environ)), sink
    ) as runtime:
        await runtime.start_thread(ThreadOptions(work, Mode.PROPOSE))
    return sink


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('approval_policy = "untrusted"\n', ["Remove the line", "no longer supported"]),
        ("model = \n", ["config.toml", "must be quoted"]),
        ('sandbox_mode = "bogus"\n', ["config.toml", "unknown variant"]),
    ],
)
async def test_a_broken_configuration_is_told(
    tmp_path: Path, config: str, words: list[str]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text(config)
    with ScriptedModel([]) as model, pytest.raises(AgentStartFailed) as caught:
        await start(tmp_path, settings_for(model, home))
    for word in words:
        assert word in str(caught.value)


async def test_a_wrong_override_is_told(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    wrong: Mapping[str, JsonValue] = {"model": 3}
    with ScriptedModel([]) as model, pytest.raises(AgentStartFailed, match="expected a string"):
        await start(tmp_path, settings_for(model, home, wrong))


async def test_a_missing_codex_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(AgentNotFound, match=r"codex\.command"):
        await start(tmp_path, CodexSettings(command=("/nowhere/codex",)))


def stand_in(tmp_path: Path, body: str) -> CodexSettings:
    program = tmp_path / "codex"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return CodexSettings(
        command=(str(program),), start_timeout=2.0, env={"SECRET": SecretStr("hunter2")}
    )


async def test_an_old_codex_is_refused(tmp_path: Path) -> None:
    reply = '{"id":1,"result":{"userAgent":"autopilot-ls/0.120.3 (x)"}}'
    with pytest.raises(AgentTooOld, match=r"0\.120\.3 is too old"):
        await start(tmp_path, stand_in(tmp_path, f"read line; echo '{reply}'; cat"))


async def test_a_codex_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(AgentStartFailed, match="boom"):
        await start(tmp_path, stand_in(tmp_path, "echo boom >&2; exit 3"))


async def test_a_codex_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(AgentStartFailed, match="not ready within 2 seconds"):
        await start(tmp_path, stand_in(tmp_path, "exec sleep 600"))


async def test_declined_without_a_reason_goes_on(tmp_path: Path) -> None:
    with ScriptedModel([patch(ADD, call_id="p1"), message("done")]) as model:
        async with codex(model, tmp_path) as session:
            ended = await session.turn(decide=decline)
            started = session.sink.bodies(TurnStarted)
            items = [each.item for each in session.sink.bodies(ItemStarted)]
    assert ended.status is TurnStatus.COMPLETED
    assert len(started) == 1
    assert not [each for each in items if isinstance(each, CommandExecution)]


async def test_a_resume_that_hangs_becomes_a_fork(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedModel([message("first"), message("second")]) as model:
        async with codex(model, tmp_path) as session:
            await session.turn("remember 42")
            thread = session.thread_id
        # No Codex replies this fast, which looks the same as one that never does.
        monkeypatch.setattr(conversation, "RESUME_TIMEOUT", 0.0001)
        async with codex(model, tmp_path, resume=thread) as session:
            assert session.thread_id != thread
            ended = await session.turn("again")
        assert ended.status is TurnStatus.COMPLETED
        assert "remember 42" in str(model.requests[-1]["input"])


async def test_a_flood_loses_nothing(tmp_path: Path) -> None:
    deltas = 20_000
    with ScriptedModel([flood(deltas)]) as model:
        async with codex(model, tmp_path) as session:
            ended = await session.turn()
            pieces = session.sink.bodies(TextDelta)
    assert ended.status is TurnStatus.COMPLETED
    assert "".join(each.text for each in pieces) == "".join(f"{n:016d}" for n in range(deltas))
    assert len(pieces) < deltas / 3


async def test_without_a_login_that_is_needed_nothing_is_begun(tmp_path: Path) -> None:
    needed: Mapping[str, JsonValue] = {
        "model_providers": {"autopilot_scripted": {"requires_openai_auth": True}}
    }
    with ScriptedModel([message("done")]) as model:
        with pytest.raises(NotLoggedIn, match="autopilot-ls login"):
            async with codex(model, tmp_path, config=needed):
                raise AssertionError("a thread was opened")
        assert not model.requests
