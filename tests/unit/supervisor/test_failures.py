"""What fails leaves nothing behind: no lock, no half session, nobody who waits, no other session hurt."""

from __future__ import annotations

import resource
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from autopilot_ls.model.approvals import Decision, DecisionKind, Mode
from autopilot_ls.model.errors import (
    AgentDied,
    AgentError,
    AgentStartFailed,
    AutopilotError,
    InvalidRequest,
    SessionBusy,
    SessionNotFound,
    TraceFull,
)
from autopilot_ls.model.events import (
    Event,
    FilesSettled,
    RuntimeExited,
    TurnCompleted,
    TurnStatus,
)
from autopilot_ls.model.items import ItemStatus
from autopilot_ls.runtimes.base import (
    AccountInfo,
    LoginEnded,
    RuntimeEvent,
    ThreadInfo,
    ThreadOptions,
)
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.aftermath import Aftermath
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.supervisor import open_supervisor
from autopilot_ls.trace.store import TraceStore
from autopilot_ls.trace.writer import SessionTrace
from tests.support.watcher import Watcher
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.played_runtime import PlayedFactory, PlayedRuntime, command, update

ACCEPT = DecisionKind.ACCEPT


@contextmanager
def _full_disk(stage: Stage) -> Generator[None]:
    folder = stage.supervisor.store._root / stage.session_id
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((folder / "events.jsonl").stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def _until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(30):
        while not condition():
            await anyio.lowlevel.checkpoint()


def _released(stage: Stage, session_id: str) -> bool:
    stage.supervisor.store.open(session_id).close()
    return True


async def test_a_full_disk_in_a_decision_of_the_policy_hurts_nobody_else(stage: Stage) -> None:
    await stage.start()
    other = stage.session_id
    stage.session_id = ""
    await stage.start("other")
    with _full_disk(stage):
        stage.agent.ask(command("ls", stage.workspace))
        await _until(lambda: stage.factory.closed)
    stage.factory.runtimes[0].ask(command("ls", stage.workspace))
    await stage.factory.runtimes[0].answered(1)
    assert stage.supervisor.snapshot(other).active_turn is not None


async def test_a_full_disk_lets_nobody_wait_for_ever_and_the_session_goes_on_later(
    stage: Stage,
) -> None:
    await stage.start()
    with _full_disk(stage):
        stage.agent.ask(command("make", stage.workspace))
        with anyio.fail_after(5):
            await stage.supervisor.wait_turn_ended(stage.session_id)
        ended = await stage.view.saw(TurnCompleted)
        assert isinstance(ended, TurnCompleted)
        assert (ended.status, ended.error_code) == (TurnStatus.FAILED, "trace-full")
        snapshot = stage.supervisor.snapshot(stage.session_id)
        assert (snapshot.active_turn, snapshot.pending, snapshot.alive) == (None, (), False)
        await _until(lambda: stage.factory.closed)
        with pytest.raises(AutopilotError):
            await stage.start("not yet")
    await stage.start("again")
    snapshot = stage.supervisor.snapshot(stage.session_id)
    assert snapshot.active_turn is not None
    assert snapshot.pending == ()
    replayed = stage.supervisor._sessions.replay(stage.session_id).snapshot()
    assert replayed == snapshot


async def test_a_record_at_its_limit_says_why_the_turn_ended(stage: Stage) -> None:
    await stage.start()
    trace = stage.supervisor._sessions[stage.session_id].record.trace
    trace._max_bytes = trace.size_bytes
    with pytest.raises(TraceFull):
        stage.agent.sink.record("in", [b"{}"])
    ended = await stage.view.saw(TurnCompleted)
    assert (ended.status, ended.error_code) == (TurnStatus.FAILED, "trace-full")
    assert "limit" in ended.error


class _Faulty(Watcher):
    def events_applied(self, session_id: str, events: Sequence[Event]) -> None:
        del session_id, events
        raise RuntimeError("a fault in a client")

    def files_written(self, paths: Sequence[Path]) -> None:
        del paths
        raise RuntimeError("a fault in a client")

    def account_changed(self, account: AccountInfo, login_id: str, error: str) -> None:
        del account, login_id, error
        raise RuntimeError("a fault in a client")


async def test_a_faulty_client_harms_neither_the_agent_nor_the_others(stage: Stage) -> None:
    stage.supervisor._views.insert(0, _Faulty(name="faulty"))
    file = stage.workspace / "a"
    file.write_text("a\n")
    await stage.start()
    stage.agent.ask(update(file, "a", "b"))
    await stage.supervisor.decide(stage.waiting()[0].id, ACCEPT, decided_by="me")
    assert len(await stage.agent.answered(1)) == 1
    file.write_text("b\n")
    stage.agent.patch_done()
    await stage.view.saw(FilesSettled)
    await _until(lambda: stage.view.written)


async def test_a_client_that_fails_on_news_of_the_account_hurts_nobody(stage: Stage) -> None:
    await stage.start()
    faulty = _Faulty(name="faulty")
    stage.supervisor._views.insert(0, faulty)
    await stage.supervisor.accounts.login("browser")
    stage.agent.say(LoginEnded("login1"))
    await stage.view.until(lambda: bool(stage.view.accounts))
    await anyio.wait_all_tasks_blocked()
    assert stage.supervisor.snapshot(stage.session_id).active_turn is not None


async def test_a_fault_that_nobody_foresaw_ends_no_other_session(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    first, stage.session_id = stage.session_id, ""
    await stage.start()

    async def fail(_self: Aftermath, *, everything: bool = False) -> None:
        raise RuntimeError(f"boom {everything}")

    with monkeypatch.context() as patched:
        patched.setattr(Aftermath, "settle", fail)
        await stage.supervisor.close_session(stage.session_id)
    assert stage.supervisor.live_sessions() == (first,)
    assert stage.supervisor.snapshot(first).active_turn is not None
    assert _released(stage, stage.session_id)


async def test_closing_is_carried_out_though_nobody_waits_for_it_any_more(stage: Stage) -> None:
    await stage.start()
    stage.agent.ask(command("make", stage.workspace))
    with anyio.CancelScope() as scope:
        stage.agent.on_answer = lambda _key, _decision: scope.cancel()
        await stage.supervisor.close_session(stage.session_id)
    assert stage.factory.closed == 1
    assert _released(stage, stage.session_id)
    recorded = stage.supervisor.snapshot(stage.session_id)
    assert (recorded.alive, recorded.pending, recorded.active_turn) == (False, (), None)


async def _refuse(_self: PlayedRuntime, _options: ThreadOptions) -> ThreadInfo:
    raise AgentStartFailed("no login")


async def test_a_new_session_whose_agent_does_not_start_is_released(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlayedRuntime, "start_thread", _refuse)
    with pytest.raises(AgentStartFailed, match="no login"):
        await stage.start()
    assert stage.supervisor.live_sessions() == ()
    (summary,) = stage.supervisor.sessions()
    assert not summary.in_use
    assert _released(stage, summary.id)


async def test_a_recorded_session_whose_agent_does_not_start_is_released(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    await stage.supervisor.close_session(stage.session_id)

    async def refuse(_self: PlayedRuntime, _id: str, _options: ThreadOptions) -> ThreadInfo:
        raise AgentStartFailed("no login")

    monkeypatch.setattr(PlayedRuntime, "resume_thread", refuse)
    for attempt in (stage.supervisor.resume, lambda _id: stage.start("again")):
        with pytest.raises(AgentStartFailed):
            await attempt(stage.session_id)
        assert stage.supervisor.live_sessions() == ()
        assert _released(stage, stage.session_id)


async def test_an_unknown_runtime_leaves_nothing(tmp_path: Path, settings: Settings) -> None:
    async with open_supervisor(settings, factories={"other": PlayedFactory()}) as supervisor:
        with pytest.raises(InvalidRequest, match="no runtime"):
            await supervisor.start_turn(StartTurn(text="x", cwd=str(tmp_path)), "me")
        assert supervisor.live_sessions() == ()
        with pytest.raises(InvalidRequest, match="no runtime"):
            await supervisor.list_models(tmp_path)
    root = settings.state_folder / "sessions"
    assert not root.exists() or list(root.iterdir()) == []


async def test_a_session_that_cannot_be_recorded_is_not_begun(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: SessionTrace, _events: Sequence[Event]) -> None:
        raise TraceFull("no room")

    monkeypatch.setattr(SessionTrace, "append", full)
    with pytest.raises(TraceFull):
        await stage.start()
    assert stage.supervisor.live_sessions() == ()
    for folder in (stage.supervisor.store._root).iterdir():
        assert _released(stage, folder.name)


async def test_an_agent_that_dies_before_its_turn_begins_is_an_error(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(self: PlayedRuntime, _text: str, *_more: object) -> str:
        self.say(RuntimeEvent(RuntimeExited(expected=False, code=1)))
        return "turn1"

    monkeypatch.setattr(PlayedRuntime, "start_turn", die)
    with pytest.raises(AgentDied):
        await stage.start()


async def test_a_refused_turn_lets_nobody_wait(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    stage.agent.end_turn()

    async def refuse(_self: PlayedRuntime, _text: str, *_more: object) -> str:
        raise AgentError("refused")

    monkeypatch.setattr(PlayedRuntime, "start_turn", refuse)
    with pytest.raises(AgentError, match="refused"):
        await stage.start("again")
    with anyio.fail_after(5):
        await stage.supervisor.wait_turn_ended(stage.session_id)


async def test_a_refused_start_changes_no_mode(stage: Stage) -> None:
    await stage.start()
    request = StartTurn(text="x", session_id=stage.session_id, mode=Mode.READ_ONLY)
    with pytest.raises(SessionBusy):
        await stage.supervisor.start_turn(request, "me")
    assert stage.supervisor.snapshot(stage.session_id).mode is Mode.PROPOSE


async def test_two_clients_may_close_a_session_at_once(stage: Stage) -> None:
    await stage.start()
    outcomes = list[str]()

    async def close() -> None:
        try:
            await stage.supervisor.close_session(stage.session_id)
        except SessionNotFound as error:
            outcomes.append(error.code)
        else:
            outcomes.append("closed")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(close)
        tasks.start_soon(close)
    assert "closed" in outcomes
    assert stage.supervisor.live_sessions() == ()


async def test_a_session_resumed_while_it_is_closed_is_opened_anew(stage: Stage) -> None:
    await stage.start()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.supervisor.close_session, stage.session_id)
        await anyio.lowlevel.checkpoint()
        tasks.start_soon(stage.supervisor.resume, stage.session_id)
    assert stage.supervisor.live_sessions() == (stage.session_id,)
    assert stage.supervisor.snapshot(stage.session_id).alive


async def test_closing_does_not_wait_for_an_agent_that_does_not_come_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_self: PlayedRuntime, _options: ThreadOptions) -> ThreadInfo:
        await anyio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(PlayedRuntime, "start_thread", hang)
    failures = list[AutopilotError]()

    async def start() -> None:
        try:
            await stage.start()
        except AutopilotError as error:
            failures.append(error)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(start)
            await _until(stage.supervisor.live_sessions)
            await _until(lambda: stage.factory.runtimes)
            await stage.supervisor.close_session(stage.supervisor.live_sessions()[0])
    assert len(failures) == 1
    assert stage.factory.closed == 1


async def test_an_end_that_cannot_be_recorded_releases_everything(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = PlayedFactory()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        ids = [
            (await supervisor.start_turn(StartTurn(text="x", cwd=str(tmp_path)), "me")).session_id
            for _ in range(2)
        ]
        for runtime in factory.runtimes:
            runtime.ask(command("make", tmp_path))
        append = SessionTrace.append

        def full(self: SessionTrace, events: Sequence[Event]) -> None:
            if self.session_id == ids[0]:
                raise TraceFull("no room")
            append(self, events)

        monkeypatch.setattr(SessionTrace, "append", full)
    assert factory.closed == 2
    assert [d.kind for _, d in factory.runtimes[1].answers] == [DecisionKind.CANCEL]
    for session_id in ids:
        supervisor.store.open(session_id).close()


async def test_a_half_written_patch_is_restored_when_everything_ends(
    settings: Settings, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a\n")
    two.write_text("b\n")
    first, second = update(one, "a", "A"), update(two, "b", "B")
    factory = PlayedFactory()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        request = StartTurn(text="x", cwd=str(tmp_path))
        session_id = (await supervisor.start_turn(request, "me")).session_id
        factory.last.ask(first.model_copy(update={"changes": first.changes + second.changes}))
        await supervisor.decide(supervisor.approvals()[0].id, ACCEPT, decided_by="me")
        one.write_text("A\n")
    assert one.read_text() == "a\n"
    events = list(supervisor.store.read_events(session_id))
    assert [e.body.outcome for e in events if isinstance(e.body, FilesSettled)] == ["restored"]


async def test_a_crash_between_a_report_and_its_settling_is_settled_later(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_text("a\n")
    factory = PlayedFactory()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        request = StartTurn(text="x", cwd=str(tmp_path))
        session_id = (await supervisor.start_turn(request, "me")).session_id
        factory.last.ask(update(file, "a", "b"))
        patch = supervisor.approvals()[0]
        await supervisor.decide(patch.id, ACCEPT, decided_by="me")
        # All of this happens without the loop coming to the settling.
        factory.last.patch_done(status=ItemStatus.FAILED)
        factory.last.end_turn()
        folder = settings.state_folder / "sessions" / session_id
        crashed = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, content in crashed.items():
        (folder / name).write_bytes(content)
    monkeypatch.setattr(PlayedRuntime, "resume_thread", _refuse_resume)
    async with open_supervisor(settings, factories={"codex": PlayedFactory()}) as again:
        with pytest.raises(AgentStartFailed):
            await again.resume(session_id)
        events = list(again.store.read_events(session_id))
        assert not again.snapshot(session_id).alive
    settled = [e.body for e in events if isinstance(e.body, FilesSettled)]
    assert [(s.approval_id, s.outcome) for s in settled] == [(patch.id, "unchanged")]


async def _refuse_resume(_self: PlayedRuntime, _id: str, _options: ThreadOptions) -> ThreadInfo:
    raise AgentStartFailed("no login")


async def test_a_fault_while_tidying_is_logged_and_ends_nothing(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_self: TraceStore) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(TraceStore, "prune", fail)
    async with open_supervisor(settings, factories={"codex": PlayedFactory()}) as supervisor:
        await _until(lambda: "boom" in caplog.text)
        await supervisor.start_turn(StartTurn(text="x", cwd=str(tmp_path)), "me")


async def test_a_fault_of_our_own_while_taking_a_report_ends_this_agent_only(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()

    def fail(*_args: object, **_named: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("autopilot_ls.supervisor.policies.Policies.judge", fail)
    stage.agent.ask(command("make", stage.workspace))
    await _until(lambda: stage.factory.closed)
    ended = await stage.view.saw(TurnCompleted)
    assert ended.status is TurnStatus.FAILED
    assert "boom" in ended.error


async def test_an_answer_that_fails_in_an_unforeseen_way_hurts_nobody_else(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()

    async def fail(_self: PlayedRuntime, _key: str, _decision: Decision) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(PlayedRuntime, "answer", fail)
    stage.agent.ask(command("ls", stage.workspace))
    await anyio.wait_all_tasks_blocked()
    assert stage.supervisor.snapshot(stage.session_id).active_turn is not None
