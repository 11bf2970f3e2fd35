"""Writing what is taken back: nothing of a person's is overwritten, and nothing is left lying about."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from autopilot_ls.edits.history import ABSENT, Content
from autopilot_ls.supervisor.review.placing import Pairs, Placing
from autopilot_ls.supervisor.views import OpenDocument

OLD, NEW = Content("file", b"old\n"), Content("file", b"new\n")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def place(
    folder: Path,
    files: Pairs,
    *,
    documents: Callable[[], Iterable[OpenDocument]] = tuple,
    meanwhile: Callable[[], object] = tuple,
) -> tuple[frozenset[str], list[str]]:
    async def ready() -> None:
        meanwhile()

    placing = Placing(folder, documents, ready)
    return await placing.place(files), placing.reasons


async def test_what_was_typed_while_the_review_was_stored_is_not_overwritten(
    tmp_path: Path,
) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"old\n")
    documents: list[OpenDocument] = []
    done, reasons = await place(
        tmp_path,
        {"a": (OLD, NEW), "b": (OLD, NEW)},
        documents=lambda: documents,
        meanwhile=lambda: documents.append(OpenDocument(tmp_path / "a", "old, typed\n")),
    )
    assert done == {"b"}
    assert [(tmp_path / name).read_bytes() for name in "ab"] == [b"old\n", b"new\n"]
    assert len(reasons) == 1
    assert "unsaved changes" in reasons[0]


@pytest.mark.parametrize("to", [NEW, ABSENT, Content("link", b"elsewhere")])
async def test_what_was_written_while_the_review_was_stored_is_not_overwritten(
    tmp_path: Path, to: Content
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old\n")
    done, reasons = await place(
        tmp_path, {"a": (OLD, to)}, meanwhile=lambda: file.write_bytes(b"saved\n")
    )
    assert not done
    assert "at the last moment" in reasons[0]
    assert file.read_bytes() == b"saved\n"
    assert names(tmp_path) == ["a"]


async def test_a_link_in_a_folder_that_became_a_link_stays(tmp_path: Path) -> None:
    folder, other = tmp_path / "work", tmp_path / "other"
    (folder / "in").mkdir(parents=True)
    other.mkdir()
    link = Content("link", b"goal")
    for each in (folder / "in", other):
        (each / "gone").symlink_to("goal")

    def swap() -> None:
        (folder / "in").rename(folder / "was")
        (folder / "in").symlink_to(other)

    done, reasons = await place(
        folder, {"in/gone": (link, ABSENT), "in/new": (ABSENT, link)}, meanwhile=swap
    )
    assert not done
    assert reasons == [
        f"in/{name} was left as it is: its folder is a link now." for name in ("gone", "new")
    ]
    assert names(other) == ["gone"]


async def test_a_file_that_cannot_take_the_place_of_a_link_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").symlink_to("goal")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done, reasons = await place(tmp_path, {"a": (Content("link", b"goal"), NEW)})
    assert not done
    assert "No space left" in reasons[0]
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").is_symlink()
