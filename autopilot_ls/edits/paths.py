"""Paths that come from an agent: made absolute, named for people, compared as files.

Not aware of changes or documents. Nothing here writes. `convert`, `check` and `settle` stand above.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from autopilot_ls.model.approvals import FileChange
from autopilot_ls.model.errors import PatchInvalid
from autopilot_ls.model.text import one_line, visible

MAX_PATH: Final = 4_096


def absolute(text: str, root: Path | None) -> Path:
    """Return the path as an absolute one, `..` resolved by its wording, links left as they are.

    Args:
        text: The path as the agent gave it.
        root: The folder that a relative path starts at; None when there is no such folder.

    Raises:
        PatchInvalid: The path is empty, too long, relative without a root, or holds characters that
            a person could not see when deciding on it.
    """
    if not text or len(text) > MAX_PATH:
        raise PatchInvalid("The path is empty or too long.")
    if visible(text) != text or "\n" in text or "\t" in text:
        raise PatchInvalid("The path holds characters that cannot be seen.")
    path = Path(text)
    if not path.is_absolute():
        if root is None:
            raise PatchInvalid("The path is not absolute.")
        path = root / path
    return Path(os.path.normpath(path))


def inside(path: Path, root: Path) -> bool:
    """Tell whether the path, with links in its folders followed, lies under the root."""
    return real(path).is_relative_to(os.path.realpath(root))


def real(path: Path) -> Path:
    """Return the path with links in its folders followed, but not the last part itself."""
    return Path(os.path.realpath(path.parent)) / path.name


def shown(path: Path | str, root: Path | None = None) -> str:
    """Return the path for a message: relative to the root where it lies under it, and visible."""
    path = Path(path)
    for folder in () if root is None else (root, Path(os.path.realpath(root))):
        if path.is_relative_to(folder):
            path = path.relative_to(folder)
            break
    return one_line(str(path), 300)


def affected(change: FileChange) -> tuple[Path, ...]:
    """Return the files that accepting the change touches: the file, and where it moves to."""
    paths = (Path(change.path),)
    return paths if change.move_to is None else (*paths, Path(change.move_to))


def same_place(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to the same file, present or to come; in doubt they do.

    Links are followed, hard links are recognised, and for a file that does not exist yet the case
    of its name is ignored, since the file system may ignore it too.
    """
    if one == other:
        return True
    try:
        return os.path.samestat(one.stat(), other.stat())
    except (OSError, ValueError):
        pass
    try:
        first, second = os.path.realpath(one), os.path.realpath(other)
    except ValueError:
        return False  # What no file can be named is no file.
    return first.casefold() == second.casefold()
