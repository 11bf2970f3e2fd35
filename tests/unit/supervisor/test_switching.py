"""Another mode in mid-turn, and a sandbox that follows the policy: what goes on, and what is stopped."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from autopilot_ls.model.approvals import DecisionKind, Mode
from autopilot_ls.model.errors import AgentError, AgentStartFailed, NoActiveTurn
from autopilot_ls.model.events import ModeChanged, Notice, ThreadOpened, TurnStarted, TurnStatus
from autopilot_ls.runtimes.base import ThreadInfo, ThreadOptions
from autopilot_ls.supervisor.requests import StartTurn
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.played_runtime import PlayedRuntime, command

LIMIT = 20


async def _set(stage: Stage, mode: Mode) -> None:
    with anyio.fail_after(LIMIT):
        await stage.supervisor.set_mode(mode, session_id=stage.session_id, changed_by="me")


def _statuses(stage: Stage) -> list[TurnStatus]:
    turns = stage.supervisor.snapshot(stage.session_id).turns
    return [turn.status for turn in turns if turn.id]


def _notices(stage: Stage, code: str) -> list[str]:
    return [notice.message for notice in stage.view.all(Notice) if notice.code == code]


async def test_a_turn_with_a_looser_sandbox_goes_on_in_a_new_process_and_the_same_thread(
    stage: Stage,
) -> None:
    await stage.start("build it")
    first = stage.agent
    await _set(stage, Mode.READ_ONLY)
    second = stage.agent
    assert second is not first
    assert second.resumed == ["thread"]
    assert (second.modes, len(first.texts), stage.factory.closed) == ([Mode.READ_ONLY], 1, 1)
    assert "changed to read-only" in second.texts[0]
    assert _statuses(stage) == [TurnStatus.INTERRUPTED, TurnStatus.IN_PROGRESS]
    assert [opened.how for opened in stage.view.all(ThreadOpened)] == ["started", "resumed"]
    (told,) = _notices(stage, "mode")
    assert "the turn is interrupted and goes on" in told


async def test_who_waits_for_the_turn_waits_for_what_continues_it(stage: Stage) -> None:
    await stage.start()
    ended = anyio.Event()

    async def wait() -> None:
        await stage.supervisor.wait_turn_ended(stage.session_id)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await _set(stage, Mode.READ_ONLY)
        await anyio.wait_all_tasks_blocked()
        assert not ended.is_set()
        stage.agent.end_turn()
        with anyio.fail_after(LIMIT):
            await ended.wait()


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.ESCALATE])
async def test_a_mode_with_the_same_sandbox_leaves_the_turn_alone(stage: Stage, mode: Mode) -> None:
    await stage.start()
    await _set(stage, mode)
    assert len(stage.factory.runtimes) == 1
    assert _statuses(stage) == [TurnStatus.IN_PROGRESS]
    assert _notices(stage, "mode") == []


async def test_a_looser_mode_says_that_its_sandbox_comes_with_the_next_turn(stage: Stage) -> None:
    await stage.supervisor.set_mode(Mode.READ_ONLY, session_id=None, changed_by="me")
    await stage.start()
    await _set(stage, Mode.AUTO)
    assert len(stage.factory.runtimes) == 1
    (told,) = _notices(stage, "mode")
    assert "from the next turn" in told


async def test_what_an_idle_agent_left_running_is_ended_with_its_sandbox(stage: Stage) -> None:
    await stage.start()
    stage.agent.end_turn()
    await _set(stage, Mode.READ_ONLY)
    assert stage.factory.closed == 1
    assert _statuses(stage) == [TurnStatus.COMPLETED]
    await stage.start("next")
    assert stage.agent.modes == [Mode.READ_ONLY]


async def test_a_turn_that_ends_by_itself_is_not_continued(stage: Stage) -> None:
    await stage.start()
    agent = stage.agent

    async def ends_instead() -> None:
        agent.end_turn()
        raise NoActiveTurn("It has ended.")

    agent.interrupt_turn = ends_instead
    await _set(stage, Mode.READ_ONLY)
    assert stage.factory.closed == 1
    assert _statuses(stage) == [TurnStatus.COMPLETED]


async def test_an_agent_that_refuses_to_stop_is_ended_and_goes_on_stricter(stage: Stage) -> None:
    await stage.start()

    async def refuses() -> None:
        raise AgentError("No.")

    stage.agent.interrupt_turn = refuses
    await _set(stage, Mode.READ_ONLY)
    assert stage.factory.closed == 1
    assert stage.agent.modes == [Mode.READ_ONLY]


async def test_what_fails_on_the_way_leaves_the_turn_stopped_and_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()

    async def fails(self: PlayedRuntime, thread_id: str, options: ThreadOptions) -> ThreadInfo:
        del self, thread_id, options
        raise AgentStartFailed("The thread is gone.")

    monkeypatch.setattr(PlayedRuntime, "resume_thread", fails)
    await _set(stage, Mode.READ_ONLY)
    assert stage.supervisor.snapshot(stage.session_id).mode is Mode.READ_ONLY
    assert _statuses(stage) == [TurnStatus.INTERRUPTED]
    assert any("could not go on: The thread is gone." in n.message for n in stage.view.all(Notice))
    monkeypatch.undo()
    await stage.start("again")
    assert stage.agent.modes == [Mode.READ_ONLY]


async def test_a_person_who_stops_the_turn_while_it_is_switched_has_it_stopped(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    resuming, go_on = anyio.Event(), anyio.Event()

    async def slow(self: PlayedRuntime, thread_id: str, options: ThreadOptions) -> ThreadInfo:
        del self, options
        resuming.set()
        await go_on.wait()
        return ThreadInfo(thread_id, "model", "resumed")

    monkeypatch.setattr(PlayedRuntime, "resume_thread", slow)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_set, stage, Mode.READ_ONLY)
        with anyio.fail_after(LIMIT):
            await resuming.wait()
        tasks.start_soon(stage.supervisor.interrupt, stage.session_id, "me")
        await anyio.wait_all_tasks_blocked()
        go_on.set()
    assert _statuses(stage) == [TurnStatus.INTERRUPTED]
    assert not any(notice.severity == "error" for notice in stage.view.all(Notice))


async def test_two_switches_at_once_end_in_the_last_mode_and_one_turn(stage: Stage) -> None:
    await stage.start()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_set, stage, Mode.READ_ONLY)
        tasks.start_soon(_set, stage, Mode.AUTO)
    state = stage.supervisor.snapshot(stage.session_id)
    assert state.mode is Mode.AUTO
    assert [changed.mode for changed in stage.view.all(ModeChanged)] == [Mode.READ_ONLY, Mode.AUTO]
    assert _statuses(stage)[-1] is TurnStatus.IN_PROGRESS
    assert _statuses(stage).count(TurnStatus.IN_PROGRESS) == 1
    await _set(stage, Mode.READ_ONLY)
    assert stage.agent.modes[-1] is Mode.READ_ONLY
    assert _statuses(stage).count(TurnStatus.IN_PROGRESS) == 1


async def test_a_switch_while_a_turn_is_started_waits_and_then_holds(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting, go_on = anyio.Event(), anyio.Event()
    start_turn = PlayedRuntime.start_turn

    async def slow(
        self: PlayedRuntime, text: str, options: ThreadOptions, images: Sequence[str]
    ) -> str:
        starting.set()
        await go_on.wait()
        return await start_turn(self, text, options, images)

    monkeypatch.setattr(PlayedRuntime, "start_turn", slow)
    await stage.supervisor.resume(await _made(stage))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.start)
        with anyio.fail_after(LIMIT):
            await starting.wait()
        tasks.start_soon(_set, stage, Mode.READ_ONLY)
        await anyio.wait_all_tasks_blocked()
        go_on.set()
    assert [runtime.modes for runtime in stage.factory.runtimes][-2:] == [
        [Mode.PROPOSE],
        [Mode.READ_ONLY],
    ]
    assert _statuses(stage) == [TurnStatus.INTERRUPTED, TurnStatus.IN_PROGRESS]


async def _made(stage: Stage) -> str:
    """Return a session that is open and has had no turn."""
    session = stage.supervisor._sessions.create(stage.workspace, Mode.PROPOSE, "T")
    stage.session_id = session.record.session_id
    return stage.session_id


async def test_a_switch_ends_the_wait_for_a_command_that_runs_and_declines_what_asks(
    stage: Stage,
) -> None:
    await stage.start()
    first = stage.agent
    first.ask(command("make", stage.workspace))
    await _set(stage, Mode.READ_ONLY)
    # The answer goes out before the process is ended.
    assert [(key, d.kind) for key, d in first.answers] == [("k1", DecisionKind.DECLINE)]
    assert not any(notice.severity == "error" for notice in stage.view.all(Notice))


async def test_closing_a_session_in_the_middle_of_a_switch_ends_it_in_order(stage: Stage) -> None:
    await stage.start()
    stage.agent.obeys_interrupt = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_set, stage, Mode.READ_ONLY)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(LIMIT):
            await stage.supervisor.close_session(stage.session_id)
    assert stage.factory.closed == 1
    assert len(stage.view.all(TurnStarted)) == 1


async def test_a_mode_given_with_a_turn_restarts_an_agent_whose_sandbox_is_looser(
    stage: Stage,
) -> None:
    await stage.start()
    stage.agent.end_turn()
    request = StartTurn(text="look", session_id=stage.session_id, mode=Mode.READ_ONLY)
    await stage.supervisor.start_turn(request, "me")
    assert [runtime.modes for runtime in stage.factory.runtimes] == [
        [Mode.PROPOSE],
        [Mode.READ_ONLY],
    ]


# The policy's paths ---------------------------------------------------------------------------------


def _policy(stage: Stage, edit: str) -> None:
    (stage.workspace.parent / "policy.toml").write_text(
        f'version = 1\n[[rule]]\nname = "k"\nverdict = "deny"\nedit = ["{edit}"]\nreason = "R."\n'
    )


async def _turn(stage: Stage) -> None:
    await stage.start()
    stage.agent.end_turn()


async def test_the_agent_is_started_anew_only_when_something_else_is_to_be_held(
    stage: Stage,
) -> None:
    kept, other = stage.workspace / "kept.txt", stage.workspace / "other.txt"
    kept.write_text("x")
    other.write_text("x")
    _policy(stage, "kept.txt")
    await _turn(stage)
    held = stage.factory.options[-1].held
    assert held[Mode.AUTO].read_only == (str(kept),)
    assert held[Mode.READ_ONLY].read_only == ()
    await _turn(stage)
    assert len(stage.factory.runtimes) == 1
    _policy(stage, "*.txt")
    await _turn(stage)
    assert stage.factory.options[-1].held[Mode.PROPOSE].read_only == (str(kept), str(other))
    assert stage.agent.resumed == ["thread"]
    (told,) = _notices(stage, "sandbox-renewed")
    assert "started anew" in told
    # What has vanished needs no new sandbox, and what is free again does.
    kept.unlink()
    await _turn(stage)
    assert len(stage.factory.runtimes) == 2
    _policy(stage, "kept.txt")
    await _turn(stage)
    assert len(stage.factory.runtimes) == 3
    assert stage.factory.options[-1].held[Mode.PROPOSE].read_only == ()


async def test_what_cannot_be_held_is_told_once(stage: Stage) -> None:
    (stage.workspace / "link.pem").symlink_to(stage.workspace)
    await _turn(stage)
    await _turn(stage)
    (told,) = _notices(stage, "sandbox-gaps")
    assert "(link.pem)" in told


async def test_without_knowing_what_to_hold_no_agent_is_started(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError("broken")

    monkeypatch.setattr("autopilot_ls.supervisor.holding.compile_profiles", broken)
    with pytest.raises(AgentError, match="what the sandbox must hold"):
        await stage.start()
    assert stage.factory.runtimes == []
