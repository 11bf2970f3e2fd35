"""What a name on disk stands for, as it is reviewed. Blocking; a link is never followed.

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
