"""Texts in which the places of hunks were certain, to put them back there when such a text is back.

Of equal lines nothing tells which one was typed, so that places may be in doubt even after everything was
undone. Whether a text is exactly the one before is always certain. A sum over the lines is kept with each
change, and the lines themselves are compared only where it says that they may be the same, so that a key
costs the hashes of the lines it changes. Pure. Not aware of how hunks are followed; `follow` stands above.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from autopilot_ls.edits.followed import Place
from autopilot_ls.edits.line_edits import LineEdit

MAX_ANCHORS: Final = 3
"""Texts remembered for one file; the oldest is forgotten first."""


@dataclass(slots=True, eq=False)
class _Anchor:
    """A text, by its lines with their ends.

    Attributes:
        drift: By how much the sum over the lines of the present text differs from that over these.
        places: Copies of the places as they are in this text.
    """

    lines: list[str]
    drift: int = 0
    places: dict[str, Place] = field(default_factory=dict[str, Place])


class Anchors:
    """The texts remembered for one file."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._anchors: list[_Anchor] = []

    def reset(self, places: Iterable[Place], lines: Sequence[str]) -> None:
        """Forget all, and remember these places in this text."""
        self._anchors.clear()
        self.add(places, lines)

    def add(self, places: Iterable[Place], lines: Sequence[str]) -> None:
        """Remember the places in this text, too."""
        copies = {place.hunk.id: place.copy() for place in places}
        if not copies:
            return
        last = self._anchors[-1] if self._anchors else None
        if last is None or last.drift or last.lines != lines:
            last = _Anchor(list(lines))
            self._anchors.append(last)
            del self._anchors[:-MAX_ANCHORS]
        last.places.update(copies)

    def discard(self, hunk_ids: Iterable[str]) -> None:
        """Forget the places of these."""
        gone = set(hunk_ids)
        for anchor in self._anchors:
            for hunk_id in gone & anchor.places.keys():
                del anchor.places[hunk_id]
        self._anchors = [anchor for anchor in self._anchors if anchor.places]

    def changed(self, edits: Sequence[LineEdit]) -> None:
        """Take changes."""
        if self._anchors:
            by = sum(_sum(edit.inserted) - _sum(edit.removed) for edit in edits)
            for anchor in self._anchors:
                anchor.drift += by

    def places(self, lines: Sequence[str]) -> dict[str, Place]:
        """Return the places that are certain in this text, which are the caller's own from now on."""
        found: dict[str, Place] = {}
        for anchor in self._anchors:
            if not anchor.drift and anchor.lines == lines:
                found.update((key, place.copy()) for key, place in anchor.places.items())
        return found


def _sum(lines: Sequence[str]) -> int:
    """Return a number that does not depend on the order of the lines."""
    return sum(map(hash, lines))
