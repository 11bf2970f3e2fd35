"""The agent of a session: its process, brought up when it is needed and ended when it is not.

The life of a process is one task in the supervisor's task group; whatever goes wrong in it becomes an
event of this session and never another session's trouble. A new process resumes the thread of the one
before. Not aware of what is said to the agent or by it. `session` stands above; `aftermath`, `record`
and the runtimes below.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from autopilot_ls.model.errors import (
    AgentDied,
    AgentError,
    AutopilotError,
    NoActiveTurn,
    SessionBusy,
    TraceFull,
)
from autopilot_ls.model.events import Notice, RuntimeExited, RuntimeStarted, ThreadOpened
from autopilot_ls.runtimes.base import (
    AgentRuntime,
    OpenOptions,
    RuntimeEvent,
    RuntimeFactory,
    RuntimeSink,
    ThreadOptions,
)
from autopilot_ls.supervisor.aftermath import Aftermath
from autopilot_ls.supervisor.record import SessionRecord
from autopilot_ls.supervisor.tasks import Tasks
from autopilot_ls.supervisor.turn_signals import TurnSignals

IDLE_LIMIT: Final = 1800.0
"""Seconds without a turn or an open request after which the process is ended."""


class _Link:
    """One process, from the wish for it to its end."""

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


class Agent:
    """Starts and ends the process of one session.

    Attributes:
        fault: Why the present process was ended by us, if something went wrong.
        is_closed: Whether none can be started any more.
    """

    def __init__(
        self,
        record: SessionRecord,
        aftermath: Aftermath,
        turn: TurnSignals,
        *,
        factory: RuntimeFactory,
        process_options: Callable[[], Awaitable[OpenOptions]],
        thread_options: Callable[[], ThreadOptions],
        is_needed: Callable[[], bool],
        sink: RuntimeSink,
        tasks: Tasks,
    ) -> None:
        """Create it; no process is started yet.

        Args:
            record: Where the beginning of a process is told.
            aftermath: Closes what a process leaves open.
            turn: Has those who wait for the turn's end.
            factory: Opens the runtime.
            process_options: Looks up how a process is started now.
            thread_options: How a thread is opened now.
            is_needed: Tells whether the agent has work or waits for an answer now.
            sink: Gets what the runtime reports.
            tasks: Where the life of a process runs.
        """
        self.fault: AutopilotError | None = None
        self.is_closed = False
        self._record = record
        self._aftermath = aftermath
        self._turn = turn
        self._factory = factory
        self._process_options = process_options
        self._thread_options = thread_options
        self._is_needed = is_needed
        self._sink = sink
        self._tasks = tasks
        self._link: _Link | None = None
        self._starting = anyio.Lock()
        self._used_at = 0.0

    @property
    def runtime(self) -> AgentRuntime | None:
        """The runtime to speak to, unless its process has ended."""
        return self._link.runtime if self._link and not self._link.ended.is_set() else None

    @property
    def is_gone(self) -> bool:
        """Whether there is no process, or it is ending."""
        return self._link is None or self._link.stop.is_set() or self._link.ended.is_set()

    def in_turn(self) -> AgentRuntime:
        """Return the agent that works on a turn.

        Raises:
            NoActiveTurn: None runs.
        """
        runtime = self.runtime
        if runtime is None or self._record.state.active_turn_id is None:
            raise NoActiveTurn(
                f"No turn is running in session {self._record.session_id}.",
                advice="Start one with autopilot.turn.start.",
            )
        return runtime

    async def ensure(self) -> AgentRuntime:
        """Return the agent, started and with its thread opened or resumed if it was not running.

        Raises:
            SessionBusy: It was closed.
            AgentError: It cannot be had; the message says what to do.
        """
        async with self._starting:
            link = self._link
            if link is not None and link.stop.is_set():
                await link.ended.wait()
            if self.is_closed:
                raise SessionBusy(
                    f"Session {self._record.session_id} is being closed.",
                    advice="Open it again with autopilot.session.resume.",
                )
            if link is None or link.ended.is_set():
                self._close_books()
                self.fault = None
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
            with link.starting:
                options = await self._process_options()
                async with self._factory.open(options, self._sink) as runtime:
                    await self._open_thread(runtime)
                    link.runtime = runtime
                    link.ready.set()
                    await self._until_unneeded(link)
            if link.runtime is None:
                link.failure = self.fault or AgentDied("The agent was ended while it was started.")
        except AutopilotError as error:
            link.failure = error
            self._note(error)
        except Exception as error:  # noqa: BLE001 reason: who waits for the agent must be told
            link.failure = AgentError(f"Internal error in this session: {error!r}.")
            self._note(link.failure)
        finally:
            try:
                await self._bury()
            finally:
                link.ended.set()
                link.ready.set()

    def note_use(self) -> None:
        """Note that the agent was just spoken to or has spoken, so that it is not idle."""
        self._used_at = anyio.current_time()

    async def _until_unneeded(self, link: _Link) -> None:
        """Return when the process is to be ended: on demand, or because it idled for too long."""
        self.note_use()
        while not link.stop.is_set():
            if self._is_needed():
                self.note_use()
            left = self._used_at + IDLE_LIMIT - anyio.current_time()
            if left <= 0:
                link.stop.set()  # Who wants the agent now waits for its end, and gets a new one.
                return
            with anyio.move_on_after(left):
                await link.stop.wait()

    async def _open_thread(self, runtime: AgentRuntime) -> None:
        state = self._record.state
        self._record.tell(
            RuntimeStarted(runtime=runtime.name, version=runtime.version, pid=runtime.pid)
        )
        options = self._thread_options()
        if state.thread_id is not None and state.turn_count:
            info = await runtime.resume_thread(state.thread_id, options)
        elif state.aside.forked_thread:
            # A copy that had no turn yet is not stored, and is made anew.
            origin = state.aside
            info = await runtime.fork_thread(origin.forked_thread, origin.forked_turn, options)
        else:
            info = await runtime.start_thread(options)
        self._record.emit(
            [RuntimeEvent(ThreadOpened(how=info.how, model=info.model), info.thread_id)]
        )
        # Only an open thread shows what this very agent asks about.
        seen = runtime.capabilities
        if not seen.sees_everything:
            self._record.tell(Notice(severity="warning", code="agent-unseen", message=seen.unseen))
        self._record.save_summary()

    def _note(self, error: AutopilotError) -> None:
        try:
            self._record.tell(Notice(severity="error", code=error.code, message=str(error)))
        except TraceFull:
            return

    def exited(self, exit_: RuntimeExited) -> None:
        """Take the report that the process has ended.

        Raises:
            TraceFull: What it left open cannot be recorded as closed.
        """
        if self._link is not None:
            self._link.stop.set()
        self._aftermath.close(exit_, self.fault)

    async def _bury(self) -> None:
        """Close what the end of the process left open, as far as it can be recorded."""
        try:
            await self._aftermath.settle(everything=True)
            self._close_books()
        except TraceFull as error:
            self.is_closed = True
            self._aftermath.close_unrecorded(self.fault or error)
        finally:
            self._turn.end()

    def _close_books(self) -> None:
        """Record the end of a process that could not be recorded when it came.

        Raises:
            TraceFull: It still cannot be recorded.
        """
        state = self._record.state
        if state.alive or state.pending or state.active_turn_id is not None:
            exited = RuntimeExited(expected=True)
            self._record.tell(*([exited] if state.alive else []))
            self.exited(exited)

    def end_at_once(self, fault: AutopilotError) -> None:
        """Have the process ended because something went wrong; returns at once."""
        self.fault = self.fault or fault
        if self._link is not None:
            self._link.end()

    async def stop(self) -> None:
        """Cancel what waits, end the process, and wait until it has ended."""
        link = self._link
        if link is None or link.ended.is_set():
            return
        try:
            await self._aftermath.cancel_open()
        except TraceFull:
            pass  # The process is ended all the more, and declines what is open.
        finally:
            link.end()
        await link.ended.wait()

    async def close(self) -> None:
        """Stop the process; none can be started any more."""
        self.is_closed = True
        await self.stop()
