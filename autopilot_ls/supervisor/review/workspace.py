"""The review of one workspace: what was changed in it without asking, by whom, and what a person says to it.

Looks at the disk when something may have changed it, compares with the look before, and keeps each file's
history. The agent's word is never taken for what changed, only for when it was at work. Not aware of
agents, editors or who asks; `reviews` stands above, `attribution`, `storage` and `edits.history` below.
"""

from __future__ import annotations

import os
import sys
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import anyio
import anyio.to_thread

from autopilot_ls.edits.baselines.values import Baseline, Change, ChangedFile, Changes, Side
from autopilot_ls.edits.contents import read_content
from autopilot_ls.edits.history import ABSENT, Content, History, Unreviewed
from autopilot_ls.edits.weave import Author
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.text import count
from autopilot_ls.supervisor.review.attribution import (
    PATCH,
    Evidence,
    Patched,
    attribute,
)
from autopilot_ls.supervisor.review.plans import (
    Outcome,
    Place,
    Plan,
    UndoRecord,
    redo,
    undo_parts,
    undo_turns,
)
from autopilot_ls.supervisor.review.saving import Saved, take_saved

MAX_FILES: Final = 2_000
"""Files whose history is kept at most; what changes beyond it is counted and told."""

BATCH: Final = 32 * 1024 * 1024
"""Bytes of contents that are read at once."""

MAX_TURNS: Final = 50
"""Turns that can be gone back to."""

MAX_UNDONE: Final = 50
"""Times of taking back that can be taken back themselves."""

LINK_MODE: Final = 0o120000


class Snapshots(Protocol):
    """What the workspace's files were at any of our looks; `edits.baselines` is one.

    Every method may raise an `AutopilotError`: the workspace cannot be looked at.
    """

    async def take(self) -> Baseline:
        """Look at the disk now."""
        ...

    async def changes(self, since: str, until: str) -> Changes:
        """Return what differs between two looks, which are named by their baselines' ids."""
        ...

    async def read(self, sides: Collection[Side]) -> Mapping[str, bytes]:
        """Return the contents, by their names, of files whose content was kept."""
        ...

    async def prune(self) -> None:
        """Give up what was seen long ago."""
        ...

    async def head(self) -> str:
        """Return which commit the user's repository has checked out; empty when that is not known."""
        ...

    async def committed(self, head: str, paths: Collection[str]) -> Mapping[str, bytes | None]:
        """Return what a commit holds at paths, None where it has none; without those not known."""
        ...


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """Something to be reviewed, as clients see it.

    Attributes:
        id: Names it in the workspace while it lasts.
        path: Relative to the workspace.
    """

    id: str
    path: str
    change: Unreviewed


