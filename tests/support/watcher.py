"""A client of the supervisor for tests: it remembers what it was told, and can wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import anyio

from autopilot_ls.model.events import Event
from autopilot_ls.runtimes.base import AccountInfo
from autopilot_ls.supervisor.views import OpenDocument

Body = TypeVar("Body")
PATIENCE = 30.0
"""Seconds that a test waits for something to come true."""


@dataclass
class Watcher:
    """A client that remembers what it was told and can wait for it."""

    name: str = "test"
    events: list[Event] = field(default_factory=list[Event])
    written: list[Path] = field(default_factory=list[Path])
    documents: list[OpenDocument] = field(default_factory=list[OpenDocument])
    policy_changes: int = 0
    accounts: list[tuple[AccountInfo, str, str]] = field(
        default_factory=list[tuple[AccountInfo, str, str]]
    )
    review_changes: int = 0
    _changed: anyio.Event = field(default_factory=anyio.Event)

    def events_applied(self, session_id: str, events: Sequence[Event]) -> None:
        del session_id
        self.events.extend(events)
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    def files_written(self, paths: Sequence[Path]) -> None:
        self.written.extend(paths)

    def review_changed(self, workspace: Path) -> None:
        del workspace
        self.review_changes += 1
        self._wake()

    def account_changed(self, account: AccountInfo, login_id: str, error: str) -> None:
        self.accounts.append((account, login_id, error))
        self._wake()

    def policy_changed(self) -> None:
        self.policy_changes += 1
        self._wake()

    def open_documents(self) -> Iterable[OpenDocument]:
        return self.documents

    async def until(self, condition: Callable[[], bool], *, timeout: float = PATIENCE) -> None:
        """Wait until a condition on what happened holds."""
        with anyio.move_on_after(timeout):
            while not condition():
                await self._changed.wait()
            return
        kinds = [event.body.type for event in self.events]
        raise AssertionError(f"It did not come true. What happened: {kinds}")

    def all(self, kind: type[Body], session_id: str | None = None) -> list[Body]:
        """Return the bodies of a kind, in order."""
        return [
            event.body
            for event in self.events
            if isinstance(event.body, kind) and session_id in (None, event.session_id)
        ]

    async def saw(self, kind: type[Body], count: int = 1) -> Body:
        """Wait for the nth event of a kind and return its body."""
        await self.until(lambda: len(self.all(kind)) >= count)
        return self.all(kind)[count - 1]
