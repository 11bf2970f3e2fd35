"""Documents whose paths lead nowhere: whoever opens one must not keep everybody from working."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from autopilot_ls.edits.check import check_documents
from autopilot_ls.edits.snapshot import capture
from autopilot_ls.edits.unsaved import dirty_documents


@dataclass(frozen=True)
class _Document:
    path: Path
    text: str = "unsaved"


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_document_that_no_file_can_be_is_passed_over(tmp_path: Path, name: str) -> None:
    file = tmp_path / "a"
    file.write_text("a\n")
    odd = _Document(tmp_path / name)
    assert dirty_documents([odd], tmp_path) == []
    check_documents(capture([file])[file], [odd], tmp_path)


def test_a_document_in_a_loop_of_links_counts_as_unsaved(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.symlink_to(two)
    two.symlink_to(one)
    file = tmp_path / "a"
    file.write_text("a\n")
    looped = _Document(one / "x")
    assert dirty_documents([looped], tmp_path) == [one / "x"]
    assert dirty_documents([_Document(one)], tmp_path) == [one]
    check_documents(capture([file])[file], [looped], tmp_path)
