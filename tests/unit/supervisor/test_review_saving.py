"""What a person saved becomes theirs in the history of its file, and nothing else does."""

from __future__ import annotations

import pytest

from autopilot_ls.edits.history import Content, History
from autopilot_ls.edits.weave import Author, Step
from autopilot_ls.supervisor.review.saving import Saved, take_saved

OTHER = Step(Author.UNKNOWN, "t1")


def text(data: str) -> Content:
    return Content("file", data.encode())


def told(history: History, saved: Saved) -> list[str]:
    """Take a save; returns the lines that are still to be reviewed."""

    def advance(content: Content) -> None:
        history.advance(content, OTHER)

    take_saved(history, saved, advance)
    return [line.decode() for each in history.unreviewed() for line in each.part.new]


def test_who_saves_what_the_editor_had_loaded_has_changed_nothing() -> None:
    history = History.begin(text("a\n"))
    now = "a\nagent\n"
    assert not told(history, Saved(now, now, text(now)))
    history.advance(text(now), OTHER)
    assert told(history, Saved(now, now, text(now))) == ["agent\n"]


@pytest.mark.parametrize("typed", ["mine", "mine\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_last_line_is_the_persons_also_where_the_editor_ended_it(typed: str, end: str) -> None:
    history = History.begin(text(f"old{end}"))
    now = text(f"mine{end}other{end}")
    history.advance(now, OTHER)
    assert told(history, Saved("", typed, now)) == [f"other{end}"]
