"""What the store remembers: contents, and the difference of two states.

Reads only. Not aware of the disk; `looking` makes the states, `comparing` has the rules.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio.to_thread

from autopilot_ls.edits.baselines.comparing import compare, parse_raw, parse_renames
from autopilot_ls.edits.baselines.objects import parse_batch, parse_sizes
from autopilot_ls.edits.baselines.repository import GitFailed, Repository, replace_file
from autopilot_ls.edits.baselines.values import BaselineLimits, ChangedFile
from autopilot_ls.edits.baselines.watched import Watched

_LOOKED_INTO: Final = 32 * 1024 * 1024
"""Bytes that are read to tell which of the changed files are binary."""
_MOST: Final = 256 * 1024 * 1024
_DIFF: Final = ("diff-tree", "-r", "-z", "--raw", "--no-abbrev")


class History:
    """The states of one workspace."""

    def __init__(
        self,
        repository: Repository,
        watched: Callable[[str], Awaitable[Watched]],
        limits: BaselineLimits,
    ) -> None:
        """Describe it.

        Args:
            repository: Where they are.
            watched: Returns what a state knows of the files whose content it has not.
            limits: What may be read.
        """
        self._repository = repository
        self._watched = watched
        self._limits = limits

    async def read(self, state: str, path: bytes) -> bytes | None:
        """Return a file's bytes at a state; None when it had no content there.

        Raises:
            GitFailed: The state is not there, or it is damaged.
        """
        name = b"%b:%b" % (state.encode(), path)
        limit = max(self._limits.file_bytes, 1_000_000)
        try:
            return (await self._repository.run("cat-file", "blob", name, max_output=limit)).output
        except GitFailed:
            listed = await self._repository.run("ls-tree", "-z", state, "--", path)
            if b" blob " not in listed.output.partition(b"\t")[0]:
                return None
            raise

    async def contents(self, names: Sequence[str], limit: int) -> dict[str, bytes]:
        """Return contents by their ids; what is not there is left out."""
        if not names:
            return {}
        feed = "".join(f"{one}\n" for one in names).encode()
        room = limit + 100 * len(names)
        found = await self._repository.run("cat-file", "--batch", feed=feed, max_output=room)
        return parse_batch(found.output)

    async def compare(self, since: str, until: str) -> tuple[ChangedFile, ...]:
        """Return the files that differ between two states, by path.

        Raises:
            GitFailed: One of them is not there, or it is damaged.
        """
        limit = 4 * self._limits.listing
        raw = await self._repository.run(*_DIFF, "--no-renames", since, until, max_output=limit)
        entries = parse_raw(raw.output)
        blobs = sorted({one for entry in entries for one in (entry.old, entry.new) if one})
        sizes = await self._sizes(blobs, limit)
        moves: dict[bytes, bytes] = {}
        if {entry.status for entry in entries} >= {"A", "D"}:
            told = await self._repository.run(*_DIFF, "-M", "-l400", since, until, max_output=limit)
            moves = parse_renames(told.output)
        looked: list[str] = []
        total = 0
        for one in blobs:
            total += sizes.get(one, 0)
            if total > _LOOKED_INTO:
                break
            looked.append(one)
        contents = await self.contents(looked, _LOOKED_INTO)
        binary = {one: b"\0" in data for one, data in contents.items()}
        old, new = await self._watched(since), await self._watched(until)
        return compare(entries, old, new, sizes=sizes, moves=moves, binary=binary)

    async def compare_numbers(self, old: bytes, new: bytes) -> bytes:
        """Return the unified diff, without context, of two texts of numbers; see `hunks`."""
        folder = self._repository.folder
        paths = [folder / f"tmp_{side}_{os.urandom(8).hex()}" for side in ("old", "new")]
        try:
            for path, data in zip(paths, (old, new), strict=True):
                await anyio.to_thread.run_sync(replace_file, path, data)
            told = await self._repository.run(
                "diff",
                "--no-index",
                "--text",
                "--unified=0",
                "--histogram",
                "--no-indent-heuristic",
                "--no-color",
                "--no-ext-diff",
                "--no-textconv",
                *map(str, paths),
                max_output=_MOST,
                codes=(0, 1),
            )
        finally:
            for path in paths:
                path.unlink(missing_ok=True)
        return told.output

    async def _sizes(self, blobs: Sequence[str], limit: int) -> dict[str, int]:
        if not blobs:
            return {}
        feed = "".join(f"{one}\n" for one in blobs).encode()
        told = await self._repository.run("cat-file", "--batch-check", feed=feed, max_output=limit)
        return parse_sizes(told.output)
