"""Giving up what is kept of workspaces that nobody works in any more.

What belongs to a folder that is gone goes after a while, since a disk may only be away; what was not used
for long goes as recorded sessions do. What is in use is never touched. Blocking. Not aware of what a
review is; `reviews` stands above.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from autopilot_ls.model.errors import SessionError, TraceError
from autopilot_ls.trace.files import replace_private
from autopilot_ls.trace.locks import SessionLock

MISSING_FOR: Final = 7 * 86_400.0
"""Seconds after the last use, after which what belongs to a folder that is gone is removed."""

AT_ONCE: Final = 50
"""Workspaces that are given up at most, each time."""

MAX_LISTED: Final = 10_000

_WORKSPACE: Final = "workspace"
_DELETED: Final = ".deleted-"
_NAME: Final = re.compile(r"[0-9a-f]{24}")


def note_use(folder: Path, workspace: Path) -> None:
    """Note what a folder of ours is kept for, and that it is used now.

    Raises:
        TraceError: That cannot be written.
    """
    replace_private(folder / _WORKSPACE, os.fsencode(workspace))


def prune(root: Path, keep_for: float, now: float) -> tuple[str, ...]:
    """Remove what is kept of workspaces that are gone or were not used for long.

    Args:
        root: Holds a folder, and a file beside it, for each workspace.
        keep_for: Seconds that they are kept after they were used last; 0: for ever.
        now: Seconds since the epoch.

    Returns:
        The names of what was removed.
    """
    removed: list[str] = []
    for name in list(_names(root)):
        if len(removed) >= AT_ONCE:
            break
        age = now - _last_use(root, name)
        old = bool(keep_for) and age > keep_for
        if (old or (age > MISSING_FOR and _is_gone(root / name))) and _remove(root, name):
            removed.append(name)
    return tuple(removed)


def _names(root: Path) -> Iterator[str]:
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        for _, entry in zip(range(MAX_LISTED), entries, strict=False):
            if entry.name.startswith(_DELETED):
                # Somebody ended in the middle of it.
                shutil.rmtree(entry.path, ignore_errors=True)
            elif _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                yield entry.name


def _last_use(root: Path, name: str) -> float:
    found = [0.0]
    for path in (root / name, root / name / _WORKSPACE, root / f"{name}.json"):
        with contextlib.suppress(OSError):
            found.append(path.lstat().st_mtime)
    return max(found)


def _is_gone(folder: Path) -> bool:
    """Tell whether the workspace that a folder of ours is kept for does not exist."""
    try:
        workspace = os.fsdecode((folder / _WORKSPACE).read_bytes())
    except OSError:
        return False  # It is not known which one it is.
    try:
        os.lstat(workspace)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def _remove(root: Path, name: str) -> bool:
    grave = root / f"{_DELETED}{name}-{secrets.token_hex(4)}"
    try:
        lock = SessionLock(root / name)
    except (SessionError, TraceError, OSError):
        return False
    try:
        (root / name).rename(grave)
        (root / f"{name}.json").unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        lock.release()
    shutil.rmtree(grave, ignore_errors=True)
    return True
