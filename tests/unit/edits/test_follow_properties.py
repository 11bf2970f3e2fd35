"""Hunks in a text that is edited at random, against a slow reference that gives each line an identity."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lsprotocol import types

from autopilot_ls.edits.follow import Follower
from autopilot_ls.edits.followed import FollowedHunk, HunkKind, HunkState, Place
from autopilot_ls.edits.line_edits import LineEdit, content, length, line_edits
from autopilot_ls.lsp.convert import split_lines
from autopilot_ls.lsp.documents import Document

READY, CONFLICTING, DONE, LOST = HunkState

LINE = st.text(st.sampled_from("abc😋"), max_size=2)
LINES = st.lists(LINE, max_size=14)
TYPED = st.one_of(
    st.sampled_from(["", "a", "\n", "a\n", "\na", "new\n", "\nnew", "b\nc\n"]),
    st.lists(LINE, max_size=4).map("\n".join),
)
SPOT = st.tuples(st.integers(0, 16), st.integers(0, 3))
Edit = tuple[tuple[int, int], tuple[int, int], str]
EDITS: st.SearchStrategy[list[list[Edit]]] = st.lists(
    st.lists(st.tuples(SPOT, SPOT, TYPED), min_size=1, max_size=3), max_size=8
)
EXAMPLES = int(os.environ.get("AUTOPILOT_TEST_EXAMPLES", "0"))
# The same examples in each run, and few enough for each run; many more with AUTOPILOT_TEST_EXAMPLES=5000,
# which are other ones each time.
ENOUGH = settings(
    max_examples=EXAMPLES or 300,
    derandomize=not EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow],
    deadline=None,
)


@st.composite
def scenes(draw: st.DrawFn, *, unlike: bool = False) -> tuple[list[str], list[FollowedHunk]]:
    """A text, whose lines may be unlike one another, and hunks in it that do not overlap."""
    lines = [f"{n}{line}" if unlike else line for n, line in enumerate(draw(LINES))]
    hunks: list[FollowedHunk] = []
    at = 0
    while at <= len(lines) and len(hunks) < 3:
        start = draw(st.integers(at, len(lines)))
        size = draw(st.integers(0, min(2, len(lines) - start)))
        standing = tuple(f"{line}\n" for line in lines[start : start + size])
        wanted = tuple(
            f"{line}\n" for line in draw(st.lists(st.sampled_from(["new", "a", "b"]), max_size=2))
        )
        if [*map(content, standing)] != [*map(content, wanted)]:
            hunks.append(
                FollowedHunk(f"h{len(hunks)}", HunkKind.PENDING, "", start, standing, wanted)
            )
        at = start + size + 1
    return lines, hunks


def positions(edit: Edit) -> types.Range:
    start, end = sorted(edit[:2])
    return types.Range(types.Position(*start), types.Position(*end))


class Slow:
    """The lines of a text, each with the number that it had in the beginning, or None if typed."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.size = len(lines)
        self.beginning = list(lines)
        self.lines: list[tuple[int | None, str]] = list(enumerate(lines))

    def take(self, edit: LineEdit) -> None:
        for piece in line_edits(edit):
            fresh: list[tuple[int | None, str]] = [(None, line) for line in piece.inserted]
            self.lines[piece.first : piece.first + len(piece.removed)] = fresh

    def at(self, number: int) -> int | None:
        """Return where a line of the beginning stands; those before the first and after the last stay."""
        if number < 0:
            return -1
        if number >= self.size:
            return len(self.lines)
        return next((at for at, (there, _) in enumerate(self.lines) if there == number), None)

    def gap(self, hunk: FollowedHunk) -> tuple[int, int, bool]:
        """Return what stands between the nearest lines that nobody touched, and whether they are its neighbours."""
        first, last = hunk.start - 1, hunk.start + len(hunk.standing)
        above = next(at for n in range(first, -2, -1) if (at := self.at(n)) is not None)
        below = next(at for n in range(last, self.size + 1) if (at := self.at(n)) is not None)
        return above + 1, below, self.at(first) == above and self.at(last) == below

    def texts(self, start: int, end: int) -> list[str]:
        return [line for _, line in self.lines[start:end]]


def runs(lines: Sequence[str], wanted: Sequence[str]) -> list[int]:
    size = len(wanted)
    return [
        at for at in range(len(lines) - size + 1) if list(lines[at : at + size]) == list(wanted)
    ]


