"""Who changed a file: what is known of the time between two looks at the disk, and what follows.

Never guesses in the person's disfavour: what may be the agent's or another program's is *unknown*, what
happened while no agent was at work is nobody's to review. Pure; the time is handed in. Not aware of how
changes are found; `workspace` stands above.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from autopilot_ls.edits.weave import Author, Step
from autopilot_ls.model.approvals import FileChange
from autopilot_ls.model.text import one_line

OTHERS: Final = Step(Author.PERSON)
"""The step of the person, and of programs that ran while no agent did."""

PATCH: Final = "a patch"
"""What made a change that an agent proposed."""

CLOCK_SLACK: Final = 2.0
"""Seconds by which a file's time may differ from ours: some file systems count in such steps."""

_MAX_COMMANDS: Final = 200


@dataclass(slots=True)
class Work:
    """A command of an agent, or what one left running.

    Attributes:
        turn: The turn it belongs to.
        by: What it is, for a person.
        started: Seconds since the epoch.
        ended: The same; None while it runs.
    """

    turn: str
    by: str
    started: float
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Patched:
    """A patch that was written to a file.

    Attributes:
        reviewed: Whether a person had seen it before.
        change: What it does to the file; None when that is not known.
        renamed: Whether it gave the file this name.
    """

    turn: str
    reviewed: bool
    change: FileChange | None = None
    renamed: bool = False


@dataclass(slots=True)
class Evidence:
    """What is known of the time since the last look at the disk.

    Attributes:
        turns: The turns that were at work, in their order.
        work: Commands by the agent's id of them.
        patches: The patches that were written, by path relative to the workspace, in their order.
        accepted: Those that are just being written.
        doubtful: Files that a patch may or may not have been written to, since its turn ended before that
            was told, each with the session.
        restored: Files that Autopilot itself may have brought back to what they were before a patch.
        moved: Folders of the repositories that have another commit checked out than before; see
            `values.Heads`.
    """

    turns: dict[str, None] = field(default_factory=dict[str, None])
    work: dict[str, Work] = field(default_factory=dict[str, Work])
    patches: dict[str, list[Patched]] = field(default_factory=dict[str, list[Patched]])
    accepted: dict[str, list[Patched]] = field(default_factory=dict[str, list[Patched]])
    doubtful: dict[str, str] = field(default_factory=dict[str, str])
    restored: set[str] = field(default_factory=set[str])
    moved: frozenset[str] = frozenset()
    _brought_back: frozenset[str] = frozenset()
    _doubted: frozenset[str] = frozenset()
    _past: dict[int, Work | Patched] = field(default_factory=dict[int, "Work | Patched"])
    _seen: dict[int, Patched] = field(default_factory=dict[int, Patched])

    def begins(self, key: str, turn: str, by: str, now: float) -> None:
        """Note that a command begins."""
        if len(self.work) < _MAX_COMMANDS:
            self.work[key] = Work(turn, one_line(by, 80), now)

    def ends(self, key: str, now: float) -> None:
        """Note that a command has ended."""
        work = self.work.get(key)
        if work is not None and work.ended is None:
            work.ended = now

    def stops(self, turn: str, now: float) -> None:
        """Note that nothing of a turn runs any more."""
        for work in self.work.values():
            if work.turn == turn and work.ended is None:
                work.ended = now

    def patches_of(self, path: str) -> list[Patched]:
        """Return the patches that were written to a file since, or are just being written to it."""
        settled = self._unseen(self.patches.get(path, []))
        return settled or self._unseen(self.accepted.get(path, []))

    def _unseen(self, patches: Iterable[Patched]) -> list[Patched]:
        return [each for each in patches if id(each) not in self._seen]

    def saw(self, patched: Patched) -> None:
        """Note that a look has found a patch in its file, which may be before that is told."""
        self._seen[id(patched)] = patched

    def looking(self) -> None:
        """A look begins, which sees all that is over by now."""
        over = [work for work in self.work.values() if work.ended is not None]
        written = [each for patches in self.patches.values() for each in patches]
        self._doubted = frozenset(self.doubtful)
        self._brought_back = frozenset(self.restored)
        self._past = {id(each): each for each in (*over, *written)}

    def looked(self, running: Iterable[str]) -> None:
        """Begin anew after a look: what still runs stays, and what ended while it was taken.

        Args:
            running: The turns that are still at work.
        """
        self.turns = dict.fromkeys(running)
        self.work = {key: work for key, work in self.work.items() if id(work) not in self._past}
        left = {
            path: [each for each in patches if id(each) not in self._past]
            for path, patches in self.patches.items()
        }
        self.patches = {path: patches for path, patches in left.items() if patches}
        self.doubtful = {
            path: session for path, session in self.doubtful.items() if path not in self._doubted
        }
        self.restored -= self._brought_back
        still = (*self.patches.values(), *self.accepted.values())
        kept = {id(each) for patches in still for each in patches}
        self._seen = {key: each for key, each in self._seen.items() if key in kept}
        self.moved = frozenset()


def attribute(path: str, modified: float | None, evidence: Evidence) -> tuple[Step, bool]:
    """Return who changed a file, and whether a person has seen the change already.

    Args:
        path: Relative to the workspace.
        modified: When the file was written, in seconds since the epoch; None when it is gone.
        evidence: What is known of the time in which it was changed.
    """
    if not evidence.turns:
        return OTHERS, False
    patches = evidence.patches_of(path)
    if patches:
        return Step(Author.AGENT, patches[-1].turn, PATCH), patches[-1].reviewed
    return at_work(path, modified, evidence), False


def at_work(path: str, modified: float | None, evidence: Evidence) -> Step:
    """Return which commands changed a file; as `attribute`, where no patch did."""
    work = [each for each in evidence.work.values() if _was_running(each, modified)]
    turns = list(dict.fromkeys(each.turn for each in work))
    turn = next(iter(evidence.turns)) if len(evidence.turns) == 1 else ""
    moved = any(is_in(path, folder) for folder in evidence.moved)
    foreign = moved and not any(_may_move_head(each) for each in work)
    doubt = {evidence.doubtful[path]} if path in evidence.doubtful else set[str]()
    if len({session_of(each) for each in turns} | doubt) != 1 or not turns or foreign:
        return Step(Author.UNKNOWN, turn)
    # What an earlier turn of the same session left running is the same agent's.
    names = dict.fromkeys(each.by for each in work if each.turn == turns[-1])
    by = next(iter(names)) if len(names) == 1 and len(turns) == 1 else ""
    return Step(Author.AGENT, turns[-1], by)


def is_in(path: str, folder: str) -> bool:
    """Tell whether a path is in a folder, both relative to the workspace; all are in the empty one."""
    return not folder or path.startswith(f"{folder}/")


def session_of(turn: str) -> str:
    """Return the session that a turn, by its name, belongs to."""
    return turn.rpartition("/")[0]


def _was_running(work: Work, modified: float | None) -> bool:
    if modified is None:
        return True
    ended = modified if work.ended is None else work.ended
    return work.started - CLOCK_SLACK <= modified <= ended + CLOCK_SLACK


def _may_move_head(work: Work) -> bool:
    return any(PurePosixPath(word).name == "git" for word in work.by.replace("'", " ").split())
