"""What the commands about work do: begin it, speak into it, stop it, leave a message, have a review.

Not aware of how an editor sends a command. `commands` stands above.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from autopilot_ls.lsp import shared_params, turn_params
from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import to_path
from autopilot_ls.lsp.features.unsaved import UnsavedTasks
from autopilot_ls.lsp.lookup import folder_named, snapshot_of
from autopilot_ls.lsp.references import paths_of, references_of
from autopilot_ls.model.errors import InvalidRequest, NoActiveTurn
from autopilot_ls.model.findings import ReviewTarget
from autopilot_ls.supervisor.caller import current_folder
from autopilot_ls.supervisor.requests import QueueMessage, Reference, StartReview, StartTurn

T = TypeVar("T")


class TurnCommands:
    """The commands of one editor about work.

    Attributes:
        starting: How many commands are bringing an agent up; what they fail of is in their reply.
    """

    def __init__(
        self,
        connection: Connection,
        backend: Backend,
        *,
        name: Callable[[], str],
        unsaved: UnsavedTasks,
        started: Callable[[str, Sequence[Reference]], None],
    ) -> None:
        """Create them.

        Args:
            connection: To the editor.
            backend: The supervisor.
            name: Says who asks.
            unsaved: Holds tasks until everything is saved.
            started: Hears which session began to work on which places.
        """
        self._connection = connection
        self._backend = backend
        self._name = name
        self._unsaved = unsaved
        self._started = started
        self.starting = 0

    async def reporting(self, work: Awaitable[T]) -> T:
        """Wait for work whose failure its caller is told, so that it need not be shown as well."""
        self.starting += 1
        try:
            return await work
        finally:
            self.starting -= 1

    async def start(self, request: turn_params.TurnStartParams) -> turn_params.TurnBegun:
        """Start a turn, or remember it until everything is saved.

        Raises:
            UnsavedDocuments: Files in its folder have unsaved changes.
        """
        cwd = await self._cwd(request.session_id, request.cwd, request.references)
        if request.unsaved == "wait":
            self._unsaved.require_saved(request, cwd)
        return await self.start_now(request)

    async def start_now(self, request: turn_params.TurnStartParams) -> turn_params.TurnBegun:
        """Start a turn on what is saved."""
        references = references_of(self._connection, request.references)
        cwd = await self._cwd(request.session_id, request.cwd, request.references)
        started = await self.reporting(
            self._backend.start_turn(
                StartTurn(
                    text=request.text,
                    session_id=request.session_id,
                    cwd=None if request.session_id else str(cwd),
                    references=references,
                    attachments=paths_of(request.attachments),
                    mode=request.mode,
                    model=request.model,
                    effort=request.effort,
                ),
                self._name(),
            )
        )
        self._started(started.session_id, references)
        return turn_params.TurnBegun(session_id=started.session_id, turn_id=started.turn_id)

    async def _cwd(
        self,
        session_id: str | None,
        cwd: str | None,
        references: Sequence[shared_params.Reference] = (),
    ) -> Path:
        if session_id is not None:
            return Path((await snapshot_of(self._backend, session_id)).cwd)
        if cwd is not None:
            return folder_named(cwd)
        place = next((p for r in references if (p := to_path(r.uri))), None)
        folder = self._connection.folder_of(place)
        if folder is not None:
            return Path(folder)
        return Path(place).parent if place is not None else current_folder()

    async def steer(self, request: turn_params.TurnSteerParams) -> shared_params.Done:
        """Say something into a running turn."""
        session_id = request.session_id or self._only_running()
        await self._backend.steer(session_id, request.text, paths_of(request.attachments))
        return shared_params.Done()

    def _only_running(self) -> str:
        running = [
            session_id
            for session_id in self._backend.live_sessions()
            if self._backend.snapshot(session_id).active_turn is not None
        ]
        if len(running) != 1:
            raise NoActiveTurn(
                "No turn is running." if not running else "Several turns are running.",
                advice="Start one." if not running else "Name the session with `sessionId`.",
            )
        return running[0]

    async def interrupt(self, request: shared_params.SessionParams) -> shared_params.Done:
        """Stop a running turn."""
        await self._backend.interrupt(request.session_id, self._name())
        return shared_params.Done()

    async def forget(self, request: turn_params.WaitingTaskParams) -> shared_params.Done:
        """Forget a task that waits for files to be saved."""
        if not self._unsaved.forget(request.task_id):
            raise InvalidRequest(f"No task {request.task_id!r} is waiting.")
        return shared_params.Done()

    # Messages that wait -------------------------------------------------------------------------

    async def queue(self, request: turn_params.TurnQueueParams) -> turn_params.TurnQueued:
        """Leave a message for the end of the turn."""
        message = QueueMessage(
            session_id=request.session_id,
            text=request.text,
            references=references_of(self._connection, request.references),
            attachments=paths_of(request.attachments),
        )
        message_id = await self._backend.messages.queue(message, self._name())
        return turn_params.TurnQueued(message_id=message_id)

    async def unqueue(self, request: turn_params.QueuedMessageParams) -> shared_params.Done:
        """Take a message back."""
        await self._backend.messages.unqueue(request.session_id, request.message_id)
        return shared_params.Done()

    async def release(self, request: turn_params.TurnReleaseParams) -> shared_params.Done:
        """Let messages go that are held."""
        await self._backend.messages.release(request.session_id, request.message_id)
        return shared_params.Done()

    # Reviews ------------------------------------------------------------------------------------

    async def review(self, request: turn_params.ReviewStartParams) -> turn_params.TurnBegun:
        """Have the agent's reviewer look at changes."""
        cwd = await self._cwd(request.session_id, request.cwd)
        target = ReviewTarget(
            kind=request.target.type,
            branch=request.target.branch or "",
            sha=request.target.sha or "",
            instructions=request.target.instructions or "",
        )
        review = StartReview(
            target=target,
            session_id=request.session_id,
            cwd=None if request.session_id else str(cwd),
        )
        started = await self.reporting(self._backend.start_review(review, self._name()))
        self._started(started.session_id, ())
        return turn_params.TurnBegun(session_id=started.session_id, turn_id=started.turn_id)

    async def dismiss(self, request: turn_params.ReviewDismissParams) -> shared_params.Done:
        """Show findings no longer."""
        await self._backend.dismiss_findings(request.session_id, request.findings)
        return shared_params.Done()
