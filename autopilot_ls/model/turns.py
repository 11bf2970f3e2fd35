"""A turn while it comes to be: its items with the text that streams into them, and its approvals.

Mutable, and owned by the `SessionState` that holds it; everybody else gets the values of `snapshot`,
which are made once for each change. Bounded: texts and entries have limits; the trace has the rest.
Not aware of events or of other turns. `state` stands above; `snapshots` and `text` below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, get_args

from autopilot_ls.model.approvals import Approval
from autopilot_ls.model.changed import ChangedFiles
from autopilot_ls.model.events import TurnStatus
from autopilot_ls.model.items import (
    CommandExecution,
    Item,
    ItemStatus,
    PlanStep,
    TextField,
    TokenUsage,
)
from autopilot_ls.model.snapshots import (
    ApprovalEntry,
    Entry,
    ItemEntry,
    NoteEntry,
    ResolvedApproval,
    TurnSnapshot,
)
from autopilot_ls.model.tail import Tail
from autopilot_ls.model.text import BoundedText

MAX_ENTRIES: Final = 2_000
"""Entries that are kept of one turn."""

MAX_TEXT: Final = 262_144
"""Characters that are kept of one text of an item: its beginning and its end."""

_TEXT_FIELDS: Final[tuple[str, ...]] = get_args(TextField)


class ItemState:
    """One item with the text that streams into it."""

    __slots__ = ("background", "entry", "item", "started_at", "streams", "tail", "thread_id")

    def __init__(self, item: Item, thread_id: str | None, started_at: float) -> None:
        self.thread_id = thread_id
        self.started_at = started_at
        self.background = False
        self.tail = _tail(item)
        self.streams: dict[str, BoundedText] = {}
        self.item = self._bounded(item)
        self.entry: ItemEntry | None = None

    def _bounded(self, item: Item) -> Item:
        """Return the item without the texts that are too long, which are kept in part as streams."""
        for name in _TEXT_FIELDS:
            text = getattr(item, name, None)
            if isinstance(text, str) and len(text) > MAX_TEXT:
                stream = self.streams[name] = BoundedText()
                stream.append(text)
                item = item.model_copy(update={name: ""})
        return item

    @property
    def is_running(self) -> bool:
        """Whether the item has not ended yet."""
        return self.item.status is ItemStatus.IN_PROGRESS

    def complete(self, item: Item) -> None:
        """Take the final form; text the agent leaves out of it stays as it streamed."""
        self.streams = {
            name: text for name, text in self.streams.items() if not getattr(item, name, None)
        }
        fresh = _tail(item)
        if fresh is None or self.tail is None or getattr(item, "output", ""):
            self.tail = fresh
        self.item = self._bounded(item)
        self.entry = None

    def append(self, name: str, text: str) -> None:
        """Add streamed text to the member of this name, if this kind of item has it."""
        if name not in type(self.item).model_fields:
            return
        stream = self.streams.get(name)
        if stream is None:
            stream = self.streams[name] = BoundedText()
            stream.append(str(getattr(self.item, name)))
        stream.append(text)
        if self.tail is not None:
            self.tail.append(text)
        self.entry = None

    def snapshot(self) -> ItemEntry:
        """Return the item in its present form; the same object until something changes."""
        if self.entry is None:
            item = self.item
            if self.streams:
                item = item.model_copy(update={k: str(v) for k, v in self.streams.items()})
            self.entry = ItemEntry(item, self.thread_id)
        return self.entry


def _tail(item: Item) -> Tail | None:
    """Return the tail of a running command's output, with what there is of it."""
    if not isinstance(item, CommandExecution) or item.status is not ItemStatus.IN_PROGRESS:
        return None
    tail = Tail()
    tail.append(item.output)
    return tail


@dataclass(slots=True)
class TurnState:
    """One turn; `cached` must be cleared by who changes it.

    Attributes:
        entries: What is shown, in order: items, notes, and approvals by their id.
        items: The items among the entries, by thread and id.
        approvals: The approvals among the entries by id, with None for those that wait.
        changed: The files that its patches changed.
    """

    id: str
    started_at: float
    tokens_before: TokenUsage
    status: TurnStatus = TurnStatus.IN_PROGRESS
    completed_at: float | None = None
    error: str = ""
    error_code: str = ""
    plan: tuple[PlanStep, ...] = ()
    diff: str = ""
    entries: list[ItemState | str | NoteEntry] = field(
        default_factory=list[ItemState | str | NoteEntry]
    )
    items: dict[tuple[str | None, str], ItemState] = field(
        default_factory=dict[tuple[str | None, str], ItemState]
    )
    approvals: dict[str, ResolvedApproval | None] = field(
        default_factory=dict[str, ResolvedApproval | None]
    )
    changed: ChangedFiles = field(default_factory=ChangedFiles)
    dropped: int = 0
    waited: float = 0.0
    tokens: TokenUsage = field(default_factory=TokenUsage)
    cached: TurnSnapshot | None = None

    def add(self, entry: ItemState | str | NoteEntry) -> None:
        """Add an entry at the end; beyond the limit the first one goes."""
        self.entries.append(entry)
        if len(self.entries) > MAX_ENTRIES:
            gone = self.entries.pop(0)
            self.dropped += 1
            if isinstance(gone, ItemState):
                self.items.pop((gone.thread_id, gone.item.id), None)
            elif isinstance(gone, str):
                self.approvals.pop(gone, None)

    def add_item(self, item: Item, thread_id: str | None, time: float) -> ItemState:
        """Add an item of a thread at the end, begun at `time` in seconds since the epoch."""
        added = self.items[thread_id, item.id] = ItemState(item, thread_id, time)
        self.add(added)
        return added

    def snapshot(self, pending: Mapping[str, Approval]) -> TurnSnapshot:
        """Return the turn as an immutable value; the same object until `cached` is cleared.

        Args:
            pending: The approvals of the session that wait, by their id.
        """
        if self.cached is None:
            files, files_more = self.changed.snapshot()
            entries = (self._entry(raw, pending) for raw in self.entries)
            self.cached = TurnSnapshot(
                id=self.id,
                status=self.status,
                started_at=self.started_at,
                completed_at=self.completed_at,
                error=self.error,
                error_code=self.error_code,
                plan=self.plan,
                diff=self.diff,
                entries=tuple(entry for entry in entries if entry is not None),
                dropped=self.dropped,
                waited=self.waited,
                tokens=self.tokens,
                tokens_before=self.tokens_before,
                files=files,
                files_more=files_more,
            )
        return self.cached

    def _entry(
        self, raw: ItemState | str | NoteEntry, pending: Mapping[str, Approval]
    ) -> Entry | None:
        if isinstance(raw, ItemState):
            return raw.snapshot()
        if isinstance(raw, NoteEntry):
            return raw
        done = self.approvals.get(raw)
        if done is not None:
            return ApprovalEntry(done.approval, done.decision, done.waited)
        waiting = pending.get(raw)
        return ApprovalEntry(waiting, None, 0.0) if waiting is not None else None
