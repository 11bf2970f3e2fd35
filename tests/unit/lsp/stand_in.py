"""A supervisor that does what a test says, and editors on it that exist in memory only."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
from lsprotocol import types
from pygls.protocol import default_converter

from autopilot_ls.lsp.configuration import Configuration
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.features.messages import Messages
from autopilot_ls.lsp.framing import MessageSplitter, frame
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.lsp.view import EditorView
from autopilot_ls.model.approvals import (
    Action,
    Approval,
    ChangeKind,
    CommandAction,
    Decision,
    DecisionKind,
    FileChange,
    Hunk,
    Mark,
    Mode,
    Outcome,
    PatchAction,
    ProposedChange,
    Verdict,
)
from autopilot_ls.model.errors import ApprovalAlreadyResolved, ApprovalNotFound
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    Body,
    Event,
    HunksMarked,
    SessionCreated,
    TurnStarted,
)
from autopilot_ls.model.review import marked
from autopilot_ls.model.snapshots import SessionSnapshot
from autopilot_ls.model.state import SessionState
from autopilot_ls.policy.language import PolicyProblem
from autopilot_ls.policy.policy import builtin_policy
from autopilot_ls.policy.remember import Remembered
from autopilot_ls.policy.verdicts import PartVerdict
from autopilot_ls.runtimes.base import ModelInfo
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.accounts import Accounts
from autopilot_ls.supervisor.messages import MessageDesk
from autopilot_ls.supervisor.requests import StartedTurn, StartReview, StartTurn
from autopilot_ls.supervisor.review.desk import ReviewDesk
from autopilot_ls.supervisor.shelf import Shelf
from autopilot_ls.trace.summary import SessionSummary
from tests.protocol.client import FULL
from tests.support.own_policy import no_rules

SESSION = "20260101-000000-abcdef"


def verdict(outcome: Outcome = Outcome.ASK) -> Verdict:
    return Verdict(outcome=outcome, rule="edits-ask", source="mode", reason="Edits ask.")


def hunk(old_start: int, old: Sequence[str], new: Sequence[str], number: int = 1) -> Hunk:
    return Hunk(
        id=f"h{number}",
        old_start=old_start,
        old_lines=tuple(old),
        new_start=old_start,
        new_lines=tuple(new),
    )


def approval_of(
    action: Action, *files: FileChange, number: int = 1, outcome: Outcome = Outcome.ASK
) -> Approval:
    return Approval(
        id=f"apr-{number}",
        session_id=SESSION,
        native_key=str(number),
        action=action,
        files=files,
        verdict=verdict(outcome),
        requested_at=0.0,
    )


def patch_of(
    path: Path,
    *hunks: Hunk,
    number: int = 1,
    kind: ChangeKind = ChangeKind.UPDATE,
    problem: str = "",
    outcome: Outcome = Outcome.ASK,
) -> Approval:
    change = ProposedChange(path=str(path), kind=kind, form="unified", text="")
    file = FileChange(path=str(path), kind=kind, hunks=hunks, problem=problem)
    return approval_of(PatchAction(changes=(change,)), file, number=number, outcome=outcome)


class StandIn:
    """A `Backend` with one session, whose events the test makes."""

    def __init__(self, settings: Settings, cwd: Path) -> None:
        self.settings = settings
        self.state = SessionState(SESSION)
        self.merging: list[bool] = []
        self.views: list[EditorView] = []
        self.started: list[StartTurn] = []
        self.dirty: list[Path] = []
        self.dismissed: list[tuple[str, tuple[str, ...]]] = []
        # Nothing here needs them; who does drives a real supervisor.
        self.messages = cast("MessageDesk", None)
        self.shelf = cast("Shelf", None)
        self.accounts = cast("Accounts", None)
        self.review = ReviewDesk(None, list, lambda _: None, lambda *_: None)
        self.problems: dict[str, tuple[PolicyProblem, ...]] = {}
        self.emit(SessionCreated(cwd=str(cwd), runtime="codex", mode=Mode.PROPOSE, title="T"))

    def emit(self, *bodies: Body) -> None:
        events = [
            Event(
                seq=self.state.seq + number,
                time=1.0,
                session_id=SESSION,
                thread_id="thread",
                turn_id=self.state.active_turn_id or "turn",
                body=body,
            )
            for number, body in enumerate(bodies, start=1)
        ]
        for event in events:
            self.state.apply(event)
        for view in self.views:
            view.events_applied(SESSION, events)

    def ask(self, approval: Approval) -> None:
        if self.state.active_turn_id is None:
            self.emit(TurnStarted())
        self.emit(ApprovalRequested(approval=approval))

    @property
    def mode(self) -> Mode:
        return self.settings.mode

    def live_sessions(self) -> tuple[str, ...]:
        return (SESSION,)

    def is_open(self, session_id: str) -> bool:
        return session_id == SESSION

    def sessions(self) -> list[SessionSummary]:
        return []

    def snapshot(self, session_id: str) -> SessionSnapshot:
        assert session_id == SESSION
        return self.state.snapshot()

    def approvals(self, session_id: str | None = None) -> tuple[Approval, ...]:
        del session_id
        return tuple(self.state.pending.values())

    def approval(self, approval_id: str) -> Approval:
        if approval_id not in self.state.pending:
            raise ApprovalNotFound("no")
        return self.state.pending[approval_id]

    def dirty_documents(self, cwd: Path) -> list[Path]:
        del cwd
        return self.dirty

    async def start_turn(self, request: StartTurn, by: str) -> StartedTurn:
        del by
        self.started.append(request)
        return StartedTurn(session_id=SESSION, turn_id="turn")

    async def steer(self, session_id: str, text: str, attachments: Sequence[str] = ()) -> None:
        raise NotImplementedError

    async def start_review(self, request: StartReview, by: str) -> StartedTurn:
        raise NotImplementedError

    async def dismiss_findings(self, session_id: str, finding_ids: Sequence[str]) -> None:
        self.dismissed.append((session_id, tuple(finding_ids)))

    async def interrupt(self, session_id: str, by: str) -> None:
        raise NotImplementedError

    async def resume(self, session_id: str) -> SessionSnapshot:
        return self.snapshot(session_id)

    async def close_session(self, session_id: str) -> None:
        raise NotImplementedError

    async def delete_session(self, session_id: str) -> None:
        raise NotImplementedError

    async def set_mode(self, mode: Mode, *, session_id: str | None, changed_by: str) -> None:
        raise NotImplementedError

    def revoke_grant(self, session_id: str, grant_id: str) -> None:
        raise NotImplementedError

    def explain(
        self, command: str, *, mode: Mode, workspace: Path
    ) -> tuple[Verdict, tuple[PartVerdict, ...]]:
        action = CommandAction(command=command, cwd=str(workspace))
        policy = builtin_policy()
        return (
            policy.judge(action, mode=mode, workspace=workspace),
            policy.explain(action, mode=mode, workspace=workspace),
        )

    def policy_problems(self, workspace: Path) -> Mapping[str, tuple[PolicyProblem, ...]]:
        del workspace
        return self.problems

    async def remembered(self) -> tuple[Remembered, ...]:
        return ()

    async def forget(self, names: Sequence[str]) -> None:
        raise NotImplementedError

    async def list_models(self, cwd: Path) -> tuple[ModelInfo, ...]:
        raise NotImplementedError

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
        self.merging.append(merge)
        if approval_id not in self.state.pending:
            raise ApprovalAlreadyResolved(f"{approval_id} has its decision.")
        decision = Decision(
            kind=kind,
            decided_by=decided_by,
            message=message,
            answers={key: tuple(value) for key, value in (answers or {}).items()},
            content=content,
            hunks=None if hunks is None else tuple(hunks),
            reasons=dict(reasons or {}),
            in_editor=in_editor,
            remembered=remember or "",
        )
        self.emit(ApprovalResolved(approval_id=approval_id, decision=decision, waited=1.0))
        return decision

    async def to_save(self, approval_id: str, hunks: Iterable[str] | None) -> tuple[str, ...]:
        del approval_id, hunks
        return tuple(map(str, self.dirty))

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
        self.merging.append(merge)
        approval = self.approval(approval_id)
        marks = marked(approval, hunks, mark, message, marked_by)
        self.emit(HunksMarked(approval_id=approval_id, marks=marks))
        return None


class Editor:
    """An editor in memory: what it was sent, and what it may say."""

    def __init__(self, root: Path, name: str, capabilities: Any) -> None:
        self.connection = Connection()
        self.connection.open(self)
        self.messages: list[dict[str, Any]] = []
        self.congested = False
        self.view: EditorView
        self._splitter = MessageSplitter()
        params = {
            "processId": None,
            "rootUri": root.as_uri(),
            "clientInfo": {"name": name, "version": "1"},
            "capabilities": capabilities,
        }
        self.connection.initialize(default_converter().structure(params, types.InitializeParams))

    def write(self, data: bytes) -> None:
        self.messages += [
            json.loads(body) for body in self._splitter.feed(data) if isinstance(body, bytes)
        ]

    async def close(self, grace: float) -> None:
        del grace

    def say(self, method: str, params: Any) -> None:
        protocol = self.connection.server.protocol
        protocol._initialized = True
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params})
        protocol.received(frame(body.encode()))

    def open(self, path: Path, text: str, version: int = 1) -> None:
        item = {"uri": path.as_uri(), "languageId": "", "version": version, "text": text}
        self.say("textDocument/didOpen", {"textDocument": item})

    def sent(self, method: str) -> list[Any]:
        return [m["params"] for m in self.messages if m.get("method") == method]

    def diagnostics(self) -> dict[str, list[Any]]:
        """What each file shows now."""
        shown: dict[str, list[Any]] = {}
        for params in self.sent("textDocument/publishDiagnostics"):
            shown[params["uri"]] = params["diagnostics"]
        return {uri: found for uri, found in shown.items() if found}

    async def titles(
        self, path: Path, line: int = 0, end: tuple[int, int] | None = None
    ) -> list[str]:
        last = types.Position(*end) if end else types.Position(line, 0)
        params = types.CodeActionParams(
            types.TextDocumentIdentifier(path.as_uri()),
            types.Range(types.Position(line, 0), last),
            types.CodeActionContext([]),
        )
        found = await self.connection.code_actions(params)
        return [action.title.removeprefix("Autopilot: ") for action in found]


class Place:
    """A stand-in with editors on it."""

    def __init__(self, root: Path, tasks: anyio.abc.TaskGroup) -> None:
        self.root = root
        self.backend = StandIn(
            Settings(
                state_dir=root / "state", policy_file=no_rules(root / "config" / "policy.toml")
            ),
            root,
        )
        self._jobs = Jobs(tasks)

    def editor(self, name: str = "test", capabilities: Any = FULL) -> Editor:
        editor = Editor(self.root, name, capabilities)
        messages = Messages(editor.connection)
        editor.view = EditorView(
            editor.connection,
            self.backend,
            self._jobs,
            messages,
            Configuration(editor.connection, messages),
        )
        self.backend.views.append(editor.view)
        editor.view.begin()
        editor.connection.ready(editor.view)
        return editor


@asynccontextmanager
async def standing_in(root: Path) -> AsyncGenerator[Place]:
    async with anyio.create_task_group() as tasks:
        place = Place(root, tasks)
        yield place
        for view in place.backend.views:
            view.close()
        tasks.cancel_scope.cancel()
