"""Accepted hunks that go into an editor's unsaved text instead of to disk.

`require_mergeable` finds before anything has happened what cannot be merged; `put_into` has the one editor
take the edit, made anew for the text as it is then. Not aware of who decides, of the disk's part of a
patch, or of how an editor is spoken to. `patches` and `partial` stand above, `edits.merge` below.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from autopilot_ls.edits.check import is_clean
from autopilot_ls.edits.merge import Merged, merge
from autopilot_ls.edits.paths import affected, same_place, shown
from autopilot_ls.edits.promise import promise
from autopilot_ls.edits.snapshot import FileState, read_target
from autopilot_ls.model.approvals import ChangeKind, FileChange
from autopilot_ls.model.errors import DecisionRefused, PatchInvalid
from autopilot_ls.supervisor.views import OpenDocument

ATTEMPTS: Final = 3
"""How often an edit is made anew when the person types faster than the editor takes it."""

_ADVICE: Final = "Save first and decide again, decide hunk by hunk, or reject."


def unsaved_among(
    files: Iterable[FileChange], documents: Sequence[OpenDocument]
) -> tuple[str, ...]:
    """Return the paths of those changed files that are open with unsaved changes; blocking.

    What is renamed counts by both its names. A file that cannot be read counts as saved here, since
    the check of the patch refuses it.
    """
    found: list[str] = []
    for change in files:
        for path in affected(change):
            here = [document for document in documents if same_place(path, document.path)]
            if not here:
                continue
            try:
                disk = read_target(path)
            except PatchInvalid:
                continue
            if not all(is_clean(document.text, disk) for document in here):
                found.append(change.path)
                break
    return tuple(dict.fromkeys(found))


def require_mergeable(
    files: Sequence[FileChange],
    merged: Collection[Path],
    before: Mapping[Path, FileState],
    documents: Sequence[OpenDocument],
    root: Path,
) -> None:
    """Check that each of these files can take its changes in the editor that has it open; blocking.

    Args:
        files: The chosen part of the patch.
        merged: Those of its files that are to be merged.
        before: The files as they are on disk, with their contents.
        documents: What is open in all editors.
        root: The folder that names in messages are relative to.

    Raises:
        DecisionRefused: One cannot.
    """
    for path in merged:
        touching = [change for change in files if path in affected(change)]
        name = shown(path, root)
        if len(touching) != 1 or not _is_plain(touching[0]):
            raise DecisionRefused(
                f"Save {name} first: only changes of a file's lines go into unsaved text.",
                advice="Or discard its changes, or reject.",
            )
        try:
            _merged(touching[0], before[path].data, _document(path, before[path].data, documents))
        except PatchInvalid as error:
            raise DecisionRefused(
                f"Nothing was accepted: the change cannot go into the unsaved text of {name}. "
                f"{error.message}",
                advice=_ADVICE,
            ) from error


def _is_plain(change: FileChange) -> bool:
    return change.kind is ChangeKind.UPDATE and change.move_to is None and bool(change.hunks)


def _document(path: Path, disk: bytes | None, documents: Sequence[OpenDocument]) -> OpenDocument:
    """Return the one document with unsaved changes of a file, or else one that is open.

    Raises:
        PatchInvalid: There is not exactly one, or its editor takes no edits.
    """
    here = [document for document in documents if same_place(path, document.path)]
    unsaved = [document for document in here if not is_clean(document.text, disk)] or here[:1]
    if not unsaved:
        raise PatchInvalid("It is no longer open in an editor.")
    if len(unsaved) > 1:
        raise PatchInvalid("It has unsaved changes in more than one place.")
    if unsaved[0].put is None:
        raise PatchInvalid("The editor cannot take it, or has the file open more than once.")
    return unsaved[0]


def _merged(change: FileChange, disk: bytes | None, document: OpenDocument) -> Merged:
    wanted = promise(change, disk)
    if disk is None or wanted is None:
        raise PatchInvalid("There is no such file.")
    return merge(disk, document.text, wanted)


async def put_into(
    change: FileChange, disk: bytes | None, documents: Callable[[], Sequence[OpenDocument]]
) -> str:
    """Have the one editor take the changes of a file; returns why it did not, empty when it did."""
    for _ in range(ATTEMPTS):
        try:
            document = _document(Path(change.path), disk, documents())
            wanted = _merged(change, disk, document)
        except PatchInvalid as error:
            return error.message
        if document.put is None:
            break
        outcome = await document.put(wanted)
        if outcome == "done":
            return ""
        if outcome == "failed":
            return "The editor did not take it, or not in time: look at its text."
    return "The text kept changing."
