"""The supervisor: who watches, and the one way in for every client.

Owns the attached views, routes commands to sessions, and keeps the rest of the program from touching
their state. Not aware of LSP, terminals or agents' wires, nor of how a session is opened and closed:
`lsp` and `cli` stand above, `sessions` and `session` below.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from autopilot_ls.edits.unsaved import dirty_documents
from autopilot_ls.model.approvals import (
    Approval,
    CommandAction,
    Decision,
    DecisionKind,
    Mark,
    Mode,
    Verdict,
)
from autopilot_ls.model.errors import (
    ApprovalNotFound,
    InvalidRequest,
    TraceFull,
)
from autopilot_ls.model.events import GrantRevoked, Notice
from autopilot_ls.model.snapshots import SessionSnapshot
from autopilot_ls.model.text import one_line
from autopilot_ls.policy.language import PolicyProblem
from autopilot_ls.policy.remember import Remembered
from autopilot_ls.policy.verdicts import PartVerdict
from autopilot_ls.runtimes.base import (
    AccountInfo,
    AgentRuntime,
    ModelInfo,
    OpenOptions,
    RuntimeFactory,
    RuntimeSink,
)
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.accounts import Accounts
from autopilot_ls.supervisor.attachments import images_of, look_at
from autopilot_ls.supervisor.caller import CALLER, current_folder, environment
from autopilot_ls.supervisor.composition import (
    default_factories,
    make_reviews,
    transient_runtime,
)
from autopilot_ls.supervisor.following import follow
from autopilot_ls.supervisor.messages import MessageDesk
from autopilot_ls.supervisor.notifier import Notifier
from autopilot_ls.supervisor.prompt import compose, require_text, review_title
from autopilot_ls.supervisor.remembering import within_limit
from autopilot_ls.supervisor.requests import StartedTurn, StartReview, StartTurn
from autopilot_ls.supervisor.review.desk import ReviewDesk
from autopilot_ls.supervisor.session import Session
from autopilot_ls.supervisor.sessions import Sessions
from autopilot_ls.supervisor.shelf import Shelf
from autopilot_ls.supervisor.tasks import IsolatedTasks, Tasks
from autopilot_ls.supervisor.views import ClientView, OpenDocument, tell_all
from autopilot_ls.trace.redaction import Redactor
from autopilot_ls.trace.store import TraceLimits, TraceStore
from autopilot_ls.trace.summary import SessionSummary

_LOG: Final = logging.getLogger(__name__)


class Attachment:
    """A view's tie to the supervisor; `detach` cuts it, and the sessions go on."""

    def __init__(self, views: list[ClientView], view: ClientView) -> None:
        self._views = views
        self._view = view

    def detach(self) -> None:
        """End it; may be called more than once."""
        if self._view in self._views:
            self._views.remove(self._view)


