"""Files that lie ready beside others for a moment, and what a crash leaves of them.

Their names say whose they are: a tag that is made from the approval or the workspace they were written for,
so that nothing else is ever removed. Blocking. Not aware of what is written; `placing`, `snapshot` and the
supervisor stand above.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

MAX_FOLDERS: Final = 2_000
"""Folders that are looked through at most."""

MAX_NAMES: Final = 50_000
"""Names in one of them that are looked at; larger ones are left alone."""

_PREFIX: Final = ".autopilot-"
_RANDOM: Final = re.compile(r"[0-9a-f]{16}")


def tag_of(name: str) -> str:
    """Return the tag for an approval's id or a workspace's path."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:12]


def temporary_name(tag: str = "") -> str:
    """Return a new name for a file that lies ready beside another."""
    return f"{_PREFIX}{tag}{'-' if tag else ''}{secrets.token_hex(8)}"


def clear(tag: str, paths: Iterable[Path]) -> list[Path]:
    """Remove what lies ready beside files, written with this tag by a process that is no more.

    Args:
        tag: Theirs.
        paths: The files it was written for.

    Returns:
        What was removed.
    """
    folders = dict.fromkeys(_existing(path.parent) for path in paths)
    return [gone for folder in list(folders)[:MAX_FOLDERS] for gone in _cleared(tag, folder)]


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that exists."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


def _cleared(tag: str, folder: Path) -> list[Path]:
    prefix = f"{_PREFIX}{tag}-"
    found: list[Path] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for _, entry in zip(range(MAX_NAMES), entries, strict=False):
            is_named_so = entry.name.startswith(prefix)
            if is_named_so and _RANDOM.fullmatch(entry.name[len(prefix) :]):
                found.append(Path(entry.path))
    removed: list[Path] = []
    for path in found:
        with contextlib.suppress(OSError):
            path.unlink()
            removed.append(path)
    return removed