@dataclass(slots=True)
class Turn:
    """A turn that can be gone back to.

    Attributes:
        name: Names it among all turns of the workspace.
        session_id: Whose it is.
        began: Seconds since the epoch.
        at_work: Whether it, or what it left running, may still change files.
    """

    name: str
    session_id: str
    began: float
    at_work: bool = True


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
        self.histories: dict[str, History] = {}
        self.turns: list[Turn] = []
        self.undone: list[UndoRecord] = []
        self.last: str = ""
        self.last_head: str = ""
        self.folder = folder
        self.left_out: int = 0
        """Files that were changed but are not reviewed, since there are too many."""
        self._notices: tuple[str, ...] = ()
        self._snapshots = snapshots
        self._tell = changed
        self._clock = clock
        self.listeners: dict[str, Callable[[str, int], None]] = {}
        """By turn, who hears what its commands changed: the path, and how many lines came and went."""
        self._evidence = Evidence()
        self._saved: dict[str, list[Saved]] = {}
        self._moved: set[str] = set()
        self._looking = anyio.Lock()
        # Editors ask for what is to be reviewed with each move of the cursor.
        self._listed: tuple[ReviewItem, ...] | None = None

    @property
    def notices(self) -> tuple[str, ...]:
        """What is not covered, in sentences for a person."""
        if not self.left_out:
            return self._notices
        said = (
            f"More than {MAX_FILES:,} files were changed: {count(self.left_out, 'change')} of others "
            "cannot be reviewed or undone. Look at them with git."
        )
        return (*self._notices, said)

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
                # Before the histories are brought up to date: what comes in between differs from this.
                seen = await self._snapshots.take()
                self.last, self._notices = seen.id, seen.notices
                self._moved.update(self.histories)
            await self._look()
            if not self.is_at_work:
                self.last_head = await self._snapshots.head()
            self.turns.append(Turn(name, session_id, self._clock()))
            self._evidence.turns[name] = None
            self._forget_old()
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

    def patched(self, paths: Iterable[str], turn: str, *, reviewed: bool) -> None:
        """Note that a patch was written to these paths; the caller has a look taken."""
        for path in paths:
            self._evidence.patches[path] = Patched(turn, reviewed)

    async def saved(self, path: str, saved: Saved) -> bool:
        """Take what a person has just saved from an editor.

        Args:
            path: Relative to the workspace.
            saved: What was saved.

        Returns:
            Whether only a look tells what has changed.
        """
        async with self._looking:
            history = self.histories.get(path)
            if history is None:
                if self.is_at_work:
                    self._saved.setdefault(path, []).append(saved)
                return self.is_at_work
            self._take_saved(path, history, saved)
            self._moved.add(path)
            self._changed()
            return history.current() != saved.now

    def _take_saved(self, path: str, history: History, saved: Saved) -> None:
        take_saved(history, saved, lambda content: self._advance(path, history, content, None))

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
        head = await self._snapshots.head()
        self._evidence.head_moved = bool(self.last_head) and head != self.last_head
        self.last_head = head
        try:
            news = await (self._compare() if self.is_at_work else self._read_known())
            if self._evidence.head_moved:
                await self._keep_committed(head)
        finally:
            self._listed = None
        if news or self._evidence.head_moved:
            self._changed()
        self._evidence.looked(self._running())

    async def _compare(self) -> bool:
        """Take what differs from the last look; tells whether anything does."""
        seen = await self._snapshots.take()
        changes = Changes(())
        if self.last != seen.id:
            changes = await self._snapshots.changes(self.last, seen.id)
        modified = await anyio.to_thread.run_sync(self._modified, changes.files)
        wanted = tuple(self._wanted(changes.files))
        for batch in _batches(wanted, self.histories):
            sides = {side.blob: side for change in batch for side in self._sides(change)}
            contents: Mapping[str, bytes] = {}
            if sides:
                contents = await self._snapshots.read(sides.values())
            for change in batch:
                self._take(change, modified[change.path], contents)
        self.last, self._notices = seen.id, seen.notices
        await self._take_vanished()
        self._saved.clear()
        # What was saved or taken back since the last look and is again what it was then, differs from
        # its history only.
        moved = tuple(self._moved - modified.keys())
        self._moved.clear()
        return await self._read(moved) or bool(changes.files)

    async def _take_vanished(self) -> None:
        """Begin the histories of files that were saved and are again what they were at the last look."""
        paths = tuple(self._saved)
        found = await anyio.to_thread.run_sync(
            lambda: [(path, read_content(self.folder / path)) for path in paths]
        )
        for path, content in found:
            if content is None or path in self.histories or len(self.histories) >= MAX_FILES:
                continue
            history = self.histories[path] = History.begin(content)
            for saved in self._saved[path]:
                self._take_saved(path, history, saved)
            self._moved.add(path)

    async def _read_known(self) -> bool:
        """Take what others did, while no agent was at work, to files that have a history."""
        return await self._read(tuple(self.histories))

    async def _read(self, paths: Collection[str]) -> bool:
        """Take what these files hold, if they have a history; tells whether any holds something new."""
        found = await anyio.to_thread.run_sync(
            lambda: [(path, read_content(self.folder / path)) for path in paths]
        )
        same = (ChangedFile(path, Change.UPDATE, None, None) for path in paths)
        modified = await anyio.to_thread.run_sync(self._modified, same)
        news = False
        for path, content in found:
            history = self.histories.get(path)
            if content is not None and history is not None and content != history.current():
                self._advance(path, history, content, modified[path])
                news = True
        return news

    def _modified(self, files: Iterable[ChangedFile]) -> dict[str, float | None]:
        found: dict[str, float | None] = {}
        for file in files:
            try:
                status = (self.folder / file.path).lstat()
                # The time of the name's own change cannot be set to anything, unlike the other.
                found[file.path] = status.st_mtime if sys.platform == "win32" else status.st_ctime
            except OSError:
                found[file.path] = None
        return found

    def _wanted(self, files: Iterable[ChangedFile]) -> Iterator[ChangedFile]:
        """Yield the changes that are followed, as far as there is room."""
        room = MAX_FILES - len(self.histories)
        for change in files:
            if change.path not in self.histories:
                if not self._evidence.turns or not change.certain:
                    continue
                if room <= 0:
                    self.left_out += 1
                    continue
                room -= 1
            yield change

    def _sides(self, change: ChangedFile) -> Iterator[Side]:
        """Yield the sides of a change whose content is needed."""
        sides = (change.after,) if change.path in self.histories else (change.after, change.before)
        yield from (side for side in sides if side is not None and side.blob)

    def _take(
        self, change: ChangedFile, modified: float | None, contents: Mapping[str, bytes]
    ) -> None:
        history = self.histories.get(change.path)
        now = _content(change.after, contents)
        before = _content(change.before, contents) if history is None else None
        if now is None or (history is None and before is None):
            return  # Its content was not kept, which was told when the look was taken.
        if history is None:
            history = self.histories[change.path] = History.begin(before or ABSENT)
            for saved in self._saved.pop(change.path, ()):
                self._take_saved(change.path, history, saved)
        self._advance(change.path, history, now, modified)

    def _advance(
        self, path: str, history: History, content: Content, modified: float | None
    ) -> None:
        if content != history.current():
            step, reviewed = attribute(path, modified, self._evidence)
            lines = history.advance(content, step, reviewed=reviewed)
            wrote = self.listeners.get(step.turn)
            if wrote is not None and step.author is Author.AGENT and step.by != PATCH:
                wrote(path, lines)

    async def _keep_committed(self, head: str) -> None:
        """Take what a commit has as reviewed: who commits a change is content with it."""
        opened = [
            path
            for path, history in self.histories.items()
            if any(True for _ in history.unreviewed())
        ]
        if opened:
            for path, held in (await self._snapshots.committed(head, opened)).items():
                self.histories[path].keep_what_is_in(held)

    def _changed(self) -> None:
        self._listed = None
        self._forget_old()
        self._tell()

    def _forget_old(self) -> None:
        """Drop turns, histories and undo records beyond the limits, those without use first."""
        del self.turns[:-MAX_TURNS]
        del self.undone[:-MAX_UNDONE]
        known = {turn.name for turn in self.turns}
        useless = [
            path
            for path, history in self.histories.items()
            if not any(step.turn in known for step in history.weave.steps)
            and not any(True for _ in history.unreviewed())
        ]
        for path in useless if not self.is_at_work else ():
            del self.histories[path]
        if not self.histories:
            self.left_out = 0

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

    async def go_back(self, turn: str, place: Place) -> Outcome:
        """Take back a turn and all turns since. Arguments and errors as `undo`.

        Raises:
            InvalidRequest: It is not among the turns that can be gone back to.
        """

        def fill(plan: Plan) -> None:
            names = [each.name for each in self.turns]
            if turn not in names:
                raise InvalidRequest(f"Turn {turn} is not among those that can be undone.")
            out = frozenset(names[names.index(turn) :])
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
        self._moved.update(written)
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


def _content(side: Side | None, contents: Mapping[str, bytes]) -> Content | None:
    """Return what a file was, None when its content was not kept."""
    if side is None:
        return ABSENT
    data = contents.get(side.blob) if side.blob else None
    if data is None:
        return None
    if side.mode == LINK_MODE:
        return Content("link", data)
    return Content("file", data, bool(side.mode & 0o100))


def _batches(
    files: Iterable[ChangedFile], known: Collection[str]
) -> Iterator[Sequence[ChangedFile]]:
    """Yield changes, so many at once that their contents do not take too much room."""
    batch: list[ChangedFile] = []
    size = 0
    for change in files:
        size += change.after.size if change.after else 0
        size += change.before.size if change.before and change.path not in known else 0
        batch.append(change)
        if size > BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _text_of(item: ReviewItem) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    return item.change.part.old, item.change.part.new


def _by_path(items: Iterable[ReviewItem]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in items:
        found.setdefault(item.path, set()).add(item.change.part.id)
    return found
