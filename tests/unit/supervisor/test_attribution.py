"""Who changed a file, where what is known comes while a look at the disk is taken."""

from __future__ import annotations

from autopilot_ls.edits.weave import Author, Step
from autopilot_ls.supervisor.review.attribution import PATCH, Evidence, Patched, attribute

TURN = "session/1"
UNKNOWN = (Step(Author.UNKNOWN, TURN), False)


def look(evidence: Evidence) -> None:
    evidence.looking()
    evidence.looked([TURN])


def test_what_ends_while_a_look_is_taken_may_be_what_the_next_one_sees() -> None:
    evidence = Evidence(turns={TURN: None})
    evidence.begins("c", TURN, "make", 10.0)
    evidence.looking()
    evidence.ends("c", 11.0)
    evidence.patches["a"] = Patched(TURN, reviewed=True)
    evidence.looked([TURN])
    assert attribute("a", 11.0, evidence) == (Step(Author.AGENT, TURN, PATCH), True)
    assert attribute("b", 11.0, evidence) == (Step(Author.AGENT, TURN, "make"), False)
    look(evidence)
    assert attribute("a", 11.0, evidence) == UNKNOWN
    assert attribute("b", 11.0, evidence) == UNKNOWN


def test_what_runs_and_what_is_being_written_outlasts_looks() -> None:
    evidence = Evidence(turns={TURN: None})
    evidence.begins("c", TURN, "make", 10.0)
    evidence.accepted["a"] = Patched(TURN, reviewed=True)
    for _ in range(2):
        look(evidence)
        assert attribute("a", 11.0, evidence) == (Step(Author.AGENT, TURN, PATCH), True)
        assert attribute("b", 11.0, evidence) == (Step(Author.AGENT, TURN, "make"), False)
