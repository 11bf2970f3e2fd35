"""Changes that nobody was asked about, in the editor: hints at their places, what one may do there, hovers.

Follows the reviews of all workspaces: what they hold is shown soon after it has changed, and as much of it
as an editor can use. A review that is open from an earlier time is opened again when the editor comes. Not
aware of how changes are found or taken back. `view` stands above, `diagnostics` publishes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from lsprotocol import types

from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import canonical, is_inside
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features import review_actions
from autopilot_ls.lsp.features.actions import Offer
from autopilot_ls.lsp.features.diagnostics import Diagnostics
from autopilot_ls.lsp.features.messages import Messages
from autopilot_ls.lsp.features.shown_change import shown_change
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.lsp.pace import SPARE
from autopilot_ls.model.errors import AutopilotError, BaselineUnavailable
from autopilot_ls.model.text import count
from autopilot_ls.presentation.changes import ChangedPart
from autopilot_ls.supervisor.review.desk import OpenItems, TakenBack
from autopilot_ls.supervisor.review.values import ReviewItem

MAX_FILES: Final = 200
"""Files of a workspace that are shown while they are not open; open ones are always shown."""

MAX_HUNKS: Final = 200
"""Changes that are shown in one file."""

PAUSE: Final = 0.05
"""Seconds after a change within which further ones are shown together with it."""

RESTORE_LIMIT: Final = 30.0
"""Seconds for which a server that is about to end may keep the review of a workspace."""

RESTORE_PAUSE: Final = 0.5

MAX_SESSIONS: Final = 200
"""Recorded sessions, the newest, in whose folders an open review is looked for."""


class Unreviewed:
    """The changes to be reviewed, as one editor has them."""

    def __init__(
        self,
        connection: Connection,
        backend: Backend,
        jobs: Jobs,
        messages: Messages,
        diagnostics: Diagnostics,
        *,
        changed: Callable[[], None],
    ) -> None:
        """Create the feature; nothing is shown yet.

        Args:
            connection: To the editor.
            backend: Has the reviews.
            jobs: Runs what takes time.
            messages: Tells the person.
            diagnostics: Publishes the hints.
            changed: Called when there are other changes at places, for code lenses.
        """
        self._connection = connection
        self._backend = backend
        self._jobs = jobs
        self._messages = messages
        self._diagnostics = diagnostics
        self._shown: dict[Path, set[str]] = {}
        self._timers: dict[Path, asyncio.TimerHandle] = {}
        # Where not all could be shown at once: of what, and which files were.
        self._partly: dict[Path, tuple[tuple[ReviewItem, ...], set[str]]] = {}
        self._restored: set[str] = set()
        self._said: set[str] = set()
        self._changed = changed

    # What is shown ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Show what is open already, here or from an earlier time."""
        self._jobs.start(self._restore)

    def close(self) -> None:
        """Show nothing more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    async def _restore(self) -> None:
        folders = list(self._connection.folders)
        sessions = await anyio.to_thread.run_sync(self._backend.sessions)
        own = [canonical(folder) for folder in folders]
        for summary in sessions[:MAX_SESSIONS]:
            cwd = canonical(summary.cwd)
            if any(is_inside(cwd, folder) or is_inside(folder, cwd) for folder in own):
                folders.append(cwd)
        for folder in dict.fromkeys(canonical(folder) for folder in folders):
            if folder not in self._restored:
                self._restored.add(folder)
                self._jobs.start(lambda folder=folder: self._restore_one(Path(folder)))

    async def _restore_one(self, folder: Path) -> None:
        deadline = anyio.current_time() + RESTORE_LIMIT
        while not self._connection.left.is_set():
            try:
                if await self._backend.review.restore(folder):
                    self._show(folder)
            except BaselineUnavailable as error:
                # The server before this one may take a moment to end.
                if anyio.current_time() < deadline:
                    await anyio.sleep(RESTORE_PAUSE)
                    continue
                self._messages.log(types.MessageType.Info, str(error))
            except AutopilotError as error:
                self._messages.log(types.MessageType.Warning, str(error))
            return

    def changed(self, workspace: Path) -> None:
        """What is to be reviewed there has changed: show it soon."""
        self._partly.pop(workspace, None)
        if workspace not in self._timers:
            self._later(workspace, PAUSE)

    def _later(self, workspace: Path, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timers[workspace] = loop.call_later(seconds, self._show, workspace)

    def _is_at_work(self) -> bool:
        sessions = self._backend.live_sessions()
        return any(self._backend.snapshot(each).active_turn is not None for each in sessions)

    def _show(self, workspace: Path) -> None:
        timer = self._timers.pop(workspace, None)
        if timer is not None:
            timer.cancel()
        by_path: dict[str, list[ReviewItem]] = {}
        known = self._backend.review.known(workspace).items
        begun, done = self._partly.pop(workspace, (None, set[str]()))
        if begun is not known:
            done = set[str]()
        for item in known:
            by_path.setdefault(item.path, []).append(item)
        earlier = self._shown.setdefault(workspace, set())
        chosen = self._chosen(workspace, by_path)
        for path in earlier - chosen.keys():
            self._diagnostics.show_changes(canonical_name(workspace, path), path, ())
        for path, items in chosen.items():
            if path in done:
                continue
            wait = self._connection.pace.wait(SPARE)
            if wait > 0 and self._is_at_work():
                # Many files at once go one after the other while the editor is told much already.
                earlier.update(chosen)
                self._partly[workspace] = known, done
                self._later(workspace, wait)
                return
            changes = [shown_change(workspace, item) for item in items[:MAX_HUNKS]]
            key = canonical_name(workspace, path)
            self._diagnostics.show_changes(key, str(workspace / path), changes)
            done.add(path)
        self._shown[workspace] = set(chosen)
        self._changed()
        if len(by_path) > len(chosen):
            self._say_once(
                workspace,
                f"{count(len(by_path), 'file')} in {workspace} have unreviewed changes; "
                f"{count(MAX_FILES, 'file')} are shown, and every one that you open.",
            )
        for path, items in chosen.items():
            if len(items) > MAX_HUNKS:
                self._say_once(
                    workspace / path,
                    f"{workspace / path} has {count(len(items), 'unreviewed change')}; the first "
                    f"{MAX_HUNKS} are shown, and the others once these are kept or undone.",
                )

    def _say_once(self, of: Path, text: str) -> None:
        if str(of) not in self._said:
            self._said.add(str(of))
            said = f"{text} The command autopilot.changes.list has all of them."
            self._messages.log(types.MessageType.Info, said)

    def _chosen(
        self, workspace: Path, by_path: dict[str, list[ReviewItem]]
    ) -> dict[str, list[ReviewItem]]:
        """Return what is shown of the files: the open ones, and as many others as there is room for."""
        if len(by_path) <= MAX_FILES:
            return by_path
        opened = {document.key for document in self._connection.documents}
        chosen: dict[str, list[ReviewItem]] = {}
        room = MAX_FILES
        for path, items in by_path.items():
            is_open = canonical_name(workspace, path) in opened
            if is_open or room > 0:
                chosen[path] = items
                room -= not is_open
        return chosen

    def opened(self, document: Document) -> None:
        """A document was opened: where not all are shown, its changes are from now on."""
        for workspace, shown in self._shown.items():
            if len(shown) >= MAX_FILES and is_inside(document.key, str(workspace)):
                self.changed(workspace)

    def saved(self, document: Document) -> None:
        """A document was saved: what the person typed is theirs."""
        path, loaded, text = document.path, document.loaded, document.text
        document.loaded = text
        if path is not None and self._backend.review.is_on:
            self._jobs.start(lambda: self._backend.review.saved(Path(path), loaded, text))

    # What may be done ---------------------------------------------------------------------------

    def _known(self) -> Iterable[tuple[Path, OpenItems]]:
        for workspace in self._shown:
            yield workspace, self._backend.review.known(workspace)

    def offers(self, document: Document, place: types.Range) -> list[Offer]:
        """Return what may be done with the changes at a place."""
        found: list[Offer] = []
        here = self._diagnostics.hints.at(document, place)
        for workspace, known in self._known():
            if not is_inside(document.key, str(workspace)):
                continue
            at_place = [change for change in here if change.workspace == workspace]
            if at_place:
                all_here = self._diagnostics.hints.in_file(document.key)
                in_file = sum(change.workspace == workspace for change in all_here)
                found += review_actions.offers(workspace, at_place, in_file, known)
            found += review_actions.redo(workspace, known, os.path.relpath(document.key, workspace))
        return found

    def transcript_offers(self, session_id: str) -> list[Offer]:
        """Return what may be done with all changes of a session's turns, in its transcript."""
        return [
            offer
            for workspace, known in self._known()
            for offer in review_actions.session_offers(workspace, session_id, known)
        ]

    def hovers(self, document: Document, place: types.Range) -> list[ChangedPart]:
        """Return the changes at a place."""
        return [change.part for change in self._diagnostics.hints.at(document, place)]

    def undone(self, taken: TakenBack) -> None:
        """Tell the person what became of an undo, since an editor may not show a command's result."""
        if taken.reasons:
            more = len(taken.reasons) - 3
            rest = f" And {count(more, 'more file')}." if more > 0 else ""
            self._messages.error(" ".join(taken.reasons[:3]) + rest)


def canonical_name(workspace: Path, path: str) -> str:
    """Return the key of a file of a workspace, whose folder is real; a link stands for itself."""
    whole = workspace / path
    folder = whole.parent if whole.parent == workspace else Path(os.path.realpath(whole.parent))
    return os.path.normcase(folder / whole.name)
