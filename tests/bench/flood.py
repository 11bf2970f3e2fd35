"""A flood of text through the whole server: does it hold, what does it cost, what reaches the editor.

The rate is twice what the real Codex emits at the most. At full speed the same stand-in also feeds a bare
loop that reads lines and parses them, and the official SDK, in turn, so that noise hits all of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.flood_agent import Plan, Report
from tests.bench.lsp_client import environment
from tests.bench.machine import memory, processor_time
from tests.bench.report import Figure, at_most, median, quartiles
from tests.bench.scene import AGENT, Scene, scene

RATE = 60_000
MOST_NOTIFICATIONS = 35
ON_TIME = 0.1
"""Seconds that the stand-in may finish late, and that the last delta may take to the client."""
SECOND = 1_000_000_000
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Size:
    """How much is sent: seconds of flood, deltas at full speed for each peer, rounds of that."""

    seconds: float
    full: int
    sdk: int
    rounds: int


@dataclass(frozen=True)
class Peer:
    """What somebody made of the deltas at full speed: per second, and microseconds of processor each."""

    rate: float
    work: float


def measure(folder: Path, size: Size) -> list[Figure]:
    """Measure both kinds of clients, then the most that is sustained."""
    figures: list[Figure] = []
    for opted_in in (True, False):
        kind = "opted-in client" if opted_in else "plain client"
        with scene(Scene, folder / kind.replace(" ", "-"), opted_in=opted_in) as place:
            place.play(Plan(rate=1000, seconds=0.2), 30)
            figures += _at_rate(place, kind, size.seconds)
            if opted_in:
                figures += _full_speed(place, size)
    return figures


def _at_rate(place: Scene, kind: str, seconds: float) -> list[Figure]:
    client = place.client
    pid = client.process.pid
    client.arrivals.clear()
    before = processor_time(pid)
    report = place.play(Plan(rate=RATE, seconds=seconds), seconds * 4 + 30)
    spent = processor_time(pid) - before
    took = (report.emitted - report.began) / SECOND
    behind = (place.ended_at - report.emitted) / SECOND
    held = took <= seconds + ON_TIME and behind <= ON_TIME
    arrivals = [at for at, _ in client.arrivals if report.began <= at <= place.ended_at]
    worst = most_in_a_second(arrivals)
    used = memory(pid).rss / MEGABYTE
    return [
        Figure(
            f"flood, {kind}: deltas taken",
            report.sent / took,
            "/s",
            f"{RATE:,} /s sent",
            report.sent / took / RATE,
            "held",
            held,
            f"{report.sent:,} deltas in {took:.2f} s, the last at the client after "
            f"{behind * 1000:.0f} ms; longest burst {report.longest_burst / 1e6:.0f} ms, memory "
            f"{used:.0f} MB",
        ),
        Figure(
            f"flood, {kind}: processor per delta",
            spent / report.sent * 1e6,
            "µs",
            note=f"{spent / took:.0%} of one processor, all threads of the server",
        ),
        Figure(
            f"flood, {kind}: notifications",
            len(arrivals) / took,
            "/s",
            aim=f"≤ {MOST_NOTIFICATIONS} /s",
            met=at_most(worst, MOST_NOTIFICATIONS),
            note=f"most in any one second: {worst}",
        ),
    ]


def most_in_a_second(arrivals: Sequence[int]) -> int:
    """Return how many arrivals (nanoseconds, ascending) the fullest second holds."""
    return max(
        (bisect_left(arrivals, at + SECOND) - index for index, at in enumerate(arrivals)), default=0
    )


def _full_speed(place: Scene, size: Size) -> list[Figure]:
    ours: list[Peer] = []
    loop: list[Peer] = []
    sdk: list[Peer] = []
    for _ in range(size.rounds):
        ours.append(_through_server(place, size.full))
        loop.append(_peer("loop", size.full))
        sdk.append(_peer("sdk", size.sdk))
    rates = [peer.rate for peer in ours]
    work = median([peer.work for peer in ours])
    against = {"bare readline + json.loads": loop, "official async SDK": sdk}
    return [
        Figure(
            f"most deltas sustained, against {name}",
            median(rates),
            "/s",
            f"{median([peer.rate for peer in peers]):,.0f} /s",
            median(rates) / median([peer.rate for peer in peers]),
            note=f"ours {quartiles(rates, '/s')}, {work:.1f} µs of processor per delta; theirs "
            f"{quartiles([peer.rate for peer in peers], '/s')}, "
            f"{median([peer.work for peer in peers]):.1f} µs",
            samples=tuple(rates),
        )
        for name, peers in against.items()
    ]


def _through_server(place: Scene, count: int) -> Peer:
    pid = place.client.process.pid
    before = processor_time(pid)
    report: Report = place.play(Plan(count=count, together=0), 120)
    spent = processor_time(pid) - before
    # Up to the end of the turn at the client: whatever was still on its way counts.
    took = (place.ended_at - report.began) / SECOND
    return Peer(report.sent / took, spent / report.sent * 1e6)


def _peer(which: str, count: int) -> Peer:
    plan = json.dumps(vars(Plan(count=count, together=0)))
    command = [sys.executable, "-m", "tests.bench.peers", which, plan, *AGENT]
    done = subprocess.run(
        command, capture_output=True, env=environment(), text=True, timeout=120, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{which} failed: {done.stderr.strip()[-500:]}")
    found = json.loads(done.stdout)
    return Peer(found["deltas"] / found["seconds"], found["processor"] / found["deltas"] * 1e6)
