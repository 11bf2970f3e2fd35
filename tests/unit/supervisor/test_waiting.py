"""Messages that a person leaves while a turn runs: when they go, when they are held, that none is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.events import (
    MessageQueued,
    MessagesHeld,
    MessageUnqueued,
    Notice,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.model.queue import WaitingMessage
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.requests import QueueMessage, Reference
from autopilot_ls.supervisor.supervisor import open_supervisor
from tests.support.watcher import Watcher
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.played_runtime import PlayedFactory

pytestmark = pytest.mark.anyio


async def leave(stage: Stage, text: str) -> str:
    return await stage.supervisor.messages.queue(
        QueueMessage(session_id=stage.session_id, text=text), "editor"
    )


def waiting(stage: Stage) -> list[tuple[str, bool]]:
    queue = stage.supervisor.snapshot(stage.session_id).queue
    return [(message.text, message.held) for message in queue]


def held_notices(stage: Stage) -> list[str]:
    return [notice.message for notice in stage.view.all(Notice) if notice.code == "messages-held"]


async def test_messages_go_in_order_each_as_a_turn_of_its_own(stage: Stage) -> None:
    await stage.start("one")
    await leave(stage, "two")
    await leave(stage, "three")
    assert waiting(stage) == [("two", False), ("three", False)]
    assert stage.agent.texts == ["one"]
    stage.agent.end_turn()
    await stage.view.saw(MessageUnqueued)
    assert (stage.agent.texts, waiting(stage)) == (["one", "two"], [("three", False)])
    stage.agent.end_turn()
    await stage.view.saw(MessageUnqueued, 2)
    assert (stage.agent.texts, waiting(stage)) == (["one", "two", "three"], [])
    assert {body.why for body in stage.view.all(MessageUnqueued)} == {"sent"}


async def test_a_message_goes_at_once_when_no_turn_runs(stage: Stage) -> None:
    await stage.start("one")
    stage.agent.end_turn()
    await leave(stage, "two")
    await stage.view.saw(MessageUnqueued)
    assert stage.agent.texts == ["one", "two"]


@pytest.mark.parametrize("status", [TurnStatus.INTERRUPTED, TurnStatus.FAILED, TurnStatus.UNKNOWN])
async def test_messages_are_held_when_the_turn_was_not_completed(
    stage: Stage, status: TurnStatus
) -> None:
    await stage.start("one")
    first = await leave(stage, "two")
    await leave(stage, "three")
    stage.agent.end_turn(status)
    await stage.view.saw(MessagesHeld)
    assert waiting(stage) == [("two", True), ("three", True)]
    assert "2 waiting messages are held" in held_notices(stage)[0]
    # A person goes on with something else: what is held stays so, what is new goes after it.
    await stage.start("other")
    await leave(stage, "four")
    stage.agent.end_turn()
    await stage.view.saw(MessageUnqueued)
    assert stage.agent.texts == ["one", "other", "four"]
    assert waiting(stage) == [("two", True), ("three", True)]
    stage.agent.end_turn()
    await stage.supervisor.messages.release(stage.session_id, first)
    await stage.view.saw(MessageUnqueued, 2)
    assert stage.agent.texts == ["one", "other", "four", "two"]
    assert waiting(stage) == [("three", True)]


async def test_an_interrupt_by_a_person_holds_even_where_the_turn_got_to_its_end(
    stage: Stage,
) -> None:
    await stage.start("one")
    await leave(stage, "two")
    agent = stage.agent
    agent.obeys_interrupt = False

    async def ends_by_itself() -> None:
        agent.end_turn(TurnStatus.COMPLETED)

    agent.interrupt_turn = ends_by_itself
    await stage.supervisor.interrupt(stage.session_id, "editor")
    await stage.view.saw(MessagesHeld)
    assert agent.texts == ["one"]


async def test_the_death_of_the_agent_holds(stage: Stage) -> None:
    await stage.start("one")
    await leave(stage, "two")
    await stage.supervisor._sessions[stage.session_id]._agent.stop()
    await stage.view.saw(MessagesHeld)
    assert waiting(stage) == [("two", True)]


async def test_a_mode_that_stops_and_continues_the_turn_does_not_hold(stage: Stage) -> None:
    from autopilot_ls.model.approvals import Mode

    await stage.start("one")
    await leave(stage, "two")
    await stage.supervisor.set_mode(
        Mode.READ_ONLY, session_id=stage.session_id, changed_by="editor"
    )
    await stage.view.saw(TurnStarted, 2)
    assert waiting(stage) == [("two", False)]
    stage.agent.end_turn()
    await stage.view.saw(MessageUnqueued)
    assert stage.agent.texts[-1] == "two"
    assert not stage.view.all(MessagesHeld)


async def test_what_cannot_be_sent_is_held_with_the_reason(stage: Stage) -> None:
    from autopilot_ls.model.errors import AgentError

    await stage.start("one")
    await leave(stage, "two")

    async def refuses(*_: object) -> str:
        raise AgentError("No more today.")

    agent = stage.agent
    agent.start_turn = refuses  # pyright: ignore[reportAttributeAccessIssue]
    agent.end_turn()
    await stage.view.saw(MessagesHeld)
    assert waiting(stage) == [("two", True)]
    assert "No more today." in held_notices(stage)[0]


async def test_a_message_can_be_taken_back_once(stage: Stage) -> None:
    await stage.start("one")
    message_id = await leave(stage, "two")
    await stage.supervisor.messages.unqueue(stage.session_id, message_id)
    assert waiting(stage) == []
    assert [body.why for body in stage.view.all(MessageUnqueued)] == ["dropped"]
    with pytest.raises(InvalidRequest):
        await stage.supervisor.messages.unqueue(stage.session_id, message_id)
    with pytest.raises(InvalidRequest):
        await stage.supervisor.messages.release(stage.session_id, None)


async def test_number_and_size_are_bounded(stage: Stage) -> None:
    await stage.start("one")
    for number in range(20):
        await leave(stage, str(number))
    with pytest.raises(InvalidRequest, match="20 messages wait"):
        await leave(stage, "more")
    assert len(stage.view.all(MessageQueued)) == 20
    for message in stage.supervisor.snapshot(stage.session_id).queue:
        await stage.supervisor.messages.unqueue(stage.session_id, message.id)
    await leave(stage, "x" * 1_000_000)
    await leave(stage, "x" * 1_000_000)
    with pytest.raises(InvalidRequest, match="characters"):
        await leave(stage, "x")


async def test_a_message_that_is_refused_leaves_no_session_open(stage: Stage) -> None:
    await stage.start("one")
    for _ in range(2):
        await leave(stage, "x" * 1_000_000)
    await stage.supervisor.close_session(stage.session_id)
    with pytest.raises(InvalidRequest, match="characters"):
        await leave(stage, "x")
    assert stage.supervisor.live_sessions() == ()
    stage.supervisor.store.open(stage.session_id).close()


async def test_what_is_pointed_at_goes_along(stage: Stage) -> None:
    await stage.start("one")
    place = Reference(path=str(stage.workspace / "a.py"), start_line=1, text="x = 1")
    request = QueueMessage(session_id=stage.session_id, text="two", references=(place,))
    await stage.supervisor.messages.queue(request, "editor")
    stage.agent.end_turn()
    await stage.view.saw(MessageUnqueued)
    assert "See a.py, line 2:" in stage.agent.texts[-1]


async def test_a_restart_holds_what_waited(settings: Settings, tmp_path: Path) -> None:
    workspace = tmp_path / "work"
    workspace.mkdir()
    factory, view = PlayedFactory(), Watcher()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        stage = Stage(supervisor, factory, view, workspace, supervisor.attach(view))
        await stage.start("one")
        message_id = await leave(stage, "two")
    factory, view = PlayedFactory(), Watcher()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        again = Stage(
            supervisor, factory, view, workspace, supervisor.attach(view), stage.session_id
        )
        (message,) = supervisor.snapshot(again.session_id).queue
        assert isinstance(message, WaitingMessage)
        assert message.id == message_id
        await supervisor.resume(again.session_id)
        assert waiting(again) == [("two", True)]
        assert held_notices(again)
        assert again.agent.texts == []
        await supervisor.messages.release(again.session_id, None)
        await view.saw(MessageUnqueued)
        assert again.agent.texts == ["two"]
