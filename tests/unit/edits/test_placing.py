"""New contents for several files: nothing takes the place of what is not what it was."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from autopilot_ls.edits.placing import Staged, stage
from autopilot_ls.edits.snapshot import capture
from autopilot_ls.model.errors import DecisionRefused, PatchInvalid


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_all_files_are_placed_with_their_permissions_and_nothing_is_left_beside_them(
    tmp_path: Path,
) -> None:
    change, gone, new = tmp_path / "change", tmp_path / "gone", tmp_path / "a" / "b" / "new"
    change.write_bytes(b"old")
    change.chmod(0o750)
    gone.write_bytes(b"gone")
    before = capture([change, gone, new])
    staged = stage({change: b"new", gone: None, new: b"x"}, before, modes={new: 0o711})
    assert change.read_bytes() == b"old"
    staged.place()
    assert (change.read_bytes(), new.read_bytes()) == (b"new", b"x")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (change, new)]
    assert modes == [0o750, 0o711]
    assert names(tmp_path) == ["a", "change"]
    assert names(new.parent) == ["new"]


def test_what_was_written_meanwhile_stays(tmp_path: Path) -> None:
    change, gone, new = (tmp_path / name for name in ("change", "gone", "new"))
    change.write_bytes(b"old")
    gone.write_bytes(b"old")
    for path, content in ((change, b"x"), (gone, None), (new, b"x")):
        staged = stage({path: content}, capture([path]))
        path.write_bytes(b"typed")
        with pytest.raises((PatchInvalid, FileExistsError)):
            staged.place()
        assert path.read_bytes() == b"typed"
    assert names(tmp_path) == ["change", "gone", "new"]


def test_a_new_file_takes_no_name_that_was_taken_at_the_very_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "new"
    staged = stage({new: b"x"}, capture([new]))
    require = Staged._require_unchanged

    def slow(self: Staged, path: Path) -> None:
        require(self, path)
        path.write_bytes(b"typed")

    monkeypatch.setattr(Staged, "_require_unchanged", slow)
    with pytest.raises(FileExistsError):
        staged.place()
    assert new.read_bytes() == b"typed"
    assert names(tmp_path) == ["new"]


def test_nothing_is_placed_in_a_folder_that_took_the_place_of_another(tmp_path: Path) -> None:
    inner, other = tmp_path / "inner", tmp_path / "other"
    inner.mkdir()
    other.mkdir()
    for folder in (inner, other):
        (folder / "file").write_bytes(b"same")
    staged = stage({inner / "file": b"x"}, capture([inner / "file"]))
    inner.rename(tmp_path / "away")
    inner.symlink_to(other)
    with pytest.raises(PatchInvalid, match="at the last moment"):
        staged.place()
    assert (other / "file").read_bytes() == b"same"


def test_only_what_was_put_into_place_is_taken_back(tmp_path: Path) -> None:
    names_of = ["first", "gone", "second"]
    first, gone, second = (tmp_path / name for name in names_of)
    for path in (first, gone, second):
        path.write_bytes(b"1\n2\n")
    staged = stage({first: b"1\n", gone: None, second: b"1\n3\n"}, capture([first, gone, second]))
    # Another program leaves what could be the beginning of what was to be written.
    second.write_bytes(b"1\n")
    with pytest.raises(PatchInvalid, match="second was changed at the last moment"):
        staged.place()
    assert staged.take_back().paths == (first,)
    assert [path.read_bytes() for path in (first, gone, second)] == [b"1\n2\n", b"1\n2\n", b"1\n"]
    assert names(tmp_path) == names_of


def test_what_went_is_taken_back_too(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    staged = stage({first: None, second: None}, capture([first, second]))
    second.write_bytes(b"other")
    with pytest.raises(PatchInvalid):
        staged.place()
    assert not first.exists()
    assert staged.take_back().paths == (first,)
    assert [first.read_bytes(), second.read_bytes()] == [b"1", b"other"]


def test_what_cannot_be_written_is_refused_before_anything_has_happened(tmp_path: Path) -> None:
    first, odd = tmp_path / "first", tmp_path / "gone" / "x"
    first.write_bytes(b"old")
    odd.parent.mkdir()
    before = capture([first, odd])
    odd.parent.rmdir()
    with pytest.raises(DecisionRefused, match=r"^Nothing was written: .* cannot be written"):
        stage({first: b"new", odd: b"x"}, before, root=tmp_path)
    assert first.read_bytes() == b"old"
    assert names(tmp_path) == ["first"]
