from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from autopilot_ls.lsp.convert import split_lines
from autopilot_ls.lsp.documents import Document, Documents

TEXTS = st.text(st.sampled_from("ab\r\n😋"), max_size=25)
SPOTS = st.tuples(st.integers(0, 8), st.integers(0, 8))


def document(text: str) -> Document:
    return Document("file:///a", "/a", "/a", "", 1, split_lines(text))


def span(one: tuple[int, int], other: tuple[int, int]) -> types.Range:
    start, end = sorted((one, other))
    return types.Range(types.Position(*start), types.Position(*end))


def offset(text: str, position: types.Position) -> int:
    """The plainest way to find a position in UTF-16 units."""
    ends = [match.span() for match in re.finditer(r"\r\n|\r|\n", text)]
    starts = [0, *(end for _, end in ends)]
    stops = [*(start for start, _ in ends), len(text)]
    if position.line >= len(starts):
        return len(text)
    start, stop = starts[position.line], stops[position.line]
    units = 0
    for index in range(start, stop):
        units += 2 if ord(text[index]) > 0xFFFF else 1
        if units > position.character:
            return index
    return stop


@given(TEXTS, st.lists(st.tuples(SPOTS, SPOTS, TEXTS), max_size=6))
def test_spliced_lines_are_the_edited_text(
    text: str, edits: list[tuple[tuple[int, int], tuple[int, int], str]]
) -> None:
    spliced = document(text)
    for one, other, new in edits:
        place = span(one, other)
        text = text[: offset(text, place.start)] + new + text[offset(text, place.end) :]
        assert spliced.selected(place, "utf-16") is not None
        before = list(spliced.lines)
        edit = spliced.splice(place, new, "utf-16")
        before[edit.first : edit.first + len(edit.removed)] = edit.inserted
        assert before == spliced.lines
        assert spliced.text == text
        assert spliced.lines == split_lines(text)


@given(TEXTS, SPOTS, SPOTS)
def test_selected_is_what_stands_between(
    text: str, one: tuple[int, int], other: tuple[int, int]
) -> None:
    place = span(one, other)
    expected = text[offset(text, place.start) : offset(text, place.end)]
    assert document(text).selected(place, "utf-16") == expected


def test_range_of_lines_ends_at_the_end_of_a_line_and_stays_in_the_text() -> None:
    lines = document("ab\ncd😋\n")
    assert lines.range_of(0, 1, "utf-16") == types.Range(types.Position(0, 0), types.Position(1, 4))
    assert lines.range_of(7, 9, "utf-8") == types.Range(types.Position(2, 0), types.Position(2, 0))
    assert document("").range_of(0, 3, "utf-8").end == types.Position(0, 0)


def change(
    documents: Documents, uri: str, event: types.TextDocumentContentChangeEvent
) -> Document | None:
    changed = documents.change(types.VersionedTextDocumentIdentifier(2, uri), [event])
    return changed and changed[0]


def test_change_of_what_is_not_open_is_taken_when_it_is_whole() -> None:
    documents = Documents()
    partial = types.TextDocumentContentChangePartial(span((0, 0), (0, 0)), "x")
    assert change(documents, "file:///a", partial) is None
    whole = types.TextDocumentContentChangeWholeDocument("all")
    opened = change(documents, "file:///a", whole)
    assert opened is not None
    assert opened.text == "all"
    assert opened.version == 2


def test_documents_are_found_by_any_spelling_of_their_uri(tmp_path: Path) -> None:
    documents = Documents()
    path = tmp_path / "a b.py"
    item = types.TextDocumentItem(path.as_uri(), "python", 1, "x")
    opened = documents.open(item)
    assert documents.get(path.as_uri().replace("%20", " ")) is opened
    assert documents.get("file:///elsewhere") is None
    assert documents.inside(str(tmp_path)) == [opened]
    assert documents.close("file:///elsewhere") is None
    assert documents.close(path.as_uri()) is opened
    assert list(documents) == []
