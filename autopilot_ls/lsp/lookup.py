"""What several commands look up: a session's state, wherever it stands, and the folder that is meant.

Not aware of what is done with it. The commands stand above; `backend` and `connection` below.
"""

from __future__ import annotations

from pathlib import Path

import anyio.to_thread

from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.convert import to_path
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.snapshots import SessionSnapshot


async def snapshot_of(backend: Backend, session_id: str) -> SessionSnapshot:
    """Return a session's state; a recorded one is read in a thread."""
    if backend.is_open(session_id):
        return backend.snapshot(session_id)
    return await anyio.to_thread.run_sync(backend.snapshot, session_id)


def folder_named(cwd: str) -> Path:
    """Return the folder that a command names by an absolute path or a `file:` URI.

    Raises:
        InvalidRequest: It is neither.
    """
    path = Path(to_path(cwd) or cwd)
    if not path.is_absolute():
        raise InvalidRequest(
            f"cwd: {cwd!r} is not an absolute path.",
            advice="Give an absolute path or a file: URI.",
        )
    return path
