"""The hunks that are followed through a text, and the place of each: values for `follow` and `locate`.

The same for hunks that wait for a decision and for hunks that are reviewed after the fact: what differs
is which of the two texts stands, and what the person is told. Not aware of approvals or reviews, which
make these from their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Final, Self

from autopilot_ls.edits.line_edits import LineEdit, content, length
from autopilot_ls.model.approvals import ChangeKind, Hunk

CONTEXT: Final = 3
"""Lines above and below a hunk that are remembered to find it again."""

_MARK: Final = "\ufeff"


class HunkKind(StrEnum):
    """What a hunk is to the person."""

    PENDING = "pending"
    UNREVIEWED = "unreviewed"


class HunkState(StrEnum):
    """What has become of a hunk in the text.

    READY: its lines stand as they should. CONFLICTING: somebody typed into them. DONE: what it would do
    was done by hand. LOST: its lines are nowhere near.
    """

    READY = "ready"
    CONFLICTING = "conflicting"
    DONE = "done"
    LOST = "lost"


class Effect(IntEnum):
    """What a change of a text did to the hunks in it: the most that happened to any of them.

    STATE: something became of one that it was not before. MOVED: they stand elsewhere, or hold other
    text. NONE: neither.
    """

    NONE = 0
    MOVED = 1
    STATE = 2


@dataclass(frozen=True, slots=True)
class FollowedHunk:
    """A hunk to be followed.

    Attributes:
        id: Unique in its text.
        message: What the person is told at its place while it is ready.
        start: Index (from 0) of its first line in the text that it was made for; for lines to be put
            in, that of the line before which they go.
        standing: The lines that stand in the text, with their ends.
        wanted: The lines that stand there instead once the hunk is done.
        whole: Whether its lines are the whole text: of a file that is to be added or deleted.
    """

    id: str
    kind: HunkKind
    message: str
    start: int
    standing: tuple[str, ...]
    wanted: tuple[str, ...]
    whole: bool = False
    only_ends: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        same = len(self.standing) == len(self.wanted) and all(
            content(one) == content(other)
            for one, other in zip(self.standing, self.wanted, strict=True)
        )
        object.__setattr__(self, "only_ends", same)

    @classmethod
    def pending(
        cls, hunk: Hunk, file_kind: ChangeKind, *, hunk_id: str = "", message: str = ""
    ) -> Self:
        """Return the hunk of a proposed change: its old lines stand."""
        return cls(
            id=hunk_id or hunk.id,
            kind=HunkKind.PENDING,
            message=message,
            start=max(hunk.old_start - 1, 0),
            standing=_unmarked(hunk.old_lines, hunk.old_start),
            wanted=_unmarked(hunk.new_lines, hunk.new_start),
            whole=file_kind is not ChangeKind.UPDATE,
        )

    @classmethod
    def unreviewed(cls, hunk: Hunk, *, hunk_id: str = "", message: str = "") -> Self:
        """Return the hunk of a change that was made without asking: its new lines stand."""
        return cls(
            id=hunk_id or hunk.id,
            kind=HunkKind.UNREVIEWED,
            message=message,
            start=max(hunk.new_start - 1, 0),
            standing=_unmarked(hunk.new_lines, hunk.new_start),
            wanted=_unmarked(hunk.old_lines, hunk.old_start),
        )


def _unmarked(lines: tuple[str, ...], number: int) -> tuple[str, ...]:
    """Return the lines without the byte order mark of a file, which editors keep to themselves."""
    if number <= 1 and lines and lines[0].startswith(_MARK):
        return (lines[0].removeprefix(_MARK), *lines[1:])
    return lines


@dataclass(slots=True, eq=False)
class Place:
    """Where a hunk stands now. All places are between lines, as in slices.

    Attributes:
        low: Where lines that nobody typed end, above the hunk.
        start: Where what became of the hunk's lines begins.
        end: Where it ends.
        high: Where lines that nobody typed begin again.
        above: Lines of others that a change took away together with lines below `low`.
        below: The same below the hunk.
        returned_above: How many of those below `low` stand there again.
        returned_below: How many of those above `high`.
        context: The lines around it as they were when they were remembered.
        odd: Index of one of its lines that is not as it should be, looked at first.
    """

    hunk: FollowedHunk
    low: int = 0
    start: int = 0
    end: int = 0
    high: int = 0
    state: HunkState = HunkState.READY
    above: list[str] = field(default_factory=list[str])
    below: list[str] = field(default_factory=list[str])
    returned_above: int = 0
    returned_below: int = 0
    context: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    odd: int = 0

    def __post_init__(self) -> None:
        self.put(self.hunk.start, HunkState.READY)

    def put(self, start: int, state: HunkState) -> None:
        """Put the hunk at a place where its lines, or the wanted ones, stand."""
        size = len(self.hunk.wanted if state is HunkState.DONE else self.hunk.standing)
        self.low = self.start = start
        self.end = self.high = start + (0 if state is HunkState.LOST else size)
        self.above, self.below, self.state = [], [], state
        self.returned_above = self.returned_below = 0

    def copy(self) -> Place:
        """Return a place that is the same, and changes on its own."""
        return replace(self, above=list(self.above), below=list(self.below))

    def restore(self, other: Place) -> bool:
        """Become what another place of the same hunk is; tells whether that is anything else."""
        mine = (self.low, self.start, self.end, self.high, self.state)
        same = mine == (other.low, other.start, other.end, other.high, other.state)
        self.low, self.start, self.end, self.high = other.low, other.start, other.end, other.high
        self.above, self.below, self.state = other.above, other.below, other.state
        self.returned_above, self.returned_below = other.returned_above, other.returned_below
        self.context, self.odd = other.context, other.odd
        return not same

    def shift(self, by: int) -> None:
        """Move with lines that came or went above."""
        self.low += by
        self.start += by
        self.end += by
        self.high += by

    def clamp(self, bottom: int) -> None:
        """Stay in a text of so many lines."""
        self.low = min(self.low, bottom)
        self.start = min(self.start, bottom)
        self.end = min(self.end, bottom)
        self.high = min(self.high, bottom)

    def remember(self, lines: Sequence[str]) -> None:
        """Remember what stands around the hunk, if it is as it should be."""
        if self.state in (HunkState.READY, HunkState.DONE):
            bottom = length(lines)
            above = lines[max(self.start - CONTEXT, 0) : self.start]
            below = lines[self.end : min(self.end + CONTEXT, bottom)]
            self.context = tuple(map(content, above)), tuple(map(content, below))

    def recall(self, edit: LineEdit) -> None:
        """Remember what stood around the hunk from the lines that a large change took away."""
        start, end = self.start - edit.first, self.end - edit.first
        above = edit.removed[max(start - CONTEXT, 0) : max(start, 0)]
        below = edit.removed[max(end, 0) : max(end + CONTEXT, 0)]
        self.context = tuple(map(content, above)), tuple(map(content, below))
