"""Reviewable hunks of two contents: exact bytes, any line ends, bounded time.

Lines are those of `edits.lines`, which count a lone CR as an end as editors do; git does not. So each
distinct line becomes a number, and what is compared are the numbers: the standard library does it
for a few lines, git for many. Pure but for the comparing function it is given. `history` stands above.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from autopilot_ls.edits.baselines.values import Change, ChangedFile
from autopilot_ls.edits.lines import Edit, split
from autopilot_ls.model.approvals import ChangeKind, FileChange, Hunk

FEW: Final = 400
"""Differing lines up to which starting git is dearer than comparing here."""
_HEADER: Final = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)

Span = tuple[int, int, int, int]
"""Lines from and to, of the old text and of the new one, that replace one another."""
Compare = Callable[[bytes, bytes], Awaitable[bytes]]
"""Returns the unified diff, without context, of two texts of numbers."""


async def edits_between(old: bytes, new: bytes, compare: Compare) -> tuple[tuple[Edit, int], ...]:
    """Return the edits that make the new text of the old one, each with its index in the new one.

    Args:
        old: The text before.
        new: The text after.
        compare: Used when many lines differ.
    """
    before, after = split(old), split(new)
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    middle, fresh = before[start : len(before) - end], after[start : len(after) - end]
    spans: Sequence[Span]
    if not middle or not fresh:
        spans = [(0, len(middle), 0, len(fresh))] if middle or fresh else []
    elif len(middle) + len(fresh) <= FEW:
        matcher = difflib.SequenceMatcher(None, middle, fresh, autojunk=False)
        spans = [
            (i1, i2, j1, j2) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal"
        ]
    else:
        spans = parse_spans(await compare(*_numbered(middle, fresh)))
    return tuple(
        (Edit(start + i1, tuple(middle[i1:i2]), tuple(fresh[j1:j2])), start + j1)
        for i1, i2, j1, j2 in spans
    )


def _common(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    count = 0
    for first, second in zip(one, other, strict=False):
        if first != second:
            break
        count += 1
    return count


def _numbered(old: Sequence[bytes], new: Sequence[bytes]) -> tuple[bytes, bytes]:
    numbers: dict[bytes, int] = {}
    first = b"".join(b"%d\n" % numbers.setdefault(line, len(numbers)) for line in old)
    return first, b"".join(b"%d\n" % numbers.setdefault(line, len(numbers)) for line in new)


def parse_spans(diff: bytes) -> list[Span]:
    """Read the headers of a unified diff without context."""
    spans: list[Span] = []
    for match in _HEADER.finditer(diff):
        old, old_count, new, new_count = (
            1 if part is None else int(part) for part in match.groups()
        )
        # A range without lines names the line before it.
        i1 = old - 1 if old_count else old
        j1 = new - 1 if new_count else new
        spans.append((i1, i1 + old_count, j1, j1 + new_count))
    return spans


async def file_change(
    workspace: Path,
    changed: ChangedFile,
    old: bytes | None,
    new: bytes | None,
    *,
    name: str,
    compare: Compare,
) -> FileChange:
    """Return a changed file in the form that is reviewed.

    What cannot be shown by lines (binary, not UTF-8, a link, an executable bit, content that was not
    kept) has no hunks and a `problem` that says so; it is reviewed as a whole.

    Args:
        workspace: Folder that the path is relative to.
        changed: The file.
        old: Its content before; None when there was none.
        new: Its content after; None when there is none.
        name: Beginning of the hunks' ids.
        compare: As for `edits_between`.
    """
    kinds = {Change.ADD: ChangeKind.ADD, Change.DELETE: ChangeKind.DELETE}
    kind = kinds.get(changed.change, ChangeKind.UPDATE)
    path = str(workspace / changed.path)
    shown = path.encode("utf-8", "replace").decode()
    problem = _problem(changed, old, new) if shown == path else "Its name is not UTF-8."
    if problem:
        return FileChange(path=shown, kind=kind, problem=problem)
    edits = await edits_between(old or b"", new or b"", compare)
    hunks = tuple(
        Hunk(
            id=f"{name}-h{index}",
            old_start=edit.start + 1,
            old_lines=tuple(line.decode() for line in edit.old),
            new_start=new_at + 1,
            new_lines=tuple(line.decode() for line in edit.new),
        )
        for index, (edit, new_at) in enumerate(edits)
    )
    return FileChange(path=path, kind=kind, hunks=hunks)


def _problem(changed: ChangedFile, old: bytes | None, new: bytes | None) -> str:
    for side, data in ((changed.before, old), (changed.after, new)):
        if side is not None and (not side.blob or data is None):
            return "Its content was not kept."
        if side is not None and side.mode == _LINK:
            return "It is a symbolic link."
        if data is None:
            continue
        if b"\0" in data:
            return "It is binary."
        try:
            data.decode()
        except UnicodeDecodeError:
            return "It is not UTF-8."
    return "Only its executable bit changed." if changed.change is Change.MODE else ""


_LINK: Final = 0o120000
