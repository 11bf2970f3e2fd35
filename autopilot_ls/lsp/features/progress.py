"""One work-done progress for each turn: what it does now, how far it is, and how it ended.

Cancelling it interrupts the turn. Reports go out with the frames, and only when there is news. Not aware
of how the text is made. `view` stands above.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lsprotocol import types

from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.lsp.pace import Pace
from autopilot_ls.lsp.protocol import ClientFailed
from autopilot_ls.model.snapshots import SessionSnapshot, TurnSnapshot
from autopilot_ls.model.text import one_line
from autopilot_ls.presentation import progress

CREATE_LIMIT: Final = 5.0
"""Seconds an editor has to agree to a progress; after that it gets none for the turn."""

INTERVAL: Final = 0.2
"""Seconds between two reports of a session: a person reads no faster."""

BEGINNINGS: Final = 4
"""Progresses that begin within a second; further ones begin later, if their turns still run."""

_MAX_MESSAGE: Final = 200
_METHOD: Final = "$/progress"


@dataclass(slots=True)
class _Shown:
    """The progress of a turn; `begun` once the editor agreed to it."""

    session_id: str
    turn_id: str
    token: str
    begun: bool = False
    percentage: int | None = None
    message: str = ""
    reported: float = 0.0
    closing: str | None = None


class Progress:
    """The progresses of one editor."""

    def __init__(
        self,
        connection: Connection,
        jobs: Jobs,
        snapshot: Callable[[str], SessionSnapshot],
        redact: Callable[[str], str],
    ) -> None:
        """Create the feature.

        Args:
            connection: To the editor.
            jobs: Runs what waits for the editor.
            snapshot: Gives a session's present state.
            redact: Leaves out secrets.
        """
        self._connection = connection
        self._jobs = jobs
        self._snapshot = snapshot
        self._redact = redact
        self._shown: dict[str, _Shown] = {}
        self._beginnings = Pace(BEGINNINGS)
        self._late: set[str] = set()
        self._number = 0

    def session_of(self, token: int | str) -> str | None:
        """Return the session whose turn this progress shows."""
        found = (shown for shown in self._shown.values() if shown.token == token)
        return next((shown.session_id for shown in found), None)

    def begin(self, session_id: str, turn_id: str) -> None:
        """A turn began: show its progress as soon as the editor agrees."""
        if not self._connection.profile.progress or session_id in self._shown:
            return
        if self._beginnings.wait() > 0:
            self._late.add(session_id)
            return
        self._beginnings.spend()
        self._late.discard(session_id)
        self._number += 1
        shown = _Shown(session_id, turn_id, f"autopilot/{session_id}/{self._number}")
        self._shown[session_id] = shown
        self._jobs.start(lambda: self._create(shown))

    async def _create(self, shown: _Shown) -> None:
        params = types.WorkDoneProgressCreateParams(shown.token)
        try:
            await self._connection.ask(
                types.WINDOW_WORK_DONE_PROGRESS_CREATE, params, limit=CREATE_LIMIT
            )
        except ClientFailed:
            if self._shown.get(shown.session_id) is shown:
                del self._shown[shown.session_id]
            return
        snapshot = self._snapshot(shown.session_id)
        shown.begun = True
        shown.percentage = progress.percentage(snapshot)
        shown.message = self._message(snapshot)
        begin = types.WorkDoneProgressBegin(
            title=one_line(progress.title(snapshot, redact=self._redact), 100),
            cancellable=True,
            message=shown.message,
            percentage=shown.percentage,
        )
        self._send(shown, begin)
        if shown.closing is not None:
            self._send(shown, types.WorkDoneProgressEnd(message=shown.closing))

    def flash(self, title: str) -> None:
        """Show a progress that is over as soon as it begins."""
        if self._connection.profile.progress:
            self._number += 1
            token = f"autopilot/done/{self._number}"
            self._jobs.start(lambda: self._flash(token, title))

    async def _flash(self, token: str, title: str) -> None:
        params = types.WorkDoneProgressCreateParams(token)
        try:
            await self._connection.ask(
                types.WINDOW_WORK_DONE_PROGRESS_CREATE, params, limit=CREATE_LIMIT
            )
        except ClientFailed:
            return
        for value in (types.WorkDoneProgressBegin(title), types.WorkDoneProgressEnd()):
            self._connection.tell(_METHOD, types.ProgressParams(token, value))

    def report(self, session_id: str, snapshot: SessionSnapshot) -> bool:
        """Tell what happens now, if that is news and the time has come; tells whether it was sent."""
        if session_id in self._late and snapshot.active_turn is not None:
            self.begin(session_id, snapshot.active_turn.id)
        shown = self._shown.get(session_id)
        now = time.monotonic()
        if shown is None or not shown.begun or now - shown.reported < INTERVAL:
            return False
        message, percentage = self._message(snapshot), progress.percentage(snapshot)
        if (message, percentage) == (shown.message, shown.percentage):
            return False
        if (
            shown.percentage is None
            and percentage is not None
            and self._connection.profile.fixed_percentage
        ):
            self._begin_anew(shown)
            return True
        shown.message, shown.percentage, shown.reported = message, percentage, now
        self._send(
            shown,
            types.WorkDoneProgressReport(cancellable=True, message=message, percentage=percentage),
        )
        return True

    def wants_report(self, session_id: str, snapshot: SessionSnapshot) -> bool:
        """Tell whether there is news whose time has not come yet."""
        if session_id in self._late:
            return True
        shown = self._shown.get(session_id)
        if shown is None or not shown.begun:
            return False
        news = (self._message(snapshot), progress.percentage(snapshot))
        return news != (shown.message, shown.percentage)

    def _begin_anew(self, shown: _Shown) -> None:
        """Replace a progress that began without a percentage, where that could not be changed."""
        self._send(shown, types.WorkDoneProgressEnd())
        del self._shown[shown.session_id]
        self.begin(shown.session_id, shown.turn_id)

    def end(self, session_id: str, snapshot: SessionSnapshot, turn: TurnSnapshot | None) -> str:
        """The turn ended: close its progress; returns the closing line."""
        closing = ""
        if turn is not None:
            closing = one_line(
                progress.closing_line(snapshot, turn, redact=self._redact), _MAX_MESSAGE
            )
        self._late.discard(session_id)
        shown = self._shown.pop(session_id, None)
        if shown is not None:
            shown.closing = closing
            if shown.begun:
                self._send(shown, types.WorkDoneProgressEnd(message=closing or None))
        return closing

    def _message(self, snapshot: SessionSnapshot) -> str:
        return one_line(progress.message(snapshot, redact=self._redact), _MAX_MESSAGE)

    def _send(
        self,
        shown: _Shown,
        value: types.WorkDoneProgressBegin
        | types.WorkDoneProgressReport
        | types.WorkDoneProgressEnd,
    ) -> None:
        self._connection.tell(_METHOD, types.ProgressParams(shown.token, value))
