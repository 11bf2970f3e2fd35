"""The history of whole files: coming, going, permissions, what is no text; and how it is stored."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autopilot_ls.edits.history import ABSENT, FILE, MODE, Content, History, Touched
from autopilot_ls.edits.stored_history import dump, load
from autopilot_ls.edits.weave import Author, Step

AGENT = Step(Author.AGENT, "t1", "`make`")
PERSON = Step(Author.PERSON)


def of_agent(step: Step) -> bool:
    return step.author is Author.AGENT


def text(data: bytes, *, executable: bool = False) -> Content:
    return Content("file", data, executable)


def kinds(history: History) -> list[tuple[str, str]]:
    return [(each.part.id, each.part.kind) for each in history.unreviewed()]


def test_a_file_that_the_agent_made_goes_unless_the_person_typed_into_it() -> None:
    history = History.begin(ABSENT)
    history.advance(text(b"a\n"), AGENT)
    assert kinds(history) == [(FILE, "add")]
    touched = load(dump(history))
    taken = history.undo_steps(of_agent, PERSON)
    assert history.current() == ABSENT
    assert history.redo(taken, PERSON)
    assert history.current() == text(b"a\n")
    touched.advance(text(b"a\nmine\n"), PERSON)
    for undo in (
        lambda: touched.undo_steps(of_agent, PERSON),
        lambda: touched.undo({FILE}, PERSON),
    ):
        with pytest.raises(Touched):
            undo()
        assert touched.current() == text(b"a\nmine\n")


def test_an_empty_file_counts_too() -> None:
    history = History.begin(ABSENT)
    history.advance(text(b""), AGENT)
    assert kinds(history) == [(FILE, "add")]
    history.undo({FILE}, PERSON)
    assert history.current() == ABSENT
    assert kinds(history) == []


def test_a_file_that_the_agent_deleted_comes_back() -> None:
    history = History.begin(text(b"a\nb\n"))
    history.advance(text(b"a\nb\nmine\n"), PERSON)
    history.advance(ABSENT, AGENT)
    assert kinds(history) == [(FILE, "delete")]
    history.undo({FILE}, PERSON)
    assert history.current() == text(b"a\nb\nmine\n")


def test_a_file_that_the_person_made_anew_is_left_alone() -> None:
    history = History.begin(text(b"a\n"))
    history.advance(ABSENT, AGENT)
    history.advance(text(b"mine\n"), PERSON)
    with pytest.raises(Touched):
        history.undo_steps(of_agent, PERSON)
    assert history.current() == text(b"mine\n")


def test_permissions_are_reviewed_on_their_own() -> None:
    history = History.begin(text(b"a\n"))
    history.advance(text(b"b\n", executable=True), AGENT)
    assert kinds(history) == [(MODE, "mode"), ("l0", "hunk")]
    history.undo({MODE}, PERSON)
    assert history.current() == text(b"b\n")
    assert kinds(history) == [("l0", "hunk")]


def test_what_is_no_text_is_decided_whole() -> None:
    history = History.begin(text(b"a\n\xff"))
    history.advance(text(b"b\n\xff\x00"), AGENT)
    assert kinds(history) == [(FILE, "whole")]
    history.undo({FILE}, PERSON)
    assert history.current() == text(b"a\n\xff")


def test_a_binary_file_that_the_person_changed_since_is_left_alone() -> None:
    history = History.begin(text(b"a\0"))
    history.advance(text(b"b\0"), AGENT)
    history.advance(text(b"mine\0"), PERSON)
    with pytest.raises(Touched):
        history.undo_steps(of_agent, PERSON)
    assert history.current() == text(b"mine\0")


def test_a_text_that_becomes_binary_is_one_change() -> None:
    history = History.begin(text(b"a\nb\n"))
    history.advance(text(b"A\nb\n"), AGENT)
    history.advance(text(b"\0"), Step(Author.AGENT, "t2"))
    (one,) = history.unreviewed()
    assert (one.part.kind, one.part.old, one.part.new) == ("whole", (b"a\nb\n",), (b"\0",))
    history.undo({FILE}, PERSON)
    assert history.current() == text(b"a\nb\n")


def test_a_link_in_a_files_place_can_be_taken_back() -> None:
    history = History.begin(text(b"a\n"))
    history.advance(Content("link", b"/etc/passwd"), AGENT)
    assert kinds(history) == [(FILE, "whole")]
    history.undo({FILE}, PERSON)
    assert history.current() == text(b"a\n")


@pytest.mark.parametrize("broken", ["", "{}", "[]", '{"version": 1}'])
def test_a_broken_record_is_refused(broken: str) -> None:
    with pytest.raises(ValueError, match="history"):
        load(broken)


def test_a_record_that_names_what_is_not_there_is_refused() -> None:
    history = History.begin(text(b"a\n"))
    history.advance(text(b"b\n"), AGENT)
    with pytest.raises(ValueError, match="fit together"):
        load(dump(history).replace('"removed"', "").replace("[0,", "[9,", 1))


CONTENTS = st.one_of(
    st.just(ABSENT),
    st.builds(
        text,
        st.lists(
            st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"\xff\n", b"\0", b"end"]), max_size=5
        ).map(b"".join),
        executable=st.booleans(),
    ),
    st.builds(lambda data: Content("link", data), st.sampled_from([b"x", b"y"])),
)
STEPS = st.sampled_from([AGENT, PERSON, Step(Author.UNKNOWN), Step(Author.AGENT, "t2")])


@settings(max_examples=300, deadline=None)
@given(CONTENTS, st.lists(st.tuples(CONTENTS, STEPS), max_size=8))
def test_any_history_can_be_stored_shown_kept_and_taken_back(
    first: Content, then: list[tuple[Content, Step]]
) -> None:
    history = History.begin(first)
    for content, step in then:
        history.advance(content, step)
        assert history.current() == content
        assert load(dump(history)) == history
        copy = load(dump(history))
        copy.keep({each.part.id for each in copy.unreviewed()})
        assert not list(copy.unreviewed())
        assert copy.current() == content
        for undo in (
            lambda copy: copy.undo({each.part.id for each in copy.unreviewed()}, PERSON),
            lambda copy: copy.undo_steps(of_agent, PERSON),
        ):
            copy = load(dump(history))
            try:
                taken = undo(copy)
            except Touched:
                assert copy == history
                continue
            if copy.redo(taken, PERSON):
                assert copy.current().kind == content.kind
    if all(step.author is Author.AGENT for _, step in then):
        history.undo_steps(of_agent, PERSON)
        assert history.current() == first


def test_what_was_taken_back_of_a_text_is_not_done_again_in_a_binary() -> None:
    history = History.begin(text(b"a\nb\n"))
    history.advance(text(b"a\nagent\nb\n"), AGENT)
    taken = history.undo([each.part.id for each in history.unreviewed()], PERSON)
    for binary in (b"\0a", b"\0b", b"\0c"):
        history.advance(text(binary), AGENT)
    history = load(dump(history))
    with pytest.raises(Touched):
        history.redo(taken, PERSON)
    assert history.current() == text(b"\0c")


def test_a_binary_that_one_turn_made_of_its_own_reviewed_text_goes_with_the_turn() -> None:
    history = History.begin(ABSENT)
    history.advance(text(b"a\n"), AGENT, reviewed=True)
    history.advance(text(b"\0a"), AGENT)
    assert kinds(history) == [(FILE, "whole")]
    both = load(dump(history))
    both.undo({FILE}, PERSON)
    assert both.current() == text(b"a\n")
    history.undo_steps(of_agent, PERSON)
    assert history.current() == ABSENT


def test_what_became_binary_after_unknown_changes_does_not_go_with_a_later_turn() -> None:
    history = History.begin(text(b"one\n"))
    history.advance(text(b"one\ntyped perhaps\n"), Step(Author.UNKNOWN, "t1"))
    history.advance(text(b"\0one\ntyped perhaps\n"), Step(Author.AGENT, "t2"))
    history.undo_steps(lambda step: step.author is Author.AGENT and step.turn == "t2", PERSON)
    assert b"typed perhaps" in history.current().data


def test_turns_can_still_be_told_apart_when_a_file_became_binary() -> None:
    history = History.begin(text(b"one\n"))
    history.advance(text(b"one\ntwo\n"), Step(Author.UNKNOWN, "t1"))
    history.advance(text(b"one\ntwo\nthree\n"), Step(Author.AGENT, "t2"))
    history.advance(text(b"\0one\ntwo\nthree\n"), Step(Author.AGENT, "t2"))
    history.undo_steps(lambda step: step.author is Author.AGENT and step.turn == "t2", PERSON)
    assert history.current() == text(b"one\ntwo\n")


def test_turns_that_were_reviewed_are_told_apart_when_a_file_becomes_binary() -> None:
    texts = [b"one\n", b"one\ntwo\n", b"one\ntwo\nthree\n", b"one\ntwo\nthree\nfour\n"]
    history = History.begin(text(texts[0]))
    for number, reviewed in ((1, True), (2, False), (3, True)):
        step = Step(Author.AGENT, f"t{number}")
        history.advance(text(texts[number]), step, reviewed=reviewed)
    history.advance(text(b"\0one\n"), Step(Author.AGENT, "t4"))

    def since(first: str) -> History:
        copy = load(dump(history))
        copy.undo_steps(lambda step: step.author is Author.AGENT and step.turn >= first, PERSON)
        return copy

    assert since("t1").current() == text(texts[0])
    assert since("t4").current() == text(texts[3])
    with pytest.raises(Touched):
        since("t3")  # What was accepted last had been made of what is not reviewed.
    copy = load(dump(history))
    copy.undo({FILE}, PERSON)
    assert copy.current() == text(b"one\ntwo\nfour\n")


@pytest.mark.parametrize("first", [ABSENT, text(b"one\n"), text(b"\xe9\n")])
@pytest.mark.parametrize("then", [ABSENT, Content("link", b"goal")])
def test_turns_are_undone_one_after_the_other(first: Content, then: Content) -> None:
    history = History.begin(first)
    history.advance(text(b"\0two\n"), Step(Author.AGENT, "t1"))
    history.advance(then, Step(Author.AGENT, "t2"))
    for turn, content in (("t2", text(b"\0two\n")), ("t1", first)):
        history = load(dump(history))
        history.undo_steps(lambda step, turn=turn: step.turn >= turn and of_agent(step), PERSON)
        assert history.current() == content
