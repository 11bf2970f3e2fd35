"""What goes on in a session right now, and what went wrong lately: for a display at a glance.

Keeps the items that run, in whatever turn they began, so that nobody has to look for them among the
entries of the turns. Mutable, bounded, and owned by the `SessionState` that holds it. Not aware of how
items grow: `turns` does that, and `state` stands above.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from autopilot_ls.model.events import (
    Compacted,
    Event,
    FilesSettled,
    Notice,
    RuntimeExited,
    RuntimeStarted,
    SubAgentOpened,
    TurnCompleted,
)
from autopilot_ls.model.items import (
    CommandExecution,
    Compaction,
    ItemStatus,
    SubAgentCall,
    TokenUsage,
    UserMessage,
)
from autopilot_ls.model.snapshots import (
    ActivitySnapshot,
    AgentEntry,
    ProblemEntry,
    RunningItem,
)
from autopilot_ls.model.turns import ItemState

MAX_RUNNING: Final = 100
"""Items that run at the same time; beyond them the oldest is forgotten."""

MAX_AGENTS: Final = 20
"""Sub-agents that are remembered, the newest."""

MAX_PROBLEMS: Final = 5
"""Problems that are remembered, the newest."""

MAX_MESSAGE: Final = 1_000
"""Characters that are kept of a problem."""

# An agent that goes on to one of these does not wait for its commands.
_WAITS: Final = (CommandExecution, SubAgentCall, UserMessage)


@dataclass(frozen=True, slots=True)
class _Key:
    thread_id: str | None
    item_id: str


class Activity:
    """See the module's docstring."""

    def __init__(self) -> None:
        """Create it for a session in which nothing happened yet."""
        self._running: dict[_Key, ItemState] = {}
        self._agents: dict[str, str] = {}
        self._problems: deque[ProblemEntry] = deque(maxlen=MAX_PROBLEMS)
        self._compactions = 0

    def item_changed(self, found: ItemState) -> None:
        """An item appeared, or has its final form."""
        item = found.item
        key = _Key(found.thread_id, item.id)
        if isinstance(item, Compaction) and item.status is ItemStatus.COMPLETED:
            self._compactions += 1
        if not found.is_running:
            self._running.pop(key, None)
        elif key not in self._running:
            if not isinstance(item, _WAITS):
                self._leave_behind(found.thread_id)
            self._running[key] = found
            if len(self._running) > MAX_RUNNING:
                del self._running[next(iter(self._running))]

    def allowed(self, thread_id: str | None, item_id: str | None, time: float) -> None:
        """An item that was asked about begins only now."""
        found = self._running.get(_Key(thread_id, item_id)) if item_id is not None else None
        if found is not None:
            found.started_at = time

    def _leave_behind(self, thread_id: str | None) -> None:
        """The agent goes on while its commands still run."""
        for key, running in self._running.items():
            if key.thread_id == thread_id and isinstance(running.item, CommandExecution):
                running.background = True

    def take(self, event: Event, main_thread: str | None) -> None:
        """Take an event that is not about one item."""
        match event.body:
            case Notice(severity="warning" | "error" as severity) as body:
                self._problem(severity, body.code, body.message, event.time)
            case TurnCompleted() as body:
                self._turn_ended(main_thread)
                if body.error:
                    self._problem("error", body.error_code, body.error, event.time)
            case FilesSettled() as body if body.outcome not in {"applied", "unchanged"}:
                self._problem("warning", f"files-{body.outcome}", body.detail, event.time)
            case RuntimeStarted():
                self._running.clear()
            case RuntimeExited() as body:
                self._running.clear()
                if not body.expected:
                    text = "The agent's process ended unexpectedly."
                    self._problem("error", "agent-died", text, event.time)
            case SubAgentOpened() as body if event.thread_id is not None:
                self._agents.pop(event.thread_id, None)
                self._agents[event.thread_id] = body.name
                if len(self._agents) > MAX_AGENTS:
                    del self._agents[next(iter(self._agents))]
            case Compacted():
                self._compactions += 1
            case _:
                pass

    def _problem(self, level: str, code: str, message: str, time: float) -> None:
        entry = ProblemEntry(
            "error" if level == "error" else "warning", code, message[:MAX_MESSAGE], time
        )
        self._problems.append(entry)

    def _turn_ended(self, main_thread: str | None) -> None:
        """What the main thread left running are its commands; nothing else outlives a turn."""
        for key, found in list(self._running.items()):
            if key.thread_id != main_thread:
                continue
            if isinstance(found.item, CommandExecution):
                found.background = True
            else:
                del self._running[key]

    def snapshot(self, usage: Mapping[str | None, TokenUsage]) -> ActivitySnapshot:
        """Return what goes on, as an immutable value.

        Args:
            usage: The tokens of each thread.
        """
        return ActivitySnapshot(
            running=tuple(_running(found) for found in self._running.values()),
            agents=tuple(
                AgentEntry(thread, name, usage[thread].total_tokens if thread in usage else 0)
                for thread, name in self._agents.items()
            ),
            problems=tuple(self._problems),
            compactions=self._compactions,
        )


def _running(found: ItemState) -> RunningItem:
    if found.tail is None:
        return RunningItem(found.snapshot().item, found.thread_id, found.started_at)
    # The whole output is not put together for its last lines.
    return RunningItem(
        found.item, found.thread_id, found.started_at, found.tail.lines(), found.background
    )
