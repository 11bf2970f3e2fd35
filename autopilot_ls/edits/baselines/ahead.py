"""A look whose answer is given before its end, which goes on in a task of its own.

Not aware of what a look is. `baselines` stands above.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from autopilot_ls.edits.baselines.values import Baseline
from autopilot_ls.model.errors import BaselineUnavailable

Look = Callable[[Callable[[Baseline], None]], Awaitable[Baseline]]
"""Looks, and calls what it is given as soon as it knows what it will return."""


class LookAhead:
    """One look; `run` is started in a task, `answer` waits for what it finds."""

    def __init__(self, look: Look) -> None:
        """Prepare it."""
        self._look = look
        self._scope: Final = anyio.CancelScope()
        self._answered: Final = anyio.Event()
        self._ended: Final = anyio.Event()
        self._baseline: Baseline | None = None
        self._error: BaselineUnavailable | None = None

    async def run(self) -> None:
        """Look, to the very end."""
        try:
            with self._scope:
                self._tell(await self._look(self._tell))
        except BaselineUnavailable as error:
            self._error = error
        finally:
            self._answered.set()
            self._ended.set()

    def _tell(self, baseline: Baseline) -> None:
        self._baseline = baseline
        self._answered.set()

    async def answer(self) -> Baseline:
        """Return what was found; the look is given up if the one who waits is cancelled.

        Raises:
            BaselineUnavailable: Nothing was.
        """
        try:
            await self._answered.wait()
        finally:
            if self._baseline is None:
                self._scope.cancel()
        if self._baseline is None:
            raise self._error or BaselineUnavailable("The look at the workspace was given up.")
        return self._baseline

    async def end(self) -> None:
        """Wait for the end of the look, however it ends."""
        await self._ended.wait()
