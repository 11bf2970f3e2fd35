"""What a client and the shared process say to each other, before and around the language server's bytes.

First a line of JSON each way: who comes and what for, and whether it is welcome. Then the editor's bytes go
as they are; what comes back goes in pieces with a head, so that the end can carry an exit code and can be
told from a crash. Pure, only the standard library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final, cast

PROTOCOL: Final = 1
"""Of what this module describes; both sides must have the same."""

MAX_HELLO: Final = 4 * 1024 * 1024
"""Bytes of the first line; systems allow environments of about two megabytes."""

MAX_ANSWER: Final = 64 * 1024
"""Bytes of the answer to it."""

MAX_PIECE: Final = 256 * 1024 * 1024
"""Bytes of one piece that comes back; more is not ours."""

WELCOME: Final = "welcome"
GONE: Final = "gone"
"""The process has given up its place: who comes later finds another, or starts one."""
REFUSED: Final = "refused"

DATA: Final = b"D"
"""Bytes for the editor."""
SAID: Final = b"S"
"""A line for the standard error stream."""
END: Final = b"E"
"""The exit code, and nothing after it."""

_HEAD: Final = 5


class Garbled(Exception):
    """What came is not what this module describes."""


def line(message: Mapping[str, object]) -> bytes:
    """Return a message as a line; text that is no valid Unicode survives."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def message(data: bytes) -> dict[str, object]:
    """Return the message of a line.

    Raises:
        Garbled: It is none.
    """
    try:
        found: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Garbled("not a line of JSON") from error
    if not isinstance(found, dict):
        raise Garbled("not an object")
    return cast("dict[str, object]", found)


def hello(
    purpose: str,
    version: str,
    *,
    cwd: str = "",
    environ: Mapping[str, str] | None = None,
    said: str = "",
) -> dict[str, object]:
    """Return the first message of a client.

    Args:
        purpose: `edit`, `status`, `release` (what is idle) or `stop`.
        version: Of the client's package.
        cwd: The client's folder.
        environ: What agents that the client starts are to be run with.
        said: What the editor's log is to begin with.
    """
    return {
        "autopilot": PROTOCOL,
        "purpose": purpose,
        "version": version,
        "cwd": cwd,
        "environ": dict(environ or {}),
        "said": said,
    }


def piece(kind: bytes, data: bytes) -> bytes:
    """Return one piece for the way back."""
    return kind + len(data).to_bytes(4, "big") + data


class Pieces:
    """Takes pieces out of the bytes that come back, without waiting for their ends."""

    def __init__(self) -> None:
        """Begin at the beginning of a piece."""
        self._head = b""
        self._kind = b""
        self._left = 0
        self._kept = b""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield kinds and contents: of `DATA` what has come of it, of the others all of it.

        Raises:
            Garbled: These are no pieces.
        """
        view = memoryview(data)
        while view:
            if not self._kind:
                wanted = _HEAD - len(self._head)
                self._head += bytes(view[:wanted])
                view = view[wanted:]
                if len(self._head) < _HEAD:
                    return
                self._begin()
            part, view = bytes(view[: self._left]), view[self._left :]
            self._left -= len(part)
            kind = self._kind
            if self._left == 0:
                self._kind = b""
            if kind == DATA:
                yield DATA, part
                continue
            self._kept += part
            if self._left == 0:
                kept, self._kept = self._kept, b""
                yield kind, kept

    def _begin(self) -> None:
        self._kind, self._left = self._head[:1], int.from_bytes(self._head[1:], "big")
        self._head = b""
        limit = MAX_PIECE if self._kind == DATA else MAX_ANSWER
        if self._kind not in {DATA, SAID, END} or not 0 < self._left <= limit:
            raise Garbled("not a piece")
