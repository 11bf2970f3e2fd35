"""A raw JSON-RPC client for the tests: it drives the real server over real stdio.

Knows the framing and nothing of the server. Requests of the server are answered by `answers`; everything
that came is kept in order, and waiting is for a condition with a deadline.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

Message = dict[str, Any]
DEADLINE = 30.0

ANYBODY: Message = {"name": "test", "version": "1"}
VSCODE: Message = {
    "name": "Visual Studio Code",
    "version": "1.99.0",
}
FULL: Message = {
    "general": {"positionEncodings": ["utf-16"]},
    "window": {
        "workDoneProgress": True,
        "showDocument": {"support": True},
        "showMessage": {"messageActionItem": {"additionalPropertiesSupport": True}},
    },
    "workspace": {
        "applyEdit": True,
        "configuration": True,
        "workspaceFolders": True,
        "didChangeConfiguration": {"dynamicRegistration": True},
        "workspaceEdit": {
            "documentChanges": True,
            "changeAnnotationSupport": {"groupsOnLabel": True},
        },
    },
    "textDocument": {
        "publishDiagnostics": {"versionSupport": True, "dataSupport": True},
        "codeAction": {
            "dataSupport": True,
            "isPreferredSupport": True,
            "codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix", "refactor"]}},
            "tagSupport": {"valueSet": [1]},
        },
    },
}


async def until(condition: Callable[[], bool], *, limit: float = DEADLINE) -> None:
    """Wait for something that nobody tells us of."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit
    while not condition():
        assert loop.time() < deadline, f"not within {limit} s"
        await asyncio.sleep(0.01)


class ServerError(Exception):
    """The server answered with an error."""

    def __init__(self, error: Message, log: str = "") -> None:
        super().__init__(error["message"])
        if log:
            self.add_note(log)
        self.code: int = error["code"]
        self.data: Message = error.get("data") or {}


