"""The rhythm in which an editor hears of what changes all the time.

For each key at most one call per frame, about thirty a second, however often something changes; none while
the editor does not read what it has. Not aware of what is sent. The features stand above.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

INTERVAL: Final = 1 / 30
"""Seconds between two frames of a session."""


class Frames:
    """Calls back for keys that were marked, in a steady rhythm."""

    def __init__(
        self,
        send: Callable[[str], bool],
        congested: Callable[[], bool],
        interval: float = INTERVAL,
    ) -> None:
        """Create the rhythm.

        Args:
            send: Called for a key whose frame has come; tells whether there is more to send.
            congested: Whether the editor does not read; frames wait for `resume` then.
            interval: Seconds between two frames of a key.
        """
        self._send = send
        self._congested = congested
        self._interval = interval
        self._last: dict[str, float] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._held: set[str] = set()
        self._closed = False

    def mark(self, key: str) -> None:
        """Something changed; cheap enough for every event."""
        if self._closed or key in self._timers or key in self._held:
            return
        loop = asyncio.get_running_loop()
        due = self._last.get(key, 0.0) + self._interval
        self._timers[key] = loop.call_at(max(due, loop.time()), self._fire, key)

    def _fire(self, key: str) -> None:
        self._timers.pop(key, None)
        if self._congested():
            self._held.add(key)
            return
        self._last[key] = asyncio.get_running_loop().time()
        if self._send(key):
            self.mark(key)

    def resume(self) -> None:
        """The editor reads again."""
        held, self._held = self._held, set()
        for key in held:
            self.mark(key)

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._held.clear()
