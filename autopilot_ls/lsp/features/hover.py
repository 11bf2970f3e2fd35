"""Hover over a pending hunk: why it was asked, by which rule of which file, and the change.

Over a change after the fact: who made it, and the change. Not aware of how it is worded. `view` stands
above, `diagnostics` knows what is shown where.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from lsprotocol import types

from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.diagnostics import Diagnostics
from autopilot_ls.presentation.changes import ChangedPart
from autopilot_ls.presentation.changes import hover as change_hover
from autopilot_ls.presentation.hovers import hover

MAX_HUNKS: Final = 3
"""Hunks that are explained at once, where several stand at one place."""


def hover_at(
    connection: Connection,
    diagnostics: Diagnostics,
    folder: Callable[[str], str],
    changes: Callable[[Document, types.Range], Sequence[ChangedPart]],
    params: types.HoverParams,
) -> types.Hover | None:
    """Return what is shown over a place, None where no hunk waits.

    Args:
        connection: Knows the documents and what the editor shows.
        diagnostics: Knows the hunks.
        folder: Gives the folder of a session.
        changes: Gives the changes to be reviewed at a place.
        params: The place.
    """
    document = connection.documents.get(params.text_document.uri)
    if document is None:
        return None
    place = types.Range(params.position, params.position)
    found = diagnostics.pending.at(document, document.key, place)[:MAX_HUNKS]
    reviewed = changes(document, place)[:MAX_HUNKS]
    if not found and not reviewed:
        return None
    markdown = connection.profile.markdown_hovers
    texts = [
        hover(
            shown.approval,
            shown.file,
            shown.hunk,
            root=folder(shown.approval.session_id),
            markdown=markdown,
        )
        for shown in found
    ]
    texts += [change_hover(change, markdown=markdown) for change in reviewed]
    kind = types.MarkupKind.Markdown if markdown else types.MarkupKind.PlainText
    between = "\n\n---\n\n" if markdown else "\n\n"
    return types.Hover(types.MarkupContent(kind, between.join(texts)))
