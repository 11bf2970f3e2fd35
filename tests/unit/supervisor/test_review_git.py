"""Review after the fact, where the person commits, stashes, or has repositories inside others."""

from __future__ import annotations

import subprocess
from pathlib import Path

from autopilot_ls.settings.tree import ReviewSettings, Settings
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.supervisor import open_supervisor
from tests.unit.supervisor.conftest import Review
from tests.unit.supervisor.played_runtime import PlayedFactory


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
