"""What is on disk afterwards is compared with the promise; a half-written patch is brought back."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from autopilot_ls.edits.check import affected_paths
from autopilot_ls.edits.convert import file_changes
from autopilot_ls.edits.settle import promised_contents, settle
from autopilot_ls.edits.snapshot import FileState, capture, read_target, restore, write_atomically
from autopilot_ls.model.approvals import ChangeKind, FileChange, ProposedChange
from autopilot_ls.model.errors import DecisionRefused
from autopilot_ls.model.events import FilesSettled


class Story:
    """A patch of four files with the snapshot of before."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.update, self.add = root / "update.txt", root / "a" / "b" / "add.txt"
        self.delete, self.move, self.moved = root / "del.txt", root / "mv.txt", root / "moved.txt"
        self.update.write_bytes(b"a\nb\n")
        self.update.chmod(0o755)
        self.delete.write_bytes(b"gone\n")
        self.move.write_bytes(b"m\n")
        changes = [
            ProposedChange(
                path=str(path),
                kind=kind,
                move_to=move_to,
                form="unified" if kind is ChangeKind.UPDATE else "content",
                text=text,
            )
            for path, kind, move_to, text in (
                (self.update, ChangeKind.UPDATE, None, "@@ -1,2 +1,2 @@\n-a\n+A\n b\n"),
                (self.add, ChangeKind.ADD, None, "new\n"),
                (self.delete, ChangeKind.DELETE, None, "gone\n"),
                (self.move, ChangeKind.UPDATE, str(self.moved), "@@ -1 +1 @@\n-m\n+M\n"),
            )
        ]
        self.files: tuple[FileChange, ...] = file_changes(
            changes, approval_id="apr", read=read_target, root=root
        )
        self.before: dict[Path, FileState] = capture(affected_paths(self.files))

    def write_all(self) -> None:
        self.update.write_bytes(b"A\nb\n")
        self.add.parent.mkdir(parents=True)
        self.add.write_bytes(b"new\n")
        self.delete.unlink()
        self.move.unlink()
        self.moved.write_bytes(b"M\n")

    def settle(self, *, failed: bool) -> FilesSettled:
        return settle(
            self.files, approval_id="apr", before=self.before, failed=failed, root=self.root
        )

    def is_as_before(self) -> bool:
        now = capture(self.before)
        return all(
            (now[path].data, now[path].mode) == (state.data, state.mode)
            for path, state in self.before.items()
        )


@pytest.fixture
def story(tmp_path: Path) -> Story:
    made = Story(tmp_path)
    assert [change.problem for change in made.files] == [""] * 4
    return made


def test_promised(story: Story) -> None:
    assert promised_contents(story.files, story.before) == {
        story.update: b"A\nb\n",
        story.add: b"new\n",
        story.delete: None,
        story.move: None,
        story.moved: b"M\n",
    }


@pytest.mark.parametrize("failed", [True, False])
def test_applied(story: Story, *, failed: bool) -> None:
    story.write_all()
    settled = story.settle(failed=failed)
    assert settled.outcome == "applied"
    assert len(settled.paths) == 5
    assert settled.detail == "Applied as shown: update.txt, a/b/add.txt, del.txt and 2 more."


def test_unchanged(story: Story) -> None:
    assert story.settle(failed=True).outcome == "unchanged"
    said = story.settle(failed=False)
    assert (said.outcome, said.paths) == ("unchanged", ())
    assert said.detail == "The agent said that it applied the patch, but no file was changed."


def test_half_written_is_restored(story: Story) -> None:
    story.write_all()
    story.moved.unlink()
    settled = story.settle(failed=True)
    assert settled.outcome == "restored"
    assert settled.detail.startswith("The patch failed half-way; restored to what it was before: ")
    assert story.is_as_before()
    assert not (story.root / "a").exists()
    assert sorted(path.name for path in story.root.iterdir()) == ["del.txt", "mv.txt", "update.txt"]


def test_a_beginning_of_the_promise_is_the_agents(story: Story) -> None:
    story.update.write_bytes(b"A\n")
    assert story.settle(failed=True).outcome == "restored"
    assert story.is_as_before()


