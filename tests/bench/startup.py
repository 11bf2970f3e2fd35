"""How long an editor waits for the server, and what the server keeps of the machine's memory.

Autopilot and a bare pygls server are started in turn, so that whatever else the machine does hits both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.lsp_client import BARE, SERVER, LspClient
from tests.bench.machine import memory, processor_time
from tests.bench.report import Figure, at_most, median, quartiles

AIM = 1.15
MEGABYTE = 1024 * 1024


@dataclass
class _Starts:
    """Milliseconds to the reply, processor milliseconds until then, and megabytes after it."""

    waits: list[float] = field(default_factory=list[float])
    work: list[float] = field(default_factory=list[float])
    resident: list[float] = field(default_factory=list[float])
    own: list[float] = field(default_factory=list[float])

    def add(self, command: Sequence[str], cwd: Path) -> None:
        with LspClient(command, cwd) as client:
            self.waits.append(client.initialize())
            self.work.append(processor_time(client.process.pid) * 1000)
            used = memory(client.process.pid)
            self.resident.append(used.rss / MEGABYTE)
            self.own.append(used.pss / MEGABYTE)


def measure(cwd: Path, runs: int) -> list[Figure]:
    """Start both servers that often, after one start each that warms the file cache."""
    commands = {"ours": SERVER, "bare": BARE}
    for command in commands.values():
        _Starts().add(command, cwd)
    starts = {name: _Starts() for name in commands}
    for turn in range(runs):
        # Neither is always the first of a pair.
        for name in sorted(commands, reverse=turn % 2 == 0):
            starts[name].add(commands[name], cwd)
    ours, bare = starts["ours"], starts["bare"]
    ratio = median(ours.waits) / median(bare.waits)
    return [
        Figure(
            "start to the reply of initialize",
            median(ours.waits),
            "ms",
            f"bare pygls {median(bare.waits):.0f} ms",
            ratio,
            f"≤ {AIM} ×",
            at_most(ratio, AIM),
            f"ours {quartiles(ours.waits, 'ms')}; bare {quartiles(bare.waits, 'ms')}",
            tuple(ours.waits),
        ),
        Figure(
            "processor time until then",
            median(ours.work),
            "ms",
            f"bare pygls {median(bare.work):.0f} ms",
            median(ours.work) / median(bare.work),
            note="less disturbed by what else the machine does; counted in steps of 10 ms",
            samples=tuple(ours.work),
        ),
        _memory(
            "memory at the reply of initialize", ours.resident, bare.resident, ours.own, bare.own
        ),
        _loaded(cwd, max(1, runs // 5), bare),
    ]


def _loaded(cwd: Path, runs: int, bare: _Starts) -> Figure:
    """Measure the memory once everything that waits for the first task is loaded."""
    resident: list[float] = []
    own: list[float] = []
    for _ in range(runs):
        with LspClient(SERVER, cwd, options={"stateDir": str(cwd / "state")}) as client:
            client.initialize()
            client.execute("autopilot.status", {})
            used = memory(client.process.pid)
            resident.append(used.rss / MEGABYTE)
            own.append(used.pss / MEGABYTE)
    name = "memory with the supervisor loaded"
    return _memory(name, resident, bare.resident, own, bare.own)


def _memory(
    name: str,
    resident: Sequence[float],
    bare_resident: Sequence[float],
    own: Sequence[float],
    bare_own: Sequence[float],
) -> Figure:
    note = ""
    if median(own):
        note = f"proportional share (PSS): {median(own):.0f} MB, bare {median(bare_own):.0f} MB"
    return Figure(
        name,
        median(resident),
        "MB",
        f"bare pygls {median(bare_resident):.0f} MB",
        median(resident) / median(bare_resident),
        note=note,
        samples=tuple(resident),
    )
