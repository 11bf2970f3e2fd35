"""The history of one file: its lines, whether it is there, what it is, and its permissions.

Text is reviewed by hunks; a link, and a file that is not UTF-8, is reviewed whole. Taking something back
never takes what a person did: where that cannot be kept apart, the file is left as it is and that is said.
Pure. Not aware of disks, turns or editors; `supervisor.review` stands above, `weave` and `wholes` below.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from autopilot_ls.edits.weave import Author, Step, Undone, Weave
from autopilot_ls.edits.wholes import as_whole

FILE: Final = "file"
"""Id of what is reviewed whole: a file that was added, deleted or replaced."""

MODE: Final = "mode"
"""Id of a change of permissions."""

ContentKind = Literal["file", "link", "absent"]
PartKind = Literal["hunk", "add", "delete", "whole", "mode"]


@dataclass(frozen=True, slots=True)
class Content:
    """What a name stands for at one moment.

    Attributes:
        data: The bytes of a file, or where a link leads to.
        executable: Whether the file may be run.
    """

    kind: ContentKind = "absent"
    data: bytes = field(default=b"", repr=False)
    executable: bool = False

    @property
    def is_text(self) -> bool:
        """Whether it can be reviewed by lines."""
        if self.kind == "link" or b"\0" in self.data:
            return False
        try:
            self.data.decode()
        except UnicodeDecodeError:
            return False
        return True


ABSENT: Final = Content()


@dataclass(slots=True)
class Shape:
    """What a file is apart from its lines, from a step on; step None is the beginning."""

    step: int | None
    kind: ContentKind
    executable: bool
    kept: bool = False


class Touched(Exception):
    """The person has changed the file since, so that it cannot be taken back for them."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a file's change.

    Attributes:
        id: Names it within the file while it lasts.
        kind: A `hunk` is about some lines, `mode` about the permissions, the others about the file.
        start: Index (from 0) of its first line in the present text, or of the line before which
            something is missing.
        old: The lines as they would be without it.
        new: The lines as they are.
    """

    id: str
    kind: PartKind
    start: int = 0
    old: tuple[bytes, ...] = ()
    new: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreviewed:
    """A part that nobody has reviewed yet.

    Attributes:
        part: What it is.
        author: Who made it, `unknown` if that cannot be told of any of it.
        turns: The turns that had a part in it, the first one first.
        by: What made it, for a person; empty when that is not known.
    """

    part: Part
    author: Author
    turns: tuple[str, ...]
    by: str


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What was taken back in one file, by which it can be done again.

    Attributes:
        lines: What happened to its lines.
        before: What the file was apart from its lines, None when that stayed.
        after: What it is since.
    """

    lines: Undone
    before: Shape | None = None
    after: Shape | None = None


