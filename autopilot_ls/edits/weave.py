"""The history of one file's lines: who brought each line in, and who took which out.

Lines that are gone stay in their place, so that any part of the history can be taken out again without
touching the rest: what an agent did is undone, and what a person typed before, meanwhile or since stays,
also inside the agent's lines. Pure. Not aware of files, turns or editors; `supervisor` decides who did
what, `compare` finds what differs.

The idea is that of the weave of the Source Code Control System (M. J. Rochkind, 1975).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from autopilot_ls.edits.compare import changes
from autopilot_ls.edits.lines import is_terminated, split


class Author(StrEnum):
    """Who changed a file.

    `UNKNOWN` is for what may have been the agent or another program, and cannot be told apart.
    """

    AGENT = "agent"
    PERSON = "person"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the file by one author.

    Attributes:
        author: Who made it.
        turn: Names the turn it belongs to; empty outside of turns.
        by: What made it, for a person, such as the agent's command.
    """

    author: Author
    turn: str = ""
    by: str = ""


@dataclass(slots=True)
class Line:
    """A line that is or was in the file.

    Attributes:
        id: Names it for good, from 0.
        data: Its bytes with the line end.
        added: The index of the step that brought it in; None: it was there from the beginning.
        removed: The index of the step that took it out; None: it is there.
        added_kept: Whether its coming needs no review any more.
        removed_kept: Whether its going needs no review any more.
    """

    id: int
    data: bytes
    added: int | None = None
    removed: int | None = None
    added_kept: bool = False
    removed_kept: bool = False


@dataclass(frozen=True, slots=True)
class ReviewHunk:
    """One contiguous change that nobody has reviewed yet.

    Attributes:
        id: Names it while it lasts; grows with the change and stays.
        start: Index (from 0) in the present text of its first line, or of the line before which
            something is missing.
        old: The lines as they would be without it.
        new: The lines as they are.
        lines: Ids of the lines it is about.
        steps: Indices of the steps that made it.
    """

    id: int
    start: int
    old: tuple[bytes, ...]
    new: tuple[bytes, ...]
    lines: frozenset[int]
    steps: frozenset[int]


@dataclass(frozen=True, slots=True)
class Undone:
    """What taking lines back has changed, by which it can be done again.

    Attributes:
        step: Index of the step that took it back.
        hidden: Lines that were there.
        shown: Lines that are there again, with the step that had removed them and whether that was kept.
    """

    step: int
    hidden: tuple[int, ...]
    shown: tuple[tuple[int, int, bool], ...]


