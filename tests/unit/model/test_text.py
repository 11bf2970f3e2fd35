"""Untrusted text is shown, never obeyed."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.model.text import BoundedText, one_line, visible, without_escapes


@given(st.text())
def test_nothing_invisible_or_reordering_remains(text: str) -> None:
    for char in visible(text):
        category = unicodedata.category(char)
        assert char in "\n\t\u200c\u200d\ufe0e\ufe0f" or category not in {
            "Cc",
            "Cf",
            "Cs",
            "Co",
            "Zl",
            "Zp",
        }


def test_what_an_attacker_would_hide_is_spelled_out() -> None:
    assert visible("a\x1b[31mb\r\nc\u202ed\u2028") == "a\\x1b[31mb\nc\\u{202e}d\\u{2028}"
    assert visible("a\rb") == "a\\x0db"
    assert one_line("rm a\nrm b\t c") == "rm a ⏎ rm b  c"
    assert visible("héllo 👩\u200d💻 日本") == "héllo 👩\u200d💻 日本"


@given(st.text(), st.integers(1, 50))
def test_one_line_is_one_line_within_the_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line


@given(st.lists(st.text(max_size=30), max_size=30), st.integers(1, 20), st.integers(1, 20))
def test_bounded_text_depends_only_on_the_whole(pieces: list[str], head: int, tail: int) -> None:
    whole = "".join(pieces)
    grown, at_once = BoundedText(head, tail), BoundedText(head, tail)
    for piece in pieces:
        grown.append(piece)
    at_once.append(whole)
    assert str(grown) == str(at_once)
    if len(whole) <= head + tail:
        assert str(grown) == whole
    else:
        assert str(grown).startswith(whole[:head])
        assert str(grown).endswith(whole[-tail:])


def test_coloured_logs_become_readable() -> None:
    assert (
        without_escapes("\x1b[2m12:00\x1b[0m \x1b[31mERROR\x1b[0m \x1b]0;t\x07x") == "12:00 ERROR x"
    )
