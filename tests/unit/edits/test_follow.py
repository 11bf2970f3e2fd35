from __future__ import annotations

import pytest

from autopilot_ls.edits.follow import Follower
from autopilot_ls.edits.followed import FollowedHunk, HunkKind, HunkState, Place
from autopilot_ls.edits.line_edits import LineEdit
from autopilot_ls.lsp.convert import split_lines
from autopilot_ls.model.approvals import ChangeKind, Hunk

READY, CONFLICTING, DONE, LOST = HunkState

TEN = "".join(f"line {number}\n" for number in range(10))


class Typist:
    """A text with one hunk or more in it, and somebody who edits it."""

    def __init__(self, text: str, *hunks: FollowedHunk) -> None:
        self.lines = split_lines(text)
        self.follower = Follower(hunks, self.lines)

    @property
    def place(self) -> Place:
        [place] = self.follower
        return place

    @property
    def seen(self) -> tuple[HunkState, int, int]:
        place = self.place
        return place.state, place.start, place.end

    def replace(self, first: int, last: int, *fresh: str) -> None:
        edit = LineEdit(first, self.lines[first:last], list(fresh))
        self.lines[first:last] = fresh
        self.follower.changed([edit], self.lines)

    def whole(self, text: str) -> None:
        edit = LineEdit(0, self.lines, split_lines(text))
        self.lines = split_lines(text)
        self.follower.changed([edit], self.lines)


def followed(
    start: int, standing: list[str], wanted: list[str], *, whole: bool = False, name: str = "h"
) -> FollowedHunk:
    return FollowedHunk(
        name, HunkKind.PENDING, "", start, tuple(standing), tuple(wanted), whole=whole
    )


CHANGE = followed(4, ["line 4\n", "line 5\n"], ["new 4\n", "new 5\n", "new 6\n"])
INSERTION = followed(5, [], ["new\n", "newer\n"])
DELETION = followed(4, ["line 4\n", "line 5\n"], [])


def test_lines_above_move_a_hunk_and_lines_below_do_not() -> None:
    typist = Typist(TEN, CHANGE)
    assert typist.seen == (READY, 4, 6)
    typist.replace(0, 0, "a\n", "b\n")
    assert typist.seen == (READY, 6, 8)
    typist.replace(0, 3)
    assert typist.seen == (READY, 3, 5)
    typist.replace(5, 7, "below\n")
    assert typist.seen == (READY, 3, 5)
    # Directly above and directly below is still not in it.
    typist.replace(3, 3, "above\n")
    typist.replace(6, 6, "below\n")
    assert typist.seen == (READY, 4, 6)


@pytest.mark.parametrize("hunk", [CHANGE, DELETION])
def test_typing_into_a_hunk_conflicts_until_it_is_undone(hunk: FollowedHunk) -> None:
    typist = Typist(TEN, hunk)
    typist.replace(4, 5, "line 4x\n")
    assert typist.seen == (CONFLICTING, 4, 6)
    typist.replace(4, 5, "line 4\n")
    assert typist.seen == (READY, 4, 6)
    typist.replace(5, 5, "between\n")
    assert typist.seen == (CONFLICTING, 4, 7)
    typist.replace(5, 6)
    assert typist.seen == (READY, 4, 6)
    # Joined with the line above, and taken apart again.
    typist.replace(3, 5, "line 3line 4\n")
    assert typist.seen == (CONFLICTING, 3, 5)
    typist.replace(3, 4, "line 3\n", "line 4\n")
    assert typist.seen == (READY, 4, 6)
    # Deleted with everything around it, and brought back.
    typist.replace(2, 8)
    assert typist.place.state is (CONFLICTING if hunk.wanted else DONE)
    typist.replace(2, 2, *(f"line {number}\n" for number in range(2, 8)))
    assert typist.seen == (READY, 4, 6)
    assert (typist.place.low, typist.place.high) == (4, 6)


def test_change_made_by_hand_is_done_whatever_the_order_of_typing() -> None:
    typist = Typist(TEN, CHANGE)
    typist.replace(6, 6, "new 6\n")
    assert typist.seen == (READY, 4, 6)
    typist.replace(4, 5, "new 4\n")
    assert typist.place.state is CONFLICTING
    typist.replace(5, 6, "new 5\n")
    assert typist.seen == (DONE, 4, 7)
    typist.replace(0, 0, "above\n")
    assert typist.seen == (DONE, 5, 8)
    typist.replace(5, 8, "line 4\n", "line 5\n")
    assert typist.seen == (READY, 5, 7)


