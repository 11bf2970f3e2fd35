"""The files of a workspace with their histories, as the looks at the disk show them.

Each look is compared with the one before, and what differs becomes a step of somebody in the history of its
file. Not aware of turns that can be gone back to, nor of what a person says to changes; `workspace` stands
above, `parting`, `saving` and `edits.history` below.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio.to_thread

from autopilot_ls.edits.baselines.values import Change, ChangedFile, Changes, Side
from autopilot_ls.edits.contents import read_inside
from autopilot_ls.edits.history import ABSENT, Content, History
from autopilot_ls.edits.weave import Author
from autopilot_ls.model.text import count
from autopilot_ls.supervisor.review.aside import Aside
from autopilot_ls.supervisor.review.attribution import OTHERS, PATCH, Evidence, at_work, is_in
from autopilot_ls.supervisor.review.parting import came_and_went, told_apart
from autopilot_ls.supervisor.review.saving import Saved, saved_since, take_saved
from autopilot_ls.supervisor.review.values import LINK_MODE, Snapshots

MAX_FILES: Final = 2_000
"""Files whose history is kept at most; what changes beyond it is counted and told."""

BATCH: Final = 32 * 1024 * 1024
"""Bytes of contents that are read at once."""


class Files:
    """See the module's docstring. Its caller has one look come after another."""

    def __init__(self, folder: Path, snapshots: Snapshots) -> None:
        """Create it with no file.

        Args:
            folder: The workspace.
            snapshots: Looks at it.
        """
        self.folder = folder
        self.histories: dict[str, History] = {}
        self.last = ""
        """The last look that was compared with, by its baseline's id."""
        self.heads: dict[str, str] = {}
        self.left_out = 0
        """Files that were changed but are not reviewed, since there are too many."""
        self.evidence = Evidence()
        self.listeners: dict[str, Callable[[str, int], None]] = {}
        """By turn, who hears what its commands changed: the path, and how many lines came and went."""
        self._notices: tuple[str, ...] = ()
        self._snapshots = snapshots
        self._saved: dict[str, list[Saved]] = {}
        self._moved: set[str] = set()
        self._aside = Aside()

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

    async def begin(self) -> None:
        """Take the look that the next one is compared with.

        Raises:
            AutopilotError: The workspace cannot be looked at.
        """
        # Before the histories are brought up to date: what comes in between differs from this.
        seen = await self._snapshots.take()
        self.last, self._notices = seen.id, seen.notices
        self._moved.update(self.histories)

    async def note_heads(self) -> None:
        """Note which commits are checked out, as what later ones are compared with."""
        self.heads = dict(await self._snapshots.heads(tuple(self.histories)))

    async def look(self, *, at_work: bool) -> bool:
        """Take what has changed since the last look; tells whether anything has.

        Args:
            at_work: Whether agents may have changed files.

        Raises:
            AutopilotError: The workspace cannot be looked at.
        """
        heads = dict(await self._snapshots.heads(tuple(self.histories)))
        moved = frozenset(
            name for name, head in heads.items() if self.heads.get(name, head) != head
        )
        self.heads, self.evidence.moved = heads, moved
        known = frozenset(self.histories)
        news = await (self._compare() if at_work else self._read_known())
        if moved:
            await self._keep_committed(moved)
        new = tuple(self.histories.keys() - known)
        if new:
            # A commit that comes later is one only where it is known what was there before.
            self.heads = {**await self._snapshots.heads(new), **self.heads}
        return news or bool(moved)

    def took(self, paths: Collection[str]) -> None:
        """Note that these files were written for the person, so that the next look reads them."""
        self._moved.update(paths)

    def saved(self, path: str, saved: Saved, *, at_work: bool) -> bool | None:
        """Take what a person has just saved from an editor.

        Args:
            path: Relative to the workspace.
            saved: What was saved.
            at_work: Whether agents may have changed files.

        Returns:
            Whether only a look tells what has changed; None when nothing is to be done for it.
        """
        history = self.histories.get(path)
        if history is None:
            if at_work:
                self._saved.setdefault(path, []).append(saved)
            return True if at_work else None
        self._take_saved(path, history, saved)
        self._moved.add(path)
        return history.current() != saved.now

    def forget(self, turns: Collection[str]) -> None:
        """Drop the histories that no longer serve: without review, and of none of these turns."""
        useless = [
            path
            for path, history in self.histories.items()
            if not any(step.turn in turns for step in history.weave.steps)
            and not any(True for _ in history.unreviewed())
        ]
        for path in useless:
            del self.histories[path]
            self._aside.drop(path)

    def _take_saved(self, path: str, history: History, saved: Saved) -> None:
        take_saved(history, saved, lambda content: self._advance(path, history, content, None))

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
        """Begin the histories of files that came and went, or were saved, and are as at the last look."""
        deleted = came_and_went(self.evidence)
        paths = tuple({**self._saved, **deleted})
        found = await anyio.to_thread.run_sync(
            lambda: [(path, read_inside(self.folder, path)) for path in paths]
        )
        for path, content in found:
            if content is None or path in self.histories or len(self.histories) >= MAX_FILES:
                continue
            saves = self._saved.get(path, ())
            if not saves and content != ABSENT:
                continue
            history = self.histories[path] = History.begin(content)
            for saved in saved_since(content, saves):
                self._take_saved(path, history, saved)
            if not saves:
                history.advance(deleted[path], at_work(path, None, self.evidence))
            self._moved.add(path)

    async def _read_known(self) -> bool:
        """Take what others did, while no agent was at work, to files that have a history."""
        return await self._read(tuple(self.histories))

    async def _read(self, paths: Collection[str]) -> bool:
        """Take what these files hold, if they have a history; tells whether any holds something new."""
        found = await anyio.to_thread.run_sync(
            lambda: [(path, read_inside(self.folder, path)) for path in paths]
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
                if not self.evidence.turns or not change.certain:
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
            for saved in saved_since(before or ABSENT, self._saved.pop(change.path, ())):
                self._take_saved(change.path, history, saved)
        self._advance(change.path, history, now, modified)

    def _advance(
        self, path: str, history: History, content: Content, modified: float | None
    ) -> None:
        if content != history.current():
            before = history.current()
            if path in self.evidence.restored and content.data in history.texts():
                # It is what it was before an agent had left a patch half written.
                history.advance(content, OTHERS)
                return
            if not self.evidence.turns:
                self._aside.take(path, history, content)
                return
            for part, step, reviewed in told_apart(path, before, content, modified, self.evidence):
                lines = history.advance(part, step, reviewed=reviewed)
                wrote = self.listeners.get(step.turn)
                if wrote is not None and step.author is Author.AGENT and step.by != PATCH:
                    wrote(path, lines)

    async def _keep_committed(self, moved: Collection[str]) -> None:
        """Take what a commit has as reviewed: who commits a change is content with it."""
        opened = [
            path
            for path, history in self.histories.items()
            if any(is_in(path, folder) for folder in moved)
            and any(True for _ in history.unreviewed())
        ]
        if opened:
            for path, held in (await self._snapshots.committed(self.heads, opened)).items():
                self.histories[path].keep_what_is_in(held)


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
