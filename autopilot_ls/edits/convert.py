"""From what an agent proposes to what a person reviews: exact hunks.

`file_changes` never raises for what an agent sent: a change that cannot be understood, does not fit
the file it is for, or must not be accepted gets a `problem`, which later stages refuse. Reads files
through a callback only. Not aware of approvals' life nor of editors; `promise` and `check` take what
comes out, `unified`, `lines` and `paths` stand below.

Text is UTF-8 here, as it is for the agents that send it. A file with other bytes can still be changed
in the lines that are UTF-8; a change whose own lines are not cannot be shown, and gets a problem.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autopilot_ls.edits.compare import changes as changes_between
from autopilot_ls.edits.lines import Edit, splice, split
from autopilot_ls.edits.paths import absolute, inside, real, shown
from autopilot_ls.edits.unified import parse
from autopilot_ls.model.approvals import ChangeKind, FileChange, Hunk, ProposedChange
from autopilot_ls.model.errors import PatchInvalid

MAX_TEXT: Final = 16 * 1024 * 1024
"""Bytes of a proposed text that can still be reviewed by hunks."""

Read = Callable[[Path], bytes | None]
"""Returns a file's bytes, None when there is none; raises `PatchInvalid` or `OSError`."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A change on its way: what `FileChange` has, with edits in place of hunks."""

    path: str
    kind: ChangeKind
    move_to: str | None = None
    edits: tuple[tuple[Edit, int], ...] = ()
    problem: str = ""


def file_changes(
    changes: Sequence[ProposedChange],
    *,
    approval_id: str,
    read: Read,
    root: Path | None = None,
) -> tuple[FileChange, ...]:
    """Return the changes by hunks, in the agent's order.

    Adding over a file that exists comes out as an update from what the file holds, since that is
    what would happen.

    Args:
        changes: The patch as the agent worded it.
        approval_id: Becomes part of the hunks' ids.
        read: How to read a file as it is now, for example `snapshot.read_target`. Blocking.
        root: The session's folder: relative paths start there, and what lies outside of it gets a
            problem. None: paths must be absolute and may lie anywhere.
    """
    drafts = [_draft(change, read, root) for change in changes]
    named = [name for draft in drafts for name in _names(draft)]
    # A patch of one file, as most are, need not be compared with itself.
    touched = Counter(_key(name) for name in named) if len(named) > 1 else Counter[str]()
    counter = 0
    result: list[FileChange] = []
    for draft in drafts:
        problem = draft.problem
        if touched and not problem and any(touched[_key(name)] > 1 for name in _names(draft)):
            problem = f"{shown(draft.path, root)} is named more than once in this patch."
        hunks: list[Hunk] = []
        for edit, new_at in draft.edits:
            hunks.append(_hunk(edit, new_at, f"{approval_id}-h{counter}"))
            counter += 1
        result.append(
            FileChange(
                path=draft.path,
                kind=draft.kind,
                move_to=draft.move_to,
                hunks=tuple(hunks),
                problem=problem,
            )
        )
    return tuple(result)


def _names(draft: _Draft) -> tuple[str, ...]:
    return (draft.path,) if draft.move_to is None else (draft.path, draft.move_to)


def _key(name: str) -> str:
    try:
        return str(real(Path(name))).casefold()
    except (OSError, ValueError):
        return name.casefold()


def _draft(change: ProposedChange, read: Read, root: Path | None) -> _Draft:
    try:
        path = absolute(change.path, root)
        target = None if change.move_to is None else absolute(change.move_to, root)
    except PatchInvalid as error:
        return _Draft(change.path, change.kind, change.move_to, problem=error.message)
    names = (str(path), None if target is None else str(target))
    try:
        # What is proposed is shown wherever it can be read, even if it cannot be accepted.
        edits, problem = _proposed(change), ""
    except (PatchInvalid, UnicodeError) as error:
        edits, problem = (), f"The change of {shown(path, root)} cannot be read: {_said(error)}"
    if problem:
        return _Draft(names[0], change.kind, names[1], edits, problem)
    try:
        return _against_disk(change, path, target, edits, read=read, root=root)
    except PatchInvalid as error:
        problem = f"The change of {shown(path, root)} cannot be accepted: {error.message}"
    except (OSError, ValueError) as error:
        problem = f"{shown(path, root)} cannot be read: {_said(error)}"
    return _Draft(names[0], change.kind, names[1], edits, problem)


