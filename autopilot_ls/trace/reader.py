"""Reading a session's record back: events exactly or not at all, raw frames as far as possible.

Needs no lock: what is being written, or was torn by a crash, ends the reading silently, since it was
never acted upon. Not aware of what events mean. Stands on `files` and `lines`; `store` is the way in.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import ValidationError

from autopilot_ls.model.errors import SessionNotFound, TraceError, TraceUnreadable
from autopilot_ls.model.events import Event
from autopilot_ls.trace.files import open_private
from autopilot_ls.trace.lines import (
    EVENTS_NAME,
    MAX_LINE,
    RAW_NAME,
    Frame,
    decode_frame,
    decode_model,
    is_sound_event,
    is_sound_frame,
    sound_end,
)

_MAX_STEP: Final = 1_000


def open_record(path: Path) -> BinaryIO:
    """Open one of the two files for reading.

    Raises:
        SessionNotFound: It is not there.
        TraceUnreadable: It cannot be opened, or is not a private regular file.
    """
    try:
        return os.fdopen(open_private(path, os.O_RDONLY), "rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SessionNotFound(f"There is no session {path.parent.name}.") from error
    except OSError as error:
        raise TraceUnreadable(f"{path} cannot be read: {error.strerror}.") from error
    except TraceError as error:
        raise TraceUnreadable(error.message, advice=error.advice) from error


def _lines(path: Path, is_sound: Callable[[bytes], bool]) -> Generator[bytes, None, None]:
    """Yield the lines up to the end of the sound part, without their newlines."""
    with open_record(path) as file:
        descriptor = file.fileno()
        end, _ = sound_end(descriptor, os.fstat(descriptor).st_size, is_sound)
        os.lseek(descriptor, 0, os.SEEK_SET)
        if not end and file.readline(MAX_LINE)[-1:] == b"\n":
            # A crash in the very first line leaves no newline, so this is no record of ours.
            raise TraceUnreadable(f"Line 1 of {path} is damaged, and so is all that follows.")
        place = 0
        while place < end:
            line = file.readline(MAX_LINE)
            place += len(line)
            if line[-1:] != b"\n":
                raise TraceUnreadable(f"{path} changed or has an endless line at byte {place:,}.")
            yield line[:-1]


def parse_event(line: bytes, path: Path, seq: int) -> Event:
    """Return the event that a line records.

    Args:
        line: The line without its newline.
        path: The file, whose folder names the session.
        seq: The number it must have, which is also the number of its line.

    Raises:
        TraceUnreadable: It is damaged, of another session, out of order, or of a newer version.
    """
    try:
        event = decode_model(Event, line)
    except ValidationError as error:
        what = "is an event this version does not know" if is_sound_event(line) else "is damaged"
        raise TraceUnreadable(
            f"Line {seq} of {path} {what}: {error.errors(include_input=False)[0]['msg']}.",
            advice="Nothing was changed. The raw frames of the session may still be readable.",
        ) from error
    if event.seq != seq or event.session_id != path.parent.name:
        raise TraceUnreadable(
            f"Line {seq} of {path} holds event {event.seq} of session {event.session_id}.",
            advice="Lines are missing or were changed; nothing was changed now.",
        )
    return event


def read_events(folder: Path) -> Iterator[Event]:
    """Yield all events of a session in order.

    Raises:
        SessionNotFound: There is no such session.
        TraceUnreadable: A line in the middle is damaged or missing; the message says which.
    """
    path = folder / EVENTS_NAME
    for seq, line in enumerate(_lines(path, is_sound_event), 1):
        yield parse_event(line, path, seq)


def read_frames(folder: Path) -> Iterator[Frame]:
    """Yield all raw frames of a session in order; a damaged line comes as an `unknown` frame.

    Raises:
        SessionNotFound: There is no such session.
        TraceUnreadable: The file cannot be read.
    """
    number, time = 0, 0.0
    for line in _lines(folder / RAW_NAME, is_sound_frame):
        frame = decode_frame(line)
        if frame is None:
            frame = Frame(number + 1, time, "unknown", line)
        number, time = frame.number, frame.time
        yield frame


class Follower:
    """Takes what was added to the events since the last time, in a worker thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open_record(path)
        self._place = 0
        self._seq = 0

    def step(self) -> list[Event]:
        """Return the next complete events, a bounded number, none when there is nothing new."""
        size = os.fstat(self._file.fileno()).st_size
        if size < self._place:
            raise TraceUnreadable(
                f"{self._path} was shortened while it was followed.", advice="Start again."
            )
        events: list[Event] = []
        if self._place < size:
            # The descriptor's own buffer would keep the half of a line that is not yet complete.
            self._file.seek(self._place)
            while len(events) < _MAX_STEP:
                line = self._file.readline(MAX_LINE)
                if line[-1:] != b"\n":
                    return events
                events.append(parse_event(line[:-1], self._path, self._seq + 1))
                self._seq += 1
                self._place += len(line)
        return events

    def gone(self) -> bool:
        """Tell whether the session was deleted."""
        return os.fstat(self._file.fileno()).st_nlink == 0 or not self._path.exists()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


async def follow_events(
    folder: Path, *, after: int, interval: float, ended: Callable[[], bool]
) -> AsyncGenerator[Event, None]:
    """Yield the events of a session, those that are there and those to come.

    Args:
        folder: The session's folder.
        after: Sequence number of the last event that is not wanted.
        interval: Seconds between two looks at the file's size while nothing happens.
        ended: Whether no more is to come; asked before a look, believed after one found nothing.

    Raises:
        SessionNotFound: There is no such session.
        TraceUnreadable: As in `read_events`.
    """
    import anyio
    from anyio import to_thread

    follower = await to_thread.run_sync(Follower, folder / EVENTS_NAME)
    try:
        while True:
            last_look = ended()
            events = await to_thread.run_sync(follower.step)
            for event in events:
                if event.seq > after:
                    yield event
            if not events:
                if last_look or follower.gone():
                    return
                await anyio.sleep(interval)
    finally:
        follower.close()
