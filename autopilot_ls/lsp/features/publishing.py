"""When the diagnostics of a file are published again while somebody types in it.

At once, but not more often than an editor can use, where something has become of a hunk; a few times a second
where hunks only moved, since editors move what they show with the text themselves; and once more when the
typing pauses, since an editor may drop what is about a text that is not the newest. Not aware of what is
published. `diagnostics` stands above.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from autopilot_ls.edits.followed import Effect

FRAME: Final = 1 / 30
"""Seconds between two times that a file is published since something has become of a hunk."""

MOVED: Final = 0.3
"""Seconds after which hunks that only moved are published, even if somebody types without a pause."""

PAUSE: Final = 0.15
"""Seconds without typing after which it is published once more."""


class Publishing:
    """The times at which the files of one editor are published."""

    def __init__(self, publish: Callable[[str], None]) -> None:
        """Create it; `publish` sends the diagnostics of a file, and says so by `published`."""
        self._publish = publish
        # When a file was published last, and what will publish it again.
        self._times: dict[str, float] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        # When it has to be published at the latest, even if somebody types without a pause.
        self._due: dict[str, float] = {}

    def typed(self, key: str, effect: Effect) -> None:
        """Somebody typed in a file that shows something, with this effect."""
        now = asyncio.get_running_loop().time()
        if effect is Effect.STATE:
            self._due_at(key, self._times.get(key, 0.0) + FRAME)
        elif effect is Effect.MOVED:
            self._due_at(key, now + MOVED)
        when = min(now + PAUSE, self._due.get(key, now + PAUSE))
        if when <= now:
            self._publish(key)
            return
        self._stop_timer(key)
        self._timers[key] = asyncio.get_running_loop().call_later(when - now, self._publish, key)

    def _due_at(self, key: str, when: float) -> None:
        self._due[key] = min(when, self._due.get(key, when))

    def _stop_timer(self, key: str) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def published(self, key: str) -> None:
        """The file was published just now."""
        self._stop_timer(key)
        self._due.pop(key, None)
        self._times[key] = asyncio.get_running_loop().time()

    def forget(self, key: str) -> None:
        """The file shows nothing any more."""
        self._stop_timer(key)
        self._due.pop(key, None)
        self._times.pop(key, None)

    def close(self) -> None:
        """Publish nothing more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
