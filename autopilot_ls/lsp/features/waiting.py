"""What waits for the person in one editor: shown at its place, said where that is possible, and gone when decided.

An approval that the policy means to decide is shown only when it was left to the person after all. Not aware
of what else a session does, nor of how a code action is made. `view` stands above, the features that show it
beside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Final

from lsprotocol import types

from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.features.diagnostics import Diagnostics
from autopilot_ls.lsp.features.lenses import Lenses
from autopilot_ls.lsp.features.messages import REJECT, SHOW, Messages
from autopilot_ls.lsp.features.notifications import Notifications
from autopilot_ls.lsp.features.preview import Preview
from autopilot_ls.lsp.features.transcript import Transcripts
from autopilot_ls.lsp.features.unsaved import UnsavedTasks
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.model.approvals import Approval, DecisionKind, Outcome
from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.model.events import ApprovalRequested, ApprovalResolved, HunksMarked
from autopilot_ls.model.text import count
from autopilot_ls.presentation.approvals import alarm as alarm_of
from autopilot_ls.presentation.approvals import title as title_of

LEFT_TO_PERSON: Final = 1.0
"""Seconds after which an approval that the policy meant to decide counts as left to the person."""


class WaitingApprovals:
    """The approvals that one person is asked about; for code actions it is their `Waiting`."""

    def __init__(
        self,
        connection: Connection,
        backend: Backend,
        jobs: Jobs,
        messages: Messages,
        *,
        diagnostics: Diagnostics,
        lenses: Lenses,
        notifications: Notifications,
        preview: Preview,
        transcripts: Transcripts,
        unsaved: UnsavedTasks,
        says: Callable[[], bool],
        mark: Callable[[str], None],
    ) -> None:
        """Create the feature over those that show it.

        Args:
            connection: To the editor.
            backend: The supervisor.
            jobs: Where the person's answer to a message is waited for.
            messages: Say that something waits.
            diagnostics: Show hunks at their places.
            lenses: Stand over them.
            notifications: To an editor that opted in.
            preview: Shows what a patch would change.
            transcripts: Have what waits too.
            unsaved: Forgets what a decision waited for.
            says: Tells whether messages are wanted at all.
            mark: Has a session's next frame be sent.
        """
        self._connection = connection
        self._backend = backend
        self._jobs = jobs
        self._messages = messages
        self._diagnostics = diagnostics
        self._lenses = lenses
        self._notifications = notifications
        self._preview = preview
        self._transcripts = transcripts
        self._unsaved = unsaved
        self._says = says
        self._mark = mark
        self._waiting: dict[str, Approval] = {}

    # What happens -------------------------------------------------------------------------------

    def changed(
        self, session_id: str, body: ApprovalRequested | ApprovalResolved | HunksMarked
    ) -> None:
        """An approval was asked for, was decided, or has choices for single hunks."""
        match body:
            case ApprovalRequested():
                self._requested(body.approval)
            case ApprovalResolved():
                self._resolved(session_id, body)
            case HunksMarked():
                self._marked(body)

    def mode_changed(self) -> None:
        """Show all anew: how loud they are depends on the mode."""
        for approval in self._waiting.values():
            self._diagnostics.show(approval, self._alarm(approval))

    def _requested(self, approval: Approval) -> None:
        if approval.verdict.outcome is Outcome.ASK:
            self.ask(approval)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(LEFT_TO_PERSON, self._left_to_person, approval)

    def _left_to_person(self, approval: Approval) -> None:
        """The policy would have decided; where that was refused, the person must."""
        if self._connection.left.is_set():
            return
        if any(waiting.id == approval.id for waiting in self._backend.approvals()):
            self.ask(approval)

    def ask(self, approval: Approval) -> None:
        """Show an approval, unless it is shown."""
        if approval.id in self._waiting:
            return
        self._waiting[approval.id] = approval
        alarm = self._alarm(approval)
        self._diagnostics.show(approval, alarm)
        self._lenses.changed()
        self._notifications.asked(approval)
        self._notifications.status_changed(approval.session_id)
        self._mark(approval.session_id)
        if alarm or not self._notifications.enabled:
            self._jobs.start(lambda: self._say(approval, alarm))

    def _alarm(self, approval: Approval) -> str:
        return alarm_of(approval, self._backend.snapshot(approval.session_id).mode)

    def _resolved(self, session_id: str, body: ApprovalResolved) -> None:
        self._unsaved.forget_decision(body.approval_id)
        if self._waiting.pop(body.approval_id, None) is not None:
            self._diagnostics.clear(body.approval_id)
            self._lenses.changed()
            self._preview.forget(body.approval_id)
            self._notifications.decided(session_id, body.approval_id, body.decision)

    def _marked(self, body: HunksMarked) -> None:
        approval = self._waiting.get(body.approval_id)
        if approval is None:
            return
        approval = approval.model_copy(update={"marks": body.marks})
        self._waiting[approval.id] = approval
        self._diagnostics.update(approval)
        self._lenses.changed()
        self._preview.marked(approval, self.folder(approval.session_id))
        self._notifications.asked(approval)

    # What the person does -------------------------------------------------------------------------

    async def _say(self, approval: Approval, alarm: str) -> None:
        text = f"Autopilot waits for your decision: {title_of(approval)}"
        if alarm:
            # Short, since some editors show the beginning only.
            text = f"{alarm}, waits for you: {title_of(approval)}"
        if not self._says():
            self._messages.log(types.MessageType.Info, text)
            return
        chosen = await self._messages.waiting(text, loud=bool(alarm))
        if approval.id not in self._waiting:
            return
        if chosen == SHOW:
            path = await self._transcripts.open(approval.session_id, follow=True)
            await self._preview.show_document(path.as_uri())
        elif chosen == REJECT:
            try:
                await self._backend.decide(
                    approval.id,
                    DecisionKind.DECLINE,
                    decided_by=self._connection.profile.label,
                )
            except AutopilotError as error:
                self._messages.log(types.MessageType.Warning, str(error))

    async def applied(self, approval: Approval, hunks: Sequence[str]) -> str:
        """Take what the person applied of a patch in the editor for the decision; returns a message."""
        try:
            decision = await self._backend.decide(
                approval.id,
                DecisionKind.ACCEPT,
                decided_by=self._connection.profile.label,
                hunks=hunks,
                in_editor=True,
            )
        except AutopilotError as error:
            return str(error)
        accepted = len(decision.hunks or ())
        return f"{count(accepted, 'hunk')} accepted in the editor; save to write them to disk."

    # What others look up --------------------------------------------------------------------------

    def ids(self) -> Collection[str]:
        """Return the ids of the approvals that the person is asked about."""
        return self._waiting.keys()

    def approvals(self) -> Sequence[Approval]:
        """Return the approvals that the person is asked about, oldest first."""
        return tuple(self._waiting.values())

    def folder(self, session_id: str) -> str:
        """Return the folder that a session works in."""
        return self._backend.snapshot(session_id).cwd

    def transcript_session(self, key: str) -> str | None:
        """Return the session whose transcript has this canonical path."""
        return self._transcripts.session_of(key)

    def transcript_line(self, approval: Approval) -> int | None:
        """Return the line at which an approval stands in its transcript."""
        return self._transcripts.line(approval.session_id, approval.id)
