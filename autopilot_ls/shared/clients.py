"""One editor of the shared process: its connection, its settings, and who it is for the supervisor.

Whatever goes wrong here ends this connection only. Not aware of how connections are accepted. `daemon`
stands above; `pool`, `greeting` and `lsp` below.
"""

from __future__ import annotations

import gc
import logging
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.hosting import Place
from autopilot_ls.lsp.main import EDITOR_READS, serve_connection
from autopilot_ls.lsp.service import serve
from autopilot_ls.lsp.transport import Outbox, open_socket
from autopilot_ls.model.text import count
from autopilot_ls.settings.tree import Settings
from autopilot_ls.shared import greeting
from autopilot_ls.shared.pool import Hosted, Pool
from autopilot_ls.shared.window import Scope, WindowView, backend_of
from autopilot_ls.supervisor.caller import CALLER, Caller
from autopilot_ls.supervisor.supervisor import Supervisor

if TYPE_CHECKING:
    from autopilot_ls.lsp.main import Service

_LOG: Final = logging.getLogger(__name__)

ENDED_UNEXPECTEDLY: Final = 3
"""The exit code for an editor whose supervisor has failed."""


class _Pieces:
    """An outbox that puts what goes out into pieces, the last of them with the exit code."""

    def __init__(self, inner: Outbox, last: Callable[[], tuple[str, int]]) -> None:
        self._inner = inner
        self._last = last
        self._closed = False

    @property
    def congested(self) -> bool:
        return self._inner.congested

    def write(self, data: bytes) -> None:
        self._inner.write(greeting.piece(greeting.DATA, data))

    async def close(self, grace: float) -> None:
        if not self._closed:
            self._closed = True
            text, exit_code = self._last()
            if text:
                self._inner.write(greeting.piece(greeting.SAID, text.encode(errors="replace")))
            self._inner.write(greeting.piece(greeting.END, b"%d" % exit_code))
        await self._inner.close(grace)


class Client:
    """One editor; see the module's docstring. It is the `Host` of its connection."""

    def __init__(
        self,
        pool: Pool,
        *,
        environment: Mapping[str, str],
        cwd: Path,
        said: str,
        applied: Callable[[Settings], None],
    ) -> None:
        """Create it; `serve` does the rest.

        Args:
            pool: The supervisors.
            environment: What the editor's forwarder was started with.
            cwd: The folder it was started in.
            said: What to tell the editor at the beginning.
            applied: Called with its settings whenever they were loaded.
        """
        self.environment = environment
        self.said = said
        self.connection = Connection()
        self._pool = pool
        self._caller = Caller(environment, cwd)
        self._applied = applied
        self._settings: Settings | None = None
        self._left_behind = ""

    @property
    def label(self) -> str:
        """Who this is, and where."""
        profile = getattr(self.connection, "profile", None)
        name = profile.label if profile else "an editor that has not said its name"
        return f"{name} in {', '.join(self.connection.folders) or self._caller.cwd}"

    async def serve(self, connected: socket.socket) -> None:
        """Serve the editor until it has gone."""
        connection = self.connection
        # All that its tasks and callbacks do is done on its behalf.
        CALLER.set(self._caller)
        inner = await open_socket(
            connected,
            connection.server.protocol,
            lost=connection.lost,
            drained=connection.drained,
        )
        outbox = _Pieces(inner, lambda: (self._left_behind, connection.exit_code))
        connection.open(outbox)
        try:
            await serve_connection(connection, outbox, self._load)
        finally:
            await outbox.close(EDITOR_READS)

    def _load(self) -> Service:
        # What is loaded stays; collections that need not look at it are short.
        gc.freeze()
        gc.enable()
        return partial(serve, host=self)

    # Its `Host` -----------------------------------------------------------------------------------

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
        async with self._pool.use(settings) as hosted, anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, hosted)
            supervisor = hosted.supervisor
            scope = Scope(supervisor, self._caller, lambda: self.connection.folders)
            try:
                yield Place(
                    backend_of(supervisor, scope, settings, hosted.tasks),
                    lambda view: supervisor.attach(WindowView(view, scope)),
                    hosted.tasks,
                )
            finally:
                tasks.cancel_scope.cancel()
                if self._pool.users(hosted) == 1:
                    self._left_behind = _left_behind(supervisor)

    async def _watch(self, hosted: Hosted) -> None:
        """Have the editor start again when its supervisor has failed, as if the process had."""
        await hosted.ended.wait()
        _LOG.warning("The connection of %s is given up with its supervisor.", self.label)
        self.connection.stop(ENDED_UNEXPECTEDLY)


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
