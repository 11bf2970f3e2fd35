"""`autopilot-ls policy backtest`: what another policy would have said to what was recorded.

Reads the records and changes nothing. Not aware of how it is judged, which is `policy`'s; `main` stands
above, `trace`, `presentation` and `policy` below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from autopilot_ls.cli.commands import Backtest, Exit
from autopilot_ls.cli.policy import policy_of_file
from autopilot_ls.cli.sessions import find_session, open_store
from autopilot_ls.cli.setup import load_settings
from autopilot_ls.model.approvals import Approval, Grant, Mode
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    Event,
    GrantAdded,
    GrantRevoked,
    ModeChanged,
    SessionCreated,
)
from autopilot_ls.model.text import count, one_line, visible
from autopilot_ls.policy.backtest import Difference, Recorded, backtest
from autopilot_ls.policy.load import Loader
from autopilot_ls.presentation.approvals import title
from autopilot_ls.supervisor.policies import policy_files
from autopilot_ls.trace.redaction import Redactor


def run_backtest(command: Backtest) -> int:
    """Judge again and print what would be another verdict; see `commands.Backtest`.

    Raises:
        InvalidRequest: The policy file is not there or has a problem.
        SessionNotFound: A session that was named does not exist.
    """
    settings = load_settings()
    store = open_store(settings)
    redact = Redactor(settings.trace.redact).redact
    files = policy_files(settings)
    if command.policy is not None:
        problems = policy_of_file(command.policy).problems
        if problems:
            raise InvalidRequest(str(problems[0]), advice="See: autopilot-ls policy lint FILE")
        # Only the user's own file is another: the workspace's and what was remembered stay.
        files = replace(files, user=command.policy)
    loader = Loader(files)
    if command.sessions:
        names = [find_session(store, name) for name in command.sessions]
    else:
        names = [summary.id for summary in store.list()]
    judged = changed = against = 0
    for name in dict.fromkeys(names):
        recorded = tuple(approvals_of(store.read_events(name)))
        judged += len(recorded)
        workspaces = dict.fromkeys(one.workspace for one in recorded)
        for workspace in workspaces:
            policy = loader.load(workspace)
            mine = (one for one in recorded if one.workspace == workspace)
            for difference in backtest(mine, policy):
                changed += 1
                against += difference.against_person
                _tell(name, difference, redact(title(difference.recorded.approval)))
    print(
        f"{count(judged, 'approval')} judged again: {changed} would be another verdict, "
        f"{against} against what a person decided."
    )
    return Exit.OK


def _tell(session: str, difference: Difference, what: str) -> None:
    before, after = difference.before, difference.after
    mark = "  (against what a person decided)" if difference.against_person else ""
    print(f"{session}  {before.outcome.value} → {after.outcome.value}  {one_line(what)}{mark}")
    print(visible(f"    {one_line(after.rule)} ({one_line(after.source, 400)}): {after.reason}"))


def approvals_of(events: Iterable[Event]) -> Iterator[Recorded]:
    """Yield a session's approvals, each with the mode and the grants of its moment."""
    mode, workspace = Mode.PROPOSE, Path("/")
    grants: dict[str, Grant] = {}
    waiting: dict[str, Recorded] = {}
    for event in events:
        match event.body:
            case SessionCreated(cwd=cwd, mode=first):
                mode, workspace = first, Path(cwd)
            case ModeChanged(mode=other):
                mode = other
            case GrantAdded(grant=grant):
                grants[grant.id] = grant
            case GrantRevoked(grant_id=revoked):
                grants.pop(revoked, None)
            case ApprovalRequested(approval=approval):
                waiting[approval.id] = _recorded(approval, mode, workspace, grants)
            case ApprovalResolved(approval_id=decided, decision=decision):
                one = waiting.pop(decided, None)
                if one is not None:
                    yield replace(one, decision=decision)
            case _:
                pass
    yield from waiting.values()


def _recorded(
    approval: Approval, mode: Mode, workspace: Path, grants: dict[str, Grant]
) -> Recorded:
    return Recorded(approval, None, mode, workspace, tuple(grants.values()))
