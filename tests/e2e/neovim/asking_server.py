"""An MCP server over stdio whose one tool asks the person for a name and a number, and writes the answer to a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

TOOL = {"name": "label", "description": "Labels a box.", "inputSchema": {"type": "object"}}
SCHEMA = {
    "type": "object",
    "properties": {
        "count": {"type": "integer", "title": "How many"},
        "name": {"type": "string", "title": "Whose"},
    },
    "required": ["count", "name"],
}


def send(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def answer(method: str, params: dict[str, object]) -> dict[str, object]:
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "boxes", "version": "1"},
        }
    return {"tools": [TOOL]} if method == "tools/list" else {}


calling: object = None
for line in sys.stdin:
    message = json.loads(line)
    if message.get("id") == "asked":
        Path(sys.argv[1]).write_text(json.dumps(message.get("result")))
        send({"id": calling, "result": {"content": [{"type": "text", "text": "labelled"}]}})
    elif message.get("method") == "tools/call":
        calling = message["id"]
        wanted = {"message": "What is on the label?", "requestedSchema": SCHEMA}
        send({"id": "asked", "method": "elicitation/create", "params": wanted})
    elif "id" in message:
        send(
            {
                "id": message["id"],
                "result": answer(message["method"], message.get("params") or {}),
            }
        )
