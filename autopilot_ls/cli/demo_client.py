"""A very small editor, for the demo: speaks the Language Server Protocol over a child's pipes.

It opts in to nothing of ours: what it gets is what any editor gets. It does honestly what it is asked
(applies edits to what it has open, shows documents, gives configuration) and remembers what a person
would see. Every wait has a limit. Not aware of the demo's story; `demo` stands above, `wire.process` below.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, cast
from urllib.parse import unquote, urlsplit

import anyio

from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.model.text import visible
from autopilot_ls.wire.process import Process

Json: TypeAlias = object
JsonObject: TypeAlias = dict[str, object]

_MAX_HEADER: Final = 4096
_MAX_BODY: Final = 64 * 1024 * 1024
_LENGTH: Final = re.compile(rb"content-length: *(\d{1,9})\r\n", re.IGNORECASE)
_UNKNOWN_METHOD: Final = -32601


class DemoFailed(AutopilotError):
    """The demo could not go on; the message says at what."""

    code = "demo-failed"


def member(value: Json, *path: str | int) -> Json:
    """Return what is at a path in a JSON value, or None."""
    for step in path:
        if isinstance(step, int):
            entries = cast("list[Json]", value) if isinstance(value, list) else []
            value = entries[step] if -len(entries) <= step < len(entries) else None
        else:
            value = cast("JsonObject", value).get(step) if isinstance(value, dict) else None
    return value


def objects(value: Json) -> list[JsonObject]:
    """Return the objects of a JSON list; empty when it is none."""
    entries = cast("list[Json]", value) if isinstance(value, list) else []
    return [cast("JsonObject", entry) for entry in entries if isinstance(entry, dict)]


def number(value: Json) -> int:
    """Return a JSON number as a whole number, 0 when it is none."""
    return int(value) if isinstance(value, int | float) else 0


def path_of(uri: str) -> Path:
    """Return the path of a `file` URI."""
    return Path(unquote(urlsplit(uri).path))


@dataclass(slots=True)
class OpenFile:
    """A document as the editor has it; `saved` is what it knows to be on the disk."""

    version: int
    text: str
    saved: str


@dataclass(slots=True)
class Seen:
    """What a person at the editor has seen so far.

    Attributes:
        progress: The texts of the turn's progress, in order; the last is what stands there now.
        title: The progress's title.
        ended: Whether the progress ended.
        diagnostics: The present diagnostics of each document.
        shown: Documents the server wanted to be shown.
        messages: What was shown as a message.
        changes: How often progress or diagnostics came.
    """

    progress: list[str] = field(default_factory=list[str])
    title: str = ""
    ended: bool = False
    diagnostics: dict[str, list[JsonObject]] = field(default_factory=dict[str, list[JsonObject]])
    shown: list[str] = field(default_factory=list[str])
    messages: list[str] = field(default_factory=list[str])
    changes: int = 0


class DemoClient:
    """One connection to a language server."""

    def __init__(self, process: Process, *, settings: JsonObject) -> None:
        """Speak to a server that was started.

        Args:
            process: The server.
            settings: What it gets when it asks for the section `autopilot`.
        """
        self._process = process
        self._settings = settings
        self._buffer = bytearray()
        self._replies: dict[int, tuple[anyio.Event, list[JsonObject]]] = {}
        self._requests = 0
        self._changed = anyio.Event()
        self._gone = False
        self.files: dict[str, OpenFile] = {}
        self.seen = Seen()

    # The wire -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read what the server says until it ends."""
        try:
            while message := await self._read():
                await self._handle(message)
        finally:
            self._gone = True
            for event, _ in self._replies.values():
                event.set()
            self._tell_change()

    async def _read(self) -> JsonObject | None:
        header = await self._until(b"\r\n\r\n")
        if header is None:
            return None
        length = _LENGTH.search(header)
        if length is None or int(length[1]) > _MAX_BODY:
            raise DemoFailed(f"The language server sent no message: {header[:200]!r}.")
        size = int(length[1])
        while len(self._buffer) < size:
            if not await self._more():
                return None
        body = bytes(self._buffer[:size])
        del self._buffer[:size]
        message: object = json.loads(body)
        if not isinstance(message, dict):
            raise DemoFailed(f"The language server sent no message: {body[:200]!r}.")
        return cast("JsonObject", message)

    async def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._buffer:
            if len(self._buffer) > _MAX_HEADER:
                raise DemoFailed("The language server sent an endless header.")
            if not await self._more():
                return None
        end = self._buffer.index(mark) + len(mark)
        found = bytes(self._buffer[:end])
        del self._buffer[:end]
        return found

    async def _more(self) -> bool:
        chunk = await self._process.read()
        self._buffer += chunk
        return bool(chunk)

    async def _send(self, message: JsonObject) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode()
        await self._process.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async def notify(self, method: str, params: Json) -> None:
        """Send a notification."""
        await self._send({"method": method, "params": params})

    async def request(self, method: str, params: Json, *, limit: float = 30.0) -> Json:
        """Send a request and return its result.

        Raises:
            DemoFailed: The server refused, ended, or did not reply within `limit` seconds.
        """
        self._requests += 1
        number_ = self._requests
        event, reply = anyio.Event(), list[JsonObject]()
        self._replies[number_] = (event, reply)
        try:
            await self._send({"id": number_, "method": method, "params": params})
            with anyio.move_on_after(limit):
                await event.wait()
        finally:
            del self._replies[number_]
        if not reply:
            why = "ended" if self._gone else f"did not answer within {limit:.0f} s"
            raise DemoFailed(f"The language server {why} ({method}).")
        if "error" in reply[0]:
            said = member(reply[0], "error", "message")
            raise DemoFailed(f"The language server refused {method}: {visible(str(said))}")
        return reply[0].get("result")

    async def ended(self) -> None:
        """Wait until the server has ended."""
        await self._process.wait()

    def last_words(self) -> str:
        """Return the end of what the server wrote to its standard error."""
        tail = visible(self._process.stderr_tail()).strip()
        return f"It wrote at last: {tail[-1000:]}" if tail else ""

    def _tell_change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, condition: Callable[[], bool], *, limit: float, what: str) -> None:
        """Wait until something can be seen.

        Raises:
            DemoFailed: It did not come within `limit` seconds, or the server ended.
        """
        with anyio.move_on_after(limit):
            while not condition():
                if self._gone:
                    raise DemoFailed("The language server ended.")
                await self._changed.wait()
            return
        raise DemoFailed(f"There was no {what} within {limit:.0f} s.")

    # What the server says -----------------------------------------------------------------------

    async def _handle(self, message: JsonObject) -> None:
        method, params = message.get("method"), message.get("params")
        if method is None:
            waiting = self._replies.get(number(message.get("id")))
            if waiting is not None:
                waiting[1].append(message)
                waiting[0].set()
        elif "id" in message:
            await self._answer(message["id"], str(method), params)
        else:
            self._note(str(method), params)
        self._tell_change()

    async def _answer(self, id_: Json, method: str, params: Json) -> None:
        known: dict[str, Callable[[Json], Json]] = {
            "window/workDoneProgress/create": lambda _: None,
            "client/registerCapability": lambda _: None,
            "client/unregisterCapability": lambda _: None,
            "workspace/diagnostic/refresh": lambda _: None,
            "workspace/codeLens/refresh": lambda _: None,
            "window/showMessageRequest": self._show_message_request,
            "window/showDocument": self._show_document,
            "workspace/configuration": self._configuration,
            "workspace/applyEdit": self._apply_edit,
        }
        handler = known.get(method)
        if handler is None:
            error: JsonObject = {"code": _UNKNOWN_METHOD, "message": f"unknown: {method}"}
            await self._send({"id": id_, "error": error})
        else:
            await self._send({"id": id_, "result": handler(params)})

    def _show_message_request(self, params: Json) -> Json:
        # What a person leaves alone is answered with nothing chosen.
        self.seen.messages.append(str(member(params, "message")))

    def _show_document(self, params: Json) -> Json:
        self.seen.shown.append(str(member(params, "uri")))
        return {"success": True}

    def _configuration(self, params: Json) -> Json:
        asked = objects(member(params, "items"))
        return [self._settings if item.get("section") == "autopilot" else None for item in asked]

    def _note(self, method: str, params: Json) -> None:
        match method:
            case "$/progress":
                self.seen.changes += 1
                self._progress(member(params, "value"))
            case "textDocument/publishDiagnostics":
                uri = str(member(params, "uri"))
                self.seen.changes += 1
                self.seen.diagnostics[uri] = objects(member(params, "diagnostics"))
            case "window/showMessage":
                self.seen.messages.append(str(member(params, "message")))
            case _:
                pass

    def _progress(self, value: Json) -> None:
        title, text = member(value, "title"), member(value, "message")
        percentage = member(value, "percentage")
        if isinstance(title, str):
            self.seen.title = title
        if isinstance(text, str) and text:
            percent = f"{number(percentage):3d}%  " if percentage is not None else ""
            line = percent + text
            if not self.seen.progress or self.seen.progress[-1] != line:
                self.seen.progress.append(line)
        if member(value, "kind") == "end":
            self.seen.ended = True

    # Documents ----------------------------------------------------------------------------------

    async def open(self, path: Path, language: str) -> str:
        """Open a file as an editor does; returns its URI."""
        uri = path.as_uri()
        text = _text_of(path)
        version = self.files[uri].version + 1 if uri in self.files else 1
        self.files[uri] = OpenFile(version, text, text)
        document = {"uri": uri, "languageId": language, "version": version, "text": text}
        await self.notify("textDocument/didOpen", {"textDocument": document})
        return uri

    async def reload(self, uri: str, language: str) -> None:
        """Read a file again that has no unsaved changes, as editors do when it changed on disk."""
        file = self.files[uri]
        path = path_of(uri)
        if file.text == file.saved and _text_of(path) != file.text:
            await self.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
            await self.open(path, language)

    def _apply_edit(self, params: Json) -> Json:
        """Apply an edit to open documents, each by its version; anything else is refused."""
        changes = objects(member(params, "edit", "documentChanges"))
        for change in changes:
            file = self.files.get(str(member(change, "textDocument", "uri")))
            version = member(change, "textDocument", "version")
            if file is None or version not in (None, file.version):
                return {"applied": False, "failureReason": "not open, or changed meanwhile"}
        for change in changes:
            file = self.files[str(member(change, "textDocument", "uri"))]
            file.text = apply_edits(file.text, objects(change.get("edits")))
            file.version += 1
        return {"applied": bool(changes)}

    async def code_actions(self, uri: str, line: int) -> list[JsonObject]:
        """Return what is offered at a line, with the diagnostics there as context."""
        there = [d for d in self.seen.diagnostics.get(uri, []) if covers(d, line)]
        position = {"line": line, "character": 0}
        params = {
            "textDocument": {"uri": uri},
            "range": {"start": position, "end": position},
            "context": {"diagnostics": there, "triggerKind": 1},
        }
        return objects(await self.request("textDocument/codeAction", params))

    async def execute(self, command: Json, *, limit: float = 60.0) -> Json:
        """Execute the command of a code action."""
        params = {"command": member(command, "command"), "arguments": member(command, "arguments")}
        return await self.request("workspace/executeCommand", params, limit=limit)


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def covers(diagnostic: JsonObject, line: int) -> bool:
    """Tell whether a diagnostic stands at a line."""
    first = number(member(diagnostic, "range", "start", "line"))
    last = number(member(diagnostic, "range", "end", "line"))
    return first <= line <= last


def apply_edits(text: str, edits: list[JsonObject]) -> str:
    """Return a text with text edits applied; positions count UTF-16 units, as the protocol says."""

    def place(edit: JsonObject, end: str) -> tuple[int, int]:
        position = member(edit, "range", end)
        return number(member(position, "line")), number(member(position, "character"))

    units = text.encode("utf-16-le")
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode("utf-16-le")))

    def offset(at: tuple[int, int]) -> int:
        line = min(at[0], len(starts) - 1)
        limit = starts[line + 1] if line + 1 < len(starts) else len(units)
        return min(starts[line] + 2 * at[1], limit)

    for edit in sorted(edits, key=lambda edit: place(edit, "start"), reverse=True):
        new = str(edit.get("newText", "")).encode("utf-16-le")
        units = units[: offset(place(edit, "start"))] + new + units[offset(place(edit, "end")) :]
    return units.decode("utf-16-le")
