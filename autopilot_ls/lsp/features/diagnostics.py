"""Diagnostics: hunks of pending patches, files to be saved for a task, failed turns, policy files.

A hunk is shown where its old lines stand in the text as the editor has it now, and published again
whenever that text changes, since editors move or drop what they were told. Found again by its id, never
by its line. Not aware of code actions, which ask here what is shown where. `view` stands above.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lsprotocol import types

from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import canonical, content, to_uri
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.change_hints import ChangeHints
from autopilot_ls.lsp.features.shown_change import ShownChange
from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    FileChange,
    Hunk,
    HunkMark,
    Mark,
    PatchAction,
)
from autopilot_ls.model.review import Unit, units_of
from autopilot_ls.model.text import count, one_line, visible

SOURCE: Final = "autopilot"
PENDING_HUNK: Final = "pending-hunk"
UNSAVED: Final = "unsaved"
FAILED: Final = "failed"

MAX_FAILURES: Final = 5
"""Failures shown in one file."""

SEARCH_LIMIT: Final = 2_000
"""Lines before and behind its old place in which a hunk is looked for."""


@dataclass(frozen=True, slots=True)
class ShownHunk:
    """A hunk of a pending patch, or a change that has none.

    Attributes:
        total: How many of them the patch has.
        mark: What the person has chosen for it so far.
    """

    approval: Approval
    unit: Unit
    total: int
    mark: HunkMark | None = None

    @property
    def file(self) -> FileChange:
        """The change of the file that it belongs to."""
        return self.unit.file

    @property
    def hunk(self) -> Hunk | None:
        """The hunk; None where the change has none to show."""
        return self.unit.hunk


@dataclass(frozen=True, slots=True)
class UnsavedFile:
    """A file that has to be saved before a task starts."""

    task_id: str
    task: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A turn that failed, at the line, from 0, that it was begun from."""

    session_id: str
    line: int
    message: str


