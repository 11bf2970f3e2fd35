"""Review after the fact: what agents change without asking, over a played agent and the real git."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import pytest

from autopilot_ls.edits.weave import Author
from autopilot_ls.model.approvals import DecisionKind, Mode
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.events import FilesSettled, ItemCompleted, ItemStarted, Notice
from autopilot_ls.model.items import CommandExecution, ItemStatus
from autopilot_ls.runtimes.base import RuntimeEvent
from autopilot_ls.settings.tree import ReviewSettings, Settings
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.review import reviews
from autopilot_ls.supervisor.review.desk import OpenItems
from autopilot_ls.supervisor.review.reviews import OpenReview
from autopilot_ls.supervisor.review.storage import Dumps, to_bytes
from autopilot_ls.supervisor.review.workspace import WorkspaceReview
from autopilot_ls.supervisor.supervisor import open_supervisor
from autopilot_ls.supervisor.views import OpenDocument
from tests.support.staged import until
from tests.support.watcher import Watcher
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.played_runtime import PlayedFactory, command, update


@dataclass
class Review:
    """A workspace with an agent at work in it."""

    stage: Stage

    @property
    def folder(self) -> Path:
        return self.stage.workspace

    @property
    def opened(self) -> OpenReview:
        reviews = self.stage.supervisor._reviews
        assert reviews is not None
        (opened,) = reviews
        return opened

    def file(self, name: str) -> Path:
        return self.folder / name

    def command(self, text: str, *, ended: bool, key: str = "c1") -> None:
        status = ItemStatus.COMPLETED if ended else ItemStatus.IN_PROGRESS
        item = CommandExecution(id=key, command=text, status=status, exit_code=0 if ended else None)
        body = ItemCompleted(item=item) if ended else ItemStarted(item=item)
        self.stage.agent.say(RuntimeEvent(body, "thread", "turn"))

    async def ran(self, text: str, **files: str | None) -> None:
        """Have the agent run a command that writes these files (`__` for `.`)."""
        self.command(text, ended=False)
        for name, content in files.items():
            path = self.file(name.replace("__", "."))
            if content is None:
                path.unlink()
            else:
                path.write_text(content)
        self.command(text, ended=True)
        await self.items(fresh=True)

    async def items(self, *, fresh: bool = True) -> OpenItems:
        return await self.stage.supervisor.review.items(self.folder, fresh=fresh)

    async def shown(self) -> list[tuple[str, str, str]]:
        found = (await self.items()).items
        return [
            (
                item.path,
                b"".join(item.change.part.old).decode(),
                b"".join(item.change.part.new).decode(),
            )
            for item in found
        ]

    async def end(self) -> None:
        self.stage.agent.end_turn()
        await self.until(lambda known: known.turns and not known.turns[-1].at_work)

    async def until(self, condition: Callable[[OpenItems], object]) -> None:
        view = self.stage.view
        with anyio.fail_after(30):
            while not condition(await self.items(fresh=False)):
                await view.until(partial(_is_more, view, view.review_changes))

    async def stored(self, text: str) -> bytes:
        """Wait until what is stored has this in it; returns it."""
        file = self.opened.file
        await until(lambda: file.exists() and text.encode() in file.read_bytes())
        return file.read_bytes()

    async def undo_all(self) -> tuple[str, ...]:
        ids = [item.id for item in (await self.items()).items]
        done = await self.stage.supervisor.review.undo(self.folder, ids, "test")
        return done.reasons

    async def undo_turn(self) -> tuple[str, tuple[str, ...]]:
        turn = (await self.items()).turns[-1].name
        done = await self.stage.supervisor.review.undo_turn(self.folder, turn, "test")
        return done.outcome.undo_id, done.reasons


def _is_more(view: Watcher, than: int) -> bool:
    return view.review_changes > than


@pytest.fixture
async def review(settings: Settings, tmp_path: Path) -> AsyncGenerator[Review]:
    workspace = tmp_path / "work"
    workspace.mkdir()
    (workspace / "a.txt").write_text("1\n2\n3\n4\n5\n")
    (workspace / "b.txt").write_text("one\ntwo\n")
    factory, view = PlayedFactory(), Watcher()
    on = settings.model_copy(
        update={"mode": Mode.AUTO, "review": settings.review.model_copy(update={"enabled": True})}
    )
    async with open_supervisor(on, factories={"codex": factory}) as supervisor:
        attachment = supervisor.attach(view)
        stage = Stage(supervisor, factory, view, workspace, attachment)
        await stage.start()
        yield Review(stage)


async def test_what_a_command_changed_is_shown_kept_and_taken_back(review: Review) -> None:
    await review.ran(
        "sed -i s/2/two/ a.txt", a__txt="1\ntwo\n3\n4\nfive\n", b__txt="one\n", c__txt="x\n"
    )
    assert await review.shown() == [
        ("a.txt", "2\n", "two\n"),
        ("a.txt", "5\n", "five\n"),
        ("b.txt", "two\n", ""),
        ("c.txt", "", "x\n"),
    ]
    items = (await review.items()).items
    assert {item.change.by for item in items} == {"sed -i s/2/two/ a.txt"}
    assert {item.change.author for item in items} == {Author.AGENT}
    kept = await review.stage.supervisor.review.keep(review.folder, [items[0].id])
    assert kept == (items[0],)
    assert await review.undo_all() == ()
    assert review.file("a.txt").read_text() == "1\ntwo\n3\n4\n5\n"
    assert review.file("b.txt").read_text() == "one\ntwo\n"
    assert not review.file("c.txt").exists()
    assert await review.shown() == []
    assert {path.name for path in review.stage.view.written} == {"a.txt", "b.txt", "c.txt"}


async def test_undoing_a_turn_leaves_what_the_person_typed_and_can_be_undone(
    review: Review,
) -> None:
    await review.ran("make", a__txt="1\nA\nB\n4\n5\n", b__txt=None, c__txt="new\n")
    await review.end()
    loaded = review.file("a.txt").read_text()
    review.file("a.txt").write_text("1\nA\nB, mine\n4\n5\n6, mine\n")
    await review.stage.supervisor.review.saved(review.file("a.txt"), loaded)
    undo, reasons = await review.undo_turn()
    assert reasons == ()
    assert review.file("a.txt").read_text() == "1\n2\n3\nB, mine\n4\n5\n6, mine\n"
    assert review.file("b.txt").read_text() == "one\ntwo\n"
    assert not review.file("c.txt").exists()
    await review.stage.supervisor.review.redo(review.folder, undo, "test")
    assert review.file("a.txt").read_text() == "1\nA\nB, mine\n4\n5\n6, mine\n"
    assert not review.file("b.txt").exists()
    assert review.file("c.txt").read_text() == "new\n"
    await review.stage.start("again")
    assert "took back" in review.stage.agent.told[-1]


async def test_a_turn_that_is_undone_with_the_one_before_it_brings_nothing_of_that_back(
    review: Review,
) -> None:
    await review.ran("make", a__txt="A\n", c__txt="made\n")
    await review.end()
    await review.stage.start("again")
    await review.ran("make", a__txt="B\n", c__txt=None)
    await review.end()
    first, second = (turn.name for turn in (await review.items()).turns)
    desk = review.stage.supervisor.review
    both = await desk.undo_turn(review.folder, first, "test")
    assert both.outcome.written == ("a.txt",)
    await review.stored(f'"turns":["{first}","{second}"]')
    again = await desk.undo_turn(review.folder, second, "test")
    assert again.outcome.written == ()
    assert review.file("a.txt").read_text() == "1\n2\n3\n4\n5\n"
    assert not review.file("c.txt").exists()
    await desk.redo(review.folder, both.outcome.undo_id, "test")
    assert review.file("a.txt").read_text() == "B\n"
    await desk.undo_turn(review.folder, second, "test")
    assert review.file("a.txt").read_text() == "A\n"
    assert review.file("c.txt").read_text() == "made\n"


async def test_what_the_person_saved_during_a_turn_is_not_shown(review: Review) -> None:
    review.command("make", ended=False)
    loaded = review.file("a.txt").read_text()
    review.file("a.txt").write_text("1\n2, mine\n3\n4\n5\n")
    await review.stage.supervisor.review.saved(review.file("a.txt"), loaded)
    review.file("a.txt").write_text("1\n2, mine\n3\n4\nfive\n")
    review.command("make", ended=True)
    assert await review.shown() == [("a.txt", "5\n", "five\n")]


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


async def test_unsaved_text_is_never_overwritten_by_an_undo(review: Review) -> None:
    await review.ran("make", a__txt="1\n", b__txt="one\n")
    review.stage.view.documents.append(OpenDocument(review.file("a.txt"), "1\nunsaved\n"))
    assert await review.undo_all() == (
        "a.txt was left as it is: it has unsaved changes in an editor. Save or discard them, then try again.",
    )
    assert review.file("a.txt").read_text() == "1\n"
    assert review.file("b.txt").read_text() == "one\ntwo\n"
    review.stage.view.documents.clear()
    assert await review.undo_all() == ()
    assert review.file("a.txt").read_text() == "1\n2\n3\n4\n5\n"


async def test_a_file_that_changes_at_the_last_moment_is_left_alone(review: Review) -> None:
    await review.ran("make", a__txt="1\n")
    items = (await review.items(fresh=False)).items
    review.file("a.txt").write_text("1\nmore\n")
    done = await review.stage.supervisor.review.undo(review.folder, [items[0].id], "test")
    assert "was changed since" in done.reasons[0]
    assert review.file("a.txt").read_text() == "1\nmore\n"


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def committed(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "all")


async def test_a_commit_keeps_what_it_has(review: Review) -> None:
    await review.end()
    git(review.folder, "init", "-q")
    committed(review.folder)
    await review.stage.start()
    await review.ran("make", a__txt="one\n2\n3\n4\n5\n", b__txt="one\n2\n")
    await review.end()
    git(review.folder, "add", "a.txt")
    git(review.folder, "commit", "-qm", "second")
    assert await review.shown() == [("b.txt", "two\n", "2\n")]


async def test_what_was_stashed_and_popped_is_reviewed_as_before(review: Review) -> None:
    await review.end()
    git(review.folder, "init", "-q")
    committed(review.folder)
    await review.stage.start()
    await review.ran("make", a__txt="one\n2\n3\n4\nfive\n", b__txt=None, c__txt="new\n")
    await review.end()
    (first, *_) = (await review.items()).items
    await review.stage.supervisor.review.keep(review.folder, [first.id])
    left = await review.shown()
    assert [path for path, _, _ in left] == ["a.txt", "b.txt", "c.txt"]
    git(review.folder, "stash", "-q", "--include-untracked")
    assert await review.shown() == []
    git(review.folder, "stash", "pop", "-q")
    assert await review.shown() == left
    undo, reasons = await review.undo_turn()
    assert (bool(undo), reasons) == (True, ())
    assert review.file("a.txt").read_text() == "1\n2\n3\n4\n5\n"
    assert review.file("b.txt").exists()
    assert not review.file("c.txt").exists()


async def test_what_comes_back_after_something_else_was_decided_is_not_reviewed_again(
    review: Review,
) -> None:
    mine, agents = "1\n2\n3\n4\n5\n6, mine\n", "one\n2\n3\n4\n5\n"
    await review.ran("make", a__txt=agents)
    await review.end()
    review.file("a.txt").write_text(mine)
    assert await review.shown() == []
    assert await review.undo_turn() == ("", ())
    await review.stage.start("again")
    await review.ran("make again", a__txt=agents + "6, mine\n")
    await review.end()
    await review.undo_all()
    assert review.file("a.txt").read_text() == mine
    review.file("a.txt").write_text(agents)
    assert await review.shown() == []


async def test_a_commit_in_a_nested_repository_keeps_its_files_hunks(review: Review) -> None:
    await review.end()
    inner = review.folder / "lib" / "inner"
    (inner / "deep").mkdir(parents=True)
    (inner / "deep" / "c.txt").write_text("c\n")
    (inner / "d.txt").write_text("d\n")
    for folder in (inner, review.folder):
        git(folder, "init", "-q")
        committed(folder)
    await review.stage.start()
    review.command("make", ended=False)
    (inner / "deep" / "c.txt").write_text("C\n")
    (inner / "d.txt").write_text("D\n")
    review.file("a.txt").write_text("one\n2\n3\n4\n5\n")
    review.command("make", ended=True)
    assert len(await review.shown()) == 3
    await review.end()
    git(inner, "commit", "-qm", "C only", "deep/c.txt")
    (inner / "deep" / "c.txt").touch()
    outer = ("a.txt", "1\n", "one\n")
    assert await review.shown() == [outer, ("lib/inner/d.txt", "d\n", "D\n")]
    committed(inner)
    assert await review.shown() == [outer], "what the outer repository has not is not kept"


async def test_a_commit_while_nothing_ran_is_seen_after_a_restart(
    settings: Settings, tmp_path: Path
) -> None:
    settings = settings.model_copy(update={"review": ReviewSettings(enabled=True)})
    work = tmp_path / "work"
    inner = work / "inner"
    inner.mkdir(parents=True)
    (inner / "d.txt").write_text("d\n")
    git(inner, "init", "-q")
    committed(inner)
    factory = PlayedFactory()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        await supervisor.start_turn(StartTurn(text="x", cwd=str(work)), "me")
        (inner / "d.txt").write_text("D\n")
        assert len((await supervisor.review.items(work, fresh=True)).items) == 1
    committed(inner)
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        assert (await supervisor.review.items(work, fresh=True)).items == ()


async def test_what_is_left_running_still_belongs_to_the_turn(
    review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(review.stage.agent), "pid", os.getpid())
    review.command("server &", ended=False)
    go, written = review.folder.parent / "go", review.file("late.txt")
    code = (
        "import pathlib,sys,time\n"
        "go, out = map(pathlib.Path, sys.argv[1:])\n"
        "while not go.exists(): time.sleep(0.01)\n"
        "out.write_text('late\\n')\n"
        "while go.exists(): time.sleep(0.01)\n"
    )
    process = subprocess.Popen(  # noqa: ASYNC220 reason: it must be a child of this very process
        [sys.executable, "-c", code, go, written]
    )
    try:
        review.stage.agent.end_turn()
        go.touch()
        await review.until(lambda known: any(item.path == "late.txt" for item in known.items))
        known = await review.items(fresh=False)
        assert known.turns[-1].at_work
        assert known.items[0].change.author is Author.AGENT
        go.unlink()
        assert process.wait(20) == 0
        await review.until(lambda known: not known.turns[-1].at_work)
    finally:
        process.kill()
        process.wait()


async def test_an_open_review_survives_a_restart(settings: Settings, review: Review) -> None:
    await review.ran("make", a__txt="1\n2\n3\n4\nfive\n")
    await review.end()
    await review.stage.supervisor.shut_down()
    review.file("a.txt").write_text("mine\n1\n2\n3\n4\nfive\n")
    on = settings.model_copy(
        update={"review": settings.review.model_copy(update={"enabled": True})}
    )
    async with open_supervisor(on, factories={"codex": PlayedFactory()}) as again:
        found = await again.review.items(review.folder, fresh=True)
        assert [item.change.part.start for item in found.items] == [5]
        done = await again.review.undo(review.folder, [found.items[0].id], "test")
        assert review.file("a.txt").read_text() == "mine\n1\n2\n3\n4\n5\n"
        await again.review.redo(review.folder, done.outcome.undo_id, "test")
        assert review.file("a.txt").read_text() == "mine\n1\n2\n3\n4\nfive\n"


async def test_what_is_not_there_cannot_be_undone(review: Review) -> None:
    with pytest.raises(InvalidRequest, match="open any more"):
        await review.stage.supervisor.review.undo(review.folder, ["x"], "test")
    with pytest.raises(InvalidRequest, match="at work"):
        await review.undo_turn()
    with pytest.raises(InvalidRequest, match="no undo"):
        await review.stage.supervisor.review.redo(review.folder, "x", "test")


async def test_two_servers_do_not_keep_the_review_of_one_workspace(
    settings: Settings, review: Review
) -> None:
    on = settings.model_copy(
        update={"review": settings.review.model_copy(update={"enabled": True})}
    )
    view = Watcher()
    async with open_supervisor(on, factories={"codex": PlayedFactory()}) as other:
        attachment = other.attach(view)
        await Stage(other, review.stage.factory, view, review.folder, attachment).start()
        told = [notice.message for notice in view.all(Notice)]
        assert any("Another Autopilot keeps the review" in message for message in told)


async def test_a_save_that_a_look_saw_first_is_the_persons(review: Review) -> None:
    review.command("make", ended=False)
    loaded = review.file("a.txt").read_text()
    text = "1\n2, mine\n3\n4\n5\n"
    review.file("a.txt").write_text(text)
    assert await review.shown() == [("a.txt", "2\n", "2, mine\n")]
    desk = review.stage.supervisor.review
    await desk.saved(review.file("a.txt"), loaded, text)
    assert await review.shown() == []
    # What the agent did before in the same file, which the editor had loaded, stays the agent's.
    theirs = "1\n2, mine\n3\n4\nfive\n"
    review.file("a.txt").write_text(theirs)
    mine = "one, mine\n2, mine\n3\n4\nfive\n"
    review.file("a.txt").write_text(mine)
    assert len(await review.shown()) == 2
    await desk.saved(review.file("a.txt"), theirs, mine)
    assert await review.shown() == [("a.txt", "5\n", "five\n")]
    # What the agent writes right after a save is not taken for a part of it.
    saved = "one, mine\n2, mine\n3, mine\n4\nfive\n"
    review.file("a.txt").write_text(saved.replace("4", "four"))
    await desk.saved(review.file("a.txt"), mine, saved)
    assert await review.shown() == [("a.txt", "4\n5\n", "four\nfive\n")]


async def test_saving_without_typing_takes_nothing_as_the_persons(review: Review) -> None:
    await review.ran("make", a__txt="1\n2\n3\n4\nfive\n")
    text = review.file("a.txt").read_text()
    await review.stage.supervisor.review.saved(review.file("a.txt"), text, text)
    assert await review.shown() == [("a.txt", "5\n", "five\n")]


async def test_a_stale_loaded_text_does_not_bring_back_what_was_kept(review: Review) -> None:
    stale = review.file("a.txt").read_text()
    desk = review.stage.supervisor.review
    await review.ran("make", a__txt="1\ntwo\n3\n4\n5\n")
    await desk.keep(review.folder, [item.id for item in (await review.items()).items])
    await review.ran("make", a__txt="1\ntwo\n3\n4\nfive\n")
    text = "1, mine\ntwo\n3\n4\nfive\n"
    review.file("a.txt").write_text(text)
    await desk.saved(review.file("a.txt"), stale, text)
    assert await review.shown() == [("a.txt", "5\n", "five\n")]


async def test_a_fault_while_it_is_stored_does_not_end_the_storing(
    review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, stored = anyio.Event(), anyio.Event()

    def fail_once(opened: WorkspaceReview, dumps: Dumps) -> bytes:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("played")
        stored.set()
        return to_bytes(opened, dumps)

    monkeypatch.setattr(reviews, "to_bytes", fail_once)
    with anyio.fail_after(30):
        await review.ran("make", a__txt="1\n")
        await failed.wait()
        await review.ran("make", b__txt="1\n")
        await stored.wait()


async def test_what_happened_right_before_the_server_ended_is_reviewed(
    settings: Settings, review: Review
) -> None:
    review.command("make", ended=False)
    review.file("a.txt").write_text("1\n2\n3\n4\nfive\n")
    await review.stage.supervisor.shut_down()
    on = settings.model_copy(
        update={"review": settings.review.model_copy(update={"enabled": True})}
    )
    async with open_supervisor(on, factories={"codex": PlayedFactory()}) as again:
        found = await again.review.items(review.folder, fresh=True)
        assert [item.path for item in found.items] == ["a.txt"]
        assert not found.turns[-1].at_work


async def test_a_first_turn_is_reviewed_though_the_server_was_killed_before_it_looked(
    settings: Settings, review: Review
) -> None:
    opened = review.opened
    killed = await review.stored("at_work")
    await review.stage.supervisor.shut_down()
    opened.file.write_bytes(killed)  # As if the server had been killed in the middle of the turn.
    review.file("a.txt").write_text("1\n2\n3\n4\nfive\n")
    on = settings.model_copy(
        update={"review": settings.review.model_copy(update={"enabled": True})}
    )
    async with open_supervisor(on, factories={"codex": PlayedFactory()}) as again:
        found = await again.review.items(review.folder, fresh=True)
        assert [(item.path, item.change.author) for item in found.items] == [
            ("a.txt", Author.UNKNOWN)
        ]
        assert not found.turns[-1].at_work


async def test_what_happened_while_no_server_watched_a_turn_is_unattributed(
    settings: Settings, review: Review
) -> None:
    await review.ran("make", b__txt="one\n")
    opened = review.opened
    killed = await review.stored("b.txt")
    await review.stage.supervisor.shut_down()
    opened.file.write_bytes(killed)  # As if the server had been killed in the middle of the turn.
    review.file("a.txt").write_text("1\n2\n3\n4\nfive\n")
    on = settings.model_copy(
        update={"review": settings.review.model_copy(update={"enabled": True})}
    )
    async with open_supervisor(on, factories={"codex": PlayedFactory()}) as again:
        found = await again.review.items(review.folder, fresh=True)
        assert [(item.path, item.change.author) for item in found.items] == [
            ("a.txt", Author.UNKNOWN),
            ("b.txt", Author.AGENT),
        ]


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


async def test_more_files_than_there_is_room_for_are_counted_and_said(
    review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autopilot_ls.supervisor.review.files.MAX_FILES", 5)
    monkeypatch.setattr("autopilot_ls.supervisor.review.files.BATCH", 4)
    await review.ran("make", **{f"f{number}__txt": "new\n" for number in range(9)})
    found = await review.items()
    assert len(found.items) == 5
    assert any("4 changes of others" in notice for notice in found.notices)


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


async def test_what_commands_change_counts_for_the_limits_of_a_turn(review: Review) -> None:
    policy = review.stage.supervisor.settings.policy_path
    policy.write_text("[limits]\nfiles = 2\n")
    await review.ran("make", a__txt="1\n")
    review.stage.agent.ask(command("ls", review.folder), key="k1")
    assert (await review.stage.agent.answered(1))[0][1].kind is DecisionKind.ACCEPT
    await review.ran("make", b__txt="1\n")
    review.stage.agent.ask(command("ls", review.folder), key="k2")
    assert [each.verdict.rule for each in review.stage.waiting()] == ["limit-files"]


async def folders(review: Review, tmp_path: Path, **files: str) -> tuple[Path, Path]:
    """Give an empty folder elsewhere, and one of the workspace whose files the next turn finds."""
    home, inner = tmp_path / "home", review.file("keys")
    home.mkdir()
    inner.mkdir()
    for name, text in files.items():
        (inner / name).write_text(text)
    await review.end()
    await review.stage.start()
    return home, inner


def become_link(folder: Path, target: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(target)


async def test_nothing_is_written_through_a_folder_that_an_agent_made_a_link(
    review: Review, tmp_path: Path
) -> None:
    # What an agent may not write itself, it would have the undo write for it.
    home, inner = await folders(review, tmp_path, authorized="evil\n", b="b\n")
    review.command("ln -s", ended=False)
    become_link(inner, home)
    review.command("ln -s", ended=True)
    await review.items(fresh=True)
    await review.end()
    _, reasons = await review.undo_turn()
    assert list(home.iterdir()) == []
    assert not inner.is_symlink()
    assert (inner / "authorized").read_text() == "evil\n"
    assert (inner / "b").read_text() == "b\n"
    assert reasons == ()


async def test_what_a_linked_folder_leads_to_is_neither_read_nor_written(
    review: Review, tmp_path: Path
) -> None:
    home, inner = await folders(review, tmp_path, authorized="old\n")
    await review.ran("make", **{"keys/authorized": "new\n"})
    await review.end()
    become_link(inner, home)
    (home / "authorized").write_text("new\n")
    _, _ = await review.undo_turn()
    assert (home / "authorized").read_text() == "new\n"
    assert list(home.iterdir()) == [home / "authorized"]


async def test_an_undo_deletes_nothing_that_was_ignored_when_the_turn_began(review: Review) -> None:
    review.file(".gitignore").write_text("secret\n")
    review.file("secret").write_text("mine\n")
    await review.end()
    await review.stage.start()
    await review.ran("sed", __gitignore="", a__txt="x\n")
    assert {path for path, _, _ in await review.shown()} == {".gitignore", "a.txt"}
    await review.end()
    await review.undo_turn()
    assert review.file(".gitignore").read_text() == "secret\n"
    assert review.file("secret").read_text() == "mine\n"
