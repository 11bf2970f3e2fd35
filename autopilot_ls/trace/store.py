"""All sessions on disk: made, opened, listed, read, deleted and pruned here.

Sessions live in `sessions/<id>/` below the state folder. Several processes may use one state folder;
the lock of each session decides who writes. Not aware of what runs in a session. Stands on the other
modules of this package; the supervisor and the command line hold a `TraceStore`.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

from autopilot_ls.model.errors import SessionBusy, SessionError, SessionNotFound, TraceError
from autopilot_ls.model.events import Event
from autopilot_ls.model.ids import is_session_id
from autopilot_ls.settings.tree import TraceSettings
from autopilot_ls.trace import reader
from autopilot_ls.trace.files import full, require_own_folder, require_state_folder
from autopilot_ls.trace.lines import EVENTS_NAME, RAW_NAME, Frame
from autopilot_ls.trace.locks import SessionLock, is_locked
from autopilot_ls.trace.summary import (
    SETTLED,
    SessionSummary,
    read_summary,
    summarize,
    write_summary,
)
from autopilot_ls.trace.writer import SessionTrace

Summaries = list[SessionSummary]
Ids = list[str]

_SESSIONS: Final = "sessions"
_DELETED: Final = ".deleted-"
_YOUNG: Final = 3600.0


@dataclass(frozen=True, slots=True)
class TraceLimits:
    """How much is kept; 0 means no limit.

    Attributes:
        max_age: Seconds since a session was last used, after which `prune` deletes it.
        max_total_bytes: Size of all sessions together, beyond which `prune` deletes the oldest.
        max_session_bytes: Size of one session's record, at which it takes no more.
    """

    max_age: float = 90 * 86_400.0
    max_total_bytes: int = 4096 * 1_000_000
    max_session_bytes: int = 1024 * 1_000_000

    @classmethod
    def from_settings(cls, settings: TraceSettings) -> Self:
        """Return the limits that the user set."""
        return cls(
            max_age=settings.max_age_days * 86_400.0,
            max_total_bytes=settings.max_size_megabytes * 1_000_000,
            max_session_bytes=settings.max_session_megabytes * 1_000_000,
        )


@dataclass(frozen=True, slots=True)
class Pruned:
    """A session that `prune` deleted, and why (`empty`: it never had an event)."""

    session_id: str
    reason: Literal["age", "size", "empty"]
    size_bytes: int


class TraceStore:
    """The sessions of one state folder. Nothing is read or made before the first call."""

    def __init__(self, state_dir: Path, *, limits: TraceLimits | None = None) -> None:
        """Remember where the sessions are.

        Args:
            state_dir: The state folder, absolute; made private when it is missing.
            limits: How much is kept.
        """
        self._state_dir = state_dir
        self._root = state_dir / _SESSIONS
        self._limits = limits or TraceLimits()

    def create(self, session_id: str) -> SessionTrace:
        """Begin the record of a new session.

        Raises:
            TraceFull: It cannot be written.
            TraceError: The folder is not safe, or the session exists.
        """
        if not is_session_id(session_id):
            raise TraceError(f"{session_id!r} is not a session id.")
        require_state_folder(self._state_dir)
        require_own_folder(self._root, create=True)
        folder = self._root / session_id
        try:
            folder.mkdir(0o700)
        except FileExistsError as error:
            raise TraceError(f"The session {session_id} exists already.") from error
        except OSError as error:
            raise full(folder, error) from error
        require_own_folder(folder, create=False)
        return self._open(folder, create=True)

    def open(self, session_id: str) -> SessionTrace:
        """Own a session to continue its record; torn ends of both files are repaired.

        Raises:
            SessionNotFound: There is none with this id.
            SessionBusy: Another owner lives, in this process or another.
            TraceFull: A repair cannot be written.
            TraceUnreadable: Its last event cannot be understood.
            TraceError: The folder or a file in it is not safe.
        """
        return self._open(self._folder(session_id), create=False)

    def _open(self, folder: Path, *, create: bool) -> SessionTrace:
        return SessionTrace(folder, max_bytes=self._limits.max_session_bytes, create=create)

    def _folder(self, session_id: str) -> Path:
        folder = self._root / session_id
        if is_session_id(session_id) and self._has_sessions():
            with suppress(FileNotFoundError):
                require_own_folder(folder, create=False)
                return folder
        raise SessionNotFound(
            f"There is no session {session_id!r}.", advice="See `autopilot-ls sessions list`."
        )

    def _has_sessions(self) -> bool:
        """Tell whether there is a folder of sessions, after making sure that it is safe."""
        try:
            self._state_dir.lstat()
            require_state_folder(self._state_dir)
            require_own_folder(self._root, create=False)
        except FileNotFoundError:
            return False
        return True

    def _folders(self) -> list[Path]:
        if not self._has_sessions():
            return []
        with os.scandir(self._root) as entries:
            return [
                self._root / entry.name
                for entry in entries
                if is_session_id(entry.name) and entry.is_dir(follow_symlinks=False)
            ]

    def list(self) -> Summaries:
        """Return all sessions, the one used last first. A session without an event is none yet."""
        found = [summary for folder in self._folders() if (summary := _summary(folder))]
        return sorted(found, key=lambda summary: (summary.updated_at, summary.id), reverse=True)

    def in_use(self) -> Ids:
        """Return the ids of the sessions that a process owns right now, oldest first; quick."""
        return sorted(folder.name for folder in self._folders() if is_locked(folder))

    def followed(self, session_id: str) -> reader.Follower:
        """Return what takes the events of a session as they come, also of one in use; blocking.

        Raises:
            SessionNotFound: There is none with this id.
        """
        return reader.Follower(self._folder(session_id) / EVENTS_NAME)

    def summary(self, session_id: str) -> SessionSummary:
        """Return one session as `list` shows it.

        Raises:
            SessionNotFound: There is none with this id.
        """
        found = _summary(self._folder(session_id))
        if found is None:
            raise SessionNotFound(f"The session {session_id} has no events.")
        return found

    def read_events(self, session_id: str) -> Iterator[Event]:
        """Yield all events of a session, also of one in use. What is torn at the end is left out.

        Raises:
            SessionNotFound: There is none with this id.
            TraceUnreadable: A line in the middle is damaged or missing; the message says which.
        """
        return reader.read_events(self._folder(session_id))

    def read_frames(self, session_id: str) -> Iterator[Frame]:
        """Yield all raw frames of a session, also of one in use; damaged ones as `unknown`.

        Raises:
            SessionNotFound: There is none with this id.
        """
        return reader.read_frames(self._folder(session_id))

    def follow(
        self,
        session_id: str,
        *,
        after: int = 0,
        interval: float = 0.1,
        stop_when_closed: bool = False,
    ) -> AsyncGenerator[Event, None]:
        """Yield the events of a session, those that are there and those to come.

        Ends when the session is deleted, and with `stop_when_closed` when nobody owns it any more.
        To end it earlier, cancel it or close the generator.

        Args:
            session_id: The session.
            after: Sequence number of the last event that is not wanted.
            interval: Seconds between two looks while nothing happens.
            stop_when_closed: Whether to end when no process owns the session.

        Raises:
            SessionNotFound: There is none with this id.
            TraceUnreadable: As in `read_events`.
        """
        folder = self._folder(session_id)
        return reader.follow_events(
            folder,
            after=after,
            interval=interval,
            ended=lambda: stop_when_closed and not is_locked(folder),
        )

    def delete(self, session_id: str) -> None:
        """Delete a session with everything in its folder.

        Raises:
            SessionNotFound: There is none with this id.
            SessionBusy: It is in use.
            TraceError: It cannot be deleted.
        """
        folder = self._folder(session_id)
        try:
            self._remove(folder)
        except OSError as error:
            raise TraceError(f"{folder} cannot be deleted: {error.strerror}.") from error

    def _remove(self, folder: Path) -> None:
        lock = SessionLock(folder)
        try:
            if sys.platform == "win32":
                lock.release()
            # The name goes at once, so that a crash in the middle leaves no half session.
            grave = folder.with_name(f"{_DELETED}{folder.name}-{os.getpid()}")
            folder.rename(grave)
            shutil.rmtree(grave)
        finally:
            lock.release()

    def prune(self, now: float | None = None) -> tuple[Pruned, ...]:
        """Delete sessions that are too old, then the oldest until all fit into the size limit.

        A session in use is never touched, though its size counts. Blocks; call it in a thread.

        Args:
            now: Seconds since the epoch; the current time when omitted.

        Returns:
            What was deleted, oldest first.
        """
        now = time.time() if now is None else now
        folders = self._folders()
        self._bury()
        kept: list[tuple[float, Path, int]] = []
        removed: list[Pruned] = []
        for used, folder, is_empty in sorted(_last_use(folder) for folder in folders):
            size = _folder_size(folder)
            old = self._limits.max_age and used < now - self._limits.max_age
            reason = "age" if old else "empty" if is_empty and used < now - _YOUNG else None
            if reason and self._try_remove(folder):
                removed.append(Pruned(folder.name, reason, size))
            else:
                kept.append((used, folder, size))
        total = sum(size for _, _, size in kept)
        for used, folder, size in kept:
            if not self._limits.max_total_bytes or total <= self._limits.max_total_bytes:
                break
            # What is younger may be a session that is just being made and is not locked yet.
            if used < now - _YOUNG and self._try_remove(folder):
                removed.append(Pruned(folder.name, "size", size))
                total -= size
        return tuple(removed)

    def _try_remove(self, folder: Path) -> bool:
        try:
            self._remove(folder)
        except (OSError, SessionError, TraceError):
            return False
        return True

    def _bury(self) -> None:
        """Finish deletions that were interrupted."""
        with suppress(OSError):
            for grave in self._root.glob(f"{_DELETED}*"):
                if not grave.is_symlink():
                    shutil.rmtree(grave, ignore_errors=True)


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _folder_size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        total += sum(_size(f"{parent}/{name}") for name in names)
    return total


def _summary(folder: Path) -> SessionSummary | None:
    # Joining paths as objects would take half of the time that listing many sessions takes.
    base = str(folder)
    events_size = _size(f"{base}/{EVENTS_NAME}")
    in_use = is_locked(folder)
    kept = read_summary(folder)
    if kept is not None and (in_use or kept[1] == events_size):
        found = kept[0]
    else:
        try:
            made = summarize(folder)
        except OSError:
            made = None
        if made is None:
            return None
        found = made[0]
        if not in_use and made[1] >= 0:
            in_use = not _keep(folder, *made)
    state = found.state if in_use or found.state in SETTLED else "unknown"
    size = events_size + _size(f"{base}/{RAW_NAME}")
    return found.model_copy(update={"size_bytes": size, "in_use": in_use, "state": state})


def _keep(folder: Path, summary: SessionSummary, events_size: int) -> bool:
    """Keep a summary that was made again; returns False when somebody owns the session meanwhile."""
    try:
        lock = SessionLock(folder)
    except SessionBusy:
        return False
    except (OSError, SessionError, TraceError):
        return True
    try:
        with suppress(OSError, TraceError):
            write_summary(folder, summary, events_size)
    finally:
        lock.release()
    return True


def _last_use(folder: Path) -> tuple[float, Path, bool]:
    """Return when a session was last used, and whether it has no event."""
    summary = _summary(folder)
    if summary is not None:
        return summary.updated_at, folder, False
    with suppress(OSError):
        return folder.lstat().st_mtime, folder, True
    return time.time(), folder, True
