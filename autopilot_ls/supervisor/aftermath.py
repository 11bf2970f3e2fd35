"""What turns and processes leave behind, brought to its end.

When the agent's process has ended, what waited is cancelled and the turn is closed; when a patch was
reported on, or never will be, the disk says what became of it. Not aware of how processes are started
and ended. `agent` and `session` stand above; `broker`, `patches` and `record` below.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio

from autopilot_ls.model.errors import AgentDied, AutopilotError, TraceFull
from autopilot_ls.model.events import (
    Body,
    FilesSettled,
    Notice,
    RuntimeExited,
    TurnCompleted,
    TurnStatus,
)
from autopilot_ls.model.text import one_line, without_escapes
from autopilot_ls.supervisor.broker import Broker
from autopilot_ls.supervisor.decisions import AUTOPILOT
from autopilot_ls.supervisor.patches import Patches
from autopilot_ls.supervisor.record import SessionRecord
from autopilot_ls.supervisor.turn_signals import TurnSignals


class Aftermath:
    """Closes what is left open in one session."""

    def __init__(
        self, record: SessionRecord, broker: Broker, patches: Patches, turn: TurnSignals
    ) -> None:
        """Create it.

        Args:
            record: Where the end is told.
            broker: Has the requests that are open.
            patches: Has the accepted patches that are not settled yet.
            turn: Has those who wait for the turn's end.
        """
        self._record = record
        self._broker = broker
        self._patches = patches
        self._turn = turn
        self._settling = anyio.Lock()

    async def settle(self, *, everything: bool = False) -> None:
        """Tell what the disk holds of the patches that were reported on, or of all accepted ones."""
        # Shielded, because what was brought back on disk must be on record; the look has a limit.
        with anyio.CancelScope(shield=True):
            async with self._settling:
                outcomes = await self._patches.settle(everything=everything)
                if outcomes:
                    self._tell_settled(outcomes)

    def _tell_settled(self, outcomes: Sequence[FilesSettled]) -> None:
        try:
            self._record.tell(*outcomes)
        except TraceFull:
            return
        self._record.tell_written([Path(path) for outcome in outcomes for path in outcome.paths])

    async def cancel_open(self) -> None:
        """Answer *cancel* to everything open, because the process is about to be ended.

        Raises:
            TraceFull: It cannot be recorded.
        """
        await self._broker.cancel_all(AUTOPILOT, "The session is closed.")

    def close(self, exit_: RuntimeExited, fault: AutopilotError | None) -> None:
        """Cancel what waits and end the turn, because the process has ended.

        Args:
            exit_: How it ended.
            fault: Why we ended it, if something went wrong.

        Raises:
            TraceFull: It cannot be recorded.
        """
        self._broker.void("The agent's process ended before it got the answer.")
        if self._record.state.active_turn_id is not None:
            status, error, code = TurnStatus.INTERRUPTED, "", ""
            if fault is not None:
                status, error, code = TurnStatus.FAILED, str(fault), fault.code
            elif not exit_.expected:
                status, error, code = TurnStatus.FAILED, _describe_death(exit_), AgentDied.code
            self._record.tell(TurnCompleted(status=status, error=error, error_code=code))
        self._turn.end()
        self._record.save_summary()

    def close_unrecorded(self, fault: AutopilotError) -> None:
        """Tell everybody of an end that cannot be recorded, which is then the session's end too."""
        # What stands on disk is like after a crash, and is closed like it when it is opened again.
        state = self._record.state
        bodies: list[Body] = [*self._broker.cancelled()]
        if state.alive:
            bodies.append(RuntimeExited(expected=True))
        bodies.append(Notice(severity="error", code=fault.code, message=str(fault)))
        if state.active_turn_id is not None:
            failed = TurnStatus.FAILED
            bodies.append(TurnCompleted(status=failed, error=str(fault), error_code=fault.code))
        self._record.tell_unrecorded(*bodies)


def _describe_death(exit_: RuntimeExited) -> str:
    how = f"signal {exit_.signal}" if exit_.signal is not None else f"exit code {exit_.code}"
    last = without_escapes(exit_.stderr).strip().splitlines()[-1:]
    said = f" Its last words: {one_line(last[0])}" if last else ""
    return (
        f"The agent's process ended unexpectedly ({how}).{said} "
        "The session can be resumed: start the next turn in it."
    )
