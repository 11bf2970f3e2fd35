"""The real server with the real Codex and a scripted model, for each test in folders of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autopilot_ls.scripted_model import Output, ScriptedModel, Step, codex_config
from tests.protocol.client import ANYBODY, Client, Message, running

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class World:
    """Where a test happens.

    Attributes:
        project: A git repository, the editor's workspace.
        env: The environment of the server.
        model: What the agent's model says.
    """

    project: Path
    state: Path
    env: dict[str, str]
    model: ScriptedModel

    def write(self, name: str, text: str) -> Path:
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    def recorded(self) -> bytes:
        """Return the events of all sessions."""
        return b"".join(f.read_bytes() for f in self.state.glob("sessions/*/events.jsonl"))

    @asynccontextmanager
    async def editor(
        self, *, capabilities: Message | None = None, info: Message | None = ANYBODY, **options: Any
    ) -> AsyncGenerator[Client]:
        """Run the server with a client that has said hello."""
        settings: Message = {
            "stateDir": str(self.state),
            "codex": {
                "home": str(self.project.parent / "codex"),
                "config": codex_config(self.model),
                "command": [os.environ["AUTOPILOT_TEST_CODEX"]]
                if "AUTOPILOT_TEST_CODEX" in os.environ
                else [],
            },
            **options,
        }
        async with running(env=self.env, cwd=self.project) as client:
            await client.initialize(
                self.project, capabilities=capabilities, info=info, options=settings
            )
            yield client


Open = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def world(tmp_path: Path) -> Generator[Callable[[Sequence[Step | Output]], World]]:
    models: list[ScriptedModel] = []

    def make(script: Sequence[Step | Output] = ()) -> World:
        project, home = tmp_path / "project", tmp_path / "codex"
        project.mkdir()
        home.mkdir()
        subprocess.run(["git", "init", "-q", str(project)], check=True)
        model = ScriptedModel(list(script))
        model.__enter__()
        models.append(model)
        env = {
            name: value for name, value in os.environ.items() if not name.startswith("AUTOPILOT_")
        }
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        env["PYTHONPATH"] = os.pathsep.join(paths)
        env["HOME"] = str(tmp_path)
        return World(project, tmp_path / "state", env, model)

    yield make
    for model in models:
        model.__exit__(None, None, None)
