"""What each command does.

Checks the argument by its model, asks the supervisor, and returns plain JSON. Errors of ours become
responses with a stable code and advice. Not aware of how an editor sends a command. `view` stands above.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import anyio.to_thread
from lsprotocol import types
from pydantic import ValidationError
from pygls.exceptions import JsonRpcException

from autopilot_ls.lsp import methods, params, policy_params, review_params
from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import to_path
from autopilot_ls.lsp.features.preview import Preview
from autopilot_ls.lsp.features.statuses import Statuses
from autopilot_ls.lsp.features.transcript import Transcripts
from autopilot_ls.lsp.features.unsaved import UnsavedTasks
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.lsp.policy_commands import PolicyCommands
from autopilot_ls.lsp.protocol import INVALID_PARAMS, REQUEST_FAILED
from autopilot_ls.lsp.references import references_of
from autopilot_ls.lsp.review_commands import ReviewCommands
from autopilot_ls.model.approvals import Approval, DecisionKind, Mark, QuestionAction
from autopilot_ls.model.base import Frozen
from autopilot_ls.model.errors import (
    AutopilotError,
    InvalidRequest,
    NoActiveTurn,
    SessionNotFound,
)
from autopilot_ls.model.review import units_of
from autopilot_ls.model.snapshots import SessionSnapshot
from autopilot_ls.model.text import one_line, visible
from autopilot_ls.presentation.transcript import TranscriptRenderer
from autopilot_ls.supervisor.requests import Reference, StartTurn

_log = logging.getLogger(__name__)

MAX_PROBLEMS: Final = 3
"""Wrong members of an argument that are named in one message."""

_PLAINLY: Final = {
    "Input should be a valid dictionary or instance of ": "must be an object, like ",
    "Input should be ": "must be ",
    "Field required": "is missing",
    "Extra inputs are not permitted": "is unknown",
    "String should have ": "must have ",
    "Value error, ": "",
}

P = TypeVar("P", bound=Frozen)
T = TypeVar("T")
Handler = Callable[[Frozen], Awaitable[Frozen]]


class Commands:
    """The commands of one editor.

    Attributes:
        starting: How many commands are bringing an agent up; what they fail of is in their reply.
    """

    def __init__(
        self,
        connection: Connection,
        backend: Backend,
        jobs: Jobs,
        *,
        name: Callable[[], str],
        redact: Callable[[str], str],
        statuses: Statuses,
        unsaved: UnsavedTasks,
        preview: Preview,
        transcripts: Transcripts,
        policies: PolicyCommands,
        changes: ReviewCommands,
        started: Callable[[str, Sequence[Reference]], None],
    ) -> None:
        """Create the commands over what they use.

        Args:
            connection: To the editor.
            backend: The supervisor.
            jobs: Where commands are carried out.
            name: Says who decides.
            redact: Leaves out secrets.
            statuses: Makes the sessions' views.
            unsaved: Holds tasks until everything is saved.
            preview: Shows patches and documents.
            transcripts: Writes transcripts.
            policies: Carries out what is about the policy.
            changes: Carries out what is about changes after the fact.
            started: Hears which session began to work on which places.
        """
        self._connection = connection
        self._backend = backend
        self._jobs = jobs
        self._name = name
        self._redact = redact
        self._statuses = statuses
        self._unsaved = unsaved
        self._preview = preview
        self._transcripts = transcripts
        self._policies = policies
        self._started = started
        self.starting = 0
        self._answers: dict[str, dict[str, tuple[str, ...]]] = {}
        self._handlers: Mapping[str, Handler] = {
            methods.TURN_START: _typed(params.TurnStartParams, self.start),
            methods.TURN_STEER: _typed(params.TurnSteerParams, self._steer),
            methods.TURN_INTERRUPT: _typed(params.SessionParams, self._interrupt),
            methods.TURN_FORGET: _typed(params.WaitingTaskParams, self._forget),
            methods.TURN_UNDO: _typed(review_params.TurnUndoParams, changes.undo_turn),
            methods.TURN_REDO: _typed(review_params.TurnRedoParams, changes.redo),
            methods.CHANGES_LIST: _typed(review_params.ChangesListParams, changes.list),
            methods.CHANGES_KEEP: _typed(review_params.ChangesChosenParams, changes.keep),
            methods.CHANGES_UNDO: _typed(review_params.ChangesChosenParams, changes.undo),
            methods.SESSION_LIST: _typed(params.NoParams, self._list_sessions),
            methods.SESSION_SHOW: _typed(params.SessionParams, self._show_session),
            methods.SESSION_RESUME: _typed(params.SessionParams, self._resume),
            methods.SESSION_CLOSE: _typed(params.SessionParams, self._close),
            methods.SESSION_DELETE: _typed(params.SessionParams, self._delete),
            methods.APPROVAL_LIST: _typed(params.OptionalSessionParams, self._list_approvals),
            methods.APPROVAL_DECIDE: _typed(params.ApprovalDecideParams, self._decide),
            methods.APPROVAL_MARK: _typed(params.ApprovalMarkParams, self._mark),
            methods.APPROVAL_ANSWER: _typed(params.ApprovalAnswerParams, self._answer),
            methods.APPROVAL_PREVIEW: _typed(params.ApprovalPreviewParams, self._show_patch),
            methods.GRANT_REVOKE: _typed(params.GrantRevokeParams, self._revoke),
            methods.POLICY_LIST: _typed(params.NoParams, self._list_remembered),
            methods.POLICY_FORGET: _typed(params.PolicyForgetParams, self._forget_rules),
            methods.MODE_SET: _typed(params.ModeSetParams, self._set_mode),
            methods.POLICY_TRUST: _typed(policy_params.PolicyTrustParams, policies.trust),
            methods.POLICY_UNTRUST: _typed(policy_params.PolicyUntrustParams, policies.untrust),
            methods.POLICY_EXPLAIN: _typed(policy_params.PolicyExplainParams, policies.explain),
            methods.MODEL_LIST: _typed(params.ModelListParams, self._list_models),
            methods.TRANSCRIPT_OPEN: _typed(params.OptionalSessionParams, self._open_transcript),
            methods.STATUS: _typed(params.OptionalSessionParams, self._status),
        }

    async def execute(self, name: str, arguments: Sequence[object]) -> object:
        """Carry out a command.

        Raises:
            JsonRpcException: With the code, and what to do about it in its data. Where the editor
                would stop at a long message, it is cut, and the whole of it is logged.
        """
        try:
            return await self._execute(name, arguments)
        except JsonRpcException as error:
            width = self._connection.profile.error_width
            if width and len(error.message) > width:
                self._connection.tell(
                    types.WINDOW_LOG_MESSAGE,
                    types.LogMessageParams(types.MessageType.Error, visible(error.message)),
                )
                error.message = one_line(error.message, width)
            raise

    async def _execute(self, name: str, arguments: Sequence[object]) -> object:
        method, handler = methods.command(name), self._handlers.get(name)
        if method is None or handler is None:
            raise JsonRpcException(f"There is no command {name[:80]!r}.", INVALID_PARAMS)
        argument = validated(method, arguments)
        try:
            result = await self._jobs.run(lambda: handler(argument))
        except AutopilotError as error:
            raise _response(error) from error
        except OSError as error:
            raise JsonRpcException(
                f"{name} failed: {error}.", REQUEST_FAILED, {"code": "system-error"}
            ) from error
        except Exception as error:
            _log.exception("Fault in %s.", name)
            raise JsonRpcException(
                f"Internal error in {name}: {error!r}.", None, {"code": "internal-error"}
            ) from error
        return result.model_dump(mode="json")

    # Turns --------------------------------------------------------------------------------------

    async def start(self, request: params.TurnStartParams) -> params.TurnStarted:
        """Start a turn, or remember it until everything is saved.

        Raises:
            UnsavedDocuments: Files in its folder have unsaved changes.
        """
        cwd = await self._cwd(request)
        if request.unsaved == "wait":
            self._unsaved.require_saved(request, cwd)
        return await self.start_now(request)

    async def start_now(self, request: params.TurnStartParams) -> params.TurnStarted:
        """Start a turn on what is saved."""
        references = references_of(self._connection, request.references)
        started = await self._reporting(
            self._backend.start_turn(
                StartTurn(
                    text=request.text,
                    session_id=request.session_id,
                    cwd=None if request.session_id else str(await self._cwd(request)),
                    references=references,
                    mode=request.mode,
                    model=request.model,
                    effort=request.effort,
                ),
                self._name(),
            )
        )
        self._started(started.session_id, references)
        return params.TurnStarted(session_id=started.session_id, turn_id=started.turn_id)

    async def _reporting(self, work: Awaitable[T]) -> T:
        """Wait for work whose failure its caller is told, so that it need not be shown as well."""
        self.starting += 1
        try:
            return await work
        finally:
            self.starting -= 1

    async def _cwd(self, request: params.TurnStartParams) -> Path:
        if request.session_id is not None:
            return Path((await self._snapshot(request.session_id)).cwd)
        if request.cwd is not None:
            path = Path(to_path(request.cwd) or request.cwd)
            if not path.is_absolute():
                raise InvalidRequest(
                    f"cwd: {request.cwd!r} is not an absolute path.",
                    advice="Give an absolute path or a file: URI.",
                )
            return path
        place = next((p for r in request.references if (p := to_path(r.uri))), None)
        folder = self._connection.folder_of(place)
        if folder is not None:
            return Path(folder)
        return Path(place).parent if place is not None else Path.cwd()

    async def _steer(self, request: params.TurnSteerParams) -> params.Done:
        await self._backend.steer(request.session_id or self._only_running(), request.text)
        return params.Done()

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

    async def _interrupt(self, request: params.SessionParams) -> params.Done:
        await self._backend.interrupt(request.session_id, self._name())
        return params.Done()

    async def _forget(self, request: params.WaitingTaskParams) -> params.Done:
        if not self._unsaved.forget(request.task_id):
            raise InvalidRequest(f"No task {request.task_id!r} is waiting.")
        return params.Done()

    # Sessions -----------------------------------------------------------------------------------

    async def _snapshot(self, session_id: str) -> SessionSnapshot:
        """Return a session's state; a recorded one is read in a thread."""
        if session_id in self._backend.live_sessions():
            return self._backend.snapshot(session_id)
        return await anyio.to_thread.run_sync(self._backend.snapshot, session_id)

    async def _list_sessions(self, request: params.NoParams) -> params.SessionList:
        del request
        sessions = await anyio.to_thread.run_sync(self._backend.sessions)
        return params.SessionList(sessions=tuple(sessions))

    async def _show_session(self, request: params.SessionParams) -> params.SessionShown:
        snapshot = await self._snapshot(request.session_id)
        renderer = TranscriptRenderer(redact=self._redact)
        transcript = await anyio.to_thread.run_sync(renderer.render, snapshot)
        return params.session_shown(snapshot, transcript)

    async def _resume(self, request: params.SessionParams) -> params.SessionResumed:
        snapshot = await self._reporting(self._backend.resume(request.session_id))
        return params.SessionResumed(
            session_id=snapshot.session_id, thread_id=snapshot.thread_id, alive=snapshot.alive
        )

    async def _close(self, request: params.SessionParams) -> params.Done:
        await self._backend.close_session(request.session_id)
        return params.Done()

    async def _delete(self, request: params.SessionParams) -> params.Done:
        await self._backend.delete_session(request.session_id)
        return params.Done()

    async def _revoke(self, request: params.GrantRevokeParams) -> params.Done:
        self._backend.revoke_grant(request.session_id, request.grant_id)
        return params.Done()

    async def _list_remembered(self, request: params.NoParams) -> params.PolicyList:
        del request
        rules = await self._backend.remembered()
        return params.PolicyList(rules=tuple(map(params.rule_of, rules)))

    async def _forget_rules(self, request: params.PolicyForgetParams) -> params.Done:
        await self._backend.forget(request.names)
        return params.Done()

    async def _set_mode(self, request: params.ModeSetParams) -> params.Done:
        await self._backend.set_mode(
            request.mode, session_id=request.session_id, changed_by=self._name()
        )
        return params.Done()

    async def _list_models(self, request: params.ModelListParams) -> params.ModelList:
        folder = (to_path(request.cwd) or request.cwd) if request.cwd else None
        cwd = Path(folder or self._connection.folder_of(None) or Path.cwd())
        models = await self._backend.list_models(cwd)
        return params.ModelList(models=tuple(params.model_of(model) for model in models))

    # Approvals ----------------------------------------------------------------------------------

    async def _list_approvals(self, request: params.OptionalSessionParams) -> params.ApprovalList:
        return params.ApprovalList(approvals=self._backend.approvals(request.session_id))

    async def _decide(self, request: params.ApprovalDecideParams) -> params.ApprovalDecided:
        content = None if request.content is None else json.dumps(request.content)
        decision = await self._backend.decide(
            request.approval_id,
            request.decision,
            decided_by=self._name(),
            message=request.message,
            answers=request.answers or None,
            content=content,
            hunks=request.hunks,
            reasons=request.reasons,
            remember=request.remember,
            merge=request.unsaved == "merge",
        )
        self._answers.pop(request.approval_id, None)
        return params.ApprovalDecided(approval_id=request.approval_id, decision=decision)

    async def _mark(self, request: params.ApprovalMarkParams) -> params.ApprovalMarked:
        mark = None if request.mark == "none" else Mark(request.mark)
        decision = await self._backend.mark(
            request.approval_id,
            request.hunks,
            mark,
            marked_by=self._name(),
            message=request.message,
            merge=request.unsaved == "merge",
        )
        if decision is not None:
            return params.ApprovalMarked(approval_id=request.approval_id, decision=decision)
        approval = self._backend.approval(request.approval_id)
        chosen = {choice.hunk_id for choice in approval.marks}
        missing = tuple(unit.id for unit in units_of(approval) if unit.id not in chosen)
        return params.ApprovalMarked(approval_id=approval.id, marks=approval.marks, missing=missing)

    async def _answer(self, request: params.ApprovalAnswerParams) -> params.ApprovalAnswered:
        approval = self._backend.approval(request.approval_id)
        asked = _questions(approval)
        if request.question_id not in asked:
            raise InvalidRequest(
                f"Approval {approval.id} has no question {request.question_id!r}.",
                advice=f"Its questions: {', '.join(asked)}." if asked else "It asks no questions.",
            )
        waiting = {other.id for other in self._backend.approvals()}
        self._answers = {key: value for key, value in self._answers.items() if key in waiting}
        answers = self._answers.setdefault(approval.id, {})
        answers[request.question_id] = request.answers
        missing = tuple(question for question in asked if question not in answers)
        if not missing:
            await self._backend.decide(
                approval.id, DecisionKind.ACCEPT, decided_by=self._name(), answers=answers
            )
            self._answers.pop(approval.id, None)
        return params.ApprovalAnswered(approval_id=approval.id, missing=missing)

    async def _show_patch(self, request: params.ApprovalPreviewParams) -> params.ApprovalPreviewed:
        approval = self._backend.approval(request.approval_id)
        root = self._backend.snapshot(approval.session_id).cwd
        shown, uri, diff = await self._preview.show(approval, root, request.view)
        return params.ApprovalPreviewed(shown=shown, uri=uri, diff=diff)

    # What goes on -------------------------------------------------------------------------------

    async def _open_transcript(
        self, request: params.OptionalSessionParams
    ) -> params.TranscriptOpened:
        session_id = request.session_id or await self._latest()
        await self._snapshot(session_id)
        live = session_id in self._backend.live_sessions()
        path = await self._transcripts.open(session_id, follow=live)
        uri = path.as_uri()
        shown = await self._preview.show_document(uri)
        return params.TranscriptOpened(session_id=session_id, uri=uri, shown=shown)

    async def _latest(self) -> str:
        live = self._backend.live_sessions()
        if live:
            return live[-1]
        recorded = await anyio.to_thread.run_sync(self._backend.sessions)
        if not recorded:
            raise SessionNotFound("There is no session yet.", advice="Start a turn.")
        return recorded[0].id

    async def _status(self, request: params.OptionalSessionParams) -> params.StatusResult:
        wanted = [request.session_id] if request.session_id else self._backend.live_sessions()
        snapshots = [await self._snapshot(session_id) for session_id in wanted]
        return params.StatusResult(
            sessions=tuple(map(self._statuses.view, snapshots)),
            mode=self._backend.mode,
            policies=await self._policies.files(
                [*(snapshot.cwd for snapshot in snapshots), *self._connection.folders]
            ),
            waiting_tasks=tuple(
                params.WaitingTaskShown(
                    task_id=task.id,
                    text=task.text,
                    unsaved=tuple(str(path) for path in task.paths),
                )
                for task in self._unsaved.all()
            ),
        )


