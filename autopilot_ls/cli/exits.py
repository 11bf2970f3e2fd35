"""Which exit code tells of what.

Pure. Not aware of what was done; `main` and `run` stand above.
"""

from __future__ import annotations

from autopilot_ls.cli.commands import Exit
from autopilot_ls.model.errors import (
    AgentError,
    AutopilotError,
    InvalidRequest,
    InvalidSettings,
    SessionNotFound,
)
from autopilot_ls.model.events import TurnStatus
from autopilot_ls.model.snapshots import TurnSnapshot


def exit_for(error: AutopilotError) -> Exit:
    """Return the exit code that tells of this error."""
    if isinstance(error, InvalidRequest | InvalidSettings | SessionNotFound):
        return Exit.USAGE
    return Exit.AGENT if isinstance(error, AgentError) else Exit.FAILED


def agent_codes() -> frozenset[str]:
    """Return the codes of the errors that are a problem with the agent or the installation."""
    found: set[str] = set()
    waiting: list[type[AgentError]] = [AgentError]
    while waiting:
        kind = waiting.pop()
        found.add(kind.code)
        waiting += kind.__subclasses__()
    return frozenset(found)


def exit_for_turn(turn: TurnSnapshot | None, *, declined: bool) -> Exit:
    """Return the exit code that tells how a turn ended.

    Args:
        turn: The turn; None when there is none on record.
        declined: Whether something was declined because nobody could be asked.
    """
    match turn.status if turn else None:
        case TurnStatus.COMPLETED:
            return Exit.FAILED if declined else Exit.OK
        case TurnStatus.INTERRUPTED:
            return Exit.FAILED if declined else Exit.INTERRUPTED
        case TurnStatus.FAILED if turn and turn.error_code in agent_codes():
            return Exit.AGENT
        case _:
            return Exit.FAILED
