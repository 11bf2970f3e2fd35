"""Requests of an agent until they are announced: a patch is read first, beside the event loop if it is large.

Not aware of verdicts or decisions. `broker` stands above, `patches` below.
"""

from __future__ import annotations

from collections.abc import Callable

from autopilot_ls.model.approvals import FileChange
from autopilot_ls.model.errors import TraceFull
from autopilot_ls.model.ids import new_approval_id
from autopilot_ls.runtimes.base import RuntimeApproval
from autopilot_ls.supervisor.patches import Patches
from autopilot_ls.supervisor.tasks import Tasks

Announce = Callable[[str, RuntimeApproval, tuple[FileChange, ...]], None]
"""Takes a request with its id and its patch by hunks; may raise `TraceFull`."""


class Arriving:
    """The requests of one session that are still being read."""

    def __init__(self, patches: Patches, tasks: Tasks, announce: Announce) -> None:
        """Create it.

        Args:
            patches: Reads them.
            tasks: Where large ones are read.
            announce: Is given each request when it was read.
        """
        self._patches = patches
        self._tasks = tasks
        self._announce = announce
        self._reading: dict[str, RuntimeApproval] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a request is being read."""
        return bool(self._reading)

    def take(self, message: RuntimeApproval) -> None:
        """Take a request of the agent, and announce it at once unless reading it takes long."""
        approval_id = new_approval_id()
        if self._patches.is_quick(message.action):
            files = self._patches.examine(approval_id, message.action)
            self._announce(approval_id, message, files)
        else:
            self._reading[approval_id] = message
            self._tasks.start_soon(self._examine, approval_id, message)

    async def _examine(self, approval_id: str, message: RuntimeApproval) -> None:
        try:
            files = await self._patches.examine_aside(approval_id, message.action)
        except Exception as error:  # noqa: BLE001 reason: a fault here must not leave the agent waiting
            files = self._patches.unreadable(approval_id, message.action, str(error))
        if self._reading.pop(approval_id, None) is None:
            self._patches.forget(approval_id)
            return
        try:
            self._announce(approval_id, message, files)
        except TraceFull:
            return  # The session is being stopped for it, which declines what is open.

    def finish(self, key: str | None = None) -> None:
        """Announce without their files what is about to be cancelled.

        Args:
            key: The agent's name of the one that is; all when omitted.
        """
        for approval_id, message in list(self._reading.items()):
            if key is None or message.key == key:
                del self._reading[approval_id]
                self._announce(approval_id, message, ())

    def drop(self) -> None:
        """Forget them: nothing can be recorded any more."""
        self._reading.clear()
