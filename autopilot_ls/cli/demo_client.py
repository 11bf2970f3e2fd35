"""A very small editor, for the demo: speaks the Language Server Protocol over a child's pipes.

It opts in to nothing of ours: what it gets is what any editor gets. It does honestly what it is asked
(applies edits to what it has open, shows documents, gives configuration) and remembers what a person
would see. Every wait has a limit. Not aware of the demo's story; `demo` stands above, `demo_wire` below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from autopilot_ls import __version__
from autopilot_ls.cli.demo_wire import Json, JsonObject, LspWire, member, number, objects
from autopilot_ls.wire.process import Process

_CAPABILITIES: Final[JsonObject] = {
    "general": {"positionEncodings": ["utf-16"]},
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "workspace": {
        "applyEdit": True,
        "configuration": True,
        "workspaceFolders": True,
        "workspaceEdit": {"documentChanges": True},
        "executeCommand": {},
    },
    "textDocument": {
        "synchronization": {"didSave": True},
        "publishDiagnostics": {"dataSupport": True, "versionSupport": True},
        "codeAction": {
            "codeActionLiteralSupport": {
                "codeActionKind": {"valueSet": ["", "quickfix", "refactor"]}
            },
            "isPreferredSupport": True,
            "dataSupport": True,
        },
    },
}


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


class DemoClient(LspWire):
    """One connection to a language server."""

    def __init__(self, process: Process, *, settings: JsonObject) -> None:
        """Speak to a server that was started.

        Args:
            process: The server.
            settings: What it gets when it asks for the section `autopilot`.
        """
        super().__init__(process)
        self._settings = settings
        self.files: dict[str, OpenFile] = {}
        self.seen = Seen()

    async def initialize(self, folder: Path, *, limit: float) -> Json:
        """Greet the server for one folder; returns what it can do."""
        uri = folder.as_uri()
        params: JsonObject = {
            "processId": None,
            "clientInfo": {"name": "autopilot-ls demo", "version": __version__},
            "rootUri": uri,
            "workspaceFolders": [{"uri": uri, "name": folder.name}],
            "capabilities": _CAPABILITIES,
            "initializationOptions": self._settings,
        }
        reply = await self.request("initialize", params, limit=limit)
        await self.notify("initialized", {})
        return member(reply, "capabilities")

    # What the server says -----------------------------------------------------------------------

    def answer(self, method: str, params: Json) -> Json:
        """See `LspWire`."""
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
        return known[method](params)

    def _show_message_request(self, params: Json) -> Json:
        # What a person leaves alone is answered with nothing chosen.
        self.seen.messages.append(str(member(params, "message")))

    def _show_document(self, params: Json) -> Json:
        self.seen.shown.append(str(member(params, "uri")))
        return {"success": True}

    def _configuration(self, params: Json) -> Json:
        asked = objects(member(params, "items"))
        return [self._settings if item.get("section") == "autopilot" else None for item in asked]

    def note(self, method: str, params: Json) -> None:
        """See `LspWire`."""
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
