from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.lsp.convert import (
    canonical,
    from_units,
    is_inside,
    place,
    split_lines,
    to_path,
    to_units,
    to_uri,
)

TEXTS = st.text(st.sampled_from("ab\r\n é😋\u2028\x0c\x85"), max_size=30)


@given(TEXTS)
def test_lines_end_where_the_protocol_says_and_nowhere_else(text: str) -> None:
    lines = split_lines(text)
    assert "".join(lines) == text
    assert [line.rstrip("\r\n") for line in lines] == re.split(r"\r\n|\r|\n", text)


@pytest.mark.parametrize(("encoding", "units"), [("utf-8", 7), ("utf-16", 4), ("utf-32", 3)])
def test_units_are_counted_as_agreed(encoding: str, units: int) -> None:
    assert to_units("é😋b", encoding) == units
    assert from_units("é😋b", units, encoding) == 3
    assert from_units("é😋b", units - 1, encoding) == 2


@given(TEXTS, st.sampled_from(["utf-8", "utf-16", "utf-32"]), st.data())
def test_units_there_and_back(text: str, encoding: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    assert from_units(text, to_units(text[:at], encoding), encoding) == at


def test_unit_inside_a_character_counts_as_before_it() -> None:
    assert from_units("😋", 1, "utf-16") == 0
    assert from_units("😋", 3, "utf-8") == 0


def test_lone_surrogates_are_counted() -> None:
    assert to_units("\udc80", "utf-8") == 3
    assert to_units("\udc80", "utf-16") == 1


def test_places_outside_the_text_are_moved_into_it() -> None:
    lines = split_lines("ab\r\ncd")
    assert place(lines, 0, 99, "utf-16") == (0, 2)
    assert place(lines, 99, 0, "utf-16") == (1, 2)
    assert place(lines, -1, 5, "utf-16") == (0, 0)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///tmp/a%20b.py", "/tmp/a b.py"),
        ("file://localhost/etc/x", "/etc/x"),
        ("FILE:///a", "/a"),
        ("file:///a/b#c?d", "/a/b#c?d"),
        ("file:///a/%C3%A9", "/a/é"),
        ("file:///a/%FF", "/a/\udcff"),
        ("file:///c:/x", "/c:/x"),
        ("file://", None),
        ("file://host/share", None),
        ("untitled:Untitled-1", None),
        ("file:///a%00b", None),
        ("http://[", None),
        ("", None),
    ],
)
def test_uris_name_paths(uri: str, path: str | None) -> None:
    assert to_path(uri, windows=False) == path


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///c%3A/a%20b", "C:\\a b"),
        ("file:///C:/a", "C:\\a"),
        ("file:///c%3a", "C:\\"),
        ("file://host/share/a", "\\\\host\\share\\a"),
    ],
)
def test_windows_uris_name_drives_and_shares(uri: str, path: str) -> None:
    assert to_path(uri, windows=True) == path


@pytest.mark.parametrize("path", ["C:\\a b\\é.py", "C:\\", "\\\\host\\share\\a"])
def test_windows_paths_there_and_back(path: str) -> None:
    assert to_path(to_uri(path, windows=True), windows=True) == path


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20))
def test_paths_there_and_back(name: str) -> None:
    path = "/" + name
    assert to_path(to_uri(path, windows=False), windows=False) == path


def test_equal_names_of_a_file_are_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert canonical(str(tmp_path / "link" / "a")) == canonical(str(tmp_path / "real" / "a"))
    assert is_inside("/a/b", "/a")
    assert is_inside("/a", "/a")
    assert is_inside("/a", "/")
    assert not is_inside("/ab", "/a")


def test_half_a_character_in_a_uri_is_no_fault() -> None:
    path = to_path("file:///a\ud800")
    assert path is not None
    assert to_path(to_uri(path)) == path
