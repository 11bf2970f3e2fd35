"""What a flood costs who types in the real Neovim with our client: the round trip of a key, and the messages.

Neovim runs as it does under any of its user interfaces; this is the user interface. A key's round trip ends
when the cell with its character has been drawn, the HUD being open beside it. The server is the shared
process, as it is by default.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import msgpack

from autopilot_ls.shared.control import ask_all
from tests.bench.flood import MOST_NOTIFICATIONS, most_in_a_second
from tests.bench.flood_agent import Plan
from tests.bench.lsp_client import ROOT, environment
from tests.bench.report import Figure, at_most, median, percentile
from tests.bench.scene import AGENT
from tests.support.neovim import executable

RATE: Final = 20_000
"""Events a second."""

AIM: Final = 20.0
"""Milliseconds for 99 of 100 keys."""

LINE: Final = 40
"""Keys in a line of what is typed."""

ALPHABET: Final = "αβγδεζηθικλμνξοπρστυφχψω"
"""What is typed: nothing else on the screen has these."""

INIT: Final = """
vim.opt.runtimepath:append({client})
vim.o.shada, vim.o.swapfile, vim.o.autoindent = '', false, false
vim.g.autopilot = {{ command = {command}, settings = {{ trace = {{ maxSessionMegabytes = 0 }} }} }}
vim.lsp.enable('autopilot')
vim.o.statusline = "%f%=%{{v:lua.require'autopilot'.statusline()}}"
_G.arrivals = {{}}
local server = require('autopilot.server')
local spawn = server.spawn
server.spawn = function(dispatchers)
  local counting = {{}}
  for _, name in ipairs({{ 'notification', 'server_request' }}) do
    counting[name] = function(...)
      table.insert(_G.arrivals, vim.uv.hrtime())
      return dispatchers[name](...)
    end
  end
  return spawn(vim.tbl_extend('force', dispatchers, counting))
