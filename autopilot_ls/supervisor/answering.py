"""The answers of a broker on their way to the agent's process: to the right one, and for how long.

Not aware of what is decided or recorded. `broker` stands above.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Generator
from contextlib import contextmanager
from typing import Final

import anyio
from anyio import CancelScope

from autopilot_ls.model.approvals import Decision
from autopilot_ls.model.errors import AgentDied, AutopilotError
from autopilot_ls.supervisor.tasks import Tasks

CANCEL_GRACE: Final = 5.0
"""Seconds that all answers of a general cancel have to reach the agent."""

Answer = Callable[[str, Decision], Awaitable[bool]]
"""Sends a decision to the agent; tells whether its message was told as well."""


class Answering:
    """Sends the decisions of one session."""

    def __init__(self, answer: Answer, tasks: Tasks, failed: Callable[[Exception], None]) -> None:
        """Create it.

        Args:
            answer: Sends a decision to the agent.
            tasks: Where answers run that nobody waits for.
            failed: Called when one of those failed in a way that nobody foresaw.
        """
        self.answer = answer
        self.process = 0
        """Numbers the agent's processes: another one may use the same key for another request."""
        self._tasks = tasks
        self._failed = failed
        self._sending = 0
        self._all_sent = anyio.Event()

    @property
    def is_busy(self) -> bool:
        """Whether an answer is on its way."""
        return self._sending > 0

    def gone(self) -> None:
        """The process has ended, or does not count any more: nothing more is sent to it."""
        self.process += 1

    @contextmanager
    def one(self) -> Generator[None]:
        """Have it known for so long that an answer is on its way."""
        if not self._sending:
            self._all_sent = anyio.Event()
        self._sending += 1
        try:
            yield
        finally:
            self._sending -= 1
            if not self._sending:
                self._all_sent.set()

    async def send(self, key: str, decision: Decision, process: int) -> bool:
        """Send an answer to the process that asked; tells whether its message was told as well.

        Raises:
            AgentError: It could not be sent.
        """
        if process != self.process:
            raise AgentDied("The agent's process has ended; the decision is recorded only.")
        return await self.answer(key, decision)

    async def send_all(self, keys: Collection[str], decision: Decision, process: int) -> None:
        """Send one answer to many requests at once; this has a limit, and what fails is no error."""
        sent = [anyio.Event() for _ in keys]
        for key, done in zip(keys, sent, strict=True):
            self._tasks.start_soon(self._send_aside, key, decision, process, done)
        with anyio.move_on_after(CANCEL_GRACE):
            for done in sent:
                await done.wait()

    async def _send_aside(
        self, key: str, decision: Decision, process: int, done: anyio.Event
    ) -> None:
        try:
            with CancelScope(shield=True):
                await self.send(key, decision, process)
        except AutopilotError:
            return  # It is cancelled all the same: by the agent itself, or by the end of its process.
        except Exception as error:  # noqa: BLE001 reason: the session must tell of it
            self._failed(error)
        finally:
            done.set()

    async def sent(self) -> None:
        """Wait until no decision is on its way to the agent; this has a limit."""
        with anyio.move_on_after(CANCEL_GRACE):
            while self._sending:
                await self._all_sent.wait()
