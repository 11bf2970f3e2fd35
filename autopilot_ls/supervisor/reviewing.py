"""The policy's word on what a reviewer runs, which does not ask.

A reviewer works in a sandbox that can only read and has no network; what a mode says by itself is held by that.
What a *rule* denies, or wants asked, is another matter: the review is stopped as soon as such a command is seen
to begin. Not aware of agents' wires. `session` stands above; the policies and the record below.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Final

from autopilot_ls.model.approvals import CommandAction, Outcome
from autopilot_ls.model.events import Event, ItemStarted, TurnCompleted
from autopilot_ls.model.items import CommandExecution
from autopilot_ls.model.text import one_line
from autopilot_ls.supervisor.policies import Policies
from autopilot_ls.supervisor.record import SessionRecord
from autopilot_ls.supervisor.tasks import Tasks

BY_MODE: Final = "mode"
"""Where a verdict stands that no rule gave."""


class Reviewing:
    """Watches the reviewer of one session."""

    def __init__(
        self,
        record: SessionRecord,
        policies: Policies,
        stop: Callable[[str, str], Coroutine[object, object, None]],
        tasks: Tasks,
    ) -> None:
        """Create it.

        Args:
            record: Has the mode and the folder.
            policies: Have the policy of the folder.
            stop: Stops the review, given its turn and the reason.
            tasks: Where it is stopped.
        """
        self._record = record
        self._policies = policies
        self._stop = stop
        self._tasks = tasks
        self._at_work = False

    def begin(self) -> None:
        """Watch from now on, until the turn ends."""
        self._at_work = True

    def end(self) -> None:
        """Watch no longer."""
        self._at_work = False

    def heard(self, events: Sequence[Event]) -> None:
        """Take what has happened."""
        if not self._at_work:
            return
        for event in events:
            match event.body:
                case TurnCompleted():
                    self._at_work = False
                case ItemStarted(item=CommandExecution() as command):
                    self._judge(command)
                case _:
                    pass

    def _judge(self, command: CommandExecution) -> None:
        state = self._record.state
        folder = Path(state.cwd)
        action = CommandAction(command=command.command, cwd=command.cwd or state.cwd)
        verdict = self._policies.of(folder).judge(action, mode=state.mode, workspace=folder)
        turn_id = state.active_turn_id
        if verdict.outcome is Outcome.ALLOW or verdict.source == BY_MODE or turn_id is None:
            return
        self._at_work = False
        why = (
            f"The review was stopped: the reviewer ran `{one_line(command.command)}` unasked, and the rule "
            f"{verdict.rule} ({verdict.source}) says {verdict.outcome}. {verdict.reason} It could only read."
        )
        self._tasks.start_soon(self._stop, turn_id, why)
