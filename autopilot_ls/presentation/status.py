"""Makes the view of a session at a glance, and sees to it that it stays small.

Whatever an agent does, a view fits into `MAX_BYTES`: each text and each list has a limit, and where all of
them together are too much, lists are cut. Pure but for what it remembers to save work. Not aware of how
views are sent. `lsp` and `cli` stand above, `status_view`, `progress` and `approvals` below.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final, Literal
from urllib.parse import quote

from autopilot_ls.model.approvals import Approval, Grant, Outcome
from autopilot_ls.model.changed import FileEntry
from autopilot_ls.model.items import CommandExecution, Item, PlanStep, RateLimit
from autopilot_ls.model.snapshots import RunningItem, SessionSnapshot, TurnSnapshot
from autopilot_ls.model.text import one_line
from autopilot_ls.presentation import approvals, progress
from autopilot_ls.presentation.commands import unwrapped
from autopilot_ls.presentation.markdown import Redact, unchanged
from autopilot_ls.presentation.status_view import (
    AgentShown,
    ChangedFile,
    ItemShown,
    PendingApproval,
    Problem,
    QueuedMessage,
    RunningCommand,
    StatusView,
    Unreviewed,
)
from autopilot_ls.presentation.verdicts import explained

MAX_BYTES: Final = 60_000
"""Bytes of a view as JSON in which only ASCII stands."""

MAX_COMMANDS: Final = 5
MAX_FILES: Final = 50
MAX_PENDING: Final = 20
MAX_PATHS: Final = 20
"""Files of one approval that are named."""
MAX_STEPS: Final = 50
MAX_GRANTS: Final = 20
MAX_LIMITS: Final = 10

SHORTLY: Final = 1.0
"""Seconds for which an approval that the policy answers by itself is not said to wait for a person."""

_MEMORY: Final = 100
_MAX_PATH: Final = 400
_MAX_URI: Final = 1_500
_MAX_TEXT: Final = 500
_MAX_NAME: Final = 120


@dataclass(frozen=True, slots=True)
class Outside:
    """What is known of a session beside its record.

    Attributes:
        unreviewed: How much of it is to be reviewed.
        changed: What the disk says its last turn changed, beyond the patches; paths are absolute.
        asked: Ids of the approvals that the person is asked about for sure.
    """

    unreviewed: Unreviewed = field(default_factory=Unreviewed)
    changed: tuple[FileEntry, ...] = ()
    asked: Collection[str] = ()


_NOTHING: Final = Outside()


class StatusMaker:
    """Makes views; remembers what is dear to find out anew each time."""

    def __init__(self, redact: Redact = unchanged) -> None:
        """Create it.

        Args:
            redact: Leaves out secrets.
        """
        self._redact = redact
        self._closings: dict[str, tuple[object, str]] = {}

    def view(
        self, snapshot: SessionSnapshot, *, now: float | None = None, outside: Outside = _NOTHING
    ) -> StatusView:
        """Return a session at a glance.

        Args:
            snapshot: The session.
            now: Seconds since the epoch; by default the time of the session's last event.
            outside: What is known of it otherwise.
        """
        redact = self._redact
        moment = snapshot.updated_at if now is None else now
        turn = next((turn for turn in reversed(snapshot.turns) if turn.id), None)
        running = turn is not None and turn is snapshot.active_turn
        waiting = _waiting(snapshot, moment, outside)
        activity = snapshot.activity
        files, files_more = _files(turn, snapshot.cwd, outside)
        return _fitting(
            StatusView(
                seq=snapshot.seq,
                session_id=snapshot.session_id,
                title=one_line(redact(snapshot.title)),
                cwd=snapshot.cwd,
                runtime=one_line(snapshot.runtime, _MAX_NAME),
                runtime_version=one_line(snapshot.runtime_version, _MAX_NAME),
                model=one_line(snapshot.model, _MAX_NAME),
                mode=snapshot.mode,
                state="waiting" if waiting else "idle" if turn is None else turn.status.value,
                alive=snapshot.alive,
                turn_id=one_line(turn.id, _MAX_NAME) if turn else None,
                doing=progress.message(snapshot, redact=redact),
                closing="" if turn is None or running else self._closing(snapshot, turn),
                error=one_line(redact(turn.error), _MAX_TEXT) if turn else "",
                error_code=one_line(turn.error_code, _MAX_NAME) if turn else "",
                plan=_plan(turn, redact),
                percentage=progress.percentage(snapshot),
                started_at=turn.started_at if turn and running else None,
                elapsed=max(0.0, (turn.completed_at or moment) - turn.started_at) if turn else 0.0,
                waited=turn.waited if turn else 0.0,
                pending=tuple(
                    _pending(each, snapshot, moment, redact) for each in waiting[:MAX_PENDING]
                ),
                pending_more=max(0, len(waiting) - MAX_PENDING),
                grants=tuple(_grant(each) for each in snapshot.grants[-MAX_GRANTS:]),
                tokens=snapshot.usage.total_tokens + snapshot.sub_agent_usage.total_tokens,
                turn_tokens=progress.tokens_of(turn) if turn else 0,
                context_used=snapshot.usage.context_used,
                context_window=snapshot.usage.context_window,
                limits=tuple(_limit(each) for each in snapshot.limits[:MAX_LIMITS]),
                account=one_line(redact(snapshot.account)),
                unknown=sum(number for _, number in snapshot.unknown),
                turns=snapshot.dropped_turns + sum(bool(each.id) for each in snapshot.turns),
                item=self._item(snapshot) if running else None,
                commands=self._commands(snapshot),
                files=files,
                files_more=files_more,
                queue=tuple(
                    QueuedMessage(id=each.id, text=one_line(redact(each.text)), held=each.held)
                    for each in snapshot.queue
                ),
                compactions=activity.compactions,
                problems=_problems(snapshot, redact),
                agents=self._agents(snapshot, waiting),
                unreviewed=outside.unreviewed,
            )
        )

    def _closing(self, snapshot: SessionSnapshot, turn: TurnSnapshot) -> str:
        # A turn's diff may be of a megabyte, and a command it left running may say something all the time.
        key = (turn.id, turn.status, turn.diff, len(turn.entries), turn.dropped, turn.tokens)
        known = self._closings.pop(snapshot.session_id, None)
        if known is None or known[0] != key:
            known = (key, progress.closing_line(snapshot, turn, redact=self._redact))
        self._closings[snapshot.session_id] = known
        if len(self._closings) > _MEMORY:
            del self._closings[next(iter(self._closings))]
        return known[1]

    def _item(self, snapshot: SessionSnapshot) -> ItemShown | None:
        waited_for = [each for each in snapshot.activity.running if not each.background]
        own = [each for each in waited_for if each.thread_id == snapshot.thread_id]
        for each in reversed(own or waited_for):
            return ItemShown(kind=_KINDS[each.item.kind], title=self._title(each.item, snapshot))
        return None

    def _title(self, item: Item, snapshot: SessionSnapshot) -> str:
        return one_line(self._redact(progress.doing(item, snapshot.cwd)[:_LONG]), _MAX_NAME)

    def _commands(self, snapshot: SessionSnapshot) -> tuple[RunningCommand, ...]:
        # One that waits for its approval does not run yet.
        asking = {(approval.thread_id, approval.item_id) for approval in snapshot.pending}
        running = [
            each
            for each in snapshot.activity.running
            if isinstance(each.item, CommandExecution)
            and (each.thread_id, each.item.id) not in asking
        ]
        return tuple(self._command(each, each.item) for each in running[-MAX_COMMANDS:])

    def _command(self, running: RunningItem, item: Item) -> RunningCommand:
        assert isinstance(item, CommandExecution)
        # Secrets may go over several lines.
        tail = self._redact("\n".join(running.tail)).split("\n") if running.tail else ()
        return RunningCommand(
            id=item.id[:_MAX_NAME],
            command=one_line(self._redact(unwrapped(item.command)[:_LONG])),
            cwd=item.cwd[:_MAX_PATH],
            started_at=running.started_at,
            tail=tuple(one_line(line) for line in tail),
            background=running.background,
            thread_id=_name(running.thread_id),
        )

    def _agents(
        self, snapshot: SessionSnapshot, waiting: Iterable[Approval]
    ) -> tuple[AgentShown, ...]:
        asking = {approval.thread_id for approval in waiting}
        newest = {each.thread_id: each.item for each in snapshot.activity.running}
        found: list[AgentShown] = []
        for agent in snapshot.activity.agents:
            item = newest.get(agent.thread_id)
            state: Literal["working", "waiting", "idle"] = "idle" if item is None else "working"
            found.append(
                AgentShown(
                    thread_id=agent.thread_id[:_MAX_NAME],
                    name=one_line(self._redact(agent.name), 60),
                    state="waiting" if agent.thread_id in asking else state,
                    tokens=agent.tokens,
                    doing="" if item is None else self._title(item, snapshot),
                )
            )
        return tuple(found)


_LONG: Final = 2_000
"""Characters of a text at which it is cut before anything is looked for in it."""

_KINDS: Final[
    dict[
        str,
        Literal[
            "message", "reasoning", "plan", "command", "patch", "tool", "search", "agent", "other"
        ],
    ]
] = {
    "agentMessage": "message",
    "command": "command",
    "compaction": "other",
    "fileChanges": "patch",
    "other": "other",
    "plan": "plan",
    "reasoning": "reasoning",
    "subAgent": "agent",
    "toolCall": "tool",
    "userMessage": "other",
    "webSearch": "search",
}


def status(
    snapshot: SessionSnapshot, *, now: float | None = None, redact: Redact = unchanged
) -> StatusView:
    """Return a session at a glance, once; see `StatusMaker`."""
    return StatusMaker(redact).view(snapshot, now=now)


def _waiting(snapshot: SessionSnapshot, now: float, outside: Outside) -> list[Approval]:
    """Return what waits for a person; what the policy answers by itself is gone in a moment."""
    return [
        approval
        for approval in snapshot.pending
        if approval.verdict.outcome is Outcome.ASK
        or approval.id in outside.asked
        or now - approval.requested_at >= SHORTLY
    ]


def _plan(turn: TurnSnapshot | None, redact: Redact) -> tuple[PlanStep, ...]:
    if turn is None:
        return ()
    return tuple(
        PlanStep(step=one_line(redact(step.step[:_LONG])), status=step.status)
        for step in turn.plan[:MAX_STEPS]
    )


def _problems(snapshot: SessionSnapshot, redact: Redact) -> tuple[Problem, ...]:
    """Return the problems, each once: an agent that comes up again says the same again."""
    newest = {(each.code, each.message): each for each in snapshot.activity.problems}
    return tuple(
        Problem(
            level=each.level,
            code=one_line(each.code, _MAX_NAME),
            text=one_line(redact(each.message), _MAX_TEXT),
            at=each.time,
        )
        for each in sorted(newest.values(), key=lambda each: each.time)
    )


def _pending(
    approval: Approval, snapshot: SessionSnapshot, now: float, redact: Redact
) -> PendingApproval:
    return PendingApproval(
        id=approval.id,
        kind=approval.action.type,
        title=approvals.title(approval, root=snapshot.cwd, redact=redact),
        rule=one_line(approval.verdict.rule, _MAX_NAME),
        risk=approval.verdict.risk,
        alarm=approvals.alarm(approval, snapshot.mode),
        why=one_line(explained(approval.verdict, redact=redact), _MAX_TEXT),
        age=max(0.0, now - approval.requested_at),
        requested_at=approval.requested_at,
        paths=tuple(change.path for change in approval.files[:MAX_PATHS]),
        hunks=sum(len(change.hunks) for change in approval.files),
        thread_id=_name(approval.thread_id),
    )


def _grant(grant: Grant) -> Grant:
    command = None if grant.command is None else one_line(grant.command, _MAX_TEXT)
    return grant.model_copy(update={"command": command, "paths": grant.paths[:MAX_PATHS]})


def _limit(limit: RateLimit) -> RateLimit:
    return limit.model_copy(update={"name": one_line(limit.name, _MAX_NAME)})


def _name(native: str | None) -> str | None:
    return None if native is None else native[:_MAX_NAME]


def _files(
    turn: TurnSnapshot | None, root: str, outside: Outside
) -> tuple[tuple[ChangedFile, ...], int]:
    """Return what the turn changed: its patches, and what only the disk tells of."""
    entries = {entry.path: entry for entry in outside.changed}
    if turn is not None:
        entries |= {entry.path: entry for entry in turn.files}
    shown = list(entries.values())[-MAX_FILES:]
    more = len(entries) - len(shown) + (turn.files_more if turn else 0)
    return tuple(_file(entry, root) for entry in shown), more


def _file(entry: FileEntry, root: str) -> ChangedFile:
    try:
        uri = "file://" + quote(os.fsencode(entry.path), safe="/._-~")
    except UnicodeEncodeError:
        uri = ""
    if not PurePath(entry.path).is_absolute() or len(uri) > _MAX_URI:
        uri = ""
    return ChangedFile(
        path=one_line(approvals.relative(entry.path, root), _MAX_PATH),
        uri=uri,
        added=entry.added,
        removed=entry.removed,
        kind=entry.kind,
    )


# Its size -----------------------------------------------------------------------------------------


def size(view: StatusView) -> int:
    """Return the bytes of a view as JSON in which only ASCII stands."""
    return len(json.dumps(view.model_dump(mode="json"), separators=(",", ":")))


def _fitting(view: StatusView) -> StatusView:
    """Return the view, with less in its lists where it would be too large."""
    for keep in (20, 8, 3, 1):
        if size(view) <= MAX_BYTES:
            return view
        view = _cut(view, keep)
    if size(view) <= MAX_BYTES:
        return view
    return view.model_copy(
        update={"files": (), "grants": (), "agents": (), "commands": (), "plan": (), "problems": ()}
    )


def _cut(view: StatusView, keep: int) -> StatusView:
    return view.model_copy(
        update={
            "files": view.files[-keep:],
            "files_more": view.files_more + len(view.files[:-keep]),
            "grants": view.grants[-keep:],
            "plan": view.plan[:keep],
            "agents": view.agents[-keep:],
            "queue": view.queue[:keep],
            "problems": view.problems[-keep:],
            "limits": view.limits[:keep],
            "commands": tuple(
                each.model_copy(update={"tail": each.tail[-keep:]})
                for each in view.commands[-keep:]
            ),
            "pending": tuple(
                each.model_copy(update={"paths": each.paths[:keep]}) for each in view.pending[:keep]
            ),
            "pending_more": view.pending_more + len(view.pending[keep:]),
        }
    )
