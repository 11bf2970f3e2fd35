"""Another mode in the middle of things: the agent's sandbox follows the mode that the broker goes by.

The broker judges by a new mode at once; a sandbox cannot be changed while a turn runs. Where the one in
use allows more than the mode, the turn is interrupted, the process ended (terminals and sub-agents
outlive a turn, in the sandbox that they were started in), and the thread goes on in a new turn. What
fails on the way leaves the turn stopped, and is told. Not aware of agents' wires nor of who asked.
`session` stands above; `agent` and `record` below.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal

import anyio

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import AgentError, AutopilotError, TraceFull
from autopilot_ls.model.events import Notice, TurnStatus
from autopilot_ls.supervisor.agent import Agent
from autopilot_ls.supervisor.record import SessionRecord
from autopilot_ls.supervisor.tasks import Tasks

LATER: Final = (
    "The running turn keeps its sandbox, which allows less than the mode {mode} does; the mode's own "
    "holds from the next turn."
)
INTERRUPTED: Final = (
    "The mode is now {mode}, and the sandbox of the running turn allows more: the turn is interrupted "
    "and goes on in the mode's own."
)
CONTINUE: Final = (
    "The mode of this session was changed to {mode} while you worked: {meaning} Your turn was interrupted "
    "for it, and programs that you had started were ended. Look at what was done so far, and go on with "
    "the task as far as that allows."
)
MEANING: Final[Mapping[Mode, str]] = {
    Mode.READ_ONLY: "you can read files, but neither change any nor run what does more than read.",
    Mode.PROPOSE: "what you change or run is decided on by a person.",
    Mode.AUTO: "what the person's rules allow goes, the rest is asked for or denied.",
    Mode.ESCALATE: "what the person's rules allow goes, and what is of high risk waits for the person.",
}
"""What a mode means, for the agent."""


class Switching:
    """Makes the sandbox of one session's agent follow its mode."""

    def __init__(
        self,
        record: SessionRecord,
        agent: Agent,
        turn_starting: anyio.Lock,
        *,
        stop_turn: Callable[[str, str], Awaitable[None]],
        begin_turn: Callable[[str], Awaitable[object]],
        is_unwanted: Callable[[], bool],
        tasks: Tasks,
    ) -> None:
        """Create it.

        Args:
            record: Has the mode, and is told what happens.
            agent: Whose sandbox it is.
            turn_starting: Held while a turn is being started or switched.
            stop_turn: Stops the running turn, given who wants it and what those are told who wait.
            begin_turn: Starts a turn with a text; the lock is held.
            is_unwanted: Tells whether a person stopped what ran last, so that it must not go on.
            tasks: Where a switch runs, which is carried out whoever waits for it.
        """
        self._record = record
        self._agent = agent
        self._turn_starting = turn_starting
        self._stop_turn = stop_turn
        self._begin_turn = begin_turn
        self._is_unwanted = is_unwanted
        self._tasks = tasks

    async def follow(self, by: str) -> None:
        """Have the sandbox follow the present mode; cancelling the call ends the wait only."""
        done = anyio.Event()
        self._tasks.start_soon(self._carry_out, by, done)
        await done.wait()

    async def _carry_out(self, by: str, done: anyio.Event) -> None:
        try:
            # What is being started has its limits, and a second switch waits for the first.
            async with self._turn_starting:
                await self._fit(by)
        except TraceFull as error:
            self._agent.end_at_once(error)
        except AutopilotError as error:
            if not (self._is_unwanted() or self._agent.is_closed):
                self._tell_failure(error)
        except Exception as error:  # noqa: BLE001 reason: the turn must not go on in the wrong sandbox
            self._agent.end_at_once(AgentError(f"Internal error while switching modes: {error!r}."))
        finally:
            done.set()

    def _tell_failure(self, error: AutopilotError) -> None:
        message = f"The turn was stopped for the new mode, and could not go on: {error}"
        try:
            self._record.tell(Notice(severity="error", code=error.code, message=message))
        except TraceFull as full:
            self._agent.end_at_once(full)

    async def _fit(self, by: str) -> None:
        state = self._record.state
        runtime, mode, turn_id = self._agent.runtime, state.mode, state.active_turn_id
        if runtime is None or self._agent.is_gone:
            return
        fit = runtime.sandbox_fit(mode)
        if fit == "stricter" and turn_id is not None:
            self._tell("info", LATER.format(mode=mode))
        if fit != "looser":
            return
        try:
            if turn_id is not None:
                message = INTERRUPTED.format(mode=mode)
                self._tell("warning", message)
                await self._stop_turn(by, message)
        except TraceFull:
            raise
        except AutopilotError:
            pass  # It ended by itself, or does not obey: the end of the process is the end of it.
        finally:
            await self._agent.stop()
        stopped = state.status == TurnStatus.INTERRUPTED
        if turn_id is not None and stopped and not self._is_unwanted():
            await self._begin_turn(CONTINUE.format(mode=state.mode, meaning=MEANING[state.mode]))

    def _tell(self, severity: Literal["info", "warning"], message: str) -> None:
        self._record.tell(Notice(severity=severity, code="mode", message=message))
