"""Every command and notification of ours, declared once.

From here come the list in `executeCommandProvider`, the dispatch, the schema and the README's table. The
models of parameters and results stand in `params` and its neighbours, named by their class, because
`initialize` is answered before pydantic is loaded. Not aware of what a command does; `commands` has the handlers. Light.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from autopilot_ls.model.base import Frozen


@dataclass(frozen=True, slots=True)
class Method:
    """A command or notification.

    Attributes:
        name: As it goes over the wire.
        title: What it does, for a person.
        params: Name of the model of its one argument, in `params`.
        result: Name of the model of its result, in `params`; empty for notifications.
    """

    name: str
    title: str
    params: str
    result: str = ""

    def params_model(self) -> type[Frozen]:
        """Return the model of the argument."""
        return _model(self.params)

    def result_model(self) -> type[Frozen]:
        """Return the model of the result."""
        return _model(self.result)


def _model(name: str) -> type[Frozen]:
    from autopilot_ls.lsp import (
        account_params,
        approval_params,
        params,
        policy_params,
        review_params,
        session_params,
        shared_params,
        turn_params,
    )
    from autopilot_ls.model.base import Frozen

    places = (
        shared_params,
        turn_params,
        session_params,
        approval_params,
        review_params,
        policy_params,
        account_params,
        params,
    )
    found: object = next((model for place in places if (model := getattr(place, name, None))), None)
    if not (isinstance(found, type) and issubclass(found, Frozen)):
        raise TypeError(f"{name} is no model of parameters")
    return found


TURN_START: Final = "autopilot.turn.start"
TURN_STEER: Final = "autopilot.turn.steer"
TURN_INTERRUPT: Final = "autopilot.turn.interrupt"
TURN_FORGET: Final = "autopilot.turn.forget"
TURN_QUEUE: Final = "autopilot.turn.queue"
TURN_UNQUEUE: Final = "autopilot.turn.unqueue"
TURN_RELEASE: Final = "autopilot.turn.release"
TURN_UNDO: Final = "autopilot.turn.undo"
TURN_REDO: Final = "autopilot.turn.redo"
SESSION_LIST: Final = "autopilot.session.list"
SESSION_SHOW: Final = "autopilot.session.show"
SESSION_RESUME: Final = "autopilot.session.resume"
SESSION_CLOSE: Final = "autopilot.session.close"
SESSION_DELETE: Final = "autopilot.session.delete"
SESSION_FORK: Final = "autopilot.session.fork"
SESSION_ARCHIVE: Final = "autopilot.session.archive"
SESSION_RENAME: Final = "autopilot.session.rename"
SESSION_COMPACT: Final = "autopilot.session.compact"
REVIEW_START: Final = "autopilot.review.start"
REVIEW_DISMISS: Final = "autopilot.review.dismiss"
APPROVAL_LIST: Final = "autopilot.approval.list"
APPROVAL_DECIDE: Final = "autopilot.approval.decide"
APPROVAL_MARK: Final = "autopilot.approval.mark"
APPROVAL_ANSWER: Final = "autopilot.approval.answer"
APPROVAL_PREVIEW: Final = "autopilot.approval.preview"
CHANGES_LIST: Final = "autopilot.changes.list"
CHANGES_KEEP: Final = "autopilot.changes.keep"
CHANGES_UNDO: Final = "autopilot.changes.undo"
GRANT_REVOKE: Final = "autopilot.grant.revoke"
POLICY_LIST: Final = "autopilot.policy.list"
POLICY_FORGET: Final = "autopilot.policy.forget"
MODE_SET: Final = "autopilot.mode.set"
POLICY_TRUST: Final = "autopilot.policy.trust"
POLICY_UNTRUST: Final = "autopilot.policy.untrust"
POLICY_EXPLAIN: Final = "autopilot.policy.explain"
MODEL_LIST: Final = "autopilot.model.list"
ACCOUNT_SHOW: Final = "autopilot.account.show"
ACCOUNT_LOGIN: Final = "autopilot.account.login"
ACCOUNT_CANCEL_LOGIN: Final = "autopilot.account.cancelLogin"
ACCOUNT_LOGOUT: Final = "autopilot.account.logout"
TRANSCRIPT_OPEN: Final = "autopilot.transcript.open"
STATUS: Final = "autopilot.status"

COMMANDS: Final[tuple[Method, ...]] = (
    Method(
        TURN_START,
        "Give the agent a task, in a new session or in the one that is named",
        "TurnStartParams",
        "TurnBegun",
    ),
    Method(TURN_STEER, "Say something into the running turn", "TurnSteerParams", "Done"),
    Method(
        TURN_INTERRUPT,
        "Stop the running turn; returns when it has stopped",
        "SessionParams",
        "Done",
    ),
    Method(
        TURN_FORGET,
        "Forget a task that waits for files to be saved",
        "WaitingTaskParams",
        "Done",
    ),
    Method(
        TURN_QUEUE,
        "Leave a message that becomes the next turn when the running one is completed",
        "TurnQueueParams",
        "TurnQueued",
    ),
    Method(TURN_UNQUEUE, "Take back a message that waits", "QueuedMessageParams", "Done"),
    Method(
        TURN_RELEASE,
        "Let messages go that are held since a turn was stopped or failed",
        "TurnReleaseParams",
        "Done",
    ),
    Method(
        TURN_UNDO,
        "Take back all that a turn, and every later one of its session, has changed; the rest stays",
        "TurnUndoParams",
        "ChangesUndone",
    ),
    Method(TURN_REDO, "Do again what was taken back", "TurnRedoParams", "ChangesUndone"),
    Method(
        SESSION_LIST,
        "List the sessions, newest first, without the archived ones or those only",
        "SessionListParams",
        "SessionList",
    ),
    Method(SESSION_SHOW, "Show one session with its turns", "SessionParams", "SessionShown"),
    Method(
        SESSION_RESUME,
        "Open a recorded session again and bring its agent up",
        "SessionParams",
        "SessionResumed",
    ),
    Method(SESSION_CLOSE, "End a session's agent; its record stays", "SessionParams", "Done"),
    Method(SESSION_DELETE, "Delete a session's record for good", "SessionParams", "Done"),
    Method(
        SESSION_FORK,
        "Begin a new session that knows all, or all up to a turn, of an earlier one",
        "SessionForkParams",
        "SessionForked",
    ),
    Method(
        SESSION_ARCHIVE,
        "Put a session away, so that it is not listed, or bring it back",
        "SessionArchiveParams",
        "Done",
    ),
    Method(SESSION_RENAME, "Give a session another title", "SessionRenameParams", "Done"),
    Method(
        SESSION_COMPACT,
        "Have the agent shorten its context; returns when it has begun",
        "SessionParams",
        "Done",
    ),
    Method(
        REVIEW_START,
        "Have the agent's reviewer look at changes; what it finds is shown as diagnostics",
        "ReviewStartParams",
        "TurnBegun",
    ),
    Method(
        REVIEW_DISMISS,
        "Show findings of a review no longer",
        "ReviewDismissParams",
        "Done",
    ),
    Method(
        APPROVAL_LIST,
        "List what waits for a decision, oldest first",
        "OptionalSessionParams",
        "ApprovalList",
    ),
    Method(
        APPROVAL_DECIDE,
        "Give the one decision on an approval",
        "ApprovalDecideParams",
        "ApprovalDecided",
    ),
    Method(
        APPROVAL_MARK,
        "Accept or reject single hunks of a pending patch; the last one makes the decision",
        "ApprovalMarkParams",
        "ApprovalMarked",
    ),
    Method(
        APPROVAL_ANSWER,
        "Answer one question of an approval; the decision goes out with the last answer",
        "ApprovalAnswerParams",
        "ApprovalAnswered",
    ),
    Method(
        APPROVAL_PREVIEW,
        "Show what a pending patch would change, without changing anything",
        "ApprovalPreviewParams",
        "ApprovalPreviewed",
    ),
    Method(
        CHANGES_LIST,
        "List what was changed without asking and nobody has reviewed, and what can be undone",
        "ChangesListParams",
        "ChangesList",
    ),
    Method(CHANGES_KEEP, "Take changes as reviewed", "ChangesChosenParams", "ChangesKept"),
    Method(
        CHANGES_UNDO,
        "Take changes back; what you typed stays",
        "ChangesChosenParams",
        "ChangesUndone",
    ),
    Method(
        GRANT_REVOKE,
        'Take a "for this session" grant back',
        "GrantRevokeParams",
        "Done",
    ),
    Method(
        POLICY_LIST,
        "List what was remembered: the rules that “always allow” wrote",
        "NoParams",
        "PolicyList",
    ),
    Method(
        POLICY_FORGET,
        "Forget remembered rules by their names; what they allowed asks again",
        "PolicyForgetParams",
        "Done",
    ),
    Method(
        MODE_SET,
        "Change the mode of a session, or of new sessions when none is named",
        "ModeSetParams",
        "Done",
    ),
    Method(
        POLICY_TRUST,
        "Let a workspace's policy allow things too, if it is exactly the content that was seen",
        "PolicyTrustParams",
        "PolicyTrusted",
    ),
    Method(
        POLICY_UNTRUST,
        "Trust a workspace's policy no longer",
        "PolicyUntrustParams",
        "PolicyTrusted",
    ),
    Method(
        POLICY_EXPLAIN,
        "Tell what the policy says to a command line and to each part of it, and why",
        "PolicyExplainParams",
        "PolicyExplained",
    ),
    Method(MODEL_LIST, "List the models that the agent offers", "ModelListParams", "ModelList"),
    Method(
        ACCOUNT_SHOW, "Tell whether the agent is logged in, and needs to be", "NoParams", "Account"
    ),
    Method(
        ACCOUNT_LOGIN,
        "Log the agent in, by its own flow",
        "AccountLoginParams",
        "AccountLogin",
    ),
    Method(
        ACCOUNT_CANCEL_LOGIN,
        "Give up a login that goes on",
        "AccountCancelLoginParams",
        "Done",
    ),
    Method(ACCOUNT_LOGOUT, "Log the agent out", "NoParams", "Done"),
    Method(
        TRANSCRIPT_OPEN,
        "Write a session's transcript, show it where the client can, and keep it up to date",
        "OptionalSessionParams",
        "TranscriptOpened",
    ),
    Method(
        STATUS,
        "Tell what goes on in the open sessions, in those of a folder, or in one",
        "StatusParams",
        "StatusResult",
    ),
)

EVENT: Final = "autopilot/event"
APPROVAL: Final = "autopilot/approval"
STATUS_CHANGED: Final = "autopilot/status"
RELOAD: Final = "autopilot/reload"
ACCOUNT: Final = "autopilot/account"

SCHEME: Final = "autopilot"
"""Of the URIs of documents that only the server has; see `content_uris`."""

NOTIFICATIONS: Final[tuple[Method, ...]] = (
    Method(
        EVENT,
        "What happened in a session; text deltas of the same item are joined",
        "EventNotification",
    ),
    Method(APPROVAL, "An approval waits, or has its decision", "ApprovalNotification"),
    Method(STATUS_CHANGED, "A session's status is now this", "StatusNotification"),
    Method(
        RELOAD,
        "These files were written for you, by an accepted patch or an undo: reload unmodified buffers",
        "ReloadNotification",
    ),
    Method(ACCOUNT, "The agent's account is now this, or a login has ended", "AccountNotification"),
)

SAVE: Final = "autopilot/save"

REQUESTS: Final[tuple[Method, ...]] = (
    Method(
        SAVE,
        "Save these documents, so that a patch can be accepted; answer which are saved now",
        "SaveParams",
        "Saved",
    ),
)


def command(name: str) -> Method | None:
    """Return the command of this name."""
    return next((method for method in COMMANDS if method.name == name), None)


def lsp_schema() -> Mapping[str, object]:
    """Return the JSON Schema of all commands, notifications and requests, as it stands in `schemas/lsp.json`."""
    from pydantic.json_schema import JsonSchemaMode, models_json_schema

    incoming: list[tuple[type[Frozen], JsonSchemaMode]]
    outgoing: list[tuple[type[Frozen], JsonSchemaMode]]
    incoming = [(method.params_model(), "validation") for method in COMMANDS]
    outgoing = [(method.result_model(), "serialization") for method in COMMANDS]
    notified: list[tuple[type[Frozen], JsonSchemaMode]]
    notified = [(method.params_model(), "serialization") for method in (*NOTIFICATIONS, *REQUESTS)]
    answered: list[tuple[type[Frozen], JsonSchemaMode]]
    answered = [(method.result_model(), "validation") for method in REQUESTS]
    references, definitions = models_json_schema(
        list(dict.fromkeys(incoming + outgoing + notified + answered))
    )
    commands = {
        method.name: {
            "title": method.title,
            "argument": references[method.params_model(), "validation"],
            "result": references[method.result_model(), "serialization"],
        }
        for method in COMMANDS
    }
    notifications = {
        method.name: {
            "title": method.title,
            "params": references[method.params_model(), "serialization"],
        }
        for method in NOTIFICATIONS
    }
    requests = {
        method.name: {
            "title": method.title,
            "params": references[method.params_model(), "serialization"],
            "result": references[method.result_model(), "validation"],
        }
        for method in REQUESTS
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Commands and notifications of autopilot-ls",
        "description": (
            "Commands go through workspace/executeCommand with one object as their argument. "
            "Notifications and requests are sent to clients whose capabilities have experimental.autopilot."
        ),
        "commands": commands,
        "notifications": notifications,
        "requests": requests,
        **definitions,
    }
