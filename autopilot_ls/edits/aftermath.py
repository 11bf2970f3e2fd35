"""What became of a patch whose application nobody watched.

After a crash there is no snapshot of before: only the hunks and what is on disk now. Blocking. Not aware
of crashes or sessions; `supervisor` stands above, `promise` and `snapshot` below.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autopilot_ls.edits.paths import shown
from autopilot_ls.edits.promise import promise
from autopilot_ls.edits.snapshot import read_target
from autopilot_ls.model.approvals import ChangeKind, FileChange, Hunk
from autopilot_ls.model.errors import PatchInvalid
from autopilot_ls.model.events import FilesSettled


def settle_by_hunks(
    files: Sequence[FileChange], *, approval_id: str, root: Path | None = None
) -> FilesSettled:
    """Say what the disk holds of a patch: all of it, nothing of it, or neither for certain.

    Args:
        files: The patch by hunks.
        approval_id: The approval that it was accepted by.
        root: The folder that names in the detail are relative to.
    """
    written = [change for change in files if _fits(undone(change), _target(change))]
    untouched = [change for change in files if _fits(change, Path(change.path))]
    paths = tuple(change.move_to or change.path for change in files)
    names = ", ".join(shown(path, root) for path in paths[:3])
    outcome, detail = (
        "different",
        (
            f"Autopilot ended while a patch was being applied to {names}, and how much of it is on "
            "disk cannot be told. Look at the files before you go on."
        ),
    )
    if len(written) == len(files) and not untouched:
        outcome, detail = "applied", f"Applied as shown: {names}."
    elif len(untouched) == len(files) and not written:
        outcome, detail = "unchanged", f"The accepted patch never reached {names}."
    return FilesSettled(approval_id=approval_id, outcome=outcome, paths=paths, detail=detail)


def _target(change: FileChange) -> Path:
    return Path(change.move_to or change.path)


def _fits(change: FileChange, path: Path) -> bool:
    try:
        promise(change, read_target(path))
    except PatchInvalid:
        return False
    return True


_UNDOING = {
    ChangeKind.ADD: ChangeKind.DELETE,
    ChangeKind.DELETE: ChangeKind.ADD,
    ChangeKind.UPDATE: ChangeKind.UPDATE,
}


def undone(change: FileChange) -> FileChange:
    """Return the change that would take this one back."""
    hunks = tuple(
        Hunk(
            id=hunk.id,
            old_start=hunk.new_start,
            old_lines=hunk.new_lines,
            new_start=hunk.old_start,
            new_lines=hunk.old_lines,
        )
        for hunk in change.hunks
    )
    return change.model_copy(update={"kind": _UNDOING[change.kind], "hunks": hunks})
