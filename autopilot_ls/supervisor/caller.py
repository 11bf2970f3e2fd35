"""On whose behalf something is done: the environment agents get, and what new sessions are like.

In a process of its own, a client has none of this: the process's environment and the settings count. In a
shared one, each client's tasks carry their `Caller` with them. Not aware of how clients come and go. Light: used before
`initialize` is answered.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from autopilot_ls.model.approvals import Mode


@dataclass(slots=True)
class Caller:
    """A client of a shared process.

    Attributes:
        environment: The variables of the client's own process.
        cwd: The folder it was started in.
        mode: Of new sessions; None for what the supervisor's settings say.
        model: Of new sessions, likewise.
        effort: Of new sessions, likewise.
    """

    environment: Mapping[str, str]
    cwd: Path
    mode: Mode | None = None
    model: str | None = None
    effort: str | None = None


CALLER: Final[ContextVar[Caller | None]] = ContextVar("autopilot_caller", default=None)
"""Set for the tasks of one client, at their root."""


def environment() -> dict[str, str]:
    """Return the environment of whoever acts."""
    caller = CALLER.get()
    return dict(os.environ if caller is None else caller.environment)


def model() -> str | None:
    """Return the model that sessions of whoever acts use, if that is said beside the settings."""
    caller = CALLER.get()
    return None if caller is None else caller.model


def effort() -> str | None:
    """Return the reasoning effort, likewise."""
    caller = CALLER.get()
    return None if caller is None else caller.effort


def current_folder() -> Path:
    """Return the folder that whoever acts was started in."""
    caller = CALLER.get()
    return Path.cwd() if caller is None else caller.cwd
