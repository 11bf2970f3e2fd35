"""What waits until the person has saved: tasks that an agent is to read files for, and accepted patches.

An agent reads the disk, and a patch goes there. Where files that matter are open with unsaved changes, what
was asked for is refused with a message that says so, remembered, and done as soon as all those files are
saved: plain LSP has no way to make an editor save. Bounded in number and in time. Not aware of how a turn is
started or a decision made. The commands ask it, `view` tells it what is saved.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
"""Tasks and decisions that may wait at once; the oldest gives way."""

MAX_WAIT: Final = 15 * 60.0
"""Seconds after which what still waits is forgotten."""

_MAX_NAMED: Final = 3

Look = Callable[[], Awaitable[Sequence[Path]]]
"""Returns the files that still have to be saved."""


class Unsaved(Protocol):
    """Tells which files under a folder have unsaved changes."""

    def dirty_documents(self, cwd: Path) -> list[Path]:
        """Return their paths."""
        ...


@dataclass(slots=True)
class WaitingTask:
    """What waits.

    Attributes:
        subject: What it is about; of what waits for the same, the latest stays.
        text: What is to be done.
        anyway: The argument of `autopilot.turn.start` that begins a task without waiting; None for a
            decision.
        look: Looks for what has to be saved.
        begin: Does it.
        keys: The canonical paths of the files it waits for.
    """

    id: str
    subject: object
    text: str
    anyway: Mapping[str, JsonValue] | None
    look: Look
    begin: Callable[[], Awaitable[object]]
    paths: list[Path] = field(default_factory=list[Path])
    keys: set[str] = field(default_factory=set[str])
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class UnsavedTasks:
    """What waits in one editor."""

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
        """Return what waits, oldest first."""
        return tuple(self._tasks.values())

    def waiting_for(self, key: str) -> list[WaitingTask]:
        """Return what waits for this file."""
        return [task for task in self._tasks.values() if key in task.keys]

    def require_saved(self, params: TurnStartParams, cwd: Path) -> None:
        """Make sure that everything in the folder is saved.

        Raises:
            UnsavedDocuments: It is not; the task is remembered.
        """
        paths = self._backend.dirty_documents(cwd)
        if not paths:
            return

        async def look() -> Sequence[Path]:
            return self._backend.dirty_documents(cwd)

        plain = cast("dict[str, JsonValue]", params.model_dump(mode="json", exclude_none=True))
        self._remember(
            WaitingTask(
                id=f"task-{secrets.token_hex(4)}",
                subject=params,
                text=params.text,
                anyway={**plain, "unsaved": "ignore"},
                look=look,
                begin=lambda: self._start(params),
            ),
            paths,
        )
        raise UnsavedDocuments(
            one_line(f"Unsaved: {_names(paths)}. The agent reads the disk.", 200),
            advice="Save, and the task starts; or choose “start anyway” there.",
        )

    def hold_decision(
        self,
        approval_id: str,
        text: str,
        paths: Sequence[Path],
        look: Look,
        decide: Callable[[], Awaitable[object]],
    ) -> UnsavedDocuments:
        """Remember a decision on an approval until these files are saved; returns the error that says so.

        Args:
            approval_id: Which; an earlier decision on it waits no longer.
            text: What is to be done, in words.
            paths: What has to be saved.
            look: Looks again for what has to be saved.
            decide: Makes the decision.
        """
        task_id = f"decision-{secrets.token_hex(4)}"
        self._remember(WaitingTask(task_id, approval_id, text, None, look, decide), paths)
        return UnsavedDocuments(
            one_line(f"Save {_names(paths)}, and it is accepted.", 200),
            advice="Or accept without saving, or choose “do not wait for saving” there.",
        )

    def forget_decision(self, approval_id: str) -> None:
        """An approval has its decision: none waits any more."""
        for task in self.all():
            if task.subject == approval_id:
                self.forget(task.id)

    def _remember(self, task: WaitingTask, paths: Sequence[Path]) -> None:
        for other in self.all():
            if other.subject == task.subject:
                self.forget(other.id)
        if len(self._tasks) >= MAX_TASKS:
            self.forget(next(iter(self._tasks)))
        self._tasks[task.id] = task
        task.timer = asyncio.get_running_loop().call_later(MAX_WAIT, self._expire, task.id)
        self._wait_for(task, paths)

    def _wait_for(self, task: WaitingTask, paths: Sequence[Path]) -> None:
        task.paths = list(paths)
        task.keys = {canonical(str(path)) for path in paths}
        title = one_line(task.text, 80)
        if task.anyway is None:
            said = f"Save this file, and what you chose is done: {title}"
        else:
            said = (
                f"Save this file: the agent reads the disk. “{title}” starts as soon as all files "
                "are saved."
            )
        self._diagnostics.show_unsaved(task.id, said, [str(path) for path in paths])

    def look_again(self, key: str) -> None:
        """A file was saved or closed: begin what waited for it alone."""
        for task in self.waiting_for(key):
            self._jobs.start(lambda task=task: self._look(task))

    async def _look(self, task: WaitingTask) -> None:
        try:
            paths = await task.look()
        except AutopilotError as error:
            if self.forget(task.id):
                self._messages.error(str(error))
            return
        if task.id not in self._tasks:
            return
        if paths:
            self._wait_for(task, paths)
        elif self.forget(task.id):
            await self._begin(task)

    async def _begin(self, task: WaitingTask) -> None:
        what = "is done" if task.anyway is None else "starts"
        text = f"Everything is saved: “{one_line(task.text, 80)}” {what}."
        self._messages.log(types.MessageType.Info, text)
        try:
            await task.begin()
        except AutopilotError as error:
            self._messages.error(str(error))

    def _expire(self, task_id: str) -> None:
        task = self._tasks.get(task_id)
        if task is not None:
            self.forget(task_id)
            text = f"“{one_line(task.text, 80)}” waited too long for files to be saved."
            self._messages.log(types.MessageType.Warning, text)

    def forget(self, task_id: str) -> bool:
        """Let what waits go; tells whether it was there."""
        task = self._tasks.pop(task_id, None)
        if task is None:
            return False
        if task.timer is not None:
            task.timer.cancel()
        self._diagnostics.show_unsaved(task_id, "", ())
        return True

    def close(self) -> None:
        """Let all go without a word to the editor, which is gone."""
        for task in self._tasks.values():
            if task.timer is not None:
                task.timer.cancel()
        self._tasks.clear()


def _names(paths: Sequence[Path]) -> str:
    names = ", ".join(path.name for path in paths[:_MAX_NAMED])
    more = len(paths) - _MAX_NAMED
    return f"{names} and {more} more" if more > 0 else names
