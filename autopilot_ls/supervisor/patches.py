"""The patches of a session from proposal to proof.

Remembers what the disk held when a patch was proposed, checks the person's text before it is accepted,
keeps the snapshot to restore from, and settles by the disk what the agent did. Not aware of who
decides or of how the agent reports. `broker`, `aftermath` and `session` stand above, `edits` below.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from autopilot_ls.edits.aftermath import settle_by_hunks
from autopilot_ls.edits.check import affected_paths, check_acceptable, check_documents
from autopilot_ls.edits.convert import file_changes
from autopilot_ls.edits.leftovers import clear, tag_of
from autopilot_ls.edits.paths import same_place
from autopilot_ls.edits.settle import settle
from autopilot_ls.edits.snapshot import FileState, capture, read_target
from autopilot_ls.edits.unsaved import dirty_documents
from autopilot_ls.model.approvals import Action, Approval, ChangeKind, FileChange, PatchAction
from autopilot_ls.model.errors import DecisionRefused
from autopilot_ls.model.events import FilesSettled
from autopilot_ls.model.items import FileChanges, ItemStatus
from autopilot_ls.model.state import SessionState
from autopilot_ls.supervisor.merging import require_mergeable, unsaved_among
from autopilot_ls.supervisor.saved import SavedSince, require_savable, saved_since
from autopilot_ls.supervisor.views import ClientView, OpenDocument

T = TypeVar("T")
Views = Callable[[], Iterable[ClientView]]

DISK_LIMIT: Final = 30.0
"""Seconds that a look at the disk may take; network file systems can take for ever."""

MAX_REMEMBERED: Final = 8 * 1024 * 1024
"""Bytes of the files of one patch, up to which their contents are remembered until it is decided."""

QUICK_BYTES: Final = 512 * 1024
QUICK_CHANGES: Final = 50
"""Up to these sizes the reading of a patch does not hold up the event loop for long."""


@dataclass(slots=True)
class _Patch:
    files: tuple[FileChange, ...]
    at_proposal: Mapping[Path, FileState]
    saved: Mapping[Path, FileState] = field(default_factory=dict[Path, FileState])
    item_id: str | None = None
    thread_id: str | None = None
    accepted: bool = False
    reported: ItemStatus | None = None
    before: Mapping[Path, FileState] = field(default_factory=dict[Path, FileState])


class Patches:
    """The patches of one session that are proposed or accepted and not settled yet."""

    def __init__(self, workspace: Callable[[], Path], views: Views) -> None:
        """Create it empty.

        Args:
            workspace: Gives the session's folder.
            views: The clients whose open documents count.
        """
        self._workspace = workspace
        self._views = views
        self._patches: dict[str, _Patch] = {}

    def is_quick(self, action: Action) -> bool:
        """Tell whether `examine` takes no time that anybody would notice."""
        if not isinstance(action, PatchAction):
            return True
        if len(action.changes) > QUICK_CHANGES:
            return False
        left = QUICK_BYTES
        for change in action.changes:
            try:
                size = (self._workspace() / change.path).lstat().st_size
            except (OSError, ValueError):
                size = 0
            # Two whole texts are compared line by line, which is much more than reading them.
            if size and change.kind is ChangeKind.ADD:
                return False
            left -= size + len(change.text)
        return left >= 0

    def examine(self, approval_id: str, action: Action) -> tuple[FileChange, ...]:
        """Return a patch by hunks, and remember what the disk holds now; nothing for other actions.

        Blocking, but only for the reading of the files concerned, whose size is bounded.
        """
        if not isinstance(action, PatchAction):
            return ()
        patch = self._patches[approval_id] = _examine(approval_id, action, self._workspace())
        return patch.files

    async def examine_aside(self, approval_id: str, action: Action) -> tuple[FileChange, ...]:
        """Do as `examine`, without holding up the event loop.

        Raises:
            DecisionRefused: The disk did not answer in time.
        """
        if not isinstance(action, PatchAction):
            return ()
        read = partial(_examine, approval_id, action, self._workspace())
        patch = self._patches[approval_id] = await looked(read)
        return patch.files

    def unreadable(self, approval_id: str, action: Action, why: str) -> tuple[FileChange, ...]:
        """Return a patch that could not be examined, with this as its problem: nobody can accept it."""
        if not isinstance(action, PatchAction):
            return ()
        files = tuple(
            FileChange(path=change.path, kind=change.kind, move_to=change.move_to, problem=why)
            for change in action.changes
        )
        self._patches[approval_id] = _Patch(files, {})
        return files

    def documents(self) -> list[OpenDocument]:
        """Return what is open in all editors now."""
        return [document for view in self._views() for document in view.open_documents()]

    async def check(self, approval: Approval) -> None:
        """Check that accepting would lose nothing, and keep what is needed to restore.

        Raises:
            DecisionRefused: It would; the message names the file and what to do.
        """
        if not isinstance(approval.action, PatchAction):
            return
        patch = self._known(approval.id)
        patch.saved = {}  # The agent writes the whole as it was proposed.
        patch.before = await self._checked(patch, patch.files)

    async def check_part(
        self, approval: Approval, files: Sequence[FileChange], merged: Collection[Path] = ()
    ) -> Mapping[Path, FileState]:
        """Check that making a part of a patch would lose nothing; returns the files as they are.

        Args:
            approval: About the patch.
            files: The part.
            merged: Files whose part goes into the person's unsaved text; see `merging.require_mergeable`.

        Raises:
            DecisionRefused: As `check`.
        """
        before = await self._checked(self._known(approval.id), files, merged)
        if merged:
            documents, root = self.documents(), self._workspace()
            await looked(partial(require_mergeable, files, merged, before, documents, root))
        return before

    def _known(self, approval_id: str) -> _Patch:
        patch = self._patches.get(approval_id)
        if patch is None:
            raise DecisionRefused(
                "Not accepted: what the files were when the change was proposed is not known.",
                advice="Reject it; the agent can propose anew.",
            )
        return patch

    async def _checked(
        self, patch: _Patch, files: Sequence[FileChange], merged: Collection[Path] = ()
    ) -> Mapping[Path, FileState]:
        documents = [
            document
            for document in self.documents()
            if not any(same_place(path, document.path) for path in merged)
        ]
        before = await looked(
            partial(
                check_acceptable,
                files,
                disk_at_proposal={**patch.at_proposal, **patch.saved},
                documents=documents,
                root=self._workspace(),
            )
        )
        # The person may have typed while the disk was read.
        self.require_saved({path: s for path, s in before.items() if path not in merged})
        return before

    def require_saved(self, files: Mapping[Path, FileState]) -> None:
        """Check that no editor holds unsaved changes of these files now.

        Raises:
            DecisionRefused: One does.
        """
        documents = self.documents()
        for state in files.values():
            check_documents(state, documents, self._workspace())

    async def unsaved_of(self, paths: Iterable[Path]) -> list[Path]:
        """Return those of the files that an editor holds unsaved changes of."""
        wanted = set(paths)
        documents = [document for document in self.documents() if document.path in wanted]
        return await looked(lambda: dirty_documents(documents, self._workspace()))

    async def unsaved_among(self, files: Sequence[FileChange]) -> tuple[str, ...]:
        """Return the paths of those changed files that an editor holds unsaved changes of."""
        return await looked(partial(unsaved_among, files, self.documents()))

    async def as_saved(
        self, approval: Approval, files: Sequence[FileChange]
    ) -> tuple[FileChange, ...]:
        """Return a part of a patch as it is for what the person has saved in its files since.

        What was saved counts as known from now on, when the patch is checked.

        Raises:
            DecisionRefused: It does not fit there, or the disk did not answer in time.
        """
        patch = self._known(approval.id)
        found = await self._saved_since(patch, files)
        patch.saved = found.states
        return found.files

    async def is_saved_since(self, approval: Approval, files: Sequence[FileChange]) -> bool:
        """Tell whether the person has saved other changes of these files since they were proposed.

        Raises:
            DecisionRefused: As `as_saved`.
        """
        return bool((await self._saved_since(self._known(approval.id), files)).states)

    async def _saved_since(self, patch: _Patch, files: Sequence[FileChange]) -> SavedSince:
        documents = self.documents()
        if not any(document.saved is not None for document in documents):
            return SavedSince(tuple(files), {})
        root = self._workspace()
        return await looked(partial(saved_since, files, patch.at_proposal, documents, root))

    async def to_save(self, approval: Approval, files: Sequence[FileChange]) -> tuple[str, ...]:
        """Return the paths of those files that have to be saved before they are accepted.

        Raises:
            DecisionRefused: They would not fit then, or the disk did not answer in time.
        """
        unsaved = await self.unsaved_among(files)
        if unsaved:
            then = self._known(approval.id).at_proposal
            documents, root = self.documents(), self._workspace()
            await looked(partial(require_savable, files, unsaved, then, documents, root))
        return unsaved

    def accept(self, approval: Approval) -> None:
        """Note that a patch was accepted, so that it is settled when the agent has reported on it."""
        patch = self._patches.get(approval.id)
        if patch is not None:
            patch.accepted, patch.item_id = True, approval.item_id
            patch.thread_id = approval.thread_id

    def forget(self, approval_id: str) -> None:
        """Drop a patch that was not accepted."""
        self._patches.pop(approval_id, None)

    def report(self, item: FileChanges) -> bool:
        """Take the agent's word on an accepted patch; tells whether there is something to settle."""
        found = [p for p in self._patches.values() if p.accepted and p.item_id == item.id]
        for patch in found:
            patch.reported = item.status
        return bool(found)

    def end_turn(self, thread_id: str | None) -> bool:
        """Expect no more reports of a thread's turn; tells whether there is something to settle."""
        found = [
            patch
            for patch in self._patches.values()
            if patch.accepted and patch.reported is None and patch.thread_id == thread_id
        ]
        for patch in found:
            patch.reported = ItemStatus.FAILED
        return bool(found)

    async def settle(self, *, everything: bool = False) -> list[FilesSettled]:
        """Look at the disk for the accepted patches that were reported on.

        Args:
            everything: Whether also for those that never were, because the agent ended.
        """
        due = [
            (key, patch)
            for key, patch in self._patches.items()
            if patch.accepted and (everything or patch.reported is not None)
        ]
        if not due:
            return []
        for key, _ in due:
            del self._patches[key]
        root = self._workspace()
        try:
            return await looked(lambda: [_settle(key, patch, root) for key, patch in due])
        except DecisionRefused as error:
            return [_untold(key, patch, error) for key, patch in due]


