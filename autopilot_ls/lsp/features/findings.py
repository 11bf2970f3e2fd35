"""What reviewers found, in the editor: where it is shown, and what one may do there.

A finding is shown where its file lies in the session's folder or in one of the editor's; all of them stand in
the transcript. Not aware of reviewers. `view` stands above, `diagnostics` publishes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import anyio.to_thread
from lsprotocol import types
from pydantic import JsonValue

from autopilot_ls.lsp import methods
from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import canonical, is_inside
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.actions import Offer
from autopilot_ls.lsp.features.diagnostics import Diagnostics
from autopilot_ls.lsp.features.finding_marks import ShownFinding, title_of
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.model.events import (
    Body,
    FindingsDismissed,
    FindingsReported,
    RuntimeStarted,
)
from autopilot_ls.model.findings import Finding
from autopilot_ls.model.snapshots import SessionSnapshot

MAX_FILES: Final = 100
"""Files in which the findings of one review are shown."""

MAX_SESSIONS: Final = 50
"""Sessions whose findings are shown; those of the oldest give way."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is shown of a session: the paths of the files by their keys, and how much was found in all."""

    paths: dict[str, str]
    total: int


class Findings:
    """What one editor shows of reviews."""

    def __init__(
        self, connection: Connection, backend: Backend, diagnostics: Diagnostics, jobs: Jobs
    ) -> None:
        """Create the feature; nothing is shown yet."""
        self._connection = connection
        self._backend = backend
        self._diagnostics = diagnostics
        self._jobs = jobs
        self._shown: dict[str, _Shown] = {}
        self._restored: set[str] = set()

    def begin(self) -> None:
        """Show what there is already, in open sessions and from an earlier time."""
        for session_id in self._backend.live_sessions():
            self.look(session_id)
        self._jobs.start(self._restore)

    async def _restore(self) -> None:
        """Show what the last review in each of the editor's folders found, if nobody has seen to it."""
        for summary in await anyio.to_thread.run_sync(self._backend.sessions):
            folder = canonical(summary.cwd)
            if (
                not summary.findings
                or summary.archived
                or folder in self._restored
                or not self._is_ours(folder)
            ):
                continue
            self._restored.add(folder)
            if not self._is_live(summary.id):
                await self._restore_one(summary.id)

    async def _restore_one(self, session_id: str) -> None:
        try:
            snapshot = await anyio.to_thread.run_sync(self._backend.snapshot, session_id)
        except AutopilotError:
            return  # It was deleted or is damaged; who opens it is told.
        if not self._is_live(session_id):
            self._show(session_id, snapshot)

    def happened(self, session_id: str, body: Body) -> None:
        """Take an event; what it changes is shown at once."""
        # A session that is opened again brings what it found before.
        if isinstance(body, FindingsReported | FindingsDismissed | RuntimeStarted):
            self.look(session_id)

    def look(self, session_id: str) -> None:
        """Show what a session's last review found now."""
        self._show(session_id, self._backend.snapshot(session_id))

    def _show(self, session_id: str, snapshot: SessionSnapshot) -> None:
        found: dict[str, list[Finding]] = {}
        paths: dict[str, str] = {}
        for finding in snapshot.findings:
            key = self._key(finding, canonical(snapshot.cwd))
            if key is not None and (key in found or len(found) < MAX_FILES):
                found.setdefault(key, []).append(finding)
                paths[key] = finding.path
        for key, path in {**self._forget(session_id), **paths}.items():
            self._diagnostics.show_findings(key, path, session_id, found.get(key, ()))
        if paths:
            self._shown[session_id] = _Shown(paths, len(snapshot.findings))
            if len(self._shown) > MAX_SESSIONS:
                self._hide(next(iter(self._shown)))

    def _forget(self, session_id: str) -> dict[str, str]:
        shown = self._shown.pop(session_id, None)
        return {} if shown is None else shown.paths

    def _hide(self, session_id: str) -> None:
        for key, path in self._forget(session_id).items():
            self._diagnostics.show_findings(key, path, session_id, ())

    def _key(self, finding: Finding, folder: str) -> str | None:
        if not finding.path:
            return None
        key = canonical(finding.path)
        return key if is_inside(key, folder) or self._is_ours(key) else None

    def _is_ours(self, key: str) -> bool:
        return any(is_inside(key, canonical(folder)) for folder in self._connection.folders)

    def offers(self, document: Document, place: types.Range) -> list[Offer]:
        """Return what may be done with the findings at a place."""
        here = self._diagnostics.findings.at(document.key, place)
        found = [offer for shown in here for offer in self._of(shown, document)]
        for session_id in dict.fromkeys(shown.session_id for shown in here):
            total = self._shown[session_id].total
            if total > 1:
                argument: dict[str, JsonValue] = {"sessionId": session_id}
                found.append(
                    Offer(f"dismiss all {total} findings", methods.REVIEW_DISMISS, argument)
                )
        return found

    def _is_live(self, session_id: str) -> bool:
        return session_id in self._backend.live_sessions()

    def _of(self, shown: ShownFinding, document: Document) -> list[Offer]:
        finding, session_id = shown.finding, shown.session_id
        title = title_of(finding)
        busy = (
            self._is_live(session_id) and self._backend.snapshot(session_id).active_turn is not None
        )
        said = f"{title}\n\n{finding.body}".strip()
        place: dict[str, JsonValue] = {"line": shown.first, "character": 0}
        end: dict[str, JsonValue] = {"line": shown.last + 1, "character": 0}
        task: dict[str, JsonValue] = {
            "text": f"Fix this finding of the review, and nothing else:\n\n{said}",
            "sessionId": session_id,
            "references": [{"uri": document.uri, "range": {"start": place, "end": end}}],
        }
        command = methods.TURN_QUEUE if busy else methods.TURN_START
        dismissed: dict[str, JsonValue] = {"sessionId": session_id, "findings": [finding.id]}
        return [
            Offer(f"fix this finding: {title}", command, task),
            Offer(f"dismiss this finding: {title}", methods.REVIEW_DISMISS, dismissed),
        ]