def check(slow: Slow, place: Place) -> None:
    """The state of a hunk is what the identities of the lines say, wherever they say it for certain."""
    hunk = place.hunk
    standing, wanted = [*map(content, hunk.standing)], [*map(content, hunk.wanted)]
    low, high, sure = slow.gap(hunk)
    assert low <= place.low <= place.start <= place.end <= place.high <= high
    there = slow.texts(place.start, place.end)
    assert place.state is not LOST
    if place.state is READY:
        assert there == standing
    if place.state is DONE:
        assert there == wanted
    own = [slow.at(number) for number in range(hunk.start, hunk.start + len(standing))]
    whole = (
        bool(own) and None not in own and own == list(range(own[0] or 0, (own[0] or 0) + len(own)))
    )
    if whole:
        assert place.state is READY or place.end - place.start > len(standing)
        assert place.state in (READY, DONE)
        if place.state is READY:
            assert place.start == own[0]
        else:
            assert place.start <= (own[0] or 0) < place.end
    if not sure:
        return
    gap = slow.texts(low, high)
    if gap == wanted:
        assert place.state is DONE
    elif gap == standing and not wanted and all(at is None for at in own):
        # Its own lines went, and equal ones were typed elsewhere between its neighbours: both may be said.
        assert place.state in (READY, DONE)
    elif gap == standing or (whole and not runs(gap, wanted)):
        assert place.state is READY
    elif not standing or (not runs(gap, standing) and not (wanted and runs(gap, wanted))):
        # Whether other lines were typed in place of the hunk's or beside them, the text does not say.
        # Of equal lines, nobody can say which one is new.
        first, last = max(hunk.start - 3, 0), hunk.start + len(standing)
        equal = (
            slow.texts(place.start - (hunk.start - first), place.start)
            == slow.beginning[first : hunk.start]
            and slow.texts(place.end, place.end + 3) == slow.beginning[last : last + 3]
        )
        assert (
            place.state is CONFLICTING
            or (place.state is DONE and not wanted)
            or (place.state is READY and equal)
        )


def typed(at: tuple[int, int], to: tuple[int, int], text: str) -> list[Edit]:
    return [(at, to, text)]


# What thousands of random examples found once.
@ENOUGH
@example(
    (["", ""], [FollowedHunk("h0", HunkKind.PENDING, "", 1, ("\n",), ())]),
    [
        typed((1, 0), (1, 0), "\n"),
        typed((3, 0), (3, 0), "b\nc\n"),
        typed((5, 0), (5, 0), "\n"),
        typed((0, 0), (5, 0), "a\n\n"),
    ],
)
@given(scenes(), EDITS)
def test_states_are_those_of_the_reference(
    scene: tuple[list[str], list[FollowedHunk]], batches: list[list[Edit]]
) -> None:
    lines, hunks = scene
    document = Document(
        "file:///a", "/a", "/a", "", 1, split_lines("".join(f"{x}\n" for x in lines))
    )
    follower, slow = Follower(hunks, document.lines), Slow(lines)
    for batch in batches:
        edits = [document.splice(positions(edit), edit[2], "utf-16") for edit in batch]
        for edit in edits:
            slow.take(edit)
        before = [(p.low, p.start, p.end, p.high, p.state) for p in follower]
        said = follower.changed(edits, document.lines)
        after = [(p.low, p.start, p.end, p.high, p.state) for p in follower]
        assert said or before == after
        assert slow.texts(0, len(slow.lines)) == [
            content(line) for line in document.lines[: length(document.lines)]
        ]
        for place in follower:
            check(slow, place)


@ENOUGH
@example(
    ([], [FollowedHunk("h0", HunkKind.PENDING, "", 0, (), ("a\n",))]), [typed((0, 0), (0, 0), "\n")]
)
@example(
    (["", ""], [FollowedHunk("h0", HunkKind.PENDING, "", 2, (), ("new\n",))]),
    [typed((2, 0), (2, 0), "\n"), typed((0, 0), (1, 0), "")],
)
@given(scenes(), EDITS)
def test_text_that_is_as_it_was_has_every_hunk_where_it_was(
    scene: tuple[list[str], list[FollowedHunk]], batches: list[list[Edit]]
) -> None:
    """Among equal lines too, of which nothing else tells which one was typed."""
    lines, hunks = scene
    document = Document(
        "file:///a", "/a", "/a", "", 1, split_lines("".join(f"{x}\n" for x in lines))
    )
    follower = Follower(hunks, document.lines)
    steps: list[LineEdit] = []
    for edit in (edit for batch in batches for edit in batch):
        steps.append(document.splice(positions(edit), edit[2], "utf-16"))
        follower.changed(steps[-1:], document.lines)
    for step in reversed(steps):
        document.lines[step.first : step.first + len(step.inserted)] = step.removed
        follower.changed([LineEdit(step.first, step.inserted, step.removed)], document.lines)
    assert [(p.state, p.start) for p in follower] == [(READY, hunk.start) for hunk in hunks]


