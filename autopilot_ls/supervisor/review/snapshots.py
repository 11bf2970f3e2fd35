"""The snapshots of a review, from private baselines and from the commits of the user's repository.

Nothing that a repository says is executed: no hook, filter, helper or transport. Not aware of reviews;
`reviews` stands above, `edits.baselines` and `wire.tools` below.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio.to_thread

from autopilot_ls.edits.baselines.baselines import Baselines
from autopilot_ls.edits.baselines.values import Baseline, Changes, Side
from autopilot_ls.edits.contents import MAX_CONTENT
from autopilot_ls.edits.history import ABSENT, Content
from autopilot_ls.model.errors import AgentError, BaselineUnavailable, WireError
from autopilot_ls.supervisor.review.attribution import is_in
from autopilot_ls.supervisor.review.values import LINK_MODE, Heads
from autopilot_ls.wire.tools import run_tool

GIT_LIMIT: Final = 10.0
"""Seconds that one question to the user's repository may take."""

COMMITTED_AT_ONCE: Final = 100
"""Files of a commit that are read by one call."""

MAX_NESTED: Final = 20
"""Nested repositories whose commits are looked at."""

MAX_COMMITTED: Final = 64 * 1024 * 1024
"""Bytes of them; where they are more, they are not known."""

_QUIET: Final = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


class GitSnapshots:
    """The snapshots of one workspace; implements `values.Snapshots`."""

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

    async def heads(self, paths: Collection[str]) -> Heads:
        """Return which commits are checked out in the workspace, and in what is nested around paths."""
        nested = await anyio.to_thread.run_sync(_nested, self._workspace, paths)
        found: dict[str, str] = {}
        for folder in ("", *nested):
            asked = ("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
            head = (await self._git(folder, *asked) or b"").strip().decode()
            if head:
                found[folder] = head
        return found

    async def committed(self, heads: Heads, paths: Collection[str]) -> Mapping[str, Content]:
        """Return what commits hold at paths; without those of which that is not known."""
        found: dict[str, Content] = {}
        by_folder: dict[str, list[str]] = {}
        for path in paths:
            around = [folder for folder in heads if is_in(path, folder)]
            # A name with a line end in it cannot be asked for.
            if around and "\n" not in path:
                by_folder.setdefault(max(around, key=len), []).append(path)
        for folder, left in by_folder.items():
            for at in range(0, len(left), COMMITTED_AT_ONCE):
                names = {
                    (path[len(folder) + 1 :] if folder else path): path
                    for path in left[at : at + COMMITTED_AT_ONCE]
                }
                held = await self._held(folder, heads[folder], list(names))
                found.update({names[name]: content for name, content in held.items()})
        return found

    async def _held(self, folder: str, head: str, names: Sequence[str]) -> Mapping[str, Content]:
        """Return what a commit holds of some files of its repository, whose names count from a folder."""
        listed = await self._git(
            folder, "--literal-pathspecs", "ls-tree", "-z", head, "--", *names, most=MAX_COMMITTED
        )
        if listed is None:
            return {}
        modes = dict(_listed(listed))
        there = [name for name in names if name in modes]
        held = {name: ABSENT for name in names if name not in modes}
        if there:
            feed = b"".join(os.fsencode(f"{head}:./{name}") + b"\n" for name in there)
            output = await self._git(folder, "cat-file", "--batch", feed=feed, most=MAX_COMMITTED)
            blobs = () if output is None else _blobs(output)
            for name, data in zip(there, blobs, strict=False):
                if data is not None:
                    is_link = modes[name] == LINK_MODE
                    executable = not is_link and bool(modes[name] & 0o100)
                    held[name] = Content("link" if is_link else "file", data, executable)
        return held

    async def _git(
        self, folder: str, *arguments: str, feed: bytes = b"", most: int = MAX_CONTENT
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
                cwd=self._workspace / folder,
                env=environment,
                seconds=GIT_LIMIT,
                feed=feed,
                max_output=most,
            )
        except (AgentError, WireError, TimeoutError):
            return None
        return result.output if result.code == 0 else None


def _nested(workspace: Path, paths: Collection[str]) -> tuple[str, ...]:
    """Return the folders of repositories that are nested in a workspace around paths, relative to it."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    for path in paths:
        folder = os.path.dirname(path)  # noqa: PTH120 reason: they are many, and looked at with each look
        while folder and folder not in seen and len(found) < MAX_NESTED:
            seen.add(folder)
            if os.path.lexists(workspace / folder / ".git"):
                found[folder] = None
            folder = os.path.dirname(folder)  # noqa: PTH120 reason: as above
    return tuple(found)


def _listed(output: bytes) -> Iterator[tuple[str, int]]:
    """Yield the names of files, with their modes, that `git ls-tree -z` listed."""
    for entry in output.split(b"\0"):
        fields, _, name = entry.partition(b"\t")
        mode, _, rest = fields.partition(b" ")
        if rest.startswith(b"blob "):
            yield os.fsdecode(name), int(mode, 8)


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
