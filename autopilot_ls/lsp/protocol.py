"""pygls with its traps closed.

Decodes only the outermost object, answers malformed messages instead of dying of them, never logs a
payload, never exits inside the loop, keeps no futures of finished handlers, and waits for the editor's
replies with a limit only. Not aware of agents; what the editor says goes to an `Endpoint`. `connection`
stands above, `transport` below. Light: used before `initialize` is answered.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, default_converter
from pygls.protocol.json_rpc import RPCMessage

from autopilot_ls.lsp.framing import MessageSplitter, Skipped, frame
from autopilot_ls.lsp.plain import member
from autopilot_ls.lsp.transport import Outbox

_log = logging.getLogger(__name__)

NOT_INITIALIZED: Final = types.ErrorCodes.ServerNotInitialized.value
PARSE_ERROR: Final = types.ErrorCodes.ParseError.value
INVALID_REQUEST: Final = types.ErrorCodes.InvalidRequest.value
METHOD_NOT_FOUND: Final = types.ErrorCodes.MethodNotFound.value
INVALID_PARAMS: Final = types.ErrorCodes.InvalidParams.value
REQUEST_FAILED: Final = types.LSPErrorCodes.RequestFailed.value

MAX_REQUESTS: Final = 256
"""Requests to the editor that may be open at once."""


class Endpoint(Protocol):
    """Who hears what the editor says. The methods that are not `async` must not block."""

    def initialize(self, params: types.InitializeParams) -> types.InitializeResult:
        """Answer `initialize`."""
        ...

    def initialized(self) -> None:
        """The editor has the answer."""
        ...

    def leaving(self) -> None:
        """The editor will ask for nothing more, and send `exit` soon."""
        ...

    def exited(self, *, orderly: bool) -> None:
        """The editor wants the server to end, or is gone."""
        ...

    def opened(self, item: types.TextDocumentItem) -> None:
        """A document was opened."""
        ...

    def changed(self, params: types.DidChangeTextDocumentParams) -> None:
        """A document was changed."""
        ...

    def closed(self, uri: str) -> None:
        """A document was closed."""
        ...

    def saved(self, uri: str) -> None:
        """A document was saved."""
        ...

    def folders_changed(self, event: types.WorkspaceFoldersChangeEvent) -> None:
        """Workspace folders came or went."""
        ...

    def configuration_changed(self, settings: object) -> None:
        """The settings may be others now."""
        ...

    def progress_cancelled(self, token: int | str) -> None:
        """The person cancelled a progress."""
        ...

    async def code_actions(
        self, params: types.CodeActionParams
    ) -> Sequence[types.Command | types.CodeAction]:
        """Return the code actions at a place."""
        ...

    async def hover(self, params: types.HoverParams) -> types.Hover | None:
        """Return what is to be shown over a place."""
        ...

    async def code_lenses(self, params: types.CodeLensParams) -> Sequence[types.CodeLens]:
        """Return the code lenses of a document."""
        ...

    async def content(self, uri: str) -> str:
        """Return the text of a document that only the server has."""
        ...

    async def execute(self, name: str, arguments: Sequence[object]) -> object:
        """Carry out a command and return its result as plain JSON."""
        ...


@dataclass(slots=True)
class _Open:
    """A request to the editor that has no reply yet."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    result: object = None
    error: str | None = None


class ClientFailed(Exception):
    """The editor refused a request, did not answer in time, or is gone."""


