"""Diagnostics at what a reviewer found, which move with what is typed before them.

Not aware of reviews or sessions, nor of when diagnostics are sent. `diagnostics` stands above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lsprotocol import types

from autopilot_ls.edits.followed import Effect
from autopilot_ls.edits.line_edits import LineEdit, line_edits
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.encoded import SOURCE
from autopilot_ls.model.findings import Finding
from autopilot_ls.model.text import one_line, visible

MAX_IN_FILE: Final = 50
"""Findings that are shown in one file."""

URGENT: Final = 1
"""Findings of this priority or a more urgent one are warnings."""

MAX_BODY: Final = 2_000


@dataclass(slots=True)
class ShownFinding:
    """A finding of a session's review, at the lines, from 0, where it stands now.

    Attributes:
        last: Included.
    """

    session_id: str
    finding: Finding
    first: int
    last: int

    def move(self, edit: LineEdit) -> bool:
        """Follow an edit; tells whether it stands elsewhere now."""
        removed, inserted = len(edit.removed), len(edit.inserted)
        shift = inserted - removed
        if not shift or edit.first > self.last:
            return False
        if edit.first + removed <= self.first:
            self.first += shift
            self.last += shift
        else:
            self.first = min(self.first, edit.first)
            self.last = max(self.last + shift, self.first)
        return True


class FindingMarks:
    """The findings that one editor shows."""

    def __init__(self, connection: Connection) -> None:
        """Create it with nothing to show."""
        self._connection = connection
        self._shown: dict[str, list[ShownFinding]] = {}

    def set(self, key: str, session_id: str, findings: Sequence[Finding]) -> bool:
        """Take what a session's review found in a file; tells whether that is something else."""
        before = self._shown.get(key, [])
        known = {each.finding: each for each in before if each.session_id == session_id}
        fresh = [
            known.get(finding)
            or ShownFinding(session_id, finding, finding.start_line, finding.end_line)
            for finding in findings
        ]
        others = [each for each in before if each.session_id != session_id]
        shown = [*others, *fresh][:MAX_IN_FILE]
        if shown == before:
            return False
        if shown:
            self._shown[key] = shown
        else:
            self._shown.pop(key, None)
        return True

    def has(self, key: str) -> bool:
        """Tell whether anything is shown in a file."""
        return key in self._shown

    def changed(self, document: Document, edits: Sequence[LineEdit] | None) -> Effect:
        """Follow what was typed; what was opened stands where the reviewer said."""
        moved = False
        for shown in self._shown.get(document.key, ()):
            if edits is None:
                shown.first, shown.last = shown.finding.start_line, shown.finding.end_line
            else:
                for edit in edits:
                    for small in line_edits(edit):
                        moved = shown.move(small) or moved
        return Effect.MOVED if moved else Effect.NONE

    def at(self, key: str, place: types.Range) -> list[ShownFinding]:
        """Return the findings that touch a range of a file."""
        return [
            shown
            for shown in self._shown.get(key, ())
            if shown.first <= place.end.line and place.start.line <= shown.last
        ]

    def diagnostics(self, key: str, document: Document | None) -> list[types.Diagnostic]:
        """Return the diagnostics of a file."""
        return [self._diagnostic(shown, document) for shown in self._shown.get(key, ())]

    def _diagnostic(self, shown: ShownFinding, document: Document | None) -> types.Diagnostic:
        finding = shown.finding
        if document is None:
            start, end = types.Position(shown.first, 0), types.Position(shown.last + 1, 0)
            where = types.Range(start, end)
        else:
            encoding = self._connection.profile.encoding
            where = document.range_of(shown.first, shown.last, encoding)
        urgent = finding.priority is not None and finding.priority <= URGENT
        severity = types.DiagnosticSeverity
        body = visible(finding.body[:MAX_BODY])
        return types.Diagnostic(
            range=where,
            message=f"{title_of(finding)}\n{body}" if body else title_of(finding),
            severity=severity.Warning if urgent else severity.Information,
            code=finding.id,
            source=SOURCE,
            data={"sessionId": shown.session_id, "findingId": finding.id},
        )


def title_of(finding: Finding) -> str:
    """Return the title of a finding as one visible line, with its priority."""
    priority = "" if finding.priority is None else f"[P{finding.priority}] "
    return f"{priority}{one_line(finding.title)}"
