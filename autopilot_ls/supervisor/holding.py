"""What the sandbox of a session's agent holds for the policy: looked up anew before each turn.

Looks beside the event loop, and tells once what cannot be held. Not aware of agents or processes.
`session` stands above; the policy and the record below.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import AgentError
from autopilot_ls.model.events import Notice
from autopilot_ls.model.text import one_line
from autopilot_ls.policy.profile import Profile, compile_profiles
from autopilot_ls.runtimes.base import HeldPaths
from autopilot_ls.supervisor.policies import Policies
from autopilot_ls.supervisor.record import SessionRecord

_SHOWN: Final = 3


class Holding:
    """The paths that the policy has the operating system hold, in one session's folder.

    Attributes:
        paths: For each mode, as looked up last.
    """

    def __init__(self, record: SessionRecord, policies: Policies) -> None:
        """Create it; nothing is looked at yet.

        Args:
            record: Has the session's folder, and is told what cannot be held.
            policies: Have the policy of the folder.
        """
        self.paths: Mapping[Mode, HeldPaths] = {}
        self._record = record
        self._policies = policies
        self._told = ""

    async def look(self) -> Mapping[Mode, HeldPaths]:
        """Look the paths up, which is bounded in time.

        Raises:
            AgentError: They cannot be looked up, so that the agent must not be started.
            TraceFull: What cannot be held cannot be recorded.
        """
        workspace = Path(self._record.state.cwd)
        policy = self._policies.of(workspace)
        try:
            profiles = await anyio.to_thread.run_sync(
                compile_profiles, policy, list(Mode), workspace
            )
        except Exception as error:
            message = f"Internal error while looking up what the sandbox must hold: {error!r}."
            raise AgentError(message) from error
        self.paths = {
            mode: HeldPaths(profile.read_only, profile.denied) for mode, profile in profiles.items()
        }
        told = _gaps(profiles[self._record.state.mode], workspace)
        if told and told != self._told:
            self._record.tell(Notice(severity="warning", code="sandbox-gaps", message=told))
        self._told = told
        return self.paths


def holds_now(before: Mapping[Mode, HeldPaths], now: Mapping[Mode, HeldPaths]) -> bool:
    """Tell whether a sandbox that was made before is as good as one that is made now.

    It is when it holds all, and nothing more than what has vanished since. Looks at the disk.
    """
    for mode, wanted in now.items():
        made = before.get(mode, HeldPaths())
        if not made.holds(wanted):
            return False
        more = {*made.read_only, *made.denied} - {*wanted.read_only, *wanted.denied}
        less_read = set(made.denied) - set(wanted.denied)
        if any(os.path.lexists(path) for path in more | less_read):
            return False
    return True


def _gaps(profile: Profile, workspace: Path) -> str:
    """Return what the operating system does not hold although it is there; empty when nothing."""
    lacks: list[str] = []
    if profile.unheld:
        root = f"{workspace.resolve()}/"
        names = [one_line(path.removeprefix(root), 80) for path in profile.unheld[:_SHOWN]]
        more = len(profile.unheld) - len(names)
        lacks.append(", ".join(names) + (f" and {more} more" if more > 0 else ""))
    if not profile.complete:
        lacks.append("what lies deep in this large folder")
    if not lacks:
        return ""
    return (
        f"The sandbox cannot hold every protected path here ({'; '.join(lacks)}): of these only "
        "Autopilot's own reading of commands and patches keeps the agent."
    )
