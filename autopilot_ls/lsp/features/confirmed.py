"""A patch as an edit whose every hunk the person ticks in their editor, and what they made of it.

`plan_of` builds the edit against the text as it is now, each hunk with an annotation of its own that needs
confirmation. What was applied is read from the text afterwards and never believed: `outcome` tells which
hunks stand there now, or that it cannot be told. Pure but for the reading of files. Not aware of
decisions. `preview` stands above.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio.to_thread
from lsprotocol import types

from autopilot_ls.edits.follow import Follower
from autopilot_ls.edits.followed import FollowedHunk, HunkState, Place
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import canonical, split_lines, to_uri
from autopilot_ls.lsp.documents import Document
from autopilot_ls.model.approvals import Approval, ChangeKind
from autopilot_ls.model.review import Unit, units_of
from autopilot_ls.model.text import one_line
from autopilot_ls.presentation.approvals import relative

_MAX_FILE: Final = 8 * 1024 * 1024
_MAX_WAYS: Final = 64
"""Ways to read a text that are followed at once; a text that allows more is not understood."""

Change = types.TextDocumentEdit | types.CreateFile | types.DeleteFile

PlaceOf = Callable[[Document, str, str], Place | None]
"""Returns where a hunk (of an approval, by their ids) stands in a document, if it is followed there."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A hunk in a text: what stands before it, behind the one before; what it takes out and puts in."""

    unit: str
    before: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class _File:
    """What is planned for one file.

    Attributes:
        tail: What stands behind the last hunk.
        missing: Whether there was no such file.
    """

    path: str
    kind: ChangeKind
    units: tuple[str, ...]
    pieces: tuple[_Piece, ...] = ()
    tail: str = ""
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The edit, and what is needed to read its outcome."""

    edit: types.WorkspaceEdit
    files: tuple[_File, ...]


async def plan_of(
    connection: Connection, approval: Approval, root: str, place: PlaceOf
) -> Plan | None:
    """Return the edit that shows a patch, or None when it cannot be shown faithfully."""
    by_file: dict[str, list[Unit]] = {}
    for unit in units_of(approval):
        by_file.setdefault(unit.file_id, []).append(unit)
    changes: list[Change] = []
    files: list[_File] = []
    notes: dict[str, types.ChangeAnnotation] = {}
    for units in by_file.values():
        made = await _planned(connection, approval.id, units, place)
        if made is None:
            return None
        changes += made[0]
        files.append(made[1])
        notes |= {unit.id: _note(unit, root) for unit in units}
    edit = types.WorkspaceEdit(document_changes=changes, change_annotations=notes)
    return Plan(edit, tuple(files)) if changes else None


def _note(unit: Unit, root: str) -> types.ChangeAnnotation:
    file = unit.file
    name = one_line(relative(file.path, root), 100)
    verb = {ChangeKind.ADD: "create", ChangeKind.DELETE: "delete"}.get(file.kind)
    at = f", line {unit.hunk.old_start}" if unit.hunk else ""
    label = f"{verb} {name}" if verb else f"{name}: hunk {unit.number} of {unit.of}{at}"
    return types.ChangeAnnotation(
        label=label,
        needs_confirmation=True,
        description="Ticked: accepted in the editor. Not ticked: rejected.",
    )


async def _planned(
    connection: Connection, approval_id: str, units: Sequence[Unit], place: PlaceOf
) -> tuple[list[Change], _File] | None:
    file = units[0].file
    if file.problem or file.move_to is not None or units[0].hunk is None:
        return None
    document = connection.documents.by_key(canonical(file.path))
    uri = document.uri if document else to_uri(file.path)
    names = tuple(unit.id for unit in units)
    if file.kind is ChangeKind.ADD:
        exists, _ = await anyio.to_thread.run_sync(_look, Path(file.path))
        planned = _File(file.path, file.kind, names, _added(units[0]), missing=not exists)
        return _creating(uri, units[0]), planned
    if file.kind is ChangeKind.DELETE:
        removal = types.DeleteFile(uri=uri, annotation_id=units[0].id)
        return [removal], _File(file.path, file.kind, names)
    disk = await anyio.to_thread.run_sync(_read, Path(file.path))
    if disk is None:
        return None
    text = document.text if document else disk
    lines = split_lines(text)
    moved = _plain(text) != _plain(disk)
    places = _places(approval_id, units, document, lines, place)
    placed = [_placed(unit, there, moved=moved) for unit, there in zip(units, places, strict=True)]
    edits: list[types.AnnotatedTextEdit] = []
    pieces: list[_Piece] = []
    end = 0
    for unit, first in zip(units, placed, strict=True):
        if first is None or first < end or unit.hunk is None:
            return None
        after = first + len(unit.hunk.old_lines)
        where = types.Range(types.Position(first, 0), types.Position(after, 0))
        fresh = "".join(unit.hunk.new_lines)
        edits.append(types.AnnotatedTextEdit(unit.id, where, fresh))
        taken = _plain("".join(lines[first:after]))
        pieces.append(_Piece(unit.id, _plain("".join(lines[end:first])), taken, _plain(fresh)))
        end = after
    identifier = types.OptionalVersionedTextDocumentIdentifier(
        uri, document.version if document else None
    )
    tail = _plain("".join(lines[end:]))
    planned = _File(file.path, file.kind, names, tuple(pieces), tail)
    return [types.TextDocumentEdit(identifier, edits)], planned


def _creating(uri: str, unit: Unit) -> list[Change]:
    start = types.Position(0, 0)
    text = "".join(unit.hunk.new_lines) if unit.hunk else ""
    edit = types.AnnotatedTextEdit(unit.id, types.Range(start, start), text)
    return [
        types.CreateFile(
            uri=uri,
            options=types.CreateFileOptions(ignore_if_exists=True),
            annotation_id=unit.id,
        ),
        types.TextDocumentEdit(types.OptionalVersionedTextDocumentIdentifier(uri, None), [edit]),
    ]


def _added(unit: Unit) -> tuple[_Piece, ...]:
    text = "".join(unit.hunk.new_lines) if unit.hunk else ""
    return (_Piece(unit.id, "", "", _plain(text)),)


def _places(
    approval_id: str,
    units: Sequence[Unit],
    document: Document | None,
    lines: Sequence[str],
    place: PlaceOf,
) -> list[Place | None]:
    """Return where hunks stand: as they were followed, or else as the text says."""
    found = [place(document, approval_id, unit.id) if document else None for unit in units]
    if None not in found:
        return found
    followed = [
        FollowedHunk.pending(unit.hunk, unit.file.kind, hunk_id=unit.id)
        for unit in units
        if unit.hunk is not None
    ]
    measured = Follower(followed, lines)
    return [measured.get(unit.id) for unit in units]


def _placed(unit: Unit, place: Place | None, *, moved: bool) -> int | None:
    """Return the line at which a hunk stands in a text, or None when its old lines do not."""
    if unit.hunk is None or place is None or place.state is not HunkState.READY:
        return None
    # Nothing tells where lines go in a text that is no longer the one they were meant for.
    return None if moved and not unit.hunk.old_lines else place.start


def _plain(text: str) -> str:
    # Line ends are the editor's affair.
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was applied of a plan.

    Attributes:
        units: Those that stand in the editor's text now.
        empty: Documents, by their URIs, that were created without their text: an editor has a tick
            for each of the two.
    """

    units: tuple[str, ...]
    empty: tuple[str, ...]


