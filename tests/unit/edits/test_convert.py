"""What must not be accepted gets a problem that says why."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from autopilot_ls.edits.convert import MAX_TEXT, file_changes
from autopilot_ls.edits.promise import apply_hunks, promise
from autopilot_ls.edits.snapshot import read_target
from autopilot_ls.model.approvals import ChangeKind, FileChange, Hunk, ProposedChange
from autopilot_ls.model.errors import PatchInvalid


def proposed(
    path: Path | str,
    text: str,
    kind: ChangeKind = ChangeKind.UPDATE,
    *,
    move_to: str | None = None,
    form: Literal["unified", "content"] | None = None,
) -> ProposedChange:
    natural: Literal["unified", "content"] = "unified" if kind is ChangeKind.UPDATE else "content"
    return ProposedChange(
        path=str(path), kind=kind, move_to=move_to, form=form or natural, text=text
    )


def one(change: ProposedChange, root: Path) -> FileChange:
    (result,) = file_changes([change], approval_id="apr", read=read_target, root=root)
    return result


@pytest.mark.parametrize(
    ("diff", "said"),
    [
        ("@@ -1 +1 @@\n-a\n", "cut off"),
        ("@@ -1 +1 @@\n-a\n+A", "cut off in a line"),
        ("@@ -1 +1 @@\n-a\n+A\n+B\n", "no hunk header"),
        ("@@ -1,1 +1,2 @@\n-a\n-b\n+A\n+B\n", "more than its header counts"),
        ("@@ -1,2 +1,2 @@\n-a\n+A\nb\n", "neither context nor a change"),
        ("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+A\n", "no hunk header"),
        ("@@ -0,0 +0,0 @@\n", "empty"),
        ("@@ -2 +1 @@\n-b\n+B\n", "where it says"),
        ("@@ -2 +2 @@\n-b\n+B\n@@ -1 +1 @@\n-a\n+A\n", "where it says"),
        ("@@ -1 +1 @@\n-a\n+A\x00\n", "binary"),
        ("@@ -1 +1 @@\n-a\n+\ud800\n", "not valid Unicode"),
        ("@@ -1 +1 @@\n-x\n+A\n", "expected text at line 1"),
        ("@@ -1,2 +1,2 @@\n-a\n+A\n x\n", "expected text at line 1"),
        ("@@ -9 +9 @@\n-a\n+A\n", "outside the file"),
        ("@@ -1 +1 @@\n-a\n+A\n\\ No newline at end of file\n", "no line end"),
        ("@@ -1,2 +1,2 @@\n a\n-b\n+B\n\n\nMoved to: /x", "no hunk header"),
    ],
)
def test_a_diff_that_is_not_right(tmp_path: Path, diff: str, said: str) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"a\nb\n")
    change = one(proposed(file, diff), tmp_path)
    assert said in change.problem
    assert "The change of f" in change.problem
    with pytest.raises(PatchInvalid):
        promise(change, b"a\nb\n")


def test_what_looks_like_a_header_is_content(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"@@ -1 +1 @@\n-a\n")
    change = one(
        proposed(file, "@@ -1,2 +1,2 @@\n-@@ -1 +1 @@\n+@@ -9 +9 @@\n --a\n".replace("--", "-")),
        tmp_path,
    )
    assert change.problem == ""
    assert promise(change, file.read_bytes()) == b"@@ -9 +9 @@\n-a\n"


def test_links_folders_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"a\n")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "folder").mkdir()
    diff = "@@ -1 +1 @@\n-a\n+A\n"
    assert "symbolic link" in one(proposed(tmp_path / "link", diff), tmp_path).problem
    assert "a folder" in one(proposed(tmp_path / "folder", diff), tmp_path).problem
    assert "does not exist" in one(proposed(tmp_path / "none", diff), tmp_path).problem
    for kind in (ChangeKind.ADD, ChangeKind.DELETE):
        assert "symbolic link" in one(proposed(tmp_path / "link", "a\n", kind), tmp_path).problem
    # What was proposed can still be shown.
    assert one(proposed(tmp_path / "link", diff), tmp_path).hunks[0].new_lines == ("A\n",)


def test_a_folder_that_leads_outside(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    root.mkdir()
    other.mkdir()
    (root / "way").symlink_to(other)
    for path in (root / "way" / "f", other / "f", Path("../other/f"), root / ".." / "other" / "f"):
        change = one(proposed(path, "x\n", ChangeKind.ADD), root)
        assert "outside the folder of the session" in change.problem
    assert one(proposed("deep/f", "x\n", ChangeKind.ADD), root).problem == ""


@pytest.mark.parametrize("path", ["", "a\nb", "a\x1b[31mb", "a\u202eb", "x" * 5000, "\udc80"])
def test_paths_that_cannot_be_shown(tmp_path: Path, path: str) -> None:
    assert one(
        ProposedChange.model_construct(
            path=path, kind=ChangeKind.ADD, move_to=None, form="content", text="x\n"
        ),
        tmp_path,
    ).problem


def test_a_relative_path_needs_a_root() -> None:
    (change,) = file_changes(
        [proposed("f", "x\n", ChangeKind.ADD)], approval_id="apr", read=read_target
    )
    assert "not absolute" in change.problem


def test_binary_and_other_encodings(tmp_path: Path) -> None:
    binary, latin = tmp_path / "binary", tmp_path / "latin"
    binary.write_bytes(b"a\n\0\xff\n")
    latin.write_bytes(b"a\n\xe9\n")
    diff = "@@ -1 +1 @@\n-a\n+A\n"
    assert "binary" in one(proposed(binary, diff), tmp_path).problem
    change = one(proposed(latin, diff), tmp_path)
    assert change.problem == ""
    assert promise(change, latin.read_bytes()) == b"A\n\xe9\n"
    assert one(proposed(latin, "new\n", ChangeKind.ADD), tmp_path).problem
    assert one(proposed(latin, "a\n\ufffd\n", ChangeKind.DELETE), tmp_path).problem


def test_a_form_that_does_not_go_with_the_kind(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a\n")
    assert one(proposed(tmp_path / "f", "a\n", form="content"), tmp_path).problem
    assert one(proposed(tmp_path / "n", "a\n", ChangeKind.ADD, form="unified"), tmp_path).problem
    assert one(proposed(tmp_path / "n", "a\n", ChangeKind.ADD, move_to="m"), tmp_path).problem


def test_a_file_named_twice(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a\n")
    changes = [
        proposed(tmp_path / "f", "@@ -1 +1 @@\n-a\n+A\n"),
        proposed(tmp_path / "new", "x\n", ChangeKind.ADD),
        proposed("sub/../f", "", move_to="g"),
        proposed("NEW", "y\n", ChangeKind.ADD),
        proposed("alone", "y\n", ChangeKind.ADD),
    ]
    result = file_changes(changes, approval_id="apr", read=read_target, root=tmp_path)
    assert ["more than once" in change.problem for change in result] == [True] * 4 + [False]
    ids = [hunk.id for change in result for hunk in change.hunks]
    assert len(set(ids)) == len(ids) == 4


def test_a_text_too_large_to_review(tmp_path: Path) -> None:
    change = one(proposed("big", "x" * (MAX_TEXT + 1), ChangeKind.ADD), tmp_path)
    assert "larger than 16 MiB" in change.problem


def test_a_large_replacement_stays_quick(tmp_path: Path) -> None:
    old = "".join(f"{number % 7}\n" for number in range(60_000))
    new = "".join(f"{number % 5}\n" for number in range(60_000))
    (tmp_path / "f").write_text(old)
    change = one(proposed("f", new, ChangeKind.ADD), tmp_path)
    assert len(change.hunks) == 1
    assert promise(change, old.encode()) == new.encode()


def hunk(start: int, old: str, new: str, name: str = "h") -> Hunk:
    return Hunk(
        id=name,
        old_start=start,
        old_lines=tuple(old.splitlines(keepends=True)),
        new_start=start,
        new_lines=tuple(new.splitlines(keepends=True)),
    )


def updated(*hunks: Hunk) -> FileChange:
    return FileChange(path="/ws/f", kind=ChangeKind.UPDATE, hunks=hunks)


def test_a_hunk_is_found_where_it_went() -> None:
    change = updated(hunk(2, "b\n", "B\n"))
    assert promise(change, b"a\nb\nc\n") == b"a\nB\nc\n"
    assert promise(change, b"new\na\nb\nc\n") == b"new\na\nB\nc\n"


@pytest.mark.parametrize(
    ("change", "disk", "said"),
    [
        (updated(hunk(2, "b\n", "B\n")), b"x\na\nb\nb\n", "more than once"),
        (updated(hunk(2, "b\n", "B\n")), b"a\nx\n", "no longer"),
        (updated(hunk(2, "b\n", "B\n"), hunk(3, "", "X\n")), b"n\na\nb\n", "nothing tells"),
        (updated(hunk(9, "", "X\n")), b"a\n", "nothing tells"),
        (updated(hunk(2, "", "X\n")), b"a", "no line end"),
        (updated(hunk(1, "a\n", "A")), b"a\nb\n", "no line end"),
        (updated(hunk(0, "", "A\n")), b"a\nb\n", "nothing tells"),
        (updated(hunk(1, "a\n", "A\n"), hunk(1, "a\n", "B\n")), b"a\nb\n", "overlaps"),
        (updated(hunk(1, "a\n", "A\n")), None, "does not exist"),
    ],
)
def test_what_does_not_fit_is_refused(change: FileChange, disk: bytes | None, said: str) -> None:
    with pytest.raises(PatchInvalid, match=said):
        promise(change, disk)


def test_a_repeated_text_is_not_guessed_when_another_hunk_moved() -> None:
    """A brace at the old place may be another brace now."""
    change = updated(hunk(2, "}\n", "};\n"), hunk(4, "end\n", "END\n"))
    assert promise(change, b"a\n}\nb\nend\n") == b"a\n};\nb\nEND\n"
    with pytest.raises(PatchInvalid, match="more than once"):
        promise(change, b"x\n}\na\n}\nb\nend\n")


def test_an_unknown_hunk_is_refused() -> None:
    with pytest.raises(PatchInvalid, match="no hunk nope"):
        apply_hunks(b"a\n", updated(hunk(1, "a\n", "A\n")), {"nope"})
