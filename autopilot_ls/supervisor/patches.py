"""The patches of a session from proposal to proof.

Remembers what the disk held when a patch was proposed, checks the person's text before it is accepted,
keeps the snapshot to restore from, and settles by the disk what the agent did. Not aware of who
decides or of how the agent reports. `broker` and `session` stand above, `edits` below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio.to_thread

from autopilot_ls.edits.aftermath import settle_by_hunks
from autopilot_ls.edits.check import affected_paths, check_acceptable, check_documents
from autopilot_ls.edits.convert import file_changes
from autopilot_ls.edits.settle import settle
from autopilot_ls.edits.snapshot import FileState, capture, read_target
from autopilot_ls.model.approvals import Action, Approval, FileChange, PatchAction
from autopilot_ls.model.errors import DecisionRefused
from autopilot_ls.model.events import FilesSettled
from autopilot_ls.model.items import FileChanges, ItemStatus
from autopilot_ls.supervisor.views import ClientView, OpenDocument

Views = Callable[[], Iterable[ClientView]]


@dataclass(slots=True)
class _Patch:
    files: tuple[FileChange, ...]
    at_proposal: Mapping[Path, FileState]
    item_id: str | None = None
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

    def examine(self, approval_id: str, action: Action) -> tuple[FileChange, ...]:
        """Return a patch by hunks, and remember what the disk holds now; nothing for other actions.

        Blocking, but only for the reading of the files concerned, whose size is bounded.
        """
        if not isinstance(action, PatchAction):
            return ()
        files = file_changes(
            action.changes, approval_id=approval_id, read=read_target, root=self._workspace()
        )
        try:
            state = capture(affected_paths(files), keep=False)
        except DecisionRefused:
            state = {}  # Too large to look at, hence unknown, which refuses an accept later.
        self._patches[approval_id] = _Patch(files, state)
        return files

    def _documents(self) -> list[OpenDocument]:
        return [document for view in self._views() for document in view.open_documents()]

    async def check(self, approval: Approval) -> None:
        """Check that accepting would lose nothing, and keep what is needed to restore.

        Raises:
            DecisionRefused: It would; the message names the file and what to do.
        """
        patch = self._patches.get(approval.id)
        if patch is None:
            return
        patch.before = await anyio.to_thread.run_sync(
            partial(
                check_acceptable,
                patch.files,
                disk_at_proposal=patch.at_proposal,
                documents=self._documents(),
                root=self._workspace(),
            )
        )
        # The person may have typed while the disk was read.
        documents = self._documents()
        for state in patch.before.values():
            check_documents(state, documents, self._workspace())
        patch.item_id = approval.item_id

    def forget(self, approval_id: str) -> None:
        """Drop a patch that was not accepted."""
        self._patches.pop(approval_id, None)

    async def settle(self, item: FileChanges) -> FilesSettled | None:
        """Look at the disk after the agent reported on an accepted patch; None for any other."""
        found = next(
            ((key, patch) for key, patch in self._patches.items() if patch.item_id == item.id),
            None,
        )
        if found is None:
            return None
        return await self._settle(*found, failed=item.status is not ItemStatus.COMPLETED)

    async def settle_rest(self) -> list[FilesSettled]:
        """Settle the accepted patches on which the agent never reported, because it ended."""
        accepted = [(key, patch) for key, patch in self._patches.items() if patch.item_id]
        settled = [await self._settle(key, patch, failed=True) for key, patch in accepted]
        self._patches.clear()
        return settled

    async def _settle(self, approval_id: str, patch: _Patch, *, failed: bool) -> FilesSettled:
        self._patches.pop(approval_id, None)
        return await anyio.to_thread.run_sync(
            partial(
                settle,
                patch.files,
                approval_id=approval_id,
                before=patch.before,
                failed=failed,
                root=self._workspace(),
            )
        )


def settle_after_crash(approval: Approval) -> FilesSettled:
    """Say what the disk holds of a patch that was accepted before a crash; blocking."""
    return settle_by_hunks(approval.files, approval_id=approval.id)
