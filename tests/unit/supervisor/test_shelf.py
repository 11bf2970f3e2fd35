"""Whole sessions kept in order: names, putting away, copies, shortening; reviews and what they found."""

from __future__ import annotations

import pytest

from autopilot_ls.model.approvals import Grant, Mode
from autopilot_ls.model.errors import AgentError, InvalidRequest, SessionBusy
from autopilot_ls.model.events import (
    FindingsReported,
    GrantAdded,
    ItemStarted,
    Notice,
    SessionCreated,
    TurnCompleted,
    TurnStatus,
)
from autopilot_ls.model.findings import Finding, ReviewTarget
from autopilot_ls.model.items import CommandExecution
from autopilot_ls.runtimes.base import RuntimeEvent, ThreadInfo
from autopilot_ls.supervisor.requests import StartReview
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.played_runtime import PlayedRuntime

pytestmark = pytest.mark.anyio

CHANGES = ReviewTarget(kind="uncommittedChanges")


async def test_a_closed_session_can_be_renamed_and_stays_closed(stage: Stage) -> None:
    await stage.start()
    stage.agent.end_turn()
    await stage.supervisor.close_session(stage.session_id)
    await stage.supervisor.shelf.rename(stage.session_id, "New\nname")
    assert stage.supervisor.live_sessions() == ()
    (summary,) = stage.supervisor.sessions()
    assert summary.title == "New ⏎ name"
    with pytest.raises(InvalidRequest):
        await stage.supervisor.shelf.rename(stage.session_id, " \n ")


async def test_putting_away_closes_and_tells_the_agent_and_work_brings_back(stage: Stage) -> None:
    await stage.start()
    with pytest.raises(SessionBusy):
        await stage.supervisor.shelf.archive(stage.session_id, archived=True)
    stage.agent.end_turn()
    await stage.supervisor.shelf.archive(stage.session_id, archived=True)
    assert stage.supervisor.live_sessions() == ()
    assert stage.agent.archived == [("thread", True)]
    assert [summary.archived for summary in stage.supervisor.sessions()] == [True]
    await stage.start("again")
    assert [runtime.archived for runtime in stage.factory.runtimes[-2:]] == [
        [("thread", False)],
        [],
    ]
    assert not stage.supervisor.snapshot(stage.session_id).archived


async def test_an_agent_that_does_not_put_away_is_no_obstacle(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise AgentError("no")

    monkeypatch.setattr(PlayedRuntime, "archive_thread", refuse)
    await stage.start()
    stage.agent.end_turn()
    await stage.supervisor.shelf.archive(stage.session_id, archived=True)
    assert stage.supervisor.snapshot(stage.session_id).archived


async def test_a_fork_inherits_neither_grants_nor_what_was_to_be_told(stage: Stage) -> None:
    await stage.start()
    stage.agent.end_turn()
    session = stage.supervisor._sessions[stage.session_id]
    session.record.tell(GrantAdded(grant=Grant(id="g", granted_by="me")))
    await stage.supervisor.set_mode(Mode.AUTO, session_id=stage.session_id, changed_by="me")
    stage.supervisor._sessions.tell_agents([stage.session_id], "facts")
    forked = await stage.supervisor.shelf.fork(stage.session_id, None)
    snapshot = stage.supervisor.snapshot(forked)
    assert stage.agent.forked == [("thread", "turn1")]
    assert (snapshot.thread_id, snapshot.forked_from) == ("copy", stage.session_id)
    assert (snapshot.mode, snapshot.grants) == (Mode.AUTO, ())
    assert not stage.supervisor._sessions[forked].record.state.facts_due
    created = stage.view.all(SessionCreated, forked)[0]
    assert (created.forked_thread, created.forked_turn) == ("thread", "turn1")
    # Before its first turn the agent has nothing stored of the copy: it is made anew.
    await stage.supervisor.close_session(forked)
    await stage.supervisor.resume(forked)
    assert stage.agent.forked == [("thread", "turn1")]


async def test_a_fork_that_fails_leaves_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    with pytest.raises(InvalidRequest, match="no turn that has ended"):
        await stage.supervisor.shelf.fork(stage.session_id, None)
    stage.agent.end_turn()

    async def refuse(*_: object) -> ThreadInfo:
        raise AgentError("no")

    monkeypatch.setattr(PlayedRuntime, "fork_thread", refuse)
    with pytest.raises(AgentError):
        await stage.supervisor.shelf.fork(stage.session_id, None)
    assert [summary.id for summary in stage.supervisor.sessions()] == [stage.session_id]


async def test_shortening_is_a_turn_and_needs_something_to_shorten(stage: Stage) -> None:
    await stage.start()
    with pytest.raises(SessionBusy):
        await stage.supervisor.shelf.compact(stage.session_id)
    stage.agent.end_turn()
    await stage.supervisor.shelf.compact(stage.session_id)
    assert stage.supervisor.snapshot(stage.session_id).active_turn is not None


async def test_a_review_has_a_fresh_process_and_is_watched(stage: Stage) -> None:
    await stage.start()
    stage.agent.end_turn()
    first = stage.agent
    await stage.supervisor.start_review(
        StartReview(target=CHANGES, session_id=stage.session_id), "me"
    )
    assert stage.agent is not first, "its sandbox could have written"
    assert stage.agent.reviews == [CHANGES]
    run = CommandExecution(id="c", command="git push origin main", cwd=str(stage.workspace))
    stage.agent.say(RuntimeEvent(ItemStarted(item=run), "thread", "turn1"))
    ended = await stage.view.saw(TurnCompleted, 2)
    assert ended.status is TurnStatus.INTERRUPTED
    assert any(notice.code == "review-stopped" for notice in stage.view.all(Notice))


async def test_what_only_a_mode_would_ask_about_does_not_stop_a_review(stage: Stage) -> None:
    reply = await stage.supervisor.start_review(
        StartReview(target=CHANGES, cwd=str(stage.workspace)), "me"
    )
    run = CommandExecution(id="c", command="./unknown-program", cwd=str(stage.workspace))
    stage.agent.say(RuntimeEvent(ItemStarted(item=run), "thread", "turn1"))
    stage.agent.end_turn()
    assert (await stage.view.saw(TurnCompleted)).status is TurnStatus.COMPLETED
    assert not [n for n in stage.view.all(Notice) if n.code == "review-stopped"]
    assert stage.supervisor.snapshot(reply.session_id).title == "Review of the uncommitted changes"


async def test_findings_can_be_dismissed_and_a_new_review_replaces_them(stage: Stage) -> None:
    await stage.start()
    found = tuple(Finding(id=f"f{n}", title=f"t{n}") for n in range(3))
    stage.agent.say(RuntimeEvent(FindingsReported(findings=found), "thread", "turn1"))
    stage.agent.end_turn()

    def left() -> list[str]:
        return [finding.id for finding in stage.supervisor.snapshot(stage.session_id).findings]

    await stage.supervisor.dismiss_findings(stage.session_id, ["f1"])
    assert left() == ["f0", "f2"]
    with pytest.raises(InvalidRequest, match="f1"):
        await stage.supervisor.dismiss_findings(stage.session_id, ["f0", "f1"])
    assert left() == ["f0", "f2"]
    await stage.supervisor.dismiss_findings(stage.session_id, [])
    assert left() == []
    with pytest.raises(InvalidRequest):
        await stage.supervisor.dismiss_findings(stage.session_id, [])
