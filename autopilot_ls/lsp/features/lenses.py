"""Code lenses over the hunks of pending patches and over changes to be reviewed, where editors show them.

Over each hunk: accept, reject, take back; over the first one of a patch in a file: what concerns the whole
patch. Over each change: keep, undo. Editors ask for lenses when they like, so they are told when there are
others, at most a few times a second. Not aware of decisions. `view` stands above; `hunk_actions` has what
is offered elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from lsprotocol import types
from pydantic import JsonValue

from autopilot_ls.lsp import methods
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.actions import Offer, UnsavedText
from autopilot_ls.lsp.features.diagnostics import Diagnostics
from autopilot_ls.lsp.features.hunk_actions import completes, mark, of_rest, undecided
from autopilot_ls.lsp.features.shown_change import ShownChange
from autopilot_ls.lsp.features.shown_hunk import ShownHunk
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.lsp.protocol import ClientFailed
from autopilot_ls.model.approvals import Approval, ChangeKind, Mark

MAX_HUNKS: Final = 300
"""Hunks of one document that get lenses."""

REFRESH_INTERVAL: Final = 0.2
"""Seconds between two requests to ask for the lenses anew."""

REFRESH_LIMIT: Final = 10.0

_Button = tuple[str, str, dict[str, JsonValue]]


class Lenses:
    """The code lenses of one editor."""

    def __init__(self, connection: Connection, jobs: Jobs, diagnostics: Diagnostics) -> None:
        """Create the feature over what is shown."""
        self._connection = connection
        self._jobs = jobs
        self._diagnostics = diagnostics
        self._refreshing = False
        self._stale = False

    def of(self, params: types.CodeLensParams) -> list[types.CodeLens]:
        """Return the lenses of a document."""
        document = self._connection.documents.get(params.text_document.uri)
        if document is None:
            return []
        lenses: list[types.CodeLens] = []
        unfit: dict[str, frozenset[str]] = {}
        rest: list[Offer] = []
        unsaved: dict[str, tuple[UnsavedText | None, Sequence[tuple[str, str]]]] = {}
        for shown, place in self._diagnostics.pending.in_file(document)[:MAX_HUNKS]:
            approval = shown.approval
            first = approval.id not in unfit
            if first:
                unfit[approval.id] = self._diagnostics.pending.unfit(approval.id)
                typed = self._diagnostics.pending.unsaved(approval.id)
                made = self._diagnostics.pending.made(approval.id)
                rest = of_rest(approval, unfit=unfit[approval.id], made=made, unsaved=typed)
                unsaved[approval.id] = typed, undecided(approval, made) if typed else ()
            wrong, (typed, left) = unfit[approval.id], unsaved[approval.id]
            buttons: list[_Button] = []
            if shown.total > 1:
                last = typed if completes(left, (shown.unit.id,)) else None
                buttons += _of_hunk(shown, last, ready=shown.unit.id not in wrong)
            if first:
                buttons += _of_patch(approval, shown.total, typed, rest, ready=not wrong)
            where = types.Range(place.start, place.start)
            lenses += [
                types.CodeLens(where, types.Command(title, command, arguments=[argument]))
                for title, command, argument in buttons
            ]
        for change, line, _ in self._diagnostics.hints.places(document)[:MAX_HUNKS]:
            where = types.Range(types.Position(line, 0), types.Position(line, 0))
            lenses += [
                types.CodeLens(where, types.Command(title, command, arguments=[argument]))
                for title, command, argument in _of_change(change)
            ]
        return lenses

    def changed(self) -> None:
        """There are other lenses now: have the editor ask for them, soon and not too often."""
        if not self._connection.profile.refreshes_lenses:
            return
        self._stale = True
        if not self._refreshing:
            self._refreshing = True
            self._jobs.start(self._refresh)

    def document_saved(self, document: Document) -> None:
        """A document was saved: what is offered first in it may be something else now."""
        if self._diagnostics.pending.has(document.key):
            self.changed()

    async def _refresh(self) -> None:
        try:
            while self._stale and not self._connection.left.is_set():
                self._stale = False
                try:
                    await self._connection.ask(
                        types.WORKSPACE_CODE_LENS_REFRESH, None, limit=REFRESH_LIMIT
                    )
                except ClientFailed:
                    return  # It asks again when a document changes.
                await asyncio.sleep(REFRESH_INTERVAL)
        finally:
            self._refreshing = False


def _ways(button: _Button, what: str, unsaved: UnsavedText | None) -> Iterable[_Button]:
    """Yield the buttons that accept something, the safest first."""
    title, command, argument = button
    if unsaved is None:
        yield button
        return
    first = f"✓ save and accept {what}" if unsaved.saves else f"✓ accept {what} as soon as you save"
    yield first, command, {**argument, "unsaved": "save"}
    if unsaved.merges:
        yield f"{title} into the unsaved text", command, {**argument, "unsaved": "merge"}


def _of_hunk(shown: ShownHunk, unsaved: UnsavedText | None, *, ready: bool) -> Iterable[_Button]:
    approval, unit, chosen = shown.approval, shown.unit, shown.mark

    def button(title: str, choice: str) -> _Button:
        return title, methods.APPROVAL_MARK, mark(approval, [unit.id], choice)

    what = {ChangeKind.ADD: "new file", ChangeKind.DELETE: "deletion"}.get(unit.file.kind, "hunk")
    if chosen is not None:
        said = "✓ accepted" if chosen.mark is Mark.ACCEPT else "✗ rejected"
        yield button(f"{said}: take back", "none")
        return
    if ready and not unit.file.problem:
        yield from _ways(button(f"✓ accept {what}", "accept"), what, unsaved)
    yield button(f"✗ reject {what}", "reject")


def _of_change(change: ShownChange) -> Iterable[_Button]:
    argument: dict[str, JsonValue] = {"cwd": str(change.workspace), "ids": [change.part.id]}
    yield "✓ keep", methods.CHANGES_KEEP, argument
    yield "↶ undo", methods.CHANGES_UNDO, argument


def _of_patch(
    approval: Approval,
    total: int,
    unsaved: UnsavedText | None,
    rest: Sequence[Offer],
    *,
    ready: bool,
) -> Iterable[_Button]:
    def button(title: str, decision: str) -> _Button:
        return title, methods.APPROVAL_DECIDE, {"approvalId": approval.id, "decision": decision}

    size = f" ({total} hunks)" if total > 1 else ""
    buttons: list[_Button] = []
    for offer in rest:
        # What was chosen stays: a patch that is accepted as a whole would take rejected hunks too.
        sign = "✗" if "reject the" in offer.title else "✓"
        buttons.append((f"{sign} {offer.title}", offer.command, dict(offer.argument)))
    if not rest:
        if ready and not any(file.problem for file in approval.files):
            what = f"patch{size}"
            buttons += _ways(button(f"✓ accept {what}", "accept"), what, unsaved)
        buttons.append(button(f"✗ reject patch{size}", "decline"))
    buttons.append(("preview", methods.APPROVAL_PREVIEW, {"approvalId": approval.id}))
    # The row can be longer than the window is wide: what is rarely wished is at its end.
    return sorted(buttons, key=lambda each: each[2].get("unsaved") == "merge")
