"""Writing one session's record: raw frames and normalized events, each batch by one system call.

A `SessionTrace` owns its session (a lock says so) from construction until `close`. What was torn by a
crash is repaired at open, and the torn bytes are kept aside. Not aware of what frames mean. Stands on
`files`, `lines` and `locks`; `store` makes these objects.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from autopilot_ls.model.errors import TraceFull, TraceUnreadable
from autopilot_ls.model.events import Event
from autopilot_ls.trace.files import AppendFile, full, open_private, sync_folder, write_all
from autopilot_ls.trace.lines import (
    EVENTS_NAME,
    RAW_NAME,
    Direction,
    decode_frame,
    encode_frames,
    encode_model,
    is_sound_event,
    is_sound_frame,
    read_at,
    sound_end,
)
from autopilot_ls.trace.locks import SessionLock
from autopilot_ls.trace.summary import SessionSummary, write_summary

CLOSING_RESERVE: Final = 4 * 1024 * 1024
"""Bytes beyond a session's limit that stay open for events and for what is said to the agent, so that
declining and stopping can still be recorded when the agent's own frames no longer can."""

_COPY: Final = 1024 * 1024
_RECENT: Final = 256 * 1024
_FRAME_REFERENCE: Final = re.compile(rb'"frames":\[[0-9]{1,18},([0-9]{1,18})\]')
_SEQ: Final = re.compile(rb'\{"version":[0-9]{1,9},"seq":([0-9]{1,18}),')


@dataclass(frozen=True, slots=True)
class Repair:
    """What was found torn at the end of a file, and where it is kept.

    Attributes:
        file: Name of the file that was repaired.
        size: Bytes that were taken out.
        kept: The file they were added to.
    """

    file: str
    size: int
    kept: Path

    def __str__(self) -> str:
        return (
            f"{self.file} ended in {self.size:,} bytes of an unfinished record, as after a crash; "
            f"they are kept in {self.kept}."
        )