@ENOUGH
@given(scene=scenes(unlike=True), batches=EDITS, whole=st.booleans())
def test_undoing_everything_restores_everything(
    scene: tuple[list[str], list[FollowedHunk]], batches: list[list[Edit]], *, whole: bool
) -> None:
    """Twice, which is redo, and with whole documents in place of ranges, as some editors send them."""
    lines, hunks = scene
    document = Document(
        "file:///a", "/a", "/a", "", 1, split_lines("".join(f"{x}\n" for x in lines))
    )
    follower = Follower(hunks, document.lines)
    steps: list[LineEdit] = []

    def take(edit: LineEdit) -> None:
        given_as = edit
        if whole:
            before = list(document.lines)
            before[edit.first : edit.first + len(edit.inserted)] = edit.removed
            given_as = LineEdit(0, before, list(document.lines))
        follower.changed([given_as], document.lines)

    for batch in batches:
        for edit in batch:
            steps.append(document.splice(positions(edit), edit[2], "utf-16"))
            take(steps[-1])
    then = [p.state is READY for p in follower]
    for again in range(2):
        for step in reversed(steps):
            end = step.first + len(step.inserted)
            document.lines[step.first : end] = step.removed
            take(LineEdit(step.first, step.inserted, step.removed))
        for place in follower:
            assert (place.state, place.start) == (READY, place.hunk.start)
        if again:
            return
        for step in steps:
            document.lines[step.first : step.first + len(step.removed)] = step.inserted
            take(step)
        assert [p.state is READY for p in follower] == then


@ENOUGH
@given(scenes(), st.lists(st.sampled_from(["above", "top"]), max_size=3))
def test_hunk_done_by_hand_is_done_and_the_others_stay(
    scene: tuple[list[str], list[FollowedHunk]], above: list[str]
) -> None:
    lines, hunks = scene
    texts = split_lines("".join(f"{line}\n" for line in lines))
    follower = Follower(hunks, texts)
    put = [f"{line}\n" for line in above]
    texts[0:0] = put
    follower.changed([LineEdit(0, [], put)], texts)
    for place in list(follower):
        if place.state is not READY:
            continue
        at, end = place.start, place.end
        others = {p.hunk.id: p.state for p in follower if p is not place}
        texts[at:end] = place.hunk.wanted
        follower.changed([LineEdit(at, place.hunk.standing, place.hunk.wanted)], texts)
        assert place.state is DONE
        assert {p.hunk.id: p.state for p in follower if p is not place} == others


@ENOUGH
@given(LINES, LINES, st.integers(0, 5))
def test_pieces_make_the_new_lines_of_the_old_ones(
    old: list[str], new: list[str], first: int
) -> None:
    text = [*("x" * first), *old]
    for piece in line_edits(LineEdit(first, [f"{x}\n" for x in old], [f"{x}\n" for x in new])):
        assert text[piece.first : piece.first + len(piece.removed)] == list(piece.removed)
        assert piece.removed or piece.inserted
        text[piece.first : piece.first + len(piece.removed)] = piece.inserted
    assert text == [*("x" * first), *new]


@ENOUGH
@given(
    st.lists(st.integers(0, 30), max_size=1200),
    st.lists(st.integers(0, 30), max_size=40),
    st.integers(0, 1200),
)
def test_pieces_of_large_changes_too(old: list[int], put: list[int], at: int) -> None:
    lines = [f"{number}\n" for number in old]
    new = [*lines[:at], *(f"{number}\n" for number in put), *lines[at + 7 :]]
    text = [content(line) for line in lines]
    for piece in line_edits(LineEdit(0, lines, new)):
        text[piece.first : piece.first + len(piece.removed)] = piece.inserted
    assert text == [content(line) for line in new]
