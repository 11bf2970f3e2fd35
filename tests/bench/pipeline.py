"""Where the time of a delta goes inside the server, layer by layer, without processes or pipes.

The same bytes that the stand-in sends are cut into what one read of a pipe brings, and go through wire,
adapter, trace and state as they do in a session. Each layer's clock stops while the one it calls runs.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar, cast

import anyio

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.events import (
    Event,
    ItemStarted,
    SessionCreated,
    ThreadOpened,
    TurnStarted,
)
from autopilot_ls.model.ids import new_session_id
from autopilot_ls.model.items import AgentMessage
from autopilot_ls.model.state import SessionState
from autopilot_ls.runtimes.base import RuntimeEvent
from autopilot_ls.runtimes.codex.mapping import Mapper
from autopilot_ls.supervisor.record import SessionRecord
from autopilot_ls.trace.store import TraceLimits, TraceStore
from autopilot_ls.trace.writer import SessionTrace
from autopilot_ls.wire.jsonl import LineSplitter
from autopilot_ls.wire.jsonrpc import JsonRpcConnection
from autopilot_ls.wire.messages import Incoming
from autopilot_ls.wire.process import Process
from tests.bench.flood_agent import ITEM, THREAD, Deltas
from tests.bench.report import Figure, median, quartiles

_P = ParamSpec("_P")
_R = TypeVar("_R")

READ = 65_536
"""Bytes that one read brings, as in the server at full load."""
TURN = "01a203b6-12cf-7e11-9e5d-000000000001"
SESSION = new_session_id()


@dataclass
class Layers:
    """Nanoseconds per delta that each layer takes for itself."""

    deltas: int
    split: float
    record: float
    parse: float
    map: float
    append: float
    apply: float

    @property
    def total(self) -> float:
        return self.split + self.record + self.parse + self.map + self.append + self.apply


class Clock:
    """Adds up the time of each layer, without that of the layers it calls."""

    def __init__(self) -> None:
        self.own: dict[str, int] = {}
        self._inner = 0

    def call(
        self, name: str, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs
    ) -> _R:
        outer, self._inner = self._inner, 0
        start = time.perf_counter_ns()
        try:
            return function(*args, **kwargs)
        finally:
            spent = time.perf_counter_ns() - start
            self.own[name] = self.own.get(name, 0) + spent - self._inner
            self._inner = outer + spent


class TimedTrace:
    """A session's trace as the connection and the record see it."""

    def __init__(self, trace: SessionTrace, clock: Clock) -> None:
        self._trace = trace
        self._clock = clock

    def record(self, direction: Literal["in", "out"], frames: Sequence[bytes]) -> int:
        return self._clock.call("record", self._trace.record, direction, frames)

    def append(self, events: Sequence[Event]) -> None:
        self._clock.call("append", self._trace.append, events)


def open_record(trace: TimedTrace) -> SessionRecord:
    """Return a record with a turn that runs."""
    state = SessionState(SESSION)
    record = SessionRecord(cast("SessionTrace", trace), state, views=tuple, on_full=print)
    record.emit(
        [
            RuntimeEvent(
                SessionCreated(cwd="/", runtime="codex", mode=Mode.PROPOSE, title="bench")
            ),
            RuntimeEvent(ThreadOpened(how="started"), THREAD),
            RuntimeEvent(TurnStarted(), THREAD, TURN),
            RuntimeEvent(ItemStarted(item=AgentMessage(id=ITEM)), THREAD, TURN),
        ]
    )
    return record


def measure(deltas: int) -> Layers:
    """Send that many deltas through the layers."""
    return anyio.run(_measure, deltas)


async def _measure(deltas: int) -> Layers:
    lines = bytes(Deltas(TURN).block)
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="autopilot-bench-") as folder:
        store = TraceStore(Path(folder), limits=TraceLimits())
        with store.create(SESSION) as opened:
            trace = TimedTrace(opened, clock)
            record = open_record(trace)
            mapper = Mapper("/")
            mapper.threads.main_id = THREAD

            def deliver(batch: Sequence[Incoming]) -> None:
                facts = clock.call("map", mapper.map, batch)
                clock.call("apply", record.emit, cast("list[RuntimeEvent]", facts))

            # No process is needed: nothing is read or sent through the connection here.
            connection = JsonRpcConnection(cast("Process", None), trace, deliver)
            splitter = LineSplitter()
            clock.own.clear()
            sent = 0
            place = 0
            while sent < deltas:
                if place >= len(lines):
                    place = 0
                found = clock.call("split", splitter.feed, lines[place : place + READ])
                place += READ
                clock.call("parse", connection._receive, found)
                sent += len(found)
    own = {name: spent / sent for name, spent in clock.own.items()}
    return Layers(deltas=sent, **{name: own.get(name, 0.0) for name in LAYERS})


LAYERS = ("split", "record", "parse", "map", "append", "apply")


def figures(deltas: int) -> list[Figure]:
    """Measure three times and say where the time of a delta goes."""
    runs = [measure(deltas) for _ in range(3)]
    parts = ", ".join(
        f"{name} {median([getattr(run, name) for run in runs]) / 1000:.2f}" for name in LAYERS
    )
    totals = [run.total / 1000 for run in runs]
    return [
        Figure(
            "one delta through wire, adapter, trace and state",
            median(totals),
            "µs",
            note=f"{parts}; {quartiles(totals, 'µs')}, in one process, without the editor",
            samples=tuple(totals),
        )
    ]
