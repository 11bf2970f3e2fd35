"""A supervisor over played runtimes and a real trace in a throw-away folder."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from autopilot_ls.model.approvals import Approval
from autopilot_ls.model.events import Event
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.supervisor import Supervisor, open_supervisor
from autopilot_ls.supervisor.views import OpenDocument
from tests.unit.supervisor.played_runtime import PlayedFactory, PlayedRuntime


@dataclass
class RecordingView:
    """A client that remembers what it was told."""

    name: str = "editor"
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

    async def saw(self, body_type: type[object], count: int = 1) -> Event:
        """Wait for the nth event of a kind."""
        with anyio.fail_after(5):
            while True:
                found = [e for e in self.events if isinstance(e.body, body_type)]
                if len(found) >= count:
                    return found[count - 1]
                await self._changed.wait()


@dataclass
class Stage:
    """Everything a test needs: a supervisor with one session whose turn is running."""

    supervisor: Supervisor
    factory: PlayedFactory
    view: RecordingView
    workspace: Path
    session_id: str = ""

    @property
    def agent(self) -> PlayedRuntime:
        return self.factory.last

    async def start(self, text: str = "do it") -> None:
        request = StartTurn(text=text, cwd=str(self.workspace), session_id=self.session_id or None)
        self.session_id = (await self.supervisor.start_turn(request, "editor")).session_id

    def waiting(self) -> tuple[Approval, ...]:
        return self.supervisor.approvals(self.session_id)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state")


@pytest.fixture
async def stage(settings: Settings, tmp_path: Path) -> AsyncGenerator[Stage]:
    workspace = tmp_path / "work"
    workspace.mkdir()
    factory, view = PlayedFactory(), RecordingView()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        supervisor.attach(view)
        yield Stage(supervisor, factory, view, workspace)
