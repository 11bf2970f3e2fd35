"""Tasks that wait until the person has saved what the agent will read.

An agent reads the disk. Where a file in its folder is open with unsaved changes, a new task is refused
with a message that says so, remembered, and begun as soon as all those files are saved: no server can
make an editor save. Bounded in number and in time. Not aware of how a turn is started. `commands` asks
it, `view` tells it what is saved.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, cast

from lsprotocol import types
from pydantic import JsonValue

from autopilot_ls.lsp.convert import canonical
from autopilot_ls.lsp.features.diagnostics import Diagnostics
from autopilot_ls.lsp.features.messages import Messages
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.lsp.turn_params import TurnStartParams
from autopilot_ls.model.errors import AutopilotError, UnsavedDocuments
from autopilot_ls.model.text import one_line

MAX_TASKS: Final = 20
"""Tasks that may wait at once; the oldest gives way."""

MAX_WAIT: Final = 15 * 60.0
"""Seconds after which a task that still waits is forgotten."""

_MAX_NAMED: Final = 3


class Unsaved(Protocol):
    """Tells which files under a folder have unsaved changes."""

    def dirty_documents(self, cwd: Path) -> list[Path]:
        """Return their paths."""
        ...


@dataclass(slots=True)
class WaitingTask:
    """A task that waits; `keys` are the canonical paths of the files it waits for."""

    id: str
    params: TurnStartParams
    cwd: Path
    paths: list[Path]
    keys: set[str]
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """What is to be done."""
        return self.params.text

    def argument(self, **changes: JsonValue) -> Mapping[str, JsonValue]:
        """Return the argument of `autopilot.turn.start` that begins this task."""
        plain = self.params.model_dump(mode="json", exclude_none=True)
        return {**cast("dict[str, JsonValue]", plain), **changes}


class UnsavedTasks:
    """The waiting tasks of one editor."""

    def __init__(
        self,
        backend: Unsaved,
        diagnostics: Diagnostics,
        messages: Messages,
        jobs: Jobs,
        start: Callable[[TurnStartParams], Awaitable[object]],
    ) -> None:
        """Create the feature; `start` begins a task without asking about unsaved files."""
        self._backend = backend
        self._diagnostics = diagnostics
        self._messages = messages
        self._jobs = jobs
        self._start = start
        self._tasks: dict[str, WaitingTask] = {}

    def all(self) -> tuple[WaitingTask, ...]:
        """Return the waiting tasks, oldest first."""
        return tuple(self._tasks.values())

    def waiting_for(self, key: str) -> list[WaitingTask]:
        """Return the tasks that wait for this file."""
        return [task for task in self._tasks.values() if key in task.keys]

    def require_saved(self, params: TurnStartParams, cwd: Path) -> None:
        """Make sure that everything in the folder is saved.

        Raises:
            UnsavedDocuments: It is not; the task is remembered.
        """
        paths = self._backend.dirty_documents(cwd)
        if not paths:
            return
        for task in self.all():
            if task.params == params:
                self.forget(task.id)
        if len(self._tasks) >= MAX_TASKS:
            self.forget(next(iter(self._tasks)))
        task = WaitingTask(f"task-{secrets.token_hex(4)}", params, cwd, [], set())
        self._tasks[task.id] = task
        task.timer = asyncio.get_running_loop().call_later(MAX_WAIT, self._expire, task.id)
        self._wait_for(task, paths)
        names = ", ".join(path.name for path in paths[:_MAX_NAMED])
        more = f" and {len(paths) - _MAX_NAMED} more" if len(paths) > _MAX_NAMED else ""
        raise UnsavedDocuments(
            one_line(f"Unsaved: {names}{more}. The agent reads the disk.", 200),
            advice="Save, and the task starts; or choose “start anyway” there.",
        )

    def _wait_for(self, task: WaitingTask, paths: list[Path]) -> None:
        task.paths = paths
        task.keys = {canonical(str(path)) for path in paths}
        self._diagnostics.show_unsaved(task.id, task.text, [str(path) for path in paths])

    def look_again(self, key: str) -> None:
        """A file was saved or closed: begin the tasks that waited for it alone."""
        for task in self.waiting_for(key):
            paths = self._backend.dirty_documents(task.cwd)
            if paths:
                self._wait_for(task, paths)
            else:
                self.forget(task.id)
                self._jobs.start(lambda task=task: self._begin(task))

    async def _begin(self, task: WaitingTask) -> None:
        self._messages.log(
            types.MessageType.Info, f"Everything is saved: “{one_line(task.text, 80)}” starts."
        )
        try:
            await self._start(task.params)
        except AutopilotError as error:
            self._messages.error(str(error))

    def _expire(self, task_id: str) -> None:
        task = self._tasks.get(task_id)
        if task is not None:
            self.forget(task_id)
            text = f"“{one_line(task.text, 80)}” waited too long for files to be saved."
            self._messages.log(types.MessageType.Warning, text)

    def forget(self, task_id: str) -> bool:
        """Let a task go; tells whether it was there."""
        task = self._tasks.pop(task_id, None)
        if task is None:
            return False
        if task.timer is not None:
            task.timer.cancel()
        self._diagnostics.show_unsaved(task_id, "", ())
        return True

    def close(self) -> None:
        """Let all tasks go without a word to the editor, which is gone."""
        for task in self._tasks.values():
            if task.timer is not None:
                task.timer.cancel()
        self._tasks.clear()
