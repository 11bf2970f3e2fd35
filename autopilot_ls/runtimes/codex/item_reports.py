"""Codex's reports on items: that one began or was completed, and what is said of it in between.

Text deltas are not among them, see `deltas`. Not aware of turns' ends or of requests. `mapping` stands
above; `facts`, `watch`, `items`, `open_items` and `threads` below.
"""

from __future__ import annotations

from typing import Final

from autopilot_ls.model.events import (
    Compacted,
    FindingsReported,
    ItemCompleted,
    ItemStarted,
    Notice,
    TextDelta,
    UnknownReceived,
)
from autopilot_ls.model.items import UserMessage
from autopilot_ls.runtimes.codex.facts import MAX_NAME, Facts, Handler
from autopilot_ls.runtimes.codex.fields import Table, integer, optional_text, table, text
from autopilot_ls.runtimes.codex.items import item_from
from autopilot_ls.runtimes.codex.open_items import OpenItems
from autopilot_ls.runtimes.codex.protocol import MAPPED_ITEMS
from autopilot_ls.runtimes.codex.reviewer import findings_of
from autopilot_ls.runtimes.codex.threads import Threads
from autopilot_ls.runtimes.codex.watch import Watch
from autopilot_ls.wire.messages import Notification

_MAX_TYPED: Final = 2_000


class ItemReports:
    """Maps what is said of items; keeps only what tells a later report from an earlier one."""

    def __init__(self, facts: Facts, threads: Threads, items: OpenItems, watch: Watch) -> None:
        """Create it.

        Args:
            facts: Gets what the reports mean.
            threads: The threads that are known.
            items: Gets the items that have begun.
            watch: Told what was carried out.
        """
        self._facts = facts
        self._threads = threads
        self._items = items
        self._watch = watch
        self._user_turns: dict[str, str] = {}
        self._compacted: dict[str, str] = {}
        self.handlers: dict[str, Handler] = {
            "item/commandExecution/terminalInteraction": self._typed,
            "item/completed": self._item_completed,
            "item/fileChange/patchUpdated": self._patch_updated,
            "item/reasoning/summaryPartAdded": self._summary_part,
            "item/started": self._item_started,
            "thread/compacted": self._thread_compacted,
        }

    def _item_started(self, notification: Notification, params: Table) -> None:
        self._item(notification, params, done=False)

    def _item_completed(self, notification: Notification, params: Table) -> None:
        self._item(notification, params, done=True)

    def _item(self, notification: Notification, params: Table, *, done: bool) -> None:
        native = table(params, "item")
        thread, item_id = text(params, "threadId"), optional_text(native, "id")
        if item_id is None:
            self._facts.unknown(notification)
            return
        self._facts.see_thread(thread)
        native_type = text(native, "type")
        if native_type not in MAPPED_ITEMS:
            name = f"item {native_type[:MAX_NAME]}"
            self._facts.emit(UnknownReceived(method=name), notification)
        cwd = self._threads.folder_of(thread)
        item = item_from(native, done=done, cwd=cwd)
        if isinstance(item, UserMessage) and self._is_steered(thread, params, item_id):
            item = item.model_copy(update={"steered": True})
        if native_type == "commandExecution" and not done:
            self._threads[thread].begin_command(item_id)
        if native_type == "contextCompaction":
            self._compacted[thread] = text(params, "turnId")
        self._facts.emit(ItemCompleted(item=item) if done else ItemStarted(item=item), notification)
        if self._threads.is_main(thread) and not done and native_type == "enteredReviewMode":
            # What the review before it found is not what this one looks at.
            self._facts.emit(FindingsReported(findings=()), notification)
        if self._threads.is_main(thread) and done and native_type == "exitedReviewMode":
            found = findings_of(text(native, "review"), item_id, cwd)
            self._facts.emit(found, notification)
        if done:
            self._watch.check_judged(
                notification,
                native,
                asked=self._items.finish(thread, item_id),
                held=self._threads.reviewing == thread,
            )
        else:
            self._items.keep(thread, native, cwd)

    def _is_steered(self, thread: str, params: Table, item_id: str) -> bool:
        """Tell whether a message of the person is not the one that began the turn."""
        first = f"{text(params, 'turnId')} {item_id}"
        known = self._user_turns.get(thread, "")
        if known.split(" ", 1)[0] != text(params, "turnId"):
            self._user_turns[thread] = first
            return False
        return known != first

    def _patch_updated(self, notification: Notification, params: Table) -> None:
        del notification
        thread, item_id = text(params, "threadId"), text(params, "itemId")
        begun = self._items.native(thread, item_id)
        if begun is not None:
            revised = {**begun, "changes": params.get("changes")}
            self._items.keep(thread, revised, self._threads.folder_of(thread))

    def _typed(self, notification: Notification, params: Table) -> None:
        """Tell of input that Codex typed into a program inside the sandbox without asking."""
        typed = text(params, "stdin")
        if not typed or self._items.take_input(text(params, "threadId"), text(params, "itemId")):
            return
        message = f"Codex typed into a running program without asking: {typed[:_MAX_TYPED]}"
        self._facts.emit(
            Notice(severity="warning", code="unasked-input", message=message), notification
        )

    def _summary_part(self, notification: Notification, params: Table) -> None:
        item_id = optional_text(params, "itemId")
        if item_id is not None and integer(params, "summaryIndex") > 0:
            self._facts.emit(TextDelta(item_id=item_id, field="summary", text="\n\n"), notification)

    def _thread_compacted(self, notification: Notification, params: Table) -> None:
        # Newer versions send an item as well, which says the same.
        if self._compacted.get(text(params, "threadId")) != text(params, "turnId"):
            self._facts.emit(Compacted(), notification)
