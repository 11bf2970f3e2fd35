"""Stopping a runaway: what a session has used, held against the limits of its policy.

Counts from the session's facts, whoever reports them: commands that ended, files that were changed, the
tokens of every thread, beginnings and ends of turns, what was decided by rule and by a person. The broker
asks before a rule is followed whether a limit is reached; what no request of the agent stands in front of
(tokens, seconds) stops the turn, with one timer that lasts as long as the turn. The limits are those that
the policy has at that moment. Not aware of how a turn is stopped or a person is told. `session` and
`broker` stand above, `policy.limits` below.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence

import anyio

from autopilot_ls.model.approvals import FileChange, Outcome, Verdict
from autopilot_ls.model.diffstat import of_hunks, of_proposed
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    Event,
    ItemCompleted,
    ModeChanged,
    SubAgentOpened,
    ThreadOpened,
    TokensUsed,
    TurnCompleted,
    TurnStarted,
)
from autopilot_ls.model.items import CommandExecution, FileChanges, ItemStatus
from autopilot_ls.model.state import SessionState
from autopilot_ls.policy.limits import STOPPING, Limits, Reached, Usage, reached
from autopilot_ls.presentation.approvals import LIMITS
from autopilot_ls.supervisor.decisions import AUTOPILOT, POLICY
from autopilot_ls.supervisor.tasks import Tasks

Stop = Callable[[str, Reached], Coroutine[object, object, None]]
Clock = Callable[[], float]


class Runaway:
    """Counts for one session, and stops its turn; see the module's docstring."""

    def __init__(
        self,
        state: SessionState,
        limits: Callable[[], Limits],
        stop: Stop,
        tasks: Tasks,
        clock: Clock = anyio.current_time,
    ) -> None:
        """Create it for a session, which may have a past.

        Args:
            state: The session's state; looked at, never changed.
            limits: Gives the limits in force at the moment.
            stop: Stops the turn of this id because of a limit.
            tasks: Where the timer of a turn and the stopping of one run.
            clock: Gives seconds that only ever grow.
        """
        self._state = state
        self._limits = limits
        self._stop = stop
        self._tasks = tasks
        self._clock = clock
        self._usage = Usage()
        # Threads report what they have used since they began, in this process or before it.
        self._tokens = state.tokens_by_thread()
        self._main = state.thread_id
        self._timer: anyio.CancelScope | None = None
        self._news = anyio.Event()
        self._stopping = False
        self.has_sub_agents = False
        """Whether sub-agents worked for this process or the ones before it."""
        self._hear: Mapping[type, Callable[[Event], None]] = {
            ApprovalRequested: lambda _event: None,  # What waits is seen in the state.
            ApprovalResolved: self._resolved,
            ItemCompleted: self._item_completed,
            ModeChanged: self._mode_changed,
            SubAgentOpened: self._sub_agent,
            ThreadOpened: self._thread_opened,
            TokensUsed: self._tokens_used,
            TurnCompleted: self._turn_completed,
            TurnStarted: self._turn_started,
        }

    # What happens ---------------------------------------------------------------------------------

    def heard(self, events: Sequence[Event]) -> None:
        """Take events that were just applied to the state."""
        relevant = False
        for event in events:
            hear = self._hear.get(type(event.body))
            if hear is not None:
                hear(event)
                relevant = True
        if not relevant or not self._usage.in_turn:
            return
        if self._state.pending:
            self._usage.hold(self._clock())
        else:
            self._usage.go_on(self._clock())
        self._news.set()
        self._look()

    def _turn_started(self, event: Event) -> None:
        del event
        self._end_timer()
        self._usage.start_turn(self._clock())
        self._stopping = False
        self._timer = anyio.CancelScope()
        self._tasks.start_soon(self._watch_time, self._timer)

    def _turn_completed(self, event: Event) -> None:
        del event
        self._end_timer()
        self._usage.end_turn()

    def _sub_agent(self, event: Event) -> None:
        del event
        self.has_sub_agents = True

    def _item_completed(self, event: Event) -> None:
        assert isinstance(event.body, ItemCompleted)
        item = event.body.item
        if item.status not in (ItemStatus.COMPLETED, ItemStatus.FAILED):
            return  # What was declined is no use of anything.
        failed = item.status is ItemStatus.FAILED
        if isinstance(item, CommandExecution):
            self._usage.ran_command(failed=failed or item.exit_code not in (0, None))
        elif isinstance(item, FileChanges):
            stats = of_proposed(item.changes)
            paths = {change.path for change in item.changes}
            paths |= {change.move_to for change in item.changes if change.move_to}
            lines = sum(stat.added + stat.removed for stat in stats)
            self._usage.changed_files(paths, lines, failed=failed)

    def wrote(self, path: str, lines: int) -> None:
        """Count what a command of the present turn was seen to change.

        Args:
            path: Absolute path of the file.
            lines: Lines that came and went.
        """
        self._usage.wrote(path, lines)

    def _thread_opened(self, event: Event) -> None:
        # A fork of the main thread has its past in its count.
        if event.thread_id not in self._tokens and self._main in self._tokens:
            self._tokens[event.thread_id] = self._tokens[self._main]
        self._main = event.thread_id

    def _tokens_used(self, event: Event) -> None:
        assert isinstance(event.body, TokensUsed)
        total = event.body.usage.total_tokens
        self._usage.used_tokens(total - self._tokens.get(event.thread_id, 0))
        self._tokens[event.thread_id] = total
        self.has_sub_agents = self.has_sub_agents or event.thread_id != self._main

    def _resolved(self, event: Event) -> None:
        assert isinstance(event.body, ApprovalResolved)
        decision = event.body.decision
        # Only an accept is surely a person's: declines also come from where nobody can be asked.
        if decision.kind.accepts and decision.decided_by not in (POLICY, AUTOPILOT):
            self._usage.person_decided()

    def _mode_changed(self, event: Event) -> None:
        assert isinstance(event.body, ModeChanged)
        if event.body.changed_by not in (POLICY, AUTOPILOT):
            self._usage.person_decided()

    def person_decided(self) -> None:
        """Note that a person said something: what was counted until then is no longer a runaway's."""
        self._usage.person_decided()

    # What is asked before a rule is followed ------------------------------------------------------

    def limited(self, verdict: Verdict, files: Sequence[FileChange] = ()) -> Verdict:
        """Return the verdict to go by: an allow becomes an ask where a limit is reached.

        Args:
            verdict: What the rules say.
            files: The patch, if it is one: what would exceed a limit counts as having reached it.
        """
        if verdict.outcome is not Outcome.ALLOW:
            return verdict
        stats = of_hunks(files)
        paths = {file.path for file in files} | {file.move_to for file in files if file.move_to}
        found = reached(
            self._limits(),
            self._usage,
            self._clock(),
            files=paths,
            lines=sum(stat.added + stat.removed for stat in stats),
        )
        if found is None:
            return verdict
        self._usage.tell(found.limit)
        allowed = f"The rule {verdict.rule} of {verdict.source} allows it otherwise."
        return Verdict(
            outcome=Outcome.ASK,
            rule=f"limit-{found.limit}",
            source=LIMITS,
            reason=f"{found.reason} {allowed}",
            part=verdict.part,
            risk="high",
        )

    @property
    def limits(self) -> Limits:
        """The limits in force now."""
        return self._limits()

    def approved(self) -> None:
        """Count an approval that is about to be given by rule."""
        self._usage.approved(self._clock())

    # What stops the turn --------------------------------------------------------------------------

    def _look(self) -> None:
        """Have the turn stopped when it must be."""
        found = reached(self._limits(), self._usage, self._clock(), names=STOPPING)
        if found is None or self._stopping:
            return
        self._stopping = True
        turn = self._state.active_turn_id
        if turn is not None:
            self._tasks.start_soon(self._stop, turn, found)

    async def _watch_time(self, scope: anyio.CancelScope) -> None:
        with scope:
            while not self._stopping:
                self._news = anyio.Event()
                left = self._time_left()
                with anyio.move_on_after(left):
                    await self._news.wait()
                self._look()

    def _time_left(self) -> float | None:
        """Return the seconds until the limit of time is reached, None when it will not be."""
        limit = self._limits().of("seconds")
        if not limit or self._usage.is_held:
            return None
        return max(0.0, limit - self._usage.elapsed(self._clock()))

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
