"""Where hunks stand in a text that somebody is typing in.

A hunk is a run of lines that should stand in the text, and what should stand there once it is done: for
a pending hunk the old lines and the new ones, for one to be reviewed the other way round. Two pairs of
places between lines are kept for each. The inner pair holds what became of its lines. The outer pair
holds whatever was typed next to them too, since what was typed may be part of the hunk. A change of lines
moves both; lines of others that it took away with the hunk's are remembered until they are back, so
that undoing restores exactly what was. What is all new (a text that is opened) is searched by `locate`.

Line ends and a byte order mark do not count, an editor may have its own; where a hunk changes nothing
else, they do. Pure, and quick: what is not near a change costs two comparisons. Not aware of files,
editors or approvals; `line_edits` and `locate` stand below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from autopilot_ls.edits.anchors import Anchors
from autopilot_ls.edits.followed import CONTEXT, Effect, FollowedHunk, HunkState, Place
from autopilot_ls.edits.line_edits import LineEdit, content, is_blank, length, line_edits
from autopilot_ls.edits.locate import locate, stands

MAX_REMEMBERED: Final = 400
"""Lines of others that are remembered for one hunk, and that one change may have to be followed by place."""


class Follower:
    """The hunks of one text; see the module's docstring.

    Texts are lists of lines with their ends, as an editor has them: with an empty line at the end, where
    the last one has an end.
    """

    def __init__(
        self, hunks: Iterable[FollowedHunk] = (), lines: Sequence[str] | None = None
    ) -> None:
        """Follow hunks; without a text they are where they say."""
        self._places: dict[str, Place] = {}
        self._anchors = Anchors()
        self.add(hunks, lines)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())

    def __len__(self) -> int:
        return len(self._places)

    def get(self, hunk_id: str) -> Place | None:
        """Return the place of a hunk."""
        return self._places.get(hunk_id)

    def add(self, hunks: Iterable[FollowedHunk], lines: Sequence[str] | None = None) -> None:
        """Follow more hunks; `lines` is the text as it is now, where it is known."""
        fresh = [Place(hunk) for hunk in hunks if hunk.id not in self._places]
        self._places.update((place.hunk.id, place) for place in fresh)
        if lines is not None:
            locate(fresh, lines)
            self._anchors.add(fresh, lines)

    def discard(self, hunk_ids: Iterable[str]) -> None:
        """Follow these no longer."""
        gone = list(hunk_ids)
        for hunk_id in gone:
            self._places.pop(hunk_id, None)
        self._anchors.discard(gone)

    def opened(self, lines: Sequence[str]) -> None:
        """The text is this now, and nothing says how it came to be."""
        locate(list(self), lines)
        self._anchors.reset(self, lines)

    def closed(self, lines: Sequence[str]) -> None:
        """The text is no longer seen; remember what stands around the hunks, to find them again."""
        for place in self:
            place.remember(lines)
        self._anchors.reset((), lines)

    def changed(self, edits: Sequence[LineEdit], lines: Sequence[str]) -> Effect:
        """Take changes.

        Args:
            edits: Each one's places are those in the text that the one before it left.
            lines: The text after the last of them.

        Returns:
            What they did to the hunks.
        """
        before = [(place, place.state) for place in self]
        touched: dict[str, Place] = {}
        adrift: dict[str, Place] = {}
        near: dict[str, Place] = {}
        moved = False
        for edit in edits:
            for piece in line_edits(edit):
                moved |= self._take(piece, touched, adrift, near)
            self._look_at_ends(edit, touched)
        for hunk_id, place in touched.items():
            if hunk_id not in adrift:
                _settle(place, lines)
        for place in near.values():
            if place.state is HunkState.READY and not place.above and not place.below:
                place.remember(lines)
        if adrift:
            locate(list(adrift.values()), lines)
        self._anchors.changed(edits)
        for hunk_id, certain in self._anchors.places(lines).items():
            moved |= self._places[hunk_id].restore(certain)
        if any(place.state is not state for place, state in before):
            return Effect.STATE
        return Effect.MOVED if moved or touched or adrift else Effect.NONE

    def _take(
        self,
        edit: LineEdit,
        touched: dict[str, Place],
        adrift: dict[str, Place],
        around: dict[str, Place],
    ) -> bool:
        first, end = edit.first, edit.first + len(edit.removed)
        by = len(edit.inserted) - len(edit.removed)
        # Lines next to a hunk are no part of it when they are changed. When they go, they must be
        # known if they come back; and lines that come may be part of it.
        replaces = bool(edit.removed and edit.inserted)
        moved = False
        for place in self._places.values():
            if first > place.high:
                near = False
            elif end < place.low or (
                end == place.low and (replaces or (edit.removed and place.returned_above))
            ):
                place.shift(by)
                near = False
                moved = moved or by != 0
            else:
                near = first < place.high or not (
                    replaces or (edit.removed and place.returned_below)
                )
            hunk = place.hunk
            if first <= place.high + CONTEXT and end >= place.low - CONTEXT:
                around[hunk.id] = place
            if hunk.whole:
                touched[hunk.id] = place
                place.odd = first
            elif place.state is HunkState.LOST:
                if _may_return(hunk, edit):
                    adrift[hunk.id] = place
            elif near:
                touched[hunk.id] = place
                if not _move(place, edit):
                    adrift[hunk.id] = place
        return moved

    def _look_at_ends(self, edit: LineEdit, touched: dict[str, Place]) -> None:
        """A change of nothing but line ends moves no line, but may be all that a hunk is about."""
        last = edit.first + len(edit.inserted)
        for place in self._places.values():
            if place.hunk.only_ends and edit.first <= place.high and place.low <= last:
                touched[place.hunk.id] = place


def _may_return(hunk: FollowedHunk, edit: LineEdit) -> bool:
    """Tell whether a change brings a line of a hunk that was lost."""
    lines = hunk.standing or hunk.wanted
    return bool(lines) and content(lines[0]) in edit.inserted


def _move(place: Place, edit: LineEdit) -> bool:
    """Move the places of a hunk with a change near it; tells whether it can be followed any more."""
    first, end = edit.first, edit.first + len(edit.removed)
    by = len(edit.inserted) - len(edit.removed)
    if _among_returned(place, edit, by):
        return True
    if not edit.removed:
        _insert(place, first, by)
        return True
    if max(len(edit.removed), len(edit.inserted)) > MAX_REMEMBERED:
        # What is left of the place is where it was: the first guess of the search that is needed now.
        if place.state in (HunkState.READY, HunkState.DONE):
            place.recall(edit)
        return False
    place.returned_above = place.returned_below = 0
    if first < place.low:
        place.above = [*edit.removed[: place.low - first], *place.above]
        place.low = first
    if end > place.high:
        place.below = [*place.below, *edit.removed[place.high - first :]]
        place.high = end
    place.high += by
    if end <= place.start:
        place.start += by
    elif first < place.start:
        place.start = first
    if end <= place.end:
        place.end += by
    elif first < place.end:
        place.end = end + by
    if first < place.start < end or first < place.end < end:
        return len(place.above) + len(place.below) <= MAX_REMEMBERED
    del place.above[:-MAX_REMEMBERED], place.below[MAX_REMEMBERED:]
    return True


def _among_returned(place: Place, edit: LineEdit, by: int) -> bool:
    """Take a change of lines of others that had gone and are back; tells whether it was one."""
    first, end = edit.first, edit.first + len(edit.removed)
    low, high = place.low + place.returned_above, place.high - place.returned_below
    replaces = edit.removed and edit.inserted
    if not edit.removed and first in (place.low, place.high):
        # Next to an equal line it may be the hunk's own that comes back.
        equal = edit.inserted[-1:] == place.below[-1:] or edit.inserted[:1] == place.above[:1]
        if equal:
            return False
    if place.low <= first < low and (end < low or (end == low and replaces)):
        at = first - place.low
        place.above[at : at + len(edit.removed)] = edit.inserted
        place.returned_above += by
        place.start += by
        place.end += by
        place.high += by
    elif high < end <= place.high and (first > high or (first == high and replaces)):
        at = len(place.below) - (place.high - first)
        place.below[at : at + len(edit.removed)] = edit.inserted
        place.returned_below += by
        place.high += by
    else:
        return False
    return True


def _insert(place: Place, first: int, by: int) -> None:
    """Lines were put in between others, at or within the outer pair of places."""
    place.high += by
    if place.start == place.end == first:
        # Of a hunk's lines nothing is left: what is typed there stands for them.
        place.end += by
    elif first <= place.start:
        place.start += by
        place.end += by
    elif first < place.end:
        place.end += by


def _settle(place: Place, lines: Sequence[str]) -> None:
    """Say what is the matter with a hunk that was touched, and give back what is not its own."""
    real = length(lines)
    hunk = place.hunk
    if hunk.whole:
        place.low = place.start = 0
        place.end = place.high = real
        place.state = _of_whole(place, lines, real)
        return
    place.clamp(real)
    if hunk.only_ends:
        place.state = _state_of_ends(place, lines)
        return
    restored = _restored(place, lines, real)
    if restored is not None:
        place.put(restored, HunkState.READY)
        return
    low, high = _edges(place, lines)
    place.returned_above, place.returned_below = low - place.low, place.high - high
    if not hunk.standing:
        # A hunk that only puts lines in is about all that stands between its neighbours.
        place.start, place.end = low, high
    else:
        place.start = min(max(place.start, low), high)
        place.end = max(min(place.end, high), place.start)
    place.state = _state(place, lines, low, high)
    returned = place.returned_above + place.returned_below
    complete = returned == len(place.above) + len(place.below)
    if place.state is HunkState.READY and complete and (place.start, place.end) == (low, high):
        place.put(low, HunkState.READY)
        place.remember(lines)


def _of_whole(place: Place, lines: Sequence[str], real: int) -> HunkState:
    hunk = place.hunk
    if not hunk.standing:
        ready = is_blank(lines)
    else:
        ready = real == len(hunk.standing) and _same(place, lines, 0, hunk.standing)
    if ready:
        return HunkState.READY
    if hunk.wanted and real == len(hunk.wanted) and stands(lines, 0, hunk.wanted):
        return HunkState.DONE
    return HunkState.CONFLICTING


def _same(place: Place, lines: Sequence[str], at: int, wanted: Sequence[str]) -> bool:
    """Tell whether the lines stand there, looking first at the one that was wrong the last time."""
    odd = place.odd
    if odd < len(wanted) and content(lines[at + odd]) != content(wanted[odd]):
        return stands(lines, at + odd, wanted[odd : odd + 1])
    for index, line in enumerate(wanted):
        if not stands(lines, at + index, (line,)):
            place.odd = index
            return False
    return True


def _edges(place: Place, lines: Sequence[str]) -> tuple[int, int]:
    """Return what of the outer pair is left without lines of others that stand at its edges as they were.

    They are not given back before all is as it was: equal lines may follow one another, and which of them
    went, only the undo shows that brings them back.
    """
    above, below, standing = place.above, place.below, place.hunk.standing
    intact = place.end - place.start == len(standing) and stands(lines, place.start, standing)
    low, bottom = place.low, place.start if intact else place.high
    while low < bottom and low - place.low < len(above):
        if not stands(lines, low, (above[low - place.low],)):
            break
        low += 1
    high, top = place.high, place.end if intact else low
    while high > top and place.high - high < len(below):
        if not stands(lines, high - 1, (below[high - place.high - 1],)):
            break
        high -= 1
    return low, high


def _restored(place: Place, lines: Sequence[str], real: int) -> int | None:
    """Return where the hunk's lines stand among those that stood around them before it was touched."""
    if place.context is None or not place.hunk.standing:
        # Between lines that are like those around it anything may have been typed.
        return None
    above, below = place.context
    everything = (*above, *place.hunk.standing, *below)
    for start in range(place.low, place.high - len(place.hunk.standing) + 1):
        first = start - len(above)
        end = first + len(everything)
        # Where less than usual was remembered, the text began or ended there.
        if (first and len(above) < CONTEXT) or (end != real and len(below) < CONTEXT):
            continue
        if end <= real and stands(lines, first, everything):
            return start
    return None


