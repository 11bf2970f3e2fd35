from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.lsp.convert import split_lines
from autopilot_ls.lsp.features.diagnostics import place_of
from tests.unit.lsp.stand_in import hunk


@pytest.mark.parametrize(
    ("old_start", "old", "text", "place"),
    [
        (2, ["b\n"], "a\nb\nc\n", (1, 1)),
        (2, ["b\n", "c\n"], "a\r\nb\r\nc\r\n", (1, 2)),
        (2, ["b\n"], "new\nnew\na\nb\nc\n", (3, 3)),
        (4, ["b\n"], "b\n", (0, 0)),
        (3, ["x\n"], "x\na\nb\nx\n", (3, 3)),
        (2, ["gone\n"], "a\nb\n", (1, 1)),
        (1, [], "", (0, 0)),
        (1, [], "a\n", (0, 0)),
        (2, [], "a\n", (0, 0)),
        (3, [], "a\nb", (1, 1)),
        (0, [], "", (0, 0)),
        (1, ["a"], "a", (0, 0)),
        (9, ["gone\n"], None, (8, 8)),
        (9, [], None, (8, 8)),
    ],
)
def test_hunks_are_found_where_their_lines_stand(
    old_start: int, old: list[str], text: str | None, place: tuple[int, int]
) -> None:
    lines = None if text is None else split_lines(text)
    assert place_of(hunk(old_start, old, ["new\n"]), lines) == place


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=3, max_size=20, unique_by=lambda x: x),
    st.integers(0, 30),
)
def test_lines_put_in_above_move_a_hunk_by_as_many(letters: list[str], above: int) -> None:
    old = [f"{letters[1]}\n"]
    text = "0\n" * above + "".join(f"{letter}\n" for letter in letters)
    assert place_of(hunk(2, old, []), split_lines(text)) == (above + 1, above + 1)
