"""How much an editor is told in any second, all kinds of messages together.

What must go at once goes, and counts; what can wait asks here when there is room for it. Not aware of what
is sent. `connection` counts, `frames` and the features ask. Light: used before `initialize` is answered.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

LIMIT: Final = 24
"""Messages within a second at which what can wait waits; it leaves room for what cannot."""

SPARE: Final = 3
"""So many more are sent of what would otherwise always find the room taken."""

WINDOW: Final = 1.0
"""Seconds within which messages are counted."""


class Pace:
    """Counts what is sent to one editor."""

    def __init__(
        self,
        limit: int = LIMIT,
        window: float = WINDOW,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create it for an editor that was told nothing yet.

        Args:
            limit: Messages within the window at which what can wait waits.
            window: In seconds.
            clock: Gives seconds.
        """
        self._limit = limit
        self._sent: deque[float] = deque(maxlen=limit + SPARE)
        self._window = window
        self._clock = clock

    def spend(self) -> None:
        """Take that a message was sent."""
        self._sent.append(self._clock())

    def wait(self, spare: int = 0) -> float:
        """Return the seconds until there is room for what can wait; 0 when there is now.

        Args:
            spare: How many messages more than others the caller may have, up to `SPARE`.
        """
        most = self._limit + spare
        if len(self._sent) < most:
            return 0.0
        return max(0.0, self._sent[-most] + self._window - self._clock())
