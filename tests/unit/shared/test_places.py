"""Where the shared process is found: the same folder as the settings say, private, and never a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autopilot_ls.settings.loading import load
from autopilot_ls.shared.places import (
    NotShared,
    open_folder,
    open_private,
    own_names,
    state_folder,
)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"XDG_STATE_HOME": "/x/y"},
        {"AUTOPILOT_STATE_DIR": "/somewhere/else"},
        {"AUTOPILOT_STATE_DIR": "~/mine"},
        {"AUTOPILOT_STATE_DIR": "relative"},
        {"AUTOPILOT_STATE_DIR": "  "},
        {"AUTOPILOT_STATE_DIR": "~nobody-of-this-name/x"},
    ],
)
def test_the_state_folder_is_that_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, str]
) -> None:
    for name in ("XDG_STATE_HOME", "AUTOPILOT_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    settings, _ = load([], environ=os.environ)
    assert state_folder(os.environ) == settings.state_folder


def test_people_with_other_places_have_other_names() -> None:
    names = {own_names({"HOME": home}).socket for home in ("/a", "/b")}
    assert len(names) == 2
    assert own_names({"HOME": "/a", "PATH": "x"}).socket in names
    assert all("/" not in name and len(name) < 60 for name in names)


def test_the_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.close(open_folder(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(NotShared, match="another user"):
        open_folder(tmp_path)


def test_a_link_in_place_of_the_folder_or_a_file_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "run").symlink_to(other)
    with pytest.raises(NotShared):
        open_folder(tmp_path)
    (tmp_path / "run").unlink()
    folder = open_folder(tmp_path)
    (tmp_path / "run" / "log").symlink_to(other / "precious")
    with pytest.raises(OSError, match="log"):
        open_private("log", os.O_WRONLY, folder)
    os.close(folder)
    assert not (other / "precious").exists()


def test_a_folder_that_is_not_there_is_made_only_if_wanted(tmp_path: Path) -> None:
    with pytest.raises(NotShared):
        open_folder(tmp_path / "state", make=False)
    assert not (tmp_path / "state").exists()
    os.close(open_folder(tmp_path / "state"))
    assert (tmp_path / "state" / "run").stat().st_mode & 0o777 == 0o700
