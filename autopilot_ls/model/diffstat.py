"""How many lines a turn added and removed, per file.

Reads unified diffs leniently: it is for display only, what counts for decisions is read strictly in
`edits`. Not aware of anything else. `changed`, the presentation and the supervisor stand above.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from autopilot_ls.model.approvals import ChangeKind, FileChange, ProposedChange

_HUNK: Final = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True)
class FileStat:
    """The lines added to and removed from one file."""

    path: str
    added: int
    removed: int


def of_diff(diff: str) -> tuple[FileStat, ...]:
    """Return the counts of a diff in git's format; what cannot be read counts as nothing."""
    counts: dict[str, list[int]] = {}
    current: list[int] | None = None
    old_left = new_left = 0
    # Bytes, because only they split at line feeds and carriage returns and at nothing else.
    for raw in diff.encode(errors="replace").splitlines():
        mark = raw[:1]
        if current is not None and (old_left > 0 or new_left > 0) and mark in {b"+", b"-", b" "}:
            current[0] += mark == b"+"
            current[1] += mark == b"-"
            old_left -= mark != b"+"
            new_left -= mark != b"-"
            continue
        line = raw.decode()
        header = _HUNK.match(line)
        if header is not None:
            old_left, new_left = (1 if part is None else int(part) for part in header.groups())
        elif line.startswith("diff --git "):
            old_left = new_left = 0
            current = counts.setdefault(line.removeprefix("diff --git "), [0, 0])
    return tuple(FileStat(_name(key), *pair) for key, pair in counts.items())


def _name(header: str) -> str:
    return header.rpartition(" b/")[2]


def of_hunks(files: Iterable[FileChange]) -> tuple[FileStat, ...]:
    """Return the counts of a proposed patch."""
    return tuple(
        FileStat(
            change.path,
            sum(len(hunk.new_lines) for hunk in change.hunks),
            sum(len(hunk.old_lines) for hunk in change.hunks),
        )
        for change in files
    )


def of_proposed(changes: Iterable[ProposedChange]) -> tuple[FileStat, ...]:
    """Return the counts of a patch as the agent worded it."""
    stats: list[FileStat] = []
    for change in changes:
        if change.kind is ChangeKind.UPDATE:
            found = of_diff(f"diff --git a/x b/x\n{change.text}")[0]
            stats.append(FileStat(change.path, found.added, found.removed))
        else:
            lines = len(change.text.encode(errors="replace").splitlines())
            added = change.kind is ChangeKind.ADD
            stats.append(FileStat(change.path, lines if added else 0, 0 if added else lines))
    return tuple(stats)


def summed(stats: Iterable[FileStat]) -> str:
    """Return the counts as `+10 −3`."""
    pairs = [(stat.added, stat.removed) for stat in stats]
    return f"+{sum(pair[0] for pair in pairs):,} −{sum(pair[1] for pair in pairs):,}"
