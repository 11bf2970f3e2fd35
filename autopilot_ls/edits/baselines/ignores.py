"""The names that are left out besides those of the workspace's own `.gitignore` files.

Patterns of git only; what is left out by them costs nothing to look at. Where a workspace lies inside
a repository, the `.gitignore` files above it count as they do for git. Blocks. Not aware of baselines.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

_MAX: Final = 256 * 1024
_SPECIAL: Final = b"\\*?[ !#"
_LEVELS: Final = 64


def extra_patterns(workspace: Path, private: tuple[Path, ...]) -> bytes:
    """Return the lines of an `info/exclude` file.

    Args:
        workspace: Real path of the work tree.
        private: Real paths of folders that must never be looked at.
    """
    lines: list[bytes] = []
    top = _top(workspace)
    if top is not None:
        relative = os.fsencode(workspace.relative_to(top))
        inside = b"" if relative == b"." else relative
        lines += _moved(_read(top / ".git" / "info" / "exclude"), inside)
        folder = top
        for part in inside.split(b"/") if inside else ():
            rest = os.fsencode(workspace.relative_to(folder))
            lines += _moved(_read(folder / ".gitignore"), rest)
            folder /= os.fsdecode(part)
    for path in private:
        if path != workspace and path.is_relative_to(workspace):
            name = os.fsencode(path.relative_to(workspace))
            if b"\n" not in name:
                lines.append(b"/" + _escaped(name) + b"/")
    return b"".join(line + b"\n" for line in lines)


def _top(workspace: Path) -> Path | None:
    for folder in (workspace, *workspace.parents)[:_LEVELS]:
        if os.path.lexists(folder / ".git"):
            return folder
    return None


def _read(path: Path) -> list[bytes]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    with os.fdopen(descriptor, "rb") as file:
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return []
            return file.read(_MAX).removeprefix(b"\xef\xbb\xbf").split(b"\n")
        except OSError:
            return []


def _moved(lines: list[bytes], inside: bytes) -> list[bytes]:
    """Return the patterns as they read from a folder further down; those for elsewhere are left out."""
    if not inside:
        return lines
    moved: list[bytes] = []
    for line in (one.rstrip(b"\r") for one in lines):
        sign = b"!" if line.startswith(b"!") else b""
        pattern = line.removeprefix(b"!")
        if not pattern or pattern.startswith(b"#"):
            continue
        if b"/" not in pattern.rstrip(b"/ ") or pattern.startswith(b"**/"):
            moved.append(line)
            continue
        anchored = pattern.removeprefix(b"/")
        if anchored.startswith(inside + b"/") and anchored != inside + b"/":
            moved.append(sign + b"/" + anchored[len(inside) + 1 :])
    return moved


def _escaped(name: bytes) -> bytes:
    return b"".join(b"\\" + bytes([one]) if one in _SPECIAL else bytes([one]) for one in name)
