"""The history of a file's lines: nothing of the person's is ever lost, the agent's can be taken out."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from autopilot_ls.edits.compare import changes
from autopilot_ls.edits.lines import split
from autopilot_ls.edits.weave import Author, Step, Weave

AGENT = Step(Author.AGENT, "t1", "command `format`")
LATER = Step(Author.AGENT, "t2")
PERSON = Step(Author.PERSON)
UNKNOWN = Step(Author.UNKNOWN, "t1")


def of_agent(step: Step) -> bool:
    return step.author is Author.AGENT


def shown(weave: Weave) -> list[tuple[int, bytes, bytes]]:
    return [(hunk.start, b"".join(hunk.old), b"".join(hunk.new)) for hunk in weave.hunks()]


def test_what_the_agent_did_is_shown_by_hunks() -> None:
    weave = Weave.begin(b"a\nb\nc\nd\n")
    weave.advance(b"a\nB\nB2\nc\n", AGENT)
    assert shown(weave) == [(1, b"b\n", b"B\nB2\n"), (4, b"d\n", b"")]
    assert weave.reference() == b"a\nb\nc\nd\n"
    assert weave.current() == b"a\nB\nB2\nc\n"


def test_what_the_person_saved_is_not_shown() -> None:
    weave = Weave.begin(b"a\nb\n")
    weave.advance(b"a\nmine\nb\n", PERSON)
    weave.advance(b"A\nmine\nb\n", AGENT)
    assert shown(weave) == [(0, b"a\n", b"A\n")]
    assert weave.reference() == b"a\nmine\nb\n"


def test_undoing_a_turn_leaves_what_the_person_typed_into_the_agents_lines() -> None:
    weave = Weave.begin(b"1\n2\n3\n")
    weave.advance(b"1\nx\ny\n3\n", AGENT)
    weave.advance(b"1\nx\ny, changed\n3\nend\n", PERSON)
    assert weave.without(of_agent) == b"1\n2\ny, changed\n3\nend\n"
    undone = weave.undo_steps(of_agent, PERSON)
    assert weave.current() == b"1\n2\ny, changed\n3\nend\n"
    assert weave.redo(undone, PERSON)
    assert weave.current() == b"1\nx\ny, changed\n3\nend\n"


def test_going_back_to_a_turn_leaves_the_turns_before() -> None:
    weave = Weave.begin(b"a\n")
    weave.advance(b"a\nb\n", AGENT)
    weave.advance(b"a\nc\n", LATER)
    weave.undo_steps(lambda step: step.turn == "t2" and of_agent(step), PERSON)
    assert weave.current() == b"a\nb\n"


def test_kept_hunks_are_not_shown_and_can_be_undone_with_the_turn() -> None:
    weave = Weave.begin(b"a\nb\nc\n")
    weave.advance(b"A\nb\nC\n", AGENT)
    first, second = weave.hunks()
    weave.keep(first.lines)
    assert [hunk.id for hunk in weave.hunks()] == [second.id]
    assert weave.reference() == b"A\nb\nc\n"
    weave.undo_lines(second.lines, PERSON)
    assert weave.current() == b"A\nb\nc\n"
    assert not list(weave.hunks())
    weave.undo_steps(of_agent, PERSON)
    assert weave.current() == b"a\nb\nc\n"


def test_what_was_taken_back_and_taken_out_again_by_another_is_not_done_again() -> None:
    weave = Weave.begin(b"a\n")
    weave.advance(b"a\nb\n", AGENT)
    first = weave.undo_steps(of_agent, PERSON)
    assert weave.redo(first, PERSON)
    weave.advance(b"a\n", PERSON)
    assert not weave.redo(first, PERSON)
    assert weave.current() == b"a\n"


def test_a_commit_keeps_no_hunk_that_it_has_otherwise_right_beside_it() -> None:
    weave = Weave.begin(b"a\nb\nc\nd\n")
    weave.advance(b"a\nB\nc\nD\n", AGENT)
    weave.keep_what_is_in(b"a\nB\nother\nc\nD\n")
    assert shown(weave) == [(1, b"b\n", b"B\n")]


def test_a_person_who_types_a_deleted_line_again_takes_the_deletion_back() -> None:
    weave = Weave.begin(b"a\nb\nc\nd\n")
    weave.advance(b"a\nd\n", AGENT)
    weave.advance(b"a\nnew\nc\nd\n", PERSON)
    assert shown(weave) == [(1, b"b\n", b"")]
    weave.undo_steps(of_agent, PERSON)
    assert weave.current() == b"a\nb\nnew\nc\nd\n"


def test_a_line_that_the_agent_added_and_removed_and_the_person_typed_is_the_persons() -> None:
    weave = Weave.begin(b"a\n")
    weave.advance(b"a\nx\n", AGENT)
    weave.advance(b"a\n", LATER)
    weave.advance(b"a\nx\n", PERSON)
    weave.undo_steps(of_agent, PERSON)
    assert weave.current() == b"a\nx\n"


def test_what_is_unknown_is_reviewed_and_is_no_part_of_a_turns_undo() -> None:
    weave = Weave.begin(b"a\n")
    weave.advance(b"b\n", UNKNOWN)
    assert shown(weave) == [(0, b"a\n", b"b\n")]
    weave.undo_steps(of_agent, PERSON)
    assert weave.current() == b"b\n"


def test_a_last_line_without_an_end_gets_one_when_it_is_no_longer_the_last() -> None:
    weave = Weave.begin(b"a\r\nb")
    weave.advance(b"a\r\nB\r\n", AGENT)
    weave.advance(b"a\r\nB\r\nmine\r\n", PERSON)
    weave.undo_steps(of_agent, PERSON)
    assert weave.current() == b"a\r\nb\r\nmine\r\n"


def test_going_away_and_coming_back_is_no_change() -> None:
    weave = Weave.begin(b"a\nb\nc\n")
    weave.advance(b"a\nc\n", AGENT)
    weave.advance(b"a\nb\nc\n", AGENT)
    assert shown(weave) == []


def test_thousands_of_lines_are_compared_by_the_unique_ones() -> None:
    old = [b"%d\n" % number for number in range(20_000)]
    new = [line.upper() for line in old]
    new[5_000] = b"changed\n"
    new[15_000:15_001] = []
    assert [tuple(change) for change in changes(old, new)] == [
        (5_000, 5_001, 5_000, 5_001),
        (15_000, 15_001, 15_000, 15_000),
    ]


LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"d\r", b"\n"]), max_size=7)


@given(LINES, LINES)
def test_the_changes_make_one_text_into_the_other(old: list[bytes], new: list[bytes]) -> None:
    made: list[bytes] = []
    at = 0
    for change in changes(old, new):
        made += old[at : change.old_start] + new[change.new_start : change.new_end]
        at = change.old_end
    assert made + old[at:] == new


@dataclass
class Play:
    """A file that is played with, and what the person has typed into it."""

    weave: Weave
    typed: set[bytes] = field(default_factory=set)
    count: int = 0


def _edited(text: bytes, spots: list[tuple[int, int]], tag: bytes, play: Play) -> bytes:
    lines = split(text)
    for where, how in spots:
        play.count += 1
        at = where % (len(lines) + 1)
        fresh = b"%s%d\n" % (tag, play.count)
        if how == 0 or at == len(lines):
            lines.insert(at, fresh)
        elif how == 1:
            lines[at] = fresh
        else:
            del lines[at]
    return b"".join(lines)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["agent", "person", "unknown", "keep", "undo", "undo turn", "redo"]),
        st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=1, max_size=3),
    ),
    max_size=25,
)


@settings(max_examples=300, deadline=None)
@given(ACTIONS)
def test_nothing_that_a_person_typed_is_ever_lost(
    actions: list[tuple[str, list[tuple[int, int]]]],
) -> None:
    play = Play(Weave.begin(b"1\n2\n3\n4\n5\n"))
    weave = play.weave
    redoable = []
    alive: set[bytes] = set()
    """Lines of the person's that only a person or an agent's overwriting has taken out."""
    for name, spots in actions:
        before = weave.current()
        pick = spots[0][0]
        if name in ("agent", "unknown", "person"):
            text = _edited(before, spots, name.encode(), play)
            step = {"agent": AGENT, "unknown": UNKNOWN, "person": PERSON}[name]
            weave.advance(text, step)
            assert weave.current() == text
            now = set(split(text))
            if name == "person":
                alive = {line for line in alive if line in now or line not in split(before)}
                alive |= {line for line in now if line.startswith(b"person")}
        elif name == "keep":
            for hunk in list(weave.hunks())[: pick % 3]:
                weave.keep(hunk.lines)
            assert weave.current() == before
        elif name == "undo":
            chosen = list(weave.hunks())[: pick % 3]
            redoable += [weave.undo_lines(hunk.lines, PERSON) for hunk in chosen]
        elif name == "undo turn":
            expected = weave.without(of_agent)
            undone = weave.undo_steps(of_agent, PERSON)
            assert weave.current() == expected
            assert weave.redo(undone, PERSON)
            assert weave.current() == before
            redoable.append(weave.undo_steps(of_agent, PERSON))
        elif redoable:
            weave.redo(redoable.pop(), PERSON)
        held = set(split(weave.current()))
        if name not in ("agent", "unknown", "redo"):
            missing = {line for line in alive - held if line in split(before)}
            assert not missing
        assert weave.current() == b"".join(split(weave.current()))
    everything = set(split(weave.without(lambda step: step.author is not Author.PERSON)))
    assert alive <= everything
    hunks = list(weave.hunks())
    weave.undo_lines([line for hunk in hunks for line in hunk.lines], PERSON)
    assert not list(weave.hunks())
