"""The open review outlives the server: what is stored, what a killed server leaves, and one server at a time."""

from __future__ import annotations

import anyio
import pytest

from autopilot_ls.edits.weave import Author
from autopilot_ls.model.events import Notice
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.review import reviews
from autopilot_ls.supervisor.review.storage import Dumps, to_bytes
from autopilot_ls.supervisor.review.workspace import WorkspaceReview
from tests.support.watcher import Watcher
from tests.unit.supervisor.conftest import Review, Stage, next_server


async def test_an_open_review_survives_a_restart(settings: Settings, review: Review) -> None:
    await review.ran("make", a__txt="1\n2\n3\n4\nfive\n")
    await review.end()
    await review.end_server()
    review.file("a.txt").write_text("mine\n1\n2\n3\n4\nfive\n")
    async with next_server(settings) as again:
        found = await again.review.items(review.folder, fresh=True)
        assert [item.change.part.start for item in found.items] == [5]
        done = await again.review.undo(review.folder, [found.items[0].id], "test")
        assert review.file("a.txt").read_text() == "mine\n1\n2\n3\n4\n5\n"
        await again.review.redo(review.folder, done.outcome.undo_id, "test")
        assert review.file("a.txt").read_text() == "mine\n1\n2\n3\n4\nfive\n"


async def test_what_was_undone_with_the_turn_before_it_stays_undone_after_a_restart(
    settings: Settings, review: Review
) -> None:
    await review.ran("make", a__txt="A\n")
    await review.end()
    await review.stage.start("again")
    await review.ran("make", a__txt="B\n")
    await review.end()
    first, second = (turn.name for turn in (await review.items()).turns)
    await review.stage.supervisor.review.undo_turn(review.folder, first, "test")
    await review.end_server()
    async with next_server(settings) as again:
        await again.review.items(review.folder, fresh=True)
        await again.review.undo_turn(review.folder, second, "test")
        assert review.file("a.txt").read_text() == "1\n2\n3\n4\n5\n"


async def test_two_servers_do_not_keep_the_review_of_one_workspace(
    settings: Settings, review: Review
) -> None:
    view = Watcher()
    async with next_server(settings) as other:
        attachment = other.attach(view)
        await Stage(other, review.stage.factory, view, review.folder, attachment).start()
        told = [notice.message for notice in view.all(Notice)]
        assert any("Another Autopilot keeps the review" in message for message in told)


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
    await review.end_server()
    async with next_server(settings) as again:
        found = await again.review.items(review.folder, fresh=True)
        assert [item.path for item in found.items] == ["a.txt"]
        assert not found.turns[-1].at_work


async def test_a_first_turn_is_reviewed_though_the_server_was_killed_before_it_looked(
    settings: Settings, review: Review
) -> None:
    killed = await review.stored("at_work")
    await review.end_server(killed)
    review.file("a.txt").write_text("1\n2\n3\n4\nfive\n")
    async with next_server(settings) as again:
        found = await again.review.items(review.folder, fresh=True)
        assert [(item.path, item.change.author) for item in found.items] == [
            ("a.txt", Author.UNKNOWN)
        ]
        assert not found.turns[-1].at_work


async def test_what_happened_while_no_server_watched_a_turn_is_unattributed(
    settings: Settings, review: Review
) -> None:
    await review.ran("make", b__txt="one\n")
    killed = await review.stored("b.txt")
    await review.end_server(killed)
    review.file("a.txt").write_text("1\n2\n3\n4\nfive\n")
    async with next_server(settings) as again:
        found = await again.review.items(review.folder, fresh=True)
        assert [(item.path, item.change.author) for item in found.items] == [
            ("a.txt", Author.UNKNOWN),
            ("b.txt", Author.AGENT),
        ]
