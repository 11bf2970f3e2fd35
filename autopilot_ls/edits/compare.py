"""What differs between two lists of lines, in bounded time.

Lines that are unique on both sides hold large texts together, so that only the gaps between them are
compared line by line; a gap without such lines that is too large becomes one change. Pure. `convert` and
`weave` stand above.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

MAX_COMPARED: Final = 2_000
"""Lines of both sides up to which a gap is compared line by line."""


class Change(NamedTuple):
    """Lines `old_start` to `old_end` of the old text became `new_start` to `new_end` of the new."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


def changes(old: Sequence[bytes], new: Sequence[bytes]) -> Iterator[Change]:
    """Yield the changes from one list of lines to another, in order; indices count from 0."""
    yield from _within(old, new, Change(0, len(old), 0, len(new)), deep=True)


def _within(
    old: Sequence[bytes], new: Sequence[bytes], whole: Change, *, deep: bool
) -> Iterator[Change]:
    gap = _trimmed(old, new, whole)
    size = gap.old_end - gap.old_start + gap.new_end - gap.new_start
    if not size:
        return
    if gap.old_start == gap.old_end or gap.new_start == gap.new_end:
        yield gap
    elif size <= MAX_COMPARED:
        yield from _by_line(old, new, gap)
    else:
        anchors = _anchors(old, new, gap) if deep else []
        if not anchors:
            yield gap
            return
        old_at, new_at = gap.old_start, gap.new_start
        for old_next, new_next in (*anchors, (gap.old_end, gap.new_end)):
            yield from _within(old, new, Change(old_at, old_next, new_at, new_next), deep=False)
            old_at, new_at = old_next, new_next


def _trimmed(old: Sequence[bytes], new: Sequence[bytes], whole: Change) -> Change:
    old_start, old_end, new_start, new_end = whole
    while old_start < old_end and new_start < new_end and old[old_start] == new[new_start]:
        old_start += 1
        new_start += 1
    while old_start < old_end and new_start < new_end and old[old_end - 1] == new[new_end - 1]:
        old_end -= 1
        new_end -= 1
    return Change(old_start, old_end, new_start, new_end)


def _by_line(old: Sequence[bytes], new: Sequence[bytes], gap: Change) -> Iterator[Change]:
    before, after = old[gap.old_start : gap.old_end], new[gap.new_start : gap.new_end]
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            yield Change(
                gap.old_start + i1, gap.old_start + i2, gap.new_start + j1, gap.new_start + j2
            )


def _anchors(old: Sequence[bytes], new: Sequence[bytes], gap: Change) -> list[tuple[int, int]]:
    """Return the longest run of lines that occur once on each side, in the same order on both.

    This is the idea of Bram Cohen's patience diff.
    """
    before = Counter(old[gap.old_start : gap.old_end])
    after = Counter(new[gap.new_start : gap.new_end])
    place = {new[at]: at for at in range(gap.new_start, gap.new_end)}
    pairs = [
        (at, place[old[at]])
        for at in range(gap.old_start, gap.old_end)
        if before[old[at]] == after[old[at]] == 1
    ]
    # The longest increasing run of the places: `ends` has the smallest end of each length.
    ends: list[int] = []
    last: list[int] = []
    previous: list[int] = []
    for index, (_, new_at) in enumerate(pairs):
        length = bisect_left(ends, new_at)
        previous.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [new_at]
        last[length : length + 1] = [index]
    found: list[tuple[int, int]] = []
    at = last[-1] if last else -1
    while at >= 0:
        found.append(pairs[at])
        at = previous[at]
    return found[::-1]
