"""Noticing that a policy file has changed, without anybody asking for a verdict.

Judgements look at the files by themselves; this is for what waits already and for what is shown. The
system tells of changes in the files' folders, since files are replaced; a slow look at the files goes
on beside it, for what the system does not tell of and for where it cannot. Not aware of sessions nor
of what is done with a change. `supervisor` stands above, `policies` below.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.abc import TaskGroup

from autopilot_ls.supervisor.policies import Policies

_LOG: Final = logging.getLogger(__name__)

LOOK: Final = 1.0
"""Seconds between two looks at the files, whatever the system tells."""

PAUSE: Final = 0.05
"""Seconds between two looks at least, however often the system tells of changes."""

RETRY: Final = 60.0
"""Seconds after which watching is tried again where it failed."""

STEP: Final = 100
"""Milliseconds in which changes are gathered before they are told."""

Folders = frozenset[tuple[Path, int, int]]


async def follow(policies: Policies, changed: Callable[[Iterable[Path]], None]) -> None:
    """Tell of each change of a file of the policies; runs until it is cancelled.

    Args:
        policies: Whose files are looked at.
        changed: Hears of the workspaces whose policy is another one now.
    """
    async with anyio.create_task_group() as tasks:
        watching = _Watching(tasks)
        try:
            while True:
                # Armed before the look, so that no change can fall in between.
                watching.arm(_folders(policies.watched()), policies.watched())
                found = policies.changes()
                if found:
                    changed(found)
                await anyio.sleep(PAUSE)
                with anyio.move_on_after(LOOK):
                    await watching.news()
        finally:
            watching.disarm()


def _folders(files: Iterable[Path]) -> Folders:
    """Return the folders to watch, a missing one's parent in its place, with what tells them apart."""
    found: set[tuple[Path, int, int]] = set()
    for folder in {file.parent for file in files}:
        for place in (folder, folder.parent):
            try:
                status = place.stat()
            except (OSError, ValueError):
                continue
            found.add((place, status.st_dev, status.st_ino))
            break
    return frozenset(found)


class _Watching:
    """Has the system watch one set of folders at a time, in a thread."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._news = anyio.Event()
        self._folders: Folders = frozenset()
        self._stop = threading.Event()
        self._failed_at: float | None = None

    async def news(self) -> None:
        """Wait until something has happened in the folders since this was waited for last."""
        await self._news.wait()
        self._news = anyio.Event()

    def arm(self, folders: Folders, files: Iterable[Path]) -> None:
        """Watch these folders for these files from now on."""
        failed, now = self._failed_at, anyio.current_time()
        if folders == self._folders and (failed is None or now < failed + RETRY):
            return
        self.disarm()
        self._folders, self._stop, self._failed_at = folders, threading.Event(), None
        if folders:
            # What is missing comes into being under one of these names too.
            names = {name for file in files for name in (file.name, file.parent.name)}
            paths = sorted(str(folder) for folder, _, _ in folders)
            self._tasks.start_soon(self._run, paths, frozenset(names), self._stop)

    def disarm(self) -> None:
        """Watch nothing any more; the thread ends by itself within a step."""
        self._stop.set()

    async def _run(self, paths: list[str], names: frozenset[str], stop: threading.Event) -> None:
        def tell() -> None:
            anyio.from_thread.run_sync(self._news.set)

        try:
            await anyio.to_thread.run_sync(
                _watch,
                paths,
                names,
                stop,
                tell,
                abandon_on_cancel=True,
                limiter=anyio.CapacityLimiter(1),
            )
        except Exception as error:  # noqa: BLE001 reason: whatever it is, the slow look goes on
            if not stop.is_set():
                self._failed_at = anyio.current_time()
                _LOG.warning(
                    "Policy files cannot be watched (%s); they are looked at every %g s instead.",
                    error,
                    LOOK,
                )
        finally:
            stop.set()


def _watch(
    paths: list[str], names: frozenset[str], stop: threading.Event, tell: Callable[[], None]
) -> None:
    # Imported here: it is not needed before the first session, nor at the start of a server.
    import watchfiles

    for _ in watchfiles.watch(
        *paths,
        watch_filter=lambda _change, path: Path(path).name in names,
        debounce=10 * STEP,
        step=STEP,
        stop_event=stop,
        raise_interrupt=False,
        recursive=False,
        ignore_permission_denied=True,
    ):
        tell()
