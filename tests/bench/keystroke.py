"""How long a key that is pressed keeps the server busy, in a large file with many pending hunks.

Each key is a change of the document and a question right behind it that any server answers at once: when the
answer is there, everything that the server does for the key is done, diagnostics that have moved included.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

from tests.bench.flood_agent import Plan, large_text, patched_name
from tests.bench.lsp_client import BARE, Json, LspClient
from tests.bench.machine import processor_time
from tests.bench.report import Figure, at_most, median, percentile
from tests.bench.scene import Scene, scene

AIM = 5.0
"""Milliseconds for 99 of 100."""


@dataclass(frozen=True)
class Size:
    """How large the file is, and how many keys are pressed how fast."""

    lines: int
    hunks: int
    keys: int
    interval: float


class TypingScene(Scene):
    """A scene whose client notes how many diagnostics a file has."""

    def __init__(self, client: LspClient, reports: Path) -> None:
        super().__init__(client, reports)
        self.shown = threading.Condition()
        self.counts: dict[str, int] = {}
        self.approval: object = None

    def diagnosed(self, arrived: int, params: Json) -> None:
        del arrived
        diagnostics = cast("list[Json]", params["diagnostics"])
        with self.shown:
            path = unquote(urlsplit(cast("str", params["uri"])).path)
            self.counts[path] = len(diagnostics)
            if diagnostics:
                self.approval = cast("Json", diagnostics[0]["data"])["approvalId"]
            self.shown.notify_all()


def measure(folder: Path, size: Size) -> list[Figure]:
    """Press keys in our server, where hunks wait, and in a bare one, and compare."""
    with scene(TypingScene, folder / "ours", opted_in=False) as ours:
        path = ours.client.cwd / patched_name(0)
        text = large_text(size.lines)
        path.write_text(text, "utf-8")
        open_document(ours.client, path, text)
        argument = {"text": json.dumps(vars(Plan(approvals=1, hunks=size.hunks, lines=size.lines)))}
        ours.client.execute("autopilot.turn.start", argument)
        with ours.shown:
            there = ours.shown.wait_for(lambda: ours.counts.get(str(path)) == size.hunks, 60)
        if not there:
            raise RuntimeError(f"the hunks were not shown: {ours.counts}")
        pid = ours.client.process.pid
        before = processor_time(pid)
        keys = press(ours.client, path, size)
        work = (processor_time(pid) - before) / size.keys * 1000
        ours.client.execute(
            "autopilot.approval.decide", {"approvalId": ours.approval, "decision": "decline"}
        )
    with LspClient(BARE, folder) as bare:
        bare.initialize()
        open_document(bare, path, text)
        least = press(bare, path, size)
    worst, other = percentile(keys, 0.99), percentile(least, 0.99)
    return [
        Figure(
            "key pressed, 50,000 lines with 500 hunks: p99",
            worst,
            "ms",
            f"bare pygls without hunks {other:.2f} ms",
            worst / other,
            f"≤ {AIM:.0f} ms",
            at_most(worst, AIM),
            f"{len(keys)} keys, one in four moves every hunk; median {median(keys):.2f} ms, longest "
            f"{max(keys):.1f} ms, processor {work:.2f} ms per key; bare: median {median(least):.2f} ms, longest {max(least):.1f} ms",
            tuple(keys),
        )
    ]


def open_document(client: LspClient, path: Path, text: str) -> None:
    """Open a document, and return when the server has taken it."""
    item = {"uri": path.as_uri(), "languageId": "", "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": item})
    _settle(client)


def _settle(client: LspClient) -> int:
    """Ask what no server knows, and return when the refusal came."""
    number = client.ask("bench/none", {})
    with suppress(RuntimeError):
        client.reply(number)
    return client.answered.pop(number)


def press(client: LspClient, path: Path, size: Size) -> list[float]:
    """Type at the middle, at the end, and new lines at the top that move everything; in milliseconds."""
    took: list[float] = []
    kinds = (
        (size.lines // 2, "x"),
        (size.lines // 2 + 37, "x"),
        (0, "\n"),
        (size.lines - 50, "x"),
    )
    for number in range(size.keys):
        line, text = kinds[number % len(kinds)]
        spot = {"line": line, "character": 0}
        change = {"range": {"start": spot, "end": spot}, "text": text}
        item = {"uri": path.as_uri(), "version": number + 2}
        began = time.monotonic_ns()
        client.notify("textDocument/didChange", {"textDocument": item, "contentChanges": [change]})
        took.append((_settle(client) - began) / 1e6)
        time.sleep(size.interval)  # reason: the pace of somebody who types fast
    return took
