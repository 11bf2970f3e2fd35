"""What the person saved in a file after a patch for it was proposed.

A file that changed on disk since the proposal refuses an accept, unless it holds exactly what a person saved
in an editor: then the patch is one for the saved text, with its hunks where they are there. `require_savable`
tells before anything is saved whether that will do. Blocking. Not aware of who decides; `patches` stands
above, `edits.rebase` and `edits.merge` below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autopilot_ls.edits.check import is_clean
from autopilot_ls.edits.merge import merge
from autopilot_ls.edits.paths import same_place, shown
from autopilot_ls.edits.promise import promise
from autopilot_ls.edits.rebase import rebased
from autopilot_ls.edits.snapshot import FileState, capture, same
from autopilot_ls.model.approvals import ChangeKind, FileChange
from autopilot_ls.model.errors import DecisionRefused, PatchInvalid
from autopilot_ls.supervisor.views import OpenDocument

_ADVICE: Final = "Save first, and then decide hunk by hunk; or reject."
_SAVED_ADVICE: Final = "Decide hunk by hunk, or reject; the agent can then propose anew."


@dataclass(frozen=True, slots=True)
class SavedSince:
    """A patch for what was saved since it was proposed.

    Attributes:
        files: The patch, or a part of it.
        states: The files that were saved since, as they are now.
    """

    files: tuple[FileChange, ...]
    states: Mapping[Path, FileState]


def saved_since(
    files: Sequence[FileChange],
    at_proposal: Mapping[Path, FileState],
    documents: Sequence[OpenDocument],
    root: Path,
) -> SavedSince:
    """Return changes as they are for what the person has saved since.

    A file that holds anything else than what was proposed for and what was saved stays as it is here,
    and is refused by the check of the patch.

    Args:
        files: The changes as they were proposed.
        at_proposal: The files as they were then, with their contents where these are known.
        documents: What is open in all editors.
        root: The folder that names in messages are relative to.

    Raises:
        DecisionRefused: What was saved overlaps a hunk.
    """
    found: list[FileChange] = []
    states: dict[Path, FileState] = {}
    for change in files:
        path = Path(change.path)
        then = at_proposal.get(path)
        now = _saved(path, documents) if then is not None and _is_plain(change) else None
        if then is None or then.data is None or now is None or same(then, now):
            found.append(change)
            continue
        try:
            found.append(rebased(change, then.data, now.data or b""))
        except PatchInvalid as error:
            raise DecisionRefused(
                f"Nothing was accepted: it does not fit what you saved in {shown(path, root)}. "
                f"{error.message}",
                advice=_SAVED_ADVICE,
            ) from error
        states[path] = now
    return SavedSince(tuple(found), states)


def _is_plain(change: FileChange) -> bool:
    return change.kind is ChangeKind.UPDATE and not change.problem


def _saved(path: Path, documents: Sequence[OpenDocument]) -> FileState | None:
    """Return a file with its content, if it holds what a person saved last in some editor."""
    texts = [d.saved for d in documents if d.saved is not None and same_place(path, d.path)]
    if not texts:
        return None
    now = capture((path,))[path]
    if now.data is None or not any(is_clean(text, now.data) for text in texts):
        return None
    return now


def require_savable(
    files: Sequence[FileChange],
    unsaved: Sequence[str],
    at_proposal: Mapping[Path, FileState],
    documents: Sequence[OpenDocument],
    root: Path,
) -> None:
    """Check that changes will still fit when what is unsaved has been saved.

    Args:
        files: The changes as they were proposed.
        unsaved: Paths of those that are open with unsaved changes.
        at_proposal: The files as they were then, with their contents where these are known.
        documents: What is open in all editors.
        root: The folder that names in messages are relative to.

    Raises:
        DecisionRefused: They will not, or that cannot be told.
    """
    for change in files:
        if change.path not in unsaved:
            continue
        try:
            _require_fit(change, at_proposal.get(Path(change.path)), documents)
        except PatchInvalid as error:
            raise DecisionRefused(
                f"Nothing was accepted or saved: the change does not fit the unsaved text of "
                f"{shown(Path(change.path), root)}. {error.message}",
                advice=_ADVICE,
            ) from error


def _require_fit(
    change: FileChange, then: FileState | None, documents: Sequence[OpenDocument]
) -> None:
    if not _is_plain(change):
        raise PatchInvalid("The whole file is to be added or deleted.")
    if then is None or then.data is None:
        raise PatchInvalid("What it held when the change was proposed is not known.")
    wanted = promise(change, then.data)
    for document in documents:
        if change.hunks and wanted is not None and same_place(Path(change.path), document.path):
            merge(then.data, document.text, wanted)
