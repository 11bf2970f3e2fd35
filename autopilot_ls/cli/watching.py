"""The sessions of all processes of this user, followed by their records; nothing is ever written.

Each look takes what was added since the last one. All of it blocks: call it in a thread, one call at a
time. Not aware of what is done with the views. `hud` stands above, the trace below.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.model.events import TurnStatus
from autopilot_ls.model.snapshots import ActivitySnapshot, SessionSnapshot
from autopilot_ls.model.state import SessionState
from autopilot_ls.model.text import one_line
from autopilot_ls.presentation.markdown import Redact
from autopilot_ls.presentation.status import Outside, StatusMaker
from autopilot_ls.presentation.status_view import Problem, StatusView, Unreviewed
from autopilot_ls.trace.reader import Follower
from autopilot_ls.trace.store import TraceStore

LIST_INTERVAL: Final = 1.0
"""Seconds between two looks for sessions that were opened or closed."""

LINGER: Final = 20.0
"""Seconds that a session is still shown after it was closed."""

MAX_SESSIONS: Final = 50
"""Sessions that are followed at once, the newest."""

MAX_TIME: Final = 0.5
"""Seconds that one look takes at most where much is to be read; the next one goes on."""


@dataclass(slots=True)
class _Watched:
    """One session.

    Attributes:
        closed: When it was seen to have no owner any more; None while it has one.
        view: As it was last shown, with what it was made of.
    """

    state: SessionState
    follower: Follower
    closed: float | None = None
    view: tuple[tuple[int, bool, Unreviewed], StatusView] | None = None
    problem: str = ""


class Watching:
    """See the module's docstring."""

    def __init__(
        self,
        store: TraceStore,
        redact: Redact,
        only: str | None = None,
        unreviewed: Callable[[], Mapping[str, Unreviewed]] = dict,
    ) -> None:
        """Create it; nothing is read yet.

        Args:
            store: Has the sessions.
            redact: Leaves out secrets.
            only: The one session to follow, whoever owns it; None for all that a process owns.
            unreviewed: Gives what is to be reviewed of each session, as far as it can be had; no record has it.
        """
        self._store = store
        self._maker = StatusMaker(redact)
        self._only = only
        self._ask_unreviewed = unreviewed
        self._unreviewed: Mapping[str, Unreviewed] = {}
        self._watched: dict[str, _Watched] = {}
        self._listed: float | None = None
        self.behind = False
        """Whether the last look did not get to the end of what is recorded."""

    def look(self) -> list[StatusView]:
        """Take what is new, and return the sessions as they are now, oldest first."""
        now = time.monotonic()
        if self._listed is None or now - self._listed >= LIST_INTERVAL:
            self._list(now)
            self._listed = now
        self.behind = False
        until = now + MAX_TIME
        for session_id, watched in list(self._watched.items()):
            self._read(watched, until)
            # A session that was deleted takes its file with it.
            if watched.closed is not None and watched.follower.gone():
                self._forget(session_id)
        return [self._view(watched) for watched in self._watched.values()]

    def _list(self, now: float) -> None:
        self._unreviewed = self._ask_unreviewed()
        open_now = set(self._store.in_use())
        wanted = sorted(open_now)[-MAX_SESSIONS:] if self._only is None else [self._only]
        for session_id in wanted:
            if session_id not in self._watched:
                # One that has just been made has no events yet; the next look will find it.
                with suppress(AutopilotError):
                    follower = self._store.followed(session_id)
                    self._watched[session_id] = _Watched(SessionState(session_id), follower)
        for session_id, watched in list(self._watched.items()):
            if session_id in open_now:
                watched.closed = None
            elif watched.closed is None:
                watched.closed = now
            elif self._only is None and now - watched.closed >= LINGER:
                self._forget(session_id)

    def _forget(self, session_id: str) -> None:
        self._watched.pop(session_id).follower.close()

    def _read(self, watched: _Watched, until: float) -> None:
        if watched.problem:
            return
        try:
            while events := watched.follower.step():
                for event in events:
                    watched.state.apply(event)
                if time.monotonic() > until:
                    self.behind = True
                    return
        except (AutopilotError, OSError, ValueError) as error:
            watched.problem = one_line(str(error), 500)

    def _view(self, watched: _Watched) -> StatusView:
        alive = watched.closed is None
        unreviewed = self._unreviewed.get(watched.state.session_id, Unreviewed())
        key = (watched.state.seq, alive, unreviewed)
        # What an approval is said to be changes in its first second, without an event.
        if watched.view is None or watched.view[0] != key or watched.state.pending:
            if watched.problem and not watched.state.seq:
                view = _unreadable(watched)
            else:
                snapshot = watched.state.snapshot()
                snapshot = snapshot if alive else _closed(snapshot)
                outside = Outside(unreviewed=unreviewed)
                view = self._maker.view(snapshot, now=time.time(), outside=outside)
            if watched.problem:
                problem = Problem(
                    level="error", code="trace", text=watched.problem, at=watched.state.updated_at
                )
                view = view.model_copy(update={"problems": (*view.problems[-4:], problem)})
            watched.view = key, view
        return watched.view[1]

    def close(self) -> None:
        """Close all files."""
        for session_id in list(self._watched):
            self._forget(session_id)


def _closed(snapshot: SessionSnapshot) -> SessionSnapshot:
    """Return a session that no process owns: nothing runs or waits any more, whatever was recorded."""
    turns = snapshot.turns
    if snapshot.active_turn is not None:
        turns = (*turns[:-1], replace(turns[-1], status=TurnStatus.UNKNOWN))
    activity = snapshot.activity
    return replace(
        snapshot,
        alive=False,
        pending=(),
        turns=turns,
        activity=ActivitySnapshot((), activity.agents, activity.problems, activity.compactions),
    )


def _unreadable(watched: _Watched) -> StatusView:
    return StatusView(
        seq=0,
        session_id=watched.state.session_id,
        title=watched.state.session_id,
        cwd="",
        runtime="",
        runtime_version="",
        model="",
        mode=Mode.READ_ONLY,
        state="unknown",
        alive=False,
    )
