"""Exactly one decision for every request, whoever answers and whatever happens meanwhile."""

from __future__ import annotations

import anyio
import pytest

from autopilot_ls.model.approvals import (
    DecisionKind,
    ElicitationAction,
    Mode,
    Question,
    QuestionAction,
)
from autopilot_ls.model.errors import (
    ApprovalAlreadyResolved,
    ApprovalNotFound,
    AutopilotError,
    DecisionRefused,
    InvalidRequest,
)
from autopilot_ls.model.events import (
    ApprovalResolved,
    FilesSettled,
    GrantAdded,
    RuntimeExited,
    TurnCompleted,
    TurnStatus,
)
from autopilot_ls.model.items import ItemStatus
from autopilot_ls.runtimes.base import ApprovalWithdrawn, RuntimeEvent
from autopilot_ls.supervisor.record import SessionRecord
from autopilot_ls.supervisor.views import OpenDocument
from tests.support.watcher import Watcher
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.played_runtime import add, command, update

ACCEPT, DECLINE = DecisionKind.ACCEPT, DecisionKind.DECLINE


async def test_of_two_clients_that_answer_at_once_exactly_one_decides(stage: Stage) -> None:
    other = Watcher(name="second editor")
    stage.supervisor.attach(other)
    await stage.start()
    stage.agent.ask(command("make", stage.workspace))
    approval = stage.waiting()[0]
    outcomes = list[str]()

    async def decide(kind: DecisionKind, by: str) -> None:
        try:
            await stage.supervisor.decide(approval.id, kind, decided_by=by)
            outcomes.append(f"{by} decided")
        except ApprovalAlreadyResolved as error:
            outcomes.append(str(error))

    async with anyio.create_task_group() as both:
        both.start_soon(decide, ACCEPT, "first")
        both.start_soon(decide, DECLINE, "second")
    answers = await stage.agent.answered(1)
    assert len(answers) == 1
    winner = answers[0][1].decided_by
    assert f"{winner} decided" in outcomes
    assert any(
        "accept by first" in o or "decline by second" in o or "just deciding" in o for o in outcomes
    )
    for view in (stage.view, other):
        resolved = [e for e in view.events if isinstance(e.body, ApprovalResolved)]
        assert len(resolved) == 1
    with pytest.raises(ApprovalAlreadyResolved, match=winner):
        await stage.supervisor.decide(approval.id, DECLINE, decided_by="late")


async def test_a_decision_is_on_disk_before_the_agent_hears_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    stage.agent.ask(command("make", stage.workspace))
    agent, real = stage.agent, SessionRecord.sync
    synced: list[tuple[bool, int]] = []

    async def sync(record: SessionRecord) -> None:
        await real(record)
        resolved = any(isinstance(e.body, ApprovalResolved) for e in stage.view.events)
        synced.append((resolved, len(agent.answers)))

    monkeypatch.setattr(SessionRecord, "sync", sync)
    await stage.supervisor.decide(stage.waiting()[0].id, ACCEPT, decided_by="me")
    await agent.answered(1)
    assert (True, 0) in synced


async def test_an_unknown_approval_is_refused(stage: Stage) -> None:
    await stage.start()
    with pytest.raises(ApprovalNotFound):
        await stage.supervisor.decide("apr-0", ACCEPT, decided_by="me")


async def test_several_pending_may_be_answered_in_any_order(stage: Stage) -> None:
    await stage.start()
    for number in range(3):
        stage.agent.ask(command(f"make {number}", stage.workspace), key=f"k{number}")
    for approval in reversed(stage.waiting()):
        await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me")
    assert [key for key, _ in await stage.agent.answered(3)] == ["k2", "k1", "k0"]


async def test_the_decision_is_on_disk_before_the_agent_hears_it(stage: Stage) -> None:
    await stage.start()
    stage.agent.ask(command("make", stage.workspace))
    seen = list[str]()

    def look(_key: str, _decision: object) -> None:
        events = stage.supervisor.store.read_events(stage.session_id)
        seen.extend(e.body.type for e in events)

    stage.agent.on_answer = look
    await stage.supervisor.decide(stage.waiting()[0].id, ACCEPT, decided_by="me")
    assert seen[-1] == "approvalResolved"


async def test_plain_reading_goes_by_itself_and_is_recorded_with_its_rule(stage: Stage) -> None:
    await stage.start()
    stage.agent.ask(command("ls", stage.workspace))
    key, decision = (await stage.agent.answered(1))[0]
    assert (key, decision.kind, decision.decided_by) == ("k1", ACCEPT, "policy")
    assert stage.waiting() == ()


