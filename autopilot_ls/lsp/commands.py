"""The commands of one editor, dispatched.

Checks the argument by its model, has the command carried out, and returns plain JSON. Errors of ours become
responses with a stable code and advice. Not aware of how an editor sends a command. `view` stands above;
what each does is in `turn_commands`, `session_commands` and their like below, and here the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import anyio.to_thread
from lsprotocol import types
from pydantic import ValidationError
from pygls.exceptions import JsonRpcException

from autopilot_ls.lsp import (
    account_params,
    approval_params,
    methods,
    params,
    policy_params,
    review_params,
    session_params,
    turn_params,
)
from autopilot_ls.lsp.account_commands import AccountCommands
from autopilot_ls.lsp.approval_commands import ApprovalCommands
from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import to_path
from autopilot_ls.lsp.features.pending_hunks import PendingHunks
from autopilot_ls.lsp.features.preview import Preview
from autopilot_ls.lsp.features.saving import Saving
from autopilot_ls.lsp.features.statuses import Statuses
from autopilot_ls.lsp.features.transcript import Transcripts
from autopilot_ls.lsp.features.unsaved import UnsavedTasks
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.lsp.lookup import folder_named, snapshot_of
from autopilot_ls.lsp.policy_commands import PolicyCommands
from autopilot_ls.lsp.protocol import INVALID_PARAMS, REQUEST_FAILED
from autopilot_ls.lsp.review_commands import ReviewCommands
from autopilot_ls.lsp.session_commands import SessionCommands
from autopilot_ls.lsp.shared_params import Done, NoParams, OptionalSessionParams, SessionParams
from autopilot_ls.lsp.turn_commands import TurnCommands
from autopilot_ls.model.base import Frozen
from autopilot_ls.model.errors import AutopilotError, InvalidRequest, SessionNotFound
from autopilot_ls.model.text import one_line, visible
from autopilot_ls.supervisor.caller import current_folder
from autopilot_ls.supervisor.requests import Reference

_log = logging.getLogger(__name__)

MAX_PROBLEMS: Final = 3
"""Wrong members of an argument that are named in one message."""

# Who installed the package has no folder of schemas to look into.
_ADVICE: Final = "Its form stands in lsp.json, which `autopilot-ls schema --out DIR` writes."

_PLAINLY: Final = {
    "Input should be a valid dictionary or instance of ": "must be an object, like ",
    "Input should be ": "must be ",
    "Field required": "is missing",
    "Extra inputs are not permitted": "is unknown",
    "String should have ": "must have ",
    "Value error, ": "",
}

P = TypeVar("P", bound=Frozen)
Handler = Callable[[Frozen], Awaitable[Frozen]]


class Commands:
    """The commands of one editor.

    Attributes:
        turns: Those about work.
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
        saving: Saving,
        preview: Preview,
        pending: PendingHunks,
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
            saving: Has files saved before they are accepted.
            preview: Shows patches and documents.
            pending: Knows what has become of hunks in the text.
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
        self.turns = TurnCommands(connection, backend, name=name, unsaved=unsaved, started=started)
        sessions = SessionCommands(backend, redact=redact, reporting=self.turns.reporting)
        approvals = ApprovalCommands(
            backend, name=name, preview=preview, saving=saving, pending=pending
        )
        accounts = AccountCommands(backend)
        self._handlers: Mapping[str, Handler] = {
            methods.TURN_START: _typed(turn_params.TurnStartParams, self.turns.start),
            methods.TURN_STEER: _typed(turn_params.TurnSteerParams, self.turns.steer),
            methods.TURN_INTERRUPT: _typed(SessionParams, self.turns.interrupt),
            methods.TURN_FORGET: _typed(turn_params.WaitingTaskParams, self.turns.forget),
            methods.TURN_QUEUE: _typed(turn_params.TurnQueueParams, self.turns.queue),
            methods.TURN_UNQUEUE: _typed(turn_params.QueuedMessageParams, self.turns.unqueue),
            methods.TURN_RELEASE: _typed(turn_params.TurnReleaseParams, self.turns.release),
            methods.TURN_UNDO: _typed(review_params.TurnUndoParams, changes.undo_turn),
            methods.TURN_REDO: _typed(review_params.TurnRedoParams, changes.redo),
            methods.CHANGES_LIST: _typed(review_params.ChangesListParams, changes.list),
            methods.CHANGES_KEEP: _typed(review_params.ChangesChosenParams, changes.keep),
            methods.CHANGES_UNDO: _typed(review_params.ChangesChosenParams, changes.undo),
            methods.REVIEW_START: _typed(turn_params.ReviewStartParams, self.turns.review),
            methods.REVIEW_DISMISS: _typed(turn_params.ReviewDismissParams, self.turns.dismiss),
            methods.SESSION_LIST: _typed(session_params.SessionListParams, sessions.list),
            methods.SESSION_SHOW: _typed(SessionParams, sessions.show),
            methods.SESSION_RESUME: _typed(SessionParams, sessions.resume),
            methods.SESSION_CLOSE: _typed(SessionParams, sessions.close),
            methods.SESSION_DELETE: _typed(SessionParams, sessions.delete),
            methods.SESSION_FORK: _typed(session_params.SessionForkParams, sessions.fork),
            methods.SESSION_ARCHIVE: _typed(session_params.SessionArchiveParams, sessions.archive),
            methods.SESSION_RENAME: _typed(session_params.SessionRenameParams, sessions.rename),
            methods.SESSION_COMPACT: _typed(SessionParams, sessions.compact),
            methods.APPROVAL_LIST: _typed(OptionalSessionParams, approvals.list),
            methods.APPROVAL_DECIDE: _typed(approval_params.ApprovalDecideParams, approvals.decide),
            methods.APPROVAL_MARK: _typed(approval_params.ApprovalMarkParams, approvals.mark),
            methods.APPROVAL_ANSWER: _typed(approval_params.ApprovalAnswerParams, approvals.answer),
            methods.APPROVAL_PREVIEW: _typed(
                approval_params.ApprovalPreviewParams, approvals.preview
            ),
            methods.GRANT_REVOKE: _typed(params.GrantRevokeParams, self._revoke),
            methods.POLICY_LIST: _typed(NoParams, self._list_remembered),
            methods.POLICY_FORGET: _typed(params.PolicyForgetParams, self._forget_rules),
            methods.MODE_SET: _typed(params.ModeSetParams, self._set_mode),
            methods.POLICY_TRUST: _typed(policy_params.PolicyTrustParams, policies.trust),
            methods.POLICY_UNTRUST: _typed(policy_params.PolicyUntrustParams, policies.untrust),
            methods.POLICY_EXPLAIN: _typed(policy_params.PolicyExplainParams, policies.explain),
            methods.MODEL_LIST: _typed(params.ModelListParams, self._list_models),
            methods.ACCOUNT_SHOW: _typed(NoParams, accounts.show),
            methods.ACCOUNT_LOGIN: _typed(account_params.AccountLoginParams, accounts.login),
            methods.ACCOUNT_CANCEL_LOGIN: _typed(
                account_params.AccountCancelLoginParams, accounts.cancel
            ),
            methods.ACCOUNT_LOGOUT: _typed(NoParams, accounts.logout),
            methods.TRANSCRIPT_OPEN: _typed(OptionalSessionParams, self._open_transcript),
            methods.STATUS: _typed(params.StatusParams, self._status),
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
            raise response(error) from error
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

    async def _revoke(self, request: params.GrantRevokeParams) -> Done:
        self._backend.revoke_grant(request.session_id, request.grant_id)
        return Done()

    async def _list_remembered(self, request: NoParams) -> params.PolicyList:
        del request
        rules = await self._backend.remembered()
        return params.PolicyList(rules=tuple(map(params.rule_of, rules)))

    async def _forget_rules(self, request: params.PolicyForgetParams) -> Done:
        await self._backend.forget(request.names)
        return Done()

    async def _set_mode(self, request: params.ModeSetParams) -> Done:
        await self._backend.set_mode(
            request.mode, session_id=request.session_id, changed_by=self._name()
        )
        return Done()

    async def _list_models(self, request: params.ModelListParams) -> params.ModelList:
        folder = (to_path(request.cwd) or request.cwd) if request.cwd else None
        cwd = Path(folder or self._connection.folder_of(None) or current_folder())
        models = await self._backend.list_models(cwd)
        return params.ModelList(models=tuple(params.model_of(model) for model in models))

    # What goes on -------------------------------------------------------------------------------

    async def _open_transcript(self, request: OptionalSessionParams) -> params.TranscriptOpened:
        session_id = request.session_id or await self._latest()
        await snapshot_of(self._backend, session_id)
        live = self._backend.is_open(session_id)
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

    async def _status(self, request: params.StatusParams) -> params.StatusResult:
        wanted = [request.session_id] if request.session_id else self._backend.live_sessions()
        snapshots = [await snapshot_of(self._backend, session_id) for session_id in wanted]
        if request.cwd is not None:
            folder = str(await anyio.to_thread.run_sync(folder_named(request.cwd).resolve))
            snapshots = [snapshot for snapshot in snapshots if snapshot.cwd == folder]
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
            {"code": InvalidRequest.code, "advice": _ADVICE},
        ) from error


def _problem(place: tuple[int | str, ...], said: str) -> str:
    for theirs, ours in _PLAINLY.items():
        said = said.replace(theirs, ours)
    return f"{one_line('.'.join(map(str, place)), 100) or 'The argument'} {said}"


def response(error: AutopilotError) -> JsonRpcException:
    """Return an error of ours as the response to a request."""
    code = INVALID_PARAMS if isinstance(error, InvalidRequest) else REQUEST_FAILED
    return JsonRpcException(str(error), code, {"code": error.code, "advice": error.advice})
