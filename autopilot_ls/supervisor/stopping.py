"""How a running turn is stopped: by a person, by a limit, by what a rule says to a reviewer.

What waits is cancelled first, so that the agent hears no accept any more; an agent that does not obey in time
is ended. Not aware of who asks for it. `session` stands above; `agent`, `beginning`, `broker` and `record` below.
"""

from __future__ import annotations

from typing import Final

import anyio

from autopilot_ls.model.errors import AgentError, NoActiveTurn, RequestTimeout, TraceFull
from autopilot_ls.model.events import Notice
from autopilot_ls.policy.limits import Reached
from autopilot_ls.supervisor.agent import Agent
from autopilot_ls.supervisor.beginning import Beginning
from autopilot_ls.supervisor.broker import Broker
from autopilot_ls.supervisor.decisions import POLICY
from autopilot_ls.supervisor.record import SessionRecord
from autopilot_ls.supervisor.runaway import Runaway
from autopilot_ls.supervisor.turn_signals import TurnSignals

INTERRUPT_GRACE: Final = 10.0
"""Seconds an interrupted turn has to end before the agent's process is stopped."""


class Stopping:
    """Stops the turns of one session."""

    def __init__(
        self,
        record: SessionRecord,
        agent: Agent,
        broker: Broker,
        turn: TurnSignals,
        *,
        beginning: Beginning,
        runaway: Runaway,
    ) -> None:
        """Create it.

        Args:
            record: Knows which turn runs, and is told why one is stopped.
            agent: Asked to stop, and ended if it does not.
            broker: Has what waits for an answer.
            turn: Says when the turn has ended.
            beginning: May just be starting the turn, and must not go on with it.
            runaway: Knows whether sub-agents work.
        """
        self._record = record
        self._agent = agent
        self._broker = broker
        self._turn = turn
        self._beginning = beginning
        self._runaway = runaway

    async def interrupt(self, by: str) -> None:
        """Stop the running turn, by ending the process if the agent does not obey in time.

        Raises:
            NoActiveTurn: None is running.
        """
        # A turn that was switched to another mode is not to go on either.
        self._beginning.unwanted = True
        if self._record.state.active_turn_id is None and self._beginning.lock.locked():
            # What is just being started is what is meant; that has its limits.
            async with self._beginning.lock:
                if self._record.state.active_turn_id is None:
                    return
        await self.stop_turn(by, "The turn was interrupted.")

    async def stop_turn(self, by: str, message: str) -> None:
        """Do so without calling what is being started unwanted.

        Args:
            by: Who wants it.
            message: What those are told who wait for an answer.

        Raises:
            NoActiveTurn: None is running.
        """
        runtime = self._agent.in_turn()
        ended = self._turn.ended
        await self._broker.cancel_all(by, message)
        await self._broker.answering.sent()
        with anyio.move_on_after(INTERRUPT_GRACE):
            try:
                if self._record.state.active_turn_id is not None:
                    await runtime.interrupt_turn()
            except NoActiveTurn:
                return
            except RequestTimeout:
                pass  # The process is stopped below, as when it takes the request and goes on.
            await ended.wait()
            return
        message = f"The agent did not stop within {INTERRUPT_GRACE:.0f} seconds; it was ended."
        self._record.tell(Notice(severity="warning", code="agent-ended", message=message))
        await self._agent.stop()

    async def stop_runaway(self, turn_id: str, limit: Reached) -> None:
        """Stop a turn that has reached a limit which no request of the agent stands in front of."""
        message = (
            f"Stopped by the limit {limit.limit}. {limit.reason} Look at what was done; start the next "
            "turn in this session to go on, or raise the limit under [limits] in your policy file."
        )
        notice = Notice(severity="error", code=f"limit-{limit.limit}", message=message)
        await self._stop_by_policy(turn_id, notice, "stopping the turn")

    async def stop_reviewer(self, turn_id: str, why: str) -> None:
        """Stop a review whose reviewer does what the policy does not let it do unasked."""
        notice = Notice(severity="error", code="review-stopped", message=why)
        await self._stop_by_policy(turn_id, notice, "stopping the review")

    async def _stop_by_policy(self, turn_id: str, notice: Notice, doing: str) -> None:
        if self._record.state.active_turn_id != turn_id:
            return
        try:
            self._record.tell(notice)
            try:
                await self.interrupt(POLICY)
            except NoActiveTurn:
                pass  # It has just ended.
            except AgentError:
                await self._agent.stop()
            if self._runaway.has_sub_agents:
                # Interrupting the turn does not reach them; the next turn resumes the thread.
                await self._agent.stop()
        except TraceFull:
            return  # The session is being stopped for it.
        except Exception as error:  # noqa: BLE001 reason: a turn that could not be stopped must not go on
            self._agent.end_at_once(AgentError(f"Internal error while {doing}: {error!r}."))
