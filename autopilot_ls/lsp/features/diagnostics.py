"""Diagnostics: hunks of pending patches, files to be saved for a task, failed turns, policy files.

A hunk is shown where `following` says that it stands in the text as the editor has it now, and published
again when that changes anything, since editors move or drop what they were told: at once, but not more
often than an editor can use, and once more when the typing pauses, since an editor may drop what is about
a text that is not the newest. Found again by its id, never by its line. Not aware of code actions, which
ask here what is shown where. `view` stands above.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lsprotocol import types

from autopilot_ls.edits.followed import FollowedHunk, HunkKind, HunkState, Place
from autopilot_ls.edits.line_edits import LineEdit, length
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import canonical, content, to_units, to_uri
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.change_hints import ChangeHints
from autopilot_ls.lsp.features.following import Following
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

FRAME: Final = 1 / 30
"""Seconds between two times that a file is published while somebody types in it."""

PAUSE: Final = 0.15
"""Seconds without typing after which it is published once more."""

UNREVIEWED_HUNK: Final = "unreviewed-hunk"

_PROBLEMS: Final = {
    HunkState.CONFLICTING: "You have typed into this hunk, so that it cannot be accepted as it is; "
    "undo that, or reject it.",
    HunkState.LOST: "The lines of this hunk are not in this text any more, so that it cannot be "
    "accepted as it is.",
}

_CODES: Final = {
    HunkKind.PENDING: (PENDING_HUNK, types.DiagnosticSeverity.Information),
    HunkKind.UNREVIEWED: (UNREVIEWED_HUNK, types.DiagnosticSeverity.Hint),
}


@dataclass(frozen=True, slots=True)
class ShownHunk:
    """A hunk of a pending patch, or a change that has none.

    Attributes:
        total: How many of them the patch has.
        mark: What the person has chosen for it so far.
        id: What it is followed by.
    """

    approval: Approval
    unit: Unit
    total: int
    mark: HunkMark | None = None
    id: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", followed_id(self.approval.id, self.unit.id))

    @property
    def file(self) -> FileChange:
        """The change of the file that it belongs to."""
        return self.unit.file

    @property
    def hunk(self) -> Hunk | None:
        """The hunk; None where the change has none to show."""
        return self.unit.hunk

    def followed(self) -> FollowedHunk | None:
        """Return what is to be followed, if there are lines."""
        if self.hunk is None:
            return None
        said = _describe(self)
        return FollowedHunk.pending(self.hunk, self.file.kind, hunk_id=self.id, message=said)


def followed_id(owner: str, hunk_id: str) -> str:
    """Return the one id of a hunk of an approval, or of anything else that owns hunks."""
    return f"{owner} {hunk_id}"


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
        self._following = Following()
        # What was published of each hunk, with what it depends on besides its place.
        self._items: dict[str, tuple[tuple[object, ...], dict[str, object]]] = {}
        # When a file was published last, and what will publish it again.
        self._times: dict[str, float] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

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
                followed = [f for shown in hunks if (f := shown.followed()) is not None]
                document = self._connection.documents.by_key(key)
                self._following.add(key, approval.id, followed, document)
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
        for gone in self.of_approval(approval_id).values():
            self._items.pop(gone.id, None)
        for key, hunks in list(self._hunks.items()):
            kept = [shown for shown in hunks if shown.approval.id != approval_id]
            if len(kept) != len(hunks):
                self._hunks[key] = kept
                self._following.discard(key, approval_id)
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
                found.append((shown, _line_range(document, first, last, encoding)))
        return found

    def place(self, document: Document, approval_id: str, hunk_id: str) -> Place | None:
        """Return where a hunk of an approval stands in a document, if it is followed there."""
        return self._following.get(document.key, followed_id(approval_id, hunk_id))

    def unfit(self, approval_id: str) -> frozenset[str]:
        """Return the units of a patch that do not stand as they should in a document that is open."""
        return frozenset(
            shown.unit.id
            for document in self._connection.documents
            for shown in self._hunks.get(document.key, ())
            if shown.approval.id == approval_id
            and self._lines_of(shown, document)[2] is not HunkState.READY
        )

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

    def changed(
        self, document: Document, edits: Sequence[LineEdit] | None, *, moved: bool = False
    ) -> None:
        """A document was opened (`edits` is None), or changed by these edits.

        Args:
            document: As it is now.
            edits: What was done to its lines.
            moved: Whether that moved anything else that is shown there.
        """
        key = document.key
        moved = self._following.changed(document, edits) or moved
        if not self._is_shown(key):
            return
        if edits is None:
            self.publish(key, document)
            return
        others = (self._failures, self._unsaved, self._policies)
        now = asyncio.get_running_loop().time()
        waiting = self._timers.get(key)
        if moved or any(there.get(key) for there in others):
            wait = self._times.get(key, 0.0) + FRAME - now
            if wait <= 0:
                self.publish(key, document)
            else:
                self._publish_in(key, wait)
        elif waiting is None or waiting.when() > now + FRAME:
            self._publish_in(key, PAUSE)

    def closed(self, document: Document) -> None:
        """A document was closed: what is shown then is what the file is taken to hold."""
        self._following.closed(document)
        if self._is_shown(document.key):
            self.publish(document.key)

    def close(self) -> None:
        """Publish nothing more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _is_shown(self, key: str) -> bool:
        shown = (self._hunks, self._unsaved, self._failures, self._policies)
        return any(key in there for there in shown) or self.hints.has(key)

    def _publish_in(self, key: str, seconds: float) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self.publish, key)

    def publish(self, key: str, document: Document | None = None) -> None:
        """Send the present diagnostics of a file, under the URI the editor knows it by."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if document is None:
            document = self._connection.documents.by_key(key)
        if document is not None:
            self._times[key] = asyncio.get_running_loop().time()
        uri = document.uri if document else to_uri(self._paths.get(key, key))
        diagnostics: list[object] = []
        for shown in self._hunks.get(key, ()):
            diagnostics += self._hunk(shown, document)
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
            self._times.pop(key, None)

    def _send(self, uri: str, diagnostics: list[object], version: int | None) -> None:
        # Plain: hundreds of hunks may be sent with a key that is pressed.
        params: dict[str, object] = {"uri": uri, "diagnostics": diagnostics}
        if version is not None:
            params["version"] = version
        self._connection.tell(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS, params)

    def _hunk(self, shown: ShownHunk, document: Document | None) -> Iterable[object]:
        first, last, state = self._lines_of(shown, document)
        if state is HunkState.DONE:
            return ()
        where = _plain_range(document, first, last, self._connection.profile.encoding)
        # With each key that moves hundreds of hunks, only their ranges are made anew.
        alarm = self._alarms.get(shown.approval.id, "")
        depends = (state, shown.mark, alarm)
        known = self._items.get(shown.id)
        if known is None or known[0] != depends:
            known = self._items[shown.id] = depends, self._item(shown, document, state, alarm)
        known[1]["range"] = where
        return (known[1],)

    def _item(
        self, shown: ShownHunk, document: Document | None, state: HunkState, alarm: str
    ) -> dict[str, object]:
        """Return the diagnostic of a hunk but for its range."""
        place = self._following.get(document.key, shown.id) if document else None
        code, severity = _CODES[place.hunk.kind if place else HunkKind.PENDING]
        said = place.hunk.message if place else _describe(shown)
        message = f"{_choice(shown.mark)}{said}"
        if state is not HunkState.READY:
            severity = types.DiagnosticSeverity.Warning
            message = f"{_PROBLEMS[state]} {message}"
        if alarm:
            severity = types.DiagnosticSeverity.Warning
            message = f"{alarm}: {message}"
        return {
            "message": message,
            "severity": severity.value,
            "code": code,
            "source": SOURCE,
            "data": {
                "approvalId": shown.approval.id,
                "hunkId": shown.unit.id,
                "mark": shown.mark.mark.value if shown.mark else "none",
            },
        }

    def _warning(self, unsaved: UnsavedFile, document: Document | None) -> types.Diagnostic:
        return types.Diagnostic(
            range=_line_range(document, 0, 0, self._connection.profile.encoding),
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


def _plain_range(document: Document | None, first: int, last: int, encoding: str) -> object:
    """Return what `_line_range` does as plain JSON, which is much cheaper to make."""
    if document is None:
        end = {"line": last + 1, "character": 0}
    else:
        bottom = len(document.lines) - 1
        first, last = min(first, bottom), min(max(first, last), bottom)
        end = {"line": last, "character": to_units(content(document.lines[last]), encoding)}
    return {"start": {"line": first, "character": 0}, "end": end}


def _line_range(document: Document | None, first: int, last: int, encoding: str) -> types.Range:
    if document is not None:
        return document.range_of(first, last, encoding)
    # The text is not known here. A range that ends at the start of the next line covers the last one.
    return types.Range(types.Position(first, 0), types.Position(last + 1, 0))


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
    return f"{what}{why}"


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
