"""Runs all measurements, and prints one table: `python -m tests.bench [--quick] [--json FILE]`."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench import (
    baselines,
    flood,
    hud,
    keystroke,
    latency,
    neovim,
    pipeline,
    policy,
    review,
    shared,
    startup,
)
from tests.bench.machine import describe, load, spin
from tests.bench.report import Figure, Results, median, table, write_json


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    starts: int
    layers: int
    flood: flood.Size
    approvals: int
    interval: float
    rounds: int
    files: int
    stores: int
    verdicts: int
    loads: int
    hunks: int
    requests: int
    typing: keystroke.Size
    hud: hud.Size
    neovim: neovim.Size


FULL = Sizes(
    15,
    200_000,
    flood.Size(5.0, 300_000, 15_000, 3),
    210,
    0.04,
    3,
    20_000,
    5,
    200,
    9,
    1_000,
    1_000,
    keystroke.Size(50_000, 500, 600, 0.04),
    hud.Size(5.0, 400, 0.02),
    neovim.Size(400, 0.02),
)
QUICK = Sizes(
    1,
    20_000,
    flood.Size(0.5, 20_000, 1_000, 1),
    5,
    0.02,
    1,
    400,
    1,
    2,
    1,
    100,
    20,
    keystroke.Size(50_000, 500, 12, 0.0),
    hud.Size(0.5, 20, 0.02),
    neovim.Size(25, 0.05),
)

Part = tuple[str, Callable[[Path, Sizes], list[Figure]]]

PARTS: tuple[Part, ...] = (
    ("start-up and memory", lambda folder, sizes: startup.measure(folder, sizes.starts)),
    ("shared process", lambda folder, sizes: shared.measure(folder, sizes.starts)),
    ("layers", lambda _, sizes: pipeline.figures(sizes.layers)),
    ("flood", lambda folder, sizes: flood.measure(folder, sizes.flood)),
    (
        "approvals",
        lambda folder, sizes: latency.measure(
            folder, sizes.approvals, sizes.interval, sizes.rounds
        ),
    ),
    ("baselines", lambda folder, sizes: baselines.measure(folder, sizes.files, sizes.stores)),
    ("policy", lambda folder, sizes: policy.measure(folder, sizes.verdicts, sizes.loads)),
    ("review", lambda folder, sizes: review.measure(folder, 50, sizes.hunks, sizes.requests)),
    ("keystroke", lambda folder, sizes: keystroke.measure(folder, sizes.typing)),
    ("hud", lambda folder, sizes: hud.measure(folder, sizes.hud)),
    ("neovim", lambda folder, sizes: neovim.measure(folder, sizes.neovim)),
)


def run(sizes: Sizes, only: str) -> Results:
    """Run the parts, each in a folder of its own; one that fails does not keep the others."""
    results = Results(describe())
    steadiness = [spin() for _ in range(5)]
    began, before = time.monotonic(), load()
    for name, measure in PARTS:
        if only not in name:
            continue
        print(f"measuring {name} ...", flush=True)
        folder = Path(tempfile.mkdtemp(prefix="autopilot-bench-")).resolve()
        try:
            results.add(*measure(folder, sizes))
        except Exception as error:  # noqa: BLE001 reason: the figures of the other parts count too
            results.failures.append(f"{name}: {error!r}\n{_log(folder)}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        steadiness += [spin() for _ in range(5)]
    slow = max(steadiness) / min(steadiness)
    results.noise = (
        f"Took {time.monotonic() - began:.0f} s. Load before {before}, after {load()}. The same work "
        f"took {min(steadiness) * 1000:.0f} to {max(steadiness) * 1000:.0f} ms in the course of it, "
        f"median {median(steadiness) * 1000:.0f}: "
        + (
            "a steady machine."
            if slow < 1.25
            else "a noisy machine; mind the ratios, not the times."
        )
    )
    return results


def _log(folder: Path) -> str:
    """Return the end of what the servers said."""
    logs = sorted(folder.rglob("server.log"))
    return "\n".join(log.read_text("utf-8", "replace")[-2000:] for log in logs)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only try that all of it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--only", default="", metavar="WORD", help="only the parts with this name")
    options = parser.parse_args()
    results = run(QUICK if options.quick else FULL, options.only)
    print()
    print(table(results))
    if options.json is not None:
        write_json(results, options.json)
    return 1 if results.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
