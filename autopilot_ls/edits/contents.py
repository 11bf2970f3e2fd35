"""What a name on disk stands for, as it is reviewed. Blocking; a link is never followed, nor one to a folder.

Not aware of histories or of who asks; `supervisor.review` stands above, `snapshot` below.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from autopilot_ls.edits.history import ABSENT, Content

MAX_CONTENT: Final = 8 * 1024 * 1024
"""Bytes of a file that can be reviewed."""

_NONBLOCK: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)


def folder_in(root: Path, name: str) -> str | None:
    """Return the real folder of a file below a root; None if a link on the way leads elsewhere.

    Args:
        root: The folder that the name is relative to.
        name: The file's, `/` between its parts.
    """
    top = os.path.realpath(root)
    folder = os.path.normpath(os.path.join(top, os.path.dirname(name)))  # noqa: PTH118, PTH120 reason: as text
    return folder if os.path.realpath(folder) == folder else None


def read_inside(root: Path, name: str) -> Content | None:
    """Return what a file below a root is, as `read_content`; behind a linked folder there is none."""
    return ABSENT if folder_in(root, name) is None else read_content(root / name)


def read_content(path: Path, limit: int = MAX_CONTENT) -> Content | None:
    """Return what is at a path; None for what cannot be reviewed, such as a folder or a large file."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return Content("link", os.fsencode(path.readlink()))
        if not stat.S_ISREG(status.st_mode):
            return None
        descriptor = os.open(path, os.O_RDONLY | _NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            data = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    except (OSError, ValueError):
        return None
    executable = bool(status.st_mode & stat.S_IXUSR)
    return None if len(data) > limit else Content("file", data, executable)
