"""What a client is to the supervisor: a view that attaches and detaches.

A view is told what happened by synchronous calls that must not block, and is asked what is open in
its editor. Several views may be attached at once. Not aware of editors or terminals: `lsp` and `cli`
implement `ClientView`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol

from autopilot_ls.edits.merge import Merged
from autopilot_ls.model.events import Event
from autopilot_ls.runtimes.base import AccountInfo

_LOG: Final = logging.getLogger(__name__)

PutOutcome = Literal["done", "stale", "failed"]
"""What became of an edit: `stale` when the text is no longer the one it was made for."""

Put = Callable[[Merged], Awaitable[PutOutcome]]


@dataclass(frozen=True, slots=True)
class OpenDocument:
    """A file as a client has it open.

    Attributes:
        text: The client's text, with the line ends as the client sends them.
        saved: What the person saved there last; None when nothing was since it was opened.
        put: Has the client make an edit in the document, unsaved, and looks at the text afterwards; this
            has a limit in time. None where the client cannot, or has the file open more than once.
    """

    path: Path
    text: str
    put: Put | None = field(default=None, compare=False, repr=False)
    saved: str | None = None


class ClientView(Protocol):
    """One client. Its methods are called in the supervisor's event loop."""

    @property
    def name(self) -> str:
        """Who this is, for the record of decisions, for example `Neovim 0.11.4`."""
        ...

    def events_applied(self, session_id: str, events: Sequence[Event]) -> None:
        """These events were recorded and applied; must not block and must not raise."""
        ...

    def files_written(self, paths: Sequence[Path]) -> None:
        """These files were just changed on disk for an accepted patch: clean buffers should reload."""
        ...

    def policy_changed(self) -> None:
        """A policy file has changed: ask `Supervisor.policy_problems` again; must not block."""
        ...

    def account_changed(self, account: AccountInfo, login_id: str, error: str) -> None:
        """The agent's account is now this, since a login has ended or somebody logged out; must not block.

        Args:
            account: What is known of it.
            login_id: The login that has ended; empty when none has.
            error: Why it failed; empty when it did not.
        """
        ...

    def review_changed(self, workspace: Path) -> None:
        """What is to be reviewed in this folder has changed; must not block."""
        ...

    def open_documents(self) -> Iterable[OpenDocument]:
        """What the client has open right now."""
        ...


def tell_all(views: Iterable[ClientView], tell: Callable[[ClientView], None]) -> None:
    """Tell each client something; a fault in one costs neither the agent its answer nor the others their news."""
    for view in views:
        try:
            tell(view)
        except Exception:  # noqa: BLE001 reason: as said above
            _LOG.exception("client %s failed on what it was told", view.name)
