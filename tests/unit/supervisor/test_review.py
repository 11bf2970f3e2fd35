"""Review after the fact: what agents change without asking is kept or taken back, over a played agent and the real git."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autopilot_ls.edits.weave import Author
from autopilot_ls.model.approvals import DecisionKind
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.supervisor.views import OpenDocument
from tests.unit.supervisor.conftest import Review
from tests.unit.supervisor.played_runtime import command


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


async def test_what_is_not_there_cannot_be_undone(review: Review) -> None:
    with pytest.raises(InvalidRequest, match="open any more"):
        await review.stage.supervisor.review.undo(review.folder, ["x"], "test")
    with pytest.raises(InvalidRequest, match="at work"):
        await review.undo_turn()
    with pytest.raises(InvalidRequest, match="no undo"):
        await review.stage.supervisor.review.redo(review.folder, "x", "test")


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


async def test_more_files_than_there_is_room_for_are_counted_and_said(
    review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autopilot_ls.supervisor.review.files.MAX_FILES", 5)
    monkeypatch.setattr("autopilot_ls.supervisor.review.files.BATCH", 4)
    await review.ran("make", **{f"f{number}__txt": "new\n" for number in range(9)})
    found = await review.items()
    assert len(found.items) == 5
    assert any("4 changes of others" in notice for notice in found.notices)


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