@dataclass(slots=True)
class Weave:
    """The lines of a file with their history; create it with `begin`.

    Attributes:
        whole: Whether the content is one piece, as that of a binary file, and not lines.
        revision: Grows with each change of anything in it.
    """

    whole: bool = False
    steps: list[Step] = field(default_factory=list[Step])
    lines: list[Line] = field(default_factory=list[Line])
    next_id: int = 0
    revision: int = field(default=0, compare=False)

    def copy(self) -> Weave:
        """Return one that can be changed without changing this one."""
        lines = [
            Line(line.id, line.data, line.added, line.removed, line.added_kept, line.removed_kept)
            for line in self.lines
        ]
        return Weave(self.whole, list(self.steps), lines, self.next_id, self.revision)

    @classmethod
    def begin(cls, text: bytes, *, whole: bool = False, first_id: int = 0) -> Weave:
        """Return the weave of a text that is nobody's change; its lines are named from an id on."""
        weave = cls(whole, next_id=first_id)
        weave.lines = [weave._line(data, None) for data in weave._split(text)]
        return weave

    def _split(self, text: bytes) -> list[bytes]:
        if self.whole:
            return [text] if text else []
        return split(text)

    def _line(self, data: bytes, added: int | None, *, kept: bool = False) -> Line:
        line = Line(self.next_id, data, added, added_kept=kept)
        self.next_id += 1
        return line

    # Texts ------------------------------------------------------------------------------------

    def current(self) -> bytes:
        """Return the text as it is."""
        return b"".join(line.data for line in self.lines if line.removed is None)

    def reference(self) -> bytes:
        """Return the text without what nobody has reviewed."""
        return self._joined(line for line in self.lines if self._in_reference(line))

    def without(self, is_out: Callable[[Step], bool]) -> bytes:
        """Return the text without the steps that a predicate chooses, reviewed or not."""
        return self._joined(self._without(is_out))

    def pieces(self, is_out: Callable[[Step], bool]) -> int:
        """Return of how many lines `without` is made; those of a whole cannot be joined."""
        return len(self._without(is_out))

    def brings_back(self, is_out: Callable[[Step], bool], *, until: int) -> bool:
        """Tell whether `without` has lines that were taken out by a step up to this one."""
        return any(
            line.removed is not None and line.removed <= until for line in self._without(is_out)
        )

    def _without(self, is_out: Callable[[Step], bool]) -> list[Line]:
        out = {index for index, step in enumerate(self.steps) if is_out(step)}
        return [
            line
            for line in self.lines
            if line.added not in out and (line.removed is None or line.removed in out)
        ]

    def _joined(self, lines: Iterable[Line]) -> bytes:
        found = list(lines)
        end, last = _line_end(found), len(found) - 1
        return b"".join(
            line.data if self.whole or at == last or is_terminated(line.data) else line.data + end
            for at, line in enumerate(found)
        )

    def _is_open(self, step: int | None) -> bool:
        return step is not None and self.steps[step].author is not Author.PERSON

    def _open_added(self, line: Line) -> bool:
        return not line.added_kept and self._is_open(line.added)

    def _open_removed(self, line: Line) -> bool:
        return not line.removed_kept and self._is_open(line.removed)

    def _in_reference(self, line: Line) -> bool:
        return not self._open_added(line) and (line.removed is None or self._open_removed(line))

    # Changes ----------------------------------------------------------------------------------

    def advance(self, text: bytes, step: Step, *, reviewed: bool = False) -> int:
        """Take a new text, and who made it so; returns the index of the step.

        A person who types again what the agent took out takes that change back.

        Args:
            text: The text from now on.
            step: Who changed it.
            reviewed: Whether a person has seen the change already, as when an approval was accepted.
        """
        number = self._begin(step)
        fresh = self._split(text)
        present = [at for at, line in enumerate(self.lines) if line.removed is None]
        woven: list[Line] = []
        done = 0
        for change in changes([self.lines[at].data for at in present], fresh):
            # What is gone before, between and after the lines belongs to the place as well.
            start = present[change.old_start - 1] + 1 if change.old_start else 0
            end = present[change.old_end] if change.old_end < len(present) else len(self.lines)
            woven += self.lines[done:start]
            region = self.lines[start:end]
            for line in region:
                if line.removed is None:
                    line.removed, line.removed_kept = number, reviewed
            woven += self._placed(
                region, fresh[change.new_start : change.new_end], number, reviewed=reviewed
            )
            done = end
        self.lines = [*woven, *self.lines[done:]]
        return number

    def rewind(self) -> Step | None:
        """Take the last step out of the history, as if it had not happened; returns it.

        Returns:
            None, and nothing happened, when there is no step or it was a person's, whose lines may be
            others' that came back.
        """
        last = len(self.steps) - 1
        if last < 0 or not self._is_open(last):
            return None
        self.lines = [line for line in self.lines if line.added != last]
        for line in self.lines:
            if line.removed == last:
                line.removed, line.removed_kept = None, False
        return self.steps.pop()

    def claim(self, lines: Collection[int], step: Step) -> None:
        """Take lines, by their ids, as brought in by a person where somebody else had been taken for it."""
        open_lines = [line for line in self.lines if line.id in lines and self._is_open(line.added)]
        if open_lines:
            number = self._begin(step)
            for line in open_lines:
                line.added, line.added_kept = number, False

    def at(self, step: int) -> bytes:
        """Return the text as it was after a step; about that, where something was taken back since."""
        return self._joined(
            line
            for line in self.lines
            if (line.added is None or line.added <= step)
            and (line.removed is None or line.removed > step)
        )

    def reviewed_at(self, step: int) -> bytes:
        """Return the text with what was reviewed of the steps up to one, and with nothing else.

        What a person took out, by an undo say, is not in it, whenever that was.
        """

        def is_in(number: int | None, *, kept: bool) -> bool:
            return number is not None and kept and number <= step

        return self._joined(
            line
            for line in self.lines
            if (line.added is None or is_in(line.added, kept=line.added_kept))
            and not is_in(line.removed, kept=line.removed_kept)
            and (line.removed is None or self._is_open(line.removed))
        )

    def _begin(self, step: Step) -> int:
        self.steps.append(step)
        self.revision += 1
        return len(self.steps) - 1

    def _placed(
        self, region: Sequence[Line], incoming: Sequence[bytes], number: int, *, reviewed: bool
    ) -> list[Line]:
        """Return a region with new lines in it, behind those that they replace."""
        result: list[Line] = []
        left = list(region)
        coming: list[Line] = []
        for data in incoming:
            at = self._returning(left, data, number)
            if at is None:
                coming.append(self._line(data, number, kept=reviewed))
                continue
            back = left[at]
            back.removed, back.removed_kept = None, False
            result += [*left[:at], *coming, back]
            left, coming = left[at + 1 :], []
        replaced = [at for at, line in enumerate(left) if line.removed == number]
        behind = replaced[-1] + 1 if replaced else len(left)
        return [*result, *left[:behind], *coming, *left[behind:]]

    def _returning(self, region: Sequence[Line], data: bytes, number: int) -> int | None:
        """Return which line, that somebody else had taken out, a person brings back."""
        if self._is_open(number):
            return None
        for at, line in enumerate(region):
            # A line of the agent's own stays the agent's; what the person types is the person's.
            if line.data == data and self._is_open(line.removed) and not self._is_open(line.added):
                return at
        return None

    # Review -----------------------------------------------------------------------------------

    def hunks(self) -> Iterator[ReviewHunk]:
        """Yield what nobody has reviewed, in the order of the text."""
        at = 0
        run: list[Line] = []
        start = 0
        for line in self.lines:
            is_here = line.removed is None
            is_open = self._open_added(line) or self._open_removed(line)
            if is_here and not is_open:
                yield from self._hunk(run, start)
                run = []
            elif is_open:
                if not run:
                    start = at
                run.append(line)
            at += is_here
        yield from self._hunk(run, start)

    def _hunk(self, run: Sequence[Line], start: int) -> Iterator[ReviewHunk]:
        old = [line.data for line in run if self._in_reference(line)]
        new = [line.data for line in run if line.removed is None]
        if old == new:
            return
        while old and new and old[0] == new[0]:
            old, new, start = old[1:], new[1:], start + 1
        while old and new and old[-1] == new[-1]:
            old, new = old[:-1], new[:-1]
        steps = {line.added for line in run if self._open_added(line)}
        steps |= {line.removed for line in run if self._open_removed(line)}
        yield ReviewHunk(
            id=min(line.id for line in run),
            start=start,
            old=tuple(old),
            new=tuple(new),
            lines=frozenset(line.id for line in run),
            steps=frozenset(step for step in steps if step is not None),
        )

    def keep(self, lines: Iterable[int]) -> None:
        """Note that a person is content with what happened to these lines."""
        chosen = set(lines)
        self.revision += 1
        for line in self.lines:
            if line.id in chosen:
                line.added_kept = line.added_kept or self._is_open(line.added)
                line.removed_kept = line.removed_kept or self._is_open(line.removed)

    def keep_what_is_in(self, text: bytes) -> None:
        """Take as reviewed the hunks by which another text does not differ from the present one."""
        present = [line.data for line in self.lines if line.removed is None]
        differing = list(changes(present, split(text)))
        self.keep(
            line
            for hunk in self.hunks()
            # A difference right before or behind it may be about the same lines.
            if not any(
                change.old_start <= hunk.start + len(hunk.new) and hunk.start <= change.old_end
                for change in differing
            )
            for line in hunk.lines
        )

    def undo_lines(self, lines: Iterable[int], step: Step) -> Undone:
        """Take back what nobody has reviewed of these lines; what the person did stays.

        Args:
            lines: Ids, as hunks name them.
            step: Who takes it back.
        """
        chosen = set(lines)
        return self._undo(
            lambda line: line.id in chosen and self._open_added(line),
            lambda line: line.id in chosen and self._open_removed(line),
            step,
        )

    def undo_steps(self, is_out: Callable[[Step], bool], step: Step) -> Undone:
        """Take back the steps that a predicate chooses, reviewed or not; what others did stays."""
        out = {index for index, each in enumerate(self.steps) if is_out(each)}
        return self._undo(lambda line: line.added in out, lambda line: line.removed in out, step)

    def _undo(
        self, is_added: Callable[[Line], bool], is_removed: Callable[[Line], bool], step: Step
    ) -> Undone:
        number = self._begin(step)
        hidden: list[int] = []
        shown: list[tuple[int, int, bool]] = []
        for line in self.lines:
            if line.removed is None and is_added(line):
                line.removed = number
                hidden.append(line.id)
            elif line.removed is not None and is_removed(line) and not is_added(line):
                shown.append((line.id, line.removed, line.removed_kept))
                line.removed, line.removed_kept = None, False
        self._mend_joints()
        return Undone(number, tuple(hidden), tuple(shown))

    def knows(self, undone: Undone) -> bool:
        """Tell whether all lines that were taken back are in it, which they are not in another weave."""
        here = {line.id for line in self.lines}
        return here.issuperset(undone.hidden) and all(name in here for name, _, _ in undone.shown)

    def redo(self, undone: Undone, step: Step) -> bool:
        """Do again what was taken back, where the person has not changed it since; it must be known.

        Returns:
            Whether every line could be brought back to what it was.
        """
        self._begin(step)
        by_id = {line.id: line for line in self.lines}
        complete = True
        for name in undone.hidden:
            line = by_id[name]
            if line.removed == undone.step:
                line.removed, line.removed_kept = None, False
            else:
                complete = False
        for name, removed, kept in undone.shown:
            line = by_id[name]
            if line.removed is None:
                line.removed, line.removed_kept = removed, kept
            else:
                complete = False
        self._mend_joints()
        return complete

    def _mend_joints(self) -> None:
        """End lines that were last in the file and are in its middle now."""
        if self.whole:
            return
        here = [line for line in self.lines if line.removed is None]
        for line in here[:-1]:
            if not is_terminated(line.data):
                line.data += _line_end(here)


def _line_end(lines: Iterable[Line]) -> bytes:
    for line in lines:
        for end in (b"\r\n", b"\n", b"\r"):
            if line.data.endswith(end):
                return end
    return b"\n"
