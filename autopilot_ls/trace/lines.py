"""The two line formats of the record, and where the sound part of such a file ends.

A crash leaves a torn last line, a power cut may leave zeros or rubbish at the end. `sound_end` finds
the end of the last complete line, without reading more of the file than its end. Not aware of
folders, locks or sessions; `writer` and `reader` share it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json

from autopilot_ls.model.base import Frozen

RAW_NAME: Final = "raw.jsonl"
EVENTS_NAME: Final = "events.jsonl"

MAX_LINE: Final = 512 * 1024 * 1024
"""Bytes; above the wire's longest frame even when every byte of it is spelled as an escape."""

Direction = Literal["in", "out"]
FrozenType = TypeVar("FrozenType", bound=Frozen)

# The beginning of the escapes of lone surrogates, which only Python's own parser takes.
_SURROGATE: Final = b"\\ud"
_CHUNK: Final = 65_536
_MIDDLES: Final[dict[Direction, bytes]] = {
    "in": b',"t":%.6f,"d":"in",',
    "out": b',"t":%.6f,"d":"out",',
}

# The head alone tells where the frame begins, and its end is the line's: what an agent puts into a
# frame can never pass for a member of ours.
_RAW_HEAD: Final = re.compile(
    rb'\{"n":([0-9]{1,18}),"t":([0-9]{1,12}\.[0-9]{6}),"d":"(in|out)","([fs])":'
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One recorded frame.

    Attributes:
        number: Position in the session, from 1.
        time: Seconds since the epoch.
        direction: `in` from the agent, `out` to it; `unknown` for a line that cannot be read.
        data: The frame exactly as it was on the wire, or the unreadable line.
    """

    number: int
    time: float
    direction: Literal["in", "out", "unknown"]
    data: bytes

    @property
    def text(self) -> str:
        """The frame as text; bytes that are not UTF-8 are spelled out."""
        return self.data.decode("utf-8", "backslashreplace")


def encode_frames(direction: Direction, frames: Sequence[bytes], first: int, now: float) -> bytes:
    """Return the lines that record the frames, numbered from `first`.

    A frame that looks like one line of JSON is embedded as it is, without being parsed again; any
    other becomes a JSON string from which `decode_frame` gets the exact bytes back.
    """
    middle = _MIDDLES[direction] % now
    between = len(frames) - 1
    # These searches run at memory speed over the whole batch; looking at each frame does not.
    joined = b"\n".join(frames)
    if (
        joined[:1] == b"{"
        and joined[-1:] == b"}"
        and joined.count(b"\n") == between
        and joined.count(b"}\n{") == between
        and b"\0" not in joined
    ):
        middle += b'"f":'
        return b"".join(
            [b'{"n":%d%b%b}\n' % (n, middle, frame) for n, frame in enumerate(frames, first)]
        )
    return b"".join([_encode_frame(n, middle, frame) for n, frame in enumerate(frames, first)])


def _encode_frame(number: int, middle: bytes, frame: bytes) -> bytes:
    if frame[:1] == b"{" and frame[-1:] == b"}" and b"\n" not in frame and b"\0" not in frame:
        return b'{"n":%d%b"f":%b}\n' % (number, middle, frame)
    text = json.dumps(frame.decode("utf-8", "surrogateescape")).encode("ascii")
    return b'{"n":%d%b"s":%b}\n' % (number, middle, text)


def decode_frame(line: bytes) -> Frame | None:
    """Return the frame that a line without its newline records, or None if it is damaged."""
    head = _RAW_HEAD.match(line)
    if head is None or line[-1:] != b"}" or b"\0" in line:
        return None
    number, time, direction, form = head.groups()
    data = line[head.end() : -1]
    if form == b"s":
        try:
            text: object = json.loads(data)
        except ValueError:
            return None
        if not isinstance(text, str):
            return None
        data = text.encode("utf-8", "surrogateescape")
    return Frame(int(number), float(time), "in" if direction == b"in" else "out", data)


def encode_model(model: Frozen) -> str:
    """Return the value as one line of JSON, which `decode_model` turns back into the same.

    Text that is no valid Unicode, as in the name of a file that is not UTF-8, is spelled as escapes.
    """
    try:
        return model.model_dump_json(by_alias=True)
    except PydanticSerializationError:
        return json.dumps(model.model_dump(mode="json", by_alias=True), separators=(",", ":"))


def decode_model(kind: type[FrozenType], line: bytes) -> FrozenType:
    """Return the value that a line without its newline records.

    Raises:
        ValidationError: It is damaged, or of a version that this one does not know.
    """
    try:
        return kind.model_validate_json(line)
    except ValidationError:
        if _SURROGATE not in line:
            raise
        try:
            value: object = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        return kind.model_validate(value)


def is_sound_event(line: bytes) -> bool:
    """Tell whether the line is a whole JSON object.

    What it says is not judged: an event of a newer version is not damage.
    """
    try:
        if line[:1] != b"{":
            return False
        value: object = json.loads(line) if _SURROGATE in line else from_json(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)


def is_sound_frame(line: bytes) -> bool:
    """Tell whether the line records a frame."""
    return decode_frame(line) is not None


def read_at(descriptor: int, start: int, end: int) -> bytes:
    """Return the bytes from `start` to `end`, fewer where the file ends; moves the position."""
    os.lseek(descriptor, start, os.SEEK_SET)
    parts: list[bytes] = []
    while start < end and (part := os.read(descriptor, end - start)):
        parts.append(part)
        start += len(part)
    return b"".join(parts)


class _Backwards:
    """Finds newlines from the end of a file towards its beginning, reading each part once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._start = -1
        self._chunk = b""

    def newline_before(self, place: int) -> int:
        """Return the place of the last newline before `place`, or -1."""
        while place > 0:
            if not self._start <= place - 1 < self._start + len(self._chunk):
                self._start = max(0, place - _CHUNK)
                self._chunk = read_at(self._descriptor, self._start, place)
                if not self._chunk:
                    return -1
            found = self._chunk.rfind(b"\n", 0, place - self._start)
            if found >= 0:
                return self._start + found
            place = self._start
        return -1


def sound_end(
    descriptor: int, size: int, is_sound: Callable[[bytes], bool]
) -> tuple[int, bytes | None]:
    """Find where the sound part of a file of lines ends.

    Returns:
        The place behind the last sound line, and that line without its newline; 0 and None when
        there is none.
    """
    backwards = _Backwards(descriptor)
    end = backwards.newline_before(size) + 1
    while end > 0:
        start = backwards.newline_before(end - 1) + 1
        if end - start <= MAX_LINE:
            line = read_at(descriptor, start, end - 1)
            if is_sound(line):
                return end, line
        end = start
    return 0, None