def _state(place: Place, lines: Sequence[str], low: int, high: int) -> HunkState:
    standing, wanted = place.hunk.standing, place.hunk.wanted
    if not standing and place.above and place.below:
        return _state_of_torn(place, lines, low, high)
    for state, own in ((HunkState.READY, standing), (HunkState.DONE, wanted)):
        if high - low == len(own) and stands(lines, low, own):
            place.start, place.end = low, high
            return state
    for start in range(low, place.start + 1):
        end = start + len(wanted)
        if place.end <= end <= high and stands(lines, start, wanted):
            place.start, place.end = start, end
            return HunkState.DONE
    if not standing:
        return HunkState.CONFLICTING
    size = len(standing)
    if place.end - place.start == size and _same(place, lines, place.start, standing):
        return HunkState.READY
    expected = place.start + len(place.above)
    for start in sorted(range(low, high - size + 1), key=lambda at: abs(at - expected)):
        if stands(lines, start, standing):
            place.start, place.end = start, start + size
            return HunkState.READY
    return HunkState.CONFLICTING


def _state_of_torn(place: Place, lines: Sequence[str], low: int, high: int) -> HunkState:
    """With the lines on both sides gone nothing tells where it was, until they and no others are back."""
    if low == place.low + len(place.above) and high == place.high - len(place.below):
        if low == high:
            return HunkState.READY
        wanted = place.hunk.wanted
        if high - low == len(wanted) and stands(lines, low, wanted):
            return HunkState.DONE
    return HunkState.CONFLICTING


def _state_of_ends(place: Place, lines: Sequence[str]) -> HunkState:
    """A hunk that changes line ends only is ready where its lines stand with any but the wanted ones."""
    hunk = place.hunk
    if place.end - place.start != len(hunk.standing) or not stands(
        lines, place.start, hunk.standing
    ):
        return HunkState.CONFLICTING
    there = tuple(lines[place.start : place.end])
    return HunkState.DONE if there == hunk.wanted else HunkState.READY
