"""The difference of two states, from what git says of their trees and what is known beside.

Pure: bytes and records in, values out. The rule: what the earlier state did not cover is never
taken for new without saying so, for undoing an "add" removes a file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autopilot_ls.edits.baselines.reading import LINK
from autopilot_ls.edits.baselines.values import Change, ChangedFile, Side
from autopilot_ls.edits.baselines.watched import Stat, Watched


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of `git diff-tree --raw`; ids are empty where nothing is."""

    path: bytes
    status: str
    old_mode: int
    new_mode: int
    old: str
    new: str


def parse_raw(output: bytes) -> list[Entry]:
    """Read the output of `git diff-tree -r -z --raw --no-abbrev --no-renames`."""
    fields = output.split(b"\0")
    entries: list[Entry] = []
    for head, path in zip(fields[0:-1:2], fields[1::2], strict=False):
        old_mode, new_mode, old, new, status = head.removeprefix(b":").decode("ascii").split(" ")
        entries.append(
            Entry(path, status[:1], int(old_mode, 8), int(new_mode, 8), _id(old), _id(new))
        )
    return entries


def parse_renames(output: bytes) -> dict[bytes, bytes]:
    """Read the same with `-M`: return new paths with the old ones that they resemble."""
    fields = iter(output.split(b"\0"))
    moves: dict[bytes, bytes] = {}
    for head in fields:
        if not head:
            break
        first = next(fields)
        if head.rpartition(b" ")[2][:1] in b"RC":
            moves[next(fields)] = first
    return moves


def _id(text: str) -> str:
    return "" if set(text) == {"0"} else text


def compare(
    entries: Sequence[Entry],
    old: Watched,
    new: Watched,
    *,
    sizes: Mapping[str, int],
    moves: Mapping[bytes, bytes],
    binary: Mapping[str, bool],
) -> tuple[ChangedFile, ...]:
    """Return the changed files by path.

    Args:
        entries: How the trees differ.
        old: What the earlier state knows of files without content.
        new: What the later one knows.
        sizes: Bytes of the contents.
        moves: New paths with the old ones that they resemble.
        binary: Of some contents, whether they are binary.
    """
    sides: dict[bytes, tuple[Side | None, Side | None]] = {}
    looked: dict[bytes, bool | None] = {}
    for entry in entries:
        before = Side(entry.old_mode, sizes.get(entry.old, 0), entry.old) if entry.old else None
        after = Side(entry.new_mode, sizes.get(entry.new, 0), entry.new) if entry.new else None
        sides[entry.path] = (before, after)
        known = [binary.get(one) for one in (entry.old, entry.new) if one]
        looked[entry.path] = True if True in known else (None if None in known else False)
    for path in old.files.keys() | new.files.keys():
        first, second = old.files.get(path), new.files.get(path)
        before, after = sides.get(path, (None, None))
        if before is None and after is None and _same(first, second):
            continue
        before = before if first is None else _side(first)
        after = after if second is None else _side(second)
        sides[path] = (before, after)
        looked[path] = None
    files: list[ChangedFile] = []
    for path, (before, after) in sorted(sides.items()):
        moved = moves.get(path)
        files.append(
            ChangedFile(
                path=os.fsdecode(path),
                change=_change(before, after),
                before=before,
                after=after,
                certain=(before is not None and bool(before.blob)) or not old.knows(path),
                binary=looked[path],
                moved_from=None if moved is None or before is not None else os.fsdecode(moved),
            )
        )
    return tuple(files)


def _same(one: Stat | None, other: Stat | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.mode, one.size, one.changed) == (other.mode, other.size, other.changed)


def _side(known: Stat) -> Side:
    return Side(known.mode, known.size, "", known.reason)


def _change(before: Side | None, after: Side | None) -> Change:
    if before is None:
        return Change.ADD
    if after is None:
        return Change.DELETE
    if (before.mode == LINK) != (after.mode == LINK):
        return Change.TYPE
    if before.blob and before.blob == after.blob:
        return Change.MODE
    return Change.UPDATE
