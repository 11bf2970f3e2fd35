"""What happened to the lines of a text, in the smallest pieces that are worth the search.

An editor says what it replaced by what, as a range that may hold far more than was changed: a whole
document, or everything between the first and the last of several edits. `line_edits` takes that apart
into replacements of lines. Pure, in time that grows with the number of lines. Line ends do not count
here: an editor may have its own. Not aware of hunks or editors; `follow` stands above.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MAX_COMPARED: Final = 400
"""Lines up to which two pieces are compared line by line, if they have no line of their own in common."""


@dataclass(frozen=True, slots=True)
class LineEdit:
    """Lines of a text replaced by others.

    Attributes:
        first: Index (from 0) of the first line replaced, or before which the new ones go.
        removed: The lines taken out.
        inserted: The lines put in.
    """

    first: int
    removed: Sequence[str]
    inserted: Sequence[str]


def content(line: str) -> str:
    """Return the line without its end."""
    return line.rstrip("\r\n")


def length(lines: Sequence[str]) -> int:
    """Return how many lines there are without the empty one that an editor sees after the last end."""
    return len(lines) - 1 if lines and not lines[-1] else len(lines)


def is_blank(lines: Sequence[str]) -> bool:
    """Tell whether a text has nothing in it; some editors end the one empty line that they show of it."""
    return length(lines) <= 1 and not "".join(lines).strip("\r\n")


def line_edits(edit: LineEdit) -> list[LineEdit]:
    """Return the same change in small pieces, the last in the text first.

    Each piece's place is that in the text before, so that they can be made one after the other.

    Args:
        edit: What was replaced. An empty line without an end, which can only be the last of a text, is
            no line.
    """
    old = [content(line) for line in edit.removed[: length(edit.removed)]]
    new = [content(line) for line in edit.inserted[: length(edit.inserted)]]
    if len(old) == len(new) == 1:
        # A key was pressed: nothing to take apart.
        return [LineEdit(edit.first, old, new)] if old != new else []
    pieces = list(_pieces(old, new, edit.first))
    pieces.reverse()
    return pieces


def _pieces(old: list[str], new: list[str], first: int) -> Iterator[LineEdit]:
    """Return the pieces in the order of the text."""
    start = _common(old, new)
    end = _common_end(old, new, start)
    old, new, first = old[start : len(old) - end], new[start : len(new) - end], first + start
    if len(old) == len(new):
        yield from _in_place(old, new, first)
    elif not old or not new:
        yield LineEdit(first, old, new)
    elif matches := _matches(old, new):
        before, after = 0, 0
        for one, other in [*matches, (len(old), len(new))]:
            if before < one or after < other:
                yield from _pieces(old[before:one], new[after:other], first + before)
            before, after = one + 1, other + 1
    else:
        yield LineEdit(first, old, new)


def _matches(old: list[str], new: list[str]) -> list[tuple[int, int]]:
    """Return places of lines that are taken for the same ones in both texts, in order.

    The longer text is always taken for the old one, so that what an undo does is exactly what the change
    did, the other way round.
    """
    if len(old) < len(new):
        return [(one, other) for other, one in _matches(new, old)]
    anchors = _anchors(old, new)
    if anchors or len(old) + len(new) > MAX_COMPARED:
        return anchors
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    return [(one + i, other + i) for one, other, size in blocks for i in range(size)]


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    for index, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other:
            return index
    return min(len(old), len(new))


def _common_end(old: Sequence[str], new: Sequence[str], start: int) -> int:
    most = min(len(old), len(new)) - start
    for count in range(most):
        if old[-1 - count] != new[-1 - count]:
            return count
    return most


def _in_place(old: list[str], new: list[str], first: int) -> Iterator[LineEdit]:
    """Return the lines that differ where as many came as went: each stands where it stood."""
    begin = None
    for index in range(len(old) + 1):
        differs = index < len(old) and old[index] != new[index]
        if differs and begin is None:
            begin = index
        elif not differs and begin is not None:
            yield LineEdit(first + begin, old[begin:index], new[begin:index])
            begin = None


def _anchors(old: list[str], new: list[str]) -> list[tuple[int, int]]:
    """Return places of lines that both texts have exactly once and in the same order (patience)."""
    counts = Counter(old)
    others = Counter(new)
    places = {line: index for index, line in enumerate(new) if others[line] == 1 == counts[line]}
    pairs = [(index, places[line]) for index, line in enumerate(old) if line in places]
    # The longest run of them that ascends on both sides.
    tails: list[int] = []
    ends: list[int] = []
    earlier: list[int] = []
    for number, (_, other) in enumerate(pairs):
        at = bisect_left(tails, other)
        earlier.append(ends[at - 1] if at else -1)
        if at == len(tails):
            tails.append(other)
            ends.append(number)
        else:
            tails[at] = other
            ends[at] = number
    chain: list[tuple[int, int]] = []
    number = ends[-1] if ends else -1
    while number >= 0:
        chain.append(pairs[number])
        number = earlier[number]
    chain.reverse()
    return chain
