"""The verdict on an action, in the two modes there are so far.

No command ever leaves the sandbox: an agent that needs more asks for permissions, which a person can
judge, instead of for a command that may do anything. No patch reaches into `.git`, where hooks and
settings make git run programs; commands cannot write there either, the sandbox holds that.

`read-only` denies every edit, every permission, every tool and every command that does more than plainly
read. `propose` asks for every edit and for every command that does not plainly read. A grant that the
person gave for the session turns an *ask* into an *allow*, never a *deny*. Unknown is *ask*. Not aware
of who asks or who answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Final

from autopilot_ls.model.approvals import (
    Action,
    CommandAction,
    ElicitationAction,
    Grant,
    Mode,
    Outcome,
    PatchAction,
    QuestionAction,
    Verdict,
)
from autopilot_ls.policy.reading import is_plainly_reading

_GIT: Final = ".git"


def _verdict(outcome: Outcome, rule: str, reason: str, source: str = "mode") -> Verdict:
    return Verdict(outcome=outcome, rule=rule, source=source, reason=reason)


def _reads(action: CommandAction, workspace: Path) -> bool:
    return (
        not action.escalated
        and not action.types_input
        and action.network_host is None
        and not action.permissions
        and is_plainly_reading(action.command, cwd=Path(action.cwd), workspace=workspace)
    )


def _granted(action: Action, grants: Iterable[Grant]) -> Grant | None:
    if isinstance(action, CommandAction):
        if action.escalated or action.types_input or action.network_host or action.permissions:
            return None
        for grant in grants:
            if grant.command == action.command and grant.cwd == action.cwd:
                return grant
    if isinstance(action, PatchAction) and action.changes:
        touched = {change.path for change in action.changes}
        touched |= {change.move_to for change in action.changes if change.move_to}
        for grant in grants:
            if touched <= set(grant.paths):
                return grant
    return None


def _touches_git(action: PatchAction) -> bool:
    names = [change.path for change in action.changes]
    names += [change.move_to for change in action.changes if change.move_to]
    return any(part.casefold() == _GIT for name in names for part in PurePath(name).parts)


def judge(action: Action, mode: Mode, grants: Iterable[Grant], *, workspace: Path) -> Verdict:
    """Return the verdict on an action.

    Args:
        action: What the agent wants to do.
        mode: The session's mode.
        grants: The "for this session" rules in force.
        workspace: Absolute folder of the session.
    """
    if isinstance(action, QuestionAction | ElicitationAction):
        return _verdict(Outcome.ASK, "question", "Only a person can answer a question.")
    if isinstance(action, CommandAction) and _reads(action, workspace):
        return _verdict(
            Outcome.ALLOW, "plain-reading", "The command only reads inside the workspace."
        )
    if isinstance(action, CommandAction) and action.escalated:
        return _verdict(
            Outcome.DENY,
            "sandbox",
            "No command leaves the sandbox. Ask for the permissions that it needs instead "
            "(network, or folders to write to), and run it again inside.",
        )
    if isinstance(action, PatchAction) and _touches_git(action):
        return _verdict(
            Outcome.DENY,
            "git-folder",
            "No patch reaches into git's own folder: what stands there can make git run programs "
            "outside the sandbox. Use git commands instead.",
        )
    if mode is Mode.READ_ONLY:
        return _verdict(
            Outcome.DENY,
            "read-only",
            "The session is read-only: nothing is changed and nothing but plain reading is run.",
        )
    grant = _granted(action, grants)
    if grant is not None:
        reason = f"{grant.granted_by} allowed exactly this for the session."
        return _verdict(Outcome.ALLOW, grant.id, reason, "session grant")
    return _verdict(Outcome.ASK, "ask", "In this mode a person decides on it.")
