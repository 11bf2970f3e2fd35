"""What a baseline does not cover, in sentences for a person. Pure; names are made safe to show."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Final

from autopilot_ls.edits.baselines.importing import Tally
from autopilot_ls.edits.baselines.values import BaselineLimits
from autopilot_ls.model.text import one_line

_NAMED: Final = 3
_SENTENCES: Final = {
    "large": "larger than {size} MB",
    "count": "beyond the {files:,} files that are kept",
    "budget": "beyond the {read} MB that are read at once",
    "unreadable": "not readable",
    "name": "named as only git's own files may be",
}


def notices_of(
    tally: Tally, ignored: Iterable[bytes], unopened: Sequence[str], limits: BaselineLimits
) -> tuple[str, ...]:
    """Return one sentence for each kind of files that are not covered."""
    by_reason: dict[str, list[bytes]] = {}
    for path, known in tally.watched.items():
        by_reason.setdefault(known.reason, []).append(path)
    notices: list[str] = []
    for reason, paths in sorted(by_reason.items()):
        why = _SENTENCES.get(reason, reason).format(
            size=limits.file_bytes // 1024 // 1024,
            files=limits.files,
            read=limits.read_bytes // 1024 // 1024,
        )
        notices.append(
            f"{_count(paths, 'file')} {why}: a change is noticed, but cannot be shown or undone: "
            f"{_named(paths)}."
        )
    if tally.overflow:
        notices.append(f"{tally.overflow:,} further files are not covered at all.")
    if tally.stale:
        notices.append(
            f"{_count(tally.stale, 'file')} cannot be read any more: {_named(tally.stale)}."
        )
    if unopened:
        folders = [os.fsencode(one) for one in unopened]
        notices.append(f"Folders that cannot be looked into: {_named(folders)}.")
    if tally.unsteady:
        notices.append(f"Changed while it was read: {_named(tally.unsteady)}.")
    if names := sorted(ignored):
        notices.append(f"Not covered, because git ignores it: {_named(names)}.")
    return tuple(notices)


def _count(paths: Sequence[bytes], word: str) -> str:
    return f"{len(paths):,} {word}{'' if len(paths) == 1 else 's'}"


def _named(paths: Sequence[bytes]) -> str:
    shown = [
        one_line(os.fsdecode(one).encode("utf-8", "replace").decode(), 80) for one in paths[:_NAMED]
    ]
    more = len(paths) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
