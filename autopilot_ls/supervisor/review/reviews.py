"""The open reviews, one for each workspace, and what keeps them up to date.

Opens a review when it is first needed and keeps it for as long as the server runs; has the disk looked at
when something says that it may have changed, never more often than the looks take; stores what is open.
Not aware of sessions or editors. `session_review` and the supervisor stand above, `workspace`, `storage`
and `edits.baselines` below.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from autopilot_ls.edits.leftovers import clear, tag_of
from autopilot_ls.model.errors import AutopilotError, BaselineUnavailable, SessionBusy
from autopilot_ls.supervisor.review.pruning import note_use, prune
from autopilot_ls.supervisor.review.storage import Dumps, read_into, to_bytes, write
from autopilot_ls.supervisor.review.values import Snapshots
from autopilot_ls.supervisor.review.workspace import WorkspaceReview
from autopilot_ls.supervisor.tasks import Tasks
from autopilot_ls.trace.files import require_own_folder
from autopilot_ls.trace.locks import SessionLock

_LOG: Final = logging.getLogger(__name__)

LOOK_PAUSE: Final = 0.2
"""Seconds between two looks at a workspace, at least."""

LOOK_SHARE: Final = 3.0
"""How much longer than the last look the pause after it is."""

CLOSING_LIMIT: Final = 5.0
"""Seconds that the last look at a workspace may take, at the end and after one that did not come."""

SAVE_PAUSE: Final = 0.5
"""Seconds between two writings of a review, at least."""

SAVE_AGAIN: Final = 10.0
"""Seconds after which a review is written again that could not be written."""

TIDY_AGAIN: Final = 5.0
"""Seconds after which the store of a workspace is tidied up that was in use; twice that the next time."""

FOLDER: Final = "reviews"

MakeSnapshots = Callable[[Path, Path], Snapshots]
"""Makes the snapshots of a workspace (the second folder) in a folder of ours (the first)."""


class OpenReview:
    """The review of one workspace, with its file and the wish to look."""

    def __init__(self, review: WorkspaceReview, file: Path, lock: SessionLock) -> None:
        """Create it for a review whose content is stored in this file, which is ours alone."""
        self.review = review
        self.file = file
        self.lock = lock
        self.problem = ""
        """Why it cannot be kept up to date at the moment, as a sentence; empty when it is."""
        self.wanted = anyio.Event()
        self.unsaved = anyio.Event()
        self.dumps: Dumps = {}

    def want_look(self) -> None:
        """Have the workspace looked at soon."""
        self.wanted.set()


class Reviews:
    """See the module's docstring."""

    def __init__(
        self,
        state_folder: Path,
        snapshots: MakeSnapshots,
        tasks: Tasks,
        tell: Callable[[Path], None],
        keep_for: float = 0.0,
    ) -> None:
        """Create it with no review open.

        Args:
            state_folder: Where reviews and baselines are kept.
            snapshots: Makes the snapshots of a workspace.
            tasks: Where the looking and writing runs.
            tell: Called with a workspace when what is to be reviewed there has changed.
            keep_for: Seconds that a review is kept after it was used last; 0: for ever.
        """
        self._keep_for = keep_for
        self._folder = state_folder / FOLDER
        self._make = snapshots
        self._tasks = tasks
        self._tell = tell
        self._open: dict[Path, OpenReview] = {}
        self._opening = anyio.Lock()

    def __iter__(self) -> Iterator[OpenReview]:
        return iter(tuple(self._open.values()))

    def get(self, workspace: Path) -> OpenReview | None:
        """Return the review of a workspace if it is open."""
        return self._open.get(_real(workspace))

    def has_stored(self, workspace: Path) -> bool:
        """Tell whether a review of this workspace may be open from an earlier time; blocking, quick."""
        return self._file(_real(workspace)).exists()

    def _file(self, workspace: Path) -> Path:
        name = hashlib.sha256(os.fsencode(workspace)).hexdigest()[:24]
        return self._folder / f"{name}.json"

    async def of(self, workspace: Path) -> OpenReview:
        """Return the review of a workspace, opened with what was stored of it.

        Raises:
            BaselineUnavailable: Another Autopilot has it open.
            TraceError: Its folder cannot be made.
        """
        workspace = _real(workspace)
        async with self._opening:
            found = self._open.get(workspace)
            if found is None:
                found = self._open[workspace] = await self._start(workspace)
        return found

    async def _start(self, workspace: Path) -> OpenReview:
        file = self._file(workspace)
        lock = await anyio.to_thread.run_sync(_own, file.with_suffix(""), workspace)

        def tell() -> None:
            opened.unsaved.set()
            self._tell(workspace)

        snapshots = self._make(file.with_suffix(""), workspace)
        review = WorkspaceReview(workspace, snapshots, changed=tell)
        opened = OpenReview(review, file, lock)
        problem = await anyio.to_thread.run_sync(read_into, file, review)
        if problem:
            _LOG.warning("%s", problem)
        # What an undo had lying ready when a server ended in the middle of it.
        written = [workspace / path for path in review.histories]
        await anyio.to_thread.run_sync(clear, tag_of(str(workspace)), written)
        if review.is_at_work:
            try:
                with anyio.fail_after(CLOSING_LIMIT):
                    await review.revive()
            except (AutopilotError, TimeoutError) as error:
                _LOG.warning("what happened in %s is not known: %s", workspace, error)
        self._tasks.start_soon(self._look, opened)
        self._tasks.start_soon(self._save, opened)
        self._tasks.start_soon(self._tidy, snapshots)
        if review.histories:
            opened.want_look()
        return opened

    async def _look(self, opened: OpenReview) -> None:
        while True:
            await opened.wanted.wait()
            opened.wanted = anyio.Event()
            began = anyio.current_time()
            try:
                await opened.review.look()
                opened.problem = ""
            except AutopilotError as error:
                opened.problem = str(error)
            except Exception:  # noqa: BLE001 reason: it must go on looking
                _LOG.exception("looking at %s failed", opened.review.folder)
            took = anyio.current_time() - began
            await anyio.sleep(max(LOOK_PAUSE, LOOK_SHARE * took))

    async def _save(self, opened: OpenReview) -> None:
        while True:
            await opened.unsaved.wait()
            await self._write(opened)
            # A full disk may have room again; what is not stored then is tried once more at the end.
            await anyio.sleep(SAVE_AGAIN if opened.unsaved.is_set() else SAVE_PAUSE)

    async def _tidy(self, snapshots: Snapshots) -> None:
        # It gives way to who looks. What fails otherwise is met again when it is needed.
        pause = TIDY_AGAIN
        while True:
            try:
                return await snapshots.prune()
            except AutopilotError:
                await anyio.sleep(pause)
                pause *= 2

    async def keep_safe(self, opened: OpenReview) -> None:
        """Store a review now: what is about to be written must be known as ours after a crash."""
        if opened.unsaved.is_set():
            await self._write(opened)

    async def _write(self, opened: OpenReview) -> None:
        opened.unsaved = anyio.Event()
        try:
            data = to_bytes(opened.review, opened.dumps)
            await anyio.to_thread.run_sync(write, opened.file, data)
        except AutopilotError as error:
            opened.unsaved.set()
            _LOG.warning("the open review of %s is not stored: %s", opened.review.folder, error)
        except Exception:  # noqa: BLE001 reason: the next change must be stored all the same
            opened.unsaved.set()
            _LOG.exception("the open review of %s is not stored", opened.review.folder)

    def prune(self) -> tuple[str, ...]:
        """Remove what is kept of workspaces that are gone or were not used for long; blocking.

        Returns:
            The names of what was removed.
        """
        return prune(self._folder, self._keep_for, time.time())

    async def shut_down(self) -> None:
        """Write what is not written yet, and let others have the reviews."""
        for opened in tuple(self._open.values()):
            if opened.review.is_at_work:
                # Agents have ended by now, and what they did last is to be reviewed as well.
                with anyio.move_on_after(CLOSING_LIMIT), contextlib.suppress(AutopilotError):
                    await opened.review.close()
            if opened.unsaved.is_set():
                await self._write(opened)
            opened.lock.release()
        self._open.clear()


def _own(folder: Path, workspace: Path) -> SessionLock:
    """Make sure that no other process keeps the review of this workspace."""
    require_own_folder(folder.parent, create=True)
    require_own_folder(folder, create=True)
    try:
        lock = SessionLock(folder)
    except SessionBusy as error:
        raise BaselineUnavailable(
            f"Another Autopilot keeps the review of {workspace}.",
            advice="Review there, or end it; it is another editor's server, or a run in a terminal.",
        ) from error
    note_use(folder, workspace)
    return lock


def _real(workspace: Path) -> Path:
    return Path(os.path.realpath(workspace))
