"""One editor: what it has open, what it can do, and the way to it.

Answers `initialize` before anything heavy is loaded, keeps the documents in step from the first moment,
and hands everything else to the `Features` once they are there; commands wait for them. Nothing that must
outlive the editor is kept here. Not aware of agents or the supervisor. `service` stands above, `protocol`
below. Light: used before `initialize` is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Final, Protocol

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from autopilot_ls import __version__
from autopilot_ls.edits.line_edits import LineEdit
from autopilot_ls.lsp.client_profile import ClientProfile, profile_of
from autopilot_ls.lsp.convert import canonical, is_inside, to_path
from autopilot_ls.lsp.documents import Document, Documents
from autopilot_ls.lsp.methods import COMMANDS, SCHEME
from autopilot_ls.lsp.pace import Pace
from autopilot_ls.lsp.protocol import REQUEST_FAILED, AutopilotServer, ClientFailed
from autopilot_ls.lsp.transport import Outbox

_log = logging.getLogger(__name__)

READY_TIMEOUT: Final = 60.0
"""Seconds a command waits for the server to be ready."""

ACTIONS_TIMEOUT: Final = 5.0
"""Seconds that code actions and hovers wait for it; then there are none yet."""

CODE_ACTION_KINDS: Final = (
    types.CodeActionKind.QuickFix,
    types.CodeActionKind.Refactor,
    types.CodeActionKind.RefactorRewrite,
)


class Features(Protocol):
    """What the editor is shown and may do; loaded after `initialize` is answered."""

    def document_changed(self, document: Document, edits: Sequence[LineEdit] | None = None) -> None:
        """A document was opened, again perhaps, or changed; `edits` is None when it was opened."""
        ...

    def document_closed(self, document: Document) -> None:
        """A document was closed."""
        ...

    def document_saved(self, document: Document) -> None:
        """A document was saved."""
        ...

    def folders_changed(self) -> None:
        """The workspace folders are others now."""
        ...

    def configuration_changed(self, pushed: object) -> None:
        """The settings may be others now."""
        ...

    def progress_cancelled(self, token: int | str) -> None:
        """The person cancelled a progress."""
        ...

    def drained(self) -> None:
        """The editor has read what was waiting for it."""
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
        """Carry out a command."""
        ...


class Connection:
    """One editor; see the module's docstring. It is the `Endpoint` of its protocol."""

    def __init__(self) -> None:
        """Create a connection that is not open yet."""
        self.server = AutopilotServer(__version__, self)
        self.documents = Documents()
        self.pace = Pace()
        self.profile: ClientProfile
        self.folders: list[str] = []
        self.initialization_options: object = None
        self.pushed_settings: object = None
        self.greeted = asyncio.Event()
        self.initialized_received = asyncio.Event()
        self.left = asyncio.Event()
        self.stopped = asyncio.Event()
        self.exit_code = 1
        self._features: Features | None = None
        self._failure = ""
        self._settled = asyncio.Event()

    # Its life ----------------------------------------------------------------------------------

    def open(self, outbox: Outbox) -> None:
        """Begin to send through the outbox."""
        self.server.outbox = outbox

    def ready(self, features: Features) -> None:
        """Show and allow what the features offer from now on."""
        self._features = features
        self._settled.set()

    def failed(self, message: str) -> None:
        """There will be no features; commands say why."""
        self._features = None
        self._failure = message
        self._settled.set()

    def stop(self, exit_code: int) -> None:
        """End the server; the first call says how."""
        if not self.stopped.is_set():
            self.exit_code = exit_code
            self.stopped.set()
            self.left.set()
            self.server.protocol.fail_requests("the editor is gone")
            # Nobody waits for an editor that goes.
            self.initialized_received.set()
            if self._features is None and not self._failure:
                self.failed("The server is shutting down.")

    def lost(self) -> None:
        """Nothing can be sent any more."""
        self.server.protocol.fail_requests("the editor does not read")
        self.stop(1)

    def drained(self) -> None:
        """The editor has read what was waiting for it."""
        if self._features is not None:
            self._features.drained()

    @property
    def congested(self) -> bool:
        """Whether the editor reads more slowly than we write."""
        return self.server.outbox is not None and self.server.outbox.congested

    # The way to the editor ----------------------------------------------------------------------

    def tell(self, method: str, params: object) -> None:
        """Send a notification, if the editor is still there."""
        if not self.stopped.is_set():
            self.pace.spend()
            self.server.protocol.tell(method, params)

    def tell_encoded(self, method: str, params: str) -> None:
        """Send a notification whose parameters are JSON already, if the editor is still there."""
        if not self.stopped.is_set():
            self.server.protocol.tell_encoded(method, params)

    def encode(self, value: object) -> str:
        """Return a value of a class of lsprotocol as JSON."""
        return self.server.protocol.encode(value)

    async def ask(self, method: str, params: object, *, limit: float) -> object:
        """Send a request; see `LspProtocol.ask`."""
        if self.stopped.is_set():
            raise ClientFailed(f"{method}: the editor is gone")
        self.pace.spend()
        return await self.server.protocol.ask(method, params, limit=limit)

    # Where things are ---------------------------------------------------------------------------

    def folder_of(self, path: str | None) -> str | None:
        """Return the innermost workspace folder that holds the path, else the first one."""
        if path is not None:
            key = canonical(path)
            holding = [f for f in self.folders if is_inside(key, canonical(f))]
            if holding:
                return max(holding, key=len)
        return self.folders[0] if self.folders else None

    # What the editor says: `protocol.Endpoint` -----------------------------------------------------

    def initialize(self, params: types.InitializeParams) -> types.InitializeResult:
        """See `Endpoint`."""
        self.profile = profile_of(params)
        self.documents.encoding = self.profile.encoding
        self.initialization_options = params.initialization_options
        folders = [folder.uri for folder in params.workspace_folders or ()]
        if not folders and params.root_uri:
            folders = [params.root_uri]
        self.folders = [path for uri in folders if (path := to_path(uri))]
        if not self.folders and not folders and params.root_path:
            self.folders = [params.root_path]
        # Once the answer is out, the rest is loaded.
        asyncio.get_running_loop().call_soon(self.greeted.set)
        return types.InitializeResult(
            capabilities=_capabilities(self.profile),
            server_info=types.ServerInfo("autopilot-ls", __version__),
        )

    def initialized(self) -> None:
        """See `Endpoint`."""
        self.initialized_received.set()

    def leaving(self) -> None:
        """See `Endpoint`."""
        self.left.set()

    def exited(self, *, orderly: bool) -> None:
        """See `Endpoint`."""
        self.stop(0 if orderly else 1)

    def opened(self, item: types.TextDocumentItem) -> None:
        """See `Endpoint`."""
        document = self.documents.open(item)
        if self._features is not None:
            self._features.document_changed(document)

    def changed(self, params: types.DidChangeTextDocumentParams) -> None:
        """See `Endpoint`."""
        changed = self.documents.change(params.text_document, params.content_changes)
        if changed is None:
            _log.warning("A document that is not open was changed.")
        elif self._features is not None:
            self._features.document_changed(*changed)

    def closed(self, uri: str) -> None:
        """See `Endpoint`."""
        document = self.documents.close(uri)
        if document is not None and self._features is not None:
            self._features.document_closed(document)

    def saved(self, uri: str) -> None:
        """See `Endpoint`."""
        document = self.documents.get(uri)
        if document is None:
            return
        document.saved = document.text
        if self._features is not None:
            self._features.document_saved(document)

    def folders_changed(self, event: types.WorkspaceFoldersChangeEvent) -> None:
        """See `Endpoint`."""
        gone = {to_path(folder.uri) for folder in event.removed}
        come = [path for folder in event.added if (path := to_path(folder.uri))]
        kept = [path for path in self.folders if path not in gone]
        self.folders = [*kept, *(path for path in come if path not in kept)]
        if self._features is not None:
            self._features.folders_changed()

    def configuration_changed(self, settings: object) -> None:
        """See `Endpoint`."""
        self.pushed_settings = settings
        if self._features is not None:
            self._features.configuration_changed(settings)

    def progress_cancelled(self, token: int | str) -> None:
        """See `Endpoint`."""
        if self._features is not None:
            self._features.progress_cancelled(token)

    async def code_actions(
        self, params: types.CodeActionParams
    ) -> Sequence[types.Command | types.CodeAction]:
        """See `Endpoint`."""
        try:
            features = await self._wait_for_features(ACTIONS_TIMEOUT)
        except JsonRpcException:
            return ()
        return await features.code_actions(params)

    async def hover(self, params: types.HoverParams) -> types.Hover | None:
        """See `Endpoint`."""
        try:
            features = await self._wait_for_features(ACTIONS_TIMEOUT)
        except JsonRpcException:
            return None
        return await features.hover(params)

    async def code_lenses(self, params: types.CodeLensParams) -> Sequence[types.CodeLens]:
        """See `Endpoint`."""
        try:
            features = await self._wait_for_features(ACTIONS_TIMEOUT)
        except JsonRpcException:
            return ()
        return await features.code_lenses(params)

    async def content(self, uri: str) -> str:
        """See `Endpoint`."""
        features = await self._wait_for_features(READY_TIMEOUT)
        return await features.content(uri)

    async def execute(self, name: str, arguments: Sequence[object]) -> object:
        """See `Endpoint`."""
        features = await self._wait_for_features(READY_TIMEOUT)
        return await features.execute(name, arguments)

    async def _wait_for_features(self, limit: float) -> Features:
        why = f"The server was not ready within {limit:g} seconds."
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._settled.wait()
        if self._features is None:
            raise JsonRpcException(self._failure or why, REQUEST_FAILED, {"code": "not-ready"})
        return self._features


def _capabilities(profile: ClientProfile) -> types.ServerCapabilities:
    return types.ServerCapabilities(
        position_encoding=types.PositionEncodingKind(profile.encoding),
        text_document_sync=types.TextDocumentSyncOptions(
            open_close=True,
            change=types.TextDocumentSyncKind.Incremental,
            save=types.SaveOptions(include_text=False),
        ),
        code_action_provider=types.CodeActionOptions(
            code_action_kinds=CODE_ACTION_KINDS, resolve_provider=False
        ),
        hover_provider=True,
        code_lens_provider=types.CodeLensOptions(resolve_provider=False)
        if profile.code_lenses
        else None,
        execute_command_provider=types.ExecuteCommandOptions(
            commands=[method.name for method in COMMANDS]
        ),
        workspace=types.WorkspaceOptions(
            workspace_folders=types.WorkspaceFoldersServerCapabilities(
                supported=True, change_notifications=True
            ),
            text_document_content=types.TextDocumentContentOptions(schemes=[SCHEME])
            if profile.shows_contents
            else None,
        ),
        experimental={"autopilot": {"version": 1}},
    )
