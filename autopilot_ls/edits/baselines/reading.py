"""Reading files of a work tree that may be hostile: never through a link, never blocking, bounded.

Each folder is opened part by part without following links, so that nothing outside of the work tree
is ever read, however it is rearranged meanwhile. Blocks; run it in a thread. Not aware of git.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path
from typing import Final, NamedTuple

from autopilot_ls.edits.baselines.watched import Stat

_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES: Final = 3
_FRESH: Final = 2.0

LINK: Final = 0o120000
PLAIN: Final = 0o100644
EXECUTABLE: Final = 0o100755


class Content(NamedTuple):
    """What a file holds.

    Attributes:
        mode: `PLAIN`, `EXECUTABLE` or `LINK`.
        steady: Whether it was the same from the beginning to the end of the reading.
        fresh: Whether another change could go unseen by its times: they were set back, and git
            compares whole seconds.
    """

    mode: int
    data: bytes
    steady: bool = True
    fresh: bool = False


Found = Content | Stat | None
"""A content; what is known of a file that was not read; None where no file is."""


class Reader:
    """Reads files below one folder; best in the order of their paths."""

    def __init__(self, root: Path) -> None:
        """Open the root.

        Raises:
            OSError: It is not there.
        """
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._name = b""
        self._folder: int | OSError = self._root

    def close(self) -> None:
        """Close what is open. May be repeated."""
        self._leave()
        if self._root >= 0:
            os.close(self._root)
        self._root = self._folder = -1

    def _leave(self) -> None:
        if isinstance(self._folder, int) and self._folder != self._root:
            os.close(self._folder)
        self._folder, self._name = self._root, b""

    def _enter(self, name: bytes) -> int:
        if name != self._name:
            self._leave()
            self._name = name
            try:
                self._folder = self._open_folder(name)
            except OSError as error:
                self._folder = error
        if isinstance(self._folder, OSError):
            raise self._folder.with_traceback(None)
        return self._folder

    def _open_folder(self, name: bytes) -> int:
        current = self._root
        for part in name.split(b"/") if name else ():
            try:
                following = os.open(part, _FOLDER, dir_fd=current)
            finally:
                if current != self._root:
                    os.close(current)
            current = following
        return current

    def read(self, path: bytes, limit: int) -> Found:
        """Return what the file is.

        Args:
            path: Relative to the root.
            limit: Bytes beyond which it is not read.
        """
        parent, _, name = path.rpartition(b"/")
        try:
            folder = self._enter(parent)
        except OSError as error:
            return _problem(error, None)
        try:
            return _read(folder, name, limit)
        except OSError as error:
            return _unopened(folder, name, error)

    def look(self, path: bytes, reason: str) -> Stat | None:
        """Return what the system tells of a file, without reading it; None where no file is."""
        parent, _, name = path.rpartition(b"/")
        try:
            status = os.lstat(name, dir_fd=self._enter(parent))
        except OSError as error:
            found = _problem(error, None)
            return found if isinstance(found, Stat) else None
        if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
            return known(reason, status)
        return None


def known(reason: str, status: os.stat_result) -> Stat:
    """Return a file by its status."""
    times = (status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return Stat(reason, _mode(status), status.st_size, times)


def _mode(status: os.stat_result) -> int:
    if stat.S_ISLNK(status.st_mode):
        return LINK
    return EXECUTABLE if status.st_mode & stat.S_IXUSR else PLAIN


def _problem(error: OSError, status: os.stat_result | None) -> Stat | None:
    # A folder on the way that is a link now, or no folder, has no files of the work tree.
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
        return None
    return Stat("unreadable", 0, 0) if status is None else known("unreadable", status)


def _unopened(folder: int, name: bytes, error: OSError) -> Found:
    """Return what a name is that cannot be opened as a file."""
    try:
        status = os.lstat(name, dir_fd=folder)
        if stat.S_ISLNK(status.st_mode):
            return Content(LINK, os.readlink(name, dir_fd=folder))
    except OSError as second:
        return _problem(second, None)
    return _problem(error, status) if stat.S_ISREG(status.st_mode) else None


def _read(folder: int, name: bytes, limit: int) -> Found:
    found: Found = None
    for _ in range(_TRIES):
        descriptor = os.open(name, _FILE, dir_fd=folder)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                return None
            if before.st_size > limit:
                return known("large", before)
            data = _read_up_to(descriptor, before.st_size, limit)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if len(data) > limit:
            return known("large", after)
        steady = _same(before, after) and len(data) == after.st_size
        found = Content(_mode(after), data, steady, _is_fresh(after))
        if steady:
            break
    return found


def _read_up_to(descriptor: int, expected: int, limit: int) -> bytes:
    # One read that gets less than it asks for is the rule; what grows is read on, up to the limit.
    data = os.read(descriptor, min(expected, limit) + 1)
    while data and len(data) <= limit and len(data) != expected:
        piece = os.read(descriptor, min(1024 * 1024, limit + 1 - len(data)))
        if not piece:
            break
        data += piece
    return data


def _is_fresh(status: os.stat_result) -> bool:
    set_back = int(status.st_mtime) < int(status.st_ctime)
    return set_back and status.st_ctime > time.time() - _FRESH


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_mode) == (
        other.st_size,
        other.st_mtime_ns,
        other.st_ctime_ns,
        other.st_mode,
    )
