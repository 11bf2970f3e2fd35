"""Codex's reports on its turns: that one began or ended, failed, its plan, its diff, its tokens.

Only the main thread's turns are the session's. Not aware of items. `mapping` stands above; `facts`,
`desk`, `threads`, `counts` and `failures` below.
"""

from __future__ import annotations

from typing import Final, Literal

from autopilot_ls.model.events import (
    DiffUpdated,
    Notice,
    PlanUpdated,
    TokensUsed,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.runtimes.base import RuntimeEvent, RuntimeMessage
from autopilot_ls.runtimes.codex.counts import plan_steps, token_usage
from autopilot_ls.runtimes.codex.desk import Desk
from autopilot_ls.runtimes.codex.facts import Facts, Handler
from autopilot_ls.runtimes.codex.failures import Failure, turn_failure
from autopilot_ls.runtimes.codex.fields import Table, flag, table, text
from autopilot_ls.runtimes.codex.threads import Threads
from autopilot_ls.wire.messages import Notification

_TURN: Final = {
    "completed": TurnStatus.COMPLETED,
    "interrupted": TurnStatus.INTERRUPTED,
    "failed": TurnStatus.FAILED,
}


class TurnReports:
    """Maps what is said of turns; keeps the errors of those that still run."""

    def __init__(self, facts: Facts, threads: Threads, desk: Desk) -> None:
        """Create it.

        Args:
            facts: Gets what the reports mean.
            threads: The threads that are known; told which turn runs in each.
            desk: Told which turns are over, because nobody waits for answers then.
        """
        self._facts = facts
        self._threads = threads
        self._desk = desk
        self._errors: dict[str, Failure] = {}
        self._diff: tuple[str, str] = ("", "")
        self._begun = ""
        self.handlers: dict[str, Handler] = {
            "error": self._error,
            "thread/tokenUsage/updated": self._tokens,
            "turn/completed": self._turn_completed,
            "turn/diff/updated": self._turn_diff,
            "turn/plan/updated": self._turn_plan,
            "turn/started": self._turn_started,
        }

    def _turn_started(self, notification: Notification, params: Table) -> None:
        thread = text(params, "threadId")
        turn = text(table(params, "turn"), "id")
        self._facts.see_thread(thread)
        # A reviewer's turn is a part of the one that all other reports name.
        root = text(table(params, "turn"), "rootTurnId") or turn
        if self._threads.is_main(thread):
            if root and root == self._begun:
                return  # Said again: it is still the same turn.
            self._begun = root
            self._facts.emit(TurnStarted(), notification, turn_id=root or None)
        self._threads[thread].begin_turn(turn or None)
        self._errors.pop(thread, None)

    def _turn_completed(self, notification: Notification, params: Table) -> None:
        thread = text(params, "threadId")
        native = table(params, "turn")
        turn = text(native, "id")
        known = self._threads[thread]
        known.turn_id, known.last_turn_id = None, turn
        if self._threads.reviewing == thread:
            self._threads.reviewing = None
        self._facts.add(*self._desk.turn_ended(thread, turn))
        held = self._errors.pop(thread, None)
        if not self._threads.is_main(thread):
            return
        self._begun = ""
        status = _TURN.get(text(native, "status"), TurnStatus.UNKNOWN)
        error = table(native, "error")
        failure = turn_failure(error) if error else held
        if status is TurnStatus.FAILED and failure is None:
            failure = Failure("failed", "The turn failed, and Codex does not say why.")
        self._facts.emit(
            TurnCompleted(
                status=status,
                error="" if failure is None else failure.message,
                error_code="" if failure is None else failure.code,
            ),
            notification,
        )

    def _error(self, notification: Notification, params: Table) -> None:
        retries = flag(params, "willRetry")
        failure = turn_failure(table(params, "error"), retries=retries)
        thread = text(params, "threadId")
        if not retries and self._threads.is_main(thread):
            # The turn's end says it again, and a person should read it once.
            self._errors[thread] = failure
            return
        severity: Literal["warning", "error"] = "warning" if retries else "error"
        notice = Notice(
            severity=severity, code=failure.code, message=failure.message, will_retry=retries
        )
        self._facts.emit(notice, notification)

    def held_errors(self) -> list[RuntimeMessage]:
        """Return the errors whose turn never came to its end; for the end of the process."""
        held, self._errors = self._errors, {}
        return [
            RuntimeEvent(
                Notice(severity="error", code=failure.code, message=failure.message),
                thread_id=thread,
            )
            for thread, failure in held.items()
        ]

    def _turn_plan(self, notification: Notification, params: Table) -> None:
        if not self._threads.is_main(text(params, "threadId")):
            return
        self._facts.emit(
            PlanUpdated(explanation=text(params, "explanation"), steps=plan_steps(params)),
            notification,
        )

    def _turn_diff(self, notification: Notification, params: Table) -> None:
        turn, diff = text(params, "turnId"), text(params, "diff")
        # Codex repeats the whole diff after each model call.
        if not self._threads.is_main(text(params, "threadId")) or self._diff == (turn, diff):
            return
        self._diff = (turn, diff)
        self._facts.emit(DiffUpdated(diff=diff), notification)

    def _tokens(self, notification: Notification, params: Table) -> None:
        self._facts.see_thread(text(params, "threadId"))
        self._facts.emit(TokensUsed(usage=token_usage(table(params, "tokenUsage"))), notification)
