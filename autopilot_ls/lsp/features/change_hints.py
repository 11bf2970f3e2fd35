"""Hints at the changes to be reviewed of each file, which follow what is typed.

What is about lines stands where `following` says; what is about a file stands in its first line. Not aware
of reviews, nor of when hints are sent. `diagnostics` stands above.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from lsprotocol import types

from autopilot_ls.edits.followed import Effect, HunkState
from autopilot_ls.edits.line_edits import LineEdit, length
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.encoded import SOURCE, Encoded, range_of
from autopilot_ls.lsp.features.following import Following
from autopilot_ls.lsp.features.shown_change import ShownChange

UNREVIEWED: Final = "unreviewed"

_TYPED: Final = "You have typed into this; what you typed stays when it is undone. "


class ChangeHints:
    """The hints of one editor."""

    def __init__(self, connection: Connection) -> None:
        """Create it with nothing to show."""
        self._connection = connection
        self._changes: dict[str, tuple[ShownChange, ...]] = {}
        self._following = Following()
        self._encoded = Encoded()

    def set(self, key: str, changes: Sequence[ShownChange], document: Document | None) -> bool:
        """Take what is to be shown in a file from now on; tells whether that is something else.

        Args:
            key: The file.
            changes: In their order.
            document: The file as the editor has it, where it is open.
        """
        fresh, earlier = tuple(changes), self._changes.get(key, ())
        if fresh == earlier:
            return False
        before = {change.id: change for change in earlier}
        for change in fresh:
            old = before.pop(change.id, None)
            if old is None or not self._stays(old, change, document):
                self._following.discard(key, change.id)
                if change.followed is not None:
                    self._following.add(key, change.id, [change.followed], document)
        for gone in before:
            self._following.discard(key, gone)
            self._encoded.discard(f"{key} {gone}")
        if fresh:
            self._changes[key] = fresh
        else:
            self._changes.pop(key, None)
        return True

    @staticmethod
    def _stays(old: ShownChange, new: ShownChange, document: Document | None) -> bool:
        """Tell whether a change stands where it was followed to."""
        if old.followed is None or new.followed is None or document is None:
            return False
        same = (old.followed.standing, old.followed.wanted)
        return same == (new.followed.standing, new.followed.wanted)

    def has(self, key: str) -> bool:
        """Tell whether anything is shown in a file."""
        return key in self._changes

    def changed(self, document: Document, edits: Sequence[LineEdit] | None) -> Effect:
        """A document was opened (`edits` is None) or changed; tells what that did to the hints."""
        return self._following.changed(document, edits)

    def closed(self, document: Document) -> None:
        """A document was closed."""
        self._following.closed(document)

    def in_file(self, key: str) -> tuple[ShownChange, ...]:
        """Return what is shown in a file."""
        return self._changes.get(key, ())

    def places(self, document: Document) -> list[tuple[ShownChange, int, int]]:
        """Return what is shown in a document, each with its first and last line."""
        found: list[tuple[ShownChange, int, int]] = []
        for change in self._changes.get(document.key, ()):
            first, last, state = self._lines(change, document)
            if state is not HunkState.DONE:
                found.append((change, first, last))
        return found

    def at(self, document: Document, place: types.Range) -> list[ShownChange]:
        """Return what is shown in a range of a document."""
        return [
            change
            for change, first, last in self.places(document)
            if first <= place.end.line and place.start.line <= last
        ]

    def diagnostics(self, key: str, document: Document | None) -> list[str]:
        """Return the hints of a file as JSON."""
        encoding = self._connection.profile.encoding
        found: list[str] = []
        for change in self._changes.get(key, ()):
            first, last, state = self._lines(change, document)
            if state is HunkState.DONE:
                continue  # The person has taken it back by hand.
            where = range_of(document, first, last, encoding)
            message = (_TYPED if state is HunkState.CONFLICTING else "") + change.message
            make = partial(_hint, change, message)
            found.append(self._encoded.at(where, f"{key} {change.id}", message, make))
        return found

    def _lines(self, change: ShownChange, document: Document | None) -> tuple[int, int, HunkState]:
        """Return the first and last line that a change is shown at, and what has become of it."""
        if change.followed is None:
            return 0, 0, HunkState.READY
        if document is None:
            first = change.followed.start
            return first, first + max(len(change.followed.standing) - 1, 0), HunkState.READY
        place = self._following.get(document.key, change.id)
        if place is None:
            return 0, 0, HunkState.READY
        first, last = place.start, max(place.end - 1, place.start)
        if place.start == place.end:
            # Behind the last line there is none to show it at.
            first = last = min(first, max(length(document.lines) - 1, 0))
        return first, last, place.state


def _hint(change: ShownChange, message: str) -> dict[str, object]:
    """Return the diagnostic of a change but for its range."""
    return {
        "message": message,
        "severity": types.DiagnosticSeverity.Hint.value,
        "code": UNREVIEWED,
        "source": SOURCE,
        "data": {"changeId": change.part.id, "cwd": str(change.workspace)},
    }
