"""Whose change it is, by what is known of the time between two looks."""

from __future__ import annotations

import pytest

from autopilot_ls.edits.weave import Author
from autopilot_ls.supervisor.review.attribution import OTHERS, Evidence, Patched, attribute


def evidence(*turns: str) -> Evidence:
    found = Evidence()
    for number, turn in enumerate(turns):
        found.turns[turn] = None
        found.begins(f"c{number}", turn, f"make {number}", 100.0)
    return found


def test_while_no_agent_works_it_is_nobodys_to_review() -> None:
    assert attribute("a", 100.0, Evidence()) == (OTHERS, False)


def test_the_only_command_that_ran_made_it() -> None:
    step, reviewed = attribute("a", 101.0, evidence("s1/1"))
    assert (step.author, step.turn, step.by, reviewed) == (Author.AGENT, "s1/1", "make 0", False)


def test_what_two_sessions_may_have_made_is_unattributed() -> None:
    step, _ = attribute("a", 101.0, evidence("s1/1", "s2/1"))
    assert (step.author, step.turn, step.by) == (Author.UNKNOWN, "", "")


def test_what_two_turns_of_a_session_may_have_made_is_its_agents() -> None:
    step, _ = attribute("a", 101.0, evidence("s1/1", "s1/2"))
    assert (step.author, step.turn, step.by) == (Author.AGENT, "s1/2", "")


@pytest.mark.parametrize("modified", [90.0, 120.0])
def test_what_was_written_before_or_after_a_command_is_not_its(modified: float) -> None:
    found = evidence("s1/1")
    found.ends("c0", 110.0)
    assert attribute("a", modified, found)[0].author is Author.UNKNOWN


def test_what_was_deleted_may_be_of_any_command_of_the_time() -> None:
    found = evidence("s1/1")
    assert attribute("a", None, found)[0].author is Author.AGENT
    found.turns["s2/1"] = None
    found.begins("late", "s2/1", "make", 200.0)
    assert attribute("a", None, found)[0].author is Author.UNKNOWN


def test_a_patch_is_known_by_its_path() -> None:
    found = evidence("s1/1", "s2/1")
    found.patches["a"] = [Patched("s2/1", reviewed=True)]
    step, reviewed = attribute("a", 101.0, found)
    assert (step.author, step.turn, reviewed) == (Author.AGENT, "s2/1", True)


@pytest.mark.parametrize(
    ("path", "folder", "author"),
    [
        ("a", "", Author.UNKNOWN),
        ("in/a", "in", Author.UNKNOWN),
        ("inner/a", "in", Author.AGENT),
        ("a", "in", Author.AGENT),
    ],
)
def test_what_came_with_another_commit_is_the_commands_only_if_it_may_be(
    path: str, folder: str, author: Author
) -> None:
    found = evidence("s1/1")
    found.moved = frozenset({folder})
    assert attribute(path, 101.0, found)[0].author is author
    found.begins("c9", "s1/1", "git checkout main", 100.0)
    assert attribute(path, 101.0, found)[0].author is Author.AGENT
