"""Where hunks stand in a text of which nothing is known but what it holds.

For a text that was just opened, loaded again, or changed so much that nothing can be followed. The exact
place is best; where other lines stand there, that place of the same lines which has the most of the
remembered lines around it, and the nearest of equals, where neighbours that were found say how far all
of it has moved. Far away and with nothing around it to say so, a hunk is only found if there is one place
for it. What is not found is lost. Pure, in time that grows with the text. Not aware of how a text changes;
`follow` stands above.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

from autopilot_ls.edits.followed import FollowedHunk, HunkState, Place
from autopilot_ls.edits.line_edits import content, is_blank, length

SEARCH_LIMIT: Final = 2_000
"""Lines before and behind the expected place that still count as near."""

MAX_CANDIDATES: Final = 50
"""Places that are looked at for one hunk, nearest first."""

_MARK: Final = "\ufeff"


def stands(lines: Sequence[str], at: int, wanted: Sequence[str]) -> bool:
    """Tell whether these lines stand at a place of the text, whatever their ends are."""
    if at < 0 or at + len(wanted) > len(lines):
        return False
    for index, line in enumerate(wanted, at):
        there = lines[index]
        if there != line and content(there) != content(line):
            if index or not there.startswith(_MARK):
                return False
            if content(there[1:]) != content(line):
                return False
    return True


def locate(places: Sequence[Place], lines: Sequence[str]) -> None:
    """Find all these hunks in a text and put their places there."""
    search = _Search(places, lines)
    waiting: list[Place] = []
    for place in places:
        if place.hunk.whole:
            _put_whole(place, lines)
        elif not search.put_at_only_place(place):
            waiting.append(place)
    for place in waiting:
        search.put_at_best_place(place)
    for place in places:
        if place.state is HunkState.READY:
            place.remember(lines)


def _put_whole(place: Place, lines: Sequence[str]) -> None:
    """Compare a file that is to be added or deleted with the text."""
    hunk, real = place.hunk, length(lines)
    place.put(0, HunkState.CONFLICTING)
    place.end = place.high = real
    if not hunk.standing:
        ready = is_blank(lines)
    else:
        ready = real == len(hunk.standing) and stands(lines, 0, hunk.standing)
    if ready:
        place.state = HunkState.READY
    elif hunk.wanted and real == len(hunk.wanted) and stands(lines, 0, hunk.wanted):
        place.state = HunkState.DONE


def _key(lines: Sequence[str]) -> int:
    """Return the index of the line by which a hunk is looked for: the longest is the rarest."""
    return max(range(len(lines)), key=lambda index: len(lines[index]))


class _Search:
    """One search for many hunks in one text."""

    def __init__(self, places: Iterable[Place], lines: Sequence[str]) -> None:
        self._lines = lines
        self._real = length(lines)
        self._taken: set[tuple[int, bool]] = set()
        # How far hunks that were found have moved, by where they stood.
        self._origins: list[int] = []
        self._moves: dict[int, int] = {}
        index: dict[str, list[int]] = {}
        for place in places:
            for wanted in _searched(place):
                index.setdefault(content(wanted[_key(wanted)]), [])
        for number in range(self._real):
            found = index.get(content(lines[number]))
            if found is not None:
                found.append(number)
        if self._real and lines[0].startswith(_MARK):
            index.setdefault(content(lines[0][1:]), []).insert(0, 0)
        self._index = index

    def put_at_only_place(self, place: Place) -> bool:
        """Put a hunk where it can only be; tells whether there is such a place."""
        hunk, origin = place.hunk, place.start
        if not hunk.standing:
            if place.context is not None and self._score(place.context, origin, origin) == _most(
                place.context
            ):
                self._put(place, origin, HunkState.READY)
                return True
            return False
        found = self._places_of(hunk.standing, origin)
        if len(found) != 1:
            return False
        self._put(place, found[0], HunkState.READY)
        return True

    def put_at_best_place(self, place: Place) -> None:
        """Put a hunk at the best of several places, or say that it is done or lost."""
        hunk = place.hunk
        expected = place.start + self._moved(place.start)
        if hunk.standing and (at := self._best(place, hunk.standing, expected)) is not None:
            self._put(place, at, HunkState.READY)
        elif hunk.wanted and (at := self._done(place, expected)) is not None:
            self._put(place, at, HunkState.DONE)
        elif not (hunk.standing and hunk.wanted) and (at := self._gap(place, expected)) is not None:
            # Between the lines around it there is nothing: nothing was put in yet, or all was taken out.
            self._put(place, at, HunkState.DONE if hunk.standing else HunkState.READY)
        elif not hunk.standing and place.context is None:
            self._put(place, min(expected, self._real), HunkState.READY)
        else:
            place.put(max(min(expected, self._real), 0), HunkState.LOST)

    def _put(self, place: Place, at: int, state: HunkState) -> None:
        origin = place.start
        if state is HunkState.READY:
            if origin not in self._moves:
                self._origins.insert(bisect_left(self._origins, origin), origin)
            self._moves[origin] = at - origin
        place.put(at, state)
        if (
            place.hunk.only_ends
            and tuple(self._lines[place.start : place.end]) == place.hunk.wanted
        ):
            place.state = HunkState.DONE
        if place.end > place.start:
            self._taken.add((at, bool(place.hunk.standing)))

    def _moved(self, origin: int) -> int:
        """Return how far the nearest hunk that was found has moved."""
        at = bisect_left(self._origins, origin)
        near = self._origins[max(at - 1, 0) : at + 1]
        if not near:
            return 0
        return self._moves[min(near, key=lambda other: abs(other - origin))]

    def _places_of(self, wanted: Sequence[str], expected: int) -> list[int]:
        """Return where the lines stand, nearest first."""
        key = _key(wanted)
        rows = self._index.get(content(wanted[key]), [])
        middle = bisect_left(rows, expected + key)
        near = rows[max(middle - MAX_CANDIDATES, 0) : middle + MAX_CANDIDATES]
        found = [row - key for row in near if stands(self._lines, row - key, wanted)]
        return sorted(found, key=lambda at: abs(at - expected))

    def _best(self, place: Place, wanted: Sequence[str], expected: int) -> int | None:
        found = [at for at in self._places_of(wanted, expected) if (at, True) not in self._taken]
        if not found:
            return None
        context = place.context or ((), ())
        score, best = max(
            ((self._score(context, at, at + len(wanted)), at) for at in found),
            key=lambda pair: (pair[0], -abs(pair[1] - expected)),
        )
        near = abs(best - expected) <= SEARCH_LIMIT
        return best if near or score or len(found) == 1 else None

    def _done(self, place: Place, expected: int) -> int | None:
        """Return where the wanted lines stand, if something says that it is they."""
        found = self._places_of(place.hunk.wanted, expected)
        size = len(place.hunk.wanted)
        if place.context is not None and any(place.context):
            most = _most(place.context)
            return next(
                (at for at in found if self._score(place.context, at, at + size) == most), None
            )
        # Lines put in may have stood there all the time; lines changed do not stand there by chance.
        return expected if place.hunk.standing and expected in found else None

    def _gap(self, place: Place, expected: int) -> int | None:
        """Return the one place between the lines that stood around the hunk."""
        if place.context is None:
            return None
        above, below = place.context
        most = _most(place.context)
        rows = self._index.get(above[-1] if above else below[0], []) if above or below else []
        after = 1 if above else 0
        found = [
            row + after
            for row in rows
            if self._score(place.context, row + after, row + after) == most
        ]
        if not above and not below:
            found = [0] if not self._real else []
        if len(found) == 1 or expected in found:
            return expected if expected in found else found[0]
        return None

    def _score(self, context: tuple[tuple[str, ...], tuple[str, ...]], start: int, end: int) -> int:
        """Return how many of the remembered lines stand around, counted from the hunk outwards."""
        above, below = context
        lines, score = self._lines, 0
        for offset, line in enumerate(reversed(above), 1):
            if not stands(lines, start - offset, (line,)):
                break
            score += 1
        for offset, line in enumerate(below):
            if end + offset >= self._real or not stands(lines, end + offset, (line,)):
                break
            score += 1
        return score


def _most(context: tuple[tuple[str, ...], tuple[str, ...]]) -> int:
    return len(context[0]) + len(context[1])


def _searched(place: Place) -> list[Sequence[str]]:
    """Return the lines that a place may be looked for by."""
    hunk: FollowedHunk = place.hunk
    found: list[Sequence[str]] = [lines for lines in (hunk.standing, hunk.wanted) if lines]
    if place.context is not None:
        above, below = place.context
        if above:
            found.append(above[-1:])
        if below:
            found.append(below[:1])
    return found
