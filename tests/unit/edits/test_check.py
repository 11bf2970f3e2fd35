"""An accept is refused when something of the person's could be lost, and the message says what to do."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from autopilot_ls.edits.check import affected_paths, check_acceptable, is_clean
from autopilot_ls.edits.convert import file_changes
from autopilot_ls.edits.snapshot import FileState, capture, read_target
from autopilot_ls.model.approvals import ChangeKind, FileChange, ProposedChange
from autopilot_ls.model.errors import DecisionRefused


@dataclass(frozen=True)
class Doc:
    path: Path
    text: str


class Patch:
    """A patch that updates, adds, deletes and renames, as it was proposed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "update.txt").write_bytes(b"a\nb\n")
        (root / "delete.txt").write_bytes(b"gone\n")
        (root / "move.txt").write_bytes(b"m\n")
        self.files: tuple[FileChange, ...] = file_changes(
            [
                self.change("update.txt", ChangeKind.UPDATE, "@@ -1,2 +1,2 @@\n-a\n+A\n b\n"),
                self.change("new/add.txt", ChangeKind.ADD, "n\n"),
                self.change("delete.txt", ChangeKind.DELETE, "gone\n"),
                self.change(
                    "move.txt", ChangeKind.UPDATE, "\n\nMoved to: moved.txt", move_to="moved.txt"
                ),
            ],
            approval_id="apr",
            read=read_target,
            root=root,
        )
        self.proposal = capture(affected_paths(self.files), keep=False)

    @staticmethod
    def change(
        path: str, kind: ChangeKind, text: str, move_to: str | None = None
    ) -> ProposedChange:
        return ProposedChange(
            path=path,
            kind=kind,
            move_to=move_to,
            form="unified" if kind is ChangeKind.UPDATE else "content",
            text=text,
        )

    def check(self, *documents: Doc) -> dict[Path, FileState]:
        return check_acceptable(
            self.files, disk_at_proposal=self.proposal, documents=documents, root=self.root
        )

    def refused(self, *documents: Doc) -> str:
        with pytest.raises(DecisionRefused) as caught:
            self.check(*documents)
        assert caught.value.advice
        return str(caught.value)


@pytest.fixture
def patch(tmp_path: Path) -> Patch:
    made = Patch(tmp_path)
    assert [change.problem for change in made.files] == [""] * 4
    return made


def test_nothing_in_the_way(patch: Patch, tmp_path: Path) -> None:
    before = patch.check(
        Doc(tmp_path / "update.txt", "a\r\nb"),
        Doc(tmp_path / "delete.txt", "gone\n"),
        Doc(tmp_path / "new" / "add.txt", ""),
        Doc(tmp_path / "other.txt", "unsaved"),
    )
    assert before[tmp_path / "update.txt"].data == b"a\nb\n"
    assert before[tmp_path / "new" / "add.txt"].missing == (tmp_path / "new",)
    assert set(before) == {
        tmp_path / name
        for name in ("update.txt", "new/add.txt", "delete.txt", "move.txt", "moved.txt")
    }


@pytest.mark.parametrize(
    "name", ["update.txt", "delete.txt", "move.txt", "new/add.txt", "moved.txt"]
)
def test_unsaved_text(patch: Patch, tmp_path: Path, name: str) -> None:
    said = patch.refused(Doc(tmp_path / name, "typed"))
    assert said.startswith(f"Save {name} first: it has unsaved changes")


def test_unsaved_text_behind_a_link(patch: Patch, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(tmp_path)
    os.link(tmp_path / "update.txt", tmp_path / "hard.txt")
    (tmp_path / "soft.txt").symlink_to("update.txt")
    for name in ("alias/update.txt", "hard.txt", "soft.txt"):
        assert "unsaved changes" in patch.refused(Doc(tmp_path / name, "typed"))
    assert "unsaved" in patch.refused(Doc(tmp_path / "alias" / "new" / "add.txt", "typed"))
    assert "unsaved" in patch.refused(Doc(tmp_path / "NEW" / "Add.txt", "typed"))


@pytest.mark.parametrize("name", ["update.txt", "delete.txt", "move.txt"])
def test_changed_or_deleted_meanwhile(patch: Patch, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine\n")
    assert f"{name} was changed on disk after" in patch.refused()
    (tmp_path / name).unlink()
    assert f"{name} was deleted after" in patch.refused()
    (tmp_path / name).mkdir()
    assert "no longer a regular file" in patch.refused()
    (tmp_path / name).rmdir()
    (tmp_path / name).symlink_to("elsewhere")
    assert "symbolic link" in patch.refused()


@pytest.mark.parametrize("name", ["new/add.txt", "moved.txt"])
def test_created_meanwhile(patch: Patch, tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"")
    said = patch.refused()
    assert f"{name} was created after the change was proposed, and would be overwritten" in said


def test_a_folder_replaced_by_a_link(patch: Patch, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "new").symlink_to("elsewhere")
    assert "folder of new/add.txt was replaced" in patch.refused()


def test_read_only(patch: Patch, tmp_path: Path) -> None:
    for name in ("update.txt", "delete.txt", "move.txt"):
        (tmp_path / name).chmod(0o444)
        assert f"{name} is read-only" in patch.refused()
        (tmp_path / name).chmod(0o644)
    patch.check()


def test_a_file_where_a_folder_is_needed(patch: Patch, tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"")
    assert "folder of new/add.txt cannot be written" in patch.refused()


def test_what_was_there_at_the_proposal_is_needed(patch: Patch) -> None:
    patch.proposal.popitem()
    assert "is not known" in patch.refused()


def test_a_problem_refuses(patch: Patch) -> None:
    patch.files = (patch.files[0].model_copy(update={"problem": "The file is binary."}),)
    assert patch.refused().startswith("The file is binary. Reject it")


def test_too_large_to_keep(patch: Patch) -> None:
    with pytest.raises(DecisionRefused, match="too large to keep a copy"):
        check_acceptable(
            patch.files, disk_at_proposal=patch.proposal, documents=(), root=patch.root, limit=6
        )


@pytest.mark.parametrize(
    ("text", "disk", "clean"),
    [
        ("a\nb\n", b"a\nb\n", True),
        ("a\nb", b"a\nb\n", True),
        ("a\nb\n", b"a\nb", True),
        ("a\nb\n", b"a\r\nb\r\n", True),
        ("a\r\nb\r\n", b"a\nb\n", True),
        ("a\nb\n", b"a\rb", True),
        ("a\nb\n", b"\xef\xbb\xbfa\nb\n", True),
        ("\ufeffa\nb\n", b"a\nb\n", True),
        ("\n", b"", True),
        ("", b"", True),
        ("é\n", b"\xe9\n", True),
        ("€\n", b"\x80\n", True),
        ("\ufffd\n", b"\xe9\n", True),
        ("é\n", "é\n".encode("utf-16"), True),
        ("a\nb\n\n", b"a\nb\n", False),
        ("a\nb ", b"a\nb", False),
        ("a\n\nb\n", b"a\nb\n", False),
        ("è\n", b"\xe9\n", False),
        ("", b"a\n", False),
        ("a", None, False),
        ("", None, True),
        ("\n", None, True),
    ],
)
def test_clean_or_dirty(text: str, disk: bytes | None, *, clean: bool) -> None:
    assert is_clean(text, disk) is clean
