"""The stage of a play: a supervisor that runs without threads, timers or waiting, over a played agent.

What the program does in a thread it does in place here, so that a play is the same each time; at each of
these places something else can be made to happen first, as if it had been quicker. Looks at the workspace and
writes of the review come when the play says so. Not aware of what is played.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import anyio
import anyio.to_thread

from autopilot_ls.edits.placing import Staged
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor import supervisor as supervisor_module
from autopilot_ls.supervisor.composition import make_reviews
from autopilot_ls.supervisor.review import session_review
from autopilot_ls.supervisor.review.files import Files
from autopilot_ls.supervisor.review.reviews import OpenReview, Reviews
from autopilot_ls.supervisor.review.values import Snapshots
from autopilot_ls.supervisor.review.workspace import WorkspaceReview
from autopilot_ls.supervisor.supervisor import Supervisor
from tests.support.play.disk import Disk, MemorySnapshots

QUIET_LIMIT = 20_000


class QuietReviews(Reviews):
    """Reviews that look and write only when they are told to, and whose store is copied while it is open."""

    async def _look(self, opened: OpenReview) -> None:
        del opened
        await anyio.sleep_forever()

    async def _save(self, opened: OpenReview) -> None:
        del opened
        await anyio.sleep_forever()

    async def _tidy(self, snapshots: Snapshots) -> None:
        del snapshots

    async def store(self) -> None:
        for opened in self:
            await self._write(opened)


@dataclass
class Stage:
    """What runs in place of threads and git.

    Attributes:
        real: Whether git takes the looks, and threads are threads.
        before_thread: Called before each thing that is done in a thread.
    """

    disk: Disk
    real: bool = False
    before_thread: Callable[[], None] = lambda: None
    in_threads: int = 0
    snapshots: MemorySnapshots = field(init=False)
    reviews: QuietReviews | None = None
    problems: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.snapshots = MemorySnapshots(self.disk)

    async def quiet(self) -> None:
        """Wait until nothing goes on any more."""
        loop = asyncio.get_running_loop()
        for _ in range(QUIET_LIMIT):
            await asyncio.sleep(0.002 if self.in_threads else 0)
            ready: Any = getattr(loop, "_ready")  # noqa: B009 reason: it has no type
            if not ready and not self.in_threads:
                return
        raise AssertionError("It does not come to rest.")

    @contextmanager
    def set_up(self) -> Generator[None]:
        real_thread = anyio.to_thread.run_sync

        async def run_sync(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            self.before_thread()
            if not self.real:
                return function(*args)
            self.in_threads += 1
            try:
                return await real_thread(function, *args, **options)
            finally:
                self.in_threads -= 1

        def reviews(settings: Settings, tasks: Any, changed: Callable[[Path], None]) -> Reviews:
            made = make_reviews(settings, tasks, changed)
            assert made is not None
            make = made._make if self.real else lambda _store, _workspace: self.snapshots
            self.reviews = QuietReviews(settings.state_folder, make, tasks, changed)
            return self.reviews

        def modified(_files: Files, files: Any) -> dict[str, float | None]:
            return {
                file.path: self.disk.times.get(file.path)
                if os.path.lexists(self.disk.path(file.path))
                else None
                for file in files
            }

        def counted(name: str) -> Callable[..., Awaitable[Any]]:
            actual = getattr(WorkspaceReview, name)

            async def call(review: WorkspaceReview, *args: Any) -> Any:
                self.in_threads += self.real
                try:
                    return await actual(review, *args)
                finally:
                    self.in_threads -= self.real

            return call

        async def nothing(_supervisor: Supervisor) -> None:
            pass

        unchanged = Staged._require_unchanged

        def between_files(staged: Staged, path: Path) -> None:
            if not self.real:
                self.before_thread()
            unchanged(staged, path)

        handler = _Listener(self.problems)
        log = logging.getLogger("autopilot_ls")
        with contextlib.ExitStack() as patches:
            put = patches.enter_context
            put(patch.object(anyio.to_thread, "run_sync", run_sync))
            put(patch.object(supervisor_module, "make_reviews", reviews))
            put(patch.object(Supervisor, "follow_policies", nothing))
            put(patch.object(Supervisor, "tidy", nothing))
            put(patch.object(session_review, "living_descendants", lambda _pid: frozenset()))
            put(patch.object(Staged, "_require_unchanged", between_files))
            put(patch.object(os, "fsync", lambda _descriptor: None))
            if self.real:
                for name in ("begin_turn", "end_turn"):
                    put(patch.object(WorkspaceReview, name, counted(name)))
            else:
                put(patch.object(Files, "_modified", modified))
                defaults = {**(WorkspaceReview.__init__.__kwdefaults__ or {})}
                defaults["clock"] = lambda: self.disk.now
                put(patch.object(WorkspaceReview.__init__, "__kwdefaults__", defaults))
            log.addHandler(handler)
            patches.callback(log.removeHandler, handler)
            yield


class _Listener(logging.Handler):
    """Takes what the program logs as a fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._problems = problems

    def emit(self, record: logging.LogRecord) -> None:
        what = record.exc_info[1] if record.exc_info else ""
        self._problems.append(f"{record.getMessage()} {what!r}")
