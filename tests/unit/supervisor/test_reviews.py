"""Open reviews on a disk that fails: what could not be done is tried again, with nobody asking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import anyio
import pytest

from autopilot_ls.model.errors import BaselineUnavailable, TraceError
from autopilot_ls.supervisor.review import reviews
from autopilot_ls.supervisor.review.reviews import Reviews
from autopilot_ls.supervisor.review.storage import Dumps, to_bytes
from autopilot_ls.supervisor.review.values import Snapshots
from autopilot_ls.supervisor.review.workspace import WorkspaceReview


class Pruned:
    """The pruning of snapshots, of which no other part is used here."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.done = anyio.Event()

    async def prune(self) -> None:
        if self.failures:
            self.failures -= 1
            raise BaselineUnavailable("Somebody wanted to look at the workspace.")
        self.done.set()


def snapshots(pruned: Pruned) -> Callable[[Path, Path], Snapshots]:
    return lambda _store, _workspace: cast("Snapshots", pruned)


async def test_a_review_that_could_not_be_stored_is_stored_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures, stored = [TraceError("The disk is full."), RuntimeError("played")], anyio.Event()

    def fail_first(review: WorkspaceReview, dumps: Dumps) -> bytes:
        if failures:
            raise failures.pop()
        stored.set()
        return to_bytes(review, dumps)

    monkeypatch.setattr(reviews, "to_bytes", fail_first)
    monkeypatch.setattr(reviews, "SAVE_AGAIN", 0.01)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            made = Reviews(tmp_path, snapshots(Pruned()), tasks, lambda _: None)
            opened = await made.of(tmp_path)
            opened.unsaved.set()
            await stored.wait()
            tasks.cancel_scope.cancel()
    assert not failures


async def test_a_review_that_could_not_be_stored_is_stored_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True

    def fail(review: WorkspaceReview, dumps: Dumps) -> bytes:
        if full:
            raise TraceError("The disk is full.")
        return to_bytes(review, dumps)

    monkeypatch.setattr(reviews, "to_bytes", fail)
    async with anyio.create_task_group() as tasks:
        made = Reviews(tmp_path, snapshots(Pruned()), tasks, lambda _: None)
        opened = await made.of(tmp_path)
        opened.unsaved.set()
        await made.keep_safe(opened)
        full = False
        await made.shut_down()
        assert opened.file.exists()
        tasks.cancel_scope.cancel()


async def test_a_store_that_was_in_use_is_tidied_up_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviews, "TIDY_AGAIN", 0.01)
    pruned = Pruned(failures=2)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            await Reviews(tmp_path, snapshots(pruned), tasks, lambda _: None).of(tmp_path)
            await pruned.done.wait()
            tasks.cancel_scope.cancel()
    assert pruned.failures == 0