class LspProtocol(LanguageServerProtocol):
    """The protocol; see the module's docstring."""

    _server: AutopilotServer  # pyright: ignore[reportIncompatibleVariableOverride] - it is never set anew

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # pyright: ignore[reportArgumentType]
        self._splitter = MessageSplitter()
        self._initialized = False
        self._open: dict[str, _Open] = {}
        self._numbers = itertools.count(1)

    # What comes in ----------------------------------------------------------------------------

    def received(self, chunk: bytes) -> None:
        """Take bytes from the editor; part of `transport.Receiver`."""
        for body in self._splitter.feed(chunk):
            if isinstance(body, Skipped):
                _log.warning("Skipped %s.", body.reason)
                self._refuse(None, PARSE_ERROR, f"Skipped {body.reason}.")
            else:
                self.take(body)

    def ended(self) -> None:
        """The editor will send no more; part of `transport.Receiver`."""
        self.fail_requests("the editor is gone")
        self._server.endpoint.exited(orderly=self._shutdown)

    def take(self, body: bytes) -> None:
        """Take one message."""
        try:
            data: object = json.loads(body)
        except (ValueError, RecursionError):
            self._refuse(None, PARSE_ERROR, "This is not JSON.")
            return
        if member(data, "jsonrpc") != self.VERSION:
            self._refuse(None, INVALID_REQUEST, "This is not a JSON-RPC 2.0 message.")
            return
        message = cast("dict[str, object]", data)
        if "method" not in message:
            self._take_reply(message)
        elif "id" in message and not _is_id(message["id"]):
            self._refuse(None, INVALID_REQUEST, "An id is text or a whole number.")
        elif self._may_come_now(message):
            self._take_call(message)

    def _may_come_now(self, message: dict[str, object]) -> bool:
        method = message["method"]
        if method == types.EXIT:
            return True
        if self._shutdown:
            self._refuse_call(message, INVALID_REQUEST, "The server is shutting down.")
            return False
        if (method == types.INITIALIZE) is self._initialized:
            code = INVALID_REQUEST if self._initialized else NOT_INITIALIZED
            self._refuse_call(message, code, "`initialize` comes first, and once.")
            return False
        return True

    def _take_call(self, message: dict[str, object]) -> None:
        method = str(message["method"])
        if method not in self._handled:
            self._refuse_call(message, METHOD_NOT_FOUND, f"There is no method {method[:80]}.")
            return
        try:
            structured = self.structure_message(message)
        except Exception:  # noqa: BLE001 - cattrs raises what it likes: the message is wrong
            _log.warning("A message %r has wrong parameters.", method)
            self._refuse_call(message, INVALID_PARAMS, "The parameters do not have the right form.")
            return
        try:
            self.handle_message(cast("RPCMessage", structured))
        except Exception as error:  # noqa: BLE001 reason: what came with this message must be read too
            self._server.report_server_error(error, method)

    def _take_reply(self, message: dict[str, object]) -> None:
        waiting = self._open.pop(str(message.get("id")), None)
        if waiting is None:
            return  # It came too late, and who asked has given up.
        error = message.get("error")
        if error is not None:
            waiting.error = str(member(error, "message") or error)[:500]
        waiting.result = message.get("result")
        waiting.done.set()

    def _refuse_call(self, message: dict[str, object], code: int, text: str) -> None:
        if "id" in message:
            self._refuse(cast("str | int", message["id"]), code, text)

    def _refuse(self, identifier: str | int | None, code: int, text: str) -> None:
        error = {"code": code, "message": text}
        self.send_json({"jsonrpc": self.VERSION, "id": identifier, "error": error})

    # What goes out ----------------------------------------------------------------------------

    def plain(self, value: object) -> object:
        """Return a value of a class of lsprotocol as plain JSON."""
        return self._serialize_message(value)

    def send_json(self, message: dict[str, object]) -> None:
        """Send a message; whatever in it is a class of lsprotocol becomes plain JSON."""
        self._send_text(self.encode(message))

    def encode(self, value: object) -> str:
        """Return a value as JSON; whatever in it is a class of lsprotocol becomes plain JSON."""
        return json.dumps(
            value, default=self._serialize_message, separators=(",", ":"), check_circular=False
        )

    def tell_encoded(self, method: str, params: str) -> None:
        """Send a notification whose parameters are JSON already."""
        self._send_text(f'{{"jsonrpc":"2.0","method":{json.dumps(method)},"params":{params}}}')

    def _send_text(self, body: str) -> None:
        outbox = self._server.outbox
        if outbox is not None:
            outbox.write(frame(body.encode()))

    def _send_data(self, data: object) -> None:
        outbox = self._server.outbox
        if data is None or outbox is None:
            return
        try:
            body = json.dumps(data, default=self._serialize_message, separators=(",", ":"))
        except (TypeError, ValueError):
            _log.exception("A reply cannot be put into JSON.")
            identifier = getattr(data, "id", None)
            code = types.ErrorCodes.InternalError.value
            self._refuse(identifier, code, "The result cannot be put into JSON.")
            return
        outbox.write(frame(body.encode()))

    def tell(self, method: str, params: object) -> None:
        """Send a notification."""
        self.send_json({"jsonrpc": self.VERSION, "method": method, "params": params})

    async def ask(self, method: str, params: object, *, limit: float) -> object:
        """Send a request and return the reply's result, as plain JSON.

        Args:
            method: The method.
            params: A class of lsprotocol or plain JSON.
            limit: Seconds to wait.

        Raises:
            ClientFailed: The editor refused, is gone, or took too long.
        """
        if len(self._open) >= MAX_REQUESTS:
            raise ClientFailed(f"{method}: too many requests are open")
        identifier = f"autopilot-{next(self._numbers)}"
        waiting = self._open[identifier] = _Open()
        self.send_json(
            {"jsonrpc": self.VERSION, "id": identifier, "method": method, "params": params}
        )
        try:
            async with asyncio.timeout(limit):
                await waiting.done.wait()
        except TimeoutError:
            raise ClientFailed(f"{method}: no answer within {limit:g} seconds") from None
        finally:
            self._open.pop(identifier, None)
        if waiting.error is not None:
            raise ClientFailed(f"{method}: {waiting.error}")
        return waiting.result

    def fail_requests(self, reason: str) -> None:
        """Fail whatever waits for the editor."""
        for waiting in self._open.values():
            waiting.error = reason
            waiting.done.set()
        self._open.clear()

    # The editor's calls -----------------------------------------------------------------------

    def _register_builtin_features(self) -> None:
        """Handle what the server handles, in place of pygls' own handlers."""
        handlers: dict[str, Callable[[Any], object]] = {
            types.INITIALIZE: self._initialize,
            types.INITIALIZED: lambda _: self._server.endpoint.initialized(),
            types.SHUTDOWN: self._shut_down,
            types.EXIT: self._exit,
            types.TEXT_DOCUMENT_DID_OPEN: self._opened,
            types.TEXT_DOCUMENT_DID_CHANGE: self._changed,
            types.TEXT_DOCUMENT_DID_CLOSE: self._closed,
            types.TEXT_DOCUMENT_DID_SAVE: self._saved,
            types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: self._folders_changed,
            types.WORKSPACE_DID_CHANGE_CONFIGURATION: self._configuration_changed,
            types.WINDOW_WORK_DONE_PROGRESS_CANCEL: self._progress_cancelled,
            types.TEXT_DOCUMENT_CODE_ACTION: self._code_actions,
            types.TEXT_DOCUMENT_HOVER: self._hover,
            types.TEXT_DOCUMENT_CODE_LENS: self._code_lenses,
            types.WORKSPACE_TEXT_DOCUMENT_CONTENT: self._content,
            types.WORKSPACE_EXECUTE_COMMAND: self._execute,
        }
        cast("dict[str, object]", self.fm.builtin_features).update(handlers)
        self._handled = frozenset({types.CANCEL_REQUEST, *handlers})

    def _initialize(self, params: types.InitializeParams) -> types.InitializeResult:
        self._initialized = True
        self._server.process_id = params.process_id
        self.client_capabilities = params.capabilities
        return self._server.endpoint.initialize(params)

    def _shut_down(self, params: object) -> None:
        del params
        self._shutdown = True
        self._server.endpoint.leaving()

    def _exit(self, params: object) -> None:
        # Without `sys.exit`, so that agents are ended first.
        del params
        self._server.endpoint.exited(orderly=self._shutdown)

    def _opened(self, params: types.DidOpenTextDocumentParams) -> None:
        self._server.endpoint.opened(params.text_document)

    def _changed(self, params: types.DidChangeTextDocumentParams) -> None:
        self._server.endpoint.changed(params)

    def _closed(self, params: types.DidCloseTextDocumentParams) -> None:
        self._server.endpoint.closed(params.text_document.uri)

    def _saved(self, params: types.DidSaveTextDocumentParams) -> None:
        self._server.endpoint.saved(params.text_document.uri)

    def _folders_changed(self, params: types.DidChangeWorkspaceFoldersParams) -> None:
        self._server.endpoint.folders_changed(params.event)

    def _configuration_changed(self, params: types.DidChangeConfigurationParams) -> None:
        self._server.endpoint.configuration_changed(params.settings)

    def _progress_cancelled(self, params: types.WorkDoneProgressCancelParams) -> None:
        self._server.endpoint.progress_cancelled(params.token)

    async def _code_actions(
        self, params: types.CodeActionParams
    ) -> Sequence[types.Command | types.CodeAction]:
        return await self._server.endpoint.code_actions(params)

    async def _hover(self, params: types.HoverParams) -> types.Hover | None:
        return await self._server.endpoint.hover(params)

    async def _code_lenses(self, params: types.CodeLensParams) -> Sequence[types.CodeLens]:
        return await self._server.endpoint.code_lenses(params)

    async def _content(
        self, params: types.TextDocumentContentParams
    ) -> types.TextDocumentContentResult:
        return types.TextDocumentContentResult(await self._server.endpoint.content(params.uri))

    async def _execute(self, params: types.ExecuteCommandParams) -> object:
        return await self._server.endpoint.execute(params.command, params.arguments or ())


def _is_id(value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


class AutopilotServer(LanguageServer):
    """The pygls server over one connection."""

    protocol: LspProtocol  # pyright: ignore[reportIncompatibleVariableOverride] - it is never set anew

    def __init__(self, version: str, endpoint: Endpoint) -> None:
        """Create a server; `outbox` is set when the transport is open.

        Args:
            version: Of this package.
            endpoint: Hears what the editor says.
        """
        self.endpoint = endpoint
        self.outbox: Outbox | None = None
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - pygls passes on what it gets
            "autopilot-ls", version, protocol_cls=LspProtocol, converter_factory=default_converter
        )

    def report_server_error(self, error: Exception, source: object) -> None:
        """Log a fault; pygls would show it to the person in a pop-up."""
        del source
        if not isinstance(error, JsonRpcException):
            _log.error("Fault while handling a message.", exc_info=error)


def quiet_pygls() -> None:
    """Keep pygls from logging what editors and agents say."""
    logging.getLogger("pygls").setLevel(logging.CRITICAL + 1)
