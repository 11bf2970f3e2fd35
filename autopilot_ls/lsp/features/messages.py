"""Saying something to the person without taking the keyboard.

News goes to the log. Only what went wrong is shown, as one line of type *error*, for which no editor that
was tried takes the keys (Neovim draws "Press ENTER" under one that is too wide, but lets keys through, so
it gets a short one); the whole text is in the log, in the transcript, and in a diagnostic. A message request
says at most that an approval waits, offers no accepting choice, and only goes to editors known to handle
it. Not aware of sessions. `view` and `service` stand above.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from lsprotocol import types

from autopilot_ls.lsp.client_profile import Family
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.plain import member
from autopilot_ls.lsp.protocol import ClientFailed
from autopilot_ls.model.text import one_line, visible

REPEAT_AFTER: Final = 10.0
"""Seconds before the same error is shown again."""

REQUEST_LIMIT: Final = 600.0
"""Seconds a message request may stay open."""

SHOW, LATER, REJECT = "Show", "Later", "Reject"

_MAX_LOG: Final = 20_000


class Messages:
    """Messages to one editor."""

    def __init__(self, connection: Connection, clock: Callable[[], float] = time.monotonic) -> None:
        """Create the feature; `clock` gives seconds."""
        self._connection = connection
        self._clock = clock
        self._shown: dict[str, float] = {}

    def log(self, kind: types.MessageType, text: str) -> None:
        """Write to the editor's log."""
        params = types.LogMessageParams(kind, visible(text)[:_MAX_LOG])
        self._connection.tell(types.WINDOW_LOG_MESSAGE, params)

    def error(self, text: str) -> None:
        """Show that something went wrong, once, and write it to the log."""
        now = self._clock()
        if now - self._shown.get(text, -REPEAT_AFTER) < REPEAT_AFTER:
            return
        self._shown = {t: when for t, when in self._shown.items() if now - when < REPEAT_AFTER}
        self._shown[text] = now
        self.log(types.MessageType.Error, text)
        profile = self._connection.profile
        # Neovim names the server itself, and has little room.
        shown = text if profile.family is Family.NEOVIM else f"Autopilot: {text}"
        params = types.ShowMessageParams(
            types.MessageType.Error, one_line(shown, profile.error_width or 1_000)
        )
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
