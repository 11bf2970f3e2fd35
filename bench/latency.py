"""How long a person's editor waits for an approval: from the frame on the pipe to the diagnostic.

The stand-in notes when it writes each request, the client when the diagnostic for that file is there, both
by the machine's monotonic clock. Each approval is then declined through the same client.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

from bench.flood import RATE
from bench.flood_agent import Plan
from bench.lsp_client import Json, LspClient
from bench.report import Figure, at_most, median, percentile
from bench.scene import Scene, make_patched_files, scene

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


def measure(folder: Path, count: int, interval: float) -> list[Figure]:
    """Measure that many approvals while nothing else happens, and as many during the flood."""
    with scene(DecidingScene, folder / "approvals", opted_in=True) as place:
        make_patched_files(place.client.cwd, 2 * count + 10)
        place.play(Plan(approvals=5, interval=interval), 60)
        figures: list[Figure] = []
        for rate, kind in ((0, "quiet"), (RATE, "during the flood")):
            plan = Plan(rate=rate, seconds=count * interval, approvals=count, interval=interval)
            if not rate:
                plan.seconds = 0.0
            report = place.play(plan, count * interval * 10 + 60)
            waits = [
                (place.seen[path] - sent) / 1e6
                for path, sent, _ in report.approvals
                if path in place.seen
            ]
            figures += _figures(kind, waits, count)
        return figures


def _figures(kind: str, waits: list[float], count: int) -> list[Figure]:
    if len(waits) < count:
        raise RuntimeError(f"only {len(waits)} of {count} approvals were seen ({kind})")
    worst = percentile(waits, 0.99)
    return [
        Figure(
            f"approval to diagnostic, {kind}: median",
            median(waits),
            "ms",
            note=f"{len(waits)} approvals",
            samples=tuple(waits),
        ),
        Figure(
            f"approval to diagnostic, {kind}: p99",
            worst,
            "ms",
            aim=f"≤ {AIM:.0f} ms",
            met=at_most(worst, AIM),
            note=f"p90 {percentile(waits, 0.9):.1f} ms, longest {max(waits):.1f} ms",
        ),
    ]
