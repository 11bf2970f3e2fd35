"""What a session tells the review of its workspace: when its agent is at work, and on what.

Hears the session's facts, whoever reports them, and takes the agent's word only for times. A turn is at
work until what it left running has ended. Not aware of how a review is kept. `session` stands above,
`reviews` below.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from autopilot_ls.edits.paths import affected
from autopilot_ls.model.errors import AutopilotError, TraceFull
from autopilot_ls.model.events import (
    ApprovalResolved,
    Event,
    FilesSettled,
    ItemCompleted,
    ItemStarted,
    Notice,
    RuntimeExited,
    TurnCompleted,
)
from autopilot_ls.model.items import CommandExecution, Item, ItemStatus, ToolCall
from autopilot_ls.presentation.commands import unwrapped
from autopilot_ls.supervisor.decisions import POLICY
from autopilot_ls.supervisor.record import SessionRecord
from autopilot_ls.supervisor.review.attribution import Patched
from autopilot_ls.supervisor.review.reviews import OpenReview, Reviews
from autopilot_ls.supervisor.tasks import Tasks
from autopilot_ls.wire.descendants import living_descendants

BASELINE_LIMIT: Final = 15.0
"""Seconds that the baseline of a turn may take, before the turn begins without one."""

BACKGROUND_PAUSE: Final = 1.0
"""Seconds between two looks at what a turn left running."""

BACKGROUND_LIMIT: Final = 6 * 3600.0
"""Seconds after which what was left running counts as somebody else's."""


