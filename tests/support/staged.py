"""A supervisor with the real Codex and a scripted model, in an isolated world."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from autopilot_ls.model.approvals import Approval, Decision, DecisionKind, Mode
from autopilot_ls.model.events import RuntimeStarted, TurnCompleted
from autopilot_ls.model.snapshots import SessionSnapshot
from autopilot_ls.scripted_model import ScriptedModel
from autopilot_ls.settings.loading import load
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.supervisor import Supervisor, open_supervisor
from tests.support.watcher import PATIENCE, Watcher
from tests.support.world import World, world


@dataclass
class Staged:
    """What a test drives."""

    supervisor: Supervisor
    view: Watcher
    model: ScriptedModel
    world: World
    session_id: str = ""

    async def start(
        self, text: str = "Go.", *, session_id: str | None = None, mode: Mode | None = None
    ) -> str:
        """Start a turn; returns the session's id."""
        request = StartTurn(
            text=text, cwd=str(self.world.workspace), session_id=session_id, mode=mode
        )
        self.session_id = (await self.supervisor.start_turn(request, "test")).session_id
        return self.session_id

    async def waiting(self, count: int = 1, session_id: str | None = None) -> tuple[Approval, ...]:
        """Wait until so many approvals wait."""
        chosen = session_id or self.session_id
        await self.view.until(lambda: len(self.supervisor.approvals(chosen)) >= count)
        return self.supervisor.approvals(chosen)

    async def decide(
        self, approval: Approval, kind: DecisionKind = DecisionKind.ACCEPT, message: str = ""
    ) -> Decision:
        """Decide as a person at the test's client would."""
        return await self.supervisor.decide(approval.id, kind, decided_by="test", message=message)

    async def ended(self, count: int = 1) -> TurnCompleted:
        """Wait for the end of the nth turn."""
        return await self.view.saw(TurnCompleted, count)

    @property
    def snapshot(self) -> SessionSnapshot:
        return self.supervisor.snapshot(self.session_id)

    @property
    def pid(self) -> int:
        """Process id of the agent started last."""
        return self.view.all(RuntimeStarted)[-1].pid

    def outputs(self) -> str:
        """Return all that the model's requests said, as text."""
        return "\n".join(str(request) for request in self.model.requests)


async def until(condition: Callable[[], bool], *, timeout: float = PATIENCE) -> None:
    """Wait until something outside of the program holds, which no event can tell."""
    deadline = anyio.current_time() + timeout
    while not condition():
        assert anyio.current_time() < deadline, "It did not come true in time."
        await anyio.sleep(0.02)  # reason: the interval of a poll with a deadline


def settings_of(here: World) -> Settings:
    """Return the settings that the world's environment gives, as the server would read them."""
    settings, problems = load([], environ=here.environment)
    assert problems == []
    return settings


@asynccontextmanager
async def supervised(
    here: World, model: ScriptedModel, environment: Mapping[str, str] | None = None
) -> AsyncGenerator[Staged]:
    """Run a supervisor in a world that exists already, as after a restart."""
    view = Watcher()
    kept = dict(os.environ)
    os.environ.clear()
    os.environ.update({**here.environment, **(environment or {})})
    try:
        async with open_supervisor(settings_of(here)) as supervisor:
            supervisor.attach(view)
            yield Staged(supervisor, view, model, here)
    finally:
        os.environ.clear()
        os.environ.update(kept)


@asynccontextmanager
async def staged(*steps: object, **config: object) -> AsyncGenerator[Staged]:
    """Run a supervisor in a new world with a model that says these steps."""
    with ScriptedModel(list(steps)) as model, world(model, config) as here:  # pyright: ignore[reportArgumentType]
        async with supervised(here, model) as stage:
            yield stage