def _said(error: Exception) -> str:
    match error:
        case PatchInvalid():
            return error.message
        case UnicodeError():
            return "it holds text that is not valid Unicode."
        case OSError():
            return f"{error.strerror or type(error).__name__}."
        case _:
            return f"{error}."


def _proposed(change: ProposedChange) -> tuple[tuple[Edit, int], ...]:
    text = change.text.encode()
    if len(text) > MAX_TEXT:
        raise PatchInvalid(f"it is larger than {MAX_TEXT // 1024 // 1024} MiB.")
    expected = "unified" if change.kind is ChangeKind.UPDATE else "content"
    if change.form != expected:
        raise PatchInvalid(f"its form does not go with the kind {change.kind}.")
    if b"\0" in text:
        raise PatchInvalid("it holds binary data.")
    if change.kind is ChangeKind.UPDATE:
        blocks = parse(text, moved=change.move_to is not None)
        return tuple(pair for block in blocks for pair in block.edits())
    if change.move_to is not None:
        raise PatchInvalid("only an update can rename a file.")
    lines = tuple(split(text))
    edit = Edit(0, (), lines) if change.kind is ChangeKind.ADD else Edit(0, lines, ())
    return ((edit, 0),) if lines else ()


def _against_disk(
    change: ProposedChange,
    path: Path,
    target: Path | None,
    edits: tuple[tuple[Edit, int], ...],
    *,
    read: Read,
    root: Path | None,
) -> _Draft:
    for name in (path, target):
        if name is not None and root is not None and not inside(name, root):
            raise PatchInvalid(f"{shown(name)} lies outside the folder of the session.")
    disk = read(path)
    if disk is not None and b"\0" in disk:
        raise PatchInvalid("the file is binary.")
    if target is not None and read(target) is not None:
        raise PatchInvalid(f"{shown(target, root)} exists and would be overwritten.")
    kind = change.kind
    if kind is ChangeKind.ADD:
        if disk is not None:
            kind, edits = ChangeKind.UPDATE, _compared(disk, change.text.encode())
    elif disk is None:
        raise PatchInvalid("the file does not exist.")
    elif kind is ChangeKind.DELETE:
        if disk != change.text.encode():
            raise PatchInvalid("the file holds something else than the agent says.")
    else:
        _check_fit(change, disk)
    return _Draft(str(path), kind, None if target is None else str(target), edits)


def _check_fit(change: ProposedChange, disk: bytes) -> None:
    """Check that the diff was made from exactly this text, context included."""
    lines = split(disk)
    blocks = parse(change.text.encode(), moved=change.move_to is not None)
    splice(lines, [Edit(block.old_start, block.old, block.new) for block in blocks])


def _compared(old: bytes, new: bytes) -> tuple[tuple[Edit, int], ...]:
    """Return the edits between two texts: the fewest lines in bounded time."""
    old.decode()  # A line that is not UTF-8 could not be shown: UnicodeError becomes a problem.
    before, after = split(old), split(new)
    return tuple(
        (
            Edit(
                change.old_start,
                tuple(before[change.old_start : change.old_end]),
                tuple(after[change.new_start : change.new_end]),
            ),
            change.new_start,
        )
        for change in changes_between(before, after)
    )


def _hunk(edit: Edit, new_at: int, hunk_id: str) -> Hunk:
    return Hunk(
        id=hunk_id,
        old_start=edit.start + 1,
        old_lines=_text(edit.old),
        new_start=new_at + 1,
        new_lines=_text(edit.new),
    )


def _text(lines: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(line.decode() for line in lines)
