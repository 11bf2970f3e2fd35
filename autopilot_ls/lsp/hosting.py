"""Where an editor's supervisor lives: in the editor's own server process, or in one that is shared.

Only what `service` needs to know of the difference. Not aware of sockets. `service` stands above; the
shared process has a `Host` of its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from anyio.abc import TaskGroup

from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.configuration import apply_logging
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.supervisor import Attachment, open_supervisor
from autopilot_ls.supervisor.views import ClientView


@dataclass(frozen=True, slots=True)
class Place:
    """A supervisor as one editor has it.

    Attributes:
        attach: Has a view told what happens.
        tasks: Where the editor's commands are carried out when they must outlive its connection; None
            where nothing does.
    """

    backend: Backend
    attach: Callable[[ClientView], Attachment]
    tasks: TaskGroup | None = None


class Host(Protocol):
    """Where an editor is served."""

    @property
    def said(self) -> str:
        """What to write to the editor's log at the beginning, as a warning."""
        ...

    @property
    def environment(self) -> Mapping[str, str] | None:
        """What the editor was started with; None for that of this process."""
        ...

    def apply(self, settings: Settings) -> None:
        """Take what the editor's settings, now or now again, say about the process and its log."""
        ...

    def supervisor(self, settings: Settings) -> AbstractAsyncContextManager[Place]:
        """Have a supervisor for as long as the editor is there."""
        ...


class OwnProcess:
    """A server process for one editor; it ends with it, and so does what it runs."""

    environment: Mapping[str, str] | None = None

    def __init__(self, said: str = "") -> None:
        """Take what is to be said at the beginning."""
        self.said = said

    def apply(self, settings: Settings) -> None:
        """See `Host`."""
        apply_logging(settings)

    @asynccontextmanager
    async def supervisor(self, settings: Settings) -> AsyncGenerator[Place]:
        """See `Host`."""
        async with open_supervisor(settings) as supervisor:
            yield Place(supervisor, supervisor.attach)
