"""One live session: what goes back and forth between its clients and its agent.

Takes the agent's reports as its `RuntimeSink`, and carries out a client's commands. Not aware of
editors, nor of how the agent's process lives. `sessions` and `supervisor` stand above; `agent`,
`beginning`, `stopping`, `switching`, `waiting`, `reviewing`, `aftermath`, `record`, `broker`, `runaway` and
`patches` below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from autopilot_ls.model.approvals import Decision, Mode
from autopilot_ls.model.errors import (
    AgentDied,
    AgentError,
    AutopilotError,
    InvalidRequest,
    TraceFull,
)
from autopilot_ls.model.events import (
    Event,
    FindingsDismissed,
    ItemCompleted,
    ModeChanged,
    RuntimeExited,
    TurnCompleted,
    TurnStarted,
)
from autopilot_ls.model.findings import ReviewTarget
from autopilot_ls.model.items import FileChanges, ItemStatus
from autopilot_ls.model.queue import WaitingMessage
from autopilot_ls.model.state import SessionState
from autopilot_ls.runtimes.base import (
    ApprovalWithdrawn,
    OpenOptions,
    RuntimeApproval,
    RuntimeEvent,
    RuntimeFactory,
    RuntimeMessage,
)
from autopilot_ls.supervisor.aftermath import Aftermath
from autopilot_ls.supervisor.agent import Agent
from autopilot_ls.supervisor.beginning import Beginning
from autopilot_ls.supervisor.broker import Broker
from autopilot_ls.supervisor.holding import Holding
from autopilot_ls.supervisor.patches import Patches
from autopilot_ls.supervisor.policies import Policies
from autopilot_ls.supervisor.record import SessionRecord
from autopilot_ls.supervisor.review.reviews import Reviews
from autopilot_ls.supervisor.review.session_review import SessionReview
from autopilot_ls.supervisor.reviewing import Reviewing
from autopilot_ls.supervisor.runaway import Runaway
from autopilot_ls.supervisor.stopping import Stopping
from autopilot_ls.supervisor.switching import Switching
from autopilot_ls.supervisor.tasks import Tasks
from autopilot_ls.supervisor.turn_signals import TurnSignals
from autopilot_ls.supervisor.views import ClientView
from autopilot_ls.supervisor.waiting import Waiting
from autopilot_ls.trace.writer import SessionTrace


class Session:
    """A live session; see the module's docstring."""

    def __init__(
        self,
        trace: SessionTrace,
        state: SessionState,
        *,
        factory: RuntimeFactory,
        private: Path,
        environment: Mapping[str, str],
        policies: Policies,
        reviews: Reviews | None,
        views: Callable[[], Iterable[ClientView]],
        tasks: Tasks,
        model: str | None = None,
        effort: str | None = None,
    ) -> None:
        """Create the session over its open trace; no process is started yet."""
        self._private = private
        self._environment = environment
        self._tasks = tasks
        self._trace = trace
        self._turn = TurnSignals()
        self.runaway = Runaway(
            state,
            lambda: policies.of(Path(state.cwd)).limits,
            # It is made further below.
            lambda turn_id, limit: self._stopping.stop_runaway(turn_id, limit),  # noqa: PLW0108
            tasks,
        )
        self.record = SessionRecord(
            trace, state, views, on_full=self._stop_at_once, heard=self._heard
        )
        self._review = None
        if reviews is not None:
            self._review = SessionReview(
                self.record, reviews, self._agent_pid, tasks, wrote=self.runaway.wrote
            )
        self._beginning = Beginning(
            self.record,
            self._turn,
            agent=lambda: self._agent,
            holding=Holding(self.record, policies),
            review=self._review,
            model=model,
            effort=effort,
        )
        self._patches = Patches(lambda: Path(state.cwd), views)
        self.broker = Broker(
            self.record,
            policies,
            self._patches,
            self.runaway,
            answer=self._answer,
            tasks=tasks,
            search_path=environment.get("PATH"),
        )
        self._aftermath = Aftermath(self.record, self.broker, self._patches, self._turn)
        self._agent = Agent(
            self.record,
            self._aftermath,
            self._turn,
            factory=factory,
            process_options=self._process_options,
            thread_options=self._beginning.thread_options,
            is_needed=self._needs_agent,
            sink=_Sink(self),
            tasks=tasks,
        )
        self._stopping = Stopping(
            self.record,
            self._agent,
            self.broker,
            self._turn,
            beginning=self._beginning,
            runaway=self.runaway,
        )
        self._switching = Switching(
            self.record,
            self._agent,
            self._beginning.lock,
            stop_turn=self._stopping.stop_turn,
            begin_turn=self._beginning.task,
            is_unwanted=lambda: self._beginning.unwanted,
            tasks=tasks,
        )
        self._reviewing = Reviewing(self.record, policies, self._stopping.stop_reviewer, tasks)
        self.waiting = Waiting(
            self.record,
            self._beginning.lock,
            begin=self._begin_message,
            is_unwanted=lambda: self._beginning.unwanted,
            is_closed=lambda: self.is_closed,
            fail=self._stop_at_once,
            tasks=tasks,
        )

    def _heard(self, events: Sequence[Event]) -> None:
        self.runaway.heard(events)
        self.waiting.heard(events)
        self._reviewing.heard(events)
        if self._review is not None:
            self._review.heard(events)

    def _agent_pid(self) -> int | None:
        runtime = self._agent.runtime
        return None if runtime is None else runtime.pid

    async def _process_options(self) -> OpenOptions:
        return await self._beginning.process_options(self._private, dict(self._environment))

    async def _begin_message(self, message: WaitingMessage) -> str:
        self.runaway.person_decided()
        return await self._beginning.message(message)

    def _needs_agent(self) -> bool:
        return not self.is_idle or self.broker.has_open

    def _stop_at_once(self, error: AutopilotError) -> None:
        self._agent.end_at_once(error)

    # What the agent reports -------------------------------------------------------------------

    def record_frames(self, direction: Literal["in", "out"], frames: Sequence[bytes]) -> int:
        """Record raw frames; part of the `RuntimeSink` this session offers its agent."""
        try:
            return self._trace.record(direction, frames)
        except TraceFull as error:
            self._stop_at_once(error)
            raise

    def deliver(self, batch: Sequence[RuntimeMessage]) -> None:
        """Take what one read of the pipe brought; part of the `RuntimeSink`."""
        facts: list[RuntimeEvent] = []
        self._agent.note_use()
        try:
            for message in batch:
                if isinstance(message, RuntimeEvent):
                    facts.append(message)
                    continue
                self.record.emit(facts)
                self._follow(facts)
                facts = []
                if isinstance(message, RuntimeApproval):
                    self.broker.request(message)
                elif isinstance(message, ApprovalWithdrawn):
                    self.broker.withdraw(message.key)
            self.record.emit(facts)
            self._follow(facts)
        except TraceFull as error:
            self._stop_at_once(error)
        except Exception as error:  # noqa: BLE001 reason: it would end the reader, and nobody would know why
            self._stop_at_once(AgentError(f"Internal error in this session: {error!r}."))

    def _follow(self, facts: Iterable[RuntimeEvent]) -> None:
        for fact in facts:
            match fact.body:
                case TurnStarted():
                    self._turn.begin()
                    self.record.save_summary()
                case TurnCompleted():
                    self._turn.end()
                    self.record.save_summary()
                    if self._patches.end_turn(fact.thread_id):
                        self._tasks.start_soon(self._aftermath.settle)
                case RuntimeExited():
                    self._agent.exited(fact.body)
                case ItemCompleted(item=FileChanges() as item) if (
                    item.status is not ItemStatus.IN_PROGRESS and self._patches.report(item)
                ):
                    self._tasks.start_soon(self._aftermath.settle)
                case _:
                    pass

    # Its life -----------------------------------------------------------------------------------

    async def ensure_agent(self) -> None:
        """Bring the agent up if it is not running. Raises as `Agent.ensure`."""
        await self._agent.ensure()

    async def close(self) -> None:
        """Stop the agent and close the record, whatever fails; nothing can be started any more."""
        try:
            await self._agent.close()
            self.record.save_summary()
        finally:
            self._trace.close()

    @property
    def is_closed(self) -> bool:
        """Whether it is closed or being closed, for good."""
        return self._agent.is_closed

    @property
    def is_idle(self) -> bool:
        """Whether no turn runs or is being started."""
        return self.record.state.active_turn_id is None and not self._beginning.lock.locked()

    @property
    def is_working(self) -> bool:
        """Whether a turn runs, something waits for an answer, or what a turn left running still runs."""
        return self._needs_agent() or (self._review is not None and self._review.is_at_work)

    # What clients ask ---------------------------------------------------------------------------

    async def start_turn(
        self,
        text: str,
        model: str | None,
        effort: str | None,
        mode: tuple[Mode, str] | None = None,
        *,
        images: Sequence[str] = (),
    ) -> str:
        """Give the agent work; returns its id of the turn.

        Args:
            text: What to do.
            images: Absolute paths of pictures that go with it.
            model: The agent's name of a model; None for the one before.
            effort: The agent's name of a reasoning effort; None for the one before.
            mode: The mode from now on, and who sets it; None to leave it.

        Raises:
            SessionBusy: A turn runs already.
            AgentError: The agent cannot be had or refuses, or it died at once.
            NoActiveTurn: Somebody interrupted it before it began.
        """
        async with self._beginning.lock:
            self._beginning.require_idle()
            if mode is not None:
                await self._change_mode(*mode)
            self._beginning.choose(model, effort)
            self._beginning.unwanted = False
            return await self._beginning.task(text, images)

    async def start_review(self, target: ReviewTarget) -> str:
        """Have the agent's reviewer look at changes; returns the agent's id of the turn.

        Raises:
            SessionBusy: A turn runs already.
            InvalidRequest: The target makes no sense.
            AgentError: The agent cannot be had or refuses, or it died at once.
        """
        async with self._beginning.lock:
            self._beginning.require_idle()
            self._beginning.unwanted = False
            self._reviewing.begin()
            try:
                return await self._beginning.review(target)
            except BaseException:
                if self.record.state.active_turn_id is None:
                    self._reviewing.end()
                raise

    def dismiss(self, finding_ids: Sequence[str]) -> None:
        """Show findings of the last review no longer; all of them when none is named.

        Raises:
            InvalidRequest: There is none of such an id.
        """
        known = self.record.state.aside.findings
        unknown = next((each for each in finding_ids if each not in known), None)
        if unknown is not None or not known:
            which = "any" if unknown is None else repr(unknown)
            raise InvalidRequest(f"Session {self.record.session_id} has no finding {which}.")
        self.record.tell(FindingsDismissed(finding_ids=tuple(finding_ids or known)))

    async def compact(self) -> None:
        """Have the agent shorten its context, which goes on as a turn of its own.

        Raises:
            SessionBusy: A turn runs already.
            InvalidRequest: There is nothing to shorten yet.
            AgentError: The agent cannot be had or refuses, or it died at once.
        """
        async with self._beginning.lock:
            self._beginning.require_idle()
            self._beginning.unwanted = False
            await self._beginning.compaction()

    async def rest(self) -> None:
        """End the agent's process if nothing needs it now; the next turn brings one up."""
        if not self._needs_agent():
            await self._agent.stop()

    async def steer(self, text: str, images: Sequence[str] = ()) -> None:
        """Say something into the running turn.

        Raises:
            NoActiveTurn: None is running.
        """
        await self._agent.in_turn().steer_turn(text, images)

    async def interrupt(self, by: str) -> None:
        """Stop the running turn. Raises as `Stopping.interrupt`."""
        await self._stopping.interrupt(by)

    async def set_mode(self, mode: Mode, changed_by: str) -> None:
        """Change the mode: the broker judges by it at once, and the sandbox follows.

        Where the sandbox in use allows more than the mode, the turn is interrupted and goes on in the
        mode's own. Cancelling the call ends the wait for it only.
        """
        if await self._change_mode(mode, changed_by):
            await self._switching.follow(changed_by)

    async def _change_mode(self, mode: Mode, changed_by: str) -> bool:
        if mode is self.record.state.mode:
            return False
        self.record.tell(ModeChanged(mode=mode, changed_by=changed_by))
        self.broker.judge_again(mode_changed=True)
        await self.record.sync()
        return True

    async def _answer(self, key: str, decision: Decision) -> bool:
        runtime = self._agent.runtime
        if runtime is None:
            raise AgentDied("The agent's process has ended; the decision is recorded only.")
        self._agent.note_use()
        return await runtime.answer(key, decision)

    async def wait_turn_ended(self) -> None:
        """Wait until the turn started last has ended, however it did, and nothing continues it."""
        while True:
            await self._turn.ended.wait()
            if not self._beginning.lock.locked():
                return
            async with self._beginning.lock:
                pass


class _Sink:
    """The `RuntimeSink` of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, direction: Literal["in", "out"], frames: Sequence[bytes]) -> int:
        return self._session.record_frames(direction, frames)

    def deliver(self, batch: Sequence[RuntimeMessage]) -> None:
        self._session.deliver(batch)
