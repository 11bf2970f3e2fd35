"""One of the sessions of a play, and its agent. Not aware of the other ones, nor of what is played."""

from __future__ import annotations

from dataclasses import dataclass, field

from autopilot_ls.model.state import SessionState
from tests.unit.supervisor.played_runtime import PlayedRuntime


@dataclass
class Role:
    """See the module's docstring.

    Attributes:
        number: By which its agent signs its lines.
        id: Of the session; empty until its first turn.
        state: What its events say.
        runtime: Its agent, the last that was started.
        turns: How many turns it has begun.
        commands: Those that run.
        worked: Whether a command may have changed something since the last look.
    """

    number: int
    id: str = ""
    state: SessionState = field(default_factory=lambda: SessionState(""))
    runtime: PlayedRuntime | None = None
    turns: int = 0
    commands: list[str] = field(default_factory=list[str])
    worked: bool = False

    @property
    def turn(self) -> tuple[str, int]:
        """Its last turn: the session, and which one of it."""
        return (self.id, self.turns)
