"""Previews of a pending patch: a generated diff, or an edit that the editor shows before it applies it.

In the diff, each hunk is decided on by the code actions at it. The edit goes only to an editor that says
it can show one that needs confirmation. What the person applied there is their choice: it is read from the
text, whatever the editor says, and where the text tells nothing certain, nothing is decided. Not aware of
how a decision is made. `commands` and `view` stand above, `confirmed` below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

import anyio.to_thread
from lsprotocol import types

from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import canonical, content, to_path, to_uri
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.confirmed import Outcome, PlaceOf, Plan, outcome, plan_of
from autopilot_ls.lsp.features.messages import Messages
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.lsp.plain import member
from autopilot_ls.lsp.protocol import ClientFailed
from autopilot_ls.model.approvals import Approval, PatchAction
from autopilot_ls.model.errors import InvalidRequest, TraceError
from autopilot_ls.presentation.approvals import diff_rows, unified_diff
from autopilot_ls.trace.files import replace_private

SHOW_LIMIT: Final = 5.0
"""Seconds an editor has to show a document."""

EDIT_LIMIT: Final = 15 * 60.0
"""Seconds a person may look at an edit that needs confirmation."""

QUIET: Final = 0.3
"""Seconds without a change after which an applied edit counts as complete."""

QUIET_LIMIT: Final = 3.0
"""Seconds to wait for that at the most."""

CROSSING: Final = 2.0
"""Seconds that the answer about an edit may take to arrive after the person closed it."""

Shown = Literal["edit", "document", "none"]
Applied = Callable[[Approval, Sequence[str]], Awaitable[str]]


@dataclass(slots=True)
class _Diff:
    """A generated diff: its lines, each with the hunk that it belongs to."""

    approval_id: str
    path: Path
    rows: Sequence[tuple[str, str | None]]


class Preview:
    """Previews in one editor."""

    def __init__(
        self,
        connection: Connection,
        messages: Messages,
        jobs: Jobs,
        folder: Path,
        applied: Applied,
        *,
        place: PlaceOf,
    ) -> None:
        """Create the feature.

        Args:
            connection: To the editor.
            messages: Say what came of it.
            jobs: Where previews are waited for.
            folder: Where the sessions' records are.
            applied: Takes the hunks that the person applied in the editor; returns what to say.
            place: See `Diagnostics.place`.
        """
        self._place = place
        self._connection = connection
        self._messages = messages
        self._jobs = jobs
        self._folder = folder
        self._applied = applied
        self._diffs: dict[str, _Diff] = {}
        # Approvals whose edit is being looked at, with what was asked for since and when (in the loop's
        # time); and those whose outcome is being found out: was it decided?
        self._offered: dict[str, tuple[Plan, float] | None] = {}
        self._taken: dict[str, asyncio.Future[bool]] = {}
        self._news = asyncio.Event()

    async def show(
        self, approval: Approval, root: str, view: Literal["auto", "edit", "document"]
    ) -> tuple[Shown, str, str]:
        """Show a patch; returns how it was shown, the URI of its diff, and the diff.

        Raises:
            InvalidRequest: It is no patch, or the wish cannot be met.
            TraceError: The diff cannot be written.
        """
        if not isinstance(approval.action, PatchAction):
            raise InvalidRequest(
                f"Approval {approval.id} is not about a patch.",
                advice="Read it in the transcript (autopilot.transcript.open).",
            )
        path = self._folder / approval.session_id / f"{approval.id}.diff"
        await self._write(approval, root, path)
        uri = to_uri(str(path))
        shown: Shown = "none"
        plan = None
        if view != "document" and self._connection.profile.confirms_edits:
            plan = await plan_of(self._connection, approval, root, self._place)
        if plan is not None:
            wanted = plan
            self._jobs.start(lambda: self._offer(approval, wanted))
            shown = "edit"
        elif view == "edit":
            raise InvalidRequest(
                "This editor does not show edits that need confirmation, or the patch has none.",
                advice='Ask for the view "document".',
            )
        elif await self.show_document(uri):
            shown = "document"
        return shown, uri, unified_diff(approval.files, root=root)

    async def show_document(self, uri: str) -> bool:
        """Have the editor show a document, or else say where it is; tells whether it showed it."""
        if not self._connection.profile.show_document:
            self._messages.answer(f"Autopilot: it is in {to_path(uri) or uri}")
            return False
        params = types.ShowDocumentParams(uri, take_focus=True)
        try:
            answer = await self._connection.ask(
                types.WINDOW_SHOW_DOCUMENT, params, limit=SHOW_LIMIT
            )
        except ClientFailed as error:
            self._messages.log(types.MessageType.Warning, f"Not shown: {error}.")
            return False
        return member(answer, "success") is True

    # The diff -----------------------------------------------------------------------------------

    async def _write(self, approval: Approval, root: str, path: Path) -> None:
        rows = diff_rows(approval, root=root)
        text = "".join(f"{line}\n" for line, _ in rows)
        await anyio.to_thread.run_sync(_write, path, text)
        self._diffs[canonical(str(path))] = _Diff(approval.id, path, rows)

    def marked(self, approval: Approval, root: str) -> None:
        """Write the diff of a patch anew, if there is one: it tells the choices."""
        for diff in self._diffs.values():
            if diff.approval_id == approval.id:
                self._jobs.start(partial(self._write, approval, root, diff.path))

    def forget(self, approval_id: str) -> None:
        """Offer nothing more in the diff of a patch, because it no longer waits."""
        self._diffs = {k: d for k, d in self._diffs.items() if d.approval_id != approval_id}

    def units_at(self, document: Document, place: types.Range) -> tuple[str, list[str]] | None:
        """Return the approval whose diff a document is, and its hunks at a place; None if it is none."""
        diff = self._diffs.get(document.key)
        if diff is None:
            return None
        units: list[str] = []
        for line in range(place.start.line, min(place.end.line, len(diff.rows) - 1) + 1):
            said, unit = diff.rows[line]
            same = line < len(document.lines) and _body(document.lines[line]) == _body(said)
            if same and unit is not None and unit not in units:
                units.append(unit)
        return diff.approval_id, units

    # The edit -----------------------------------------------------------------------------------

    def document_changed(self) -> None:
        """A document was opened or changed."""
        self._news.set()

    async def _offer(self, approval: Approval, plan: Plan) -> None:
        taken = self._taken.get(approval.id)
        if taken is not None and await asyncio.shield(taken):
            return  # What was applied before has decided it.
        now = asyncio.get_running_loop().time
        if approval.id in self._offered:
            # It is being looked at, unless the answer that it was closed is on its way.
            self._offered[approval.id] = (plan, now())
            return
        self._offered[approval.id] = None
        try:
            params = types.ApplyWorkspaceEditParams(plan.edit, "Autopilot: review of a patch")
            answer = await self._connection.ask(
                types.WORKSPACE_APPLY_EDIT, params, limit=EDIT_LIMIT
            )
        except ClientFailed:
            return
        finally:
            again = self._offered.pop(approval.id)
        if member(answer, "applied") is True:
            await self._take(approval, plan)
        elif again is not None and now() - again[1] < CROSSING:
            await self._offer(approval, again[0])

    async def _take(self, approval: Approval, plan: Plan) -> None:
        """Find out what the person applied, and have it be their choice."""
        taken = self._taken[approval.id] = asyncio.get_running_loop().create_future()
        decided = False
        try:
            await self._settled()
            decided = await self._decide(approval, await outcome(self._connection, plan))
        finally:
            taken.set_result(decided)
            del self._taken[approval.id]

    async def _decide(self, approval: Approval, outcome: Outcome | None) -> bool:
        """Have it be accepted, and say what came of it; tells whether there was anything to decide."""
        if outcome is None:
            self._messages.error(
                "What was applied of the preview cannot be told from the text, so nothing is decided: "
                "undo it, or save and reject the patch."
            )
            return False
        units = outcome.units
        if outcome.empty:
            await self._remove(outcome.empty)
        if not units:
            self._messages.log(
                types.MessageType.Info, "Nothing of the preview was applied: the patch still waits."
            )
        else:
            self._messages.log(types.MessageType.Info, await self._applied(approval, units))
        return bool(units)

    async def _remove(self, uris: Sequence[str]) -> None:
        """Have the editor remove files that it created without their text, and say so."""
        names = ", ".join(to_path(uri) or uri for uri in uris)
        options = types.DeleteFileOptions(ignore_if_not_exists=True)
        edit = types.WorkspaceEdit(
            document_changes=[types.DeleteFile(uri=uri, options=options) for uri in uris]
        )
        params = types.ApplyWorkspaceEditParams(edit, "Autopilot: files without their text")
        try:
            answer = await self._connection.ask(
                types.WORKSPACE_APPLY_EDIT, params, limit=SHOW_LIMIT
            )
        except ClientFailed:
            answer = None
        gone = member(answer, "applied") is True
        self._messages.answer(
            f"Only the creation was ticked, not the text, so it is not accepted: {names} "
            f"{'is removed again' if gone else 'is left there, empty'}."
        )

    async def _settled(self) -> None:
        """Wait until the editor has told its changes, which it may do after its answer."""
        try:
            async with asyncio.timeout(QUIET_LIMIT):
                while True:
                    self._news.clear()
                    try:
                        async with asyncio.timeout(QUIET):
                            await self._news.wait()
                    except TimeoutError:
                        return
        except TimeoutError:
            return


def _body(line: str) -> str:
    """Return a line of a diff without what was chosen, which comes and goes."""
    line = content(line)
    return line.partition(" @@")[0] if line.startswith("@@ ") else line


def _write(path: Path, text: str) -> None:
    try:
        replace_private(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise TraceError(
            f"The diff cannot be written to {path}: {error.strerror}.",
            advice="Look at the disk space and the permissions of that folder.",
        ) from error
