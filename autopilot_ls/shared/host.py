"""What an editor of the shared process is served with: its settings, and its window on a supervisor.

Loaded once the editor has the answer to `initialize`. Not aware of sockets. `clients` stands above; `pool`,
`window` and `lsp.hosting` below.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import anyio

from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.hosting import Place
from autopilot_ls.lsp.service import serve
from autopilot_ls.model.text import count
from autopilot_ls.settings.tree import Settings
from autopilot_ls.shared.pool import Hosted, Pool
from autopilot_ls.shared.window import Scope, WindowView, backend_of
from autopilot_ls.supervisor.caller import Caller
from autopilot_ls.supervisor.supervisor import Supervisor

_LOG: Final = logging.getLogger(__name__)

ENDED_UNEXPECTEDLY: Final = 3
"""The exit code for an editor whose supervisor has failed."""


class SharedHost:
    """The `Host` of one editor."""

    def __init__(
        self,
        pool: Callable[[], Pool],
        connection: Connection,
        caller: Caller,
        *,
        said: str,
        applied: Callable[[Settings], None],
    ) -> None:
        """Create it.

        Args:
            pool: Gives the supervisors.
            connection: The editor's.
            caller: Whoever uses the editor.
            said: What to tell the editor at the beginning.
            applied: Called with its settings whenever they were loaded.
        """
        self.said = said
        self.environment: Mapping[str, str] = caller.environment
        self.left_behind = ""
        self._pool = pool
        self._connection = connection
        self._caller = caller
        self._applied = applied
        self._settings: Settings | None = None

    async def serve(self, connection: Connection) -> None:
        """Serve the editor until its connection is stopped."""
        await serve(connection, host=self)

    def apply(self, settings: Settings) -> None:
        """Take the settings that are this editor's own."""
        before, self._settings = self._settings, settings
        if before is None or before.mode is not settings.mode:
            self._caller.mode = settings.mode
        self._caller.model, self._caller.effort = settings.codex.model, settings.codex.effort
        self._applied(settings)

    @asynccontextmanager
    async def supervisor(self, settings: Settings) -> AsyncGenerator[Place]:
        """See `Host`."""
        pool = self._pool()
        async with pool.use(settings) as hosted, anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, hosted)
            supervisor = hosted.supervisor
            scope = Scope(supervisor, self._caller, lambda: self._connection.folders)
            try:
                yield Place(
                    backend_of(supervisor, scope, settings, hosted.tasks),
                    lambda view: supervisor.attach(WindowView(view, scope)),
                    hosted.tasks,
                )
            finally:
                tasks.cancel_scope.cancel()
                if pool.users(hosted) == 1:
                    self.left_behind = _left_behind(supervisor)

    async def _watch(self, hosted: Hosted) -> None:
        """Have the editor start again when its supervisor has failed, as if the process had."""
        await hosted.ended.wait()
        _LOG.warning("The connection of %s is given up with its supervisor.", self._caller.cwd)
        self._connection.stop(ENDED_UNEXPECTEDLY)


def _left_behind(supervisor: Supervisor) -> str:
    """Return what goes on without the editor, in words."""
    running = [
        snapshot
        for session_id in supervisor.live_sessions()
        if (snapshot := supervisor.snapshot(session_id)).active_turn is not None
    ]
    if not running:
        return ""
    waiting = len(supervisor.approvals())
    waits = f", {count(waiting, 'approval')} waiting" if waiting else ""
    places = ", ".join(sorted({snapshot.cwd for snapshot in running})[:3])
    return (
        f"autopilot-ls: {count(len(running), 'turn')} still running in the background (in {places}){waits}. "
        "It is there when an editor connects again; `autopilot-ls daemon --stop` ends it."
    )
