"""Saying something to the person without taking the keyboard.

News goes to the log. Only what went wrong is shown, as one line of type *error*, for which no editor that
was tried takes the keys (Neovim draws "Press ENTER" under one that is too wide, but lets keys through, so
it gets a short one); the whole text is in the log, in the transcript, and in a diagnostic. A message request
says at most that an approval waits, offers no accepting choice, and only goes to editors known to handle
it. Not aware of sessions. `view` and `service` stand above.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from lsprotocol import types

from autopilot_ls.lsp.client_profile import Family
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.pace import Pace
from autopilot_ls.lsp.plain import member
from autopilot_ls.lsp.protocol import ClientFailed
from autopilot_ls.model.text import count, one_line, visible

REPEAT_AFTER: Final = 10.0
"""Seconds before the same error is shown again."""

REQUEST_LIMIT: Final = 600.0
"""Seconds a message request may stay open."""

SHOW, LATER, REJECT = "Show", "Later", "Reject"

_MAX_LOG: Final = 20_000
_MAX_SHOWN: Final = 100

LOGS: Final = 3
"""Messages to the log within a second; further ones follow later."""

ERRORS: Final = 3
"""Errors shown within `ERRORS_WITHIN` seconds; further ones are in the log only."""

ERRORS_WITHIN: Final = 5.0

MAX_WAITING: Final = 50
"""Messages to the log that may wait; beyond them the oldest is left out, and that is said."""


class Messages:
    """Messages to one editor."""

    def __init__(self, connection: Connection, clock: Callable[[], float] = time.monotonic) -> None:
        """Create the feature; `clock` gives seconds."""
        self._connection = connection
        self._clock = clock
        self._shown: dict[str, float] = {}
        self._logs = Pace(LOGS, clock=clock)
        self._errors = Pace(ERRORS, ERRORS_WITHIN, clock)
        self._waiting: deque[types.LogMessageParams] = deque()
        self._left_out = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def crowded(self) -> bool:
        """Whether so much is said that the person cannot read it anyway."""
        return len(self._waiting) > LOGS

    def log(self, kind: types.MessageType, text: str) -> None:
        """Write to the editor's log; soon, where much is written."""
        self._waiting.append(types.LogMessageParams(kind, visible(text[:_MAX_LOG])[:_MAX_LOG]))
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self._left_out += 1
        if self._timer is None:
            self._write()

    def _write(self) -> None:
        """Write what there is room for, and the rest when there is."""
        self._timer = None
        while self._waiting:
            wait = self._logs.wait()
            if wait > 0:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(wait, self._write)
                return
            self._logs.spend()
            if not self._left_out:
                params = self._waiting.popleft()
            else:
                said = f"{count(self._left_out, 'message')} left out here; the transcript has more."
                params = types.LogMessageParams(types.MessageType.Warning, said)
                self._left_out = 0
            self._connection.tell(types.WINDOW_LOG_MESSAGE, params)

    def error(self, text: str) -> None:
        """Show that something went wrong, once, and write it to the log."""
        now = self._clock()
        if now - self._shown.get(text, -REPEAT_AFTER) < REPEAT_AFTER:
            return
        if len(self._shown) > _MAX_SHOWN:
            self._shown.clear()
        self._shown = {t: when for t, when in self._shown.items() if now - when < REPEAT_AFTER}
        self._shown[text] = now
        self.log(types.MessageType.Error, text)
        if self._errors.wait() > 0:
            return
        self._errors.spend()
        profile = self._connection.profile
        # Neovim names the server itself, and has little room.
        shown = text if profile.family is Family.NEOVIM else f"Autopilot: {text}"
        params = types.ShowMessageParams(
            types.MessageType.Error, one_line(shown, profile.error_width or 1_000)
        )
        self._connection.tell(types.WINDOW_SHOW_MESSAGE, params)

    def answer(self, text: str) -> None:
        """Tell what the person asked for, where nothing shows it; in the log, where it would take keys."""
        profile = self._connection.profile
        if profile.family in {Family.NEOVIM, Family.HELIX}:
            self.log(types.MessageType.Info, text)
            return
        params = types.ShowMessageParams(types.MessageType.Info, one_line(text, 1_000))
        self._connection.tell(types.WINDOW_SHOW_MESSAGE, params)

    async def waiting(self, text: str, *, loud: bool = False) -> str:
        """Say that an approval waits, where that is possible.

        Args:
            text: What to say.
            loud: Whether it must reach the person: an editor that cannot be asked shows it as it does
                what went wrong.

        Returns:
            `SHOW` or `REJECT` when the person chose it, else `LATER`.
        """
        self.log(types.MessageType.Info, text)
        if not self._connection.profile.message_requests:
            if loud:
                self.error(text)
            return LATER
        params = types.ShowMessageRequestParams(
            type=types.MessageType.Warning if loud else types.MessageType.Info,
            message=one_line(text, 200),
            actions=[types.MessageActionItem(title) for title in (SHOW, LATER, REJECT)],
        )
        try:
            answer = await self._connection.ask(
                types.WINDOW_SHOW_MESSAGE_REQUEST, params, limit=REQUEST_LIMIT
            )
        except ClientFailed:
            return LATER
        chosen = member(answer, "title")
        return str(chosen) if chosen in {SHOW, REJECT} else LATER
