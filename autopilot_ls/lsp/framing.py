"""Cutting the byte stream from an editor into messages.

No input or output: bytes go in, message bodies come out. Whatever a client sends, the stream recovers
at the next header and nothing grows without limit. Not aware of what a message means. `transport` feeds
it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_HEADER: Final = 16_384
MAX_BODY: Final = 64 * 1024 * 1024

_LENGTH: Final = re.compile(
    rb"(?:\A|\n)[ \t]*content-length[ \t]*:[ \t]*(\d{1,18})[ \t]*\r?(?=\n|\Z)", re.IGNORECASE
)
_HEADER_END: Final = b"\r\n\r\n"
_HEADER_NAME: Final = b"Content-Length"


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was not taken as a message; `reason` is for the log and quotes nothing."""

    reason: str


class MessageSplitter:
    """Collects chunks and gives the complete bodies they make."""

    def __init__(self, *, max_header: int = MAX_HEADER, max_body: int = MAX_BODY) -> None:
        """Create an empty splitter.

        Args:
            max_header: Bytes after which a header without an end is given up.
            max_body: Bytes; a longer message is skipped without being kept.
        """
        self._max_header = max_header
        self._max_body = max_body
        self._buffer = bytearray()
        self._body: int | None = None
        self._skip = 0

    def feed(self, chunk: bytes) -> list[bytes | Skipped]:
        """Take what was read; return what became complete, in order."""
        found: list[bytes | Skipped] = []
        if self._skip:
            gone = min(self._skip, len(chunk))
            self._skip -= gone
            chunk = chunk[gone:]
        self._buffer += chunk
        while self._step(found):
            pass
        return found

    def _step(self, found: list[bytes | Skipped]) -> bool:
        """Take one header or body from the buffer; tell whether there was one."""
        if self._body is None:
            return self._take_header(found)
        if len(self._buffer) < self._body:
            return False
        found.append(bytes(self._buffer[: self._body]))
        del self._buffer[: self._body]
        self._body = None
        return True

    def _take_header(self, found: list[bytes | Skipped]) -> bool:
        end = self._buffer.find(_HEADER_END)
        if end < 0 or end > self._max_header:
            if max(end, len(self._buffer)) <= self._max_header:
                return False
            # The next header is looked for behind whatever this was.
            start = self._buffer.find(_HEADER_NAME, 1)
            del self._buffer[: start if start > 0 else len(self._buffer) - len(_HEADER_NAME)]
            found.append(Skipped("a header without an end"))
            return start > 0
        length = _LENGTH.search(bytes(self._buffer[:end]))
        del self._buffer[: end + len(_HEADER_END)]
        if length is None:
            found.append(Skipped("a header without a content length"))
            return True
        size = int(length[1])
        if size > self._max_body:
            found.append(Skipped(f"a message of {size:,} bytes, more than {self._max_body:,}"))
            gone = min(size, len(self._buffer))
            del self._buffer[:gone]
            self._skip = size - gone
            return self._skip == 0
        self._body = size
        return True


def frame(body: bytes) -> bytes:
    """Return the body with its header."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