async def test_read_only_declines_and_a_switch_declines_what_waits(stage: Stage) -> None:
    await stage.start()
    before = stage.agent
    before.ask(command("make", stage.workspace))
    assert len(stage.waiting()) == 1
    await stage.supervisor.set_mode(Mode.READ_ONLY, session_id=stage.session_id, changed_by="me")
    answers = await before.answered(1)
    assert answers[0][1].kind is DECLINE
    assert "read-only" in answers[0][1].message
    stage.agent.ask(add(stage.workspace / "a", "x\n"), key="k2")
    assert (await stage.agent.answered(1))[0][1].kind is DECLINE


async def test_a_session_grant_is_ours_and_the_agent_gets_a_plain_accept(stage: Stage) -> None:
    await stage.start()
    stage.agent.ask(command("make", stage.workspace))
    approval = stage.waiting()[0]
    await stage.supervisor.decide(approval.id, DecisionKind.ACCEPT_FOR_SESSION, decided_by="me")
    assert (await stage.view.saw(GrantAdded)).type == "grantAdded"
    stage.agent.ask(command("make", stage.workspace), key="k2")
    second = (await stage.agent.answered(2))[1]
    assert (second[1].kind, second[1].decided_by) == (ACCEPT, "policy")
    grant = stage.supervisor.snapshot(stage.session_id).grants[0]
    stage.supervisor.revoke_grant(stage.session_id, grant.id)
    stage.agent.ask(command("make", stage.workspace), key="k3")
    assert [a.native_key for a in stage.waiting()] == ["k3"]


async def test_what_cannot_be_granted_is_refused_and_still_waits(stage: Stage) -> None:
    await stage.start()
    escalated = command("make", stage.workspace).model_copy(update={"escalated": True})
    for key, action in [("k1", escalated), ("k2", ElicitationAction(server="s", message="m"))]:
        stage.agent.ask(action, key=key)
    for approval in stage.waiting():
        with pytest.raises(InvalidRequest):
            await stage.supervisor.decide(
                approval.id, DecisionKind.ACCEPT_FOR_SESSION, decided_by="me"
            )
    assert len(stage.waiting()) == 2


async def test_a_question_needs_its_answers_and_secrets_are_not_recorded(stage: Stage) -> None:
    await stage.start()
    stage.agent.ask(QuestionAction(questions=(Question(id="q", text="Key?", secret=True),)))
    approval = stage.waiting()[0]
    with pytest.raises(InvalidRequest, match="no answer"):
        await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me")
    await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me", answers={"q": ["s3cret"]})
    assert (await stage.agent.answered(1))[0][1].answers == {"q": ("s3cret",)}
    events = stage.supervisor.store.read_events(stage.session_id)
    assert not any("s3cret" in event.model_dump_json() for event in events)


async def test_a_withdrawn_request_is_cancelled(stage: Stage) -> None:
    await stage.start()
    stage.agent.ask(command("make", stage.workspace))
    approval = stage.waiting()[0]
    stage.agent.say(ApprovalWithdrawn("k1"))
    with pytest.raises(ApprovalAlreadyResolved, match="cancel by autopilot"):
        await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me")
    assert stage.agent.answers == []


async def test_the_death_of_the_agent_voids_what_waits_and_ends_the_turn(stage: Stage) -> None:
    await stage.start()
    stage.agent.ask(command("make", stage.workspace))
    approval = stage.waiting()[0]
    exit_ = RuntimeExited(expected=False, signal=9, stderr="boom\n")
    stage.agent.say(RuntimeEvent(exit_))
    body = await stage.view.saw(TurnCompleted)
    assert (body.status, body.error_code) == (TurnStatus.FAILED, "agent-died")
    assert "signal 9" in body.error
    assert "boom" in body.error
    with pytest.raises(ApprovalAlreadyResolved, match="ended before"):
        await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me")
    await stage.start("go on")
    assert stage.agent.resumed == ["thread"]


async def test_an_interrupt_cancels_what_waits_before_it_stops_the_turn(stage: Stage) -> None:
    await stage.start()
    stage.agent.ask(command("make", stage.workspace))
    await stage.supervisor.interrupt(stage.session_id, "me")
    assert [d.kind for _, d in stage.agent.answers] == [DecisionKind.CANCEL]
    assert stage.supervisor.snapshot(stage.session_id).active_turn is None


