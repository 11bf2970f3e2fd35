"""What is kept of workspaces goes when they are gone or unused for long, and never while it is in use."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from autopilot_ls.supervisor.review import pruning
from autopilot_ls.supervisor.review.pruning import note_use, prune
from autopilot_ls.trace.locks import SessionLock

DAY = 86_400.0


def kept(root: Path, number: int, workspace: Path, *, age: float) -> Path:
    folder = root / f"{number:024x}"
    (folder / "git").mkdir(parents=True)
    note_use(folder, workspace)
    file = root / f"{folder.name}.json"
    file.write_text("{}")
    then = time.time() - age
    for path in (folder / "workspace", file, folder):
        os.utime(path, (then, then))
    return folder


@pytest.mark.parametrize(
    ("age", "exists", "goes"),
    [
        (8 * DAY, False, True),
        (6 * DAY, False, False),
        (8 * DAY, True, False),
        (91 * DAY, True, True),
        (89 * DAY, True, False),
    ],
)
def test_what_goes(tmp_path: Path, age: float, *, exists: bool, goes: bool) -> None:
    workspace = tmp_path / "work"
    if exists:
        workspace.mkdir()
    folder = kept(tmp_path / "reviews", 1, workspace, age=age)
    removed = prune(tmp_path / "reviews", 90 * DAY, time.time())
    assert removed == ((folder.name,) if goes else ())
    left = sorted(path.name for path in (tmp_path / "reviews").iterdir())
    assert left == ([] if goes else [folder.name, f"{folder.name}.json"])


def test_without_a_limit_only_what_is_gone_goes(tmp_path: Path) -> None:
    kept(tmp_path / "r", 1, tmp_path, age=5_000 * DAY)
    kept(tmp_path / "r", 2, tmp_path / "gone", age=5_000 * DAY)
    assert prune(tmp_path / "r", 0.0, time.time()) == (f"{2:024x}",)


def test_what_is_in_use_or_of_others_stays(tmp_path: Path) -> None:
    root = tmp_path / "r"
    folder = kept(root, 1, tmp_path / "gone", age=500 * DAY)
    nameless = kept(root, 2, tmp_path / "gone", age=50 * DAY)
    (nameless / "workspace").unlink()
    then = time.time() - 50 * DAY
    os.utime(nameless, (then, then))
    (root / "notes").mkdir()
    lock = SessionLock(folder)
    try:
        assert prune(root, 90 * DAY, time.time()) == ()
    finally:
        lock.release()
    then = time.time() - 500 * DAY
    os.utime(folder, (then, then))
    assert prune(root, 90 * DAY, time.time()) == (folder.name,)
    assert (root / "notes").is_dir()
    assert nameless.is_dir()


def test_it_is_bounded_and_goes_on_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "AT_ONCE", 2)
    for number in range(5):
        kept(tmp_path / "r", number, tmp_path / "gone", age=50 * DAY)
    counts = [len(prune(tmp_path / "r", 0.0, time.time())) for _ in range(4)]
    assert counts == [2, 2, 1, 0]


def test_a_removal_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    (tmp_path / ".deleted-x" / "git").mkdir(parents=True)
    assert prune(tmp_path, 0.0, time.time()) == ()
    assert list(tmp_path.iterdir()) == []
    assert prune(tmp_path / "missing", 0.0, time.time()) == ()