class Supervisor:
    """See the module's docstring; made by `open_supervisor`."""

    def __init__(
        self, settings: Settings, factories: Mapping[str, RuntimeFactory], tasks: Tasks
    ) -> None:
        self.settings = settings
        self.store = TraceStore(
            settings.state_folder, limits=TraceLimits.from_settings(settings.trace)
        )
        self._views: list[ClientView] = []
        reviews = make_reviews(settings, tasks, self._review_changed)
        self._reviews = reviews
        self._sessions = Sessions(
            settings, self.store, factories, self._attached, tasks, reviews=reviews
        )
        self.review = ReviewDesk(
            reviews, self._open_documents, self._tell_written, self._sessions.tell_agents
        )
        self.shelf = Shelf(self._sessions, lambda runtime: self._agent_apart(runtime=runtime))
        self.messages = MessageDesk(self._sessions, self.shelf)
        self.accounts = Accounts(
            lambda sink: self._agent_apart(sink=sink), self._account_changed, tasks
        )
        self._mode = settings.mode
        self._notifier = Notifier(
            settings.notify,
            self.snapshot,
            self._tell,
            redact=Redactor(settings.trace.redact).redact,
            environment=environment(),
            tasks=tasks,
        )
        if settings.notify.command:
            self.attach(self._notifier)

    # Views --------------------------------------------------------------------------------------

    def attach(self, view: ClientView) -> Attachment:
        """Tell this view what happens from now on, until it detaches."""
        self._views.append(view)
        return Attachment(self._views, view)

    def _attached(self) -> Iterable[ClientView]:
        return tuple(self._views)

    def _open_documents(self) -> list[OpenDocument]:
        return [document for view in self._attached() for document in view.open_documents()]

    def _review_changed(self, workspace: Path) -> None:
        tell_all(self._attached(), lambda view: view.review_changed(workspace))

    def _tell_written(self, paths: Sequence[Path]) -> None:
        tell_all(self._attached(), lambda view: view.files_written(paths))

    def dirty_documents(self, cwd: Path) -> list[Path]:
        """Return the files under a folder that some client has open with unsaved changes."""
        return dirty_documents(self._open_documents(), cwd)

    # Sessions -----------------------------------------------------------------------------------

    @property
    def mode(self) -> Mode:
        """The mode of new sessions of whoever asks."""
        caller = CALLER.get()
        return (caller and caller.mode) or self._mode

    def live_sessions(self) -> tuple[str, ...]:
        """Return the ids of the sessions that are open in this process, oldest first."""
        return tuple(session.record.session_id for session in self._sessions)

    def is_open(self, session_id: str) -> bool:
        """Tell whether a session is open in this process."""
        return self._sessions.get(session_id) is not None

    @property
    def is_working(self) -> bool:
        """Whether a turn runs in a session, something waits there, or something that it started runs."""
        return any(session.is_working for session in self._sessions)

    def sessions(self) -> list[SessionSummary]:
        """Return all sessions there are, newest first."""
        return self.store.list()

    def snapshot(self, session_id: str) -> SessionSnapshot:
        """Return a session's present state, or the last recorded one when it is not open here.

        Raises:
            SessionNotFound: There is none of this id.
            TraceUnreadable: Its record is damaged.
        """
        live = self._sessions.get(session_id)
        return live.record.snapshot() if live else self._sessions.replay(session_id).snapshot()

    async def start_turn(self, request: StartTurn, by: str) -> StartedTurn:
        """Give an agent work, in a new session or in a given one, which is opened if need be.

        Args:
            request: What to do and where.
            by: Who asks, for the record.

        Raises:
            InvalidRequest: The request makes no sense; nothing was started.
            SessionNotFound: There is no such session.
            SessionBusy: It is working already, or another process has it open.
            AgentError: The agent cannot be had or refuses.
        """
        require_text(request.text)
        attachments = await anyio.to_thread.run_sync(look_at, request.attachments)
        mode = None
        if request.session_id is None:
            title = one_line(request.text.strip().split("\n", 1)[0], 80)
            cwd = Path(request.cwd or current_folder())
            session = self._sessions.create(cwd, request.mode or self.mode, title)
            fresh = True
        else:
            session, fresh = await self._sessions.open(request.session_id)
            mode = None if request.mode is None else (request.mode, by)
        cwd = Path(session.record.state.cwd)
        text = compose(request.text, request.references, attachments, cwd)
        images = images_of(attachments)
        session.runaway.person_decided()
        async with self._sessions.released_on_failure(session, fresh=fresh):
            await self.shelf.take_out(session)
            turn_id = await session.start_turn(
                text, request.model, request.effort, mode, images=images
            )
        return StartedTurn(session_id=session.record.session_id, turn_id=turn_id)

    async def resume(self, session_id: str) -> SessionSnapshot:
        """Open a recorded session again and bring its agent up; what a crash left open is closed.

        Raises:
            SessionNotFound: There is none of this id.
            SessionBusy: Another process has it open.
            AgentError: The agent cannot be had.
        """
        session, fresh = await self._sessions.open(session_id)
        async with self._sessions.released_on_failure(session, fresh=fresh):
            await self.shelf.take_out(session)
            await session.ensure_agent()
        return session.record.snapshot()

    async def steer(self, session_id: str, text: str, attachments: Sequence[str] = ()) -> None:
        """Say something into a running turn; see `Session.steer`."""
        session = self._sessions[session_id]
        looked = await anyio.to_thread.run_sync(look_at, attachments)
        prompt = compose(text, (), looked, Path(session.record.state.cwd))
        await session.steer(prompt, images_of(looked))
        session.runaway.person_decided()

    async def start_review(self, request: StartReview, by: str) -> StartedTurn:
        """Have the agent's reviewer look at changes, in a new session or in a given one.

        Args:
            request: What to look at and where.
            by: Who asks, for the record.

        Raises:
            InvalidRequest: The request makes no sense; nothing was started.
            SessionNotFound: There is no such session.
            SessionBusy: It is working already, or another process has it open.
            AgentError: The agent cannot be had or refuses.
        """
        del by  # A turn's record does not say who began it.
        if request.session_id is None:
            cwd = Path(request.cwd or current_folder())
            title = f"Review of {review_title(request.target)}"
            session, fresh = self._sessions.create(cwd, self.mode, title), True
        else:
            session, fresh = await self._sessions.open(request.session_id)
        session.runaway.person_decided()
        async with self._sessions.released_on_failure(session, fresh=fresh):
            await self.shelf.take_out(session)
            turn_id = await session.start_review(request.target)
        return StartedTurn(session_id=session.record.session_id, turn_id=turn_id)

    async def dismiss_findings(self, session_id: str, finding_ids: Sequence[str]) -> None:
        """Show findings of a session's last review no longer; see `Session.dismiss`."""
        async with self._sessions.borrowed(session_id) as session:
            session.dismiss(finding_ids)

    async def interrupt(self, session_id: str, by: str) -> None:
        """Stop a running turn; returns when it has ended. See `Session.interrupt`."""
        await self._sessions[session_id].interrupt(by)

    async def wait_turn_ended(self, session_id: str) -> None:
        """Wait until the session's present turn has ended."""
        await self._sessions[session_id].wait_turn_ended()

    async def close_session(self, session_id: str) -> None:
        """End a session's agent and release its record; its history stays."""
        await self._sessions.close(session_id)

    async def delete_session(self, session_id: str) -> None:
        """Delete a session's record for good.

        Raises:
            SessionBusy: It is open, here or elsewhere.
        """
        await self._sessions.delete(session_id)

    async def set_mode(self, mode: Mode, *, session_id: str | None, changed_by: str) -> None:
        """Change the mode of a session, or of all new sessions when none is named."""
        if session_id is not None:
            await self._sessions[session_id].set_mode(mode, changed_by)
        elif (caller := CALLER.get()) is not None:
            caller.mode = mode
        else:
            self._mode = mode

    def revoke_grant(self, session_id: str, grant_id: str) -> None:
        """Take a "for this session" grant back."""
        session = self._sessions[session_id]
        if grant_id not in session.record.state.grants:
            raise InvalidRequest(f"Session {session_id} has no grant {grant_id}.")
        session.record.tell(GrantRevoked(grant_id=grant_id))

    # The policy ---------------------------------------------------------------------------------

    def policy_problems(self, workspace: Path) -> Mapping[str, tuple[PolicyProblem, ...]]:
        """Return what is wrong with each policy file that holds in a folder; good ones have nothing.

        From then on the views are told (`policy_changed`) when one of these files changes.

        Args:
            workspace: Absolute folder; it need not have a session.
        """
        return self._sessions.policies.problems(workspace)

    def explain(
        self, command: str, *, mode: Mode, workspace: Path
    ) -> tuple[Verdict, tuple[PartVerdict, ...]]:
        """Judge a command line that nobody wants to run: the verdict, and what each part gets.

        Args:
            command: The command line.
            mode: The mode to judge in.
            workspace: Absolute folder that it would run in and whose policy counts.
        """
        policy = self._sessions.policies.of(workspace)
        action = CommandAction(command=command, cwd=str(workspace))
        path = environment().get("PATH")
        return (
            policy.judge(action, mode=mode, workspace=workspace, search_path=path),
            policy.explain(action, mode=mode, workspace=workspace, search_path=path),
        )

    def _policy_changed(self, workspaces: Iterable[Path]) -> None:
        changed = frozenset(workspaces)
        concerned = [s for s in self._sessions if Path(s.record.state.cwd) in changed]
        concerned.reverse()
        # What is wrong is told once for all: where something goes on, and last begun, if anywhere.
        for session in sorted(concerned, key=lambda session: session.is_idle):
            session.broker.tell_problems()
        for session in concerned:
            session.broker.judge_again()
        tell_all(self._attached(), lambda view: view.policy_changed())

    def _look_at_policies(self) -> None:
        """Apply what we have just changed ourselves, without waiting until it is noticed."""
        changed = self._sessions.policies.changes()
        if changed:
            self._policy_changed(changed)

    async def remembered(self) -> tuple[Remembered, ...]:
        """Return the remembered rules, in the order they were made.

        Raises:
            PolicyNotWritten: Their file cannot be read.
        """
        memory = self._sessions.policies.memory
        return await within_limit(memory, lambda _: memory.all())

    async def forget(self, names: Sequence[str]) -> None:
        """Forget remembered rules; what they allowed asks again at once.

        Raises:
            InvalidRequest: There is none of such a name; nothing was forgotten.
            PolicyNotWritten: Their file could not be changed.
        """
        memory = self._sessions.policies.memory
        await within_limit(memory, lambda still: memory.forget(names, still))
        self._look_at_policies()

    async def follow_policies(self) -> None:
        """Apply changes of the policy's files as they are saved; runs until it is cancelled."""
        await follow(self._sessions.policies, self._policy_changed)

    # Approvals ----------------------------------------------------------------------------------

    def approvals(self, session_id: str | None = None) -> tuple[Approval, ...]:
        """Return what waits for a decision, oldest first, in one session or in all open ones."""
        asked = self._sessions if session_id is None else (self._sessions[session_id],)
        found = [approval for session in asked for approval in session.record.snapshot().pending]
        return tuple(sorted(found, key=lambda approval: approval.requested_at))

    def approval(self, approval_id: str) -> Approval:
        """Return an approval that waits.

        Raises:
            ApprovalNotFound: None of this id waits.
        """
        for approval in self.approvals():
            if approval.id == approval_id:
                return approval
        raise ApprovalNotFound(
            f"No approval {approval_id} is waiting.",
            advice="List the waiting ones with autopilot.approval.list.",
        )

    async def decide(
        self,
        approval_id: str,
        kind: DecisionKind,
        *,
        decided_by: str,
        message: str = "",
        answers: Mapping[str, Iterable[str]] | None = None,
        content: str | None = None,
        hunks: Iterable[str] | None = None,
        reasons: Mapping[str, str] | None = None,
        in_editor: bool = False,
        remember: str | None = None,
        merge: bool = False,
    ) -> Decision:
        """Give the one decision on an approval; see `Broker.decide` for what it raises."""
        decision = Decision(
            kind=kind,
            decided_by=decided_by,
            message=message,
            answers={key: tuple(value) for key, value in (answers or {}).items()},
            content=content,
            hunks=None if hunks is None else tuple(hunks),
            reasons=dict(reasons or {}),
            in_editor=in_editor,
        )
        broker = self._session_of(approval_id).broker
        given = await broker.decide(approval_id, decision, remember=remember, merge=merge)
        if given.remembered:
            self._look_at_policies()
        return given

    async def to_save(self, approval_id: str, hunks: Iterable[str] | None) -> tuple[str, ...]:
        """Return the paths of the files to be saved before hunks are accepted; see `Broker.to_save`."""
        return await self._session_of(approval_id).broker.to_save(approval_id, hunks)

    async def mark(
        self,
        approval_id: str,
        hunks: Iterable[str],
        mark: Mark | None,
        *,
        marked_by: str,
        message: str = "",
        merge: bool = False,
    ) -> Decision | None:
        """Choose for single hunks of a patch that waits; see `Broker.mark`."""
        broker = self._session_of(approval_id).broker
        return await broker.mark(
            approval_id, hunks, mark, by=marked_by, message=message, merge=merge
        )

    def _session_of(self, approval_id: str) -> Session:
        for session in self._sessions:
            state = session.record.state
            if approval_id in state.pending or state.resolved(approval_id) is not None:
                return session
        raise ApprovalNotFound(
            f"There is no approval {approval_id}.",
            advice="List the waiting ones with autopilot.approval.list.",
        )

    # The agent ----------------------------------------------------------------------------------

    def _agent_apart(
        self, cwd: Path | None = None, *, sink: RuntimeSink | None = None, runtime: str = ""
    ) -> AbstractAsyncContextManager[AgentRuntime]:
        """Start an agent that serves no session."""
        folder = self.settings.state_folder
        if cwd is None:
            # Nothing may have been recorded yet.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = OpenOptions(cwd or folder, folder, environment())
        return transient_runtime(
            self._sessions.factory(runtime or self.settings.runtime), options, sink
        )

    async def _account_changed(self, account: AccountInfo, login_id: str, error: str) -> None:
        tell_all(self._attached(), lambda view: view.account_changed(account, login_id, error))
        if not error:
            # An agent that runs goes on with the login it has read; the next turn starts it anew.
            for session in self._sessions:
                await session.rest()

    async def list_models(self, cwd: Path) -> tuple[ModelInfo, ...]:
        """Return the models the configured agent offers; starts one for the question only."""
        async with self._agent_apart(cwd) as runtime:
            return await runtime.list_models()

    async def account(self, cwd: Path) -> AccountInfo:
        """Return the configured agent's login state; starts one for the question only."""
        async with self._agent_apart(cwd) as runtime:
            return await runtime.account()

    async def tidy(self) -> None:
        """Load the policy, and delete what is recorded beyond the limits of age and size."""
        chores: list[Callable[[], object]] = [self._sessions.policies.warm_up, self.store.prune]
        if self._reviews is not None:
            chores.append(self._reviews.prune)
        for chore in chores:
            try:
                await anyio.to_thread.run_sync(chore, abandon_on_cancel=True)
            except Exception as error:  # noqa: BLE001 reason: it is met again when it is needed, or at the next start
                _LOG.warning("Not tidied up: %r.", error)

    async def shut_down(self) -> None:
        """End all sessions in an orderly way: what waits is cancelled, processes are ended."""
        await self._sessions.shut_down()
        await self._notifier.finish()
        if self._reviews is not None:
            await self._reviews.shut_down()

    def _tell(self, session_id: str, notice: Notice) -> None:
        session = self._sessions.get(session_id)
        if session is not None and not session.is_closed:
            # Without a session it can be told in, nobody waits for it either.
            with contextlib.suppress(TraceFull):
                session.record.tell(notice)


@asynccontextmanager
async def open_supervisor(
    settings: Settings, *, factories: Mapping[str, RuntimeFactory] | None = None
) -> AsyncGenerator[Supervisor]:
    """Run a supervisor; leaving the context ends all its sessions and their agents.

    Args:
        settings: The checked settings.
        factories: The runtimes by name; those of this package when omitted.
    """
    async with anyio.create_task_group() as group:
        tasks = IsolatedTasks(group)
        supervisor = Supervisor(settings, factories or default_factories(settings), tasks)
        tasks.start_soon(supervisor.tidy)
        tasks.start_soon(supervisor.follow_policies)
        try:
            yield supervisor
        finally:
            await supervisor.shut_down()
            group.cancel_scope.cancel()
