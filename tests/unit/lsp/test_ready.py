"""What an editor asks for before the server is ready, or when it never will be."""

from __future__ import annotations

import anyio
import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from autopilot_ls.lsp import connection
from autopilot_ls.lsp.connection import Connection


async def test_a_command_does_not_wait_for_a_server_that_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    editor = Connection()
    monkeypatch.setattr(connection, "ACTIONS_TIMEOUT", 0.0)
    document = types.TextDocumentIdentifier(uri="file:///a")
    assert await editor.code_lenses(types.CodeLensParams(document)) == ()
    editor.stop(0)
    with anyio.fail_after(30), pytest.raises(JsonRpcException, match="shutting down"):
        await editor.execute("autopilot.status", ())
