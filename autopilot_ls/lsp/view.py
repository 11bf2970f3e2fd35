"""One editor as the supervisor sees it, and all that it is shown: the features joined.

Gets every event right after it was applied and must not block. What is urgent (approvals, beginnings and
ends) goes out at once; everything else marks its session, and the next frame sends the state as it is
then. Not aware of agents. `service` stands above, the features below.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from lsprotocol import types

from autopilot_ls.edits.line_edits import LineEdit
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
from autopilot_ls.lsp.features.messages import Messages
from autopilot_ls.lsp.features.notifications import Notifications
from autopilot_ls.lsp.features.policy_files import PolicyFilesShown
from autopilot_ls.lsp.features.preview import Preview
from autopilot_ls.lsp.features.progress import Progress
from autopilot_ls.lsp.features.review import Unreviewed
from autopilot_ls.lsp.features.saving import Saving
from autopilot_ls.lsp.features.statuses import Statuses
from autopilot_ls.lsp.features.transcript import Transcripts
from autopilot_ls.lsp.features.unsaved import UnsavedTasks
from autopilot_ls.lsp.features.waiting import WaitingApprovals
from autopilot_ls.lsp.features.whereabouts import Whereabouts
from autopilot_ls.lsp.frames import Frames
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.lsp.policy_commands import PolicyCommands
from autopilot_ls.lsp.review_commands import ReviewCommands
from autopilot_ls.lsp.turn_params import TurnStartParams
from autopilot_ls.model.approvals import Approval
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
from autopilot_ls.runtimes.base import AccountInfo
from autopilot_ls.supervisor.policies import policy_files
from autopilot_ls.supervisor.views import OpenDocument
from autopilot_ls.trace.redaction import Redactor

_log = logging.getLogger(__name__)


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
        self._frames = Frames(self._frame, lambda: connection.congested, room=connection.pace.wait)
        self._statuses = Statuses(backend, redact, self._asked)
        self._diagnostics = Diagnostics(connection)
        self._whereabouts = Whereabouts(messages, self._diagnostics)
        self._progress = Progress(connection, jobs, backend.snapshot, redact)
        self._notifications = Notifications(connection, self._statuses)
        self._transcripts = Transcripts(
            folder, jobs, backend.snapshot, redact, lambda: self._settings.transcript.follow_seconds
        )
        self._contents = Contents(
            connection, backend, jobs, redact, lambda: self._settings.transcript.follow_seconds
        )
        self._preview = Preview(
            connection,
            messages,
            jobs,
            folder,
            self._applied,
            place=self._diagnostics.pending.place,
        )
        self._merging = Merging(connection)
        self._lenses = Lenses(connection, jobs, self._diagnostics)
        self._unreviewed = Unreviewed(
            connection, backend, jobs, messages, self._diagnostics, changed=self._lenses.changed
        )
        self._findings = Findings(connection, backend, self._diagnostics, jobs)
        self._unsaved = UnsavedTasks(backend, self._diagnostics, messages, jobs, self._start_saved)
        self._saving = Saving(connection, backend, self._unsaved)
        self._waiting = WaitingApprovals(
            connection,
            backend,
            jobs,
            messages,
            diagnostics=self._diagnostics,
            lenses=self._lenses,
            notifications=self._notifications,
            preview=self._preview,
            transcripts=self._transcripts,
            unsaved=self._unsaved,
            says=lambda: self._settings.approvals.show_message,
            mark=self._frames.mark,
        )
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
            pending=self._diagnostics.pending,
            transcripts=self._transcripts,
            policies=PolicyCommands(connection, backend, files, self._policies.look_again),
            changes=ReviewCommands(connection, backend, lambda: self.name, self._unreviewed.undone),
            started=self._whereabouts.started,
        )
        self._actions = CodeActions(
            connection,
            self._waiting,
            self._diagnostics,
            unsaved=self._unsaved,
            policies=self._policies,
            preview=self._preview,
            unreviewed=self._unreviewed,
            findings=self._findings,
        )

    # Those that are made before what they lead to.

    def _asked(self) -> Collection[str]:
        return self._waiting.ids()

    async def _applied(self, approval: Approval, hunks: Sequence[str]) -> str:
        return await self._waiting.applied(approval, hunks)

    def _session_folders(self) -> list[str]:
        return [self._waiting.folder(session_id) for session_id in self._backend.live_sessions()]

    async def _start_saved(self, task: TurnStartParams) -> object:
        return await self._commands.turns.start_now(task)

    # Its life -----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Show what there is already, for example in a supervisor that others use too."""
        self._look_around()
        for document in self._connection.documents:
            self._follow_transcript(document)
            self._policies.look(document)
        self._policies.look_again()
        self._jobs.start(self._configuration.follow)

    def _look_around(self) -> None:
        """Show what goes on, waits or is to be looked at in the editor's folders, unless it is shown."""
        for session_id in self._backend.live_sessions():
            turn = self._backend.snapshot(session_id).active_turn
            if turn is not None:
                self._progress.begin(session_id, turn.id)
        for approval in self._backend.approvals():
            self._waiting.ask(approval)
        self._unreviewed.begin()
        self._findings.begin()

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
                self._tell_status(session_id)
        self._contents.review_changed(workspace)

    def _tell_status(self, session_id: str) -> None:
        self._notifications.status_changed(session_id)
        self._frames.mark(session_id)

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
                self._waiting.changed(session_id, body)
            case SessionCreated():
                self._policies.look_again()
            case ModeChanged():
                self._waiting.mode_changed()
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
            self._whereabouts.failed(
                session_id, body.error or "The turn failed; the transcript has more."
            )
        elif closing:
            self._messages.log(types.MessageType.Info, closing)

    def _agent_died(self, session_id: str, body: RuntimeExited) -> None:
        if self._backend.snapshot(session_id).active_turn is not None:
            return  # The turn's end is next, and says it.
        last = body.stderr.strip().splitlines()[-1:]
        said = f" Its last words: {last[0]}" if last else ""
        self._whereabouts.failed(
            session_id,
            f"The agent's process ended unexpectedly.{said} Start the next turn to bring it up again.",
        )

    # Frames -----------------------------------------------------------------------------------------

    def _frame(self, session_id: str) -> bool:
        """Send one notification of a session at most; tells whether another frame is needed."""
        if session_id not in self._backend.live_sessions():
            self._notifications.finish(session_id)
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
        if not self._follow_transcript(document):
            self._whereabouts.seen(document)

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

    def folders_changed(self) -> None:
        """See `Features`. The editor may be concerned with more than before."""
        self._look_around()
        if self._notifications.enabled:
            for session_id in self._backend.live_sessions():
                self._tell_status(session_id)

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
        if document is not None and not self._follow_transcript(document):
            self._whereabouts.seen(document, params.range.start.line)
        return self._actions.at(params)

    async def hover(self, params: types.HoverParams) -> types.Hover | None:
        """See `Features`."""
        return hover_at(
            self._connection,
            self._diagnostics,
            self._waiting.folder,
            self._unreviewed.hovers,
            params,
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