@dataclass(slots=True)
class History:
    """A file from its baseline until now; create it with `begin`."""

    weave: Weave
    shapes: list[Shape]

    @classmethod
    def begin(cls, content: Content) -> History:
        """Return the history of a content that is nobody's change."""
        weave = Weave.begin(content.data, whole=not content.is_text)
        return cls(weave, [Shape(None, content.kind, content.executable)])

    def copy(self) -> History:
        """Return one that can be changed without changing this one."""
        return History(self.weave.copy(), [replace(shape) for shape in self.shapes])

    def current(self) -> Content:
        """Return what the file is now."""
        return self._content(self.shapes[-1], self.weave.current())

    def _content(self, shape: Shape, data: bytes) -> Content:
        return Content(shape.kind, data, shape.executable)

    def advance(self, content: Content, step: Step, *, reviewed: bool = False) -> int:
        """Take what the file is now, and who made it so; see `Weave.advance`.

        Returns:
            How many lines came and went.
        """
        if content == self.current():
            return 0
        if not self.weave.whole and not content.is_text:
            self.weave = as_whole(self.weave)
        number = self.weave.advance(content.data, step, reviewed=reviewed)
        last = self.shapes[-1]
        if (last.kind, last.executable) != (content.kind, content.executable):
            self.shapes.append(Shape(number, content.kind, content.executable, reviewed))
        lines = self.weave.lines
        return sum(number in (line.added, line.removed) for line in lines)

    def rewind(self) -> Step | None:
        """Take the last step out of the history and return it; see `Weave.rewind`."""
        step = self.weave.rewind()
        if step is not None:
            gone = len(self.weave.steps)
            self.shapes = [shape for shape in self.shapes if shape.step != gone]
        return step

    def texts(self, most: int = 10) -> Iterator[bytes]:
        """Yield what the file has held of late, the newest first, and what it is without review."""
        yield self.weave.current()
        yield self.weave.reference()
        last = len(self.weave.steps) - 1
        for step in range(last - 1, max(last - most, -1) - 1, -1):
            yield self.weave.at(step)

    # Review -----------------------------------------------------------------------------------

    def unreviewed(self) -> Iterator[Unreviewed]:
        """Yield what nobody has reviewed yet, in the order of the text."""
        hunks = list(self.weave.hunks())
        before, now = self._reviewed_shape(), self.shapes[-1]
        if before.kind == now.kind == "absent":
            return  # It went with consent, and what had been changed in it went with it.
        if before.kind != now.kind or (self.weave.whole and hunks):
            kinds: dict[str, PartKind] = {before.kind: "add", now.kind: "delete"}
            whole = Part(FILE, kinds.get("absent", "whole"))
            for hunk in hunks:
                whole = replace(whole, old=whole.old + hunk.old, new=whole.new + hunk.new)
            steps = {step for hunk in hunks for step in hunk.steps}
            yield self._item(whole, steps if now.step is None else {*steps, now.step})
            return
        if before.executable != now.executable and now.step is not None:
            yield self._item(Part(MODE, "mode"), {now.step})
        for hunk in hunks:
            part = Part(f"l{hunk.id}", "hunk", hunk.start, hunk.old, hunk.new)
            yield self._item(part, hunk.steps)

    def reviewed(self) -> Content:
        """Return what the file would be without what nobody has reviewed."""
        return self._content(self._reviewed_shape(), self.weave.reference())

    def _reviewed_shape(self) -> Shape:
        """Return what the file would be, apart from its lines, without what is not reviewed."""
        return next(shape for shape in reversed(self.shapes) if not self._is_open(shape))

    def _is_open(self, shape: Shape) -> bool:
        return (
            shape.step is not None
            and not shape.kept
            and self.weave.steps[shape.step].author is not Author.PERSON
        )

    def _item(self, part: Part, numbers: Iterable[int]) -> Unreviewed:
        steps = [self.weave.steps[number] for number in sorted(numbers)]
        steps = [step for step in steps if step.author is not Author.PERSON]
        unknown = any(step.author is Author.UNKNOWN for step in steps)
        return Unreviewed(
            part,
            Author.UNKNOWN if unknown else Author.AGENT,
            turns=tuple(dict.fromkeys(step.turn for step in steps if step.turn)),
            by="; ".join(dict.fromkeys(step.by for step in steps if step.by)),
        )

    def _lines_of(self, names: Collection[str]) -> set[int]:
        """Return the ids of the lines of what is to be reviewed."""
        whole = FILE in names
        return {
            line
            for hunk in self.weave.hunks()
            if whole or f"l{hunk.id}" in names
            for line in hunk.lines
        }

    def keep(self, names: Collection[str]) -> None:
        """Note that a person is content with these; names that are none are let pass."""
        self.weave.keep(self._lines_of(names))
        if FILE in names or MODE in names:
            for shape in self.shapes:
                shape.kept = shape.kept or self._is_open(shape)

    def keep_what_is_in(self, other: Content) -> None:
        """Take as reviewed what another version of the file has as well, such as a commit's."""
        now = self.current()
        if other == now:
            self.keep({FILE, MODE})
        elif other.kind == now.kind == "file" and not self.weave.whole:
            self.weave.keep_what_is_in(other.data)

    # Taking back ------------------------------------------------------------------------------

    def undo(self, names: Collection[str], step: Step) -> TakenBack:
        """Take these back; what a person did in between stays.

        Args:
            names: Ids as in `unreviewed`.
            step: Who takes it back.

        Raises:
            Touched: That cannot be kept apart; nothing was changed.
        """
        before, now = self._reviewed_shape(), self.shapes[-1]
        back_to = now
        if FILE in names or (MODE in names and before.kind == now.kind):
            back_to = before
        if FILE in names:
            self._require_untouched(before, self.weave.reference())
        undone = self.weave.undo_lines(self._lines_of(names), step)
        return self._reshape(undone, now, back_to)

    def undo_steps(self, is_out: Callable[[Step], bool], step: Step) -> TakenBack:
        """Take back the steps that a predicate chooses, reviewed or not; what others did stays.

        Args:
            is_out: Chooses steps.
            step: Who takes them back.

        Raises:
            Touched: That cannot be kept apart; nothing was changed.
        """
        now = back_to = self.shapes[-1]
        shapes = self._standing()
        out = [shape.step is not None and is_out(self.weave.steps[shape.step]) for shape in shapes]
        if any(out):
            first = out.index(True)
            back_to = next(
                shape for shape, gone in zip(shapes[::-1], out[::-1], strict=True) if not gone
            )
            changed = [
                shapes[at].step or 0
                for at in range(first, len(out))
                if not out[at] and shapes[at].kind != shapes[at - 1].kind
            ]
            # Where a person made another file in between, what was in the one before does not belong in it.
            if (
                back_to.kind != "absent"
                and not all(out[first:])
                and changed
                and self.weave.brings_back(is_out, until=max(changed))
            ):
                raise Touched
        text = self.weave.without(is_out)
        if self.weave.whole and self.weave.pieces(is_out) > 1:
            raise Touched
        self._require_untouched(back_to, text)
        undone = self.weave.undo_steps(is_out, step)
        return self._reshape(undone, now, back_to)

    def _standing(self) -> list[Shape]:
        """Return the shapes that led to the present one, without those that were gone back from."""
        standing: list[Shape] = []
        for shape in self.shapes:
            # Only what was taken back, or done again, is a person's and kept.
            is_back = shape.kept and not self._is_open(replace(shape, kept=False))
            like = [
                at
                for at, each in enumerate(standing)
                if (each.kind, each.executable) == (shape.kind, shape.executable)
            ]
            if is_back and like:
                del standing[like[-1] + 1 :]
            else:
                standing.append(shape)
        return standing

    @staticmethod
    def _require_untouched(shape: Shape, text: bytes) -> None:
        # What is left of a file that is to go is what the person typed into it.
        if shape.kind == "absent" and text:
            raise Touched

    def _reshape(self, undone: Undone, now: Shape, to: Shape) -> TakenBack:
        if (now.kind, now.executable) == (to.kind, to.executable):
            return TakenBack(undone)
        after = Shape(undone.step, to.kind, to.executable, kept=True)
        self.shapes.append(after)
        return TakenBack(undone, now, after)

    def redo(self, taken: TakenBack, step: Step) -> bool:
        """Do again what was taken back; tells whether that was possible for all of it.

        Raises:
            Touched: The file has come or gone since, or would go with what the person has typed into
                it; nothing was changed.
        """
        if taken.after is not None and self.shapes[-1] != taken.after:
            raise Touched
        if not self.weave.knows(taken.lines):
            raise Touched  # It was text, and is one piece since.
        weave = copy.deepcopy(self.weave)
        complete = weave.redo(taken.lines, step)
        if taken.before is not None:
            self._require_untouched(taken.before, weave.current())
        if weave.whole and sum(line.removed is None for line in weave.lines) > 1:
            raise Touched  # It was replaced since, and two wholes cannot be joined.
        self.weave = weave
        if taken.before is not None:
            # What made it so is as it was, so that going back to before that turn finds it.
            del self.shapes[-1]
        if taken.before is not None and not _alike(self.shapes[-1], taken.before):
            number = len(self.weave.steps) - 1
            self.shapes.append(Shape(number, taken.before.kind, taken.before.executable, kept=True))
        return complete


def _alike(one: Shape, other: Shape) -> bool:
    """Tell whether two shapes are the same, reviewed or not."""
    return replace(one, kept=other.kept) == other
