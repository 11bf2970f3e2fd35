"""After the agent had its answer: what did it leave on disk?

The disk is the witness, not the agent's report. What was promised is compared with what is there; a
patch that failed half-way is brought back to what was before. Blocking; run it in a thread. Not aware
of how the agent reports; `supervisor` stands above, `promise` and `snapshot` below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from autopilot_ls.edits.leftovers import tag_of
from autopilot_ls.edits.paths import shown
from autopilot_ls.edits.promise import promise
from autopilot_ls.edits.snapshot import MAX_KEPT, FileState, Restored, capture, holds, restore, same
from autopilot_ls.model.approvals import FileChange
from autopilot_ls.model.events import FilesSettled

_NAMED: Final = 3
_READ_LIMIT: Final = 4 * MAX_KEPT

Outcome = Literal["applied", "partial", "different", "unchanged"]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the disk says.

    Attributes:
        outcome: `partial`: each file is either as promised or as before, and both occur;
            `different`: some file is neither.
        changed: Files that are not what they were before.
        strange: Files that are neither what they were nor what was promised.
    """

    outcome: Outcome
    changed: tuple[Path, ...]
    strange: tuple[Path, ...]


def promised_contents(
    files: Iterable[FileChange], before: Mapping[Path, FileState]
) -> dict[Path, bytes | None]:
    """Return what each affected file will hold when the patch is applied; None: it will be gone.

    Args:
        files: The patch by hunks.
        before: The snapshot that `check_acceptable` returned.

    Raises:
        PatchInvalid: A change does not fit; `check_acceptable` would have refused it.
    """
    contents: dict[Path, bytes | None] = {}
    for change in files:
        path = Path(change.path)
        content = promise(change, before[path].data)
        if change.move_to is None:
            contents[path] = content
        else:
            contents[path] = None
            contents[Path(change.move_to)] = content
    return contents


def compare(
    before: Mapping[Path, FileState],
    promised: Mapping[Path, bytes | None],
    now: Mapping[Path, FileState],
) -> Settlement:
    """Compare what is on disk with what was there and with what was promised."""
    changed = tuple(path for path, state in before.items() if not same(now[path], state))
    kept = [path for path, content in promised.items() if holds(now[path], content)]
    strange = tuple(path for path in changed if path not in kept)
    outcome: Outcome
    if len(kept) == len(promised):
        outcome = "applied"
    elif not changed:
        outcome = "unchanged"
    else:
        outcome = "different" if strange else "partial"
    return Settlement(outcome, changed, strange)


def settle(
    files: Sequence[FileChange],
    *,
    approval_id: str,
    before: Mapping[Path, FileState],
    failed: bool,
    root: Path | None = None,
) -> FilesSettled:
    """Look at the disk after an accepted patch, and bring back what a failed one left half-written.

    Args:
        files: The patch by hunks.
        approval_id: Whose patch it is, for the event.
        before: The snapshot that `check_acceptable` returned.
        failed: Whether the agent said that the patch failed, or died before it said anything.
        root: The folder that names in the detail are relative to.
    """
    promised = promised_contents(files, before)
    found = compare(before, promised, capture(before, keep=False, limit=_READ_LIMIT))
    if failed and found.outcome in ("partial", "different"):
        done = restore(before, written=promised, tag=tag_of(approval_id))
        return _restored(approval_id, found.changed, done, root)
    detail = {
        "applied": f"Applied as shown: {_names(promised, root)}.",
        "partial": (
            f"Only a part of the patch is on disk: {_names(found.changed, root)}. "
            "Look at the files before you go on."
        ),
        "different": (
            f"Not what the patch showed is now in {_names(found.strange, root)}. "
            "Look at the file before you go on."
        ),
        "unchanged": "The agent could not apply the patch; no file was changed."
        if failed
        else "The agent said that it applied the patch, but no file was changed.",
    }[found.outcome]
    outcome = "different" if found.outcome == "partial" else found.outcome
    return _event(approval_id, outcome, found.changed, detail)


def settle_taken_back(
    approval_id: str, done: Restored, *, root: Path | None = None
) -> FilesSettled:
    """Return what became of a patch that could not be put into place, and was taken back.

    Args:
        approval_id: Whose patch it is, for the event.
        done: What was taken back.
        root: The folder that names in the detail are relative to.
    """
    changed = (*done.paths, *done.conflicts, *(path for path, _ in done.failed))
    if not changed:
        return _event(approval_id, "unchanged", (), "Nothing was written.")
    return _restored(approval_id, changed, done, root)


def _restored(
    approval_id: str, changed: Sequence[Path], done: Restored, root: Path | None
) -> FilesSettled:
    stuck = (*done.conflicts, *(path for path, _ in done.failed))
    if not stuck:
        detail = f"The patch failed half-way; restored to what it was before: {_names(done.paths, root)}."
        return _event(approval_id, "restored", changed, detail)
    parts = ["The patch failed half-way."]
    if done.paths:
        parts.append(f"Restored: {_names(done.paths, root)}.")
    if done.conflicts:
        parts.append(
            f"Left alone, because it holds something else than the patch: {_names(done.conflicts, root)}."
        )
    parts.extend(f"Could not restore {shown(path, root)}: {why}." for path, why in done.failed)
    parts.append("Look at these files before you go on.")
    return _event(approval_id, "different", changed, " ".join(parts))


def _event(
    approval_id: str,
    outcome: Literal["applied", "different", "restored", "unchanged"],
    paths: Iterable[Path],
    detail: str,
) -> FilesSettled:
    return FilesSettled(
        approval_id=approval_id,
        outcome=outcome,
        paths=tuple(str(path) for path in paths),
        detail=detail,
    )


def _names(paths: Iterable[Path], root: Path | None) -> str:
    names = [shown(path, root) for path in paths]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
