"""One editor of the shared process: its connection, from the first byte to the exit code.

Whatever goes wrong here ends this connection only. Light, as `lsp.main` is: the rest is loaded once
`initialize` is answered. Not aware of how connections are accepted. `daemon` stands above; `host`, `greeting`
and `lsp` below.
"""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.main import EDITOR_READS, collect_seldom, serve_connection
from autopilot_ls.lsp.transport import Outbox, open_socket
from autopilot_ls.shared import greeting
from autopilot_ls.supervisor.caller import CALLER, Caller

if TYPE_CHECKING:
    from autopilot_ls.lsp.main import Service
    from autopilot_ls.settings.tree import Settings
    from autopilot_ls.shared.host import SharedHost
    from autopilot_ls.shared.pool import Pool


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
    """One editor; see the module's docstring."""

    def __init__(
        self,
        pool: Callable[[], Pool],
        caller: Caller,
        *,
        said: str,
        applied: Callable[[Settings], None],
    ) -> None:
        """Create it; `serve` does the rest. Arguments are those of `SharedHost`."""
        self.connection = Connection()
        self._pool = pool
        self._caller = caller
        self._said = said
        self._applied = applied
        self._host: SharedHost | None = None

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
        outbox = _Pieces(inner, self._last)
        connection.open(outbox)
        try:
            await serve_connection(connection, outbox, self._load)
        finally:
            await outbox.close(EDITOR_READS)

    def _last(self) -> tuple[str, int]:
        """Return what is to be said at the end, and the exit code."""
        said = "" if self._host is None else self._host.left_behind
        return said, self.connection.exit_code

    def _load(self) -> Service:
        from autopilot_ls.shared.host import SharedHost

        if not gc.isenabled():
            # Only once, since what earlier editors left would never be collected.
            collect_seldom()
        self._host = SharedHost(
            self._pool, self.connection, self._caller, said=self._said, applied=self._applied
        )
        return self._host.serve