async def test_an_agent_that_ignores_an_interrupt_is_ended(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autopilot_ls.supervisor.stopping.INTERRUPT_GRACE", 0.05)
    await stage.start()
    stage.agent.obeys_interrupt = False
    await stage.supervisor.interrupt(stage.session_id, "me")
    snapshot = stage.supervisor.snapshot(stage.session_id)
    assert snapshot.turns[-1].status is TurnStatus.INTERRUPTED
    assert not snapshot.alive
    assert stage.factory.closed == 1


async def test_an_accept_is_refused_while_the_file_has_unsaved_changes(stage: Stage) -> None:
    file = stage.workspace / "a.py"
    file.write_text("x = 1\n")
    await stage.start()
    stage.agent.ask(update(file, "x = 1", "x = 2"))
    approval = stage.waiting()[0]
    stage.view.documents = [OpenDocument(file, "x = 1  # mine\n")]
    with pytest.raises(DecisionRefused, match=r"Save a\.py first"):
        await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me")
    assert len(stage.waiting()) == 1
    stage.view.documents = [OpenDocument(file, "x = 1\n")]
    await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me")
    assert len(await stage.agent.answered(1)) == 1


async def test_an_allowed_patch_on_unsaved_text_becomes_a_question(stage: Stage) -> None:
    file = stage.workspace / "a.py"
    file.write_text("x = 1\n")
    await stage.start()
    stage.agent.ask(update(file, "x = 1", "x = 2"))
    await stage.supervisor.decide(
        stage.waiting()[0].id, DecisionKind.ACCEPT_FOR_SESSION, decided_by="me"
    )
    stage.agent.patch_done()
    await stage.view.saw(FilesSettled)
    stage.view.documents = [OpenDocument(file, "typing\n")]
    stage.agent.ask(update(file, "x = 1", "x = 3"), key="k2", item_id="i2")
    with anyio.fail_after(5):
        while not any(getattr(e.body, "code", "") == "decision-refused" for e in stage.view.events):
            await anyio.lowlevel.checkpoint()
    assert [a.native_key for a in stage.waiting()] == ["k2"]


async def test_a_half_written_patch_is_restored(stage: Stage) -> None:
    one, two = stage.workspace / "one", stage.workspace / "two"
    one.write_text("a\n")
    two.write_text("b\n")
    first, second = update(one, "a", "A"), update(two, "b", "B")
    await stage.start()
    stage.agent.ask(first.model_copy(update={"changes": first.changes + second.changes}))

    def write_half(_key: str, _decision: object) -> None:
        one.write_text("A\n")

    stage.agent.on_answer = write_half
    await stage.supervisor.decide(stage.waiting()[0].id, ACCEPT, decided_by="me")
    stage.agent.patch_done(status=ItemStatus.FAILED)
    settled = await stage.view.saw(FilesSettled)
    assert settled.outcome == "restored"
    assert (one.read_text(), two.read_text()) == ("a\n", "b\n")


async def test_a_patch_the_agent_died_in_is_settled_by_the_disk(stage: Stage) -> None:
    file = stage.workspace / "a"
    file.write_text("a\n")
    await stage.start()
    stage.agent.ask(update(file, "a", "b"))
    await stage.supervisor.decide(stage.waiting()[0].id, ACCEPT, decided_by="me")
    stage.agent.say(RuntimeEvent(RuntimeExited(expected=False, code=1)))
    settled = await stage.view.saw(FilesSettled)
    assert settled.outcome == "unchanged"


async def test_a_patch_nobody_described_is_declined(stage: Stage) -> None:
    await stage.start()
    stage.agent.ask(update(stage.workspace / "a", "x", "y").model_copy(update={"changes": ()}))
    assert (await stage.agent.answered(1))[0][1].kind is DECLINE


async def test_cancelling_the_caller_does_not_lose_a_recorded_decision(stage: Stage) -> None:
    await stage.start()
    stage.agent.ask(command("make", stage.workspace))
    approval = stage.waiting()[0]
    with anyio.CancelScope() as scope:
        original = stage.supervisor._sessions[stage.session_id].record.sync

        async def sync_and_cancel() -> None:
            scope.cancel()
            await original()

        stage.supervisor._sessions[stage.session_id].record.sync = sync_and_cancel
        await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me")
    assert len(await stage.agent.answered(1)) == 1


async def test_all_errors_a_client_sees_have_a_code(stage: Stage) -> None:
    with pytest.raises(AutopilotError) as caught:
        await stage.supervisor.steer("20260101-000000-abcdef", "x")
    assert caught.value.code == "session-not-found"
