"""The one place where events come into being.

A `SessionRecord` gives each fact its sequence number, appends it to the trace, applies it to the state
and tells the views, in this order and a batch at a time. Not aware of agents, policy or approvals;
`session` and its parts stand above, `trace` and `model.state` below.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from autopilot_ls.model.errors import TraceFull
from autopilot_ls.model.events import Body, Event
from autopilot_ls.model.snapshots import SessionSnapshot
from autopilot_ls.model.state import SessionState
from autopilot_ls.runtimes.base import RuntimeEvent
from autopilot_ls.supervisor.views import ClientView, tell_all
from autopilot_ls.trace.summary import SessionSummary
from autopilot_ls.trace.writer import SessionTrace

Clock = Callable[[], float]


class SessionRecord:
    """Appends, applies and announces the events of one session."""

    def __init__(
        self,
        trace: SessionTrace,
        state: SessionState,
        views: Callable[[], Iterable[ClientView]],
        *,
        on_full: Callable[[TraceFull], None],
        heard: Callable[[Sequence[Event]], None] = lambda _events: None,
        clock: Clock = time.time,
    ) -> None:
        """Create a record over an open trace and the state its events gave so far.

        Args:
            trace: The session's record on disk, owned by this object from now on.
            state: The session's state, owned likewise.
            views: The clients that are attached at the moment.
            on_full: Called when something could not be recorded: the session must stop, since
                nothing may happen that is not on record.
            heard: Called with events once they are applied, before the views are told.
            clock: Gives seconds since the epoch.
        """
        self.trace = trace
        self.state = state
        self._views = views
        self._on_full = on_full
        self._heard = heard
        self._clock = clock
        self._broken = False
        self._snapshot: SessionSnapshot | None = None

    @property
    def session_id(self) -> str:
        """Id of the session."""
        return self.state.session_id

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return self._clock()

    def emit(self, facts: Sequence[RuntimeEvent]) -> None:
        """Make events of the facts, in one write.

        Raises:
            TraceFull: They could not be recorded; nothing was applied or shown.
        """
        if not facts:
            return
        events = self._events(facts)
        if self._broken:
            raise TraceFull(
                f"The record of session {self.session_id} could not be written.",
                advice="Make room on its disk, then resume the session.",
            )
        try:
            self.trace.append(events)
        except TraceFull as error:
            self._on_full(error)
            raise
        self._apply(events)

    def tell_unrecorded(self, *bodies: Body) -> None:
        """Apply and announce the end of a session that can no longer be recorded, so that all know.

        The only facts that are not on record: nothing is taken after them, and who opens the session
        again finds it as after a crash.
        """
        self._broken = True
        thread, turn = self.state.thread_id, self.state.active_turn_id
        self._apply(self._events([RuntimeEvent(body, thread, turn) for body in bodies]))

    def _events(self, facts: Sequence[RuntimeEvent]) -> list[Event]:
        now = self._clock()
        seq = self.state.seq
        # The bodies are typed values already; checking them again would cost more than all the rest.
        return [
            Event.model_construct(
                seq=seq + number,
                time=now,
                session_id=self.session_id,
                thread_id=fact.thread_id,
                turn_id=fact.turn_id,
                frames=fact.frames,
                body=fact.body,
            )
            for number, fact in enumerate(facts, start=1)
        ]

    def _apply(self, events: Sequence[Event]) -> None:
        for event in events:
            self.state.apply(event)
        self._snapshot = None
        self._heard(events)
        tell_all(self._views(), lambda view: view.events_applied(self.session_id, events))

    def tell(self, *bodies: Body) -> None:
        """Emit facts of our own, placed in the thread and turn that are current."""
        thread, turn = self.state.thread_id, self.state.active_turn_id
        self.emit([RuntimeEvent(body, thread, turn) for body in bodies])

    def tell_written(self, paths: Sequence[Path]) -> None:
        """Tell the clients that these files were changed on disk for an accepted patch."""
        tell_all(self._views(), lambda view: view.files_written(paths))

    async def sync(self) -> None:
        """Wait until all that was recorded is on disk, not only with the operating system.

        Raises:
            TraceFull: The disk did not take it.
        """
        with anyio.CancelScope(shield=True):
            try:
                await anyio.to_thread.run_sync(self.trace.sync)
            except TraceFull as error:
                self._on_full(error)
                raise

    def save_summary(self) -> None:
        """Bring up to date what a list of sessions shows of this one."""
        state = self.state
        if not state.created_at or self._broken:
            return
        self.trace.update_summary(
            SessionSummary(
                id=state.session_id,
                cwd=state.cwd,
                runtime=state.runtime,
                title=state.title,
                created_at=state.created_at,
                updated_at=state.updated_at,
                turns=state.turn_count,
                state=state.status,
                mode=state.mode,
                thread_id=state.thread_id,
                archived=state.aside.archived,
                findings=len(state.aside.findings),
            )
        )

    def snapshot(self) -> SessionSnapshot:
        """Return the present state; the same object until something changes."""
        if self._snapshot is None:
            self._snapshot = self.state.snapshot()
        return self._snapshot
