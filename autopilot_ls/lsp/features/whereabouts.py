"""Where the person was last, and where each session's work was begun: failures are shown there.

Not aware of what fails. `view` stands above, `diagnostics` and `messages` beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.diagnostics import Diagnostics
from autopilot_ls.lsp.features.messages import Messages
from autopilot_ls.supervisor.requests import Reference

MAX_ORIGINS: Final = 200
"""Sessions whose beginning is remembered."""


class Whereabouts:
    """The places of one person's work, each a path with a line from 0."""

    def __init__(self, messages: Messages, diagnostics: Diagnostics) -> None:
        """Create it without any place."""
        self._messages = messages
        self._diagnostics = diagnostics
        self._origins: dict[str, tuple[str, int]] = {}
        self._last: tuple[str, int] | None = None

    def seen(self, document: Document, line: int | None = None) -> None:
        """The person is in this document; a line that is not known is the last one known there."""
        if document.path is None:
            return
        if line is not None:
            self._last = (document.path, line)
        elif self._last is None or self._last[0] != document.path:
            self._last = (document.path, 0)

    def started(self, session_id: str, references: Sequence[Reference]) -> None:
        """Work began, about these places or else where the person was."""
        place = self._last
        if references:
            place = (references[0].path, references[0].start_line or 0)
        if place is not None:
            self._origins[session_id] = place
            if len(self._origins) > MAX_ORIGINS:
                del self._origins[next(iter(self._origins))]

    def failed(self, session_id: str, message: str) -> None:
        """Show that a session's work failed, where the person sees it."""
        self._messages.error(message)
        place = self._origins.get(session_id, self._last)
        if place is not None and not self._messages.crowded:
            self._diagnostics.show_failure(session_id, place[0], place[1], message)
