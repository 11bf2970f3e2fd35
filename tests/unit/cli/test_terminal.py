"""Writing to a terminal: nothing an agent wrote is obeyed, and one status line at the most."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.cli.terminal import Style, Terminal, wants_colour
from autopilot_ls.presentation.columns import shorten, width_of


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def colourful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_colours_are_for_terminals_where_nobody_said_no() -> None:
    assert wants_colour(Screen(), {"TERM": "xterm"})
    assert wants_colour(Screen(), {"TERM": "xterm", "NO_COLOR": ""})
    assert not wants_colour(Screen(), {"TERM": "xterm", "NO_COLOR": "1"})
    assert not wants_colour(Screen(), {"TERM": "dumb"})
    assert not wants_colour(io.StringIO(), {"TERM": "xterm"})


@given(st.text(), st.sampled_from(list(Style)))
def test_a_terminal_gets_no_control_character_from_a_text(text: str, style: Style) -> None:
    terminal = Terminal(io.StringIO(), colour=False)
    terminal.line(text, style)
    terminal.ask(text)
    terminal.status(text)
    written = terminal.take()
    assert not [char for char in written if ord(char) < 32 and char not in "\n\t"]
    assert "\x7f" not in written
    assert "\u202e" not in written


@pytest.mark.usefixtures("colourful")
def test_the_status_line_goes_before_a_line_and_comes_back_after() -> None:
    screen = Screen()
    terminal = Terminal(screen)
    terminal.status("working")
    terminal.flush_now()
    terminal.line("news")
    terminal.flush_now()
    terminal.status("")
    terminal.flush_now()
    assert screen.getvalue() == ("\x1b[2mworking\x1b[0m\r\x1b[Knews\n\x1b[2mworking\x1b[0m\r\x1b[K")


def test_what_is_no_terminal_gets_no_status_line() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    terminal.status("working")
    terminal.line("news")
    terminal.flush_now()
    assert stream.getvalue() == "news\n"


def test_secrets_are_hidden_but_not_in_what_is_decided_on() -> None:
    def redact(text: str) -> str:
        return text.replace("secret", "[redacted]")

    terminal = Terminal(io.StringIO(), redact=redact)
    terminal.line("a secret")
    terminal.line("a secret", whole=True)
    assert terminal.take() == "a [redacted]\na secret\n"


@given(st.text(st.characters(min_codepoint=32)), st.integers(2, 60))
def test_a_shortened_line_fits(text: str, columns: int) -> None:
    assert width_of(shorten(text, columns)) <= columns


def test_wide_characters_take_two_columns() -> None:
    assert width_of("日本") == 4
    assert shorten("日本語", 5) == "日本…"
