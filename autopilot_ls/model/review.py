"""A patch as what a person decides on one by one, and what is left of it when some is chosen.

Pure. A *unit* is one hunk, or a whole change that has none (an empty file, a mere rename). Not aware of
who decides or how a choice is carried out; `state` and the supervisor stand above, `approvals` below.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from autopilot_ls.model.approvals import (
    Approval,
    Decision,
    DecisionKind,
    FileChange,
    Hunk,
    HunkMark,
    Mark,
)
from autopilot_ls.model.errors import InvalidRequest

_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class Unit:
    """What is decided on by itself.

    Attributes:
        id: The hunk's, or the file's where it has no hunk.
        file_id: The id that stands for all units of the file.
        number: Which of the file's units it is, from 1.
        of: How many units the file has.
    """

    id: str
    file_id: str
    file: FileChange
    hunk: Hunk | None
    number: int
    of: int


def file_id(approval_id: str, index: int) -> str:
    """Return the id that stands for a whole file of a patch; `index` is its place, from 0."""
    return f"{approval_id}-f{index}"


def units_of(approval: Approval) -> Iterator[Unit]:
    """Yield the units of a patch in order; nothing for other actions."""
    for index, file in enumerate(approval.files):
        whole = file_id(approval.id, index)
        if not file.hunks:
            yield Unit(whole, whole, file, None, 1, 1)
        for number, hunk in enumerate(file.hunks, 1):
            yield Unit(hunk.id, whole, file, hunk, number, len(file.hunks))


def expanded(approval: Approval, ids: Iterable[str]) -> tuple[str, ...]:
    """Return the units that are meant, in the patch's order: ids of hunks, or of files for all of theirs.

    Raises:
        InvalidRequest: An id is none of this approval's.
    """
    wanted = set(ids)
    known: set[str] = set()
    found: list[str] = []
    for unit in units_of(approval):
        known |= {unit.id, unit.file_id}
        if wanted & {unit.id, unit.file_id}:
            found.append(unit.id)
    unknown = sorted(wanted - known)
    if unknown:
        raise InvalidRequest(
            f"Approval {approval.id} has no hunk {', '.join(unknown[:_MAX_NAMED])[:300]}.",
            advice="Its hunks are in autopilot.approval.list; a whole file is "
            f"{file_id(approval.id, 0)} and so on.",
        )
    return tuple(found)


def chosen(approval: Approval, accepted: Collection[str] | None) -> tuple[FileChange, ...]:
    """Return the patch with only the accepted units, as a patch of its own.

    Args:
        approval: About a patch.
        accepted: Ids of units; None for all of them.
    """
    if accepted is None:
        return approval.files
    wanted = set(accepted)
    files: list[FileChange] = []
    for index, file in enumerate(approval.files):
        if not file.hunks:
            if file_id(approval.id, index) in wanted:
                files.append(file)
            continue
        hunks = tuple(hunk for hunk in file.hunks if hunk.id in wanted)
        if len(hunks) == len(file.hunks):
            files.append(file)
        elif hunks:
            files.append(file.model_copy(update={"hunks": _renumbered(hunks)}))
    return tuple(files)


def _renumbered(hunks: Sequence[Hunk]) -> tuple[Hunk, ...]:
    """Return the hunks at the places they have when no others are made."""
    shift = 0
    found: list[Hunk] = []
    for hunk in hunks:
        start = hunk.old_start + shift
        found.append(
            hunk if start == hunk.new_start else hunk.model_copy(update={"new_start": start})
        )
        shift += len(hunk.new_lines) - len(hunk.old_lines)
    return tuple(found)


def marked(
    approval: Approval, ids: Iterable[str], mark: Mark | None, message: str, by: str
) -> tuple[HunkMark, ...]:
    """Return all choices for the hunks of an approval when these are made too.

    Args:
        approval: With the choices so far.
        ids: Units, or files for all of theirs.
        mark: The choice; None takes it back.
        message: Why.
        by: Who chose.

    Raises:
        InvalidRequest: An id is none of this approval's, or what is accepted cannot be.
    """
    meant = set(expanded(approval, ids))
    if not meant:
        raise InvalidRequest("No hunk was named.", advice="Give `hunks`.")
    before = {choice.hunk_id: choice for choice in approval.marks}
    choices: list[HunkMark] = []
    for unit in units_of(approval):
        if unit.id not in meant:
            choices += [before[unit.id]] if unit.id in before else []
            continue
        if mark is None:
            continue
        if mark is Mark.ACCEPT and unit.file.problem:
            raise InvalidRequest(unit.file.problem, advice="Reject this file.")
        kept = before.get(unit.id)
        fresh = HunkMark(hunk_id=unit.id, mark=mark, message=message, marked_by=by)
        same = kept is not None and (kept.mark, kept.message) == (mark, message)
        choices.append(kept if kept is not None and same else fresh)
    return tuple(choices)


def completed(approval: Approval, by: str) -> Decision | None:
    """Return the decision that the choices make together; None while one is missing."""
    choices = {choice.hunk_id: choice for choice in approval.marks}
    units = [unit.id for unit in units_of(approval)]
    if not units or any(unit not in choices for unit in units):
        return None
    accepted = tuple(unit for unit in units if choices[unit].mark is Mark.ACCEPT)
    reasons = {
        unit: choices[unit].message
        for unit in units
        if choices[unit].message and unit not in accepted
    }
    if not accepted:
        return Decision(kind=DecisionKind.DECLINE, decided_by=by, reasons=reasons)
    return Decision(
        kind=DecisionKind.ACCEPT,
        decided_by=by,
        hunks=None if len(accepted) == len(units) else accepted,
        reasons=reasons,
    )
