"""Text deltas, which come by the ten thousand, joined by item.

The one place of this package where each line counts for speed. Not aware of what else arrives;
`mapping` stands above, the model's events below.
"""

from __future__ import annotations

from typing import cast

from autopilot_ls.model.events import TextDelta
from autopilot_ls.model.items import TextField
from autopilot_ls.runtimes.base import RuntimeEvent
from autopilot_ls.wire.messages import JsonValue, Notification


class _Run:
    """The deltas of one item's field within one batch."""

    __slots__ = ("first", "last", "pieces", "turn")

    def __init__(self, turn: JsonValue, frame: int) -> None:
        self.turn = turn
        self.first = frame
        self.last = frame
        self.pieces: list[str] = []


class Deltas:
    """The deltas that nothing else separated yet, by item and field."""

    __slots__ = ("_runs",)

    def __init__(self) -> None:
        """Create it empty."""
        self._runs: dict[tuple[JsonValue, JsonValue, str], _Run] = {}

    def __bool__(self) -> bool:
        return bool(self._runs)

    def add(self, notification: Notification, field: str) -> bool:
        """Take a delta in; costs well under a microsecond.

        Args:
            notification: Any with `threadId`, `itemId` and `delta`.
            field: The item's member that grows.

        Returns:
            Whether it has the form of a delta; nothing is taken in otherwise.
        """
        params = notification.params
        try:
            key = (params["threadId"], params["itemId"], field)
            delta = params["delta"]
            run = self._runs.get(key)
        except (KeyError, TypeError):
            return False
        if delta.__class__ is not str:
            return False
        if run is None:
            if key[0].__class__ is not str or key[1].__class__ is not str:
                return False
            run = self._runs[key] = _Run(params.get("turnId"), notification.frame)
        run.pieces.append(cast("str", delta))
        run.last = notification.frame
        return True

    def take(self) -> list[RuntimeEvent]:
        """Return one event for each item and field, and begin anew."""
        events = [
            RuntimeEvent(
                TextDelta(
                    item_id=cast("str", item_id),
                    field=cast("TextField", field),
                    text="".join(run.pieces),
                ),
                thread_id=cast("str", thread),
                turn_id=run.turn if isinstance(run.turn, str) else None,
                frames=(run.first, run.last),
            )
            for (thread, item_id, field), run in self._runs.items()
        ]
        self._runs.clear()
        return events
