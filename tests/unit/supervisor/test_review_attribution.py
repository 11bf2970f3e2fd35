"""Who changed a file, as the review tells it: commands, patches, other sessions, other programs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from autopilot_ls.edits.history import Content
from autopilot_ls.edits.weave import Author
from autopilot_ls.model.approvals import ChangeKind, DecisionKind, FileChange, Hunk, Mode
from autopilot_ls.model.events import FilesSettled, ItemStarted
from autopilot_ls.model.items import CommandExecution, ItemStatus
from autopilot_ls.runtimes.base import RuntimeEvent
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.review.attribution import Evidence, Patched
from autopilot_ls.supervisor.review.parting import came_and_went
from tests.unit.supervisor.conftest import Review
from tests.unit.supervisor.played_runtime import update


async def test_what_no_command_did_is_unattributed_and_stays_at_a_turns_undo(
    review: Review,
) -> None:
    review.file("a.txt").write_text("changed\n")
    items = (await review.items()).items
    assert [item.change.author for item in items] == [Author.UNKNOWN]
    await review.end()
    undo, (reason,) = await review.undo_turn()
    assert (undo, "a.txt may be another program's" in reason) == ("", True)
    assert review.file("a.txt").read_text() == "changed\n"


async def test_what_others_do_between_turns_is_nobodys_to_review(review: Review) -> None:
    await review.ran("make", a__txt="1\n2\n3\n4\nfive\n")
    await review.end()
    review.file("a.txt").write_text("0, mine\n1\n2\n3\n4\nfive\n")
    review.file("b.txt").write_text("mine\n")
    assert await review.shown() == [("a.txt", "5\n", "five\n")]
    await review.undo_all()
    assert review.file("a.txt").read_text() == "0, mine\n1\n2\n3\n4\n5\n"
    assert review.file("b.txt").read_text() == "mine\n"


async def test_a_patch_that_the_person_accepted_needs_no_review_and_goes_with_its_turn(
    review: Review,
) -> None:
    stage = review.stage
    await stage.supervisor.set_mode(Mode.PROPOSE, session_id=stage.session_id, changed_by="test")
    stage.agent.ask(update(review.file("b.txt"), "two", "2", line=2))
    await stage.supervisor.decide(stage.waiting()[0].id, DecisionKind.ACCEPT, decided_by="test")
    review.file("b.txt").write_text("one\n2\n")
    stage.agent.patch_done()
    await stage.view.saw(FilesSettled)
    assert await review.shown() == []
    await review.end()
    assert (await review.undo_turn())[1] == ()
    assert review.file("b.txt").read_text() == "one\ntwo\n"


async def test_a_look_while_an_accepted_patch_is_written_finds_it_accepted(review: Review) -> None:
    stage = review.stage
    await stage.supervisor.set_mode(Mode.PROPOSE, session_id=stage.session_id, changed_by="test")
    stage.agent.ask(update(review.file("b.txt"), "two", "2", line=2))
    await stage.supervisor.decide(stage.waiting()[0].id, DecisionKind.ACCEPT, decided_by="test")
    review.file("b.txt").write_text("one\n2\n")
    assert await review.shown() == []
    stage.agent.patch_done()
    await stage.view.saw(FilesSettled)
    # What is written there afterwards is something else.
    await review.items()
    await review.ran("make", b__txt="one\n3\n")
    assert await review.shown() == [("b.txt", "2\n", "3\n")]


async def test_what_is_left_running_still_belongs_to_the_turn(
    review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(review.stage.agent), "pid", os.getpid())
    review.command("server &", ended=False)
    code = (
        "import pathlib,sys\n"
        "sys.stdin.readline()\n"
        "pathlib.Path(sys.argv[1]).write_text('late\\n')\n"
        "sys.stdin.readline()\n"
    )
    process = subprocess.Popen(  # noqa: ASYNC220 reason: it must be a child of this very process
        [sys.executable, "-c", code, review.file("late.txt")], stdin=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    try:
        review.stage.agent.end_turn()
        process.stdin.write("write\n")
        process.stdin.flush()
        await review.until(lambda known: any(item.path == "late.txt" for item in known.items))
        known = await review.items(fresh=False)
        assert known.turns[-1].at_work
        assert known.items[0].change.author is Author.AGENT
        process.stdin.close()
        assert process.wait(20) == 0
        await review.until(lambda known: not known.turns[-1].at_work)
    finally:
        process.kill()
        process.wait()


async def test_a_time_that_was_set_hides_nobody(review: Review) -> None:
    review.command("tar x", ended=False)
    review.file("a.txt").write_text("old\n")
    os.utime(review.file("a.txt"), (1, 1))
    review.command("tar x", ended=True)
    assert [item.change.author for item in (await review.items()).items] == [Author.AGENT]


async def test_a_turn_beside_what_an_earlier_one_left_running_is_undone_all_the_same(
    review: Review,
) -> None:
    opened = review.opened
    first, second = f"{review.stage.session_id}/1", f"{review.stage.session_id}/2"
    review.command("server &", ended=False, key="server")
    await opened.review.begin_turn(second, review.stage.session_id)
    opened.review.command_begins("other", second, "make")
    review.file("a.txt").write_text("1\n2\n3\n4\nfive\n")
    (item,) = (await review.items()).items
    assert (item.change.author, item.change.turns) == (Author.AGENT, (second,))
    await opened.review.end_turn(second)
    await review.end()
    assert [turn.name for turn in (await review.items()).turns] == [first, second]
    await review.undo_turn()
    assert review.file("a.txt").read_text() == "1\n2\n3\n4\n5\n"


async def test_the_undo_of_a_turn_leaves_what_another_session_did_since_and_does(
    review: Review,
) -> None:
    await review.ran("sed", a__txt="1\nmine\n3\n4\n5\n")
    await review.end()
    turn = (await review.items()).turns[-1].name
    other = StartTurn(text="do more", cwd=str(review.folder))
    await review.stage.supervisor.start_turn(other, "editor")
    await review.ran("sed", a__txt="1\nmine\n3\n4\ntheirs\n", b__txt="one\n")
    done = await review.stage.supervisor.review.undo_turn(review.folder, turn, "test")
    assert done.outcome.written == ("a.txt",)
    assert review.file("a.txt").read_text() == "1\n2\n3\n4\ntheirs\n"
    assert review.file("b.txt").read_text() == "one\n"
    assert await review.shown() == [("a.txt", "5\n", "theirs\n"), ("b.txt", "two\n", "")]


async def test_what_a_command_of_another_session_did_to_a_patched_file_is_its_own(
    review: Review,
) -> None:
    stage = review.stage
    other = stage.agent
    item = CommandExecution(id="c1", command="fmt", status=ItemStatus.IN_PROGRESS)
    other.say(RuntimeEvent(ItemStarted(item=item), "thread", "turn"))
    theirs, stage.session_id = stage.session_id, ""
    await stage.start()
    await stage.supervisor.set_mode(Mode.PROPOSE, session_id=stage.session_id, changed_by="test")
    stage.agent.ask(update(review.file("a.txt"), "2", "mine", line=2))
    (approval,) = stage.waiting()
    await stage.supervisor.decide(approval.id, DecisionKind.ACCEPT, decided_by="test")
    review.file("a.txt").write_text("1\nmine\n3\n4\n5\n")
    stage.agent.patch_done()
    assert (await stage.view.saw(FilesSettled)).outcome == "applied"
    # No look was taken in between.
    review.file("a.txt").write_text("1\nmine\n3\n4\ntheirs\n")
    (found,) = (await review.items()).items
    assert (found.change.part.new, found.change.author) == ((b"theirs\n",), Author.AGENT)
    assert [turn.rpartition("/")[0] for turn in found.change.turns] == [theirs]
    stage.agent.end_turn()
    await review.until(lambda known: not known.turns[-1].at_work)
    turn = (await review.items()).turns[-1].name
    await stage.supervisor.review.undo_turn(review.folder, turn, "test")
    assert review.file("a.txt").read_text() == "1\n2\n3\n4\ntheirs\n"


async def patched(review: Review, text: str, after: str) -> None:
    """Have another program change a file, and the agent patch it, both before anybody looks."""
    review.file("a.txt").write_text(text)
    await review.stage.supervisor.set_mode(
        Mode.PROPOSE, session_id=review.stage.session_id, changed_by="test"
    )
    review.stage.agent.ask(update(review.file("a.txt"), "2", "mine", line=2))
    (approval,) = review.stage.waiting()
    await review.stage.supervisor.decide(approval.id, DecisionKind.ACCEPT, decided_by="test")
    review.file("a.txt").write_text(after)
    review.stage.agent.patch_done()
    assert (await review.stage.view.saw(FilesSettled)).outcome == "applied"


async def test_what_another_program_did_to_a_patched_file_is_not_the_patchs(
    review: Review,
) -> None:
    await patched(review, "1\n2\n3\n4\nother\n", "1\nmine\n3\n4\nother\n")
    (found,) = (await review.items()).items
    assert (found.change.part.new, found.change.author) == ((b"other\n",), Author.UNKNOWN)
    await review.end()
    await review.undo_turn()
    assert review.file("a.txt").read_text() == "1\n2\n3\n4\nother\n"


async def test_what_the_agents_command_did_to_a_patched_file_is_to_be_reviewed(
    review: Review,
) -> None:
    review.command("fmt", ended=False)
    await patched(review, "1\n2\n3\n4\nother\n", "1\nmine\n3\n4\nother\n")
    (found,) = (await review.items()).items
    assert (found.change.part.new, found.change.author) == ((b"other\n",), Author.AGENT)
    review.command("fmt", ended=True)
    await review.end()
    await review.undo_turn()
    assert review.file("a.txt").read_text() == "1\n2\n3\n4\n5\n"


async def test_two_agents_may_number_their_commands_alike(review: Review) -> None:
    opened = review.opened
    review.command("make", ended=False, key="c1")
    await opened.review.begin_turn("other/1", "other")
    opened.review.command_begins("c1", "other/1", "sleep")
    work = opened.review.files.evidence.work.values()
    assert {each.by for each in work} == {"make", "sleep"}


def test_a_deletion_that_does_not_tell_what_was_deleted_is_let_pass() -> None:
    hunk = Hunk(id="h", old_start=1, old_lines=("a\n",), new_start=1, new_lines=())
    change = FileChange(path="/work/a.txt", kind=ChangeKind.DELETE, hunks=(hunk,))
    wrong = change.model_copy(update={"problem": "It cannot be read."})
    for each, found in ((change, {"a.txt": Content("file", b"a\n")}), (wrong, {})):
        assert came_and_went(Evidence(patches={"a.txt": [Patched("s/1", True, each)]})) == found
