"""What a file will hold if a proposed change is accepted.

Pure: bytes in, bytes out. The agent applies its patch to the file as it is at that moment, so
`promise` looks where the hunks fit now: at their exact places, else at places that are the only
ones. What is ambiguous is refused. `apply_hunks` makes some of the hunks only. Not aware of the disk;
`check` and `settle` stand above, `lines` below.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from autopilot_ls.edits.lines import Edit, splice, split
from autopilot_ls.model.approvals import ChangeKind, FileChange, Hunk
from autopilot_ls.model.errors import PatchInvalid


def promise(change: FileChange, disk: bytes | None) -> bytes | None:
    """Return what accepting the change will leave, at `move_to` when it renames the file.

    Args:
        change: The change.
        disk: What the file holds now; None when there is none.

    Returns:
        The new content; None when the file will be gone.

    Raises:
        PatchInvalid: The change has a problem, or does not fit what is on disk.
    """
    if change.problem:
        raise PatchInvalid(change.problem)
    if change.kind is ChangeKind.ADD:
        if disk is not None:
            raise PatchInvalid("The file to be added exists.")
        return _encode(line for hunk in change.hunks for line in hunk.new_lines)
    if disk is None:
        raise PatchInvalid("The file does not exist.")
    if change.kind is ChangeKind.DELETE:
        if disk != _encode(line for hunk in change.hunks for line in hunk.old_lines):
            raise PatchInvalid("The file to be deleted holds something else than was shown.")
        return None
    lines = split(disk)
    return splice(lines, _located(lines, [_edit(hunk) for hunk in change.hunks]))


def apply_hunks(old: bytes, change: FileChange, accepted_ids: Collection[str]) -> bytes:
    """Return the text with only the accepted hunks made.

    Args:
        old: The text that the change was proposed for; empty for a file to be added.
        change: The change; its renaming, if any, is not part of this.
        accepted_ids: Ids of the hunks to make. Deleting all lines leaves an empty text.

    Raises:
        PatchInvalid: An id is not one of the change's, or a hunk does not fit.
    """
    unknown = set(accepted_ids) - {hunk.id for hunk in change.hunks}
    if unknown:
        raise PatchInvalid(f"The change has no hunk {min(unknown)}.")
    return splice(split(old), [_edit(hunk) for hunk in change.hunks if hunk.id in accepted_ids])


def _edit(hunk: Hunk) -> Edit:
    return Edit(
        hunk.old_start - 1,
        tuple(line.encode() for line in hunk.old_lines),
        tuple(line.encode() for line in hunk.new_lines),
    )


def _encode(lines: Iterable[str]) -> bytes:
    return "".join(lines).encode()


def _located(lines: Sequence[bytes], edits: list[Edit]) -> list[Edit]:
    if all(edit.start >= 0 and _fits(lines, edit, edit.start) for edit in edits):
        return edits
    return [_unique(lines, edit) for edit in edits]


def _fits(lines: Sequence[bytes], edit: Edit, start: int) -> bool:
    end = start + len(edit.old)
    return end <= len(lines) and tuple(lines[start:end]) == edit.old


def _unique(lines: Sequence[bytes], edit: Edit) -> Edit:
    if not edit.old:
        raise PatchInvalid(
            f"The file changed, and nothing tells where the lines of line {edit.start + 1} go now."
        )
    places = [start for start in range(len(lines)) if _fits(lines, edit, start)]
    if len(places) != 1:
        found = "no longer in the file" if not places else "in the file more than once"
        raise PatchInvalid(f"The text expected at line {edit.start + 1} is {found}.")
    return Edit(places[0], edit.old, edit.new)
