"""One owner at a time of a folder that several processes use; the system frees it at their end.

Not aware of what the folder holds.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio

_PAUSE: Final = 0.02
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@asynccontextmanager
async def locked(path: Path, seconds: float) -> AsyncGenerator[None]:
    """Own the lock file as long as the block lasts.

    Raises:
        TimeoutError: Another owner kept it all the time.
        OSError: The file cannot be made.
    """
    descriptor = os.open(path, _FLAGS, 0o600)
    try:
        with anyio.fail_after(seconds):
            while not _try(descriptor):  # noqa: ASYNC110 reason: the system tells nobody of its end
                await anyio.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
