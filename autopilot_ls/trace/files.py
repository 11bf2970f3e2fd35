"""Private folders and files: what the record is made of, safe against links, other users, full disks.

The agents that are supervised run as the same person and may try to lead our writing astray, so no
file is opened through a symbolic or hard link, and nothing but a regular file is read or written.
Not aware of what the files hold. Everything else in this package does its input and output here.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from autopilot_ls.model.errors import TraceError, TraceFull

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600

# O_NONBLOCK keeps the opening of a planted queue from waiting for ever; regular files ignore it.
_SAFE: Final[int] = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def is_ours(status: os.stat_result) -> bool:
    """Tell whether the file or folder belongs to the user this process runs as."""
    return sys.platform == "win32" or status.st_uid == os.geteuid()


def require_state_folder(path: Path) -> None:
    """Make the state folder if it is missing, and refuse one that others could tamper with.

    An existing folder is not changed: it may be one that the user shares on purpose.

    Raises:
        TraceError: It cannot be made, is no folder, belongs to somebody else, or others may write.
    """
    try:
        for folder in reversed([path, *path.parents]):
            if not folder.exists():
                folder.mkdir(FOLDER_MODE)
    except FileExistsError:
        pass
    except OSError as error:
        raise TraceError(
            f"The state folder {path} cannot be made: {error.strerror}.",
            advice="Set autopilot.stateDir to a folder that you can write to.",
        ) from error
    _refuse_foreign(path, path.stat())
    if sys.platform != "win32" and path.stat().st_mode & _OTHERS_WRITE:
        raise TraceError(
            f"Other users may write to the state folder {path}.",
            advice=f"Run `chmod go-w {path}`, or set autopilot.stateDir to a private folder.",
        )


def require_own_folder(path: Path, *, create: bool) -> None:
    """Make sure that a folder below the state folder is really one, ours, and private.

    Wrong permissions are repaired, since nobody else has any business in it.

    Raises:
        FileNotFoundError: It is missing and `create` is false.
        TraceError: It is a link or something else, belongs to somebody else, or cannot be made.
    """
    if create:
        try:
            path.mkdir(FOLDER_MODE)
        except FileExistsError:
            pass
        except OSError as error:
            raise full(path, error) from error
    status = path.lstat()
    _refuse_foreign(path, status)
    if sys.platform != "win32" and stat.S_IMODE(status.st_mode) != FOLDER_MODE:
        path.chmod(FOLDER_MODE)


def _refuse_foreign(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISDIR(status.st_mode):
        raise TraceError(
            f"{path} is not a folder, or is a link.", advice="Remove it, or look who put it there."
        )
    if not is_ours(status):
        raise TraceError(
            f"The folder {path} belongs to another user.",
            advice="Set autopilot.stateDir to a folder of your own.",
        )


def open_private(path: Path, flags: int) -> int:
    """Open a regular file of ours, never through a link, and return its descriptor.

    A file that others could read is made private. One with a second name (a hard link) is refused
    when it is to be written, since the other name may stand for something precious.

    Args:
        path: The file, in a folder that passed `require_own_folder`.
        flags: As for `os.open`; what is created is private.

    Raises:
        FileNotFoundError: There is no such file, and the flags do not say to create it.
        TraceError: It is not such a file.
        OSError: It cannot be opened for another reason.
    """
    try:
        descriptor = os.open(path, flags | _SAFE, FILE_MODE)
    except FileNotFoundError:
        raise
    except OSError as error:
        if path.is_symlink() or not path.is_file():
            raise _not_regular(path) from error
        raise
    try:
        _require_private(path, descriptor, writable=bool(flags & (os.O_WRONLY | os.O_RDWR)))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _require_private(path: Path, descriptor: int, *, writable: bool) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _not_regular(path)
    if sys.platform == "win32":
        return
    if not is_ours(status):
        raise TraceError(f"{path} belongs to another user; it is not used.")
    if writable and status.st_nlink != 1:
        raise TraceError(
            f"{path} has a second name (a hard link); writing to it could damage another file.",
            advice="Remove the one that should not be there.",
        )
    # What a hard link shares with another name may be meant to be public there.
    if stat.S_IMODE(status.st_mode) & 0o077 and status.st_nlink == 1:
        os.fchmod(descriptor, FILE_MODE)


def _not_regular(path: Path) -> TraceError:
    return TraceError(
        f"{path} is a link or not a regular file; it is not followed.",
        advice="Remove it, or look who put it there.",
    )


def read_private(path: Path, limit: int) -> bytes:
    """Return what a small file holds.

    Raises:
        FileNotFoundError: There is no such file.
        TraceError: It is not a private regular file, or longer than `limit` bytes.
        OSError: It cannot be read.
    """
    descriptor = open_private(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        data = os.read(descriptor, min(size, limit))
    finally:
        os.close(descriptor)
    if size > limit:
        raise TraceError(f"{path} is longer than {limit:,} bytes.")
    return data


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything, going on after short writes.

    Raises:
        OSError: The system refuses; a part may have been written.
    """
    written = os.write(descriptor, data)
    if written == len(data):
        return
    rest = memoryview(data)[written:]
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def replace_private(path: Path, data: bytes) -> None:
    """Replace a small file at once: a reader sees the old content or the new one, never a mixture.

    Not synced: for what can be made again.

    Raises:
        OSError: The system refuses; the old content stands.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        try:
            write_all(descriptor, data)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable, where the system knows how to."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def full(path: Path, error: OSError) -> TraceFull:
    """Return the error that says that the record at `path` cannot be written."""
    return TraceFull(
        f"The record {path} cannot be written: {error.strerror or error}.",
        advice="Nothing may happen unrecorded. Make room on that disk, then resume the session.",
    )


class AppendFile:
    """A file that only grows, by whole batches: one is written completely or not at all.

    `append` belongs to one thread; `sync` may run in another at the same time.
    """

    __slots__ = ("_closed", "_descriptor", "_failure", "_guard", "_synced", "path", "size")

    def __init__(self, path: Path) -> None:
        """Open the file, creating it if it is missing.

        Raises:
            TraceError: It is not a private regular file, or cannot be opened.
        """
        self.path = path
        try:
            self._descriptor = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        except OSError as error:
            raise full(path, error) from error
        self.size = os.fstat(self._descriptor).st_size
        """Bytes in the file."""
        # What an earlier owner wrote may have been lost to its crash before it was synced.
        self._synced = 0
        self._failure: TraceFull | None = None
        self._guard = threading.Lock()
        self._closed = False

    @property
    def descriptor(self) -> int:
        """The open descriptor, for reading and for the repair at open."""
        return self._descriptor

    def append(self, data: bytes) -> None:
        """Add the bytes, handing them to the operating system by one call where it takes them all.

        Raises:
            TraceFull: They could not be written; the file is as before, or takes nothing any more.
        """
        if self._closed:
            raise TraceFull(f"The record {self.path} is closed.")
        if self._failure is not None:
            raise self._failure
        try:
            write_all(self._descriptor, data)
        except OSError as error:
            failure = full(self.path, error)
            try:
                # A half-written batch would be taken for recorded at the next start.
                os.ftruncate(self._descriptor, self.size)
            except OSError:
                self._failure = failure
            raise failure from error
        self.size += len(data)

    def truncate(self, size: int) -> None:
        """Cut the file; for the repair at open only.

        Raises:
            TraceFull: The system refuses.
        """
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            raise full(self.path, error) from error
        self.size, self._synced = size, 0

    def sync(self) -> None:
        """Wait until everything appended is on the disk. Costs nothing when it already is.

        Raises:
            TraceFull: The disk refuses; what it holds is unknown, so nothing more is taken. Or the
                file was closed before this was done.
        """
        with self._guard:
            size = self.size
            if self._failure is not None:
                raise self._failure
            if self._synced == size:
                return
            if self._closed:
                raise TraceFull(f"The record {self.path} was closed before it was synced.")
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                # After a failed sync the system may have dropped the data; a second try would
                # succeed without having saved them.
                self._failure = full(self.path, error)
                raise self._failure from error
            self._synced = size

    def close(self) -> None:
        """Close the file, after a sync that runs. May be called again."""
        with self._guard:
            if not self._closed:
                self._closed = True
                os.close(self._descriptor)