class Diagnostics:
    """What is published for the files of one editor."""

    def __init__(self, connection: Connection) -> None:
        """Create the feature; nothing is shown yet."""
        self._connection = connection
        self._hunks: dict[str, list[ShownHunk]] = {}
        self._alarms: dict[str, str] = {}
        self._unsaved: dict[str, list[UnsavedFile]] = {}
        self._failures: dict[str, list[Failure]] = {}
        self._policies: dict[str, tuple[types.Diagnostic, ...]] = {}
        self._paths: dict[str, str] = {}
        self._published: dict[str, set[str]] = {}
        self.hints = ChangeHints(connection)

    # What is shown ------------------------------------------------------------------------------

    def show(self, approval: Approval, alarm: str = "") -> None:
        """Show the hunks of a patch that waits.

        Args:
            approval: The patch.
            alarm: What must be said loudly of it: its hunks are warnings that begin with this.
        """
        self._alarms[approval.id] = alarm
        for key, hunks in _by_file(approval).items():
            there = self._hunks.setdefault(key, [])
            if not any(shown.approval.id == approval.id for shown in there):
                there += hunks
            self._paths.setdefault(key, hunks[0].file.path)
            self.publish(key)

    def update(self, approval: Approval) -> None:
        """Show what the person has chosen for the hunks of a patch that is shown already."""
        choices = {choice.hunk_id: choice for choice in approval.marks}
        for key, hunks in self._hunks.items():
            fresh = [_chosen(shown, approval, choices) for shown in hunks]
            if any(new.mark != old.mark for new, old in zip(fresh, hunks, strict=True)):
                self._hunks[key] = fresh
                self.publish(key)

    def clear(self, approval_id: str) -> None:
        """Take the hunks of a patch away, because it no longer waits."""
        self._alarms.pop(approval_id, None)
        for key, hunks in list(self._hunks.items()):
            kept = [shown for shown in hunks if shown.approval.id != approval_id]
            if len(kept) != len(hunks):
                self._hunks[key] = kept
                self.publish(key)
                if not kept:
                    del self._hunks[key]

    def show_unsaved(self, task_id: str, task: str, paths: Iterable[str]) -> None:
        """Say at files that a task waits until they are saved; replaces what was said for it."""
        keys = {canonical(path): path for path in paths}
        for key in [*self._unsaved, *keys]:
            kept = [u for u in self._unsaved.get(key, ()) if u.task_id != task_id]
            if key in keys:
                kept.append(UnsavedFile(task_id, task))
                self._paths.setdefault(key, keys[key])
            if kept != self._unsaved.get(key, []):
                self._unsaved[key] = kept
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

    # What is asked by others --------------------------------------------------------------------

    def hunks_at(self, document: Document | None, key: str, place: types.Range) -> list[ShownHunk]:
        """Return the hunks of a file that touch a range, as they are shown now."""
        return [
            shown
            for shown in self._hunks.get(key, ())
            if _touches(self._range(shown.hunk, document), place)
        ]

    def in_file(self, document: Document) -> list[tuple[ShownHunk, types.Range]]:
        """Return the hunks of a document, each with the range it is shown at now."""
        return [
            (shown, self._range(shown.hunk, document))
            for shown in self._hunks.get(document.key, ())
        ]

    def of_approval(self, approval_id: str) -> dict[str, ShownHunk]:
        """Return what is shown of a patch, by the ids of its units."""
        return {
            shown.unit.id: shown
            for hunks in self._hunks.values()
            for shown in hunks
            if shown.approval.id == approval_id
        }

    def failures_at(self, key: str, place: types.Range) -> list[Failure]:
        """Return the failures that are shown in a range of a file."""
        return [
            failure
            for failure in self._failures.get(key, ())
            if place.start.line <= failure.line <= place.end.line
        ]

    # Publishing ---------------------------------------------------------------------------------

    def refresh(self, document: Document) -> None:
        """Publish again for a document that was opened or changed."""
        shown = (self._hunks, self._unsaved, self._failures, self._policies)
        if any(document.key in there for there in shown) or self.hints.has(document.key):
            self.publish(document.key, document)

    def publish(self, key: str, document: Document | None = None) -> None:
        """Send the present diagnostics of a file, under the URI the editor knows it by."""
        if document is None:
            document = self._connection.documents.by_key(key)
        uri = document.uri if document else to_uri(self._paths.get(key, key))
        diagnostics = [self._hunk(shown, document) for shown in self._hunks.get(key, ())]
        diagnostics += [self._warning(unsaved, document) for unsaved in self._unsaved.get(key, ())]
        diagnostics += [self._failure(failure, document) for failure in self._failures.get(key, ())]
        diagnostics += self._policies.get(key, ())
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

    def _send(self, uri: str, diagnostics: list[types.Diagnostic], version: int | None) -> None:
        params = types.PublishDiagnosticsParams(uri, diagnostics, version)
        self._connection.tell(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS, params)

    def _hunk(self, shown: ShownHunk, document: Document | None) -> types.Diagnostic:
        data: Mapping[str, str] = {
            "approvalId": shown.approval.id,
            "hunkId": shown.unit.id,
            "mark": shown.mark.mark.value if shown.mark else "none",
        }
        alarm = self._alarms.get(shown.approval.id, "")
        severity = types.DiagnosticSeverity.Warning if alarm else None
        return types.Diagnostic(
            range=self._range(shown.hunk, document),
            message=f"{alarm}: {_describe(shown)}" if alarm else _describe(shown),
            severity=severity or types.DiagnosticSeverity.Information,
            code=PENDING_HUNK,
            source=SOURCE,
            data=data,
        )

    def _warning(self, unsaved: UnsavedFile, document: Document | None) -> types.Diagnostic:
        return types.Diagnostic(
            range=self._range(None, document),
            message=(
                f"Save this file: the agent reads the disk. “{one_line(unsaved.task, 80)}” starts "
                "as soon as all files are saved."
            ),
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

    def _range(self, hunk: Hunk | None, document: Document | None) -> types.Range:
        if hunk is None:
            return _line_range(document, 0, 0, self._connection.profile.encoding)
        first, last = place_of(hunk, document.lines if document else None)
        return _line_range(document, first, last, self._connection.profile.encoding)


def _line_range(document: Document | None, first: int, last: int, encoding: str) -> types.Range:
    if document is not None:
        return document.range_of(first, last, encoding)
    # The text is not known here. A range that ends at the start of the next line covers the last one.
    return types.Range(types.Position(first, 0), types.Position(last + 1, 0))


def _touches(one: types.Range, other: types.Range) -> bool:
    return one.start.line <= other.end.line and other.start.line <= one.end.line


def _by_file(approval: Approval) -> dict[str, list[ShownHunk]]:
    found: dict[str, list[ShownHunk]] = {}
    if not isinstance(approval.action, PatchAction):
        return found
    units = list(units_of(approval))
    choices = {choice.hunk_id: choice for choice in approval.marks}
    keys: dict[str, str] = {}
    for unit in units:
        key = keys.get(unit.file.path)
        if key is None:
            key = keys[unit.file.path] = canonical(unit.file.path)
        shown = ShownHunk(approval, unit, len(units), choices.get(unit.id))
        found.setdefault(key, []).append(shown)
    return found


def _chosen(shown: ShownHunk, approval: Approval, choices: Mapping[str, HunkMark]) -> ShownHunk:
    if shown.approval.id != approval.id:
        return shown
    return ShownHunk(approval, shown.unit, shown.total, choices.get(shown.unit.id))


def place_of(hunk: Hunk, lines: list[str] | None) -> tuple[int, int]:
    """Return the first and last line, from 0, at which a hunk is shown.

    Args:
        hunk: The hunk.
        lines: The text as it is now; None when only its old place is known.
    """
    old = [content(line) for line in hunk.old_lines]
    origin = max(hunk.old_start - 1, 0)
    if not old:
        # New lines go before this one; behind the last line there is none to show them at.
        bottom = origin if lines is None else max(_real_lines(lines) - 1, 0)
        line = min(origin, bottom)
        return line, line
    start = origin if lines is None else _find(old, lines, origin)
    return start, start + len(old) - 1


def _real_lines(lines: list[str]) -> int:
    return len(lines) - 1 if len(lines) > 1 and not lines[-1] else len(lines)


def _find(old: list[str], lines: list[str], origin: int) -> int:
    """Return where the old lines stand now, nearest to where they stood; there when nowhere."""

    def stands_at(start: int) -> bool:
        return 0 <= start <= len(lines) - len(old) and all(
            content(lines[start + offset]) == line for offset, line in enumerate(old)
        )

    for distance in range(min(max(len(lines), origin) + 1, SEARCH_LIMIT)):
        for start in (origin - distance, origin + distance):
            if stands_at(start):
                return start
    return origin


def _describe(shown: ShownHunk) -> str:
    file, hunk = shown.file, shown.hunk
    reason = one_line(shown.approval.reason, 120)
    why = f" ({reason})" if reason else ""
    if file.problem:
        what = f"The agent wants to change this file, but: {one_line(file.problem, 200)}"
    elif file.kind is ChangeKind.ADD:
        what = f"The agent wants to create this file{_size(hunk)}"
    elif file.kind is ChangeKind.DELETE:
        what = "The agent wants to delete this file"
    elif hunk is None:
        what = f"The agent wants to rename this file to {one_line(file.move_to or '?', 200)}"
    elif not hunk.old_lines:
        what = f"The agent wants to insert {count(len(hunk.new_lines), 'line')} here"
        what += f": {_lines(hunk.new_lines)}"
    elif not hunk.new_lines:
        what = f"The agent wants to delete {count(len(hunk.old_lines), 'line')}"
    else:
        what = f"The agent wants to change this to: {_lines(hunk.new_lines)}"
    if hunk is not None and file.move_to and not file.problem:
        what += f", and to rename the file to {one_line(file.move_to, 200)}"
    return f"{_choice(shown.mark)}{what}{why}"


def _choice(choice: HunkMark | None) -> str:
    if choice is None:
        return ""
    reason = one_line(choice.message, 120)
    said = "accept" if choice.mark is Mark.ACCEPT else "reject"
    return f"[You chose: {said}{f', {reason}' if reason else ''}] "


def _size(hunk: Hunk | None) -> str:
    return f", {count(len(hunk.new_lines), 'line')}" if hunk else ""


def _lines(lines: tuple[str, ...]) -> str:
    shown = " ⏎ ".join(one_line(content(line), 100) for line in lines[:3])
    more = len(lines) - 3
    return f"{shown} … ({count(more, 'more line')})" if more > 0 else shown
