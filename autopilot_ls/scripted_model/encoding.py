"""Server-sent events of the Responses API, encoded before they are needed.

A response is turned to bytes when the script is written, so that sending it costs no more than a
socket write and Python is not what limits a flood. Nothing here knows when it is sent.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from autopilot_ls.scripted_model.outputs import Output

_BLOCK = 64 * 1024
"""Bytes per socket write: large enough that calls do not count, small enough to be cut."""


def event(kind: str, **members: object) -> bytes:
    """One server-sent event."""
    data = json.dumps({"type": kind, **members}, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()


@dataclass(frozen=True, slots=True)
class EncodedResponse:
    """A response, or the beginning of one, ready to be written.

    Attributes:
        response_id: The id that `response.created` and `response.completed` carry.
        blocks: The events, joined to blocks for the socket.
        completed: The last event; empty where the response never completes.
    """

    response_id: str
    blocks: tuple[bytes, ...]
    completed: bytes

    @classmethod
    def of(
        cls, outputs: Sequence[Output], *, usage: Mapping[str, object] | None
    ) -> EncodedResponse:
        """Encode outputs.

        Args:
            outputs: What is said, in order.
            usage: The tokens used; `None` leaves the response uncompleted.
        """
        response_id = _unique("resp")
        events = (
            one for index, output in enumerate(outputs) for one in _output_events(output, index)
        )
        completed = b""
        if usage is not None:
            state = _state(response_id, "completed")
            completed = event("response.completed", response={**state, "usage": dict(usage)})
        return cls(response_id, tuple(_blocks(events)), completed)

    def created(self) -> bytes:
        """The event which opens the response."""
        return event("response.created", response=_state(self.response_id, "in_progress"))


def _state(response_id: str, status: str) -> dict[str, object]:
    """The members that every snapshot of a response has."""
    output: list[object] = []
    return {"id": response_id, "status": status, "output": output}


def _output_events(output: Output, index: int) -> Iterator[bytes]:
    item = dict(output.item)
    item.setdefault("id", _unique("item"))
    if "arguments" in item or "input" in item:
        item.setdefault("call_id", _unique("call"))
    place: dict[str, object] = {"item_id": item["id"], "output_index": index}
    yield event("response.output_item.added", output_index=index, item=_opened(item))
    if item["type"] == "reasoning":
        part = {"type": "summary_text", "text": ""}
        yield event("response.reasoning_summary_part.added", **place, summary_index=0, part=part)
        place["summary_index"] = 0
    else:
        place["content_index"] = 0
    for delta in output.deltas:
        yield event(output.delta_event, **place, delta=delta)
    yield event("response.output_item.done", output_index=index, item=item)


def _unique(kind: str) -> str:
    """An id that no other response uses, not even one of another run: Codex keys items by them."""
    return f"{kind}_{secrets.token_hex(8)}"


def _opened(item: Mapping[str, object]) -> dict[str, object]:
    """The item as it is announced: its long members still empty."""
    empty: dict[str, object] = {"content": [], "summary": [], "arguments": "", "input": ""}
    return {name: empty.get(name, value) for name, value in item.items()}


def _blocks(events: Iterator[bytes]) -> Iterator[bytes]:
    pending = bytearray()
    for one in events:
        pending += one
        if len(pending) >= _BLOCK:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)
