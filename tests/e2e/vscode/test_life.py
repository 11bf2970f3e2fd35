"""Servers that are killed and come back, and two windows on the same sessions, in the real VS Code."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from autopilot_ls.scripted_model import ScriptedModel, command, hold, message, respond
from tests.support.vscode import vscode
from tests.support.world import World, world

pytestmark = pytest.mark.timeout(400)


def _servers(here: World, flag: str) -> list[int]:
    """Return the processes of this world that an editor started, by a word of their command line."""
    mark = f"AUTOPILOT_STATE_DIR={here.state}".encode()
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            ours = mark in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if ours and flag.encode() in words and any(w.endswith(b"autopilot-ls") for w in words):
            found.append(int(folder.name))
    return found


def _server(here: World, flag: str, *, but: int = 0) -> int:
    """Return the one process there is, or wait for another than `but`."""
    deadline = time.monotonic() + 30
    while True:
        found = [pid for pid in _servers(here, flag) if pid != but]
        if found:
            (only,) = found
            return only
        assert time.monotonic() < deadline, "the editor started no server"
        time.sleep(0.05)  # reason: the interval of a poll with a deadline


def test_an_answer_that_the_server_did_not_get_is_asked_for_again(package: Path) -> None:
    go = threading.Event()
    steps = [
        respond(command("echo one > one.txt", call_id="c1")),
        respond(command("echo two > two.txt", call_id="c2")),
        hold(go, message("Done.")),
    ]
    with ScriptedModel(steps) as model, world(model) as here:
        here.write("area.py", "x = 1\n")
        with vscode(here, package) as editor:
            first = editor.window("life")
            first.show()
            first.chord("n")
            first.answer("Make two files")
            first.see(first.row("Approvals", "Run: echo one"))

            # A second window sees the same session, and decides.
            second = editor.window("second")
            second.show()
            second.see(second.row("Approvals", "Run: echo one"))
            second.shot("window")
            second.act(second.row("Approvals", "Run: echo one"), "Accept")
            first.see(first.row("Approvals", "Run: echo two"))
            assert here.read("one.txt") == "one\n"
            second.page.close()

            # The connection dies between a decision and its answer: it is said, and asked again.
            while len(_servers(here, "--remote=auto")) > 1:
                time.sleep(0.05)  # reason: the interval of a poll; the test has its limit
            forwarder = _server(here, "--remote=auto")
            os.kill(forwarder, signal.SIGSTOP)
            first.act(first.row("Approvals", "Run: echo two"), "Accept")
            first.see(first.row("Approvals", "deciding"))
            os.kill(forwarder, signal.SIGKILL)
            first.see(first.toast("stopped unexpectedly"))
            asked = first.see(
                first.toast(re.compile("before it took your answer .*It still waits"))
            )
            first.shot("asked-again")
            assert not (here.workspace / "two.txt").exists()
            asked.locator(".monaco-button", has_text="Accept").click()
            first.miss(first.row("Approvals", "Run: echo two"))
            model.wait_for_requests(3, timeout=30)
            assert here.read("two.txt") == "two\n"
            go.set()
            first.see(first.row("Now", re.compile("2 commands")))
            _server(here, "--remote=auto", but=forwarder)


def test_a_server_of_its_own_that_dies_is_started_again(package: Path) -> None:
    steps = [respond(command("echo one > one.txt", call_id="c1")), message("Done.")]
    with ScriptedModel(steps) as model, world(model) as here:
        here.write("area.py", "x = 1\n")
        with vscode(here, package, {"autopilot.server.shared": False}) as editor:
            bench = editor.window("own")
            bench.show()
            bench.chord("n")
            bench.answer("Make a file")
            bench.see(bench.row("Approvals", "Run: echo one"))
            server = _server(here, "--stdio")
            os.kill(server, signal.SIGSTOP)
            bench.act(bench.row("Approvals", "Run: echo one"), "Accept")
            bench.see(bench.row("Approvals", "deciding"))
            os.kill(server, signal.SIGKILL)
            bench.see(bench.toast(re.compile("before it took your answer .*It no longer waits")))
            bench.miss(bench.row("Approvals", "Run: echo one"))
            bench.shot("no-longer")
            _server(here, "--stdio", but=server)
            assert not (here.workspace / "one.txt").exists()
            # What was recorded is there, and can be gone on with.
            bench.unfold("Sessions")
            bench.see(bench.row("Sessions", "Make a file"))
