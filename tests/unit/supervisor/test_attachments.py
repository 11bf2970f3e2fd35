"""Files that go with a message: what is taken, and that a refusal names the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.supervisor import attachments
from autopilot_ls.supervisor.attachments import look_at

BEGINNINGS = {
    "a.png": b"\x89PNG\r\n\x1a\n",
    "a.JPG": b"\xff\xd8\xff\xe0",
    "a.jpeg": b"\xff\xd8\xff\xe0",
    "a.gif": b"GIF89a",
    "a.webp": b"RIFF\x10\x00\x00\x00WEBPVP8 ",
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_images_are_known_by_their_first_bytes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BEGINNINGS[name] + b"more")
    (found,) = look_at([str(path), str(path)])
    assert (found.kind, found.path) == ("image", str(path))
    path.write_bytes(b"#!/bin/sh\n")
    with pytest.raises(InvalidRequest, match=name):
        look_at([str(path)])


def test_other_files_are_only_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(BEGINNINGS["a.png"])
    assert [found.kind for found in look_at([str(path)])] == ["file"]


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, tmp_path / "gone.png"):
        with pytest.raises(InvalidRequest, match=path.name):
            look_at([str(path)])
    with pytest.raises(InvalidRequest):
        look_at(["/a\0b.png"])


def test_number_and_size_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "MAX_IMAGE", 100)
    monkeypatch.setattr(attachments, "MAX_IMAGES", 150)
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        path.write_bytes(BEGINNINGS["a.png"].ljust(80))
    look_at([str(paths[0])])
    with pytest.raises(InvalidRequest, match=r"1\.png .* together"):
        look_at([str(path) for path in paths])
    paths[0].write_bytes(BEGINNINGS["a.png"].ljust(101))
    with pytest.raises(InvalidRequest, match=r"0\.png .*100 bytes"):
        look_at([str(paths[0])])
    with pytest.raises(InvalidRequest, match="At most 20"):
        look_at([str(tmp_path / str(number)) for number in range(21)])
