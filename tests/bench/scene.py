"""A workspace with a server in it whose agent is the stand-in: what flood and latency are measured in."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

from tests.bench.flood_agent import Plan, Report, patched_name
from tests.bench.lsp_client import ROOT, SERVER, Json, LspClient

AGENT = (sys.executable, "-I", str(ROOT / "bench" / "flood_agent.py"))
RELAY = (sys.executable, "-m", "tests.bench.relay")
PROPOSED = "one\ntwo\nthree\n"


class Scene:
    """One client, one server, one session whose turns follow a plan."""

    def __init__(self, client: LspClient, reports: Path) -> None:
        self.client = client
        self.session: str | None = None
        self._reports = reports
        self._ended = threading.Event()
        self.ended_at = 0
        client.on_notification = self._notified

    def play(self, plan: Plan, timeout: float) -> Report:
        """Run a turn to its end and return what the stand-in reports of it.

        The end is that of the turn's progress, the last thing that every client is told.
        """
        self._ended.clear()
        argument: dict[str, object] = {"text": json.dumps(vars(plan)), "unsaved": "ignore"}
        if self.session is not None:
            argument["sessionId"] = self.session
        started = cast("Json", self.client.execute("autopilot.turn.start", argument))
        self.session = cast("str", started["sessionId"])
        if not self._ended.wait(timeout):
            raise RuntimeError(f"the turn did not end within {timeout:g} seconds")
        return Report(**json.loads(self._reports.read_text("utf-8").splitlines()[-1]))

    def _notified(self, arrived: int, method: str, params: Json) -> None:
        if method == "$/progress":
            value = cast("Json", params.get("value"))
            if value.get("kind") == "end":
                self.ended_at = arrived
                self._ended.set()
        elif method == "textDocument/publishDiagnostics":
            self.diagnosed(arrived, params)

    def diagnosed(self, arrived: int, params: Json) -> None:
        """Diagnostics came; for those who look at them."""


_S = TypeVar("_S", bound=Scene)


@contextmanager
def scene(
    kind: type[_S], folder: Path, *, opted_in: bool | Json, relayed: bool = False
) -> Generator[_S]:
    """Set a scene of this kind up in an empty folder; with the relay in the server's place if wanted."""
    workspace, state = folder / "workspace", folder / "state"
    home, reports = folder / "home", folder / "reports.jsonl"
    for made in (workspace, state, home):
        made.mkdir(parents=True, mode=0o700)
    agent = [*AGENT, "--report", str(reports)]
    options = {
        "stateDir": str(state),
        # A flood at full speed may be recorded whole.
        "trace": {"maxSessionMegabytes": 0},
        "codex": {"command": agent, "home": str(home)},
    }
    command = [*RELAY, *agent] if relayed else SERVER
    log = folder / "server.log"
    with LspClient(command, workspace, opted_in=opted_in, options=options, stderr=log) as client:
        client.initialize()
        client.execute("autopilot.status", {})
        yield kind(client, reports)


def make_patched_files(workspace: Path, count: int) -> None:
    """Make the files that the stand-in proposes to change."""
    for number in range(count):
        (workspace / patched_name(number)).write_text(PROPOSED, "utf-8")
