"""Reaching the shared process, and starting it where it is missing: one winner, however many try.

Who starts it holds a lock, removes what a dead process left, listens on the socket itself and hands it on, so
that nobody ever waits for the new process to be ready. It gets its own session, no descriptor but the
socket and its log, and nothing of the editor's terminal. Only the standard library. `forwarder` and
`control` stand above, `places` and `peers` below.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from autopilot_ls.shared.peers import require_own
from autopilot_ls.shared.places import Names, NotShared, open_private

LOCK_LIMIT: Final = 20.0
"""Seconds to wait for whoever is starting the process at the moment."""

CONNECT_LIMIT: Final = 5.0
"""Seconds to wait for a place in the queue of a process that is busy."""

BACKLOG: Final = 64

MAX_LOG: Final = 1024 * 1024
"""Bytes of a log from which on a new process begins another; the old one is kept once."""

_PAUSE: Final = 0.01
_ABSENT: Final = frozenset({errno.ENOENT, errno.ECONNREFUSED})


@contextmanager
def standing_in(folder: int) -> Generator[None]:
    """Make an open folder the current one, since the names of sockets must be short; not for threads."""
    try:
        before = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # It was deleted: there is nothing to come back to.
        before = -1
    try:
        os.fchdir(folder)
        yield
    finally:
        if before >= 0:
            os.fchdir(before)
            os.close(before)


def connect(folder: int, name: str) -> socket.socket | None:
    """Return a connection to the process that listens there, or None when there is none.

    Raises:
        NotShared: Another user's process listens, or none can be reached.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(CONNECT_LIMIT)
        with standing_in(folder):
            connection.connect(name)
        require_own(connection)
    except OSError as error:
        connection.close()
        if error.errno in _ABSENT:
            return None
        raise NotShared(f"the shared process cannot be reached: {error}") from error
    except NotShared:
        connection.close()
        raise
    return connection


def connect_or_start(folder: int, names: Names) -> socket.socket:
    """Return a connection to the process, which is started if there is none.

    Raises:
        NotShared: There can be none.
    """
    connection = connect(folder, names.socket)
    if connection is not None:
        return connection
    with locked(folder, names.lock):
        connection = connect(folder, names.socket)
        if connection is not None:
            return connection
        listener = listen(folder, names.socket)
        try:
            _start(listener, folder, names)
        finally:
            # When it could not be started, nobody accepts, and who connects sees that.
            listener.close()
        connection = connect(folder, names.socket)
    if connection is None:
        raise NotShared("the shared process could not be started")
    return connection


@contextmanager
def locked(folder: int, name: str) -> Generator[None]:
    """Hold the lock under which the socket comes and goes.

    Raises:
        NotShared: Somebody holds it for too long, or it cannot be made.
    """
    try:
        descriptor = open_private(name, os.O_RDWR, folder)
    except OSError as error:
        raise NotShared(f"the lock {name} cannot be had: {error.strerror}") from error
    try:
        deadline = time.monotonic() + LOCK_LIMIT
        while not _try(descriptor):
            if time.monotonic() > deadline:
                raise NotShared(f"another process holds {name} for too long")
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise NotShared(f"the state folder has no locks: {error.strerror}") from error
    return True


def listen(folder: int, name: str) -> socket.socket:
    """Return a socket that listens under this name, in place of a dead one. The lock must be held.

    Raises:
        NotShared: Something else has the name, or the file system knows no sockets.
    """
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISSOCK(found.st_mode):
            raise NotShared(f"{name} is no socket")
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise NotShared(f"{name} cannot be removed: {error.strerror}") from error
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        with standing_in(folder):
            listener.bind(name)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise NotShared(f"no socket can be made in the state folder: {error.strerror}") from error
    finally:
        os.umask(mask)
    return listener


def _start(listener: socket.socket, folder: int, names: Names) -> None:
    """Start the process on its own, with the socket to listen on."""
    try:
        log = open_log(folder, names.log)
    except OSError as error:
        raise NotShared(f"the log {names.log} cannot be written: {error.strerror}") from error
    try:
        child = os.fork()
        if child == 0:
            _become_daemon(listener.fileno(), folder, log, names)
        os.waitpid(child, 0)
    except OSError as error:
        raise NotShared(f"no process can be started: {error.strerror}") from error
    finally:
        os.close(log)


def open_log(folder: int, name: str) -> int:
    """Return the descriptor of the log, to whose end all is written; one that is too long is put aside."""
    flags = os.O_WRONLY | os.O_APPEND
    descriptor = open_private(name, flags, folder)
    if os.fstat(descriptor).st_size > MAX_LOG:
        os.close(descriptor)
        os.rename(name, f"{name}.1", src_dir_fd=folder, dst_dir_fd=folder)
        descriptor = open_private(name, flags, folder)
    return descriptor


def _become_daemon(listener: int, folder: int, log: int, names: Names) -> None:
    """Be the new process; never returns. After the fork, and before anything that could raise."""
    try:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        # The numbers below are taken from what is open now, hence copies above them first.
        high = [
            fcntl.fcntl(number, fcntl.F_DUPFD, 16) for number in (nothing, log, listener, folder)
        ]
        for number, wanted in zip(
            (high[0], high[1], high[1], high[2], high[3]), range(5), strict=True
        ):
            os.dup2(number, wanted, inheritable=True)
        # What the editor left open for its children is not for a process that outlives it.
        most = os.sysconf("SC_OPEN_MAX")
        os.closerange(5, most if most > 0 else 65536)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.umask(0o077)
        os.chdir("/")
        environ = {k: v for k, v in os.environ.items() if not k.startswith("AUTOPILOT_")}
        # Without the current folder among the places of modules: it may be a repository.
        program = [sys.executable, "-P", "-m", "autopilot_ls.shared.daemon"]
        os.execve(sys.executable, [*program, names.version, names.place], environ)  # noqa: S606 - no shell
    finally:
        os._exit(127)
