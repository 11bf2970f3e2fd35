"""A proposed change of lines, for the file as the person has saved it since.

`rebased` moves the hunks with the lines that came and went elsewhere in the file. Where the person changed
the hunks' own lines, or lines right beside them, it refuses: nobody's lines are ever given up. Exact bytes.
Pure. Not aware of who saved, or how that is known; `supervisor.saved` stands above, `compare` below.
"""

from __future__ import annotations

from collections.abc import Sequence

from autopilot_ls.edits.compare import Change, changes
from autopilot_ls.edits.lines import split
from autopilot_ls.edits.promise import promise
from autopilot_ls.model.approvals import ChangeKind, FileChange, Hunk
from autopilot_ls.model.errors import PatchInvalid


def rebased(change: FileChange, base: bytes, now: bytes) -> FileChange:
    """Return the change as it is for another content of its file.

    Args:
        change: A change of lines, and perhaps of the file's name.
        base: What the file held when the change was proposed.
        now: What it holds now.

    Raises:
        PatchInvalid: It is another kind of change, or both changed the same or neighbouring lines.
    """
    if change.kind is not ChangeKind.UPDATE:
        raise PatchInvalid("The whole file is to be added or deleted.")
    promise(change, base)
    old = split(base)
    made = list(changes(old, split(now)))
    return change.model_copy(
        update={"hunks": tuple(_moved(hunk, made, old) for hunk in change.hunks)}
    )


def _moved(hunk: Hunk, made: Sequence[Change], old: Sequence[bytes]) -> Hunk:
    start = hunk.old_start - 1
    end = start + len(hunk.old_lines)
    if tuple(old[start:end]) != tuple(line.encode() for line in hunk.old_lines):
        raise PatchInvalid(f"The text expected at line {hunk.old_start} was not there.")
    shift = 0
    for other in made:
        if other.old_start <= end and start <= other.old_end:
            raise PatchInvalid(
                "You have changed the same lines, or lines right beside them, at line "
                f"{other.new_start + 1}."
            )
        if other.old_end < start:
            shift += (other.new_end - other.new_start) - (other.old_end - other.old_start)
    moved = {"old_start": hunk.old_start + shift, "new_start": hunk.new_start + shift}
    return hunk.model_copy(update=moved)
