"""One look at a workspace: what git finds changed is read and stored, and the index follows.

`git status` on a private index is all that an unchanged workspace costs. What differs goes into the
store through `git fast-import`, and `git read-tree` brings the index there. A state is a commit
without history whose tree is exactly the files; its parent, where it has one, carries the record of
the files whose content it has not. Not aware of who looks, nor of locks; `baselines` stands above.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio.to_thread

from autopilot_ls.edits.baselines.ignores import extra_patterns
from autopilot_ls.edits.baselines.importing import WATCHED_NAME, Plan, Survey
from autopilot_ls.edits.baselines.listing import STATUS, Listing, parse_status
from autopilot_ls.edits.baselines.notices import notices_of
from autopilot_ls.edits.baselines.reading import Reader
from autopilot_ls.edits.baselines.repository import (
    BULKY,
    DISK,
    TAKEN,
    GitFailed,
    Repository,
)
from autopilot_ls.edits.baselines.values import Baseline, BaselineLimits
from autopilot_ls.edits.baselines.watched import Watched, decode, remember_ignored

_NESTING: Final = 32
_NESTED: Final = 1_000
_AT_ONCE: Final = 200
_ANSWER: Final = re.compile(rb"([0-9a-f]{40})\n(?:040000 tree ([0-9a-f]{40})\t|missing .*)\n")
_EMPTY: Final = b"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


@dataclass(frozen=True, slots=True)
class State:
    """What the index describes: its id, its tree, and what is known beside."""

    id: str = ""
    tree: str = ""
    watched: Watched = field(default_factory=Watched)


class Looker:
    """Looks at one workspace; its caller sees to it that nobody else does at the same time."""

    def __init__(
        self, repository: Repository, private: Sequence[Path], limits: BaselineLimits
    ) -> None:
        """Describe it; nothing is looked at yet.

        Args:
            repository: Where it is kept.
            private: Real paths of folders that are never looked at.
            limits: What it may cost.
        """
        self.repository = repository
        self._workspace = repository.workspace
        self._private = tuple(private)
        self._limits = limits
        self._last: State | None = None
        self._fresh: frozenset[bytes] = frozenset()
        self._prefixes = tuple(
            os.fsencode(folder.relative_to(self._workspace)) + b"/"
            for folder in private
            if folder.is_relative_to(self._workspace)
        )

    async def look(
        self, extra: Iterable[str], known: Callable[[Baseline], None] | None = None
    ) -> Baseline:
        """Bring the store and the index to what the disk is now.

        Args:
            extra: Paths that are covered from now on, even if ignored.
            known: Called at a first look with what will be returned, once everything is read and
                before the store has it for good.

        Raises:
            BaselineUnavailable: It takes too long, or there are too many files.
            GitFailed: git does not do what it should.
        """
        began = time.time()
        patterns = await anyio.to_thread.run_sync(extra_patterns, self._workspace, self._private)
        await anyio.to_thread.run_sync(self.repository.prepare_look, patterns)
        try:
            listing = await self._status()
        except GitFailed:
            # A damaged index is made again from the state that it described.
            (self.repository.folder / "index").unlink(missing_ok=True)
            listing = await self._status()
        before = await self._current()
        new, complete = await self._new(listing)
        ignored, all_known = remember_ignored(one for one in listing.ignored if self._is_ours(one))
        plan = Plan(
            indexed=frozenset(one for one in listing.changed if self._is_ours(one)),
            new=frozenset(one for one in new if self._is_ours(one)),
            forced=frozenset(self._forced(extra)) | self._fresh,
            before=before.watched,
            room=self._limits.files - self.repository.indexed(),
        )
        survey = Survey(Reader(self._workspace), plan, self._limits)

        def watched() -> Watched:
            partial = not (complete and all_known) or survey.tally.overflow > 0
            return Watched(survey.tally.watched, ignored, partial)

        def found(state: str) -> Baseline:
            notices = notices_of(survey.tally, ignored, listing.unopened, self._limits)
            files = self.repository.indexed() or len(survey.tally.kept)
            return Baseline(state, began, files, notices)

        try:
            if before.id:
                state = await self._follow(survey, before, watched)
            else:
                state = await self._begin(
                    survey, watched, known and (lambda one: known(found(one)))
                )
        finally:
            survey.close()
        self._last = state
        self._fresh = frozenset(survey.tally.fresh)
        self.repository.hold(f"{TAKEN}{state.id}", state.id)
        return found(state.id)

    async def _begin(
        self,
        survey: Survey,
        watched: Callable[[], Watched],
        known: Callable[[str], None] | None,
    ) -> State:
        """Store every file. Somebody waits for it, as for no later look."""
        heard = bytearray()

        def hear(piece: bytes) -> None:
            # After its answer, git reads all that it has written once more: a third of the time.
            heard.extend(piece)
            if known is not None and (answer := _answer(heard)):
                known(answer[0])

        (self.repository.folder / BULKY).touch()
        settings = ("core.compression=0",)
        state, tree = await self._import(survey, b"", "", watched, settings=settings, heard=hear)
        # The next look makes the index.
        return State(state, tree, watched())

    async def _follow(self, survey: Survey, before: State, watched: Callable[[], Watched]) -> State:
        """Store what differs from the state that the index describes; return that one if nothing does."""
        first = await anyio.to_thread.run_sync(survey.step, abandon_on_cancel=True)
        if not first and not survey.tally.gone and watched() == before.watched:
            return before
        state, tree = await self._import(survey, first, before.tree, watched)
        if (tree, watched()) == (before.tree, before.watched):
            # What was read again is what it was.
            self.repository.hold(DISK, before.id)
            return before
        if tree != before.tree:
            await self._bring_index(state)
        return State(state, tree, watched())

    async def _import(
        self,
        survey: Survey,
        first: bytes,
        before: str,
        watched: Callable[[], Watched],
        *,
        settings: Sequence[str] = (),
        heard: Callable[[bytes], None] | None = None,
    ) -> tuple[str, str]:
        """Put what the survey finds on top of a tree; return the ids of the state and its tree."""

        def feed() -> Iterator[bytes]:
            yield first
            while piece := survey.step():
                yield piece
            yield survey.finish(before, watched().encode())

        told = await self.repository.run(
            "fast-import",
            "--quiet",
            "--force",
            "--depth=0",
            "--cat-blob-fd=1",
            feed=feed(),
            settings=settings,
            heard=heard,
        )
        if (answer := _answer(told.output)) is None:
            raise GitFailed("git fast-import did not tell what it made")
        return answer

    async def _status(self) -> Listing:
        repository = self.repository
        state = repository.resolve(DISK)
        if not state:
            # A name may be left that stands for nothing.
            (repository.folder / DISK).unlink(missing_ok=True)
            (repository.folder / "index").unlink(missing_ok=True)
        elif not (repository.folder / "index").exists():
            await self._bring_index(state)
        for _ in range(2):
            # Without a state there is no index either, and nothing is staged.
            told = await self.repository.run(*STATUS, max_output=self._limits.listing)
            try:
                listing = parse_status(told.output, told.errors)
            except ValueError as error:
                raise GitFailed(str(error)) from error
            if not listing.staged:
                return listing
            # Something ended between the making of a state and the index's following it.
            await self._bring_index(state)
        raise GitFailed("the index does not follow the state")

    async def _bring_index(self, state: str) -> None:
        """Make the index what the state is; what is known of unchanged files stays in it."""
        await self.repository.run("read-tree", "-i", "--reset", state)

    async def _current(self) -> State:
        state = self.repository.resolve(DISK)
        if not state:
            return State()
        if self._last is not None and self._last.id == state:
            return self._last
        watched = await self.watched(state)
        tree = await self.repository.run("rev-parse", "--verify", f"{state}^{{tree}}")
        return State(state, tree.output.decode("ascii", "replace").strip(), watched)

    async def watched(self, state: str) -> Watched:
        """Return what a state knows of the files whose content it has not.

        Raises:
            GitFailed: The record is damaged.
        """
        limit = self._limits.listing + 100 * self._limits.watched
        name = b"%b^:%b" % (state.encode(), WATCHED_NAME)
        found = await self.repository.run(
            "cat-file", "blob", name, max_output=limit, codes=(0, 128)
        )
        if found.code:
            parent = await self.repository.run(
                "rev-parse", "--quiet", "--verify", f"{state}^", codes=(0, 1)
            )
            if parent.code == 0:
                raise GitFailed("the record of files without content is missing")
            return Watched()
        try:
            return await anyio.to_thread.run_sync(decode, found.output)
        except ValueError as error:
            raise GitFailed(str(error)) from error

    async def _new(self, listing: Listing) -> tuple[set[bytes], bool]:
        """Return the new files, those of nested repositories with them, and whether that is all."""
        new = set(listing.new)
        waiting = [one for one in listing.nested if self._is_ours(one)]
        seen: set[bytes] = set(waiting)
        for _ in range(_NESTING):
            if not waiting:
                break
            found: list[bytes] = []
            for start in range(0, len(waiting), _AT_ONCE):
                found += await self._inside(waiting[start : start + _AT_ONCE])
            new.update(one for one in found if not one.endswith(b"/"))
            waiting = [one for one in found if one.endswith(b"/") and one not in seen]
            seen.update(waiting)
            if len(seen) > _NESTED:
                break
        return new, not waiting

    async def _inside(self, folders: Sequence[bytes]) -> list[bytes]:
        """List the files of nested repositories.

        git does not look into a folder with a repository of its own, unless its index has a file
        there. So it gets an index of its own with such a file, whose name nobody can know before.
        """
        name = os.urandom(16).hex().encode()
        index = self.repository.folder / f"tmp_{name.decode()}"
        env = {"GIT_INDEX_FILE": str(index)}
        feed = b"".join(b"100644 %b 0\t%b%b\0" % (_EMPTY, one, name) for one in folders)
        try:
            await self.repository.run("update-index", "-z", "--index-info", feed=feed, env=env)
            told = await self.repository.run(
                "ls-files",
                "--others",
                "-z",
                "--exclude-standard",
                "--",
                *folders,
                env=env,
                max_output=self._limits.listing,
            )
        finally:
            index.unlink(missing_ok=True)
        return [one for one in told.output.split(b"\0") if one]

    def _is_ours(self, path: bytes) -> bool:
        """Tell whether the path may be looked at: not what is Autopilot's own."""
        return not any(path == one[:-1] or path.startswith(one) for one in self._prefixes)

    def _forced(self, extra: Iterable[str]) -> list[bytes]:
        paths = (os.path.normpath(os.fsencode(one)) for one in extra)
        return [
            one
            for one in paths
            if not one.startswith((b"/", b"../"))
            and one not in (b"..", b".")
            and self._is_ours(one)
        ]


def _answer(output: bytes | bytearray) -> tuple[str, str] | None:
    """Return the ids of a state and its tree, as fast-import tells them; None while it has not."""
    match = _ANSWER.fullmatch(output)
    return (match[1].decode(), (match[2] or b"").decode()) if match else None
