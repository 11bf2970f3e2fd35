"""When the present turn of a session has begun and ended, for those who wait for it.

Not aware of events, agents or the state; `session` and `aftermath` stand above, nothing below.
"""

from __future__ import annotations

import anyio


class TurnSignals:
    """The beginning and the end of the turn that was started last."""

    def __init__(self) -> None:
        """Create it as after the end of a turn."""
        self.began = anyio.Event()
        self.ended = anyio.Event()
        self.ended.set()

    def expect(self) -> None:
        """Begin anew: a turn is being started."""
        self.began, self.ended = anyio.Event(), anyio.Event()

    def begin(self) -> None:
        """Note that a turn runs, also one that nobody started."""
        if self.ended.is_set():
            self.ended = anyio.Event()
        self.began.set()

    def end(self) -> None:
        """Let go everybody who waits for the beginning or the end."""
        self.began.set()
        self.ended.set()