def test_lines_that_stood_there_before_are_not_taken_for_what_was_typed() -> None:
    typist = Typist("a\nb\nc\n", followed(1, ["b\n"], ["B\n", "c\n"]))
    typist.replace(1, 2, "B\n")
    assert typist.place.state is CONFLICTING
    typist.replace(2, 2, "c\n")
    assert typist.place.state is DONE


def test_deleting_the_lines_by_hand_is_done_and_undoing_brings_the_hunk_back() -> None:
    typist = Typist(TEN, DELETION)
    typist.replace(4, 5)
    assert typist.place.state is CONFLICTING
    typist.replace(4, 5)
    assert typist.seen == (DONE, 4, 4)
    typist.replace(4, 4, "other\n")
    assert typist.place.state is CONFLICTING
    typist.replace(4, 5, "line 4\n", "line 5\n")
    assert typist.seen == (READY, 4, 6)


def test_insertion_keeps_its_place_between_two_lines() -> None:
    typist = Typist(TEN, INSERTION)
    assert typist.seen == (READY, 5, 5)
    typist.replace(4, 5, "line 4x\n")
    typist.replace(5, 6, "line 5x\n")
    assert typist.seen == (READY, 5, 5)
    typist.replace(4, 5, "line", " 4x\n")
    assert typist.seen == (READY, 6, 6)
    # What is typed there is in conflict, until it is gone or all of it.
    typist.replace(6, 6, "new\n")
    assert typist.seen == (CONFLICTING, 6, 7)
    typist.replace(7, 7, "newer\n")
    assert typist.seen == (DONE, 6, 8)
    typist.replace(6, 7)
    assert typist.seen == (CONFLICTING, 6, 7)
    typist.replace(6, 7)
    assert typist.seen == (READY, 6, 6)


def test_insertion_with_both_neighbours_gone_conflicts_until_they_are_back() -> None:
    typist = Typist(TEN, INSERTION)
    typist.replace(4, 6)
    assert typist.seen == (CONFLICTING, 4, 4)
    typist.replace(4, 4, "line 4\n", "line 5\n")
    assert typist.seen == (READY, 5, 5)
    # With one of them left there is no doubt.
    typist.replace(4, 5)
    assert typist.seen == (READY, 4, 4)


def test_insertion_at_the_end_and_into_nothing() -> None:
    typist = Typist("a\n", followed(1, [], ["b\n"]))
    assert typist.seen == (READY, 1, 1)
    typist.replace(1, 2, "b")
    assert typist.seen == (DONE, 1, 2)
    typist.replace(1, 2, "")
    assert typist.seen == (READY, 1, 1)
    empty = Typist("", followed(0, [], ["b\n"]))
    assert empty.seen == (READY, 0, 0)
    empty.replace(0, 1, "b\n", "")
    assert empty.seen == (DONE, 0, 1)


def test_last_line_without_an_end() -> None:
    typist = Typist("a\nb", followed(1, ["b"], ["b\n", "c"]))
    assert typist.seen == (READY, 1, 2)
    # The editor puts the end there when it saves.
    typist.replace(1, 2, "b\n", "")
    assert typist.seen == (READY, 1, 2)
    typist.replace(2, 3, "c")
    assert typist.seen == (DONE, 1, 3)


def test_line_ends_count_only_where_nothing_else_changes() -> None:
    text = TEN.replace("\n", "\r\n")
    typist = Typist(text, CHANGE)
    assert typist.seen == (READY, 4, 6)
    typist.replace(4, 6, "new 4\r\n", "new 5\r\n", "new 6\r\n")
    assert typist.place.state is DONE
    ends = Typist("a\r\nb\r\n", followed(0, ["a\r\n", "b\r\n"], ["a\n", "b\n"]))
    assert ends.seen == (READY, 0, 2)
    ends.whole("a\nb\n")
    assert ends.seen == (DONE, 0, 2)
    ends.whole("a\r\nb\r\n")
    assert ends.seen == (READY, 0, 2)
    last = Typist("a\nb", followed(1, ["b"], ["b\n"]))
    assert last.seen == (READY, 1, 2)
    last.replace(1, 2, "b\n", "")
    assert last.seen == (DONE, 1, 2)


