"""A patch that is accepted in part: who decides by which hunks, what the agent hears, and in which order."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import anyio
import pytest

from autopilot_ls.model.approvals import ChangeKind, DecisionKind, Mark, Mode, PatchAction
from autopilot_ls.model.errors import ApprovalAlreadyResolved, DecisionRefused, InvalidRequest
from autopilot_ls.model.events import (
    ApprovalResolved,
    FactsTold,
    FilesSettled,
    HunksMarked,
    Notice,
)
from autopilot_ls.model.review import units_of
from autopilot_ls.model.state import SessionState
from autopilot_ls.runtimes.base import ApprovalWithdrawn
from autopilot_ls.supervisor.views import OpenDocument
from tests.support.watcher import Watcher
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.played_runtime import command
from tests.unit.supervisor.proposals import HUNKS, OLD, accept, ask, ids, litter, unified, whole

ACCEPT, DECLINE = DecisionKind.ACCEPT, DecisionKind.DECLINE


async def test_chosen_hunks_are_written_and_the_agent_hears_the_facts_with_a_decline(
    stage: Stage,
) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    path.chmod(0o640)
    approval = await ask(stage, unified(path, HUNKS))
    first, _, third = ids(approval)
    seen = list[str]()
    stage.agent.on_answer = lambda _key, _decision: seen.append(path.read_text())
    await accept(stage, approval, first, third, message="No insertions, please.")
    wanted = OLD.replace("line 2\n", "LINE 2\n", 1).replace("line 20", "LINE 20")
    assert path.read_text() == wanted
    assert seen == [wanted], "the agent hears of it when it is on disk"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    (_, decision) = (await stage.agent.answered(1))[0]
    assert decision.kind is DECLINE
    applied, _, refused = decision.message.partition("Not applied:")
    assert "a.txt: hunk 1 of 3, at line 2" in applied
    assert "a.txt: hunk 3 of 3, at line 20" in applied
    assert "No insertions, please." in applied
    assert "hunk 2 of 3, at line 10" in refused
    assert "+new a" in refused
    settled = await stage.view.saw(FilesSettled)
    assert settled.outcome == "applied"
    assert settled.detail.startswith("2 of 3 hunks.")
    told = await stage.view.saw(FactsTold)
    assert (told.approval_ids, told.how) == ((approval.id,), "inTurn")
    resolved = await stage.view.saw(ApprovalResolved)
    assert resolved.decision.hunks == (first, third)
    assert stage.view.written == [path]
    assert litter(stage.workspace) == []


async def test_all_hunks_are_a_plain_accept_that_the_agent_carries_out(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    await accept(stage, approval, f"{approval.id}-f0")
    (_, decision) = (await stage.agent.answered(1))[0]
    assert (decision.kind, decision.hunks, decision.message) == (ACCEPT, None, "")
    assert path.read_text() == OLD


async def test_adds_deletes_and_renames_are_chosen_file_by_file(stage: Stage) -> None:
    work = stage.workspace
    names = ("kept", "gone", "moved", "stays")
    for name in names:
        (work / name).write_text(OLD)
    (work / "moved").chmod(0o750)
    (work / "empty").touch()
    approval = await ask(
        stage,
        whole(work / "sub/dir/new", ChangeKind.ADD, "fresh\n"),
        whole(work / "other", ChangeKind.ADD, "unwanted\n"),
        whole(work / "gone", ChangeKind.DELETE, OLD),
        whole(work / "kept", ChangeKind.DELETE, OLD),
        unified(work / "moved", HUNKS, move_to=work / "to/moved"),
        unified(work / "stays", HUNKS, move_to=work / "went"),
        whole(work / "empty", ChangeKind.DELETE, ""),
        whole(work / "void", ChangeKind.ADD, ""),
    )
    assert [file.problem for file in approval.files] == [""] * 8
    index = {Path(unit.file.path).name: unit.id for unit in units_of(approval) if unit.number == 1}
    await accept(
        stage, approval, *(index[name] for name in ("new", "gone", "moved", "empty", "void"))
    )
    assert (work / "sub/dir/new").read_text() == "fresh\n"
    assert not (work / "other").exists()
    assert not (work / "gone").exists()
    assert (work / "kept").read_text() == OLD
    assert not (work / "moved").exists()
    assert (work / "to/moved").read_text() == OLD.replace("line 2\n", "LINE 2\n", 1)
    assert stat.S_IMODE((work / "to/moved").stat().st_mode) == 0o750
    assert (work / "stays").read_text() == OLD
    assert not (work / "went").exists()
    assert not (work / "empty").exists()
    assert (work / "void").read_bytes() == b""
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((work / "void").stat().st_mode) == 0o666 & ~umask
    (_, decision) = (await stage.agent.answered(1))[0]
    applied, _, refused = decision.message.partition("Not applied:")
    assert "moved: hunk 1 of 3, at line 2, renaming it to to/moved" in applied
    assert "moved: hunk 2 of 3, at line 10\n" in refused, "the rename itself was made"
    assert "stays: hunk 1 of 3, at line 2, renaming it to went" in refused
    assert "other: creating it" in refused
    assert litter(work) == []


async def test_marks_wait_until_every_hunk_has_one_and_then_make_the_decision(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    first, second, third = ids(approval)
    mark = stage.supervisor.mark
    assert await mark(approval.id, [first], Mark.ACCEPT, marked_by="me") is None
    assert (
        await mark(approval.id, [second], Mark.REJECT, marked_by="me", message="Too loud.") is None
    )
    assert await mark(approval.id, [first], None, marked_by="me") is None
    waiting = stage.waiting()[0]
    assert [(m.hunk_id, m.mark) for m in waiting.marks] == [(second, Mark.REJECT)]
    assert stage.agent.answers == []
    assert await mark(approval.id, [first], Mark.REJECT, marked_by="me") is None
    decision = await mark(approval.id, [third], Mark.ACCEPT, marked_by="other")
    assert decision is not None
    assert decision.hunks == (third,)
    assert path.read_text() == OLD.replace("line 20", "LINE 20")
    (_, told) = (await stage.agent.answered(1))[0]
    assert "The user says: Too loud." in told.message
    events = stage.supervisor.store.read_events(stage.session_id)
    replayed = SessionState(stage.session_id)
    for event in events:
        replayed.apply(event)
    done = replayed.resolved(approval.id)
    assert done is not None
    assert [m.marked_by for m in done.approval.marks] == ["me", "me", "other"]
    assert replayed.snapshot() == stage.supervisor.snapshot(stage.session_id)


async def test_marks_that_all_accept_or_all_reject_are_whole_decisions(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    mark = stage.supervisor.mark
    done = await mark(approval.id, [f"{approval.id}-f0"], Mark.ACCEPT, marked_by="me")
    assert done is not None
    assert (done.kind, done.hunks) == (ACCEPT, None)
    stage.agent.ask(PatchAction(changes=(unified(path, HUNKS),)), key="k2", item_id="i2")
    second = stage.waiting()[0]
    one, *others = ids(second)
    await mark(second.id, [one], Mark.REJECT, marked_by="me", message="Not this.")
    done = await mark(second.id, others, Mark.REJECT, marked_by="me")
    assert done is not None
    assert done.kind is DECLINE
    message = (await stage.agent.answered(2))[1][1].message
    assert "Not this." in message
    assert "rejected every hunk" in message
    assert path.read_text() == OLD


async def test_a_refused_decision_keeps_the_marks_and_marking_again_tries_again(
    stage: Stage,
) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    first, *others = ids(approval)
    stage.view.documents = [OpenDocument(path, OLD + "mine\n")]
    mark = stage.supervisor.mark
    await mark(approval.id, others, Mark.REJECT, marked_by="me")
    with pytest.raises(DecisionRefused, match=r"Save a\.txt first"):
        await mark(approval.id, [first], Mark.ACCEPT, marked_by="me")
    assert len(stage.waiting()[0].marks) == 3
    assert path.read_text() == OLD
    stage.view.documents = [OpenDocument(path, OLD)]
    seen = sum(isinstance(e.body, HunksMarked) for e in stage.view.events)
    await mark(approval.id, [first], Mark.ACCEPT, marked_by="me")
    assert sum(isinstance(e.body, HunksMarked) for e in stage.view.events) == seen
    assert path.read_text() == OLD.replace("line 2\n", "LINE 2\n", 1)
    assert litter(stage.workspace) == []


async def test_an_unsaved_file_that_no_chosen_hunk_touches_is_no_reason_to_refuse(
    stage: Stage,
) -> None:
    one, two = stage.workspace / "one", stage.workspace / "two"
    one.write_text(OLD)
    two.write_text(OLD)
    approval = await ask(stage, unified(one, HUNKS), unified(two, HUNKS))
    stage.view.documents = [OpenDocument(two, "mine\n")]
    await accept(stage, approval, ids(approval)[0])
    assert "LINE 2\n" in one.read_text()
    assert two.read_text() == OLD


@pytest.mark.parametrize("kind", [DECLINE, DecisionKind.CANCEL, DecisionKind.ACCEPT_FOR_SESSION])
async def test_hunks_go_with_accept_only(stage: Stage, kind: DecisionKind) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    with pytest.raises(InvalidRequest):
        await stage.supervisor.decide(approval.id, kind, decided_by="me", hunks=ids(approval)[:1])
    for wrong in ([], ["h9"], [*ids(approval), "h9"]):
        with pytest.raises(InvalidRequest):
            await accept(stage, approval, *wrong)
        with pytest.raises(InvalidRequest):
            await stage.supervisor.mark(approval.id, wrong, Mark.ACCEPT, marked_by="me")
    assert len(stage.waiting()) == 1
    assert stage.agent.answers == []


async def test_a_command_has_no_hunks(stage: Stage) -> None:
    await stage.start()
    stage.agent.ask(command("make", stage.workspace))
    approval = stage.waiting()[0]
    with pytest.raises(InvalidRequest):
        await accept(stage, approval, f"{approval.id}-f0")
    with pytest.raises(InvalidRequest):
        await stage.supervisor.mark(approval.id, [f"{approval.id}-f0"], Mark.REJECT, marked_by="me")
    assert len(stage.waiting()) == 1


async def test_a_file_with_a_problem_can_only_be_rejected_and_does_not_spoil_the_others(
    stage: Stage,
) -> None:
    good = stage.workspace / "good"
    good.write_text(OLD)
    approval = await ask(
        stage,
        unified(good, HUNKS),
        unified(stage.workspace / "missing", "@@ -1 +1 @@\n-a\n+b\n"),
    )
    assert approval.files[1].problem
    bad = ids(approval)[3]
    with pytest.raises(InvalidRequest, match="does not exist"):
        await stage.supervisor.mark(approval.id, [bad], Mark.ACCEPT, marked_by="me")
    with pytest.raises(DecisionRefused):
        await accept(stage, approval, bad)
    await accept(stage, approval, *ids(approval)[:3])
    assert "LINE 20" in good.read_text()
    (_, decision) = (await stage.agent.answered(1))[0]
    refused = decision.message.partition("Not applied:")[2]
    assert "missing cannot be accepted: the file does not exist." in refused


async def test_a_mark_while_somebody_decides_is_refused_and_a_late_one_says_who(
    stage: Stage,
) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    outcomes = list[str]()

    async def mark_one() -> None:
        try:
            await stage.supervisor.mark(
                approval.id, [ids(approval)[0]], Mark.REJECT, marked_by="second"
            )
        except ApprovalAlreadyResolved as error:
            outcomes.append(str(error))

    async with anyio.create_task_group() as both:
        both.start_soon(accept, stage, approval, ids(approval)[0])
        both.start_soon(mark_one)
    assert outcomes == [f"me is just deciding on {approval.id}."]
    with pytest.raises(ApprovalAlreadyResolved, match="accept by me"):
        await stage.supervisor.mark(approval.id, ids(approval), Mark.REJECT, marked_by="late")
    assert len(await stage.agent.answered(1)) == 1


async def test_two_clients_that_make_the_last_marks_make_one_decision(stage: Stage) -> None:
    other = Watcher(name="second editor")
    stage.supervisor.attach(other)
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    first, second, third = ids(approval)
    await stage.supervisor.mark(approval.id, [second], Mark.REJECT, marked_by="one")
    decided = list[str]()

    async def mark(hunk: str, by: str) -> None:
        try:
            if await stage.supervisor.mark(approval.id, [hunk], Mark.ACCEPT, marked_by=by):
                decided.append(by)
        except ApprovalAlreadyResolved:
            pass

    async with anyio.create_task_group() as both:
        both.start_soon(mark, first, "one")
        both.start_soon(mark, third, "two")
    assert len(decided) == 1
    assert len(await stage.agent.answered(1)) == 1
    for view in (stage.view, other):
        assert sum(isinstance(e.body, ApprovalResolved) for e in view.events) == 1


async def test_a_withdrawn_request_takes_its_marks_with_it(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    await stage.supervisor.mark(approval.id, ids(approval)[:1], Mark.ACCEPT, marked_by="me")
    stage.agent.say(ApprovalWithdrawn("k1"))
    assert stage.waiting() == ()
    with pytest.raises(ApprovalAlreadyResolved, match="cancel by autopilot"):
        await stage.supervisor.mark(approval.id, ids(approval)[1:], Mark.ACCEPT, marked_by="me")
    assert path.read_text() == OLD


async def test_a_stricter_mode_declines_what_is_marked_in_part(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    agent = stage.agent
    await stage.supervisor.mark(approval.id, ids(approval)[:1], Mark.ACCEPT, marked_by="me")
    await stage.supervisor.set_mode(Mode.READ_ONLY, session_id=stage.session_id, changed_by="me")
    assert (await agent.answered(1))[0][1].kind is DECLINE
    assert path.read_text() == OLD


async def test_a_looser_mode_does_not_overtake_who_decides_hunk_by_hunk(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    await stage.supervisor.mark(approval.id, ids(approval)[:1], Mark.REJECT, marked_by="me")
    await stage.supervisor.set_mode(Mode.AUTO, session_id=stage.session_id, changed_by="me")
    assert "hunk by hunk" in (await stage.view.saw(Notice)).message
    assert [one.id for one in stage.waiting()] == [approval.id]
    assert not stage.agent.answers


async def test_facts_that_were_not_heard_open_the_next_turn_once(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    stage.agent.hears = False
    await accept(stage, approval, ids(approval)[0])
    stage.agent.end_turn()
    await stage.start("go on")
    assert "hunk 1 of 3" in stage.agent.told[-1]
    assert stage.agent.told[-1].endswith("go on")
    assert (await stage.view.saw(FactsTold)).how == "nextTurn"
    stage.agent.end_turn()
    await stage.start("and on")
    assert stage.agent.told[-1] == "and on"


async def test_the_facts_outlive_the_process(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    stage.agent.hears = False
    await accept(stage, approval, ids(approval)[0])
    await stage.supervisor.close_session(stage.session_id)
    await stage.start("go on")
    assert "hunk 1 of 3" in stage.agent.told[-1]
