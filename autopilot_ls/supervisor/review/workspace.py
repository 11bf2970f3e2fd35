"""The review of one workspace: what was changed in it without asking, by whom, and what a person says to it.

Has the disk looked at when something may have changed it, keeps the turns that can be gone back to, and
takes changes back. The agent's word is never taken for what changed, only for when it was at work. Not aware
of agents, editors or who asks; `reviews` stands above, `files`, `plans` and `attribution` below.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

import anyio

from autopilot_ls.edits.history import History
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.supervisor.review.attribution import Evidence, Patched, session_of
from autopilot_ls.supervisor.review.files import Files
from autopilot_ls.supervisor.review.plans import (
    Outcome,
    Place,
    Plan,
    UndoRecord,
    redo,
    undo_parts,
    undo_turns,
)
from autopilot_ls.supervisor.review.saving import Saved
from autopilot_ls.supervisor.review.values import ReviewItem, Snapshots, Turn

MAX_TURNS: Final = 50
"""Turns that can be gone back to."""

MAX_UNDONE: Final = 50
"""Times of taking back that can be taken back themselves."""


class WorkspaceReview:
    """See the module's docstring. All of it runs in one event loop; looks come one after another."""

    def __init__(
        self,
        folder: Path,
        snapshots: Snapshots,
        *,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create it with nothing to review.

        Args:
            folder: The workspace.
            snapshots: Looks at it.
            changed: Called after what is to be reviewed or stored has changed.
            clock: Gives seconds since the epoch.
        """
        self.files = Files(folder, snapshots)
        self.turns: list[Turn] = []
        self.undone: list[UndoRecord] = []
        self.folder = folder
        self._tell = changed
        self._clock = clock
        self._looking = anyio.Lock()
        # Editors ask for what is to be reviewed with each move of the cursor.
        self._listed: tuple[ReviewItem, ...] | None = None

    @property
    def histories(self) -> dict[str, History]:
        """The files that are followed, by their paths relative to the workspace."""
        return self.files.histories

    @property
    def listeners(self) -> dict[str, Callable[[str, int], None]]:
        """By turn, who hears what its commands changed: the path, and how many lines came and went."""
        return self.files.listeners

    @property
    def notices(self) -> tuple[str, ...]:
        """What is not covered, in sentences for a person."""
        return self.files.notices

    @property
    def _evidence(self) -> Evidence:
        return self.files.evidence

    # What happens -----------------------------------------------------------------------------

    @property
    def is_at_work(self) -> bool:
        """Whether a turn, or what one left running, may be changing files."""
        return any(turn.at_work for turn in self.turns)

    async def begin_turn(self, name: str, session_id: str) -> tuple[str, ...]:
        """Take the baseline of a turn that is about to begin.

        Returns:
            What it does not cover, in sentences for a person.

        Raises:
            AutopilotError: The workspace cannot be looked at.
        """
        async with self._looking:
            if not self.is_at_work:
                await self.files.begin()
            await self._look()
            if not self.is_at_work:
                await self.files.note_heads()
            self.turns.append(Turn(name, session_id, self._clock()))
            self._evidence.turns[name] = None
            # It is stored with its baseline, so that a server that is killed has what it did reviewed later.
            self._changed()
            return self.notices

    async def end_turn(self, name: str) -> None:
        """Look for the last time at what a turn did; nothing of it runs any more.

        Raises:
            AutopilotError: The workspace cannot be looked at.
        """
        self._evidence.stops(name, self._clock())
        async with self._looking:
            try:
                await self._look()
            finally:
                for turn in self.turns:
                    turn.at_work = turn.at_work and turn.name != name
                self._evidence.looked(self._running())
                self._changed()

    async def close(self) -> None:
        """Look once more at what turns that are still at work have done; they end with the process.

        Raises:
            AutopilotError: The workspace cannot be looked at.
        """
        for turn in [turn.name for turn in self.turns if turn.at_work]:
            await self.end_turn(turn)

    async def revive(self) -> None:
        """Take what happened since a server ended in the middle of turns, which nobody can attribute.

        Raises:
            AutopilotError: The workspace cannot be looked at.
        """
        async with self._looking:
            self._evidence.turns = dict.fromkeys(self._running())
        await self.close()

    def _running(self) -> Iterable[str]:
        return (turn.name for turn in self.turns if turn.at_work)

    def command_begins(self, key: str, turn: str, by: str) -> None:
        """Note that a command of a turn begins to run."""
        self._evidence.begins(key, turn, by, self._clock())

    def command_ends(self, key: str) -> None:
        """Note that a command has ended; the caller has a look taken."""
        self._evidence.ends(key, self._clock())

    def accepted(self, patches: Mapping[str, Patched]) -> None:
        """Note that a patch is about to be written to these paths, so that a look finds it known."""
        for path, patched in patches.items():
            self._evidence.accepted.setdefault(path, []).append(patched)

    def settled(self, patches: Mapping[str, Patched]) -> None:
        """Note that a patch that was accepted for these paths is not being written any more."""
        accepted = self._evidence.accepted
        for path, patched in patches.items():
            left = [each for each in accepted.pop(path, []) if each is not patched]
            if left:
                accepted[path] = left

    def given_up(self, patches: Mapping[str, Patched]) -> None:
        """Note that nobody tells any more whether a patch that was accepted is written."""
        self.settled(patches)
        for path, patched in patches.items():
            self._evidence.doubtful[path] = session_of(patched.turn)

    def patched(self, patches: Mapping[str, Patched]) -> None:
        """Note that a patch was written to these paths; the caller has a look taken."""
        for path, patched in patches.items():
            self._evidence.patches.setdefault(path, []).append(patched)

    def restored(self, paths: Iterable[str]) -> None:
        """Note that a half-written patch may have been taken out of these; the caller has a look taken."""
        self._evidence.restored.update(paths)

    async def saved(self, path: str, saved: Saved) -> bool:
        """Take what a person has just saved from an editor.

        Args:
            path: Relative to the workspace.
            saved: What was saved.

        Returns:
            Whether only a look tells what has changed.
        """
        async with self._looking:
            wanted = self.files.saved(path, saved, at_work=self.is_at_work)
            if path in self.histories:
                self._changed()
            return wanted or False

    async def look(self) -> None:
        """Look at what has changed since the last look, and at whose change it is.

        Raises:
            AutopilotError: The workspace cannot be looked at.
        """
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        if not self.histories and not self.is_at_work:
            return
        self._evidence.looking()
        try:
            news = await self.files.look(at_work=self.is_at_work)
        finally:
            self._listed = None
        if news:
            self._changed()
        self._evidence.looked(self._running())

    def _changed(self) -> None:
        self._listed = None
        self._forget_old()
        self._tell()

    def _forget_old(self) -> None:
        """Drop turns, histories and undo records beyond the limits, those without use first."""
        del self.turns[:-MAX_TURNS]
        del self.undone[:-MAX_UNDONE]
        if not self.is_at_work:
            self.files.forget({turn.name for turn in self.turns})
        if not self.histories:
            self.files.left_out = 0

    # What a person says -----------------------------------------------------------------------

    def items(self) -> tuple[ReviewItem, ...]:
        """Return what is to be reviewed, by path and place."""
        if self._listed is None:
            self._listed = tuple(
                ReviewItem(f"{zlib.crc32(os.fsencode(path)):08x}-{each.part.id}", path, each)
                for path, history in sorted(self.histories.items())
                for each in history.unreviewed()
            )
        return self._listed

    def keep(self, ids: Collection[str]) -> tuple[ReviewItem, ...]:
        """Take these as reviewed; returns them, without those that are none any more."""
        chosen = tuple(item for item in self.items() if item.id in ids)
        for path, names in _by_path(chosen).items():
            self.histories[path].keep(names)
        if chosen:
            self._changed()
        return chosen

    async def undo(self, ids: Collection[str], place: Place) -> Outcome:
        """Take these back; what a person did in between stays.

        Args:
            ids: Of items.
            place: Writes what was worked out.

        Raises:
            AutopilotError: The workspace cannot be looked at, or nothing could be written.
        """
        seen = {item.id: _text_of(item) for item in self.items() if item.id in ids}

        def fill(plan: Plan) -> None:
            chosen = [item for item in self.items() if item.id in ids]
            # What has changed since it was chosen is not what the person meant.
            same = [item for item in chosen if seen.get(item.id) == _text_of(item)]
            for path, names in _by_path(same).items():
                plan.add(path, self.histories.get(path), undo_parts(frozenset(names)))
            plan.touched += {item.path for item in chosen} - {item.path for item in same}

        return await self._take_back("changes taken back", fill, place)

    def turns_since(self, turn: str) -> list[Turn]:
        """Return a turn and all turns of its session since; none where it cannot be gone back to."""
        names = [each.name for each in self.turns]
        later = self.turns[names.index(turn) :] if turn in names else []
        return [each for each in later if each.session_id == later[0].session_id]

    async def go_back(self, turn: str, place: Place) -> Outcome:
        """Take back a turn and all turns of its session since. Arguments and errors as `undo`.

        Raises:
            InvalidRequest: It is not among the turns that can be gone back to.
        """

        def fill(plan: Plan) -> None:
            out = frozenset(each.name for each in self.turns_since(turn))
            if not out:
                raise InvalidRequest(f"Turn {turn} is not among those that can be undone.")
            plan.record.turns = out
            # Without the turns before it that are taken back already, this one would bring theirs again.
            back = {each for record in self.undone for each in record.turns}
            out |= {each for each in back if session_of(each) == session_of(turn)}
            for path, history in self.histories.items():
                plan.add(path, history, undo_turns(out))

        return await self._take_back("turns taken back", fill, place)

    async def redo(self, name: str, place: Place) -> Outcome:
        """Do again what was taken back. Arguments and errors as `undo`.

        Raises:
            InvalidRequest: There is no such undo, or it was done again already.
        """

        def fill(plan: Plan) -> None:
            record = next((each for each in self.undone if each.id == name), None)
            if record is None:
                raise InvalidRequest(f"There is no undo {name} that could be taken back.")
            for path, taken in record.files.items():
                plan.add(path, self.histories.get(path), redo(taken))

        outcome = await self._take_back("", fill, place)
        if outcome.written:
            self.undone = [each for each in self.undone if each.id != name]
            self._changed()
        return outcome

    async def _take_back(self, what: str, fill: Callable[[Plan], None], place: Place) -> Outcome:
        async with self._looking:
            # What is on disk now counts, and nothing else may look until it is rewritten.
            await self._look()
            plan = Plan.empty(what)
            fill(plan)
            outcome = plan.refused()
            with anyio.CancelScope(shield=True):
                outcome = await self._carry_out(plan, place)
            return outcome  # noqa: RET504 reason: a scope may end early, so that it is not always set above

    async def _carry_out(self, plan: Plan, place: Place) -> Outcome:
        written = await place(plan.files) if plan.files else frozenset[str]()
        for path in written:
            self.histories[path] = plan.histories[path]
        self.files.took(written)
        record = plan.record.only(written)
        if record.files:
            self.undone.append(record)
        self._changed()
        return Outcome(
            record.id if record.files else "",
            tuple(written),
            tuple(plan.touched),
            tuple(path for path in plan.files if path not in written),
        )


def _text_of(item: ReviewItem) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    return item.change.part.old, item.change.part.new


def _by_path(items: Iterable[ReviewItem]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in items:
        found.setdefault(item.path, set()).add(item.change.part.id)
    return found
