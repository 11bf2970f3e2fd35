"""Our own notifications, for editors that asked for them; no other editor ever gets one.

Events go out with the frames, deltas of one item joined; approvals, their decisions and files that were
written go at once. What an editor does not read in time is left out and counted. Not aware of the other
features. `view` stands above.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from autopilot_ls.lsp import methods
from autopilot_ls.lsp.account_params import AccountNotification, account_of
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import canonical, to_uri
from autopilot_ls.lsp.features.statuses import Statuses
from autopilot_ls.lsp.params import (
    ApprovalNotification,
    ReloadNotification,
    StatusNotification,
)
from autopilot_ls.model.approvals import Approval, Decision, Outcome
from autopilot_ls.model.base import Frozen
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    Event,
    HunksMarked,
    ModeChanged,
    RuntimeExited,
    RuntimeStarted,
    TextDelta,
    TurnCompleted,
    TurnStarted,
)
from autopilot_ls.model.snapshots import SessionSnapshot
from autopilot_ls.presentation.status_view import StatusView
from autopilot_ls.runtimes.base import AccountInfo

MAX_EVENTS: Final = 2_000
"""Events of a session that may wait for their frame."""

MAX_TEXT: Final = 1_000_000
"""Characters of deltas that may wait for their frame."""

STATUS_INTERVAL: Final = 0.1
"""Seconds between two statuses of a session while it works; what is urgent does not wait for it."""

_URGENT: Final = (
    ApprovalResolved,
    HunksMarked,
    ModeChanged,
    RuntimeExited,
    RuntimeStarted,
    TurnCompleted,
    TurnStarted,
)
# What changes with the clock alone is no news: clients tick it themselves.
_CLOCK: Final[dict[str, object]] = {"seq": 0, "elapsed": 0.0}


@dataclass(slots=True)
class _Waiting:
    """What an editor has not been told yet of a session."""

    events: list[Event] = field(default_factory=list[Event])
    # The newest delta of each item's text, by its place in `events`, with the pieces that follow it.
    pieces: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    last: dict[tuple[str | None, str, str], int] = field(
        default_factory=dict[tuple[str | None, str, str], int]
    )
    size: int = 0
    omitted: int = 0
    status_told: float = 0.0
    status_due: bool = False
    status_urgent: bool = False
    status: StatusView | None = None


class Notifications:
    """Our own notifications to one editor."""

    def __init__(self, connection: Connection, statuses: Statuses) -> None:
        """Create the feature; it does nothing for an editor that did not ask for it.

        Args:
            connection: To the editor.
            statuses: Makes the statuses; events and approvals go out as they are.
        """
        self._connection = connection
        self._statuses = statuses
        self._waiting: dict[str, _Waiting] = {}

    @property
    def enabled(self) -> bool:
        """Whether the editor asked for these."""
        return self._connection.profile.opted_in

    def take(self, session_id: str, events: Sequence[Event]) -> None:
        """Keep events for the next frame."""
        waiting = self._waiting.setdefault(session_id, _Waiting())
        waiting.status_due = True
        if not waiting.status_urgent:
            waiting.status_urgent = any(map(_is_urgent, events))
        if not self._connection.profile.wants_events:
            return
        for event in events:
            body = event.body
            if isinstance(body, TextDelta):
                self._take_delta(waiting, event, body)
            else:
                # Deltas may not move across another event.
                waiting.last.clear()
                waiting.events.append(event)
        if len(waiting.events) > MAX_EVENTS or waiting.size > MAX_TEXT:
            waiting.omitted += len(waiting.events)
            waiting.events, waiting.pieces, waiting.size = [], {}, 0
            waiting.last.clear()

    def _take_delta(self, waiting: _Waiting, event: Event, body: TextDelta) -> None:
        key = (event.thread_id, body.item_id, body.field)
        waiting.size += len(body.text)
        index = waiting.last.get(key)
        if index is None:
            waiting.last[key] = len(waiting.events)
            waiting.events.append(event)
        else:
            waiting.pieces.setdefault(index, []).append(body.text)

    def send_events(self, session_id: str) -> bool:
        """Send what waits; tells whether there was something."""
        waiting = self._waiting.get(session_id)
        if waiting is None or not (waiting.events or waiting.omitted):
            return False
        for index, pieces in waiting.pieces.items():
            waiting.events[index] = _joined(waiting.events[index], pieces)
        params = {
            "sessionId": session_id,
            "events": [event.model_dump(mode="json") for event in waiting.events],
            "omitted": waiting.omitted,
        }
        waiting.events, waiting.pieces, waiting.size, waiting.omitted = [], {}, 0, 0
        waiting.last.clear()
        self._connection.tell(methods.EVENT, params)
        return True

    def finish(self, session_id: str) -> None:
        """Send what is left of a session that is no longer open, and forget it."""
        self.send_events(session_id)
        self._waiting.pop(session_id, None)

    def send_status(self, session_id: str, snapshot: SessionSnapshot) -> bool:
        """Send the status if the time has come and it says anything new; tells whether it was sent."""
        waiting = self._waiting.setdefault(session_id, _Waiting())
        now = time.monotonic()
        early = now - waiting.status_told < STATUS_INTERVAL and not waiting.status_urgent
        if not waiting.status_due or early:
            return False
        waiting.status_told, waiting.status_due, waiting.status_urgent = now, False, False
        view = self._statuses.view(snapshot)
        if waiting.status is not None and _timeless(waiting.status) == _timeless(view):
            return False
        waiting.status = view
        self._tell(methods.STATUS_CHANGED, StatusNotification(status=view))
        return True

    def status_changed(self, session_id: str) -> None:
        """Something else than an event changed what the status says: tell it with the next frame."""
        waiting = self._waiting.setdefault(session_id, _Waiting())
        waiting.status_due = waiting.status_urgent = True

    def gone(self, session_id: str, snapshot: SessionSnapshot) -> None:
        """Tell at once that a session's agent has ended, since there may be no frame after it."""
        self.status_changed(session_id)
        self.send_status(session_id, snapshot)

    def status_due(self, session_id: str) -> bool:
        """Tell whether the status changed since it was sent."""
        waiting = self._waiting.get(session_id)
        return waiting is not None and waiting.status_due

    def asked(self, approval: Approval) -> None:
        """Tell at once that an approval waits."""
        self._tell(
            methods.APPROVAL,
            ApprovalNotification(
                session_id=approval.session_id, approval_id=approval.id, approval=approval
            ),
        )

    def decided(self, session_id: str, approval_id: str, decision: Decision) -> None:
        """Tell at once that an approval has its decision."""
        self._tell(
            methods.APPROVAL,
            ApprovalNotification(session_id=session_id, approval_id=approval_id, decision=decision),
        )

    def written(self, paths: Iterable[Path]) -> None:
        """Tell at once which files changed on disk, by the names the editor has for them."""
        uris: list[str] = []
        for path in paths:
            document = self._connection.documents.by_key(canonical(str(path)))
            uris.append(document.uri if document else to_uri(str(path)))
        self._tell(methods.RELOAD, ReloadNotification(uris=tuple(uris)))

    def account(self, account: AccountInfo, login_id: str, error: str) -> None:
        """Tell at once what the agent's account is now, and which login has ended."""
        shown = account_of(account)
        self._tell(
            methods.ACCOUNT, AccountNotification(account=shown, login_id=login_id, error=error)
        )

    def _tell(self, method: str, params: Frozen) -> None:
        if self.enabled:
            self._connection.tell(method, params.model_dump(mode="json"))


def _is_urgent(event: Event) -> bool:
    body = event.body
    if isinstance(body, ApprovalRequested):
        return body.approval.verdict.outcome is Outcome.ASK
    return isinstance(body, _URGENT)


def _timeless(view: StatusView) -> StatusView:
    """Return the view without what changes with the clock alone, or with each event."""
    pending = tuple(each.model_copy(update={"age": 0.0}) for each in view.pending)
    return view.model_copy(update={**_CLOCK, "pending": pending})


def _joined(event: Event, pieces: list[str]) -> Event:
    body = event.body
    assert isinstance(body, TextDelta)
    text = body.text + "".join(pieces)
    return event.model_copy(update={"body": body.model_copy(update={"text": text})})
