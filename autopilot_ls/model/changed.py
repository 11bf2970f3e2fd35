"""Which files a turn changed, and by how many lines: patches as they were carried out.

What commands changed is not here, since only the disk knows it. Bounded. Not aware of events: `turns`
holds one of these for each turn; `diffstat` counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from autopilot_ls.model.approvals import ChangeKind, FileChange, ProposedChange
from autopilot_ls.model.diffstat import FileStat, of_hunks, of_proposed

MAX_FILES: Final = 500
"""Files of a turn that are told apart; the others are counted."""

FileKind = Literal["add", "update", "delete", "rename"]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that was changed: its absolute path, a new one where it was renamed, and the lines."""

    path: str
    added: int
    removed: int
    kind: FileKind


class ChangedFiles:
    """The files that a turn changed so far."""

    __slots__ = ("_files", "_more")

    def __init__(self) -> None:
        """Create it empty."""
        self._files: dict[str, FileEntry] = {}
        self._more = 0

    def add_hunks(self, files: Sequence[FileChange]) -> None:
        """Take that these changes were made."""
        self._add(zip(files, of_hunks(files), strict=True))

    def add_proposed(self, changes: Sequence[ProposedChange]) -> None:
        """Take that these changes were made as the agent worded them."""
        self._add(zip(changes, of_proposed(changes), strict=True))

    def _add(self, counted: Iterable[tuple[FileChange | ProposedChange, FileStat]]) -> None:
        for change, stat in counted:
            before = self._files.pop(change.path, None)
            path = change.move_to or change.path
            if before is None and len(self._files) >= MAX_FILES:
                self._more += path not in self._files
                continue
            self._files[path] = FileEntry(
                path,
                stat.added + (before.added if before else 0),
                stat.removed + (before.removed if before else 0),
                _kind(change, before),
            )

    def snapshot(self) -> tuple[tuple[FileEntry, ...], int]:
        """Return the files, the one changed last at the end, and how many others there were."""
        return tuple(self._files.values()), self._more


def _kind(change: FileChange | ProposedChange, before: FileEntry | None) -> FileKind:
    if change.kind is ChangeKind.DELETE:
        return "delete"
    if change.kind is ChangeKind.ADD or (before is not None and before.kind == "add"):
        # What was deleted and is there again has changed as a whole.
        return "update" if before is not None and before.kind == "delete" else "add"
    if change.move_to or (before is not None and before.kind == "rename"):
        return "rename"
    return "update"
