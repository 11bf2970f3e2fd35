"""How long an editor waits for a server that it shares with others, beside one of its own.

Warm: the shared process runs already. Cold: the editor's forwarder has to start it first.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from autopilot_ls.shared.control import ask_all
from tests.bench.lsp_client import SERVER, LspClient
from tests.bench.report import Figure, at_most, median, quartiles

AIM = 0.5


def measure(cwd: Path, runs: int) -> list[Figure]:
    """Start each that often, in turn, so that whatever else the machine does hits all."""
    with tempfile.TemporaryDirectory(prefix="ap-") as state:
        environ = {"AUTOPILOT_STATE_DIR": state}
        shared = ("env", f"AUTOPILOT_STATE_DIR={state}", *SERVER, "--stdio", "--remote=auto")
        own: list[float] = []
        cold: list[float] = []
        warm: list[float] = []
        try:
            for _ in range(runs + 1):
                own.append(_wait(SERVER, cwd))
                cold.append(_wait(shared, cwd))
                warm.append(_wait(shared, cwd))
                ask_all(environ, "stop")
        finally:
            ask_all(environ, "stop")
    # The first of each warms the file cache.
    del own[0], cold[0], warm[0]
    baseline = f"a process of its own {median(own):.0f} ms"
    ratio = median(warm) / median(own)
    return [
        Figure(
            "the same through a shared process that runs",
            median(warm),
            "ms",
            baseline,
            ratio,
            f"≤ {AIM} ×",
            at_most(ratio, AIM),
            quartiles(warm, "ms"),
            tuple(warm),
        ),
        Figure(
            "through one that has to be started",
            median(cold),
            "ms",
            baseline,
            median(cold) / median(own),
            note=quartiles(cold, "ms"),
            samples=tuple(cold),
        ),
    ]


def _wait(command: tuple[str, ...], cwd: Path) -> float:
    with LspClient(command, cwd) as client:
        return client.initialize()
