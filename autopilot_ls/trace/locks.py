"""Who owns a session: an exclusive lock on a file, which the system frees when its process ends.

Two processes never write one record. Not aware of what the session is. `exclusive` is the same for a
short change of any other file of ours. The lock file holds the
owner's process id while it is locked, so that a list of sessions needs to probe only those.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from autopilot_ls.model.errors import SessionBusy, SessionNotFound, TraceError
from autopilot_ls.trace.files import full, open_private

LOCK_NAME: Final = "lock"

# A probe holds the lock for microseconds; only a stopped prober could make us wait this long.
_PROBE_LIMIT: Final = 1.0
_PROBE_PAUSE: Final = 0.001
_WAIT_PAUSE: Final = 0.01


if sys.platform == "win32":
    import msvcrt

    # Beyond the content, since what is locked there cannot be read by others.
    _LOCKED_BYTE: Final = 1 << 20

    def _try_exclusive(descriptor: int) -> bool:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _has_no_owner(descriptor: int) -> bool:
        if not _try_exclusive(descriptor):
            return False
        _unlock(descriptor)
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_exclusive(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _has_no_owner(descriptor: int) -> bool:
        # A shared lock succeeds beside other probes, and fails beside an owner.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        _unlock(descriptor)
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


class SessionLock:
    """The ownership of one session's folder, from construction until `release`."""

    __slots__ = ("_descriptor",)

    def __init__(self, folder: Path) -> None:
        """Take the ownership.

        Args:
            folder: The session's folder; its name is the session's id.

        Raises:
            SessionBusy: Another owner lives, in this process or another; the message says who.
            SessionNotFound: The folder is not there, or was moved away to be deleted.
            TraceError: The lock file is not a private regular file, or cannot be made.
        """
        path = folder / LOCK_NAME
        try:
            descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SessionNotFound(f"There is no session {folder.name}.") from error
        except OSError as error:
            raise full(path, error) from error
        try:
            _acquire(descriptor, folder.name)
            _require_at(path, descriptor)
            # The lock counts, the number only tells people who has it: a full disk may swallow it.
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.lseek(descriptor, 0, os.SEEK_SET)
                os.write(descriptor, b"%d\n" % os.getpid())
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Give the ownership up. May be called again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
            if sys.platform == "win32":
                _unlock(descriptor)
            os.close(descriptor)


class exclusive:  # noqa: N801 - used like a function, as contextlib's are
    """Holds a lock file for as long as a short change takes; a context manager.

    Locks taken twice in one process exclude each other too. The file stays, empty.
    """

    def __init__(self, path: Path, limit: float) -> None:
        """Take the lock; blocking.

        Args:
            path: The lock file; it and its folder are made when they are missing.
            limit: Seconds to wait for whoever holds it.

        Raises:
            TraceError: It is held for longer, or is not a private regular file.
            OSError: It cannot be made.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
        deadline = time.monotonic() + limit
        while not _try_exclusive(self._descriptor):
            if time.monotonic() > deadline:
                os.close(self._descriptor)
                raise TraceError(f"Another process has held {path} for {limit:.0f} seconds.")
            time.sleep(_WAIT_PAUSE)

    def __enter__(self) -> None:
        """Nothing is left to be done."""

    def __exit__(self, *exception: object) -> None:
        if sys.platform == "win32":
            _unlock(self._descriptor)
        os.close(self._descriptor)


def _require_at(path: Path, descriptor: int) -> None:
    """Make sure the locked file is still the session's: who deletes one moves its folder away."""
    try:
        if os.path.samestat(path.lstat(), os.fstat(descriptor)):
            return
    except OSError:
        pass
    raise SessionNotFound(f"The session {path.parent.name} was deleted.")


def _acquire(descriptor: int, session_id: str) -> None:
    deadline = time.monotonic() + _PROBE_LIMIT
    while not _try_exclusive(descriptor):
        if not _has_no_owner(descriptor) or time.monotonic() > deadline:
            os.lseek(descriptor, 0, os.SEEK_SET)
            owner = os.read(descriptor, 32).strip().decode("ascii", "replace")
            who = f"process {owner}" if owner.isdigit() else "another process"
            raise SessionBusy(
                f"The session {session_id} is in use by {who}.",
                advice="Close it there, or wait until that process ends.",
            )
        time.sleep(_PROBE_PAUSE)


def is_locked(folder: Path) -> bool:
    """Tell whether somebody owns the session at this moment; cheap when nobody does."""
    try:
        if not os.lstat(f"{folder}/{LOCK_NAME}").st_size:
            return False
        descriptor = open_private(folder / LOCK_NAME, os.O_RDWR)
    except (OSError, TraceError):
        return False
    try:
        return not _has_no_owner(descriptor)
    finally:
        os.close(descriptor)