def test_what_is_nobodys_to_discard_stays(story: Story) -> None:
    story.write_all()
    story.update.write_bytes(b"typed by a person\n")
    (story.root / "a" / "note").write_bytes(b"")
    settled = story.settle(failed=True)
    assert settled.outcome == "different"
    assert (
        "Left alone, because it holds something else than the patch: update.txt." in settled.detail
    )
    assert story.update.read_bytes() == b"typed by a person\n"
    assert story.delete.read_bytes() == b"gone\n"
    assert not story.add.exists()
    assert (story.root / "a" / "note").exists()


def test_a_file_made_again_by_a_person_stays(story: Story) -> None:
    story.update.write_bytes(b"A\nb\n")
    story.delete.write_bytes(b"another\n")
    assert story.settle(failed=True).outcome == "different"
    assert story.delete.read_bytes() == b"another\n"
    assert story.update.read_bytes() == b"a\nb\n"


def test_different_without_failure_is_only_told(story: Story) -> None:
    story.write_all()
    story.update.write_bytes(b"A\nb\nmore\n")
    settled = story.settle(failed=False)
    assert settled.outcome == "different"
    assert "Not what the patch showed is now in update.txt." in settled.detail
    assert story.update.read_bytes() == b"A\nb\nmore\n"


def test_partial_without_failure_is_only_told(story: Story) -> None:
    story.update.write_bytes(b"A\nb\n")
    settled = story.settle(failed=False)
    assert (settled.outcome, settled.paths) == ("different", (str(story.update),))
    assert "Only a part of the patch is on disk: update.txt." in settled.detail


def test_a_link_is_never_followed(story: Story, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"A\nb\n")
    story.update.unlink()
    story.update.symlink_to(precious)
    done = restore(story.before, written=promised_contents(story.files, story.before))
    assert done.conflicts == (story.update,)
    assert precious.read_bytes() == b"A\nb\n"


def test_a_folder_replaced_by_a_link_is_a_conflict(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "d").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    file = root / "d" / "f"
    file.write_bytes(b"old\n")
    before = capture([file])
    (root / "d").rename(root / "was")
    (root / "d").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "f").write_bytes(b"new\n")
    assert restore(before, written={file: b"new\n"}).conflicts == (file,)
    assert (tmp_path / "other" / "f").read_bytes() == b"new\n"


def test_the_last_copy_of_a_renamed_file_stays_where_the_first_cannot_be_brought_back(
    tmp_path: Path,
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"text\n")
    # In either order: what goes is looked at last.
    for paths in ([old, new], [new, old]):
        before = capture(paths)
        old.unlink()
        old.mkdir()
        new.write_bytes(b"text\n")
        done = restore(before, written={old: None, new: b"text\n"})
        assert sorted(done.conflicts) == [new, old]
        assert new.read_bytes() == b"text\n"
        old.rmdir()
        new.rename(old)


def test_a_restore_that_cannot_be_written_says_so(story: Story) -> None:
    story.update.write_bytes(b"A\nb\n")
    # Without its content a snapshot can bring nothing back.
    before = {story.update: capture([story.update], keep=False)[story.update]}
    story.update.write_bytes(b"A\n")
    done = restore(before, written={story.update: b"A\nb\n"})
    assert done.failed == ((story.update, "its content was not kept"),)


def test_snapshots_are_bounded(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"x" * 10)
    paths = [tmp_path / "a", tmp_path / "b"]
    assert capture(paths, limit=20)[paths[1]].data == b"x" * 10
    with pytest.raises(DecisionRefused, match="b is one too many"):
        capture(paths, limit=19)
    assert capture(paths, limit=19, keep=False)[paths[1]].kind == "large"


def test_odd_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    states = capture([tmp_path / "pipe", tmp_path, Path("/nul\0l"), tmp_path / "no" / "file"])
    assert [state.kind for state in states.values()] == ["other", "other", "other", "absent"]
    assert states[tmp_path / "no" / "file"].exists is False


def test_a_write_is_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"old")
    write_atomically(file, b"new", 0o640)
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", b"x", 0o600)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["f", "folder"]
