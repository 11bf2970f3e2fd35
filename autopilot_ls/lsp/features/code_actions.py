"""Code actions: what a person may decide or begin at a place of a document.

At the hunks of a pending patch: to decide on it. At changes after the fact: to keep or undo them. At what
a reviewer found: to have it fixed, or to dismiss it. Everywhere in the session's workspace, and in its
transcript: to decide on what has no place in a file. On unsaved files that a task waits for: to start
anyway. In a workspace's policy: to trust it. And to begin work. Not aware of how a decision is carried
out. `view` stands above.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from lsprotocol import types

from autopilot_ls.lsp import methods
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import canonical, is_inside
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features import approval_actions, hunk_actions, start_actions
from autopilot_ls.lsp.features.actions import Offer, present, wanted
from autopilot_ls.lsp.features.diagnostics import Diagnostics
from autopilot_ls.lsp.features.encoded import SOURCE
from autopilot_ls.lsp.features.findings import Findings
from autopilot_ls.lsp.features.policy_files import PolicyFilesShown
from autopilot_ls.lsp.features.preview import Preview
from autopilot_ls.lsp.features.review import Unreviewed
from autopilot_ls.lsp.features.shown_hunk import ShownHunk
from autopilot_ls.lsp.features.unsaved import UnsavedTasks
from autopilot_ls.lsp.plain import member
from autopilot_ls.model.approvals import Approval
from autopilot_ls.model.text import one_line


class Waiting(Protocol):
    """The approvals that a person is asked about, and whose they are."""

    def approvals(self) -> Sequence[Approval]:
        """Return them, oldest first."""
        ...

    def folder(self, session_id: str) -> str:
        """Return the folder that a session works in."""
        ...

    def transcript_session(self, key: str) -> str | None:
        """Return the session whose transcript is the file with this canonical path."""
        ...

    def transcript_line(self, approval: Approval) -> int | None:
        """Return the line, from 0, at which the approval stands in its transcript."""
        ...


class CodeActions:
    """The code actions of one editor."""

    def __init__(
        self,
        connection: Connection,
        waiting: Waiting,
        diagnostics: Diagnostics,
        *,
        unsaved: UnsavedTasks,
        policies: PolicyFilesShown,
        preview: Preview,
        unreviewed: Unreviewed,
        findings: Findings,
    ) -> None:
        """Create the feature over what it looks things up in."""
        self._connection = connection
        self._waiting = waiting
        self._diagnostics = diagnostics
        self._unsaved = unsaved
        self._policies = policies
        self._preview = preview
        self._unreviewed = unreviewed
        self._findings = findings

    def at(self, params: types.CodeActionParams) -> list[types.Command | types.CodeAction]:
        """Return the code actions at a place."""
        document = self._connection.documents.get(params.text_document.uri)
        if document is None:
            return []
        selection = document.selected(params.range, self._connection.profile.encoding)
        context = params.context
        session_id = self._waiting.transcript_session(document.key)
        if session_id is not None:
            offers = self._in_transcript(session_id, params.range, selection)
            offers += self._unreviewed.transcript_offers(session_id)
        elif (at := self._preview.units_at(document, params.range)) is not None:
            offers = self._in_diff(*at, selection)
        else:
            offers = self._policies.offers(document)
            offers += self._in_file(document, params, selection)
            offers += self._unreviewed.offers(document, params.range)
            offers += self._findings.offers(document, params.range)
            offers += start_actions.offers(document, params.range, context.diagnostics, selection)
        profile = self._connection.profile
        return [present(offer, profile) for offer in offers if wanted(offer.kind, context.only)]

    def _decisions(
        self, approval: Approval, selection: str, unfit: frozenset[str] | None = None
    ) -> list[Offer]:
        if unfit is None:
            unfit = self._diagnostics.pending.unfit(approval.id)
        return approval_actions.offers(
            approval,
            root=self._waiting.folder(approval.session_id),
            selection=selection,
            acceptable=not unfit,
            unsaved=self._diagnostics.pending.unsaved(approval.id),
        )

    def _in_transcript(self, session_id: str, place: types.Range, selection: str) -> list[Offer]:
        mine = [a for a in self._waiting.approvals() if a.session_id == session_id]
        lines = {approval.id: self._waiting.transcript_line(approval) for approval in mine}

        def distance(approval: Approval) -> tuple[bool, int]:
            # The one whose heading stands above the cursor comes first.
            line = lines[approval.id]
            return (line is None or line > place.start.line, -(line or 0))

        return [
            offer for a in sorted(mine, key=distance) for offer in self._decisions(a, selection)
        ]

    def _in_diff(self, approval_id: str, units: Sequence[str], selection: str) -> list[Offer]:
        """Return what may be decided in the generated diff of a patch."""
        waiting = [a for a in self._waiting.approvals() if a.id == approval_id]
        shown = self._diagnostics.pending.of_approval(approval_id) if waiting else {}
        here = [shown[unit] for unit in units if unit in shown]
        return [offer for a in waiting for offer in self._at_hunks(a, here, selection)]

    def _at_hunks(
        self, approval: Approval, here: Sequence[ShownHunk], selection: str
    ) -> list[Offer]:
        root = self._waiting.folder(approval.session_id)
        unfit = self._diagnostics.pending.unfit(approval.id)
        single = hunk_actions.offers(
            approval,
            here,
            root=root,
            selection=selection,
            unfit=unfit,
            made=self._diagnostics.pending.made(approval.id),
            unsaved=self._diagnostics.pending.unsaved(approval.id),
        )
        return [*single, *self._decisions(approval, selection, unfit)]

    def _in_file(
        self, document: Document, params: types.CodeActionParams, selection: str
    ) -> list[Offer]:
        waiting = self._waiting.approvals()
        at_place: dict[str, list[ShownHunk]] = {}
        for shown in self._diagnostics.pending.at(document, document.key, params.range):
            at_place.setdefault(shown.approval.id, []).append(shown)
        named = _named(params.context.diagnostics, "approvalId") | set(at_place)
        here = [a for a in waiting if a.id in named]
        offers = [
            offer for a in here for offer in self._at_hunks(a, at_place.get(a.id, ()), selection)
        ]
        placeless = [a for a in waiting if a.id not in named and not approval_actions.has_place(a)]
        offers += [
            offer
            for a in placeless
            if self._shares_workspace(document, a)
            for offer in self._decisions(a, selection)
        ]
        offers += [
            Offer(
                "open the transcript of what failed",
                methods.TRANSCRIPT_OPEN,
                {"sessionId": failure.session_id},
            )
            for failure in self._diagnostics.failures_at(document.key, params.range)
        ]
        for task in self._unsaved.waiting_for(document.key):
            title = one_line(task.text, 80)
            forget = {"taskId": task.id}
            if task.anyway is None:
                offers.append(
                    Offer(f"do not wait for saving: {title}", methods.TURN_FORGET, forget)
                )
                continue
            said = f"start anyway, the agent reads the saved text: {title}"
            offers.append(Offer(said, methods.TURN_START, task.anyway))
            offers.append(Offer(f"forget the task: {title}", methods.TURN_FORGET, forget))
        return offers

    def _shares_workspace(self, document: Document, approval: Approval) -> bool:
        folder = canonical(self._waiting.folder(approval.session_id))
        if document.path is None:
            return True
        if is_inside(document.key, folder):
            return True
        workspace = self._connection.folder_of(document.path)
        return workspace is not None and is_inside(folder, canonical(workspace))


def _named(diagnostics: Iterable[types.Diagnostic], name: str) -> set[str]:
    """Return the ids that our own diagnostics in the context carry."""
    found: set[str] = set()
    for diagnostic in diagnostics:
        value = member(diagnostic.data, name) if diagnostic.source == SOURCE else None
        if isinstance(value, str):
            found.add(value)
    return found
