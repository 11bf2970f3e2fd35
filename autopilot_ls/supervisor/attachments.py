"""Files that a person sends along with a message: looked at before anything is started.

Where a file stands is the person's own choice. Its kind and size are checked, an image by its first bytes,
and what is wrong is told with the file's name. Not aware of agents. `supervisor` stands above.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from autopilot_ls.model.attachments import Attachment
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.text import one_line
from autopilot_ls.supervisor.requests import Reference

MAX_ATTACHMENTS: Final = 20
"""Files that may go with one message."""

MAX_IMAGE: Final = 10_000_000
"""Bytes of one image."""

MAX_IMAGES: Final = 30_000_000
"""Bytes of all images of one message."""

MAX_FILE: Final = 100_000_000
"""Bytes of any other file, which is only named to the agent."""

_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp"})
_BEGINNINGS: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_HEAD: Final = 16


def look_at(paths: Sequence[str]) -> tuple[Attachment, ...]:
    """Return the files as they can go with a message; reads the beginning of each.

    Args:
        paths: Absolute paths.

    Raises:
        InvalidRequest: One cannot be sent; the message names it.
    """
    if len(paths) > MAX_ATTACHMENTS:
        raise InvalidRequest(f"At most {MAX_ATTACHMENTS} files can go with one message.")
    found: list[Attachment] = []
    images = 0
    for path in dict.fromkeys(paths):
        size, beginning = _read(path)
        if Path(path).suffix.lower() not in _SUFFIXES:
            _require(path, size <= MAX_FILE, f"has more than {MAX_FILE:,} bytes")
            found.append(Attachment(path=path, kind="file"))
            continue
        _require(
            path, _is_image(beginning), "is named like an image, and is no PNG, JPEG, GIF or WebP"
        )
        _require(path, size <= MAX_IMAGE, f"has more than {MAX_IMAGE:,} bytes")
        images += size
        _require(
            path, images <= MAX_IMAGES, f"makes the images more than {MAX_IMAGES:,} bytes together"
        )
        found.append(Attachment(path=path, kind="image"))
    return tuple(found)


def files_of(attachments: Sequence[Attachment]) -> tuple[Reference, ...]:
    """Return what is only named to the agent, as places that its prompt points at."""
    return tuple(Reference(path=each.path) for each in attachments if each.kind == "file")


def images_of(attachments: Sequence[Attachment]) -> tuple[str, ...]:
    """Return the paths of what is shown to the model."""
    return tuple(each.path for each in attachments if each.kind == "image")


def _require(path: str, holds: bool, otherwise: str) -> None:  # noqa: FBT001 reason: it is the condition
    if not holds:
        raise InvalidRequest(f"{one_line(path, 500)} cannot be attached: it {otherwise}.")


def _read(path: str) -> tuple[int, bytes]:
    """Return the size and the beginning of a regular file; never waits for a pipe."""
    try:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        handle = os.open(path, flags)
        try:
            status = os.fstat(handle)
            _require(path, stat.S_ISREG(status.st_mode), "is no file")
            return status.st_size, os.read(handle, _HEAD)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no path"
        raise InvalidRequest(f"{one_line(path, 500)} cannot be attached: {why}.") from error


def _is_image(beginning: bytes) -> bool:
    is_webp = beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP"
    return is_webp or beginning.startswith(_BEGINNINGS)
