"""The view of a headless turn: takes what happens from the supervisor and never blocks it.

What nobody takes for too long is dropped and counted, since the record has it. Not aware of terminals.
`attend` stands above.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import anyio
from anyio import CancelScope

from autopilot_ls.model.events import ApprovalResolved, Event, TextDelta
from autopilot_ls.runtimes.base import AccountInfo
from autopilot_ls.supervisor.views import OpenDocument

TERMINAL: Final = "the terminal"
"""Who decided, when a person did."""

_LOOK: Final = 0.5
_MAX_EVENTS: Final = 20_000
_MAX_JSON: Final = 64 * 1024 * 1024


class RunView:
    """The view that the supervisor knows: takes what happens, never blocks."""

    def __init__(self, *, json: Callable[[Event], str] | None) -> None:
        """Collect events or, with `json`, their lines."""
        self.session_id: str | None = None
        self.dropped = 0
        self._json = json
        self._events: deque[Event] = deque()
        self._lines: deque[str] = deque()
        self._size = 0
        self._news = anyio.Event()
        self._watched: tuple[str, CancelScope] | None = None

    @property
    def name(self) -> str:
        """Who this is, for the record."""
        return TERMINAL

    def events_applied(self, session_id: str, events: Sequence[Event]) -> None:
        """Collect what happened; what nobody takes for too long is dropped and counted."""
        self.session_id = session_id
        for event in events:
            if self._json is not None:
                self._collect_line(self._json(event))
            elif not isinstance(event.body, TextDelta):
                self._collect(event)
            if isinstance(event.body, ApprovalResolved):
                self._withdraw(event.body.approval_id)

    def _collect_line(self, line: str) -> None:
        if self._size + len(line) > _MAX_JSON:
            self.dropped += 1
            return
        self._size += len(line)
        self._lines.append(line)
        self._news.set()

    def _collect(self, event: Event) -> None:
        if len(self._events) >= _MAX_EVENTS:
            self._events.popleft()
            self.dropped += 1
        self._events.append(event)
        self._news.set()

    def files_written(self, paths: Sequence[Path]) -> None:
        """Nothing is open here that would have to be read again."""

    def review_changed(self, workspace: Path) -> None:
        """Take that there is something else to review."""
        del workspace

    def account_changed(self, account: AccountInfo, login_id: str, error: str) -> None:
        """Nothing is shown of it."""

    def policy_changed(self) -> None:
        """What is wrong with a policy file is told as an event."""

    def open_documents(self) -> Iterable[OpenDocument]:
        """Nothing is open here."""
        return ()

    def wake(self) -> None:
        """End a wait for news."""
        self._news.set()

    async def news(self) -> None:
        """Wait until something happened, or a moment to look at the clock."""
        with anyio.move_on_after(_LOOK):
            await self._news.wait()
        self._news = anyio.Event()

    def take(self) -> list[Event]:
        """Return the events that were not taken yet."""
        taken = list(self._events)
        self._events.clear()
        return taken

    def take_lines(self) -> list[str]:
        """Return the lines that were not taken yet."""
        taken = list(self._lines)
        self._lines.clear()
        self._size = 0
        return taken

    def watch(self, approval_id: str, scope: CancelScope) -> None:
        """Cancel the scope as soon as this approval has its decision."""
        self._watched = (approval_id, scope)

    def unwatch(self) -> None:
        """Stop watching."""
        self._watched = None

    def _withdraw(self, approval_id: str) -> None:
        if self._watched is not None and self._watched[0] == approval_id:
            self._watched[1].cancel()
