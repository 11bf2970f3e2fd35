"""The models of the commands about sessions, and what is shown of one.

Values only; `methods` says which belongs to what. Not aware of who sends them. Not imported before
`initialize` is answered.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from autopilot_ls.lsp.shared_params import Name
from autopilot_ls.model.approvals import Approval, Grant, Mode
from autopilot_ls.model.base import Frozen
from autopilot_ls.model.findings import Finding
from autopilot_ls.model.items import PlanStep
from autopilot_ls.model.queue import WaitingMessage
from autopilot_ls.model.snapshots import SessionSnapshot, TurnSnapshot
from autopilot_ls.trace.summary import SessionSummary


class SessionListParams(Frozen):
    """Which sessions to list.

    Attributes:
        archived: List those that were archived instead of the others.
        cwd: Only those of this folder, as an absolute path or a `file:` URI.
    """

    archived: bool = False
    cwd: Name | None = None


class SessionList(Frozen):
    """All sessions, newest first."""

    sessions: tuple[SessionSummary, ...]


class TurnShown(Frozen):
    """A turn in short; times are seconds since the epoch."""

    turn_id: str
    status: str
    started_at: float
    completed_at: float | None
    error: str
    error_code: str
    plan: tuple[PlanStep, ...]
    tokens: int
    waited: float


class SessionShown(Frozen):
    """One session; `transcript` is its story so far as markdown."""

    session_id: str
    title: str
    cwd: str
    runtime: str
    model: str
    mode: Mode
    alive: bool
    thread_id: str | None
    turns: tuple[TurnShown, ...]
    pending: tuple[Approval, ...]
    grants: tuple[Grant, ...]
    queue: tuple[WaitingMessage, ...] = ()
    findings: tuple[Finding, ...] = ()
    archived: bool = False
    forked_from: str = ""
    transcript: str


class SessionResumed(Frozen):
    """The session is open again."""

    session_id: str
    thread_id: str | None
    alive: bool


class SessionForkParams(Frozen):
    """Names a session to go on from in a new one.

    Attributes:
        turn_id: The last turn that the new session knows of, by the agent's own id; all when omitted.
    """

    session_id: Name
    turn_id: Name | None = None


class SessionForked(Frozen):
    """The new session."""

    session_id: str


class SessionArchiveParams(Frozen):
    """Put a session away, or with `archived: false` back among the others."""

    session_id: Name
    archived: bool = True


class SessionRenameParams(Frozen):
    """Give a session another title."""

    session_id: Name
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]


def session_shown(snapshot: SessionSnapshot, transcript: str) -> SessionShown:
    """Return a session's state as it is shown."""
    return SessionShown(
        session_id=snapshot.session_id,
        title=snapshot.title,
        cwd=snapshot.cwd,
        runtime=snapshot.runtime,
        model=snapshot.model,
        mode=snapshot.mode,
        alive=snapshot.alive,
        thread_id=snapshot.thread_id,
        turns=tuple(_turn_shown(turn) for turn in snapshot.turns if turn.id),
        pending=snapshot.pending,
        grants=snapshot.grants,
        queue=snapshot.queue,
        findings=snapshot.findings,
        archived=snapshot.archived,
        forked_from=snapshot.forked_from,
        transcript=transcript,
    )


def _turn_shown(turn: TurnSnapshot) -> TurnShown:
    return TurnShown(
        turn_id=turn.id,
        status=turn.status.value,
        started_at=turn.started_at,
        completed_at=turn.completed_at,
        error=turn.error,
        error_code=turn.error_code,
        plan=turn.plan,
        tokens=turn.tokens.total_tokens - turn.tokens_before.total_tokens,
        waited=turn.waited,
    )