def _typed(model: type[P], handler: Callable[[P], Awaitable[Frozen]]) -> Handler:
    """Return the handler as one for any argument; it only ever gets one of its model."""

    async def call(argument: Frozen) -> Frozen:
        assert isinstance(argument, model)
        return await handler(argument)

    return call


def _questions(approval: Approval) -> tuple[str, ...]:
    if not isinstance(approval.action, QuestionAction):
        return ()
    return tuple(question.id for question in approval.action.questions)


def validated(method: methods.Method, arguments: Sequence[object]) -> Frozen:
    """Return a command's argument as its model; raises JsonRpcException, in words for a person."""
    if len(arguments) > 1:
        raise JsonRpcException(
            f"{method.name} takes one object as its argument, not {len(arguments)} arguments.",
            INVALID_PARAMS,
            {"code": InvalidRequest.code, "advice": ""},
        )
    argument = arguments[0] if arguments else None
    if argument is None or argument == []:
        argument = {}  # An empty table of Lua, as Neovim has it, cannot tell what it is.
    try:
        return method.params_model().model_validate(argument)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)[:MAX_PROBLEMS]
        said = "; ".join(_problem(problem["loc"], problem["msg"]) for problem in problems)
        raise JsonRpcException(
            # What is wrong comes first: where there is little room, the rest is cut.
            f"{said} ({method.name})"[:1_000],
            INVALID_PARAMS,
            {"code": InvalidRequest.code, "advice": "See schemas/lsp.json for its argument."},
        ) from error


def _problem(place: tuple[int | str, ...], said: str) -> str:
    for theirs, ours in _PLAINLY.items():
        said = said.replace(theirs, ours)
    return f"{one_line('.'.join(map(str, place)), 100) or 'The argument'} {said}"


def _response(error: AutopilotError) -> JsonRpcException:
    code = INVALID_PARAMS if isinstance(error, InvalidRequest) else REQUEST_FAILED
    return JsonRpcException(str(error), code, {"code": error.code, "advice": error.advice})