def _settle(approval_id: str, patch: _Patch, root: Path) -> FilesSettled:
    try:
        return settle(
            patch.files,
            approval_id=approval_id,
            before=patch.before,
            failed=patch.reported is not ItemStatus.COMPLETED,
            root=root,
        )
    except Exception as error:  # noqa: BLE001 reason: one patch must not keep the others from being settled
        return _untold(approval_id, patch, error)


def _untold(approval_id: str, patch: _Patch, error: Exception) -> FilesSettled:
    return FilesSettled(
        approval_id=approval_id,
        outcome="different",
        paths=tuple(change.move_to or change.path for change in patch.files),
        detail=f"What became of an accepted patch cannot be told ({error}). Look at the files.",
    )


def _examine(approval_id: str, action: PatchAction, root: Path) -> _Patch:
    files = file_changes(action.changes, approval_id=approval_id, read=read_target, root=root)
    paths = affected_paths(files)
    try:
        state = capture(paths, limit=MAX_REMEMBERED)
    except DecisionRefused:
        # Too much to remember. What is too large to look at is unknown, which refuses an accept later.
        state = capture(paths, keep=False)
    return _Patch(files, state)


async def looked(look: Callable[[], T]) -> T:
    """Run a look at the disk in a thread; a thread that hangs is left behind."""
    with anyio.move_on_after(DISK_LIMIT):
        return await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
    raise DecisionRefused(
        "The files could not be looked at in time.",
        advice="See whether their disk or network answers, then decide again.",
    )


def settle_after_crash(approval: Approval) -> FilesSettled:
    """Say what the disk holds of a patch that was accepted before a crash; blocking."""
    return settle_by_hunks(approval.files, approval_id=approval.id)


def clear_after_crash(state: SessionState) -> None:
    """Remove what lay ready for patches when Autopilot ended; blocking."""
    for approval in (*state.pending.values(), *state.unsettled.values()):
        clear(tag_of(approval.id), affected_paths(approval.files))
