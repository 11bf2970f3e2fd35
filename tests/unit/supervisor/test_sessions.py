"""Sessions outlive agents, supervisors and crashes."""

from __future__ import annotations

import resource
from pathlib import Path

import anyio
import pytest

from autopilot_ls.model.approvals import DecisionKind, Mode
from autopilot_ls.model.errors import (
    AgentError,
    InvalidRequest,
    NoActiveTurn,
    SessionBusy,
    SessionNotFound,
)
from autopilot_ls.model.events import (
    ApprovalRequested,
    FilesSettled,
    ItemStarted,
    Notice,
    RuntimeExited,
    RuntimeStarted,
    SessionCreated,
    ThreadOpened,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.model.items import AgentMessage
from autopilot_ls.runtimes.base import RuntimeEvent, ThreadInfo, ThreadOptions
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.requests import Reference, StartTurn
from autopilot_ls.supervisor.supervisor import open_supervisor
from tests.support.watcher import Watcher
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.played_runtime import PlayedFactory, PlayedRuntime, command, update


async def test_a_turn_is_recorded_from_its_start_to_its_end(stage: Stage) -> None:
    await stage.start("make it so")
    stage.agent.say(RuntimeEvent(ItemStarted(item=AgentMessage(id="m", text="hi"))))
    stage.agent.end_turn()
    kinds = [type(event.body) for event in stage.view.events]
    assert kinds == [
        SessionCreated,
        RuntimeStarted,
        ThreadOpened,
        TurnStarted,
        ItemStarted,
        TurnCompleted,
    ]
    recorded = list(stage.supervisor.store.read_events(stage.session_id))
    assert recorded == stage.view.events
    summary = stage.supervisor.sessions()[0]
    assert (summary.title, summary.state, summary.turns, summary.in_use) == (
        "make it so",
        "completed",
        1,
        True,
    )


async def test_a_second_turn_waits_for_the_first(stage: Stage) -> None:
    await stage.start()
    with pytest.raises(SessionBusy, match="Steer it"):
        await stage.start("again")
    stage.agent.end_turn()
    await stage.start("again")
    assert len(stage.factory.runtimes) == 1


async def idle_checks(stage: Stage, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Wait until it was looked so many times whether the agent is still needed."""
    session = stage.supervisor._sessions[stage.session_id]
    is_needed, looks, enough = session._agent._is_needed, 0, anyio.Event()

    def look() -> bool:
        nonlocal looks
        looks += 1
        if looks == count:
            enough.set()
        return is_needed()

    with monkeypatch.context() as patch, anyio.fail_after(5):
        patch.setattr(session._agent, "_is_needed", look)
        await enough.wait()


async def test_an_agent_that_nobody_needs_is_ended_and_the_next_turn_brings_it_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autopilot_ls.supervisor.agent.IDLE_LIMIT", 0.01)
    await stage.start()
    await idle_checks(stage, monkeypatch, 3)
    assert stage.factory.closed == 0, "a turn is running"
    stage.agent.ask(command("make", stage.workspace))
    stage.agent.end_turn()
    await idle_checks(stage, monkeypatch, 3)
    assert stage.factory.closed == 0, "somebody is asked"
    (approval,) = stage.waiting()
    record = stage.supervisor._sessions[stage.session_id].record
    sync = record.sync

    async def slow_sync() -> None:
        await idle_checks(stage, monkeypatch, 3)
        await sync()

    monkeypatch.setattr(record, "sync", slow_sync)
    await stage.supervisor.decide(approval.id, DecisionKind.DECLINE, decided_by="me")
    assert len(stage.agent.answers) == 1, "the answer was on its way"

    exited = await stage.view.saw(RuntimeExited)
    assert exited.expected
    assert stage.supervisor.live_sessions() == (stage.session_id,)
    assert [turn.status for turn in stage.supervisor.snapshot(stage.session_id).turns] == [
        TurnStatus.COMPLETED
    ]
    await stage.start("again")
    assert len(stage.factory.runtimes) == 2
    assert stage.agent.resumed == ["thread"]
    snapshot = stage.supervisor.snapshot(stage.session_id)
    assert snapshot.alive
    assert snapshot.active_turn is not None


async def test_steering_and_interrupting_need_a_running_turn(stage: Stage) -> None:
    await stage.start()
    await stage.supervisor.steer(stage.session_id, "left")
    assert stage.agent.steered == ["left"]
    stage.agent.end_turn()
    with pytest.raises(NoActiveTurn):
        await stage.supervisor.steer(stage.session_id, "right")
    with pytest.raises(NoActiveTurn):
        await stage.supervisor.interrupt(stage.session_id, "me")


@pytest.mark.parametrize(
    "request_",
    [
        StartTurn(text=" \n"),
        StartTurn(text="x", cwd="relative"),
        StartTurn(text="x", cwd="/does/not/exist"),
        StartTurn(text="x" * 1_000_001),
    ],
)
async def test_senseless_requests_start_nothing(stage: Stage, request_: StartTurn) -> None:
    with pytest.raises(InvalidRequest):
        await stage.supervisor.start_turn(request_, "me")
    assert stage.supervisor.sessions() == []
    assert stage.factory.runtimes == []


async def test_an_unknown_session_is_an_error(stage: Stage) -> None:
    for session_id in ("20260101-000000-abcdef", "../../etc"):
        with pytest.raises(SessionNotFound):
            await stage.supervisor.start_turn(StartTurn(text="x", session_id=session_id), "me")
        with pytest.raises(SessionNotFound):
            stage.supervisor.snapshot(session_id)


async def test_references_become_part_of_the_text(stage: Stage) -> None:
    request = StartTurn(
        text="Explain this",
        cwd=str(stage.workspace),
        references=(
            Reference(
                path=str(stage.workspace / "a.py"), start_line=2, end_line=3, text="x = '```'\n"
            ),
            Reference(path="/elsewhere/b.py"),
        ),
    )
    started = await stage.supervisor.start_turn(request, "me")
    frames = list(stage.supervisor.store.read_frames(started.session_id))
    assert frames[0].text == (
        "Explain this\n\nSee a.py, lines 3 to 4:\n````\nx = '```'\n````\n\nSee /elsewhere/b.py."
    )


async def test_two_supervisors_never_own_one_session(stage: Stage, settings: Settings) -> None:
    await stage.start()
    async with open_supervisor(settings, factories={"codex": PlayedFactory()}) as other:
        assert other.snapshot(stage.session_id).active_turn is not None
        with pytest.raises(SessionBusy):
            await other.resume(stage.session_id)
    stage.agent.end_turn()
    await stage.supervisor.close_session(stage.session_id)
    async with open_supervisor(settings, factories={"codex": PlayedFactory()}) as other:
        await other.resume(stage.session_id)


async def test_a_session_goes_on_after_a_restart(settings: Settings, tmp_path: Path) -> None:
    async with open_supervisor(settings, factories={"codex": PlayedFactory()}) as first:
        request = StartTurn(text="one", cwd=str(tmp_path), mode=Mode.READ_ONLY)
        session_id = (await first.start_turn(request, "me")).session_id
    factory = PlayedFactory()
    async with open_supervisor(settings, factories={"codex": factory}) as second:
        again = StartTurn(text="two", session_id=session_id)
        assert (await second.start_turn(again, "me")).session_id == session_id
        snapshot = second.snapshot(session_id)
        assert factory.last.resumed == ["thread"]
        assert snapshot.mode is Mode.READ_ONLY
        assert [turn.status for turn in snapshot.turns if turn.id] == [
            TurnStatus.INTERRUPTED,
            TurnStatus.IN_PROGRESS,
        ]


async def test_shutting_down_answers_cancel_to_what_waits(
    settings: Settings, tmp_path: Path
) -> None:
    factory = PlayedFactory()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        await supervisor.start_turn(StartTurn(text="x", cwd=str(tmp_path)), "me")
        factory.last.ask(command("make", tmp_path))
    assert [decision.kind for _, decision in factory.last.answers] == [DecisionKind.CANCEL]
    assert factory.closed == 1


async def test_what_a_crash_left_open_is_closed_by_looking_at_the_disk(
    settings: Settings, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    file = work / "a"
    file.write_text("a\n")
    factory, view = PlayedFactory(), Watcher()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        supervisor.attach(view)
        request = StartTurn(text="x", cwd=str(work))
        session_id = (await supervisor.start_turn(request, "me")).session_id
        factory.last.ask(update(file, "a", "b"))
        patch = supervisor.approvals()[0]
        await supervisor.decide(patch.id, DecisionKind.ACCEPT, decided_by="me")
        factory.last.ask(command("make", work), key="k2")
        # The folder as a crash at this moment would leave it.
        folder = settings.state_folder / "sessions" / session_id
        crashed = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, content in crashed.items():
        (folder / name).write_bytes(content)
    file.write_text("b\n")
    async with open_supervisor(settings, factories={"codex": PlayedFactory()}) as again:
        snapshot = await again.resume(session_id)
        events = list(again.store.read_events(session_id))
    assert snapshot.pending == ()
    assert snapshot.turns[0].status is TurnStatus.UNKNOWN
    settled = [e.body for e in events if isinstance(e.body, FilesSettled)]
    assert [(s.approval_id, s.outcome) for s in settled] == [(patch.id, "applied")]


async def test_nothing_is_accepted_that_cannot_be_recorded(stage: Stage) -> None:
    await stage.start()
    stage.agent.ask(command("make", stage.workspace))
    approval = stage.waiting()[0]
    folder = stage.supervisor.store._root / stage.session_id
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((folder / "events.jsonl").stat().st_size, hard))
    try:
        with pytest.raises(Exception, match="record"):
            await stage.supervisor.decide(approval.id, DecisionKind.ACCEPT, decided_by="me")
        with anyio.fail_after(5):
            while stage.factory.closed == 0:
                await anyio.lowlevel.checkpoint()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert stage.agent.answers == []


async def test_a_fault_in_one_session_leaves_the_others_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    first = stage.session_id

    async def fail(_runtime: PlayedRuntime, _options: ThreadOptions) -> ThreadInfo:
        raise RuntimeError("boom")

    monkeypatch.setattr(PlayedRuntime, "start_thread", fail)
    stage.session_id = ""
    with pytest.raises(AgentError, match="boom"):
        await stage.start("other")
    assert stage.supervisor.snapshot(first).active_turn is not None
    notices = [e for e in stage.view.events if isinstance(e.body, Notice)]
    assert notices
    assert all(e.session_id != first for e in notices)


async def test_a_detached_view_hears_nothing_and_the_session_goes_on(stage: Stage) -> None:
    late = Watcher(name="late")
    attachment = stage.supervisor.attach(late)
    await stage.start()
    attachment.detach()
    attachment.detach()
    before = len(late.events)
    stage.agent.ask(command("make", stage.workspace))
    assert len(late.events) == before
    assert isinstance(stage.view.events[-1].body, ApprovalRequested)
