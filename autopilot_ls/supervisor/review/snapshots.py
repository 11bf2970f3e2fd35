"""The snapshots of a review, from private baselines and from the commits of the user's repository.

Nothing that a repository says is executed: no hook, filter, helper or transport. Not aware of reviews;
`reviews` stands above, `edits.baselines` and `wire.tools` below.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from autopilot_ls.edits.baselines.baselines import Baselines
from autopilot_ls.edits.baselines.values import Baseline, Changes, Side
from autopilot_ls.edits.contents import MAX_CONTENT
from autopilot_ls.model.errors import AgentError, BaselineUnavailable, WireError
from autopilot_ls.wire.tools import run_tool

GIT_LIMIT: Final = 10.0
"""Seconds that one question to the user's repository may take."""

_QUIET: Final = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


class GitSnapshots:
    """The snapshots of one workspace; implements `workspace.Snapshots`."""

    def __init__(self, baselines: Baselines, workspace: Path) -> None:
        """Create them.

        Args:
            baselines: Those of the workspace.
            workspace: Its real folder.
        """
        self._baselines = baselines
        self._workspace = workspace

    async def take(self) -> Baseline:
        """Look at the disk now."""
        return await self._baselines.take()

    async def changes(self, since: str, until: str) -> Changes:
        """Return what differs between two looks."""
        return await self._baselines.changes(since, until)

    async def read(self, side: Side) -> bytes:
        """Return the bytes of a file whose content was kept."""
        found = await self._baselines.contents([side.blob])
        if side.blob not in found:
            raise BaselineUnavailable("The content of a baseline is gone.", advice="Start a turn.")
        return found[side.blob]

    async def prune(self) -> None:
        """Give up what was seen long ago."""
        await self._baselines.prune()

    async def head(self) -> str:
        """Return which commit the user's repository has checked out; empty when that is not known."""
        return (
            (await self._git("rev-parse", "--verify", "--quiet", "HEAD^{commit}") or b"")
            .strip()
            .decode()
        )

    async def committed(self, head: str, path: str) -> bytes | None:
        """Return what a commit holds at a path; None when it has none."""
        return await self._git("cat-file", "blob", f"{head}:./{path}")

    async def _git(self, *arguments: str) -> bytes | None:
        program = shutil.which("git")
        if program is None:
            return None
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": os.environ.get("HOME", "/"),
            "LC_ALL": "C",
            "GIT_OPTIONAL_LOCKS": "0",
            # A partial clone would fetch what it lacks, by commands of the repository's choosing.
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_TERMINAL_PROMPT": "0",
        }
        try:
            result = await run_tool(
                [program, *_QUIET, *arguments],
                cwd=self._workspace,
                env=environment,
                seconds=GIT_LIMIT,
                max_output=MAX_CONTENT,
            )
        except (AgentError, WireError, TimeoutError):
            return None
        return result.output if result.code == 0 else None
