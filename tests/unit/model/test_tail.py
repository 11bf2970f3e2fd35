"""The end of a program's output, as a person would see it."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.model.tail import LINES, MAX_LINE, WIDTH, Tail
from autopilot_ls.model.text import visible


def tail(*pieces: str) -> tuple[str, ...]:
    made = Tail()
    for piece in pieces:
        made.append(piece)
    return made.lines()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ()),
        ("one", ("one",)),
        ("one\ntwo\n", ("one", "two")),
        ("one\r\ntwo\r\n", ("one", "two")),
        ("one\n\n  \ntwo", ("one", "two")),
        ("10 %\r20 %\r30 %", ("30 %",)),
        ("10 %\r20 %\r", ("20 %",)),
        ("10 %\r\x1b[Kdone\nnext", ("done", "next")),
        ("\x1b[1;31mred\x1b[0m plain", ("red plain",)),
        ("\x1b]0;a title\x07text", ("text",)),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", ("link",)),
        ("\x1bPsixel\x1b\\after", ("after",)),
        ("\x9b31mred", ("red",)),
        ("never closed \x1b]0;title\nnext line", ("never closed", "next line")),
        ("cut \x1b[3", ("cut",)),
        ("bell\x07 and nul\x00", ("bell and nul",)),
        ("abx\x08c", ("abc",)),
        ("a\tb", ("a   b",)),
        ("evil \u202e rtl", ("evil \\u{202e} rtl",)),
        ("\n".join(map(str, range(100))), tuple(map(str, range(100 - LINES, 100)))),
        ("x" * 1_000, ("x" * (WIDTH - 1) + "…",)),
    ],
)
def test_what_is_shown(text: str, shown: tuple[str, ...]) -> None:
    assert tail(text) == shown
    assert tail(*text) == shown, "character by character it must be the same"


@given(
    st.text(alphabet="ab\r\n\x1b[]0;m\x07\x08 \\", max_size=200),
    st.lists(st.integers(0, 200), max_size=10),
)
def test_it_does_not_matter_how_the_text_was_cut(text: str, places: list[int]) -> None:
    cuts = sorted({min(place, len(text)) for place in places} | {0, len(text)})
    pieces = [text[a:b] for a, b in pairwise(cuts)]
    assert tail(*pieces) == tail(text)


@given(st.text(max_size=2_000))
def test_it_is_bounded_and_harmless(text: str) -> None:
    lines = tail(text)
    assert len(lines) <= LINES
    assert all(len(line) <= WIDTH for line in lines)
    assert all(visible(line) == line and not set(line) & {"\n", "\t"} for line in lines)


def test_a_line_that_never_ends_is_kept_in_part() -> None:
    assert tail(*["x" * 100] * 1_000) == ("x" * (WIDTH - 1) + "…",)
    assert tail("a" * (MAX_LINE + 10) + "\rb") == ("b",)


def test_a_piece_costs_what_it_is_long() -> None:
    made = Tail()
    made.append("line\n" * 1_000_000)
    began = time.perf_counter()
    for _ in range(20_000):
        made.append("one more word ")
        made.append("and an end\n")
    # Some 0.03 s here; a quadratic one takes minutes.
    assert time.perf_counter() - began < 3.0
