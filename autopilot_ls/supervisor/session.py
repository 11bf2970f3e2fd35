"""One live session: its agent process, and what goes back and forth.

Starts and ends the agent (a new one resumes the thread), takes the agent's reports as its
`RuntimeSink`, and carries out a client's commands. The life of the process is one task in the
supervisor's task group; whatever goes wrong in it becomes an event of this session and never another
session's trouble. Not aware of editors. `supervisor` stands above; `record`, `broker` and `patches`
below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import anyio
from anyio.abc import TaskGroup

from autopilot_ls.model.approvals import Decision, Mode
from autopilot_ls.model.errors import (
    AgentDied,
    AgentError,
    AutopilotError,
    NoActiveTurn,
    RequestTimeout,
    SessionBusy,
    TraceFull,
)
from autopilot_ls.model.events import (
    Body,
    FilesSettled,
    ItemCompleted,
    ModeChanged,
    Notice,
    RuntimeExited,
    RuntimeStarted,
    ThreadOpened,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.model.items import FileChanges, ItemStatus
from autopilot_ls.model.state import SessionState
from autopilot_ls.model.text import one_line, without_escapes
from autopilot_ls.runtimes.base import (
    AgentRuntime,
    ApprovalWithdrawn,
    OpenOptions,
    RuntimeApproval,
    RuntimeEvent,
    RuntimeFactory,
    RuntimeMessage,
    ThreadOptions,
)
from autopilot_ls.supervisor.broker import Broker
from autopilot_ls.supervisor.decisions import AUTOPILOT
from autopilot_ls.supervisor.patches import Patches
from autopilot_ls.supervisor.record import SessionRecord
from autopilot_ls.supervisor.views import ClientView
from autopilot_ls.trace.writer import SessionTrace

INTERRUPT_GRACE: Final = 10.0
"""Seconds an interrupted turn has to end before the agent's process is stopped."""

TURN_BEGIN_GRACE: Final = 5.0
"""Seconds to wait for the report that a turn which the agent took has begun."""


