"""Having made early what the first messages need: the code that turns the protocol's classes into JSON.

Run while the editor waits for nothing. Not aware of features. `service` stands above.
"""

from __future__ import annotations

from lsprotocol import types

from autopilot_ls.lsp import methods
from autopilot_ls.lsp.connection import Connection


def warm_up(connection: Connection) -> None:
    """Have the code made that turns the first messages of each kind into JSON."""
    start = types.Position(0, 0)
    place = types.Range(start, start)
    samples = (
        types.PublishDiagnosticsParams(
            "file:///", [types.Diagnostic(place, "", types.DiagnosticSeverity.Hint, data={})]
        ),
        types.ProgressParams("", types.WorkDoneProgressBegin("")),
        types.ProgressParams("", types.WorkDoneProgressReport()),
        types.ProgressParams("", types.WorkDoneProgressEnd()),
        types.CodeAction("", command=types.Command("", "")),
    )
    structured: dict[str, object] = {
        "jsonrpc": "2.0",
        "id": 0,
        "method": types.TEXT_DOCUMENT_CODE_ACTION,
        "params": {
            "textDocument": {"uri": ""},
            "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}},
            "context": {"diagnostics": []},
        },
    }
    for sample in samples:
        connection.server.protocol.plain(sample)
    connection.server.protocol.structure_message(structured)
    for method in methods.COMMANDS:
        method.params_model().model_rebuild()
