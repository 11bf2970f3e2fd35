"""Several who changed one file between two looks, told apart: patches, and what else was at work.

A patch is known word for word, so what others did to the file shows when it is taken out of it. What cannot be
told apart is nobody's. Reads nothing. `files` stands above, `attribution` and `edits.promise` below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from autopilot_ls.edits.aftermath import undone
from autopilot_ls.edits.history import Content
from autopilot_ls.edits.promise import promise
from autopilot_ls.edits.weave import Author, Step
from autopilot_ls.model.approvals import ChangeKind, FileChange
from autopilot_ls.model.errors import PatchInvalid
from autopilot_ls.supervisor.review.attribution import (
    PATCH,
    Evidence,
    Patched,
    at_work,
    attribute,
    session_of,
)

Part = tuple[Content, Step, bool]
"""What a file was after somebody's change, who that was, and whether a person has seen it already."""


def told_apart(
    path: str, before: Content, now: Content, modified: float | None, evidence: Evidence
) -> Sequence[Part]:
    """Return by which steps a file came from one content to another.

    Args:
        path: Relative to the workspace.
        before: What it was at the last look.
        now: What it is.
        modified: When it was written, in seconds since the epoch; None when it is gone.
        evidence: What is known of the time in which it was changed; learns which patches are in it.
    """
    step, reviewed = attribute(path, modified, evidence)
    patches = evidence.patches_of(path)
    pending = evidence.accepted.get(path, [])
    sessions = {session_of(each.turn) for each in (*patches, *pending, *evidence.work.values())}
    sessions |= {evidence.doubtful[path]} if path in evidence.doubtful else set()
    if step.by != PATCH:
        return [(now, step, reviewed)]
    parts: list[Part] = []
    found: list[Patched] = []
    content = now
    for patched in reversed(patches):
        if content == before:
            break  # What was written before that, the last look has seen already.
        without = _without(content, before, patched)
        if without is None:
            is_one = len(sessions) == 1
            return [(now, step, reviewed) if is_one else (now, Step(Author.UNKNOWN), False)]
        parts.insert(0, (content, Step(Author.AGENT, patched.turn, PATCH), patched.reviewed))
        found.append(patched)
        content = without
    for patched in found:
        evidence.saw(patched)
    if content != before:
        # Until a patch is settled, it may be its own agent that writes something else.
        others = Step(Author.UNKNOWN) if pending else at_work(path, None, evidence)
        parts.insert(0, (content, others, False))
    return parts


def came_and_went(evidence: Evidence) -> Mapping[str, Content]:
    """Return what files were that a patch deleted, by path; some of them no look has ever seen."""
    found: dict[str, Content] = {}
    for path in evidence.patches:
        patches = evidence.patches_of(path)
        data = _deleted(patches[0].change) if len(patches) == 1 else None
        if data is not None:
            found[path] = Content("file", data)
    return found


def _deleted(change: FileChange | None) -> bytes | None:
    """Return what a file was that a patch deleted; None if it deleted none, or that is not known."""
    if change is None or change.kind is not ChangeKind.DELETE or not change.hunks:
        return None
    try:
        return promise(undone(change), None)
    except PatchInvalid:
        return None


def _without(content: Content, before: Content, patched: Patched) -> Content | None:
    """Return what a file was before a patch was written to it, None if that cannot be told."""
    change = patched.change
    if change is None or content.kind == "link":
        return None
    is_moved = change.move_to is not None and not patched.renamed
    goes = is_moved or change.kind is ChangeKind.DELETE
    if goes != (content.kind == "absent"):
        return None
    if goes:
        was = _deleted(change) if before.kind == "file" else None
        return before if was is None else replace(before, data=was)
    try:
        old = promise(undone(change), content.data)
        only_takes = change.hunks and not any(hunk.new_lines for hunk in change.hunks)
        if only_takes and old != before.data and _fits(change, content.data):
            return None  # What it takes out stands there still.
    except PatchInvalid:
        return None
    # What a renamed file was is known at its old name only.
    return before if old is None or patched.renamed else replace(content, data=old)


def _fits(change: FileChange, data: bytes) -> bool:
    try:
        promise(change, data)
    except PatchInvalid:
        return False
    return True