class _Link:
    """The agent process of a session while there is one."""

    def __init__(self) -> None:
        self.runtime: AgentRuntime | None = None
        self.failure: AutopilotError | None = None
        self.ready = anyio.Event()
        self.ended = anyio.Event()
        self.stop = anyio.Event()
        self.starting = anyio.CancelScope()

    def end(self) -> None:
        """Have the process ended, also while it is still being started."""
        self.stop.set()
        if self.runtime is None:
            self.starting.cancel()


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
        views: Callable[[], Iterable[ClientView]],
        tasks: TaskGroup,
    ) -> None:
        """Create the session over its open trace; no process is started yet."""
        self._factory = factory
        self._private = private
        self._environment = environment
        self._views = views
        self._tasks = tasks
        self._link: _Link | None = None
        self._starting = anyio.Lock()
        self._turn_starting = anyio.Lock()
        self._turn_began = anyio.Event()
        self._turn_ended = anyio.Event()
        self._turn_ended.set()
        self._settling = anyio.Lock()
        self._fault: AutopilotError | None = None
        self._closed = False
        self._unwanted = False
        self._model: str | None = None
        self._effort: str | None = None
        self.record = SessionRecord(trace, state, views, on_full=self._stop_at_once)
        self._patches = Patches(lambda: Path(state.cwd), views)
        self.broker = Broker(self.record, self._patches, self._answer, tasks)
        self._trace = trace

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
                else:
                    self._withdraw(message)
            self.record.emit(facts)
            self._follow(facts)
        except TraceFull as error:
            self._stop_at_once(error)
        except Exception as error:  # noqa: BLE001 reason: it would end the reader, and nobody would know why
            self._stop_at_once(AgentError(f"Internal error in this session: {error!r}."))

    def _withdraw(self, message: ApprovalWithdrawn) -> None:
        self.broker.withdraw(message.key)

    def _follow(self, facts: Iterable[RuntimeEvent]) -> None:
        for fact in facts:
            match fact.body:
                case TurnStarted():
                    if self._turn_ended.is_set():
                        self._turn_ended = anyio.Event()
                    self._turn_began.set()
                    self.record.save_summary()
                case TurnCompleted():
                    self._turn_began.set()
                    self._turn_ended.set()
                    self.record.save_summary()
                    if self._patches.end_turn(fact.thread_id):
                        self._tasks.start_soon(self._settle)
                case RuntimeExited():
                    self._died(fact.body)
                case ItemCompleted(item=FileChanges() as item) if (
                    item.status is not ItemStatus.IN_PROGRESS and self._patches.report(item)
                ):
                    self._tasks.start_soon(self._settle)
                case _:
                    pass

    async def _settle(self, *, everything: bool = False) -> None:
        # Shielded, because what was brought back on disk must be on record; the look has a limit.
        with anyio.CancelScope(shield=True):
            async with self._settling:
                outcomes = await self._patches.settle(everything=everything)
                if outcomes:
                    self._tell_settled(outcomes)

    def _tell_settled(self, outcomes: Sequence[FilesSettled]) -> None:
        try:
            self.record.tell(*outcomes)
        except TraceFull:
            return
        self.record.tell_written([Path(path) for outcome in outcomes for path in outcome.paths])

    def _died(self, exit_: RuntimeExited) -> None:
        state = self.record.state
        if self._link is not None:
            self._link.stop.set()
        self.broker.void("The agent's process ended before it got the answer.")
        if state.active_turn_id is not None:
            status, error, code = TurnStatus.INTERRUPTED, "", ""
            if self._fault is not None:
                status, error, code = TurnStatus.FAILED, str(self._fault), self._fault.code
            elif not exit_.expected:
                status, error, code = TurnStatus.FAILED, _describe_death(exit_), AgentDied.code
            self.record.tell(TurnCompleted(status=status, error=error, error_code=code))
        self._turn_began.set()
        self._turn_ended.set()
        self.record.save_summary()

    async def _bury(self) -> None:
        """Close what the end of the process left open, as far as it can be recorded."""
        try:
            await self._settle(everything=True)
            self._close_books()
        except TraceFull as error:
            self._end_unrecorded(self._fault or error)
        finally:
            self._turn_began.set()
            self._turn_ended.set()

    def _end_unrecorded(self, fault: AutopilotError) -> None:
        # What stands on disk is like after a crash, and is closed like it when it is opened again.
        self._closed = True
        state = self.record.state
        bodies: list[Body] = [*self.broker.cancelled()]
        if state.alive:
            bodies.append(RuntimeExited(expected=True))
        bodies.append(Notice(severity="error", code=fault.code, message=str(fault)))
        if state.active_turn_id is not None:
            failed = TurnStatus.FAILED
            bodies.append(TurnCompleted(status=failed, error=str(fault), error_code=fault.code))
        self.record.tell_unrecorded(*bodies)

    def _close_books(self) -> None:
        """Record the end of a process that could not be recorded when it came.

        Raises:
            TraceFull: It still cannot be recorded.
        """
        state = self.record.state
        if state.alive or state.pending or state.active_turn_id is not None:
            exited = RuntimeExited(expected=True)
            self.record.tell(*([exited] if state.alive else []))
            self._died(exited)

    def _stop_at_once(self, error: AutopilotError) -> None:
        self._fault = self._fault or error
        if self._link is not None:
            self._link.end()

    # The process ------------------------------------------------------------------------------

    async def ensure_agent(self) -> AgentRuntime:
        """Return the agent, started and with its thread opened or resumed if it was not running.

        Raises:
            AgentError: It cannot be had; the message says what to do.
        """
        async with self._starting:
            link = self._link
            if link is not None and link.stop.is_set():
                await link.ended.wait()
            if self._closed:
                raise SessionBusy(
                    f"Session {self.record.session_id} is being closed.",
                    advice="Open it again with autopilot.session.resume.",
                )
            if link is None or link.ended.is_set():
                self._close_books()
                self._fault = None
                link = self._link = _Link()
                self._tasks.start_soon(self._run, link)
            await link.ready.wait()
            if link.failure is not None:
                raise link.failure
            if link.runtime is None:
                raise AgentDied("The agent's process ended as soon as it was started.")
            return link.runtime

    async def _run(self, link: _Link) -> None:
        try:
            options = OpenOptions(Path(self.record.state.cwd), self._private, self._environment)
            with link.starting:
                async with self._factory.open(options, _Sink(self)) as runtime:
                    await self._open_thread(runtime)
                    link.runtime = runtime
                    link.ready.set()
                    await link.stop.wait()
            if link.runtime is None:
                link.failure = self._fault or AgentDied("The agent was ended while it was started.")
        except AutopilotError as error:
            link.failure = error
            self._note(error)
        except Exception as error:  # noqa: BLE001 reason: a fault in one session must not end others
            link.failure = AgentError(f"Internal error in this session: {error!r}.")
            self._note(link.failure)
        finally:
            try:
                await self._bury()
            finally:
                link.ended.set()
                link.ready.set()

    async def _open_thread(self, runtime: AgentRuntime) -> None:
        state = self.record.state
        self.record.tell(
            RuntimeStarted(runtime=runtime.name, version=runtime.version, pid=runtime.pid)
        )
        capabilities = runtime.capabilities
        if not capabilities.sees_everything:
            self.record.tell(
                Notice(severity="warning", code="agent-unseen", message=capabilities.unseen)
            )
        options = self._thread_options()
        if state.thread_id is not None and state.turn_count:
            info = await runtime.resume_thread(state.thread_id, options)
        else:
            info = await runtime.start_thread(options)
        self.record.emit(
            [RuntimeEvent(ThreadOpened(how=info.how, model=info.model), info.thread_id)]
        )
        self.record.save_summary()

    def _note(self, error: AutopilotError) -> None:
        try:
            self.record.tell(Notice(severity="error", code=error.code, message=str(error)))
        except TraceFull:
            return

    def _thread_options(self) -> ThreadOptions:
        state = self.record.state
        return ThreadOptions(Path(state.cwd), state.mode, self._model, self._effort)

    async def stop_agent(self) -> None:
        """Cancel what waits, end the process, and wait until it has ended."""
        link = self._link
        if link is None or link.ended.is_set():
            return
        try:
            await self.broker.cancel_all(AUTOPILOT, "The session is closed.")
        except TraceFull:
            pass  # The process is ended all the more, and declines what is open.
        finally:
            link.end()
        await link.ended.wait()

    async def close(self) -> None:
        """Stop the agent and close the record, whatever fails; nothing can be started any more."""
        self._closed = True
        try:
            await self.stop_agent()
            self.record.save_summary()
        finally:
            self._trace.close()

    @property
    def is_closed(self) -> bool:
        """Whether it is closed or being closed, for good."""
        return self._closed

    @property
    def is_idle(self) -> bool:
        """Whether no turn runs or is being started."""
        return self.record.state.active_turn_id is None and not self._turn_starting.locked()

    # What clients ask ---------------------------------------------------------------------------

    async def start_turn(
        self,
        text: str,
        model: str | None,
        effort: str | None,
        mode: tuple[Mode, str] | None = None,
    ) -> str:
        """Give the agent work; returns its id of the turn.

        Args:
            text: What to do.
            model: The agent's name of a model; None for the one before.
            effort: The agent's name of a reasoning effort; None for the one before.
            mode: The mode from now on, and who sets it; None to leave it.

        Raises:
            SessionBusy: A turn runs already.
            AgentError: The agent cannot be had or refuses, or it died at once.
            NoActiveTurn: Somebody interrupted it before it began.
        """
        async with self._turn_starting:
            if self.record.state.active_turn_id is not None and not self._is_gone():
                raise SessionBusy(
                    f"Session {self.record.session_id} is working on a turn already.",
                    advice="Steer it, interrupt it, or start another session.",
                )
            if mode is not None:
                await self.set_mode(*mode)
            self._model = model or self._model
            self._effort = effort or self._effort
            self._unwanted = False
            runtime = await self.ensure_agent()
            if self._unwanted:
                raise NoActiveTurn("The turn was interrupted before it began.")
            turns = self.record.state.turn_count
            self._turn_began, self._turn_ended = anyio.Event(), anyio.Event()
            try:
                turn_id = await runtime.start_turn(text, self._thread_options())
            except BaseException:
                if self.record.state.active_turn_id is None:
                    self._turn_ended.set()
                raise
            # A command that follows at once (steer, interrupt) must find the turn in the state.
            with anyio.move_on_after(TURN_BEGIN_GRACE):
                await self._turn_began.wait()
            if self.record.state.turn_count == turns and self._is_gone():
                raise self._fault or AgentDied("The agent's process ended before the turn began.")
            return turn_id

    def _is_gone(self) -> bool:
        return self._link is None or self._link.stop.is_set() or self._link.ended.is_set()

    def _active(self) -> AgentRuntime:
        runtime = self._link.runtime if self._link and not self._link.ended.is_set() else None
        if runtime is None or self.record.state.active_turn_id is None:
            raise NoActiveTurn(
                f"No turn is running in session {self.record.session_id}.",
                advice="Start one with autopilot.turn.start.",
            )
        return runtime

    async def steer(self, text: str) -> None:
        """Say something into the running turn.

        Raises:
            NoActiveTurn: None is running.
        """
        await self._active().steer_turn(text)

    async def interrupt(self, by: str) -> None:
        """Stop the running turn, by ending the process if the agent does not obey in time.

        Raises:
            NoActiveTurn: None is running.
        """
        if self.record.state.active_turn_id is None and self._turn_starting.locked():
            # What is just being started is what is meant; that has its limits.
            self._unwanted = True
            async with self._turn_starting:
                if self.record.state.active_turn_id is None:
                    return
        runtime = self._active()
        ended = self._turn_ended
        await self.broker.cancel_all(by, "The turn was interrupted.")
        with anyio.move_on_after(INTERRUPT_GRACE):
            try:
                if self.record.state.active_turn_id is not None:
                    await runtime.interrupt_turn()
            except NoActiveTurn:
                return
            except RequestTimeout:
                pass  # The process is stopped below, as when it takes the request and goes on.
            await ended.wait()
            return
        message = f"The agent did not stop within {INTERRUPT_GRACE:.0f} seconds; it was ended."
        self.record.tell(Notice(severity="warning", code="agent-ended", message=message))
        await self.stop_agent()

    async def set_mode(self, mode: Mode, changed_by: str) -> None:
        """Change the mode: the broker judges by it at once, the agent's sandbox from the next turn."""
        if mode is not self.record.state.mode:
            self.record.tell(ModeChanged(mode=mode, changed_by=changed_by))
            await self.record.sync()
            self.broker.judge_again()

    async def _answer(self, key: str, decision: Decision) -> None:
        link = self._link
        if link is None or link.runtime is None or link.ended.is_set():
            raise AgentDied("The agent's process has ended; the decision is recorded only.")
        await link.runtime.answer(key, decision)

    async def wait_turn_ended(self) -> None:
        """Wait until the turn started last has ended, however it did."""
        await self._turn_ended.wait()


class _Sink:
    """The `RuntimeSink` of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, direction: Literal["in", "out"], frames: Sequence[bytes]) -> int:
        return self._session.record_frames(direction, frames)

    def deliver(self, batch: Sequence[RuntimeMessage]) -> None:
        self._session.deliver(batch)


def _describe_death(exit_: RuntimeExited) -> str:
    how = f"signal {exit_.signal}" if exit_.signal is not None else f"exit code {exit_.code}"
    last = without_escapes(exit_.stderr).strip().splitlines()[-1:]
    said = f" Its last words: {one_line(last[0])}" if last else ""
    return (
        f"The agent's process ended unexpectedly ({how}).{said} "
        "The session can be resumed: start the next turn in it."
    )