class Client:
    """One editor, as far as the wire goes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.received: list[Message] = []
        self.times: list[float] = []
        self.capabilities: Message = {}
        self.answers: dict[str, Callable[[Any], Any]] = {
            "window/workDoneProgress/create": lambda _: None,
            "window/showDocument": lambda _: {"success": True},
            "workspace/configuration": lambda params: [None for _ in params["items"]],
            "client/registerCapability": lambda _: None,
        }
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Message]] = {}
        self._news = asyncio.Condition()
        self.stderr = bytearray()
        self.reading = asyncio.Event()
        self.reading.set()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._read_stderr())]

    async def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        while chunk := await self.process.stderr.read(65536):
            self.stderr += chunk

    async def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        try:
            while True:
                await self.reading.wait()
                header = await stream.readuntil(b"\r\n\r\n")
                size = int(header.split(b":")[1].split(b"\r")[0])
                message: Message = json.loads(await stream.readexactly(size))
                self._take(message)
                async with self._news:
                    self._news.notify_all()
        except asyncio.IncompleteReadError:
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(EOFError("the server is gone"))

    def _take(self, message: Message) -> None:
        if "method" not in message:
            reply = self._replies.pop(message["id"], None) if message["id"] is not None else None
            if reply is not None and not reply.done():
                reply.set_result(message)
                return
        self.times.append(asyncio.get_running_loop().time())
        self.received.append(message)
        if "method" in message and "id" in message:
            answer = self.answers.get(message["method"])
            if answer is not None:
                result = answer(message["params"])
                self.send({"jsonrpc": "2.0", "id": message["id"], "result": result})

    def send_bytes(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def send(self, message: Message) -> None:
        body = json.dumps(message).encode()
        self.send_bytes(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def notify(self, method: str, params: Any) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    async def request(self, method: str, params: Any, *, limit: float = DEADLINE) -> Any:
        identifier = next(self._ids)
        reply = self._replies[identifier] = asyncio.get_running_loop().create_future()
        self.send({"jsonrpc": "2.0", "id": identifier, "method": method, "params": params})
        async with asyncio.timeout(limit):
            message = await reply
        if "error" in message:
            raise ServerError(message["error"], self.stderr.decode(errors="replace"))
        return message["result"]

    async def execute(self, command: str, argument: Any = None, *, limit: float = DEADLINE) -> Any:
        arguments = [] if argument is None else [argument]
        params = {"command": command, "arguments": arguments}
        return await self.request("workspace/executeCommand", params, limit=limit)

    async def initialize(
        self,
        root: Path,
        *,
        capabilities: Message | None = None,
        info: Message | None = ANYBODY,
        options: Any = None,
    ) -> Any:
        greeting = {} if info is None else {"clientInfo": info}
        result = await self.request(
            "initialize",
            {
                "processId": os.getpid(),
                **greeting,
                "rootUri": root.as_uri(),
                "workspaceFolders": [{"uri": root.as_uri(), "name": root.name}],
                "capabilities": FULL if capabilities is None else capabilities,
                "initializationOptions": options,
            },
        )
        self.capabilities = result["capabilities"]
        self.notify("initialized", {})
        return result

    async def ready(self) -> None:
        """Wait until all is loaded, as commands do; code actions wait for some seconds only."""
        await self.execute("autopilot.status")

    async def shut_down(self) -> int:
        await self.request("shutdown", None)
        self.notify("exit", None)
        async with asyncio.timeout(DEADLINE):
            return await self.process.wait()

    def open(self, path: Path, text: str | None = None, version: int = 1) -> None:
        text = path.read_bytes().decode() if text is None else text
        item = {"uri": path.as_uri(), "languageId": "python", "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, path: Path, text: str, version: int) -> None:
        self.notify(
            "textDocument/didChange",
            {
                "textDocument": {"uri": path.as_uri(), "version": version},
                "contentChanges": [{"text": text}],
            },
        )

    def save(self, path: Path) -> None:
        self.notify("textDocument/didSave", {"textDocument": {"uri": path.as_uri()}})

    def close(self, path: Path) -> None:
        self.notify("textDocument/didClose", {"textDocument": {"uri": path.as_uri()}})

    async def code_actions(
        self,
        path: Path,
        line: int = 0,
        *,
        end: tuple[int, int] | None = None,
        diagnostics: Sequence[Message] = (),
    ) -> list[Message]:
        last, character = end or (line, 0)
        return await self.request(
            "textDocument/codeAction",
            {
                "textDocument": {"uri": path.as_uri()},
                "range": {
                    "start": {"line": line, "character": 0},
                    "end": {"line": last, "character": character},
                },
                "context": {"diagnostics": list(diagnostics)},
            },
        )

    async def wait_for(
        self, wanted: Callable[[Message], bool], *, since: int = 0, limit: float = DEADLINE
    ) -> Message:
        """Return the first message after `since` that is wanted."""
        found: list[Message] = []

        def look() -> bool:
            found.extend(m for m in self.received[since:] if wanted(m))
            return bool(found)

        try:
            async with asyncio.timeout(limit), self._news:
                await self._news.wait_for(look)
        except TimeoutError:
            raise AssertionError(
                f"not seen within {limit} s; got {json.dumps(self.received[since:], indent=1)[-8000:]}"
                f"\nstderr: {self.stderr.decode(errors='replace')[-4000:]}"
            ) from None
        return found[0]

    async def wait_method(
        self,
        method: str,
        wanted: Callable[[Any], bool] = lambda _: True,
        *,
        since: int = 0,
        limit: float = DEADLINE,
    ) -> Any:
        """Return the parameters of the first message of this method that is wanted."""
        message = await self.wait_for(
            lambda m: m.get("method") == method and wanted(m["params"]), since=since, limit=limit
        )
        return message["params"]

    def methods(self) -> list[str]:
        return [message["method"] for message in self.received if "method" in message]

    async def end(self) -> None:
        if self.process.returncode is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                async with asyncio.timeout(DEADLINE):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
                raise AssertionError("the server did not end at the end of its input") from None
            finally:
                for task in self._tasks:
                    task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def memory(client: Client, what: str) -> int:
    """Return the server's memory in KiB: `VmRSS` now, `VmHWM` at the most."""
    status = Path(f"/proc/{client.process.pid}/status").read_text()
    return int(status.split(f"{what}:")[1].split()[0])


@asynccontextmanager
async def running(
    *,
    env: Mapping[str, str],
    cwd: Path,
    command: Sequence[str] = (sys.executable, "-m", "autopilot_ls"),
) -> AsyncGenerator[Client]:
    """Run the server until the context is left; its standard error is kept."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,
        env=dict(env),
        limit=64 * 1024 * 1024,
    )
    client = Client(process)
    try:
        yield client
    finally:
        await client.end()
