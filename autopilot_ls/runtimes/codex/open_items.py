"""The items that Codex has begun and not finished, as far as an approval may refer to them.

An approval names only ids; what it is about was said with the item. Bounded in number and in size.
Not aware of approvals; `item_reports` fills it, `approvals` looks things up in it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from autopilot_ls.model.approvals import ProposedChange
from autopilot_ls.runtimes.codex.fields import Table, table, text
from autopilot_ls.runtimes.codex.items import proposed_changes

MAX_ITEMS: Final = 1_000
MAX_SIZE: Final = 64 * 1024 * 1024
JUDGED_TYPES: Final = frozenset({"commandExecution", "fileChange", "mcpToolCall"})


@dataclass(slots=True)
class _Open:
    native: Table
    changes: tuple[ProposedChange, ...] | None
    size: int
    asked: bool = False
    inputs: int = 0


class OpenItems:
    """Items by thread and id, the oldest forgotten first when there are too many."""

    def __init__(self, *, max_items: int = MAX_ITEMS, max_size: int = MAX_SIZE) -> None:
        """Create an empty store.

        Args:
            max_items: Most items kept.
            max_size: Most characters of patches kept.
        """
        self._items: OrderedDict[tuple[str, str], _Open] = OrderedDict()
        self._max_items = max_items
        self._max_size = max_size
        self._size = 0

    def __len__(self) -> int:
        return len(self._items)

    def keep(self, thread: str, native: Table, cwd: str) -> None:
        """Keep an item that has begun, or what an item has become since."""
        if text(native, "type") not in JUDGED_TYPES:
            return
        key = (thread, text(native, "id"))
        before = self._remove(key)
        changes = proposed_changes(native, cwd) if text(native, "type") == "fileChange" else None
        size = sum(len(change.text) for change in changes or ())
        kept = _Open(native, changes, size)
        if before is not None:
            kept.asked, kept.inputs = before.asked, before.inputs
        self._items[key] = kept
        self._size += size
        while len(self._items) > self._max_items or (
            self._size > self._max_size and len(self._items) > 1
        ):
            self._remove(next(iter(self._items)))

    def _remove(self, key: tuple[str, str]) -> _Open | None:
        found = self._items.pop(key, None)
        if found is not None:
            self._size -= found.size
        return found

    def finish(self, thread: str, item_id: str) -> bool | None:
        """Forget an item that has ended.

        Returns:
            Whether it was asked about; None when it is not known.
        """
        found = self._remove((thread, item_id))
        return None if found is None else found.asked

    def mark_asked(self, thread: str, item_id: str) -> None:
        """Note that Codex asked before it went on with the item."""
        found = self._items.get((thread, item_id))
        if found is not None:
            found.asked = True

    def expect_input(self, thread: str, item_id: str) -> None:
        """Note that Codex asked before it typed something into the program of this item."""
        found = self._items.get((thread, item_id))
        if found is not None:
            found.inputs += 1

    def take_input(self, thread: str, item_id: str) -> bool:
        """Tell whether the input that was typed now had been asked about."""
        found = self._items.get((thread, item_id))
        if found is None or found.inputs == 0:
            return False
        found.inputs -= 1
        return True

    def native(self, thread: str, item_id: str) -> Table | None:
        """Return the item as Codex sent it."""
        found = self._items.get((thread, item_id))
        return None if found is None else found.native

    def changes(self, thread: str, item_id: str) -> tuple[ProposedChange, ...] | None:
        """Return what the patch would change, or None when that is not known for sure."""
        found = self._items.get((thread, item_id))
        return None if found is None else found.changes

    def tool_call(self, thread: str, server: str, arguments: Table, message: str) -> Table | None:
        """Return the one call of a server's tool that has these arguments and was not asked about.

        Codex's request names the tool only within its message, which therefore decides between
        calls that are otherwise the same.
        """
        found = [
            item
            for (owner, _), item in self._items.items()
            if owner == thread
            and not item.asked
            and text(item.native, "type") == "mcpToolCall"
            and text(item.native, "server") == server
            and table(item.native, "arguments") == arguments
        ]
        if len(found) > 1:
            found = [item for item in found if f'"{text(item.native, "tool")}"' in message]
        tools = {text(item.native, "tool") for item in found}
        return found[0].native if len(tools) == 1 else None
