"""The least that could stand between an agent and an editor: what the latency of approvals is measured against.

Reads the agent's lines, turns a request for a patch into a diagnostic and a decision into an answer, and
nothing else: nothing is judged, recorded, kept or checked. It stalls where the machine itself stalls.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

Json = dict[str, object]


class Relay:
    """One editor, one agent."""

    def __init__(self, agent: subprocess.Popen[bytes]) -> None:
        assert agent.stdin is not None
        assert agent.stdout is not None
        self._to_agent: IO[bytes] = agent.stdin
        self._from_agent: IO[bytes] = agent.stdout
        self._paths: dict[object, str] = {}
        self._lock = threading.Lock()

    def tell(self, message: Json) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        with self._lock:
            sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            sys.stdout.buffer.flush()

    def say(self, message: Json) -> None:
        self._to_agent.write(json.dumps(message).encode() + b"\n")
        self._to_agent.flush()

    def follow_agent(self) -> None:
        while line := self._from_agent.readline():
            message = json.loads(line)
            params = message.get("params")
            match message.get("method"):
                case "item/started" if params["item"]["type"] == "fileChange":
                    path = params["item"]["changes"][0]["path"]
                    self._paths[params["item"]["id"]] = path
                case "item/fileChange/requestApproval":
                    self.show(self._paths[params["itemId"]], message["id"])
                case "turn/completed":
                    ended = {"token": "turn", "value": {"kind": "end"}}
                    self.tell({"method": "$/progress", "params": ended})
                case _:
                    pass

    def show(self, path: str, request: object) -> None:
        place = {"line": 1, "character": 0}
        diagnostic = {
            "range": {"start": place, "end": place},
            "message": "a patch waits",
            "data": {"approvalId": request},
        }
        params = {"uri": Path(path).as_uri(), "diagnostics": [diagnostic]}
        self.tell({"method": "textDocument/publishDiagnostics", "params": params})

    def follow_editor(self) -> None:
        while head := sys.stdin.buffer.readline():
            size = int(head.partition(b":")[2])
            sys.stdin.buffer.readline()
            message = json.loads(sys.stdin.buffer.read(size))
            if message["method"] == "exit":
                return
            if message["method"] == "workspace/executeCommand":
                self.execute(message["params"])
            if "id" in message:
                self.tell({"id": message["id"], "result": {"sessionId": "relay"}})

    def execute(self, params: Json) -> None:
        arguments = params["arguments"]
        argument = arguments[0] if isinstance(arguments, list) else {}
        match params["command"]:
            case "autopilot.turn.start":
                piece = {"type": "text", "text": argument["text"]}
                self.say({"id": "turn", "method": "turn/start", "params": {"input": [piece]}})
            case "autopilot.approval.decide":
                self.say({"id": argument["approvalId"], "result": {"decision": "decline"}})
            case _:
                pass


def main() -> None:
    with subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as agent:
        relay = Relay(agent)
        relay.say({"id": "thread", "method": "thread/start", "params": {"cwd": str(Path.cwd())}})
        threading.Thread(target=relay.follow_agent, daemon=True).start()
        relay.follow_editor()
        agent.terminate()


if __name__ == "__main__":
    main()