def test_byte_order_mark_is_the_editors_affair() -> None:
    hunk = Hunk(
        id="h", old_start=1, old_lines=("\ufeffa\n",), new_start=1, new_lines=("\ufeffb\n",)
    )
    pending = FollowedHunk.pending(hunk, ChangeKind.UPDATE)
    for mark in ("", "\ufeff"):
        typist = Typist(f"{mark}a\nz\n", pending)
        assert typist.seen == (READY, 0, 1)
        typist.replace(0, 1, f"{mark}b\n")
        assert typist.seen == (DONE, 0, 1)


def test_file_to_be_added_and_file_to_be_deleted() -> None:
    added = Typist("", followed(0, [], ["a\n", "b\n"], whole=True))
    assert added.seen == (READY, 0, 0)
    added.replace(0, 1, "a\n", "")
    assert added.seen == (CONFLICTING, 0, 1)
    added.replace(1, 2, "b\n", "")
    assert added.seen == (DONE, 0, 2)
    assert Typist("x\n", followed(0, [], ["a\n"], whole=True)).seen == (CONFLICTING, 0, 1)
    deleted = Typist("a\nb\n", followed(0, ["a\n", "b\n"], [], whole=True))
    assert deleted.seen == (READY, 0, 2)
    deleted.replace(1, 2, "x\n")
    assert deleted.seen == (CONFLICTING, 0, 2)
    deleted.replace(1, 2, "b\n")
    assert deleted.seen == (READY, 0, 2)
    # Emptying a file does not delete it.
    deleted.replace(0, 3, "")
    assert deleted.place.state is CONFLICTING


def test_one_empty_line_with_an_end_is_an_empty_file_as_neovim_shows_it() -> None:
    for end in ("\n", "\r\n"):
        added = Typist(end, followed(0, [], ["a\n"], whole=True))
        assert added.place.state is READY
        added.replace(0, 1, f"b{end}")
        assert added.place.state is CONFLICTING
        added.replace(0, 1, end)
        assert added.place.state is READY
    deleted = Typist("\n", followed(0, [], [], whole=True))
    assert deleted.place.state is READY
    assert Typist("\n\n", followed(0, [], ["a\n"], whole=True)).place.state is CONFLICTING


def test_hunk_to_be_reviewed_is_the_other_way_round() -> None:
    hunk = Hunk(id="h", old_start=1, old_lines=("old\n",), new_start=2, new_lines=("new\n",))
    typist = Typist("first\nnew\n", FollowedHunk.unreviewed(hunk))
    assert typist.seen == (READY, 1, 2)
    typist.replace(1, 2, "old\n")
    assert typist.seen == (DONE, 1, 2)


# Texts of which nothing is known ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (TEN, (READY, 4, 6)),
        ("x\ny\n" + TEN, (READY, 6, 8)),
        ("line 4\nline 5\n", (READY, 0, 2)),
        ("line 4\nline 5\n" * 4, (READY, 4, 6)),
        ("line 4\nother\nline 5\n", (LOST, 3, 3)),
        ("", (LOST, 0, 0)),
        (TEN.replace("line 4\nline 5\n", "new 4\nnew 5\nnew 6\n"), (DONE, 4, 7)),
    ],
)
def test_hunk_is_found_in_a_text_that_is_opened(
    text: str, seen: tuple[HunkState, int, int]
) -> None:
    assert Typist(text, CHANGE).seen == seen


def test_lost_hunk_is_found_again_when_its_lines_come_back() -> None:
    typist = Typist("nothing\n", CHANGE)
    assert typist.place.state is LOST
    typist.replace(0, 1, "line 4\n", "line 5\n")
    assert typist.seen == (READY, 0, 2)


def test_remembered_lines_tell_equal_places_apart() -> None:
    block = "def f():\n    return None\n\n"
    text = "".join(f"class C{number}:\n{block}" for number in range(6))
    typist = Typist(text, followed(14, ["    return None\n"], ["    return 3\n"]))
    assert typist.seen == (READY, 14, 15)
    typist.follower.closed(typist.lines)
    moved = split_lines("#\n#\n#\n#\n" + text)
    typist.follower.opened(moved)
    assert typist.seen == (READY, 18, 19)


