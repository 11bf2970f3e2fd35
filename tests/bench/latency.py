"""How long a person's editor waits for an approval: from the frame on the pipe to the diagnostic.

The stand-in notes when it writes each request, the client when the diagnostic for that file is there, both
by the machine's monotonic clock. Each approval is then declined through the same client.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

from tests.bench.flood import RATE
from tests.bench.flood_agent import Plan
from tests.bench.lsp_client import Json, LspClient
from tests.bench.machine import waiting_time
from tests.bench.report import Figure, at_most, median, percentile
from tests.bench.scene import Scene, make_patched_files, scene

AIM = 10.0
"""Milliseconds for 99 of 100."""


class DecidingScene(Scene):
    """A scene whose client declines each patch as soon as it sees it.

    Attributes:
        seen: When the first diagnostic of a file came, in nanoseconds of the monotonic clock.
    """

    def __init__(self, client: LspClient, reports: Path) -> None:
        super().__init__(client, reports)
        self.seen: dict[str, int] = {}

    def diagnosed(self, arrived: int, params: Json) -> None:
        path = unquote(urlsplit(cast("str", params["uri"])).path)
        if path in self.seen:
            return
        for diagnostic in cast("list[Json]", params["diagnostics"]):
            data = diagnostic.get("data")
            if isinstance(data, dict) and "approvalId" in data:
                self.seen[path] = arrived
                argument = {"approvalId": data["approvalId"], "decision": "decline"}
                self.client.ask_to("autopilot.approval.decide", argument)
                return


@dataclass(frozen=True)
class Waits:
    """Milliseconds from frame to diagnostic, through the server and through the relay.

    Attributes:
        unserved: Milliseconds per approval that the server was ready to run, but had no processor.
    """

    ours: list[float] = field(default_factory=list[float])
    relay: list[float] = field(default_factory=list[float])
    unserved: list[float] = field(default_factory=list[float])


def measure(folder: Path, count: int, interval: float, rounds: int) -> list[Figure]:
    """Measure that many approvals while nothing else happens, and as many during the flood.

    Server and relay take turns, so that whatever else the machine does hits both.
    """
    quiet, flooded = Waits(), Waits()
    each = -(-count // rounds)
    with (
        scene(DecidingScene, folder / "ours", opted_in=True) as ours,
        scene(DecidingScene, folder / "relay", opted_in=True, relayed=True) as relay,
    ):
        firsts: list[float] = []
        for place in (ours, relay):
            make_patched_files(place.client.cwd, 2 * each * rounds + 10)
            firsts.append(_play(place, Plan(approvals=5, interval=interval))[0])
        calm = Plan(approvals=each, interval=interval)
        flood = Plan(rate=RATE, seconds=each * interval, approvals=each, interval=interval)
        for _ in range(rounds):
            for plan, waits in ((calm, quiet), (flood, flooded)):
                pid = ours.client.process.pid
                before = waiting_time(pid)
                waits.ours.extend(_play(ours, plan))
                after = waiting_time(pid)
                if before is not None and after is not None:
                    waits.unserved.append((after - before) / each * 1000)
                waits.relay.extend(_play(relay, plan))
    return [
        *_figures("quiet", quiet, f"; the first of the fresh server took {firsts[0]:.1f} ms"),
        *_figures("during the flood", flooded),
    ]


def _play(place: DecidingScene, plan: Plan) -> list[float]:
    report = place.play(plan, plan.approvals * plan.interval * 10 + 60)
    if len(report.approvals) < plan.approvals:
        raise RuntimeError(
            f"only {len(report.approvals)} of {plan.approvals} approvals were answered"
        )
    return [(place.seen[path] - sent) / 1e6 for path, sent, _ in report.approvals]


def _figures(kind: str, waits: Waits, more: str = "") -> list[Figure]:
    ours, relay = waits.ours, waits.relay
    worst, least = percentile(ours, 0.99), percentile(relay, 0.99)
    busy = ""
    if waits.unserved:
        busy = (
            f"; per approval the server was ready but without a processor for "
            f"{median(waits.unserved):.1f} ms"
        )
    return [
        Figure(
            f"approval to diagnostic, {kind}: median",
            median(ours),
            "ms",
            f"bare relay {median(relay):.2f} ms",
            median(ours) / median(relay),
            note=f"{len(ours)} approvals{more}",
            samples=tuple(ours),
        ),
        Figure(
            f"approval to diagnostic, {kind}: p99",
            worst,
            "ms",
            f"bare relay {least:.2f} ms",
            worst / least,
            f"≤ {AIM:.0f} ms",
            at_most(worst, AIM),
            f"p90 {percentile(ours, 0.9):.1f} ms, longest {max(ours):.1f} ms; relay: "
            f"p90 {percentile(relay, 0.9):.1f} ms, longest {max(relay):.1f} ms{busy}",
        ),
    ]
