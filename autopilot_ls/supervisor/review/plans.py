"""Taking changes back: what it would write is worked out first, and only then done.

Nothing here writes. Not aware of how the disk is looked at, nor of editors; `workspace` stands above,
`edits.history` below.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from autopilot_ls.edits.history import Content, History, TakenBack, Touched
from autopilot_ls.edits.weave import Author
from autopilot_ls.supervisor.review.attribution import OTHERS


@dataclass(slots=True)
class UndoRecord:
    """What was taken back at once, by which it can be done again.

    Attributes:
        what: It in words.
        files: What was taken back in each, by path relative to the workspace.
        turns: The turns that were taken back as a whole.
    """

    id: str
    what: str
    files: dict[str, TakenBack] = field(default_factory=dict[str, TakenBack])
    turns: frozenset[str] = frozenset()

    def only(self, paths: Collection[str]) -> UndoRecord:
        """Return the part of it that is about these files."""
        files = {path: taken for path, taken in self.files.items() if path in paths}
        return replace(self, files=files)


@dataclass(slots=True)
class Plan:
    """What taking back would write; nothing has happened yet.

    Attributes:
        record: By which it can be done again.
        files: What each file is now, and what it would be, by path relative to the workspace.
        touched: Files left as they are, since what the person did there cannot be kept apart.
        histories: What the files' histories are afterwards.
    """

    record: UndoRecord
    files: dict[str, tuple[Content, Content]] = field(
        default_factory=dict[str, tuple[Content, Content]]
    )
    touched: list[str] = field(default_factory=list[str])
    histories: dict[str, History] = field(default_factory=dict[str, History])

    @classmethod
    def empty(cls, what: str) -> Self:
        """Return a plan that writes nothing yet."""
        return cls(UndoRecord(f"undo-{secrets.token_hex(4)}", what))

    def add(self, path: str, history: History | None, take: Take) -> None:
        """Add what is to happen to one file."""
        if history is None:
            self.touched.append(path)
            return
        after = history.copy()
        try:
            taken = take(after)
        except Touched:
            self.touched.append(path)
            return
        if after.current() != history.current():
            self.files[path] = (history.current(), after.current())
            self.histories[path] = after
            if taken is not None:
                self.record.files[path] = taken

    def refused(self) -> Outcome:
        """Return the outcome when nothing could be written."""
        return Outcome("", (), tuple(self.touched), tuple(self.files))


Place = Callable[[Mapping[str, tuple[Content, Content]]], Awaitable[Collection[str]]]
"""Puts new contents in the place of the present ones, by path; returns the paths where it did."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the wish to take something back.

    Attributes:
        undo_id: By which it can be done again; empty when nothing was taken back.
        written: Files that were changed.
        touched: Files left as they are, since what the person did there cannot be kept apart.
        left: Files that could not be written.
    """

    undo_id: str
    written: tuple[str, ...]
    touched: tuple[str, ...]
    left: tuple[str, ...]


Take = Callable[[History], TakenBack | None]
"""Changes a history; returns by what it can be changed back, if it can."""


def undo_parts(names: Collection[str]) -> Take:
    """Return what takes back these parts of a file."""
    return lambda history: history.undo(names, OTHERS)


def undo_turns(turns: Collection[str]) -> Take:
    """Return what takes back all that agents did in these turns."""
    return lambda history: history.undo_steps(
        lambda step: step.author is Author.AGENT and step.turn in turns, OTHERS
    )


def redo(taken: TakenBack) -> Take:
    """Return what does again what was taken back."""

    def again(history: History) -> None:
        history.redo(taken, OTHERS)

    return again
