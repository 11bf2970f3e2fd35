"""The snapshots of a review, from private baselines and from the commits of the user's repository.

Nothing that a repository says is executed: no hook, filter, helper or transport. Not aware of reviews;
`reviews` stands above, `edits.baselines` and `wire.tools` below.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from autopilot_ls.edits.baselines.baselines import Baselines
from autopilot_ls.edits.baselines.values import Baseline, Changes, Side
from autopilot_ls.edits.contents import MAX_CONTENT
from autopilot_ls.model.errors import AgentError, BaselineUnavailable, WireError
from autopilot_ls.wire.tools import run_tool

GIT_LIMIT: Final = 10.0
"""Seconds that one question to the user's repository may take."""

COMMITTED_AT_ONCE: Final = 100
"""Files of a commit that are read by one call."""

MAX_COMMITTED: Final = 64 * 1024 * 1024
"""Bytes of them; where they are more, they are not known."""

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

    async def read(self, sides: Collection[Side]) -> Mapping[str, bytes]:
        """Return the contents, by their names, of files whose content was kept."""
        names = {side.blob for side in sides}
        found = await self._baselines.contents(names)
        if not names <= found.keys():
            raise BaselineUnavailable("The content of a baseline is gone.", advice="Start a turn.")
        return found

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

    async def committed(self, head: str, paths: Collection[str]) -> Mapping[str, bytes | None]:
        """Return what a commit holds at paths, None where it has none; without those not known."""
        found: dict[str, bytes | None] = {}
        # A name with a line end in it cannot be asked for.
        left = [path for path in paths if "\n" not in path]
        for at in range(0, len(left), COMMITTED_AT_ONCE):
            asked = left[at : at + COMMITTED_AT_ONCE]
            feed = b"".join(os.fsencode(f"{head}:./{path}") + b"\n" for path in asked)
            output = await self._git("cat-file", "--batch", feed=feed, most=MAX_COMMITTED)
            if output is not None:
                found.update(zip(asked, _blobs(output), strict=False))
        return found

    async def _git(
        self, *arguments: str, feed: bytes = b"", most: int = MAX_CONTENT
    ) -> bytes | None:
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
                feed=feed,
                max_output=most,
            )
        except (AgentError, WireError, TimeoutError):
            return None
        return result.output if result.code == 0 else None


def _blobs(output: bytes) -> Iterator[bytes | None]:
    """Yield what `git cat-file --batch` answered, in order: contents, None for what is no file."""
    at = 0
    while at < len(output):
        end = output.find(b"\n", at)
        if end < 0:
            return
        head = output[at:end].split(b" ")
        at = end + 1
        kind = head[-2] if len(head) > 2 and head[-1].isdigit() else b""  # noqa: PLR2004 - name, kind, size
        if kind not in (b"blob", b"tree", b"commit", b"tag"):
            yield None  # Missing, or ambiguous.
            continue
        size = int(head[-1])
        yield output[at : at + size] if kind == b"blob" else None
        at += size + 1
