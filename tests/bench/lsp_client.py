"""A language client that costs little and notes when each message came.

Not an editor: it opens nothing and draws nothing. One thread reads; everything else happens in the
caller's. Works with any server over stdio.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, cast

ROOT = Path(__file__).resolve().parent.parent
Json = dict[str, object]

SERVER = (sys.executable, "-m", "autopilot_ls")
BARE = (sys.executable, "-m", "tests.bench.bare_server")


def environment() -> dict[str, str]:
    """Return the environment of every program that is measured, the same for all."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


class LspClient:
    """A server with this client attached; a context manager that ends both."""

    def __init__(
        self,
        command: Sequence[str],
        cwd: Path,
        *,
        opted_in: bool | Json = False,
        options: Mapping[str, object] | None = None,
        stderr: Path | None = None,
    ) -> None:
        self.opted_in = opted_in
        self.cwd = cwd
        self.options = dict(options or {})
        self.arrivals: list[tuple[int, str]] = []
        self.answered: dict[int, int] = {}
        self.on_notification: Callable[[int, str, Json], None] | None = None
        self._condition = threading.Condition()
        self._replies: dict[int, Json] = {}
        self._gone = False
        self._next = 1
        self._errors = (stderr or Path(os.devnull)).open("ab")
        self.spawned = time.monotonic_ns()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=cwd,
            env=environment(),
        )
        self._writing = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.request("shutdown", None)
                self.notify("exit", None)
                self.process.wait(20)
            else:
                # A server that failed should have the time to say why.
                assert self.process.stdin is not None
                self.process.stdin.close()
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(2)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join(5)
            self._errors.close()
            for pipe in (self.process.stdin, self.process.stdout):
                # What could not be sent any more is of no interest.
                with suppress(OSError):
                    assert pipe is not None
                    pipe.close()

    # -- sending

    def _send(self, message: Json) -> None:
        assert self.process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode()
        with self._writing:
            self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            self.process.stdin.flush()

    def notify(self, method: str, params: object) -> None:
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: object) -> int:
        """Send a request without waiting; `reply` waits."""
        with self._condition:
            number = self._next
            self._next += 1
        self._send({"id": number, "method": method, "params": params})
        return number

    def reply(self, number: int, timeout: float = 30.0) -> object:
        with self._condition:
            arrived = self._condition.wait_for(
                lambda: number in self._replies or self._gone, timeout
            )
            reply = self._replies.pop(number, None)
        if reply is None:
            raise RuntimeError(
                "the server is gone" if arrived else "the server did not reply in time"
            )
        if "error" in reply:
            raise RuntimeError(f"the server refused: {reply['error']}")
        return reply.get("result")

    def request(self, method: str, params: object, timeout: float = 30.0) -> object:
        return self.reply(self.ask(method, params), timeout)

    def initialize(self) -> float:
        """Do the handshake; returns the milliseconds from the spawn to the reply."""
        folder = {"uri": self.cwd.as_uri(), "name": self.cwd.name}
        capabilities: Json = {
            "window": {"workDoneProgress": True},
            "workspace": {"workspaceFolders": True, "applyEdit": True},
            "textDocument": {
                "publishDiagnostics": {"relatedInformation": True, "dataSupport": True},
                "codeAction": {"dataSupport": True},
            },
        }
        if self.opted_in:
            capabilities["experimental"] = {"autopilot": self.opted_in}
        params = {
            "processId": os.getpid(),
            "clientInfo": {"name": "bench", "version": "0"},
            "rootUri": folder["uri"],
            "workspaceFolders": [folder],
            "capabilities": capabilities,
            "initializationOptions": self.options,
        }
        self.request("initialize", params)
        took = (time.monotonic_ns() - self.spawned) / 1e6
        self.notify("initialized", {})
        return took

    def execute(self, command: str, argument: object, timeout: float = 60.0) -> object:
        return self.reply(self.ask_to(command, argument), timeout)

    def ask_to(self, command: str, argument: object) -> int:
        """Send a command without waiting."""
        return self.ask("workspace/executeCommand", {"command": command, "arguments": [argument]})

    # -- receiving

    def _read(self) -> None:
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        buffer = bytearray()
        while chunk := os.read(descriptor, 1 << 20):
            arrived = time.monotonic_ns()
            buffer += chunk
            while (message := take(buffer)) is not None:
                self._take(arrived, message)
        with self._condition:
            self._gone = True
            self._condition.notify_all()

    def _take(self, arrived: int, message: Json) -> None:
        method = message.get("method")
        if not isinstance(method, str):
            with self._condition:
                self._replies[cast("int", message.get("id"))] = message
                self.answered[cast("int", message.get("id"))] = arrived
                self._condition.notify_all()
            return
        if "id" in message:
            self.arrivals.append((arrived, method))
            self._send({"id": message["id"], "result": None})
            return
        self.arrivals.append((arrived, method))
        if self.on_notification is not None:
            params = message.get("params")
            self.on_notification(arrived, method, cast("Json", params) if params else {})


def take(buffer: bytearray) -> Json | None:
    """Take one message out of the buffer, if it is complete."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(buffer[:end]).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    body = end + 4
    if len(buffer) < body + length:
        return None
    message = json.loads(buffer[body : body + length])
    del buffer[: body + length]
    return cast("Json", message)
