"""How long code actions take while a very large patch waits: the real Codex proposes it.

A patch of many hunks in many files, all of them open. Asked are the actions at each hunk in turn, and at
lines without one; the time is from the request's write to the reply's arrival.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

from autopilot_ls.scripted_model import ScriptedModel, codex_config, message, patch
from tests.bench.lsp_client import SERVER, Json, LspClient
from tests.bench.machine import waiting_time
from tests.bench.report import Figure, at_most, median, percentile

GOAL = 10.0
"""Milliseconds that the slowest hundredth may take."""

_APART = 5
"""Lines from one hunk to the next."""


def measure(folder: Path, files: int, hunks: int, requests: int) -> list[Figure]:
    """Measure code actions among `hunks` pending hunks in `files` files."""
    each = hunks // files
    workspace, home = folder / "workspace", folder / "home"
    for made in (workspace, home):
        made.mkdir(parents=True, mode=0o700)
    text = "".join(f"value_{line} = {line}\n" for line in range(each * _APART))
    names = [f"module_{number:03}.py" for number in range(files)]
    for name in names:
        (workspace / name).write_text(text, "utf-8")
    with ScriptedModel([patch(_patch(names, each)), message("Done."), message("Done.")]) as model:
        options = {
            "stateDir": str(folder / "state"),
            "codex": {"home": str(home), "config": codex_config(model)},
        }
        log = folder / "server.log"
        with LspClient(SERVER, workspace, options=options, stderr=log) as client:
            client.initialize()
            return _measured(client, [workspace / name for name in names], text, each, requests)


def _patch(names: list[str], each: int) -> str:
    lines = ["*** Begin Patch"]
    for name in names:
        lines.append(f"*** Update File: {name}")
        for hunk in range(each):
            at = hunk * _APART + 2
            lines += [
                "@@",
                f" value_{at - 1} = {at - 1}",
                f"-value_{at} = {at}",
                f"+value_{at} = {at} + 1",
                f" value_{at + 1} = {at + 1}",
            ]
    return "\n".join([*lines, "*** End Patch"])


def _measured(
    client: LspClient, paths: list[Path], text: str, each: int, requests: int
) -> list[Figure]:
    for path in paths:
        item = {"uri": path.as_uri(), "languageId": "python", "version": 1, "text": text}
        client.notify("textDocument/didOpen", {"textDocument": item})
    client.execute("autopilot.turn.start", {"text": "Change it all."})
    deadline = time.monotonic() + 60
    while not cast("Json", client.execute("autopilot.approval.list", {}))["approvals"]:
        if time.monotonic() > deadline:
            raise RuntimeError("the patch was not proposed")
        time.sleep(0.05)  # reason: the interval of a poll with a deadline
    at_hunks: list[float] = []
    elsewhere: list[float] = []
    before = waiting_time(client.process.pid)
    for number in range(requests):
        path = paths[number % len(paths)]
        line = (number // len(paths) % each) * _APART + 2
        at_hunks.append(_asked(client, path, line, expected=True))
        elsewhere.append(_asked(client, path, line - 2, expected=False))
    after = waiting_time(client.process.pid)
    unserved = ""
    if before is not None and after is not None:
        share = (after - before) / (2 * requests) * 1000
        unserved = f"; {share:.2f} ms of each the server had no processor"
    found: list[Figure] = []
    for where, waits in (("at a hunk", at_hunks), ("elsewhere", elsewhere)):
        slowest = percentile(waits, 0.99)
        found.append(
            Figure(
                f"code actions in a very large patch, {where}: p99",
                slowest,
                "ms",
                aim=f"≤ {GOAL:g} ms",
                met=at_most(slowest, GOAL),
                note=f"median {median(waits):.2f} ms of {len(waits)} requests; {each * len(paths):,} "
                f"hunks pending in {len(paths)} files{unserved}",
            )
        )
    return found


def _asked(client: LspClient, path: Path, line: int, *, expected: bool) -> float:
    place = {"line": line, "character": 0}
    params = {
        "textDocument": {"uri": path.as_uri()},
        "range": {"start": place, "end": place},
        "context": {"diagnostics": []},
    }
    before = time.monotonic_ns()
    found = cast("list[Json]", client.request("textDocument/codeAction", params))
    took = (time.monotonic_ns() - before) / 1e6
    titles = [cast("str", action["title"]) for action in found]
    if any("this hunk" in title for title in titles) is not expected:
        raise RuntimeError(f"unexpected code actions at line {line}: {titles}")
    return took
