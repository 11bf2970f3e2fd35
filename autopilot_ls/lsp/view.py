"""One editor as the supervisor sees it, and all that it is shown: the features joined.

Gets every event right after it was applied and must not block. What is urgent (approvals, beginnings and
ends) goes out at once; everything else marks its session, and the next frame sends the state as it is
then. Not aware of agents. `service` stands above, the features below.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from lsprotocol import types

from autopilot_ls.edits.line_edits import LineEdit
from autopilot_ls.lsp import methods
from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.commands import Commands, response
from autopilot_ls.lsp.configuration import Configuration
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.code_actions import CodeActions
from autopilot_ls.lsp.features.content import Contents
from autopilot_ls.lsp.features.diagnostics import Diagnostics
from autopilot_ls.lsp.features.findings import Findings
from autopilot_ls.lsp.features.hover import hover_at
from autopilot_ls.lsp.features.lenses import Lenses
from autopilot_ls.lsp.features.merging import Merging
from autopilot_ls.lsp.features.messages import REJECT, SHOW, Messages
from autopilot_ls.lsp.features.notifications import Notifications
from autopilot_ls.lsp.features.policy_files import PolicyFilesShown
from autopilot_ls.lsp.features.preview import Preview
from autopilot_ls.lsp.features.progress import Progress
from autopilot_ls.lsp.features.review import Unreviewed
from autopilot_ls.lsp.features.saving import Saving
from autopilot_ls.lsp.features.statuses import Statuses
from autopilot_ls.lsp.features.transcript import Transcripts
from autopilot_ls.lsp.features.unsaved import UnsavedTasks
from autopilot_ls.lsp.frames import Frames
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.lsp.policy_commands import PolicyCommands
from autopilot_ls.lsp.review_commands import ReviewCommands
from autopilot_ls.lsp.turn_params import TurnStartParams
from autopilot_ls.model.approvals import Approval, DecisionKind, Outcome
from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    Event,
    FilesSettled,
    HunksMarked,
    ModeChanged,
    Notice,
    RuntimeExited,
    SessionCreated,
    TextDelta,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.model.text import count, one_line
from autopilot_ls.presentation.approvals import alarm as alarm_of
from autopilot_ls.presentation.approvals import title as title_of
from autopilot_ls.runtimes.base import AccountInfo
from autopilot_ls.supervisor.policies import policy_files
from autopilot_ls.supervisor.requests import Reference
from autopilot_ls.supervisor.views import OpenDocument
from autopilot_ls.trace.redaction import Redactor

_log = logging.getLogger(__name__)

LEFT_TO_PERSON: Final = 1.0
"""Seconds after which an approval that the policy meant to decide counts as left to the person."""


MAX_ORIGINS: Final = 200
"""Sessions whose beginning is remembered."""


class EditorView:
    """One editor; see the module's docstring. It is the supervisor's `ClientView`."""

    def __init__(
        self,
        connection: Connection,
        backend: Backend,
        jobs: Jobs,
        messages: Messages,
        configuration: Configuration,
    ) -> None:
        """Join the features; nothing is sent yet."""
        self._connection = connection
        self._backend = backend
        self._jobs = jobs
        self._messages = messages
        self._configuration = configuration
        settings = backend.settings
        self._settings = settings
        redact = Redactor(settings.trace.redact).redact
        folder = settings.state_folder / "sessions"
        self._waiting: dict[str, Approval] = {}
        # Where work was begun, and where the person was last: failures are shown there.
        self._origins: dict[str, tuple[str, int]] = {}
        self._last: tuple[str, int] | None = None
        self._frames = Frames(self._frame, lambda: connection.congested, room=connection.pace.wait)
        self._statuses = Statuses(backend, redact, self._waiting.keys)
        self._diagnostics = Diagnostics(connection)
        self._progress = Progress(connection, jobs, backend.snapshot, redact)
        self._notifications = Notifications(connection, self._statuses)
        self._transcripts = Transcripts(
            folder, jobs, backend.snapshot, redact, lambda: self._settings.transcript.follow_seconds
        )
        self._contents = Contents(
            connection, backend, jobs, redact, lambda: self._settings.transcript.follow_seconds
        )
        self._preview = Preview(
            connection, messages, jobs, folder, self._applied, place=self._diagnostics.pending.place
        )
        self._merging = Merging(connection)
        self._lenses = Lenses(connection, jobs, self._diagnostics)
        self._unreviewed = Unreviewed(
            connection, backend, jobs, messages, self._diagnostics, changed=self._lenses.changed
        )
        self._findings = Findings(connection, backend, self._diagnostics)
        self._unsaved = UnsavedTasks(backend, self._diagnostics, messages, jobs, self._start_saved)
        self._saving = Saving(connection, backend, self._unsaved)
        files = policy_files(settings)
        self._policies = PolicyFilesShown(
            connection,
            files,
            self._diagnostics,
            jobs,
            folders=self._session_folders,
            follow=backend.policy_problems,
        )
        self._commands = Commands(
            connection,
            backend,
            jobs,
            name=lambda: self.name,
            redact=redact,
            statuses=self._statuses,
            unsaved=self._unsaved,
            saving=self._saving,
            preview=self._preview,
            transcripts=self._transcripts,
            policies=PolicyCommands(connection, backend, files, self._policies.look_again),
            changes=ReviewCommands(connection, backend, lambda: self.name, self._unreviewed.undone),
            started=self._started,
        )
        self._actions = CodeActions(
            connection,
            self,
            self._diagnostics,
            unsaved=self._unsaved,
            policies=self._policies,
            preview=self._preview,
            unreviewed=self._unreviewed,
            findings=self._findings,
        )

    def _session_folders(self) -> list[str]:
        return [self.folder(session_id) for session_id in self._backend.live_sessions()]

    def _started(self, session_id: str, references: Sequence[Reference]) -> None:
        place = self._last
        if references:
            place = (references[0].path, references[0].start_line or 0)
        if place is not None:
            self._origins[session_id] = place
            if len(self._origins) > MAX_ORIGINS:
                del self._origins[next(iter(self._origins))]

    def _failed(self, session_id: str, message: str) -> None:
        """Show that a session's work failed, where the person sees it."""
        self._messages.error(message)
        place = self._origins.get(session_id, self._last)
        if place is not None and not self._messages.crowded:
            self._diagnostics.show_failure(session_id, place[0], place[1], message)

    async def _start_saved(self, task: TurnStartParams) -> object:
        return await self._commands.turns.start_now(task)

    # Its life -----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Show what there is already, for example in a supervisor that others use too."""
        for session_id in self._backend.live_sessions():
            turn = self._backend.snapshot(session_id).active_turn
            if turn is not None:
                self._progress.begin(session_id, turn.id)
        for approval in self._backend.approvals():
            self._ask(approval)
        for document in self._connection.documents:
            self._follow_transcript(document)
            self._policies.look(document)
        self._policies.look_again()
        self._unreviewed.begin()
        self._findings.begin()
        self._jobs.start(self._configuration.follow)

    def close(self) -> None:
        """Send nothing more."""
        self._frames.close()
        self._unreviewed.close()
        self._diagnostics.close()
        self._unsaved.close()

    # The supervisor's `ClientView` -----------------------------------------------------------------

    @property
    def name(self) -> str:
        """Who this is, for the record of decisions."""
        return self._connection.profile.label

    def open_documents(self) -> Iterable[OpenDocument]:
        """Return what the editor has open."""
        return self._merging.open_documents()

    def files_written(self, paths: Sequence[Path]) -> None:
        """Tell the editor to reload what it has not changed."""
        self._notifications.written(paths)
        working = any(
            self._backend.snapshot(session_id).active_turn
            for session_id in self._backend.live_sessions()
        )
        if not self._notifications.enabled and not working:
            # Editors may look at their files when a progress goes on, as they are told of a turn.
            self._progress.flash(f"Autopilot wrote {count(len(paths), 'file')}")

    def review_changed(self, workspace: Path) -> None:
        """Take that there is something else to review."""
        self._unreviewed.changed(workspace)
        if self._notifications.enabled:
            for session_id in self._backend.live_sessions():
                self._notifications.status_changed(session_id)
                self._frames.mark(session_id)
        self._contents.review_changed(workspace)

    def policy_changed(self) -> None:
        """Show what there is to say about the policy's files now."""
        self._policies.look_again()

    def events_applied(self, session_id: str, events: Sequence[Event]) -> None:
        """Show what happened: at once what is urgent, the rest with the next frame."""
        for event in events:
            if isinstance(event.body, TextDelta):
                continue
            try:
                self._happened(session_id, event)
            except Exception:  # noqa: BLE001 - said below
                # A fault in showing something must never reach the session that it happened in.
                _log.exception("Fault while showing %s.", event.body.type)
        if self._notifications.enabled:
            self._notifications.take(session_id, events)
            if any(isinstance(event.body, RuntimeExited) for event in events):
                self._notifications.gone(session_id, self._backend.snapshot(session_id))
        self._frames.mark(session_id)

    def account_changed(self, account: AccountInfo, login_id: str, error: str) -> None:
        """Tell that the agent's account is another one, or that a login failed."""
        self._notifications.account(account, login_id, error)
        said = f"The login failed: {error}" if error else f"The account: {account.description}."
        level = types.MessageType.Warning if error else types.MessageType.Info
        self._messages.log(level, one_line(said, 500))

    def _happened(self, session_id: str, event: Event) -> None:
        self._findings.happened(session_id, event.body)
        match event.body:
            case ApprovalRequested() | ApprovalResolved() | HunksMarked() as body:
                self._approval_changed(session_id, body)
            case SessionCreated():
                self._policies.look_again()
            case ModeChanged():
                for approval in self._waiting.values():
                    self._diagnostics.show(approval, self._alarm(approval))
            case TurnStarted():
                self._diagnostics.clear_failures()
                self._progress.begin(session_id, event.turn_id or "")
            case TurnCompleted() as body:
                self._turn_ended(session_id, body)
            case Notice(severity="error") as body:
                if body.will_retry or self._commands.turns.starting:
                    self._messages.log(types.MessageType.Warning, body.message)
                else:
                    self._messages.error(body.message)
            case Notice(severity="warning") as body:
                self._messages.log(types.MessageType.Warning, body.message)
            case FilesSettled() as body if body.outcome not in ("applied", "unchanged"):
                self._messages.error(body.detail)
            case RuntimeExited(expected=False) as body:
                self._agent_died(session_id, body)
            case _:
                pass

    def _turn_ended(self, session_id: str, body: TurnCompleted) -> None:
        snapshot = self._backend.snapshot(session_id)
        turn = snapshot.turns[-1] if snapshot.turns else None
        closing = self._progress.end(session_id, snapshot, turn)
        if body.status is TurnStatus.FAILED:
            self._failed(session_id, body.error or "The turn failed; the transcript has more.")
        elif closing:
            self._messages.log(types.MessageType.Info, closing)

    def _agent_died(self, session_id: str, body: RuntimeExited) -> None:
        if self._backend.snapshot(session_id).active_turn is not None:
            return  # The turn's end is next, and says it.
        last = body.stderr.strip().splitlines()[-1:]
        said = f" Its last words: {last[0]}" if last else ""
        self._failed(
            session_id,
            f"The agent's process ended unexpectedly.{said} Start the next turn to bring it up again.",
        )

    # Approvals ------------------------------------------------------------------------------------

    def _approval_changed(
        self, session_id: str, body: ApprovalRequested | ApprovalResolved | HunksMarked
    ) -> None:
        match body:
            case ApprovalRequested():
                self._requested(body.approval)
            case ApprovalResolved():
                self._resolved(session_id, body)
            case HunksMarked():
                self._marked(body)

    def _requested(self, approval: Approval) -> None:
        if approval.verdict.outcome is Outcome.ASK:
            self._ask(approval)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(LEFT_TO_PERSON, self._left_to_person, approval)

    def _left_to_person(self, approval: Approval) -> None:
        """The policy would have decided; where that was refused, the person must."""
        if self._connection.left.is_set():
            return
        if any(waiting.id == approval.id for waiting in self._backend.approvals()):
            self._ask(approval)

    def _ask(self, approval: Approval) -> None:
        if approval.id in self._waiting:
            return
        self._waiting[approval.id] = approval
        alarm = self._alarm(approval)
        self._diagnostics.show(approval, alarm)
        self._lenses.changed()
        self._notifications.asked(approval)
        self._notifications.status_changed(approval.session_id)
        self._frames.mark(approval.session_id)
        if alarm or not self._notifications.enabled:
            self._jobs.start(lambda: self._say_waiting(approval, alarm))

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

    async def _say_waiting(self, approval: Approval, alarm: str) -> None:
        text = f"Autopilot waits for your decision: {title_of(approval)}"
        if alarm:
            # Short, since some editors show the beginning only.
            text = f"{alarm}, waits for you: {title_of(approval)}"
        if not self._settings.approvals.show_message:
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
                await self._backend.decide(approval.id, DecisionKind.DECLINE, decided_by=self.name)
            except AutopilotError as error:
                self._messages.log(types.MessageType.Warning, str(error))

    async def _applied(self, approval: Approval, hunks: Sequence[str]) -> str:
        """Take what the person applied of a patch in the editor for the decision; returns a message."""
        try:
            decision = await self._backend.decide(
                approval.id,
                DecisionKind.ACCEPT,
                decided_by=self.name,
                hunks=hunks,
                in_editor=True,
            )
        except AutopilotError as error:
            return str(error)
        accepted = len(decision.hunks or ())
        return f"{count(accepted, 'hunk')} accepted in the editor; save to write them to disk."

    # What code actions look up ---------------------------------------------------------------------

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

    # Frames -----------------------------------------------------------------------------------------

    def _frame(self, session_id: str) -> bool:
        """Send one notification of a session at most; tells whether another frame is needed."""
        if session_id not in self._backend.live_sessions():
            return False
        snapshot = self._backend.snapshot(session_id)
        self._transcripts.changed(session_id)
        self._contents.session_changed(session_id)
        if self._progress.report(session_id, snapshot):
            return self._notifications.enabled
        # What came too soon after the last report must not wait for the next event.
        later = self._progress.wants_report(session_id, snapshot)
        if not self._notifications.enabled:
            return later
        if self._notifications.send_status(session_id, snapshot):
            return True
        self._notifications.send_events(session_id)
        return later or self._notifications.status_due(session_id)

    def drained(self) -> None:
        """The editor reads again."""
        self._frames.resume()

    # What the editor says: `connection.Features` ------------------------------------------------------

    def document_changed(self, document: Document, edits: Sequence[LineEdit] | None = None) -> None:
        """See `Features`."""
        self._merging.document_changed(document)
        if edits is None:
            self._unreviewed.opened(document)
        self._diagnostics.changed(document, edits)
        self._policies.look(document)
        self._preview.document_changed()
        if self._follow_transcript(document) or document.path is None:
            return
        if self._last is None or self._last[0] != document.path:
            self._last = (document.path, 0)

    def _follow_transcript(self, document: Document) -> bool:
        session_id = self._transcripts.session_of(document.key)
        if session_id is not None and session_id in self._backend.live_sessions():
            self._transcripts.follow(session_id)
        return session_id is not None

    def document_closed(self, document: Document) -> None:
        """See `Features`."""
        session_id = self._transcripts.session_of(document.key)
        if session_id is not None:
            self._transcripts.close(session_id)
        self._diagnostics.clear_failures(document.key)
        self._diagnostics.closed(document)
        self._policies.look(document)
        self._unsaved.look_again(document.key)

    def document_saved(self, document: Document) -> None:
        """See `Features`."""
        self._unreviewed.saved(document)
        self._saving.document_saved()
        self._lenses.document_saved(document)
        self._policies.look(document)
        self._unsaved.look_again(document.key)

    def configuration_changed(self, pushed: object) -> None:
        """See `Features`."""
        del pushed
        self._jobs.start(self._reconfigure)

    async def _reconfigure(self) -> None:
        old, self._settings = self._settings, await self._configuration.load()
        if (old.codex, old.state_dir, old.runtime) != (
            self._settings.codex,
            self._settings.state_dir,
            self._settings.runtime,
        ):
            self._messages.log(
                types.MessageType.Info,
                "Changes of runtime, stateDir and codex apply after a restart of the server.",
            )

    def progress_cancelled(self, token: int | str) -> None:
        """See `Features`."""
        session_id = self._progress.session_of(token)
        if session_id is not None:
            self._jobs.start(lambda: self._interrupt(session_id))

    async def _interrupt(self, session_id: str) -> None:
        try:
            await self._backend.interrupt(session_id, self.name)
        except AutopilotError as error:
            self._messages.log(types.MessageType.Warning, str(error))

    async def code_actions(
        self, params: types.CodeActionParams
    ) -> Sequence[types.Command | types.CodeAction]:
        """See `Features`."""
        document = self._connection.documents.get(params.text_document.uri)
        if document is not None and document.path and not self._follow_transcript(document):
            self._last = (document.path, params.range.start.line)
        return self._actions.at(params)

    async def hover(self, params: types.HoverParams) -> types.Hover | None:
        """See `Features`."""
        return hover_at(
            self._connection, self._diagnostics, self.folder, self._unreviewed.hovers, params
        )

    async def code_lenses(self, params: types.CodeLensParams) -> Sequence[types.CodeLens]:
        """See `Features`."""
        return self._lenses.of(params)

    async def content(self, uri: str) -> str:
        """See `Features`."""
        try:
            return await self._jobs.run(lambda: self._contents.text(uri))
        except AutopilotError as error:
            raise response(error) from error

    async def execute(self, name: str, arguments: Sequence[object]) -> object:
        """See `Features`."""
        return await self._commands.execute(name, arguments)


def warm_up(connection: Connection) -> None:
    """Have the code made that turns the first messages of each kind into JSON."""
    start = types.Position(0, 0)
    place = types.Range(start, start)
    samples = (
        types.PublishDiagnosticsParams(
            "file:///", [types.Diagnostic(place, "", types.DiagnosticSeverity.Hint, data={})]
        ),
        types.ProgressParams("", types.WorkDoneProgressBegin("")),
        types.ProgressParams("", types.WorkDoneProgressReport()),
        types.ProgressParams("", types.WorkDoneProgressEnd()),
        types.CodeAction("", command=types.Command("", "")),
    )
    structured: dict[str, object] = {
        "jsonrpc": "2.0",
        "id": 0,
        "method": types.TEXT_DOCUMENT_CODE_ACTION,
        "params": {
            "textDocument": {"uri": ""},
            "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}},
            "context": {"diagnostics": []},
        },
    }
    for sample in samples:
        connection.server.protocol.plain(sample)
    connection.server.protocol.structure_message(structured)
    for method in methods.COMMANDS:
        method.params_model().model_rebuild()
