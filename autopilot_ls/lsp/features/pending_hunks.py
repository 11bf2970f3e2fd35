"""The hunks of pending patches in the files of one editor, which follow what is typed there.

A hunk stands where `following` says that it is in the text as the editor has it now; what is about a file
stands in its first line. Found again by its id, never by its line. Not aware of when diagnostics are sent,
nor of what may be decided. `diagnostics` stands above.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from lsprotocol import types

from autopilot_ls.edits.followed import Effect, HunkState, Place
from autopilot_ls.edits.line_edits import LineEdit, length
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.actions import UnsavedText
from autopilot_ls.lsp.features.encoded import SOURCE, Encoded, range_of
from autopilot_ls.lsp.features.following import Following
from autopilot_ls.lsp.features.shown_hunk import (
    ShownHunk,
    by_file,
    choice_said,
    description,
    followed_id,
    with_choice,
)
from autopilot_ls.model.approvals import Approval

PENDING_HUNK: Final = "pending-hunk"

_PROBLEMS: Final = {
    HunkState.CONFLICTING: "You have typed into this hunk, so that it cannot be accepted as it is; "
    "undo that, or reject it.",
    HunkState.LOST: "The lines of this hunk are not in this text any more, so that it cannot be "
    "accepted as it is.",
}


class PendingHunks:
    """The hunks of the patches that wait, for one editor."""

    def __init__(self, connection: Connection) -> None:
        """Create it with nothing to show."""
        self._connection = connection
        self._hunks: dict[str, list[ShownHunk]] = {}
        self._alarms: dict[str, str] = {}
        self._following = Following()
        self._encoded = Encoded()

    # What is shown ------------------------------------------------------------------------------

    def add(self, approval: Approval, alarm: str) -> list[tuple[str, str]]:
        """Show a patch, or say another alarm with one that is shown.

        Args:
            approval: The patch.
            alarm: What must be said loudly of it: its hunks are warnings that begin with this.

        Returns:
            The key and the path of each file that shows it.
        """
        self._alarms[approval.id] = alarm
        files: list[tuple[str, str]] = []
        for key, hunks in by_file(approval).items():
            there = self._hunks.setdefault(key, [])
            if not any(shown.approval.id == approval.id for shown in there):
                there += hunks
                followed = [f for shown in hunks if (f := shown.followed()) is not None]
                document = self._connection.documents.by_key(key)
                self._following.add(key, approval.id, followed, document)
            files.append((key, hunks[0].file.path))
        return files

    def update(self, approval: Approval) -> list[str]:
        """Take what the person has chosen for the hunks of a patch; returns the files that show it."""
        choices = {choice.hunk_id: choice for choice in approval.marks}
        changed: list[str] = []
        for key, hunks in self._hunks.items():
            fresh = [with_choice(shown, approval, choices) for shown in hunks]
            if any(new.mark != old.mark for new, old in zip(fresh, hunks, strict=True)):
                self._hunks[key] = fresh
                changed.append(key)
        return changed

    def discard(self, approval_id: str) -> list[str]:
        """Show a patch no longer; returns the files that it was shown in."""
        self._alarms.pop(approval_id, None)
        for gone in self.of_approval(approval_id).values():
            self._encoded.discard(gone.id)
        changed: list[str] = []
        for key, hunks in list(self._hunks.items()):
            kept = [shown for shown in hunks if shown.approval.id != approval_id]
            if len(kept) != len(hunks):
                self._following.discard(key, approval_id)
                changed.append(key)
                self._hunks[key] = kept
                if not kept:
                    del self._hunks[key]
        return changed

    def changed(self, document: Document, edits: Sequence[LineEdit] | None) -> Effect:
        """A document was opened (`edits` is None) or changed; tells what that did to the hunks."""
        return self._following.changed(document, edits)

    def closed(self, document: Document) -> None:
        """A document was closed."""
        self._following.closed(document)

    # What is asked by others --------------------------------------------------------------------

    def has(self, key: str) -> bool:
        """Tell whether anything is shown in a file."""
        return key in self._hunks

    def at(self, document: Document | None, key: str, place: types.Range) -> list[ShownHunk]:
        """Return the hunks of a file that touch a range, as they are shown now."""
        found: list[ShownHunk] = []
        for shown in self._hunks.get(key, ()):
            first, last, state = self._lines_of(shown, document)
            touches = first <= place.end.line and place.start.line <= last
            if touches and state is not HunkState.DONE:
                found.append(shown)
        return found

    def in_file(self, document: Document) -> list[tuple[ShownHunk, types.Range]]:
        """Return the hunks of a document, each with the range it is shown at now."""
        encoding = self._connection.profile.encoding
        found: list[tuple[ShownHunk, types.Range]] = []
        for shown in self._hunks.get(document.key, ()):
            first, last, state = self._lines_of(shown, document)
            if state is not HunkState.DONE:
                found.append((shown, document.range_of(first, last, encoding)))
        return found

    def place(self, document: Document, approval_id: str, hunk_id: str) -> Place | None:
        """Return where a hunk of an approval stands in a document, if it is followed there."""
        return self._following.get(document.key, followed_id(approval_id, hunk_id))

    def unfit(self, approval_id: str) -> frozenset[str]:
        """Return the units of a patch that do not stand as they should in a document that is open."""
        return frozenset(self._states(approval_id))

    def _states(self, approval_id: str) -> dict[str, HunkState]:
        """Return what has become of those units of a patch that are not ready in an open document."""
        return {
            shown.unit.id: state
            for document in self._connection.documents
            for shown in self._hunks.get(document.key, ())
            if shown.approval.id == approval_id
            and (state := self._lines_of(shown, document)[2]) is not HunkState.READY
        }

    def made(self, approval_id: str) -> frozenset[str]:
        """Return those of them that the person has made by hand, which are shown no longer."""
        return frozenset(
            unit for unit, state in self._states(approval_id).items() if state is HunkState.DONE
        )

    def unsaved(self, approval_id: str) -> UnsavedText | None:
        """Return what can be done about unsaved changes of files that show hunks of a patch, if there are any.

        Whether the disk differs from the editor's text, is seen when it is decided.
        """
        profile = self._connection.profile
        typed = any(
            document.loaded != document.text
            for document in self._connection.documents
            if any(shown.approval.id == approval_id for shown in self._hunks.get(document.key, ()))
        )
        return UnsavedText(profile.opted_in, profile.applies_edits) if typed else None

    def of_approval(self, approval_id: str) -> dict[str, ShownHunk]:
        """Return what is shown of a patch, by the ids of its units."""
        return {
            shown.unit.id: shown
            for hunks in self._hunks.values()
            for shown in hunks
            if shown.approval.id == approval_id
        }

    def diagnostics(self, key: str, document: Document | None) -> Iterator[str]:
        """Yield the diagnostics of a file as JSON."""
        encoding = self._connection.profile.encoding
        for shown in self._hunks.get(key, ()):
            first, last, state = self._lines_of(shown, document)
            if state is HunkState.DONE:
                continue  # The person has made it by hand.
            where = range_of(document, first, last, encoding)
            alarm = self._alarms.get(shown.approval.id, "")
            make = partial(self._item, shown, document, state, alarm)
            yield self._encoded.at(where, shown.id, (state, shown.mark, alarm), make)

    def _item(
        self, shown: ShownHunk, document: Document | None, state: HunkState, alarm: str
    ) -> dict[str, object]:
        """Return the diagnostic of a hunk but for its range."""
        place = self._following.get(document.key, shown.id) if document else None
        severity = types.DiagnosticSeverity.Information
        said = place.hunk.message if place else description(shown)
        message = f"{choice_said(shown.mark)}{said}"
        if state is not HunkState.READY:
            severity = types.DiagnosticSeverity.Warning
            message = f"{_PROBLEMS[state]} {message}"
        if alarm:
            severity = types.DiagnosticSeverity.Warning
            message = f"{alarm}: {message}"
        return {
            "message": message,
            "severity": severity.value,
            "code": PENDING_HUNK,
            "source": SOURCE,
            "data": {
                "approvalId": shown.approval.id,
                "hunkId": shown.unit.id,
                "mark": shown.mark.mark.value if shown.mark else "none",
            },
        }

    def _lines_of(self, shown: ShownHunk, document: Document | None) -> tuple[int, int, HunkState]:
        """Return the first and last line that a hunk is shown at, and what has become of it."""
        if shown.hunk is None:
            return 0, 0, HunkState.READY
        if document is None:
            start = max(shown.hunk.old_start - 1, 0)
            return start, start + max(len(shown.hunk.old_lines) - 1, 0), HunkState.READY
        place = self._following.get(document.key, shown.id)
        if place is None:
            return 0, 0, HunkState.READY
        first, last = place.start, max(place.end - 1, place.start)
        if place.start == place.end:
            # Behind the last line there is none to show new lines at.
            first = last = min(first, max(length(document.lines) - 1, 0))
        return first, last, place.state
