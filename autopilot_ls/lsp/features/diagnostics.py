"""Diagnostics: hunks of pending patches, changes to be reviewed, files to be saved, failures, policy files.

All that is shown of one file goes out together, under the URI the editor knows it by, and again when that
changes anything, since editors move or drop what they were told; `publishing` says when. Not aware of code
actions, which ask here what is shown where. `view` stands above; `pending_hunks`, `change_hints` and
`finding_marks` below.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from lsprotocol import types

from autopilot_ls.edits.followed import Effect
from autopilot_ls.edits.line_edits import LineEdit
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import canonical, to_uri
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.change_hints import ChangeHints
from autopilot_ls.lsp.features.encoded import SOURCE
from autopilot_ls.lsp.features.finding_marks import FindingMarks
from autopilot_ls.lsp.features.pending_hunks import PendingHunks
from autopilot_ls.lsp.features.publishing import Publishing
from autopilot_ls.lsp.features.shown_change import ShownChange
from autopilot_ls.model.approvals import Approval
from autopilot_ls.model.findings import Finding
from autopilot_ls.model.text import visible

UNSAVED: Final = "unsaved"
FAILED: Final = "failed"

MAX_FAILURES: Final = 5
"""Failures shown in one file."""


@dataclass(frozen=True, slots=True)
class UnsavedFile:
    """A file that has to be saved before something is done, and what is said of it."""

    task_id: str
    message: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A turn that failed, at the line, from 0, that it was begun from."""

    session_id: str
    line: int
    message: str