async def outcome(connection: Connection, plan: Plan) -> Outcome | None:
    """Return what was applied, or None when that cannot be told."""
    found: list[str] = []
    empty: list[str] = []
    for file in plan.files:
        document = connection.documents.by_key(canonical(file.path))
        there = await anyio.to_thread.run_sync(_look, Path(file.path))
        units = _made(file, document, there)
        if units is None:
            return None
        found += units
        if file.kind is ChangeKind.ADD and there[0] and not units:
            empty.append(document.uri if document else to_uri(file.path))
    return Outcome(tuple(found), tuple(empty))


def _made(
    file: _File, document: Document | None, there: tuple[bool, str | None]
) -> tuple[str, ...] | None:
    exists, disk = there
    if file.kind is ChangeKind.DELETE:
        return () if exists else file.units
    text = document.text if document else disk
    if file.kind is ChangeKind.ADD:
        if document is None and not exists:
            return ()
        wanted = file.pieces[0].new
        if text is not None and _plain(text).removesuffix("\n") == wanted.removesuffix("\n"):
            return file.units
        # Created, but the tick of its text was taken away: that is no change one can accept.
        return () if file.missing and text == "" and there == (True, "") else None
    return None if text is None else made(file.pieces, file.tail, _plain(text))


def made(pieces: Sequence[_Piece], tail: str, text: str) -> tuple[str, ...] | None:
    """Return the units whose new lines stand in a text that holds nothing else than these choices."""
    ways: Mapping[int, tuple[str, ...]] = {0: ()}
    for piece in pieces:
        further: dict[int, tuple[str, ...]] = {}
        for position, chosen in ways.items():
            if not text.startswith(piece.before, position):
                continue
            here = position + len(piece.before)
            for words, units in ((piece.new, (*chosen, piece.unit)), (piece.old, chosen)):
                if text.startswith(words, here):
                    further.setdefault(here + len(words), units)
        if len(further) > _MAX_WAYS:
            return None
        ways = further
    ends = [units for position, units in ways.items() if text[position:] == tail]
    return ends[0] if ends else None


def _look(path: Path) -> tuple[bool, str | None]:
    try:
        path.lstat()
    except OSError:
        return False, None
    return True, _read(path)


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
        return data.decode() if len(data) <= _MAX_FILE else None
    except (OSError, UnicodeDecodeError):
        return None
