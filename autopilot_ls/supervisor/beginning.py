"""How a session's turns begin: with a task, a message that waited, a review, or the wish to shorten the context.

One at a time, in a process whose sandbox is what the turn needs, and with what the agent has still to be told.
Not aware of what clients ask or of what the agent reports. `session` stands above; `agent`, `holding` and
`record` below.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import anyio

from autopilot_ls.model.errors import AgentDied, InvalidRequest, NoActiveTurn, SessionBusy
from autopilot_ls.model.events import FactsTold, Notice
from autopilot_ls.model.findings import ReviewTarget
from autopilot_ls.model.queue import WaitingMessage
from autopilot_ls.runtimes.base import AgentRuntime, OpenOptions, ThreadOptions
from autopilot_ls.supervisor.agent import Agent
from autopilot_ls.supervisor.attachments import images_of
from autopilot_ls.supervisor.facts import opening
from autopilot_ls.supervisor.holding import Holding, holds_now
from autopilot_ls.supervisor.record import SessionRecord
from autopilot_ls.supervisor.review.session_review import SessionReview
from autopilot_ls.supervisor.turn_signals import TurnSignals

TURN_BEGIN_GRACE: Final = 5.0
"""Seconds to wait for the report that a turn which the agent took has begun."""

REVIEWS: Final = (
    "The reviewer does not ask before it runs a command, so it works in a sandbox that can only read and has "
    "no network. What your policy denies, or has asked about by a rule, stops it."
)


class Beginning:
    """Begins the turns of one session.

    Attributes:
        lock: Held while a turn is being started or switched to another mode.
        unwanted: Whether a person stopped what ran last, so that it must not go on.
    """

    def __init__(
        self,
        record: SessionRecord,
        turn: TurnSignals,
        *,
        agent: Callable[[], Agent],
        holding: Holding,
        review: SessionReview | None,
        model: str | None,
        effort: str | None,
    ) -> None:
        """Create it.

        Args:
            record: Has the mode and what the agent is to be told.
            turn: Told that a turn is expected.
            agent: Returns the session's agent.
            holding: Knows what the sandbox is to hold.
            review: Looks at the workspace before a turn; None where nothing is reviewed.
            model: The agent's name of a model, for the first turn.
            effort: The agent's name of a reasoning effort, likewise.
        """
        self.lock = anyio.Lock()
        self.unwanted = False
        self._record = record
        self._turn = turn
        self._get_agent = agent
        self._holding = holding
        self._review = review
        self._model = model
        self._effort = effort
        self._held = holding.paths

    @property
    def _agent(self) -> Agent:
        return self._get_agent()

    async def process_options(self, private: Path, environment: dict[str, str]) -> OpenOptions:
        """Return how a process of the agent is started now."""
        held = self._held = await self._holding.look()
        return OpenOptions(Path(self._record.state.cwd), private, environment, held)

    def thread_options(self) -> ThreadOptions:
        """Return how a thread is opened now."""
        state = self._record.state
        return ThreadOptions(Path(state.cwd), state.mode, self._model, self._effort)

    def choose(self, model: str | None, effort: str | None) -> None:
        """Set the model and the effort of the turns from now on; None leaves what was set before."""
        self._model = model or self._model
        self._effort = effort or self._effort

    def require_idle(self) -> None:
        """Check that no turn runs; the lock is held.

        Raises:
            SessionBusy: One runs.
        """
        if self._record.state.active_turn_id is not None and not self._agent.is_gone:
            raise SessionBusy(
                f"Session {self._record.session_id} is working on a turn already.",
                advice="Steer it, interrupt it, or start another session.",
            )

    async def message(self, message: WaitingMessage) -> str:
        """Start a turn with a message that has waited; the lock is held."""
        self.unwanted = False
        return await self.task(message.prompt or message.text, images_of(message.attachments))

    async def task(self, text: str, images: Sequence[str] = ()) -> str:
        """Start a turn with a text, in a process that holds what it should; the lock is held."""
        await self._renew_agent()
        told: list[str] = []

        async def send(runtime: AgentRuntime) -> str:
            due = self._record.state.facts_due
            told.extend(due)
            return await runtime.start_turn(
                opening(due.values(), text), self.thread_options(), images
            )

        def begun() -> None:
            if told:
                self._record.tell(FactsTold(approval_ids=tuple(told), how="nextTurn"))

        return await self._begin(send, begun)

    async def review(self, target: ReviewTarget) -> str:
        """Have the agent's reviewer look at changes, where nothing can be written; the lock is held."""
        runtime = self._agent.runtime
        if runtime is not None and not self._agent.is_gone:
            # Whoever does not ask has the sandbox that the process was used with.
            await self._agent.stop()
        turn_id = await self._begin(lambda runtime: runtime.start_review(target))
        self._record.tell(Notice(severity="info", code="review", message=REVIEWS))
        return turn_id

    async def compaction(self) -> None:
        """Have the agent shorten its context; the lock is held.

        Raises:
            InvalidRequest: There is nothing to shorten yet.
        """
        if not self._record.state.turn_count:
            raise InvalidRequest(f"Session {self._record.session_id} has had no turn yet.")

        async def send(runtime: AgentRuntime) -> str:
            await runtime.compact()
            return ""

        await self._begin(send)

    async def _begin(
        self,
        send: Callable[[AgentRuntime], Awaitable[str]],
        begun: Callable[[], None] = lambda: None,
    ) -> str:
        """Bring the agent up, have it begin a turn, and wait until it says that it has."""
        runtime = await self._agent.ensure()
        if self.unwanted:
            raise NoActiveTurn("The turn was interrupted before it began.")
        if self._review is not None:
            await self._review.begin_turn()
            if self.unwanted:
                self._review.abandon_turn()
                raise NoActiveTurn("The turn was interrupted before it began.")
        turns = self._record.state.turn_count
        self._turn.expect()
        try:
            turn_id = await send(runtime)
        except BaseException:
            if self._record.state.active_turn_id is None:
                self._turn.ended.set()
                if self._review is not None:
                    self._review.abandon_turn()
            raise
        # A command that follows at once (steer, interrupt) must find the turn in the state.
        with anyio.move_on_after(TURN_BEGIN_GRACE):
            await self._turn.began.wait()
        begun()
        if self._record.state.turn_count == turns and self._agent.is_gone:
            raise self._agent.fault or AgentDied("The agent's process ended before the turn began.")
        return turn_id

    async def _renew_agent(self) -> None:
        """End a process whose sandbox is not what the next turn needs; the next one resumes the thread."""
        runtime = self._agent.runtime
        if runtime is None or self._agent.is_gone:
            return
        if runtime.sandbox_fit(self._record.state.mode) != "looser":
            if holds_now(self._held, await self._holding.look()):
                return
            message = (
                "What the policy protects here has changed: the agent is started anew, in the same "
                "thread, so that its sandbox holds it."
            )
            self._record.tell(Notice(severity="info", code="sandbox-renewed", message=message))
        await self._agent.stop()
