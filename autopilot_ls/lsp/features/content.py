"""Documents that only the server has, as an editor asks for their text: `workspace/textDocumentContent`.

Transcripts, a pending patch as a diff, its files before and after it, and files as they would be without
what nobody has reviewed. Made when they are asked for, and never kept; an editor that has read one is told
once when there is something new in it. Not aware of how an editor shows them. `view` stands above,
`content_uris` below. (LSP 3.18, Text Document Content.)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from lsprotocol import types

from autopilot_ls.edits.promise import promise
from autopilot_ls.edits.snapshot import read_target
from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.content_uris import (
    BaselineUri,
    DiffUri,
    DocumentUri,
    TextUri,
    TranscriptUri,
    parsed,
    workspace_key,
)
from autopilot_ls.lsp.convert import canonical
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.lsp.protocol import ClientFailed
from autopilot_ls.model.approvals import Approval, PatchAction
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.snapshots import SessionSnapshot
from autopilot_ls.presentation.approvals import unified_diff
from autopilot_ls.presentation.transcript import TranscriptRenderer

MAX_SIZE: Final = 8 * 1024 * 1024
"""Bytes of a file that is shown."""

MAX_READ: Final = 100
"""Documents of one editor that are watched for something new."""

REFRESH_LIMIT: Final = 10.0
"""Seconds that an editor has to take the news."""


class Contents:
    """The server's own documents for one editor."""

    def __init__(
        self,
        connection: Connection,
        backend: Backend,
        jobs: Jobs,
        redact: Callable[[str], str],
        interval: Callable[[], float],
    ) -> None:
        """Create the feature.

        Args:
            connection: To the editor.
            backend: The supervisor.
            jobs: Where the news are sent.
            redact: Leaves secrets out of transcripts.
            interval: Gives the seconds between two pieces of news about a document.
        """
        self._connection = connection
        self._backend = backend
        self._jobs = jobs
        self._redact = redact
        self._interval = interval
        # What was read since the last news of it, by its URI; what is on its way to be told.
        self._read: dict[str, DocumentUri] = {}
        self._telling: set[str] = set()

    async def text(self, uri: str) -> str:
        """Return the text of a document as it is now.

        Raises:
            AutopilotError: There is none of this name, or its text cannot be told.
        """
        document = parsed(uri)
        match document:
            case TranscriptUri():
                text = await self._transcript(document.session_id)
            case DiffUri():
                approval = self._patch(document.approval_id)
                root = self._backend.snapshot(approval.session_id).cwd
                text = unified_diff(approval.files, root=root)
            case TextUri():
                text = await self._side(document)
            case BaselineUri():
                text = await self._baseline(document)
        self._read.pop(uri, None)
        self._read[uri] = document
        if len(self._read) > MAX_READ:
            del self._read[next(iter(self._read))]
        return text

    async def _transcript(self, session_id: str) -> str:
        if self._backend.is_open(session_id):
            snapshot = self._backend.snapshot(session_id)
        else:
            snapshot = await anyio.to_thread.run_sync(self._backend.snapshot, session_id)
        return await anyio.to_thread.run_sync(self._rendered, snapshot)

    def _rendered(self, snapshot: SessionSnapshot) -> str:
        return TranscriptRenderer(redact=self._redact).render(snapshot)

    def _patch(self, approval_id: str) -> Approval:
        approval = self._backend.approval(approval_id)
        if not isinstance(approval.action, PatchAction):
            raise InvalidRequest(f"Approval {approval_id} is not about a patch.")
        return approval

    async def _side(self, wanted: TextUri) -> str:
        approval = self._patch(wanted.approval_id)
        if wanted.index >= len(approval.files):
            raise InvalidRequest(f"Approval {approval.id} has no file {wanted.index}.")
        change = approval.files[wanted.index]
        document = self._connection.documents.by_key(canonical(change.path))
        if document is not None:
            now: bytes | None = document.text.encode("utf-8", "surrogatepass")
        else:
            now = await anyio.to_thread.run_sync(read_target, Path(change.path), MAX_SIZE)
        return shown(now if wanted.side == "before" else promise(change, now))

    async def _baseline(self, wanted: BaselineUri) -> str:
        folders = {self._backend.snapshot(each).cwd for each in self._backend.live_sessions()}
        folder = await anyio.to_thread.run_sync(
            _named, wanted.workspace, folders.union(self._connection.folders)
        )
        content = await self._backend.review.before(folder, wanted.path) if folder else None
        if content is None:
            raise InvalidRequest(f"Nothing is to be reviewed in {wanted.path[:200]!r}.")
        if content.kind == "link":
            return f"A link to {content.data.decode(errors='backslashreplace')}\n"
        return shown(None if content.kind == "absent" else content.data)

    # News -----------------------------------------------------------------------------------------

    def session_changed(self, session_id: str) -> None:
        """Something happened in a session; cheap enough for every frame."""
        self._tell(lambda document: document == TranscriptUri(session_id))

    def review_changed(self, workspace: Path) -> None:
        """There is something else to review in a workspace."""
        key = workspace_key(workspace)
        self._tell(lambda document: isinstance(document, BaselineUri) and document.workspace == key)

    def _tell(self, concerns: Callable[[DocumentUri], bool]) -> None:
        if not self._connection.profile.shows_contents:
            return
        for uri, document in self._read.items():
            if uri not in self._telling and concerns(document):
                self._telling.add(uri)
                self._jobs.start(partial(self._refresh, uri))

    async def _refresh(self, uri: str) -> None:
        try:
            await anyio.sleep(self._interval())
            # It is read again where it is still shown, and only then told of again.
            self._read.pop(uri, None)
            params = types.TextDocumentContentRefreshParams(uri)
            await self._connection.ask(
                types.WORKSPACE_TEXT_DOCUMENT_CONTENT_REFRESH, params, limit=REFRESH_LIMIT
            )
        except ClientFailed:
            return
        finally:
            self._telling.discard(uri)


def shown(data: bytes | None) -> str:
    """Return the bytes of a file as a document: exact where they are text, and else described."""
    if data is None:
        return ""
    if len(data) > MAX_SIZE:
        return f"Too large to be shown: {len(data):,} bytes.\n"
    if b"\0" in data:
        return f"A binary file of {len(data):,} bytes.\n"
    try:
        return data.decode()
    except UnicodeDecodeError:
        # Each byte stays visible and apart from the others, whatever the encoding is.
        return data.decode("latin-1")


def _named(key: str, folders: set[str]) -> Path | None:
    for folder in sorted(folders):
        real = Path(canonical(folder))
        if workspace_key(real) == key:
            return real
    return None