class Diagnostics:
    """What is published for the files of one editor.

    Attributes:
        pending: The hunks of patches that wait.
        hints: The changes to be reviewed.
        findings: What reviewers found.
    """

    def __init__(self, connection: Connection) -> None:
        """Create the feature; nothing is shown yet."""
        self._connection = connection
        self.pending = PendingHunks(connection)
        self.hints = ChangeHints(connection)
        self.findings = FindingMarks(connection)
        self._unsaved: dict[str, list[UnsavedFile]] = {}
        self._failures: dict[str, list[Failure]] = {}
        self._policies: dict[str, tuple[types.Diagnostic, ...]] = {}
        self._paths: dict[str, str] = {}
        self._published: dict[str, set[str]] = {}
        self._publishing = Publishing(self.publish)

    # What is shown ------------------------------------------------------------------------------

    def show(self, approval: Approval, alarm: str = "") -> None:
        """Show the hunks of a patch that waits; see `PendingHunks.add`."""
        for key, path in self.pending.add(approval, alarm):
            self._paths.setdefault(key, path)
            self.publish(key)

    def update(self, approval: Approval) -> None:
        """Show what the person has chosen for the hunks of a patch that is shown already."""
        for key in self.pending.update(approval):
            self.publish(key)

    def clear(self, approval_id: str) -> None:
        """Take the hunks of a patch away, because it no longer waits."""
        for key in self.pending.discard(approval_id):
            self.publish(key)

    def show_unsaved(self, task_id: str, message: str, paths: Iterable[str]) -> None:
        """Say at files that something waits until they are saved; replaces what was said for it."""
        keys = {canonical(path): path for path in paths}
        for key in dict.fromkeys([*self._unsaved, *keys]):
            before = self._unsaved.pop(key, [])
            kept = [u for u in before if u.task_id != task_id]
            if key in keys:
                kept.append(UnsavedFile(task_id, message))
                self._paths.setdefault(key, keys[key])
            if kept:
                self._unsaved[key] = kept
            if kept != before:
                self.publish(key)

    def show_failure(self, session_id: str, path: str, line: int, message: str) -> None:
        """Say in a file that the work begun from it failed, until new work begins."""
        key = canonical(path)
        self._paths.setdefault(key, path)
        others = [f for f in self._failures.get(key, ()) if f.session_id != session_id]
        self._failures[key] = [*others, Failure(session_id, line, message)][-MAX_FAILURES:]
        self.publish(key)

    def clear_failures(self, key: str | None = None) -> None:
        """Say no longer what failed, in one file or in all."""
        for there in list(self._failures) if key is None else [key]:
            if self._failures.pop(there, None):
                self.publish(there)

    def show_policy(self, key: str, path: str, found: tuple[types.Diagnostic, ...]) -> None:
        """Show what there is to say about a policy file; replaces what was said of it."""
        if found == self._policies.get(key, ()):
            return
        self._paths.setdefault(key, path)
        self._policies[key] = found
        self.publish(key)
        if not found:
            del self._policies[key]

    def show_changes(self, key: str, path: str, changes: Sequence[ShownChange]) -> None:
        """Show the changes of a file that are to be reviewed; replaces what was shown of them."""
        if self.hints.set(key, changes, self._connection.documents.by_key(key)):
            self._paths.setdefault(key, path)
            self.publish(key)

    def show_findings(self, key: str, path: str, session_id: str, found: Sequence[Finding]) -> None:
        """Show what a session's review found in a file; replaces what was shown of it."""
        if self.findings.set(key, session_id, found):
            self._paths.setdefault(key, path)
            self.publish(key)

    def failures_at(self, key: str, place: types.Range) -> list[Failure]:
        """Return the failures that are shown in a range of a file."""
        return [
            failure
            for failure in self._failures.get(key, ())
            if place.start.line <= failure.line <= place.end.line
        ]

    # Publishing ---------------------------------------------------------------------------------

    def changed(self, document: Document, edits: Sequence[LineEdit] | None) -> None:
        """A document was opened (`edits` is None), or changed by these edits.

        Args:
            document: As it is now.
            edits: What was done to its lines.
        """
        key = document.key
        effect = max(
            self.hints.changed(document, edits),
            self.pending.changed(document, edits),
            self.findings.changed(document, edits),
        )
        if not self._is_shown(key):
            return
        if edits is None:
            self.publish(key, document)
            return
        if any(key in there for there in (self._failures, self._unsaved, self._policies)):
            effect = max(effect, Effect.MOVED)
        self._publishing.typed(key, effect)

    def closed(self, document: Document) -> None:
        """A document was closed: what is shown then is what the file is taken to hold."""
        self.hints.closed(document)
        self.pending.closed(document)
        if self._is_shown(document.key):
            self.publish(document.key)

    def close(self) -> None:
        """Publish nothing more."""
        self._publishing.close()

    def _is_shown(self, key: str) -> bool:
        others = (self._unsaved, self._failures, self._policies)
        followed = (self.pending, self.hints, self.findings)
        return any(each.has(key) for each in followed) or any(key in there for there in others)

    def publish(self, key: str, document: Document | None = None) -> None:
        """Send the present diagnostics of a file, under the URI the editor knows it by."""
        if document is None:
            document = self._connection.documents.by_key(key)
        self._publishing.published(key)
        uri = document.uri if document else to_uri(self._paths.get(key, key))
        diagnostics = list(self.pending.diagnostics(key, document))
        others = [self._warning(unsaved, document) for unsaved in self._unsaved.get(key, ())]
        others += [self._failure(failure, document) for failure in self._failures.get(key, ())]
        others += self._policies.get(key, ())
        others += self.findings.diagnostics(key, document)
        diagnostics += map(self._connection.encode, others)
        diagnostics += self.hints.diagnostics(key, document)
        version = None
        if document is not None and self._connection.profile.diagnostic_versions:
            version = document.version
        self._send(uri, diagnostics, version)
        earlier = self._published.pop(key, set()) - {uri}
        for other in earlier:
            self._send(other, [], None)
        if diagnostics:
            self._published[key] = {uri}
        else:
            self._paths.pop(key, None)
            self._publishing.forget(key)

    def _send(self, uri: str, diagnostics: Sequence[str], version: int | None) -> None:
        # As text: hundreds of hunks may be sent with a key that is pressed.
        said = "" if version is None else f',"version":{version}'
        params = f'{{"uri":{json.dumps(uri)},"diagnostics":[{",".join(diagnostics)}]{said}}}'
        self._connection.tell_encoded(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS, params)

    def _warning(self, unsaved: UnsavedFile, document: Document | None) -> types.Diagnostic:
        return types.Diagnostic(
            range=_line_range(document, 0, 0, self._connection.profile.encoding),
            message=unsaved.message,
            severity=types.DiagnosticSeverity.Warning,
            code=UNSAVED,
            source=SOURCE,
            data={"taskId": unsaved.task_id},
        )

    def _failure(self, failure: Failure, document: Document | None) -> types.Diagnostic:
        encoding = self._connection.profile.encoding
        return types.Diagnostic(
            range=_line_range(document, failure.line, failure.line, encoding),
            message=visible(failure.message),
            severity=types.DiagnosticSeverity.Error,
            code=FAILED,
            source=SOURCE,
            data={"sessionId": failure.session_id},
        )


def _line_range(document: Document | None, first: int, last: int, encoding: str) -> types.Range:
    if document is not None:
        return document.range_of(first, last, encoding)
    # The text is not known here. A range that ends at the start of the next line covers the last one.
    return types.Range(types.Position(first, 0), types.Position(last + 1, 0))
