"""Places that a person points at, from an editor's terms into ours.

The text at a place is taken as the editor shows it, saved or not. Not aware of what is done with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lsprotocol import types

from autopilot_ls.lsp import shared_params as params
from autopilot_ls.lsp import turn_params
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import to_path
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.supervisor.requests import Reference


def references_of(
    connection: Connection, references: Iterable[params.Reference]
) -> tuple[Reference, ...]:
    """Return the references as the supervisor takes them.

    Raises:
        InvalidRequest: One names no file.
    """
    return tuple(_reference(connection, reference) for reference in references)


def _reference(connection: Connection, reference: params.Reference) -> Reference:
    path = to_path(reference.uri)
    if path is None:
        raise InvalidRequest(
            f"references: {reference.uri[:200]!r} is not the URI of a file.",
            advice="Save the document first, and give its file: URI.",
        )
    if reference.range is None:
        return Reference(path=path)
    start, end = reference.range.start, reference.range.end
    last = end.line - 1 if end.character == 0 and end.line > start.line else end.line
    document = connection.documents.get(reference.uri)
    text = None
    if document is not None:
        place = types.Range(
            types.Position(start.line, start.character), types.Position(end.line, end.character)
        )
        text = document.selected(place, connection.profile.encoding)
    return Reference(
        path=path, start_line=start.line, end_line=max(last, start.line), text=text or None
    )


def paths_of(attachments: Iterable[turn_params.AttachedFile]) -> tuple[str, ...]:
    """Return the paths of attachments, which nobody has looked at yet.

    Raises:
        InvalidRequest: One names no file.
    """
    return tuple(_path(attachment.uri) for attachment in attachments)


def _path(uri: str) -> str:
    path = to_path(uri) or uri
    if not Path(path).is_absolute():
        raise InvalidRequest(
            f"attachments: {uri[:200]!r} is neither the URI of a file nor an absolute path.",
            advice="Give a file: URI or an absolute path.",
        )
    return path
