"""Baselines of one workspace: what its files are at a moment, and what differs between two moments.

The way in. It sees to it that one at a time looks at a workspace, in all processes, within a limit of
time, and that every failure is one kind of error: whoever calls goes on without a baseline then.
Not aware of sessions, turns or reviews, which stand above. The values are in `values`.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from autopilot_ls.edits.baselines import damage
from autopilot_ls.edits.baselines.ahead import LookAhead
from autopilot_ls.edits.baselines.history import History
from autopilot_ls.edits.baselines.hunks import edits_between, file_change
from autopilot_ls.edits.baselines.lock import locked
from autopilot_ls.edits.baselines.looking import Looker
from autopilot_ls.edits.baselines.repository import (
    BULKY,
    KEPT,
    TAKEN,
    GitFailed,
    Repository,
    find_git,
    is_id,
)
from autopilot_ls.edits.baselines.values import Baseline, BaselineLimits, ChangedFile, Changes
from autopilot_ls.edits.lines import Edit
from autopilot_ls.model.approvals import FileChange
from autopilot_ls.model.errors import BaselineUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

StartTask = Callable[[Callable[[], Coroutine[Any, Any, object]]], object]
"""Starts a task that nobody waits for, such as `TaskGroup.start_soon`."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class Baselines:
    """The baselines of one workspace. Safe for several tasks, and for several processes."""

    def __init__(
        self,
        store: Path,
        workspace: Path,
        *,
        limits: BaselineLimits | None = None,
        environ: Mapping[str, str] | None = None,
        private: Sequence[Path] = (),
        start: StartTask | None = None,
    ) -> None:
        """Describe them; nothing is made or read before the first call.

        Args:
            store: Folder for the baselines of all workspaces; its parent exists and is private.
            workspace: The folder that is looked at.
            limits: `BaselineLimits()` when omitted.
            environ: Where PATH and HOME are taken from; the process's own when omitted.
            private: Folders besides the store that are never looked at, such as the state folder.
            start: Starts a task, in which a first look is stored after `take` has returned; without
                it, `take` waits for that too.
        """
        self._limits = limits or BaselineLimits()
        self._environ = dict(os.environ if environ is None else environ)
        self._workspace = Path(os.path.realpath(workspace))
        self._store = Path(os.path.realpath(store))
        self._private = tuple(Path(os.path.realpath(one)) for one in (store, *private))
        key = hashlib.sha256(os.fsencode(self._workspace)).hexdigest()[:32]
        self.folder: Final = self._store / key
        self._turn = anyio.Lock()
        self._looker: Looker | None = None
        self._start = start
        self._ahead: LookAhead | None = None
        self._lost: dict[str, BaselineUnavailable] = {}
        self._is_suspect = False
        self._begun_anew = False
        self._pruning: anyio.CancelScope | None = None

    # -- looking

    async def take(self, *, extra: Iterable[str] = ()) -> Baseline:
        """Look at the workspace and keep what its files are.

        Args:
            extra: Paths, relative to the workspace, that are covered from now on even if ignored.

        Raises:
            BaselineUnavailable: There is no usable git, the workspace is too large, or it cannot be
                looked at; nothing else is affected.
        """

        async def look(known: Callable[[Baseline], None]) -> Baseline:
            return await self._look(extra, known)

        ahead = LookAhead(look)
        if self._start is None:
            await ahead.run()
        else:
            self._start(ahead.run)
        baseline = await ahead.answer()
        self._ahead = ahead
        return baseline

    async def _look(self, extra: Iterable[str], known: Callable[[Baseline], None]) -> Baseline:
        told: list[str] = []

        def tell(baseline: Baseline) -> None:
            told.append(baseline.id)
            known(self._with_notice(baseline))

        async def look() -> Baseline:
            async with self._alone() as looker:
                return await looker.look(extra, tell)

        try:
            try:
                found = await look()
            except BaselineUnavailable:
                if told or not self._is_suspect:
                    raise
                found = await look()
        except BaselineUnavailable as error:
            # Whoever asks for it later is told what had become of it.
            self._lost.update(dict.fromkeys(told, error))
            raise
        found = self._with_notice(found)
        self._begun_anew = False
        return found

    def _with_notice(self, baseline: Baseline) -> Baseline:
        if not self._begun_anew:
            return baseline
        return replace(baseline, notices=(damage.NOTICE, *baseline.notices))

    async def changes(self, since: str, until: str | None = None) -> Changes:
        """Return what differs between a baseline and another, or the disk now.

        Args:
            since: Id of a baseline.
            until: Id of a later one; None looks at the workspace now, which `Changes.until` tells.

        Raises:
            BaselineUnavailable: As for `take`, or a baseline is not known any more.
        """
        if until is not None:
            history = await self._history(since, until)
            with self._failing():
                return Changes(await history.compare(since, until))
        async with self._alone() as looker:
            now = await looker.look(())
            files = ()
            if now.id != since:
                files = await (await self._history(since)).compare(since, now.id)
            return Changes(files, now, now.notices)

    async def read(self, baseline: str, path: str) -> bytes | None:
        """Return a file's bytes at a baseline, of a link its target; None when it had no content there.

        Args:
            baseline: Its id.
            path: Relative to the workspace, as in `ChangedFile.path`.

        Raises:
            BaselineUnavailable: The baseline is not known any more, or its store is damaged.
        """
        history = await self._history(baseline)
        with self._failing():
            return await history.read(baseline, os.fsencode(path))

    async def contents(self, blobs: Iterable[str]) -> dict[str, bytes]:
        """Return the contents that `Side.blob` names; what is not known any more is left out.

        Raises:
            BaselineUnavailable: They are more than `BaselineLimits.read_bytes` together.
        """
        names = sorted({_require_id(one) for one in blobs})
        history = await self._history()
        with self._failing():
            found = await history.contents(names, self._limits.read_bytes)
        self._is_suspect |= len(found) < len(names)
        return found

    async def file_change(self, changed: ChangedFile, *, name: str) -> FileChange:
        """Return a changed file in the form that is reviewed: exact hunks, or a problem.

        Args:
            changed: One of `Changes.files`.
            name: Beginning of the hunks' ids.

        Raises:
            BaselineUnavailable: Its contents are not known any more.
        """
        sides = [
            one.blob for one in (changed.before, changed.after) if one is not None and one.blob
        ]
        found = await self.contents(sides)
        old, new = (
            found.get(one.blob) if one is not None else None
            for one in (changed.before, changed.after)
        )
        compare = (await self._history()).compare_numbers
        with self._failing():
            return await file_change(self._workspace, changed, old, new, name=name, compare=compare)

    async def edits_between(self, old: bytes, new: bytes) -> tuple[tuple[Edit, int], ...]:
        """Return the edits that make one text of another, each with its index in the new one."""
        history = await self._history()
        with self._failing():
            return await edits_between(old, new, history.compare_numbers)

    async def _history(self, *baselines: str) -> History:
        """Return what is stored, of which these are to be had."""
        if self._ahead is not None:
            await self._ahead.end()
        for one in baselines:
            if (error := self._lost.get(_require_id(one))) is not None:
                raise BaselineUnavailable(
                    f"The baseline could not be stored: {error}", advice=error.advice
                )
        looker = await self._open()
        return History(looker.repository, looker.watched, self._limits)

    # -- the life of what is kept

    async def keep(self, name: str, baseline: str) -> None:
        """Hold a baseline under a name until `drop`, however old it gets.

        Args:
            name: Letters, digits, `-` and `_`; what it held before is given up.
            baseline: Its id.

        Raises:
            BaselineUnavailable: The baseline is not known any more.
        """
        _require_name(name)
        _require_id(baseline)
        async with self._alone() as looker:
            await looker.repository.run("cat-file", "-e", f"{baseline}^{{tree}}")
            looker.repository.hold(f"{KEPT}{name}", baseline)

    async def drop(self, name: str) -> None:
        """Give up what is held under the name; nothing happens when nothing is."""
        _require_name(name)
        async with self._alone() as looker:
            (looker.repository.folder / KEPT / name).unlink(missing_ok=True)

    async def prune(self) -> int:
        """Remove what nobody keeps and is older than the retention; return the bytes still in use.

        Raises:
            BaselineUnavailable: It could not be done in time, or somebody else wanted to look; it can
                be tried again.
        """
        with anyio.CancelScope() as scope:
            await self._prune(scope)
            return await self.size()
        raise BaselineUnavailable("Somebody wanted to look at the workspace.")

    async def _prune(self, scope: anyio.CancelScope) -> None:
        async with self._alone(scope) as looker:
            repository = looker.repository
            await anyio.to_thread.run_sync(self._forget, repository.folder / TAKEN)
            await anyio.to_thread.run_sync(damage.forget_old, repository, self._limits.retention)
            if repository.resolve("refs/heads/disk"):
                bulky = repository.folder / BULKY
                again = ("-F",) if bulky.exists() else ()
                await repository.run(
                    "repack", "-a", "-d", "-q", "--window=0", "--no-write-bitmap-index", *again
                )
                bulky.unlink(missing_ok=True)
            await repository.run("prune", "--expire=now")

    def _forget(self, folder: Path) -> None:
        oldest = time.time() - self._limits.retention
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.lstat().st_mtime < oldest:
                path.unlink(missing_ok=True)

    async def size(self) -> int:
        """Return the bytes that the store of this workspace takes."""
        return await anyio.to_thread.run_sync(_size, self.folder)

    # -- who may

    @asynccontextmanager
    async def _alone(self, pruning: anyio.CancelScope | None = None) -> AsyncGenerator[Looker]:
        """Be the only one to look at the workspace, in this process and in all others.

        Args:
            pruning: What is cancelled when somebody else wants to be the only one.
        """
        limits = self._limits
        if self._pruning is not None:
            self._pruning.cancel()
        self._pruning = pruning
        with self._failing():
            async with AsyncExitStack() as stack:
                with anyio.fail_after(limits.wait):
                    await stack.enter_async_context(self._turn)
                looker = await self._open()
                await stack.enter_async_context(locked(self.folder / "lock", limits.wait))
                with anyio.fail_after(limits.seconds):
                    yield await self._mended(looker)

    async def _mended(self, looker: Looker) -> Looker:
        """Return the one to look with: when git has failed, a damaged store is begun anew first."""
        if self._is_suspect:
            if await damage.is_damaged(looker.repository):
                await anyio.to_thread.run_sync(damage.set_aside, looker.repository)
                self._looker, self._begun_anew = None, True
                looker = await self._open()
            self._is_suspect = False
        return looker

    @contextmanager
    def _failing(self) -> Generator[None]:
        try:
            yield
        except TimeoutError as error:
            raise BaselineUnavailable(
                "Looking at the workspace took too long.",
                advice="Open a smaller folder, or have large generated folders ignored by git.",
            ) from error
        except GitFailed as error:
            self._is_suspect = True
            raise BaselineUnavailable(
                f"A baseline of this workspace cannot be used: {error}"
            ) from error
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise BaselineUnavailable(f"The workspace cannot be looked at: {reason}.") from error

    async def _open(self) -> Looker:
        with self._failing():
            self._require_sensible()
            if self._looker is None:
                git = await find_git(self._environ, self._workspace)
                self.folder.mkdir(0o700, parents=True, exist_ok=True)
                repository = Repository(
                    self.folder / "git", self._workspace, git, self._limits.seconds
                )
                self._looker = Looker(repository, self._private, self._limits)
            # Each time: nothing that was put there meanwhile is to be obeyed.
            await anyio.to_thread.run_sync(self._looker.repository.prepare)
            return self._looker

    def _require_sensible(self) -> None:
        workspace = self._workspace
        if not workspace.is_dir():
            raise BaselineUnavailable("The workspace is no folder.")
        if workspace == Path(workspace.anchor):
            raise BaselineUnavailable(
                "The workspace is the whole file system, so that changes cannot be reviewed afterwards.",
                advice="Open the folder of a project.",
            )
        for folder in self._private:
            if workspace.is_relative_to(folder):
                raise BaselineUnavailable(
                    "The workspace lies in Autopilot's own folder, so that changes in it cannot be "
                    "reviewed afterwards.",
                    advice="Work somewhere else.",
                )


def _require_id(text: str) -> str:
    if not is_id(text):
        raise BaselineUnavailable("There is no such baseline.")
    return text


def _require_name(text: str) -> None:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no name for a baseline")


def _size(folder: Path) -> int:
    total = 0
    for name, _, files in os.walk(folder):
        for file in files:
            try:
                total += (Path(name) / file).lstat().st_size
            except OSError:
                continue
    return total