class SessionTrace:
    """The record of one session, open for writing and owned by this object alone.

    `record`, `append` and `update_summary` belong to one thread; `sync` may run in another.

    Attributes:
        session_id: The session.
        directory: Its folder; other layers may keep their own files of the session there.
        last_seq: Sequence number of the last event recorded, 0 when there is none.
        repairs: What was repaired when the record was opened.
    """

    def __init__(self, directory: Path, *, max_bytes: int, create: bool) -> None:
        """Take the session's lock, open both files and repair their ends.

        Args:
            directory: The session's folder, private; its name is the session's id.
            max_bytes: Size at which no more frames of the agent are taken; 0 for no limit.
            create: Whether the session is a new one.

        Raises:
            SessionBusy: Somebody else owns it.
            SessionNotFound: It was deleted meanwhile.
            TraceFull: The repair cannot be written.
            TraceUnreadable: The events are not in the form that a record begins with.
            TraceError: A file is not what it should be.
        """
        self.session_id = directory.name
        self.directory = directory
        self.repairs: tuple[Repair, ...] = ()
        self.last_seq = 0
        self._next_frame = 1
        self._max_bytes = max_bytes
        self._summary: SessionSummary | None = None
        self._summary_size = -1
        self._names_synced = not create
        self._lock = SessionLock(directory)
        try:
            self._raw = AppendFile(directory / RAW_NAME)
            try:
                self._events = AppendFile(directory / EVENTS_NAME)
                try:
                    self._resume()
                except BaseException:
                    self._events.close()
                    raise
            except BaseException:
                self._raw.close()
                raise
        except BaseException:
            self._lock.release()
            raise

    def _resume(self) -> None:
        last_frame = self._repair(self._raw, is_sound_frame)
        last_event = self._repair(self._events, is_sound_event)
        if last_frame is not None:
            frame = decode_frame(last_frame)
            self._next_frame = frame.number + 1 if frame else 1
        if last_event is None:
            return
        seq = _SEQ.match(last_event)
        if seq is None:
            raise TraceUnreadable(
                f"The last line of {self._events.path} is not an event.",
                advice="The session cannot be continued; start a new one.",
            )
        self.last_seq = int(seq[1])
        # After a power cut the events may know of frames that never reached the disk. Their numbers
        # must not be given to other frames.
        size = self._events.size
        recent = read_at(self._events.descriptor, max(0, size - _RECENT), size)
        known = max((int(number) for number in _FRAME_REFERENCE.findall(recent)), default=0)
        self._next_frame = max(self._next_frame, known + 1)

    def _repair(self, file: AppendFile, is_sound: Callable[[bytes], bool]) -> bytes | None:
        end, line = sound_end(file.descriptor, file.size, is_sound)
        if end < file.size:
            kept = file.path.with_name(f"{file.path.name}.torn")
            _keep_aside(file, end, kept)
            self.repairs += (Repair(file.path.name, file.size - end, kept),)
            file.truncate(end)
        return line

    @property
    def size_bytes(self) -> int:
        """Bytes of both files together."""
        return self._raw.size + self._events.size

    def record(self, direction: Direction, frames: Sequence[bytes]) -> int:
        """Record raw frames, before they are acted upon or sent; all of them or none.

        Args:
            direction: `in` from the agent, `out` to it.
            frames: Complete frames without line ends, of any content.

        Returns:
            The number of the first of them, from 1 in the session.

        Raises:
            TraceFull: They cannot be recorded, and are not.
        """
        first = self._next_frame
        if not frames:
            return first
        data = encode_frames(direction, frames, first, time.time())
        self._require_room(len(data), 0 if direction == "in" else CLOSING_RESERVE)
        self._raw.append(data)
        self._next_frame = first + len(frames)
        return first

    def append(self, events: Sequence[Event]) -> None:
        """Record events, before they are applied or shown; all of them or none.

        Args:
            events: The next events of this session, in order and without gaps.

        Raises:
            TraceFull: They cannot be recorded, and are not.
            ValueError: They do not follow what is recorded.
        """
        if not events:
            return
        for seq, event in enumerate(events, self.last_seq + 1):
            if event.seq != seq or event.session_id != self.session_id:
                raise ValueError(
                    f"event {event.session_id}#{event.seq} does not follow "
                    f"{self.session_id}#{seq - 1}"
                )
        lines = [encode_model(event) for event in events]
        lines.append("")
        data = "\n".join(lines).encode()
        self._require_room(len(data), CLOSING_RESERVE)
        self._events.append(data)
        self.last_seq += len(events)

    def _require_room(self, size: int, reserve: int) -> None:
        if self._max_bytes and self.size_bytes + size > self._max_bytes + reserve:
            raise TraceFull(
                f"The record of session {self.session_id} reached its limit of "
                f"{self._max_bytes / 1e6:,.0f} megabytes.",
                advice="Start a new session, or raise autopilot.trace.maxSessionMegabytes.",
            )

    def sync(self) -> None:
        """Wait until all that is recorded is on the disk. Blocks: call it in a worker thread.

        Raises:
            TraceFull: The disk refuses; what was recorded last may be lost.
        """
        self._raw.sync()
        self._events.sync()
        if not self._names_synced:
            for folder in (self.directory, self.directory.parent):
                try:
                    sync_folder(folder)
                except OSError as error:
                    raise full(folder, error) from error
            self._names_synced = True

    def update_summary(self, summary: SessionSummary) -> None:
        """Keep what a list of sessions shows; a failure is no loss, the events can tell it again.

        Args:
            summary: `size_bytes` and `in_use` are not kept; they are looked up when it is read.
        """
        self._summary = summary
        with suppress(OSError):
            write_summary(self.directory, summary, self._events.size)
            self._summary_size = self._events.size

    def close(self) -> None:
        """Close the files and give the session up. May be called again."""
        if self._summary is not None and self._summary_size != self._events.size:
            self.update_summary(self._summary)
        self._summary = None
        self._raw.close()
        self._events.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _keep_aside(file: AppendFile, start: int, kept: Path) -> None:
    """Add the bytes from `start` to the end of the file to `kept`, and wait until they are safe."""
    try:
        descriptor = open_private(kept, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for place in range(start, file.size, _COPY):
                write_all(
                    descriptor,
                    read_at(file.descriptor, place, min(place + _COPY, file.size)),
                )
            write_all(descriptor, b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise full(kept, error) from error
