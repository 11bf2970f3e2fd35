"""Edits of ours in documents with unsaved changes: sent once, and looked for in the text afterwards.

One versioned edit of one document with the changed lines only, so that the editor's undo takes it back as
one. What an editor answers proves nothing: an edit counts as made when the text that the editor tells has
it. Not aware of patches or decisions. `view` stands above, `edits.merge` below.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from lsprotocol import types

from autopilot_ls.edits.line_edits import LineEdit, content
from autopilot_ls.edits.merge import Merged
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import to_units
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.plain import member
from autopilot_ls.lsp.protocol import ClientFailed
from autopilot_ls.supervisor.views import OpenDocument, PutOutcome

EDIT_LIMIT: Final = 30.0
"""Seconds an editor has to answer; some ask the person first."""

ARRIVAL_LIMIT: Final = 5.0
"""Seconds that the changed text may take to arrive after the answer."""


@dataclass(slots=True)
class _Awaited:
    wanted: Merged
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class Merging:
    """The edits of one editor's documents."""

    def __init__(self, connection: Connection) -> None:
        """Create the feature."""
        self._connection = connection
        self._awaited: dict[str, _Awaited] = {}

    def open_documents(self) -> Iterator[OpenDocument]:
        """Yield what the editor has open, each with the way to edit it where there is one."""
        documents = list(self._connection.documents)
        times = Counter(document.key for document in documents)
        able = self._connection.profile.applies_edits and not self._connection.left.is_set()
        for document in documents:
            if document.path is not None:
                put = None
                if able and times[document.key] == 1:
                    put = partial(self._put, document.uri)
                yield OpenDocument(Path(document.path), document.text, put, document.saved)

    def document_changed(self, document: Document) -> None:
        """Look whether an edit has arrived."""
        awaited = self._awaited.get(document.uri)
        if awaited is not None and awaited.wanted.stands_in(document.text):
            awaited.arrived.set()

    async def _put(self, uri: str, wanted: Merged) -> PutOutcome:
        document = self._connection.documents.get(uri)
        if document is None or uri in self._awaited:
            return "failed"
        if document.text != wanted.before:
            return "stale"
        awaited = self._awaited[uri] = _Awaited(wanted)
        answered = False
        try:
            answer = await self._connection.ask(
                types.WORKSPACE_APPLY_EDIT, self._params(document, wanted), limit=EDIT_LIMIT
            )
            answered = True
            if member(answer, "applied") is True:
                async with asyncio.timeout(ARRIVAL_LIMIT):
                    await awaited.arrived.wait()
        except (ClientFailed, TimeoutError):
            pass
        finally:
            del self._awaited[uri]
        if awaited.arrived.is_set():
            return "done"
        there = self._connection.documents.get(uri)
        # An edit that was not answered may still be made: it must not be sent again.
        changed = there is not None and there.text != wanted.before
        return "stale" if answered and changed else "failed"

    def _params(self, document: Document, wanted: Merged) -> types.ApplyWorkspaceEditParams:
        encoding = self._connection.profile.encoding
        edits = [
            types.TextEdit(_range(document, edit, encoding), "".join(edit.inserted))
            for edit in wanted.edits
        ]
        identifier = types.OptionalVersionedTextDocumentIdentifier(document.uri, document.version)
        change = types.TextDocumentEdit(identifier, edits)
        return types.ApplyWorkspaceEditParams(
            types.WorkspaceEdit(document_changes=[change]), "Autopilot: accepted hunks"
        )


def _range(document: Document, edit: LineEdit, encoding: str) -> types.Range:
    end = types.Position(edit.first + len(edit.removed), 0)
    if edit.removed and edit.removed[-1] == content(edit.removed[-1]):
        # The last line of the text, which has no end.
        line = edit.first + len(edit.removed) - 1
        end = types.Position(line, to_units(document.lines[line], encoding))
    return types.Range(types.Position(edit.first, 0), end)
