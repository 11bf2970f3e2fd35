"""The transcript of a session as a markdown file that an editor can open, and that follows along.

Written beside the session's record, whole and atomically, in a thread, at most as often as the settings
say, while the editor has it open or asked for it. Not aware of how it is rendered. `view` stands above.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from autopilot_ls.lsp.convert import canonical
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.model.errors import TraceError
from autopilot_ls.model.ids import is_session_id
from autopilot_ls.model.snapshots import SessionSnapshot
from autopilot_ls.presentation.transcript import TranscriptRenderer
from autopilot_ls.trace.files import replace_private

NAME: Final = "transcript.md"

MAX_FOLLOWED: Final = 20
"""Transcripts that are kept up to date at once."""


@dataclass(slots=True)
class _Followed:
    """A transcript that is kept up to date; one task at a time renders it."""

    session_id: str
    renderer: TranscriptRenderer
    seq: int = -1
    changed: anyio.Event = field(default_factory=anyio.Event)
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    running: bool = False


class Transcripts:
    """The transcripts that one editor looks at."""

    def __init__(
        self,
        folder: Path,
        jobs: Jobs,
        snapshot: Callable[[str], SessionSnapshot],
        redact: Callable[[str], str],
        interval: Callable[[], float],
    ) -> None:
        """Create the feature.

        Args:
            folder: Where the sessions' records are.
            jobs: Runs what follows along.
            snapshot: Gives a session's present state.
            redact: Leaves out secrets.
            interval: Gives the seconds between two updates.
        """
        self._folder = folder
        self._jobs = jobs
        self._snapshot = snapshot
        self._redact = redact
        self._interval = interval
        self._followed: dict[str, _Followed] = {}

    def path(self, session_id: str) -> Path:
        """Return where the transcript of a session stands."""
        return self._folder / session_id / NAME

    def session_of(self, key: str) -> str | None:
        """Return the session whose transcript has this canonical path."""
        path = Path(key)
        session_id = path.parent.name
        if path.name != NAME or not is_session_id(session_id):
            return None
        return session_id if canonical(str(self.path(session_id))) == key else None

    def line(self, session_id: str, approval_id: str) -> int | None:
        """Return the line, from 0, at which an approval stood when it was last written."""
        followed = self._followed.get(session_id)
        return followed.renderer.approval_line(approval_id) if followed else None

    async def open(self, session_id: str, *, follow: bool) -> Path:
        """Write a transcript, and keep it up to date from now on if it is to be followed."""
        followed = self._follow(session_id)
        await self._write(followed)
        if not follow:
            self.close(session_id)
        return self.path(session_id)

    def follow(self, session_id: str) -> None:
        """Keep a transcript up to date, because the editor has opened it."""
        self.changed(self._follow(session_id).session_id)

    def _follow(self, session_id: str) -> _Followed:
        followed = self._followed.get(session_id)
        if followed is None:
            if len(self._followed) >= MAX_FOLLOWED:
                self.close(next(iter(self._followed)))
            followed = _Followed(session_id, TranscriptRenderer(redact=self._redact))
            self._followed[session_id] = followed
        return followed

    def close(self, session_id: str) -> None:
        """Follow no longer."""
        followed = self._followed.pop(session_id, None)
        if followed is not None:
            followed.changed.set()

    def changed(self, session_id: str) -> None:
        """Something happened in a session; cheap enough for every frame."""
        followed = self._followed.get(session_id)
        if followed is None:
            return
        followed.changed.set()
        if not followed.running:
            followed.running = True
            self._jobs.start(lambda: self._keep_up(followed))

    async def _keep_up(self, followed: _Followed) -> None:
        try:
            while self._followed.get(followed.session_id) is followed:
                if not followed.changed.is_set():
                    return
                followed.changed = anyio.Event()
                await self._write(followed)
                await anyio.sleep(self._interval())
        finally:
            followed.running = False

    async def _write(self, followed: _Followed) -> None:
        async with followed.lock:
            snapshot = self._snapshot(followed.session_id)
            if snapshot.seq == followed.seq:
                return
            path = self.path(followed.session_id)
            await anyio.to_thread.run_sync(_render, followed.renderer, snapshot, path)
            followed.seq = snapshot.seq


def _render(renderer: TranscriptRenderer, snapshot: SessionSnapshot, path: Path) -> None:
    text = renderer.render(snapshot)
    try:
        replace_private(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise TraceError(
            f"The transcript cannot be written to {path}: {error.strerror}.",
            advice="Look at the disk space and the permissions of that folder.",
        ) from error
