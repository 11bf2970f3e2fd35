"""Noticing that a policy file has changed, without anybody asking for a verdict.

Judgements look at the files by themselves; this is for what waits already and for what is shown. Not
aware of sessions nor of what is done with a change. `supervisor` stands above, `policies` below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import anyio

from autopilot_ls.supervisor.policies import Policies

LOOK: Final = 1.0
"""Seconds between two looks at the files."""


async def follow(policies: Policies, changed: Callable[[Iterable[Path]], None]) -> None:
    """Tell of each change of a file of the policies; runs until it is cancelled.

    Args:
        policies: Whose files are looked at.
        changed: Hears of the workspaces whose policy is another one now.
    """
    while True:
        await anyio.sleep(LOOK)
        found = policies.changes()
        if found:
            changed(found)
