"""The rhythm in which an editor hears of what changes all the time.

For each key at most one call per frame, about thirty a second, however often something changes; for all
keys together as many as the editor's pace has room for, each key in its turn; none while the editor does
not read what it has. Not aware of what is sent. The features stand above.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

INTERVAL: Final = 1 / 30
"""Seconds between two frames of a session."""

_MEMORY: Final = 1_000


class Frames:
    """Calls back for keys that were marked, in a steady rhythm."""

    def __init__(
        self,
        send: Callable[[str], bool],
        congested: Callable[[], bool],
        interval: float = INTERVAL,
        room: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Create the rhythm.

        Args:
            send: Called for a key whose frame has come; tells whether there is more to send.
            congested: Whether the editor does not read; frames wait for `resume` then.
            interval: Seconds between two frames of a key.
            room: Gives the seconds until there is room for another message.
        """
        self._send = send
        self._congested = congested
        self._interval = interval
        self._room = room
        self._last: dict[str, float] = {}
        # When each marked key is due; in the order in which they take their turn.
        self._due: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._held: set[str] = set()
        self._closed = False

    def mark(self, key: str) -> None:
        """Something changed; cheap enough for every event."""
        if self._closed or key in self._due or key in self._held:
            return
        now = asyncio.get_running_loop().time()
        self._due[key] = max(self._last.get(key, 0.0) + self._interval, now)
        self._wake(self._due[key])

    def _wake(self, at: float) -> None:
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_at(at, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._congested():
            self._held.update(self._due)
            self._due.clear()
            return
        try:
            self._send_due(asyncio.get_running_loop().time())
        finally:
            # Also where sending for one of them failed.
            if self._due and self._timer is None and not self._closed:
                self._wake(min(self._due.values()))

    def _send_due(self, now: float) -> None:
        resolution = self._interval / 100
        for key in [key for key, due in self._due.items() if due <= now + resolution]:
            wait = self._room()
            if wait > 0:
                self._wake(now + wait)
                return
            del self._due[key]
            self._remember(key, now)
            if self._send(key):
                self.mark(key)

    def _remember(self, key: str, now: float) -> None:
        self._last.pop(key, None)
        self._last[key] = now
        if len(self._last) > _MEMORY:
            del self._last[next(iter(self._last))]

    def resume(self) -> None:
        """The editor reads again."""
        held, self._held = self._held, set()
        for key in held:
            self.mark(key)

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due.clear()
        self._held.clear()
