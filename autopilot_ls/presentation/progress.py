"""What happens now, how far it is, and how it ended, each in one line.

Pure functions on a snapshot; what needs the time takes it as an argument. Not aware of how progress is
shown. `transcript` and `status` and the clients stand above.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, assert_never

from autopilot_ls.model.approvals import Outcome
from autopilot_ls.model.diffstat import FileStat, of_diff, of_proposed, summed
from autopilot_ls.model.events import TurnStatus
from autopilot_ls.model.items import (
    AgentMessage,
    CommandExecution,
    Compaction,
    FileChanges,
    Item,
    ItemStatus,
    OtherItem,
    PlanText,
    Reasoning,
    SubAgentCall,
    ToolCall,
    UserMessage,
    WebSearch,
)
from autopilot_ls.model.snapshots import ItemEntry, SessionSnapshot, TurnSnapshot
from autopilot_ls.model.text import count, one_line
from autopilot_ls.presentation import approvals
from autopilot_ls.presentation.commands import unwrapped
from autopilot_ls.presentation.markdown import Redact, unchanged

_WIDTH: Final = 120
_LOOK_BACK: Final = 50
_MILLISECONDS_UP_TO: Final = 1_000
_TENTHS_UP_TO: Final = 100
_BOLD: Final = re.compile(r"\*\*(.+?)\*\*")


def title(snapshot: SessionSnapshot, *, redact: Redact = unchanged) -> str:
    """Return what the session is about, for the title of a progress."""
    return f"Autopilot: {one_line(redact(snapshot.title), 60) or 'working'}"


def message(snapshot: SessionSnapshot, *, redact: Redact = unchanged) -> str:
    """Return what happens now; empty when no turn runs.

    What waits for a person comes first, and of that what must be said loudly; then what the agent does,
    then the step of its plan.
    """
    turn = snapshot.active_turn
    # What the policy answers by itself waits for a moment too, but not for a person.
    asked = [each for each in snapshot.pending if each.verdict.outcome is Outcome.ASK]
    if asked:
        loud = [each for each in asked if approvals.alarm(each, snapshot.mode)]
        told = (loud or asked)[0]
        alarm = approvals.alarm(told, snapshot.mode)
        first = approvals.title(told, root=snapshot.cwd, redact=redact, limit=90)
        more = len(asked) - 1
        return f"{f'{alarm}, waits' if alarm else 'Waits'} for you: {first}" + (
            f" (and {more} more)" if more else ""
        )
    if turn is None:
        return ""
    item = current_item(turn)
    if item is not None:
        return one_line(redact(doing(item, snapshot.cwd)), _WIDTH)
    for step in turn.plan:
        if step.status == "inProgress":
            return one_line(redact(step.step), _WIDTH)
    return "Works"


def current_item(turn: TurnSnapshot) -> Item | None:
    """Return the newest item of the turn that is not finished."""
    for entry in reversed(turn.entries[-_LOOK_BACK:]):
        if isinstance(entry, ItemEntry) and entry.item.status is ItemStatus.IN_PROGRESS:
            return entry.item
    return None


def doing(item: Item, root: str) -> str:
    """Return what an item that runs means; raw, and of any length."""
    match item:
        case CommandExecution():
            return f"Runs: {unwrapped(item.command)}"
        case FileChanges():
            names = ", ".join(approvals.relative(change.path, root) for change in item.changes[:4])
            return f"Changes {names or 'files'}"
        case Reasoning():
            heading = _BOLD.findall(item.summary)
            return f"Thinks: {heading[-1]}" if heading else "Thinks"
        case ToolCall():
            return f"Calls {item.server}.{item.tool}" if item.server else f"Calls {item.tool}"
        case WebSearch():
            return f"Searches the web: {item.query}"
        case SubAgentCall():
            return f"Works with a sub-agent: {item.prompt or item.tool}"
        case OtherItem():
            return item.summary or item.native_type
        case AgentMessage() | PlanText() | Compaction() | UserMessage():
            return _PLAINLY[item.kind]
        case _:
            assert_never(item)


_PLAINLY: Final = {
    "agentMessage": "Writes",
    "plan": "Plans",
    "compaction": "Shortens its context",
    "userMessage": "Works",
}


def percentage(snapshot: SessionSnapshot) -> int | None:
    """Return how much of the plan is done, 0 to 100; None without a running turn or a plan."""
    turn = snapshot.active_turn
    if turn is None or not turn.plan:
        return None
    done = sum({"completed": 2, "inProgress": 1}.get(step.status, 0) for step in turn.plan)
    return 100 * done // (2 * len(turn.plan))


def duration(seconds: float) -> str:
    """Return a duration for people: `40 ms`, `1.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`."""
    milliseconds = max(0, round(seconds * 1_000))
    if milliseconds < _MILLISECONDS_UP_TO:
        return f"{milliseconds} ms"
    tenths = round(seconds * 10)
    if tenths < _TENTHS_UP_TO:
        return f"{tenths / 10:.1f} s"
    minutes, rest = divmod(tenths // 10, 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {rest} s"


def closing_line(
    snapshot: SessionSnapshot,
    turn: TurnSnapshot,
    *,
    now: float | None = None,
    redact: Redact = unchanged,
) -> str:
    """Return what a turn came to: `2 files, +10 −3, 4 commands, 1,234 tokens, 12 s`.

    A turn that did not simply complete is introduced by how it ended.

    Args:
        snapshot: The session.
        turn: One of its turns.
        now: Seconds since the epoch, for a turn that still runs; by default its last change.
        redact: Leaves out secrets.
    """
    stats = stats_of(turn)
    parts: list[str] = []
    if stats:
        parts.extend([count(len(stats), "file"), summed(stats)])
    commands = sum(
        item.status is not ItemStatus.DECLINED
        for item in _items(turn)
        if isinstance(item, CommandExecution)
    )
    if commands:
        parts.append(count(commands, "command"))
    parts.append(count(tokens_of(turn), "token"))
    end = turn.completed_at or now or snapshot.updated_at
    parts.append(duration(end - turn.started_at))
    if turn.waited >= 1:
        parts.append(f"{duration(turn.waited)} of waiting for decisions")
    return _introduction(turn, redact) + ", ".join(parts)


def _introduction(turn: TurnSnapshot, redact: Redact) -> str:
    match turn.status:
        case TurnStatus.FAILED:
            return f"Failed: {one_line(redact(turn.error), 300).rstrip('.') or 'no reason given'}. "
        case TurnStatus.INTERRUPTED:
            return "Interrupted: "
        case TurnStatus.UNKNOWN:
            return "Cut off, how it ended is not known: "
        case TurnStatus.COMPLETED | TurnStatus.IN_PROGRESS:
            return ""
        case _:
            assert_never(turn.status)


def tokens_of(turn: TurnSnapshot) -> int:
    """Return the tokens that a turn used, with those of its sub-agents."""
    return max(0, turn.tokens.total_tokens - turn.tokens_before.total_tokens)


def stats_of(turn: TurnSnapshot) -> tuple[FileStat, ...]:
    """Return the lines changed per file: by the turn's diff, else by the patches that were applied."""
    if turn.diff:
        return of_diff(turn.diff)
    sums: dict[str, FileStat] = {}
    for item in _items(turn):
        if isinstance(item, FileChanges) and item.status is ItemStatus.COMPLETED:
            for stat in of_proposed(item.changes):
                so_far = sums.get(stat.path, FileStat(stat.path, 0, 0))
                sums[stat.path] = FileStat(
                    stat.path, so_far.added + stat.added, so_far.removed + stat.removed
                )
    return tuple(sums.values())


def _items(turn: TurnSnapshot) -> Iterator[Item]:
    return (entry.item for entry in turn.entries if isinstance(entry, ItemEntry))
