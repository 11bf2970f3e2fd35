"""Saves that are told late: the person's lines are the person's, wherever they are found."""

from __future__ import annotations

from autopilot_ls.edits.check import is_clean
from autopilot_ls.edits.history import ABSENT, Content, History
from autopilot_ls.edits.late import Save, claim, insert
from autopilot_ls.edits.weave import Author, Step

AGENT = Step(Author.AGENT, "s/1", "make")
PATCH = Step(Author.AGENT, "s/1", "a patch")
UNKNOWN = Step(Author.UNKNOWN, "s/1")
PERSON = Step(Author.PERSON)


def text(data: str) -> Content:
    return Content("file", data.encode())


def save(loaded: str, mine: str) -> Save:
    return Save(loaded.encode(), text(mine), lambda data: is_clean(loaded, data))


def history(*contents: tuple[str, Step]) -> History:
    found = History.begin(text("a\nb\nc\n"))
    for data, step in contents:
        found.advance(text(data), step)
    return found


def shown(found: History) -> list[tuple[bytes, bytes]]:
    return [(b"".join(x.part.old), b"".join(x.part.new)) for x in found.unreviewed()]


def without_agents(found: History) -> bytes:
    found.undo_steps(lambda step: step.author is Author.AGENT, PERSON)
    return found.current().data


def test_a_save_goes_before_the_first_content_that_shows_it() -> None:
    found = history(("a\nmine\nb\nc\n", AGENT), ("a\nmine\nb\nc\ntheirs\n", AGENT))
    assert insert(found, save("a\nb\nc\n", "a\nmine\nb\nc\n"))
    assert shown(found) == [(b"", b"theirs\n")]
    assert without_agents(found) == b"a\nmine\nb\nc\n"


def test_it_goes_behind_what_others_had_done_before_it() -> None:
    """The person's editor had an old text, and wrote it over the agent's."""
    found = history(("a\nb\nc\nagent\n", AGENT), ("a\nmine\nb\nc\n", UNKNOWN))
    assert insert(found, save("a\nb\nc\n", "a\nmine\nb\nc\n"))
    assert shown(found) == []
    assert without_agents(found) == b"a\nmine\nb\nc\n"


def test_what_nothing_shows_any_more_comes_back_when_the_agents_work_is_undone() -> None:
    found = history(("a\nb\nagent\n", AGENT))
    assert insert(found, save("a\nb\nc\n", "a\nb\nc\nmine\n"))
    assert without_agents(found) == b"a\nb\nc\nmine\n"


def test_what_the_editor_had_read_before_anybody_looked_stays_the_agents() -> None:
    found = history(("a\nagent\nmine\nc\n", AGENT))
    assert insert(found, save("a\nagent\nc\n", "a\nagent\nmine\nc\n"))
    assert shown(found) == [(b"b\n", b"agent\n")]


def test_what_was_reviewed_stays_reviewed() -> None:
    found = history()
    found.advance(text("a\nmine\nb\nagent\n"), PATCH, reviewed=True)
    assert insert(found, save("a\nb\nc\n", "a\nmine\nb\nc\n"))
    assert shown(found) == []
    assert without_agents(found) == b"a\nmine\nb\nc\n"


def test_a_person_who_made_the_file_keeps_it() -> None:
    found = History.begin(ABSENT)
    found.advance(text("mine\nagent\n"), AGENT)
    assert insert(found, Save(b"", text("mine\n"), lambda data: is_clean("", data)))
    assert shown(found) == [(b"", b"agent\n")]
    assert without_agents(found) == b"mine\n"


def test_no_step_of_a_person_is_gone_back_over() -> None:
    found = history(("a\nmine\nb\nc\nagent\n", AGENT))
    kept = [each.part.id for each in found.unreviewed()][:1]
    found.undo(kept[:0], PERSON)
    before = found.copy()
    late = save("a\nb\nc\n", "a\nmine\nb\nc\n")
    assert not insert(found, late)
    assert found == before
    claim(found, late)
    assert shown(found) == [(b"", b"agent\n")]
    assert without_agents(found) == b"a\nmine\nb\nc\n"


def test_nothing_is_gone_back_over_that_a_person_has_reviewed_by_half() -> None:
    found = history(("a\nmine\nb\nc\nagent\n", AGENT))
    found.keep([each.part.id for each in found.unreviewed()][1:])
    late = save("a\nb\nc\n", "a\nmine\nb\nc\n")
    assert not insert(found, late)
    claim(found, late)
    assert shown(found) == []
    assert without_agents(found) == b"a\nmine\nb\nc\n"


def test_a_save_of_which_nothing_is_known_changes_nothing() -> None:
    found = history(("a\nb\nc\nagent\n", AGENT), ("a\nb\nc\nagent 2\n", AGENT))
    found.undo((), PERSON)
    before = found.copy()
    assert not insert(found, save("x\n", "x\ny\n"))
    claim(found, save("x\n", "x\ny\n"))
    assert found == before
