"""The models of what goes through our other commands and notifications: grants, rules, modes, status.

Values only; `methods` says which belongs to what, and the schema is generated from them. Not aware of who
sends them. Not imported before `initialize` is answered.
"""

from __future__ import annotations

from pydantic import Field

from autopilot_ls.lsp.policy_params import PolicyFileShown
from autopilot_ls.lsp.shared_params import Name
from autopilot_ls.model.approvals import Approval, Decision, Mode
from autopilot_ls.model.base import Frozen
from autopilot_ls.model.events import Event
from autopilot_ls.policy.remember import Remembered
from autopilot_ls.presentation.status_view import StatusView
from autopilot_ls.runtimes.base import ModelInfo


class StatusParams(Frozen):
    """Which sessions are meant: the one that is named, the open ones of a folder, or all open ones.

    Attributes:
        cwd: A folder, as an absolute path or a `file:` URI.
    """

    session_id: Name | None = None
    cwd: Name | None = None


class GrantRevokeParams(Frozen):
    """Names a grant of a session."""

    session_id: Name
    grant_id: Name


class RememberedRule(Frozen):
    """A rule that "always allow" wrote.

    Attributes:
        kind: What it is about: `command`, `line` (a whole command line), `edit` or `tool`.
        pattern: What it allows, as policy files write it.
        workspace: The folder in which it holds.
        reason: As it stands in the file.
        by: Who decided it; empty when the reason does not say it.
        at: When, likewise.
    """

    name: str
    verdict: str
    kind: str
    pattern: str
    workspace: str
    reason: str
    by: str = ""
    at: str = ""


class PolicyList(Frozen):
    """What was remembered, in the order it was."""

    rules: tuple[RememberedRule, ...]


class PolicyForgetParams(Frozen):
    """Names remembered rules; all of them are forgotten, or none."""

    names: tuple[Name, ...] = Field(min_length=1, max_length=1_000)


class ModeSetParams(Frozen):
    """The mode from now on, of one session or of new ones."""

    mode: Mode
    session_id: Name | None = None


class ModelListParams(Frozen):
    """Where to ask; the first workspace folder when omitted."""

    cwd: Name | None = None


class Model(Frozen):
    """A model that the agent offers."""

    id: str
    name: str
    description: str
    efforts: tuple[str, ...]
    default_effort: str
    is_default: bool


class ModelList(Frozen):
    """The models that the agent offers."""

    models: tuple[Model, ...]


class TranscriptOpened(Frozen):
    """Where the transcript stands, and whether the client was asked to show it and did."""

    session_id: str
    uri: str
    shown: bool


class WaitingTaskShown(Frozen):
    """A task that starts as soon as these documents are saved."""

    task_id: str
    text: str
    unsaved: tuple[str, ...]


class StatusResult(Frozen):
    """The status of open sessions, the tasks that wait for files to be saved, and the policy's files."""

    sessions: tuple[StatusView, ...]
    mode: Mode
    waiting_tasks: tuple[WaitingTaskShown, ...] = ()
    policies: tuple[PolicyFileShown, ...] = ()


class EventNotification(Frozen):
    """Events of one session since the last notification.

    Attributes:
        omitted: How many events were left out because the client did not read fast enough; ask for
            the session's state anew when it is not 0.
    """

    session_id: str
    events: tuple[Event, ...]
    omitted: int = 0


class ApprovalNotification(Frozen):
    """An approval waits while `decision` is null."""

    session_id: str
    approval_id: str
    approval: Approval | None = None
    decision: Decision | None = None


class StatusNotification(Frozen):
    """The status of a session."""

    status: StatusView


class ReloadNotification(Frozen):
    """Files that changed on disk."""

    uris: tuple[str, ...]


def rule_of(rule: Remembered) -> RememberedRule:
    """Return a remembered rule as it is shown."""
    return RememberedRule(
        name=rule.name,
        verdict=rule.verdict,
        kind=rule.key,
        pattern=rule.pattern,
        workspace=rule.workspace,
        reason=rule.reason,
        by=rule.by,
        at=rule.at,
    )


def model_of(model: ModelInfo) -> Model:
    """Return a model as it is shown."""
    return Model(
        id=model.id,
        name=model.name,
        description=model.description,
        efforts=model.efforts,
        default_effort=model.default_effort,
        is_default=model.is_default,
    )
