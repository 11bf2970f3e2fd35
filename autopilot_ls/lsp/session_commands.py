"""What the commands about sessions do: list, show, open, close, name, put away, fork, shorten, delete.

Not aware of how an editor sends a command. `commands` stands above.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import anyio.to_thread

from autopilot_ls.lsp import session_params as params
from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.lookup import folder_named, snapshot_of
from autopilot_ls.lsp.shared_params import Done, SessionParams
from autopilot_ls.presentation.transcript import TranscriptRenderer

T = TypeVar("T")


class Reporting(Protocol):
    """Waits for work whose failure its caller is told."""

    async def __call__(self, work: Awaitable[T]) -> T:
        """Return what it comes to."""
        ...


class SessionCommands:
    """The commands of one editor about sessions."""

    def __init__(
        self, backend: Backend, *, redact: Callable[[str], str], reporting: Reporting
    ) -> None:
        """Create them.

        Args:
            backend: The supervisor.
            redact: Leaves out secrets.
            reporting: Waits for what brings an agent up.
        """
        self._backend = backend
        self._redact = redact
        self._reporting = reporting

    async def list(self, request: params.SessionListParams) -> params.SessionList:
        """List the sessions."""
        found = await anyio.to_thread.run_sync(self._backend.sessions)
        wanted = [session for session in found if session.archived is request.archived]
        if request.cwd is not None:
            folder = str(await anyio.to_thread.run_sync(folder_named(request.cwd).resolve))
            wanted = [session for session in wanted if session.cwd == folder]
        return params.SessionList(sessions=tuple(wanted))

    async def show(self, request: SessionParams) -> params.SessionShown:
        """Show one session."""
        snapshot = await snapshot_of(self._backend, request.session_id)
        renderer = TranscriptRenderer(redact=self._redact)
        transcript = await anyio.to_thread.run_sync(renderer.render, snapshot)
        return params.session_shown(snapshot, transcript)

    async def resume(self, request: SessionParams) -> params.SessionResumed:
        """Open a session again, with its agent."""
        snapshot = await self._reporting(self._backend.resume(request.session_id))
        return params.SessionResumed(
            session_id=snapshot.session_id, thread_id=snapshot.thread_id, alive=snapshot.alive
        )

    async def close(self, request: SessionParams) -> Done:
        """End a session's agent."""
        await self._backend.close_session(request.session_id)
        return Done()

    async def delete(self, request: SessionParams) -> Done:
        """Delete a session's record."""
        await self._backend.delete_session(request.session_id)
        return Done()

    async def rename(self, request: params.SessionRenameParams) -> Done:
        """Give a session another title."""
        await self._backend.shelf.rename(request.session_id, request.title)
        return Done()

    async def archive(self, request: params.SessionArchiveParams) -> Done:
        """Put a session away, or back."""
        await self._backend.shelf.archive(request.session_id, archived=request.archived)
        return Done()

    async def fork(self, request: params.SessionForkParams) -> params.SessionForked:
        """Go on from a session in a new one."""
        forked = self._backend.shelf.fork(request.session_id, request.turn_id)
        return params.SessionForked(session_id=await self._reporting(forked))

    async def compact(self, request: SessionParams) -> Done:
        """Have the agent shorten its context."""
        await self._reporting(self._backend.shelf.compact(request.session_id))
        return Done()