class SessionReview:
    """The tie of one session to the review of its workspace."""

    def __init__(
        self,
        record: SessionRecord,
        reviews: Reviews,
        pid: Callable[[], int | None],
        tasks: Tasks,
        *,
        wrote: Callable[[str, int], None],
    ) -> None:
        """Create it for a session.

        Args:
            record: The session's record.
            reviews: Has the review of its workspace.
            pid: Gives the process id of its agent, None when it does not run.
            tasks: Where the end of a turn is waited for.
            wrote: Called with each file that a command of the present turn was seen to change, and
                how many lines came and went.
        """
        self._record = record
        self._reviews = reviews
        self._pid = pid
        self._tasks = tasks
        self._wrote = wrote
        self._opened: OpenReview | None = None
        self._turn = ""
        self._before: frozenset[tuple[int, int]] = frozenset()
        self._told: set[str] = set()
        self._exited = anyio.Event()
        self._finishing = 0
        # The patches that were accepted and are not settled, by their approvals and paths.
        self._awaited: dict[str, dict[str, Patched]] = {}

    @property
    def is_at_work(self) -> bool:
        """Whether a turn, or what one left running, may still change files."""
        return bool(self._turn) or self._finishing > 0

    async def begin_turn(self) -> None:
        """Take the baseline of the turn that is about to begin; without one, the person is told."""
        record = self._record
        name = f"{record.session_id}/{record.state.turn_count + 1}"
        try:
            opened = await self._reviews.of(Path(record.state.cwd))
            with anyio.fail_after(BASELINE_LIMIT):
                notices = await opened.review.begin_turn(name, record.session_id)
        except (AutopilotError, TimeoutError) as error:
            self._turn = ""
            why = str(error) or f"The look at the workspace took over {BASELINE_LIMIT:.0f} seconds."
            self._tell_once(f"What this turn changes cannot be reviewed or undone. {why}")
            return
        for notice in notices:
            self._tell_once(notice)
        self._opened, self._turn = opened, name
        opened.review.listeners[name] = partial(self._has_written, opened, name)
        self._exited = anyio.Event()
        self._before = await self._running()

    def _has_written(self, opened: OpenReview, turn: str, path: str, lines: int) -> None:
        # What an earlier turn left running is no use of the present one.
        if turn == self._turn:
            self._wrote(str(opened.review.folder / path), lines)

    def abandon_turn(self) -> None:
        """The turn did not begin after all."""
        self._end(self._turn)

    def _tell_once(self, message: str) -> None:
        if message in self._told:
            return
        self._told.add(message)
        try:
            self._record.tell(Notice(severity="warning", code="review-partial", message=message))
        except TraceFull:
            return

    async def _running(self) -> frozenset[tuple[int, int]]:
        pid = self._pid()
        if pid is None:
            return frozenset()
        return await anyio.to_thread.run_sync(living_descendants, pid)

    def heard(self, events: Sequence[Event]) -> None:
        """Take what happened in the session."""
        if self._opened is None:
            return
        for event in events:
            match event.body:
                case FilesSettled() as settled:
                    self._settled(settled)
                case _ if not self._turn:
                    pass
                case ItemStarted(item=item):
                    self._started(item)
                case ItemCompleted(item=item):
                    self._completed(item)
                case ApprovalResolved() as resolved:
                    self._accepted(resolved)
                case TurnCompleted():
                    self._end(self._turn)
                case RuntimeExited():
                    self._exited.set()
                case _:
                    pass

    def _key(self, item: Item) -> str:
        # Agents number their items, each for itself.
        return f"{self._record.session_id}/{item.id}"

    def _started(self, item: Item) -> None:
        by = _by(item)
        if self._opened is not None and by and item.status is ItemStatus.IN_PROGRESS:
            self._opened.review.command_begins(self._key(item), self._turn, by)

    def _completed(self, item: Item) -> None:
        if self._opened is not None and _by(item):
            self._opened.review.command_ends(self._key(item))
            self._opened.want_look()

    def _accepted(self, resolved: ApprovalResolved) -> None:
        """Take that a patch is about to be written: a look may come before it is settled."""
        approval = self._record.state.unsettled.get(resolved.approval_id)
        if self._opened is not None and approval is not None:
            reviewed = resolved.decision.decided_by != POLICY
            patches = {
                self._relative(path): Patched(self._turn, reviewed, file, renamed=number > 0)
                for file in approval.files
                for number, path in enumerate(affected(file))
            }
            self._awaited[approval.id] = patches
            self._opened.review.accepted(patches)

    def _settled(self, settled: FilesSettled) -> None:
        if self._opened is None:
            return
        awaited = self._awaited.pop(settled.approval_id, {})
        self._opened.review.settled(awaited)
        paths = [self._relative(Path(path)) for path in settled.paths]
        if settled.outcome == "restored" or not self._turn:
            # After the end of the turn, some of them may have been brought back, whatever became of all.
            self._opened.review.restored(paths)
            self._opened.want_look()
            return
        if settled.outcome == "unchanged":
            return
        resolved = self._record.state.resolved(settled.approval_id)
        reviewed = resolved is not None and resolved.decision.decided_by != POLICY
        # An agent that wrote something else than was accepted has not written what is known.
        known = awaited if settled.outcome == "applied" else {}
        unknown = Patched(self._turn, reviewed)
        self._opened.review.patched({path: known.get(path, unknown) for path in paths})
        self._opened.want_look()

    def _relative(self, path: Path) -> str:
        return os.path.relpath(os.path.realpath(path), os.path.realpath(self._record.state.cwd))

    def _end(self, turn: str) -> None:
        opened = self._opened
        if opened is not None and turn:
            self._turn = ""
            for patches in self._awaited.values():
                opened.review.given_up(patches)
            self._awaited.clear()
            self._tasks.start_soon(self._finish, opened, turn, self._before, self._exited)

    async def _finish(
        self,
        opened: OpenReview,
        turn: str,
        before: frozenset[tuple[int, int]],
        exited: anyio.Event,
    ) -> None:
        """Look at what the turn did, now and for as long as something of it runs."""
        self._finishing += 1
        opened.want_look()
        with anyio.move_on_after(BACKGROUND_LIMIT):
            while not exited.is_set() and await self._running() - before:
                opened.want_look()
                with anyio.move_on_after(BACKGROUND_PAUSE):
                    await exited.wait()
        try:
            await opened.review.end_turn(turn)
        except AutopilotError as error:
            self._tell_once(f"What this turn changed last cannot be reviewed. {error}")
        finally:
            opened.review.listeners.pop(turn, None)
            self._finishing -= 1


def _by(item: Item) -> str:
    """Return what is at work, for a person; empty for what changes no files by itself."""
    match item:
        case CommandExecution():
            return unwrapped(item.command)
        case ToolCall():
            return f"{item.server} {item.tool}".strip()
        case _:
            return ""