def test_neighbours_that_were_found_say_how_far_the_others_have_moved() -> None:
    text = "start\n" + "x\n" * 20
    hunks = [
        followed(0, ["start\n"], ["begin\n"], name="a"),
        followed(9, ["x\n"], ["y\n"], name="b"),
        followed(12, [], ["z\n"], name="c"),
    ]
    typist = Typist("new\nnew\nnew\n" + text, *hunks)
    assert [(place.state, place.start) for place in typist.follower] == [
        (READY, 3),
        (READY, 12),
        (READY, 15),
    ]


@pytest.mark.parametrize("hunk", [INSERTION, DELETION, CHANGE])
def test_closed_and_opened_again(hunk: FollowedHunk) -> None:
    typist = Typist(TEN, hunk)
    typist.follower.closed(typist.lines)
    other = split_lines("above\n" + TEN)
    typist.follower.opened(other)
    state, start, _ = typist.seen
    assert (state, start) == (READY, hunk.start + 1)
    done = "".join([*other[:start], *hunk.wanted, *other[start + len(hunk.standing) :]])
    typist.follower.opened(split_lines(done))
    assert (typist.place.state, typist.place.start) == (DONE, start)
    typist.follower.opened(split_lines("nothing\nof\nit\n"))
    assert typist.place.state is LOST
    typist.follower.opened(split_lines(TEN))
    assert (typist.place.state, typist.place.start) == (READY, hunk.start)


@pytest.mark.parametrize("hunk", [INSERTION, DELETION, CHANGE])
def test_whole_text_replaced_by_one_that_is_mostly_the_same(hunk: FollowedHunk) -> None:
    typist = Typist(TEN, hunk)
    typist.whole("a\nb\n" + TEN.replace("line 8", "line eight"))
    assert (typist.place.state, typist.place.start) == (READY, hunk.start + 2)
    typist.whole(TEN.replace("line 1\n", "").replace("line 7\n", "7\n7\n"))
    assert (typist.place.state, typist.place.start) == (READY, hunk.start - 1)
    typist.whole("all\nis\nother\n")
    assert typist.place.state is not READY
    typist.whole(TEN)
    assert (typist.place.state, typist.place.start) == (READY, hunk.start)
    typist.whole(TEN)
    assert (typist.place.state, typist.place.start) == (READY, hunk.start)


def test_large_replacement_is_searched_by_content_and_context() -> None:
    text = "".join(f"{number % 7}\n" for number in range(2_000))
    typist = Typist(text, followed(1_000, [f"{1_000 % 7}\n"], ["new\n"]))
    assert typist.seen == (READY, 1_000, 1_001)
    typist.replace(600, 1_500, *(f"{number % 7}\n" for number in range(593, 1_500)))
    assert typist.seen == (READY, 1_000, 1_001)
    typist.replace(600, 1_500, *("other\n" for _ in range(1_000)))
    assert typist.place.state is LOST or typist.place.start < 600 or typist.place.start >= 1_600


def test_text_that_is_exactly_as_before_has_everything_where_it_was() -> None:
    text = "a\n" * 6
    hunks = [
        followed(2, [], ["new\n"], name="insertion"),
        followed(4, ["a\n"], ["b\n"], name="change"),
        followed(6, [], ["last\n"], name="end"),
    ]
    typist = Typist(text, *hunks)
    typist.replace(1, 5, "x\n")
    typist.replace(0, 1)
    typist.replace(2, 3)
    assert any(place.state is not READY for place in typist.follower)
    typist.replace(0, len(typist.lines), *split_lines(text))
    assert [(p.state, p.start) for p in typist.follower] == [(READY, 2), (READY, 4), (READY, 6)]
    # The same lines in another order are another text.
    typist.replace(0, 2, "b\n", "c\n")
    before = typist.follower.get("change")
    assert before is not None
    assert typist.lines[before.start] == "a\n"


def test_insertion_whose_neighbours_went_is_not_ready_beside_lines_that_are_like_them() -> None:
    typist = Typist(TEN, INSERTION)
    typist.replace(4, 6)
    typist.replace(4, 4, "other\n", "line 4\n", "line 5\n")
    assert typist.place.state is CONFLICTING