end
"""


@dataclass(frozen=True)
class Size:
    """How many keys are pressed in each of the two measurements, and the seconds between them."""

    keys: int
    interval: float


class Screen:
    """A Neovim whose user interface this is."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._condition = threading.Condition()
        self._replies: dict[int, tuple[object, object]] = {}
        self._next = 0
        self._wanted = ""
        self._drawn = 0
        threading.Thread(target=self._read, daemon=True).start()

    def tell(self, method: str, *arguments: object) -> None:
        self._write([2, method, list(arguments)])

    def ask(self, method: str, *arguments: object) -> object:
        """Return what a function of Neovim's interface returns."""
        self._next += 1
        number = self._next
        self._write([0, number, method, list(arguments)])
        with self._condition:
            if not self._condition.wait_for(lambda: number in self._replies, 60):
                raise RuntimeError(f"Neovim did not answer {method}")
            failure, result = self._replies.pop(number)
        if failure:
            raise RuntimeError(f"{method}: {failure}")
        return result

    def lua(self, code: str) -> object:
        return self.ask("nvim_exec_lua", code, [])

    def wait(self, condition: str) -> None:
        """Wait until a Lua expression is true."""
        deadline = time.monotonic() + 60
        while not self.lua(f"return ({condition}) and true or false"):
            if time.monotonic() > deadline:
                said = self.lua("return require('autopilot.say').history")
                raise RuntimeError(f"{condition} did not come true; it said {said}")
            time.sleep(0.02)  # reason: the interval of a poll with a deadline

    def press(self, character: str) -> float:
        """Type a character; returns the milliseconds until it is drawn."""
        with self._condition:
            self._wanted, self._drawn = character, 0
            began = time.monotonic_ns()
            self.tell("nvim_input", character)
            if not self._condition.wait_for(lambda: self._drawn, 30):
                raise RuntimeError(f"{character} was not drawn")
            return (self._drawn - began) / 1e6

    def _write(self, message: list[object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(cast("bytes", msgpack.packb(message)))
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        unpacker = msgpack.Unpacker(strict_map_key=False)
        while data := os.read(self._process.stdout.fileno(), 1 << 16):
            unpacker.feed(data)
            for message in unpacker:
                self._take(message)

    def _take(self, message: list[object]) -> None:
        if message[0] == 1:
            with self._condition:
                self._replies[cast("int", message[1])] = (message[2], message[3])
                self._condition.notify_all()
        elif message[0] == 2 and message[1] == "redraw":
            self._redraw(cast("list[list[object]]", message[2]))

    def _redraw(self, events: list[list[object]]) -> None:
        with self._condition:
            for name, *calls in events:
                if name == "grid_line" and self._wanted:
                    cells = (
                        cell
                        for call in cast("list[list[list[list[object]]]]", calls)
                        for cell in call[3]
                    )
                    if any(cell[0] == self._wanted for cell in cells):
                        self._wanted = ""
                elif name == "flush" and not self._wanted and not self._drawn:
                    self._drawn = time.monotonic_ns()
                    self._condition.notify_all()


@contextmanager
def editor(folder: Path) -> Generator[Screen]:
    """Give a Neovim with a file and the HUD open, and a session whose turns follow a plan."""
    workspace, home = folder / "workspace", folder / "home"
    for made in (workspace, folder / "state", home):
        made.mkdir(parents=True, mode=0o700)
    (workspace / "typed.txt").write_text("\n")
    init = folder / "init.lua"
    command = [sys.executable, "-m", "autopilot_ls"]
    shown = "{" + ", ".join(json.dumps(word) for word in command) + "}"
    client = json.dumps(str(ROOT.parent / "editors" / "nvim"))
    init.write_text(INIT.format(client=client, command=shown))
    environ = {
        **{
            name: value
            for name, value in environment().items()
            if not name.startswith(("AUTOPILOT", "NVIM"))
        },
        "HOME": str(home),
        "AUTOPILOT_STATE_DIR": str(folder / "state"),
        "AUTOPILOT_CODEX_COMMAND": json.dumps([*AGENT, "--report", str(folder / "reports.jsonl")]),
        "AUTOPILOT_CODEX_HOME": str(home),
        "PYTHONPATH": str(ROOT.parent),
    }
    words = [executable(), "--embed", "-u", str(init), "-n", "typed.txt"]
    with (
        (folder / "server.log").open("ab") as log,
        subprocess.Popen(
            words,
            cwd=workspace,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        ) as process,
    ):
        screen = Screen(process)
        try:
            screen.ask("nvim_ui_attach", 130, 40, {"ext_linegrid": True, "rgb": True})
            screen.wait("vim.lsp.get_clients()[1] ~= nil and vim.lsp.get_clients()[1].initialized")
            screen.lua("require('autopilot.hud').open()")
            yield screen
        finally:
            process.terminate()
            ask_all(environ, "stop")


RUNNING: Final = "(require('autopilot.state').current() or {}).startedAt"
STATE: Final = "(require('autopilot.state').current() or {}).state"


def _start(screen: Screen, plan: Plan, until: str) -> None:
    argument = json.dumps({"text": json.dumps(vars(plan)), "unsaved": "ignore"})
    start = "require('autopilot.server').run('autopilot.turn.start', vim.json.decode([==[%s]==]))"
    screen.lua(start % argument)
    screen.wait(f"{STATE} == '{until}'")


def _type(screen: Screen, size: Size) -> list[float]:
    screen.tell("nvim_input", "<Esc>Go")
    screen.ask("nvim_get_mode")
    took: list[float] = []
    for number in range(size.keys):
        if number % LINE == LINE - 1:
            screen.tell("nvim_input", "<CR>")
        took.append(screen.press(ALPHABET[number % len(ALPHABET)]))
        time.sleep(size.interval)  # reason: the pace of somebody who types very fast
    return took


def measure(folder: Path, size: Size) -> list[Figure]:
    """Type while nothing goes on, then during the flood."""
    with editor(folder) as screen:
        _start(screen, Plan(rate=1000, seconds=0.2), "completed")
        quiet = _type(screen, size)
        screen.lua("_G.arrivals = {}")
        began = time.monotonic()
        # Longer than the typing takes; what is left of it is stopped.
        flood = Plan(rate=RATE, seconds=10 + size.keys * size.interval * 3, mixed=True)
        _start(screen, flood, "inProgress")
        loud = _type(screen, size)
        took = time.monotonic() - began
        if not screen.lua(f"return {RUNNING} ~= nil"):
            raise RuntimeError("the flood ended before the typing")
        arrivals = cast("list[int]", screen.lua("return _G.arrivals"))
        screen.lua("vim.cmd('stopinsert | Autopilot stop')")
        screen.wait(f"{RUNNING} == nil")
    worst, other = percentile(loud, 0.99), percentile(quiet, 0.99)
    most = most_in_a_second(arrivals)
    return [
        Figure(
            "key pressed in Neovim, during the flood: p99",
            worst,
            "ms",
            f"without it {other:.2f} ms",
            worst / other,
            f"≤ {AIM:.0f} ms",
            at_most(worst, AIM),
            f"{len(loud)} keys at {RATE:,} events/s of all kinds, HUD open; median {median(loud):.2f} ms, longest {max(loud):.1f} "
            f"ms; without: median {median(quiet):.2f} ms, longest {max(quiet):.1f} ms",
            tuple(loud),
        ),
        Figure(
            "messages to Neovim, during the flood",
            len(arrivals) / took,
            "/s",
            aim=f"≤ {MOST_NOTIFICATIONS} /s",
            met=at_most(most, MOST_NOTIFICATIONS),
            note=f"of all kinds; most in any one second: {most}",
        ),
    ]
