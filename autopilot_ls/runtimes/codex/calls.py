"""Requests to Codex, with a limit on their time, and what becomes of a refusal.

Reading is tried again when Codex is overloaded; whatever changes something is sent once. Not aware of what
is asked. `conversation` and `account` stand above; `wire` and `failures` below.
"""

from __future__ import annotations

from typing import Final

import anyio

from autopilot_ls.model.errors import AgentError, RpcError
from autopilot_ls.runtimes.codex.failures import request_failure
from autopilot_ls.runtimes.codex.fields import Table, as_table
from autopilot_ls.wire.jsonrpc import JsonRpcConnection
from autopilot_ls.wire.messages import JsonObject, JsonValue

ASIDE_TIMEOUT: Final = 5.0
"""Seconds for what a person waits for only in passing."""

_OVERLOADED: Final = -32001
_PAUSES: Final = (0.2, 0.5, 1.0)


class Calls:
    """Sends requests over one connection.

    Attributes:
        timeout: Seconds for one request.
    """

    def __init__(self, connection: JsonRpcConnection, *, timeout: float) -> None:
        """Create it over a connection that must be running."""
        self.timeout = timeout
        self._connection = connection

    async def once(
        self, method: str, params: JsonObject, timeout: float | None = None
    ) -> JsonValue:
        """Send a request as it is; raises what the connection raises."""
        limit = self.timeout if timeout is None else timeout
        return await self._connection.request(method, params, timeout=limit)

    async def read(self, method: str, params: JsonObject) -> JsonValue:
        """Send a request that changes nothing; repeated when Codex is overloaded."""
        for pause in _PAUSES:
            try:
                return await self.once(method, params)
            except RpcError as error:
                if error.rpc_code != _OVERLOADED:
                    raise
            await anyio.sleep(pause)
        return await self.once(method, params)

    async def read_or_fail(self, method: str, params: JsonObject) -> JsonValue:
        """Read; a refusal becomes an error of the tree."""
        try:
            return await self.read(method, params)
        except RpcError as error:
            raise request_failure(f"Codex did not answer {method}", error) from error

    async def send(
        self, method: str, params: JsonObject, what: str, timeout: float | None = None
    ) -> Table:
        """Send a request that changes something, once.

        Args:
            method: Codex's name of it.
            params: What goes with it.
            what: What did not happen if it is refused, for a person.
            timeout: Seconds; those of the setting when omitted.
        """
        try:
            return as_table(await self.once(method, params, timeout))
        except RpcError as error:
            if error.rpc_code == _OVERLOADED:
                raise AgentError(f"{what}: Codex is overloaded.", advice="Try again.") from error
            raise request_failure(what, error) from error
