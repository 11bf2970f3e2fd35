"""The one tree of errors.

Every error that can reach a person is an `AutopilotError`: it has a stable `code` (documented in the
README, safe to match on), a message that says what happened and to what, and an `advice` that says
what to do. Nothing here knows who raises or shows an error; every layer above may raise these.
"""

from __future__ import annotations

from typing import ClassVar


class AutopilotError(Exception):
    """Base of the tree.

    Attributes:
        code: Stable identifier, kebab case.
        advice: What the person can do about it; empty when there is nothing to do.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class InvalidRequest(AutopilotError):
    """A command or call whose arguments are wrong; nothing was done."""

    code = "invalid-request"


class InvalidSettings(AutopilotError):
    """A setting has an unknown name or a wrong value; the message names its path."""

    code = "invalid-settings"


class AgentError(AutopilotError):
    """Base of everything that goes wrong with an agent process."""

    code = "agent-error"


class AgentNotFound(AgentError):
    """The agent's program does not exist or cannot be executed."""

    code = "agent-not-found"


class AgentStartFailed(AgentError):
    """The agent's program started but ended, or refused, before it was usable."""

    code = "agent-start-failed"


class AgentTooOld(AgentError):
    """The agent's version lacks something that Autopilot cannot do without."""

    code = "agent-too-old"


class AgentDied(AgentError):
    """The agent's process ended while something was expected of it."""

    code = "agent-died"


class AgentNotSafe(AgentError):
    """The agent's own configuration lets actions pass unjudged and cannot be neutralised."""

    code = "agent-not-safe"


class NotLoggedIn(AgentError):
    """The agent has no account, or its login expired."""

    code = "not-logged-in"


class WireError(AgentError):
    """Base of what goes wrong on the wire to an agent."""

    code = "wire-error"


class LineTooLong(WireError):
    """A line exceeded the limit in bytes; the connection cannot be trusted any more."""

    code = "line-too-long"


class RequestTimeout(WireError):
    """The agent did not reply within the limit; whether it acted is unknown."""

    code = "request-timeout"


class RpcError(WireError):
    """The agent replied with a JSON-RPC error.

    Attributes:
        rpc_code: The JSON-RPC error code.
        data: The `data` member as JSON text, empty when there was none.
    """

    code = "rpc-error"

    def __init__(self, message: str, *, rpc_code: int, data: str = "", advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.rpc_code = rpc_code
        self.data = data


class SessionError(AutopilotError):
    """Base of errors about one session."""

    code = "session-error"


class SessionNotFound(SessionError):
    """No session has this id."""

    code = "session-not-found"


class SessionBusy(SessionError):
    """The session is in use: a turn runs, or another process owns it."""

    code = "session-busy"


class NoActiveTurn(SessionError):
    """The command needs a running turn and there is none."""

    code = "no-active-turn"


class UnsavedDocuments(SessionError):
    """A task was not started, because the agent would not see unsaved changes; it is remembered."""

    code = "unsaved-documents"


class ApprovalError(AutopilotError):
    """Base of errors about one approval."""

    code = "approval-error"


class ApprovalNotFound(ApprovalError):
    """No approval has this id."""

    code = "approval-not-found"


class ApprovalAlreadyResolved(ApprovalError):
    """The approval already has its one decision; the message says whose and which."""

    code = "approval-already-resolved"


class DecisionRefused(ApprovalError):
    """The decision was not sent, because carrying it out would lose something of the user's."""

    code = "decision-refused"


class PatchInvalid(AutopilotError):
    """A proposed change cannot be understood or does not fit the text it is meant for."""

    code = "patch-invalid"


class PolicyInvalid(AutopilotError):
    """A policy file has a problem; its last good rules stay, and nothing is widened."""

    code = "policy-invalid"


class PolicyNotWritten(AutopilotError):
    """A rule could not be remembered or forgotten; the file is as it was, and what waited waits."""

    code = "policy-not-written"


class TraceError(AutopilotError):
    """Base of errors about the record on disk."""

    code = "trace-error"


class TraceFull(TraceError):
    """The record cannot be written (disk full, limit reached): decline and stop."""

    code = "trace-full"


class TraceUnreadable(TraceError):
    """A recorded session cannot be read back."""

    code = "trace-unreadable"


class BaselineUnavailable(AutopilotError):
    """What the files were cannot be kept or had again; reviewing after the fact is off."""

    code = "baseline-unavailable"
