"""Previews of a pending patch: a generated diff, or an edit that the editor shows before it applies it.

A preview decides nothing. The edit is built from the hunks against the text as it is now, every change
marked as needing confirmation, and only sent where the editor says it can show that. Should the person
apply it there all the same, their buffers hold the patch unsaved: accepting is then refused until they
save or undo, as for any unsaved change, so nothing is written twice. Not aware of decisions. `commands`
stands above.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import anyio.to_thread
from lsprotocol import types

from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import canonical, split_lines, to_uri
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.diagnostics import place_of
from autopilot_ls.lsp.features.messages import Messages
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.lsp.plain import member
from autopilot_ls.lsp.protocol import ClientFailed
from autopilot_ls.model.approvals import Approval, ChangeKind, FileChange, Hunk, PatchAction
from autopilot_ls.model.errors import InvalidRequest, TraceError
from autopilot_ls.presentation.approvals import title, unified_diff
from autopilot_ls.trace.files import replace_private

SHOW_LIMIT: Final = 5.0
"""Seconds an editor has to show a document."""

EDIT_LIMIT: Final = 15 * 60.0
"""Seconds a person may look at an edit that needs confirmation."""

_ANNOTATION: Final = "autopilot"
_MAX_FILE: Final = 8 * 1024 * 1024

Shown = Literal["edit", "document", "none"]


class Preview:
    """Previews in one editor."""

    def __init__(
        self, connection: Connection, messages: Messages, jobs: Jobs, folder: Path
    ) -> None:
        """Create the feature; `folder` is where the sessions' records are."""
        self._connection = connection
        self._messages = messages
        self._jobs = jobs
        self._folder = folder

    async def show(
        self, approval: Approval, root: str, view: Literal["auto", "edit", "document"]
    ) -> tuple[Shown, str, str]:
        """Show a patch; returns how it was shown, the URI of its diff, and the diff.

        Raises:
            InvalidRequest: It is no patch, or the wish cannot be met.
            TraceError: The diff cannot be written.
        """
        if not isinstance(approval.action, PatchAction):
            raise InvalidRequest(
                f"Approval {approval.id} is not about a patch.",
                advice="Read it in the transcript (autopilot.transcript.open).",
            )
        diff = unified_diff(approval.files, root=root)
        path = self._folder / approval.session_id / f"{approval.id}.diff"
        await anyio.to_thread.run_sync(_write, path, diff)
        uri = to_uri(str(path))
        shown: Shown = "none"
        edit = None
        if view != "document" and self._connection.profile.confirms_edits:
            edit = await self._edit(approval, root)
        if edit is not None:
            params = types.ApplyWorkspaceEditParams(edit, "Autopilot: preview of a patch")
            self._jobs.start(lambda: self._offer(params))
            shown = "edit"
        elif view == "edit":
            raise InvalidRequest(
                "This editor does not show edits that need confirmation, or the patch has none.",
                advice='Ask for the view "document".',
            )
        elif await self.show_document(uri):
            shown = "document"
        return shown, uri, diff

    async def show_document(self, uri: str) -> bool:
        """Have the editor show a document; tells whether it did."""
        if not self._connection.profile.show_document:
            return False
        params = types.ShowDocumentParams(uri, take_focus=True)
        try:
            answer = await self._connection.ask(
                types.WINDOW_SHOW_DOCUMENT, params, limit=SHOW_LIMIT
            )
        except ClientFailed as error:
            self._messages.log(types.MessageType.Warning, f"Not shown: {error}.")
            return False
        return member(answer, "success") is True

    async def _offer(self, params: types.ApplyWorkspaceEditParams) -> None:
        try:
            answer = await self._connection.ask(
                types.WORKSPACE_APPLY_EDIT, params, limit=EDIT_LIMIT
            )
        except ClientFailed:
            return
        if member(answer, "applied") is True:
            self._messages.error(
                "The preview was applied to your buffers, which decides nothing: undo it to accept "
                "the patch, or save and reject it."
            )

    async def _edit(self, approval: Approval, root: str) -> types.WorkspaceEdit | None:
        changes: list[types.TextDocumentEdit | types.CreateFile | types.DeleteFile] = []
        for file in approval.files:
            made = await self._changes(file)
            if made is None:
                return None
            changes += made
        annotation = types.ChangeAnnotation(
            label=title(approval, root=root, limit=100),
            needs_confirmation=True,
            description="Preview only: close it without applying, then accept or reject the patch.",
        )
        return types.WorkspaceEdit(
            document_changes=changes, change_annotations={_ANNOTATION: annotation}
        )

    async def _changes(
        self, file: FileChange
    ) -> Sequence[types.TextDocumentEdit | types.CreateFile | types.DeleteFile] | None:
        """Return the edits of one file, or None when they cannot be shown faithfully."""
        if file.problem or file.move_to is not None:
            return None
        document = self._connection.documents.by_key(canonical(file.path))
        uri = document.uri if document else to_uri(file.path)
        if file.kind is ChangeKind.ADD:
            text = "".join(line for hunk in file.hunks for line in hunk.new_lines)
            start = types.Position(0, 0)
            edit = types.AnnotatedTextEdit(_ANNOTATION, types.Range(start, start), text)
            return [
                types.CreateFile(
                    uri=uri,
                    options=types.CreateFileOptions(ignore_if_exists=True),
                    annotation_id=_ANNOTATION,
                ),
                _edits(uri, None, [edit]),
            ]
        if file.kind is ChangeKind.DELETE:
            return [types.DeleteFile(uri=uri, annotation_id=_ANNOTATION)]
        lines = await self._lines(file.path, document)
        if lines is None:
            return None
        edits = [_annotated(hunk, lines) for hunk in file.hunks]
        if None in edits:
            return None
        version = document.version if document else None
        return [_edits(uri, version, [edit for edit in edits if edit is not None])]

    async def _lines(self, path: str, document: Document | None) -> list[str] | None:
        if document is not None:
            return document.lines
        text = await anyio.to_thread.run_sync(_read, Path(path))
        return None if text is None else split_lines(text)


def _edits(
    uri: str, version: int | None, edits: list[types.AnnotatedTextEdit]
) -> types.TextDocumentEdit:
    identifier = types.OptionalVersionedTextDocumentIdentifier(uri, version)
    return types.TextDocumentEdit(identifier, edits)


def _annotated(hunk: Hunk, lines: list[str]) -> types.AnnotatedTextEdit | None:
    """Return the edit that a hunk is, or None when its old lines are not in the text."""
    first = max(hunk.old_start - 1, 0)
    if hunk.old_lines:
        first, last = place_of(hunk, lines)
        if [line.rstrip("\r\n") for line in lines[first : last + 1]] != [
            line.rstrip("\r\n") for line in hunk.old_lines
        ]:
            return None
    where = types.Range(types.Position(first, 0), types.Position(first + len(hunk.old_lines), 0))
    return types.AnnotatedTextEdit(_ANNOTATION, where, "".join(hunk.new_lines))


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
        return data.decode() if len(data) <= _MAX_FILE else None
    except (OSError, UnicodeDecodeError):
        return None


def _write(path: Path, text: str) -> None:
    try:
        replace_private(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise TraceError(
            f"The diff cannot be written to {path}: {error.strerror}.",
            advice="Look at the disk space and the permissions of that folder.",
        ) from error
