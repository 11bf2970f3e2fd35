"""A supervisor with the real Codex and a scripted model, in an isolated world."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import anyio

from autopilot_ls.model.approvals import Approval, Decision, DecisionKind, Mode
from autopilot_ls.model.events import Event, RuntimeStarted, TurnCompleted
from autopilot_ls.model.snapshots import SessionSnapshot
from autopilot_ls.scripted_model import ScriptedModel
from autopilot_ls.settings.loading import load
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.supervisor import Supervisor, open_supervisor
from autopilot_ls.supervisor.views import OpenDocument
from tests.support.world import World, world

Body = TypeVar("Body")
PATIENCE = 30.0


@dataclass
class Watcher:
    """A client that remembers what it was told and can wait for it."""

    name: str = "test"
    events: list[Event] = field(default_factory=list[Event])
    written: list[Path] = field(default_factory=list[Path])
    documents: list[OpenDocument] = field(default_factory=list[OpenDocument])
    _changed: anyio.Event = field(default_factory=anyio.Event)

    def events_applied(self, session_id: str, events: Sequence[Event]) -> None:
        del session_id
        self.events.extend(events)
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    def files_written(self, paths: Sequence[Path]) -> None:
        self.written.extend(paths)

    def open_documents(self) -> Iterable[OpenDocument]:
        return self.documents

    async def until(self, condition: Callable[[], bool], *, timeout: float = PATIENCE) -> None:
        """Wait until a condition on what happened holds."""
        with anyio.move_on_after(timeout):
            while not condition():
                await self._changed.wait()
            return
        kinds = [event.body.type for event in self.events]
        raise AssertionError(f"It did not come true. What happened: {kinds}")

    def all(self, kind: type[Body], session_id: str | None = None) -> list[Body]:
        """Return the bodies of a kind, in order."""
        return [
            event.body
            for event in self.events
            if isinstance(event.body, kind) and session_id in (None, event.session_id)
        ]

    async def saw(self, kind: type[Body], count: int = 1) -> Body:
        """Wait for the nth event of a kind and return its body."""
        await self.until(lambda: len(self.all(kind)) >= count)
        return self.all(kind)[count - 1]


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
