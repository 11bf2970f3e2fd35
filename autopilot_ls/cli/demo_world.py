"""The demo's throw-away folders and environment: nothing of the person's is read or changed.

Makes a repository, a home, a folder for Codex and one for the record in one temporary folder, and starts
the language server in it. Not aware of the story; `demo` stands above, `wire.process` below.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from autopilot_ls.cli.demo_story import write_repository
from autopilot_ls.cli.demo_wire import DemoFailed
from autopilot_ls.model.text import visible
from autopilot_ls.wire.process import Process, ProcessLimits, spawn

_KEPT: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "PYTHONPATH")
"""Of the person's environment, what programs need to run at all."""

_SERVER_ENDS: Final = ProcessLimits(close_grace=20.0, terminate_grace=5.0)
_GIT_TIME: Final = 30.0


@dataclass(frozen=True, slots=True)
class World:
    """The folders of one demo; all of them below `root`."""

    root: Path

    @property
    def repository(self) -> Path:
        """Where the agent works."""
        return self.root / "repo"

    @property
    def codex_home(self) -> Path:
        """Codex's own folder."""
        return self.root / "codex"

    @property
    def state(self) -> Path:
        """Where the record is."""
        return self.root / "state"

    @property
    def passing(self) -> tuple[Path, ...]:
        """What nobody needs after the demo."""
        return self.repository, self.codex_home, self.root / "home", self.root / "tmp"

    def environment(self) -> dict[str, str]:
        """Return the environment for the language server and all that it starts."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        # The one setting that says which Codex is tried; the rest of the person's stays out.
        command = os.environ.get("AUTOPILOT_CODEX_COMMAND")
        chosen = {"AUTOPILOT_CODEX_COMMAND": command} if command else {}
        return {
            **kept,
            **chosen,
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "NO_PROXY": "127.0.0.1,localhost",
        }


async def make_world() -> World:
    """Make the folders, and the repository with its first commit.

    Raises:
        DemoFailed: They cannot be made; the message says why.
    """
    try:
        world = _make_folders()
    except OSError as error:
        raise DemoFailed(
            f"The throw-away folder could not be made: {visible(str(error))}.",
            advice="Set TMPDIR to a folder you can write to.",
        ) from error
    author = ("-c", "user.name=demo", "-c", "user.email=demo@localhost")
    await _git(world, "init", "--quiet")
    await _git(world, "add", ".")
    await _git(world, *author, "commit", "--quiet", "--message", "A cart with a bug")
    return world


def _make_folders() -> World:
    world = World(Path(tempfile.mkdtemp(prefix="autopilot-demo-")).resolve())
    for folder in (*world.passing, world.state):
        folder.mkdir(mode=0o700)
    write_repository(world.repository)
    return world


async def _git(world: World, *arguments: str) -> None:
    if shutil.which("git") is None:
        raise DemoFailed("git is not installed.", advice="Install git, then try again.")
    output = b""
    async with spawn(("git", *arguments), cwd=world.repository, env=world.environment()) as process:
        with anyio.fail_after(_GIT_TIME):
            while chunk := await process.read():
                output = (output + chunk)[-4096:]
            ended = await process.wait()
    if ended.code != 0:
        said = visible((output.decode("utf-8", "replace") + ended.stderr_tail).strip())
        raise DemoFailed(f"`git {arguments[0]}` {ended.describe()}. {said}")


def leave_world(world: World, *, keep: bool) -> None:
    """Delete what nobody needs any more: all but the record, or with `keep` nothing."""
    if not keep:
        for folder in world.passing:
            shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def language_server(world: World, *, extra: Mapping[str, str]) -> AsyncGenerator[Process]:
    """Run the real language server, as an editor would.

    Args:
        world: Where it works.
        extra: Further environment variables.
    """
    command = (sys.executable, "-m", "autopilot_ls", "--stdio")
    environment = {**world.environment(), **extra}
    async with spawn(
        command, cwd=world.repository, env=environment, limits=_SERVER_ENDS
    ) as process:
        yield process
