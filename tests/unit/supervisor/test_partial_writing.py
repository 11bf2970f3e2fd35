"""What a partial accept writes: all of it or nothing, never over what others wrote, and with nothing left behind."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import pytest

from autopilot_ls.edits import placing
from autopilot_ls.model.approvals import ChangeKind, DecisionKind
from autopilot_ls.model.errors import DecisionRefused
from autopilot_ls.model.events import ApprovalResolved, FilesSettled
from autopilot_ls.supervisor import partial, patches
from autopilot_ls.supervisor.views import OpenDocument
from tests.support.staged import until
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.proposals import HUNKS, OLD, accept, ask, ids, litter, unified, whole

ACCEPT, DECLINE = DecisionKind.ACCEPT, DecisionKind.DECLINE


async def test_a_file_changed_on_disk_refuses_before_anything_is_written(stage: Stage) -> None:
    one, two = stage.workspace / "one", stage.workspace / "two"
    one.write_text(OLD)
    two.write_text(OLD)
    approval = await ask(stage, unified(one, HUNKS), unified(two, HUNKS))
    two.write_text("mine\n")
    with pytest.raises(DecisionRefused, match="two was changed on disk"):
        await accept(stage, approval, ids(approval)[0], ids(approval)[3])
    assert one.read_text() == OLD
    assert two.read_text() == "mine\n"
    assert len(stage.waiting()) == 1


async def test_a_full_disk_refuses_before_anything_is_written(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = stage.workspace / "one", stage.workspace / "two"
    one.write_text(OLD)
    two.write_text(OLD)
    approval = await ask(stage, unified(one, HUNKS), unified(two, HUNKS))
    count = 0
    real = os.fsync

    def full(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(placing.os, "fsync", full)
    with pytest.raises(DecisionRefused, match="two cannot be written: No space left"):
        await accept(stage, approval, ids(approval)[0], ids(approval)[3])
    assert (one.read_text(), two.read_text()) == (OLD, OLD)
    assert litter(stage.workspace) == []
    assert len(stage.waiting()) == 1


async def test_what_fails_in_the_middle_is_restored_and_everybody_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, new = (stage.workspace / name for name in ("one", "two", "sub/new"))
    one.write_text(OLD)
    two.write_text(OLD)
    approval = await ask(
        stage,
        unified(one, HUNKS),
        whole(new, ChangeKind.ADD, "x\n"),
        unified(two, HUNKS),
    )
    real = Path.replace
    written = list[Path]()

    def refuse(self: Path, target: Path) -> Path:
        if Path(target).name == "two":
            raise OSError(errno.EIO, "Input/output error")
        written.append(Path(target))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    await accept(stage, approval, ids(approval)[0], ids(approval)[3], ids(approval)[4])
    assert one in written
    assert (one.read_text(), two.read_text()) == (OLD, OLD)
    assert not new.exists()
    assert not new.parent.exists()
    assert litter(stage.workspace) == []
    settled = await stage.view.saw(FilesSettled)
    assert settled.outcome == "restored"
    (_, decision) = (await stage.agent.answered(1))[0]
    assert decision.kind is DECLINE
    assert "could not be applied" in decision.message
    assert "Applied:" not in decision.message


async def test_nothing_is_written_over_what_was_typed_while_the_decision_was_recorded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    real = stage.view.events_applied

    def typing(session_id: str, events: object) -> None:
        real(session_id, events)  # pyright: ignore[reportArgumentType]
        if any(isinstance(e.body, ApprovalResolved) for e in stage.view.events):
            stage.view.documents = [OpenDocument(path, OLD + "typed\n")]

    monkeypatch.setattr(stage.view, "events_applied", typing)
    await accept(stage, approval, ids(approval)[0])
    assert path.read_text() == OLD
    settled = await stage.view.saw(FilesSettled)
    assert settled.outcome == "unchanged"
    assert "unsaved changes" in settled.detail
    assert "unsaved changes" in (await stage.agent.answered(1))[0][1].message


async def test_a_link_that_took_the_place_is_neither_followed_nor_replaced(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, secret = stage.workspace / "a.txt", stage.workspace / "secret"
    path.write_text(OLD)
    secret.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    real = placing.stage

    def swap(*args: object, **options: object) -> object:
        staged = real(*args, **options)  # pyright: ignore[reportArgumentType]
        path.unlink()
        path.symlink_to(secret)
        return staged

    monkeypatch.setattr("autopilot_ls.supervisor.partial.stage", swap)
    await accept(stage, approval, ids(approval)[0])
    assert path.is_symlink()
    assert secret.read_text() == OLD
    assert litter(stage.workspace) == []
    assert (await stage.view.saw(FilesSettled)).outcome == "unchanged"


async def test_hunks_that_stand_in_the_editor_are_told_as_such_and_not_written(
    stage: Stage,
) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    stage.view.documents = [OpenDocument(path, OLD.replace("line 2\n", "LINE 2\n", 1))]
    await stage.supervisor.decide(
        approval.id, ACCEPT, decided_by="me", hunks=ids(approval)[:1], in_editor=True
    )
    assert path.read_text() == OLD
    (_, decision) = (await stage.agent.answered(1))[0]
    assert decision.kind is DECLINE
    assert (
        "hunk 1 of 3, at line 2 (in the user's editor, not saved to disk yet)" in decision.message
    )
    assert not [e for e in stage.view.events if isinstance(e.body, FilesSettled)]


async def test_what_is_written_after_it_was_given_up_is_removed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    limits: list[anyio.CancelScope] = []
    released, written = threading.Event(), threading.Event()

    async def impatient(look: Callable[[], object]) -> object:
        with anyio.CancelScope() as limit:
            limits.append(limit)
            return await patches.looked(look)
        raise DecisionRefused("It took too long.")

    def slow(*args: Any, **options: Any) -> placing.Staged:
        anyio.from_thread.run_sync(limits[-1].cancel)
        assert released.wait(30)
        staged = placing.stage(*args, **options)
        assert litter(stage.workspace)
        written.set()
        return staged

    monkeypatch.setattr(partial, "looked", impatient)
    monkeypatch.setattr(partial, "stage", slow)
    with pytest.raises(DecisionRefused, match="too long"):
        await accept(stage, approval, ids(approval)[0])
    assert stage.waiting() == (approval,)
    released.set()
    # Nobody waits for that thread.
    await until(lambda: written.is_set() and not litter(stage.workspace))
    assert path.read_text() == OLD


async def test_what_is_ready_in_the_moment_in_which_it_is_given_up_is_removed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))

    async def dropped(look: Callable[[], object]) -> object:
        await patches.looked(look)
        raise DecisionRefused("It took too long.")

    monkeypatch.setattr(partial, "looked", dropped)
    with pytest.raises(DecisionRefused, match="too long"):
        await accept(stage, approval, ids(approval)[0])
    assert litter(stage.workspace) == []
    assert path.read_text() == OLD
