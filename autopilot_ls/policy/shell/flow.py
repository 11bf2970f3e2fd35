"""Where commands run: the folders that hold after a statement, by how it ended.

Values only; the walkers stand above.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from autopilot_ls.policy.shell.parts import NOWHERE, Folder

Folders = tuple[Folder, ...]

_MAX_FOLDERS: Final = 6


class Flow(NamedTuple):
    """The folders that hold after a statement succeeded, and after it failed."""

    success: Folders
    failure: Folders


def union(*many: Folders) -> Folders:
    """Return all folders, each once; more than an ordinary line has are as good as unknown."""
    merged = tuple(dict.fromkeys(folder for folders in many for folder in folders))
    return merged if len(merged) <= _MAX_FOLDERS else NOWHERE
