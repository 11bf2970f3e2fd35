"""`make bench` keeps working: each of its figures is measured and printed. How good they are is its own matter."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FIGURES = [
    "start to the reply of initialize",
    "processor time until then",
    "memory at the reply of initialize",
    "memory with the supervisor loaded",
    "the same through a shared process that runs",
    "through one that has to be started",
    "one delta through wire, adapter, trace and state",
    "flood, opted-in client: deltas taken",
    "flood, opted-in client: processor per delta",
    "flood, opted-in client: notifications",
    "most deltas sustained, against bare readline + json.loads",
    "most deltas sustained, against official async SDK",
    "flood, plain client: deltas taken",
    "flood, plain client: processor per delta",
    "flood, plain client: notifications",
    "approval to diagnostic, quiet: median",
    "approval to diagnostic, quiet: p99",
    "approval to diagnostic, during the flood: median",
    "approval to diagnostic, during the flood: p99",
    "baseline, first",
    "baseline, first, until it is stored",
    "baseline, the one after the first",
    "baseline, warm",
    "changes of ten files",
    "verdict with 500 rules: p99",
    "loading 10,000 remembered rules",
    "code actions in a very large patch, at a hunk: p99",
    "code actions in a very large patch, elsewhere: p99",
    "key pressed, 50,000 lines with 500 hunks: p99",
    "messages to our clients, flood of everything",
    "key pressed, flood of everything: p99",
    "messages to a client with all events, flood of everything",
    "messages to a plain client, flood of everything",
    "key pressed in Neovim, during the flood: p99",
    "messages to Neovim, during the flood",
]


# Half a minute on a machine that does nothing else.
@pytest.mark.timeout(240)
def test_quick_bench_measures_and_prints_every_figure(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(file.read_text("utf-8"))
    assert results["failures"] == []
    assert [figure["name"] for figure in results["figures"]] == FIGURES
    for figure in results["figures"]:
        assert figure["name"] in done.stdout
        assert math.isfinite(figure["value"])
        assert figure["value"] > 0
