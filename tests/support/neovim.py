"""A real Neovim in a real terminal, with nothing of ours but the lines that the README gives."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import cast

from autopilot_ls.shared.control import ask_all
from tests.support.terminal import Terminal, terminal
from tests.support.world import World

ROOT = Path(__file__).parents[2]


def readme_lua() -> str:
    """Return the README's configuration for a Neovim without our client."""
    found = re.search(
        r"### Neovim.*?[Ww]ithout the client.*?```lua\n(.*?)```",
        (ROOT / "README.md").read_text(),
        re.DOTALL,
    )
    assert found is not None
    return found[1]


def client_lua() -> str:
    """Return the README's one step that installs our client, from this checkout."""
    found = re.search(r"### Neovim.*?```lua\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1].replace("~/src/autopilot-ls", str(ROOT))


def executable() -> str:
    """Return the Neovim of the test environment."""
    here = Path(sys.executable).parent / "nvim"
    found = str(here) if here.exists() else shutil.which("nvim")
    assert found, "Neovim is missing: the extra `dev` brings it"
    return found


class Neovim:
    """The running editor: keys go through the terminal, questions over its own socket."""

    def __init__(self, screen: Terminal, socket: Path, environment: dict[str, str]) -> None:
        self.terminal = screen
        self._socket = socket
        self._environment = environment

    def lua(self, expression: str) -> object:
        """Return the value of a Lua expression in the editor."""
        code = f"luaeval('vim.json.encode({expression.replace(chr(39), chr(39) * 2)})')"
        done = subprocess.run(
            [executable(), "--server", str(self._socket), "--remote-expr", code],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
            env=self._environment,
        )
        if done.returncode:
            raise AssertionError(f"{expression}: {done.stderr or done.stdout}")
        return cast("object", json.loads(done.stdout or done.stderr))

    def wait(
        self, expression: str, condition: Callable[[object], bool] = bool, timeout: float = 30.0
    ) -> object:
        """Wait until a Lua expression fulfils a condition; returns its value."""
        deadline = time.monotonic() + timeout
        while True:
            value = self.lua(expression)
            if condition(value):
                return value
            if time.monotonic() > deadline:
                screen = self.terminal.screen()
                raise AssertionError(f"{expression} stays {value!r}. The screen:\n{screen}")
            time.sleep(0.05)  # reason: the interval of a poll with a deadline

    def lines(self) -> list[str]:
        """Return the lines of the current buffer."""
        return cast("list[str]", self.lua("vim.api.nvim_buf_get_lines(0, 0, -1, false)"))

    def choose(self, title: str) -> None:
        """Open the code actions at the cursor with the keyboard and take one by its title."""
        self.terminal.press("Escape")
        self.terminal.type("gra")
        screen = self.terminal.wait_for(title)
        number = re.search(rf"(\d+): [^\n]*{re.escape(title)}", screen)
        assert number is not None, screen
        self.terminal.type(number[1])
        self.terminal.press("Enter")


@contextmanager
def _ended(world: World) -> Generator[None]:
    """End the process that the windows of a world share, when the last of them is gone."""
    try:
        yield
    finally:
        ask_all(world.environment, "stop")


@contextmanager
def neovim(
    world: World,
    file: str,
    *,
    extra: str = "",
    client: bool = False,
    window: str = "run",
    size: tuple[int, int] = (130, 40),
) -> Generator[Neovim]:
    """Open a file of the workspace in a Neovim that is set up as the README says.

    Args:
        world: Where it runs.
        file: Its name in the workspace.
        extra: Further lines of its configuration.
        client: Whether it has our client.
        window: Tells several windows of one world apart; a short name.
        size: Of the terminal, in columns and lines.
    """
    config = Path(world.environment["HOME"]) / ".config" / "nvim"
    config.mkdir(parents=True, exist_ok=True)
    setup = client_lua() if client else readme_lua()
    (config / "init.lua").write_text(f"{setup}\n{extra}\n")
    run = world.root / window
    run.mkdir(mode=0o700, exist_ok=True)
    socket = run / "nvim"
    with terminal(run) as screen, _ended(world) if client else nullcontext():
        screen.start(
            [executable(), "--listen", str(socket), "-n", file],
            cwd=world.workspace,
            size=size,
            environment={
                **world.environment,
                "TERM": "tmux-256color" if client else "screen-256color",
            },
        )
        editor = Neovim(screen, socket, world.environment)
        screen.wait_for(lambda _: socket.exists())
        editor.wait("#vim.lsp.get_clients()", lambda count: count == 1)
        editor.wait("vim.lsp.get_clients()[1].initialized == true")
        yield editor
