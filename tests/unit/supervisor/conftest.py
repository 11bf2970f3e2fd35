"""A supervisor over played runtimes and a real trace in a throw-away folder, with or without the review of changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import pytest

from autopilot_ls.model.approvals import Approval, Mode
from autopilot_ls.model.events import ItemCompleted, ItemStarted
from autopilot_ls.model.items import CommandExecution, ItemStatus
from autopilot_ls.runtimes.base import RuntimeEvent
from autopilot_ls.settings.tree import ReviewSettings, Settings
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.review.desk import OpenItems
from autopilot_ls.supervisor.review.reviews import OpenReview
from autopilot_ls.supervisor.supervisor import Attachment, Supervisor, open_supervisor
from tests.support.own_policy import no_rules
from tests.support.staged import until
from tests.support.watcher import Watcher
from tests.unit.supervisor.played_runtime import PlayedFactory, PlayedRuntime


@dataclass
class Stage:
    """Everything a test needs: a supervisor with one session whose turn is running."""

    supervisor: Supervisor
    factory: PlayedFactory
    view: Watcher
    workspace: Path
    attachment: Attachment
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
    return Settings(
        state_dir=tmp_path / "state",
        policy_file=no_rules(tmp_path / "policy.toml"),
        # Only the tests of the review need the baselines, which cost each turn some calls of git.
        review=ReviewSettings(enabled=False),
    )


@pytest.fixture
async def stage(settings: Settings, tmp_path: Path) -> AsyncGenerator[Stage]:
    workspace = tmp_path / "work"
    workspace.mkdir()
    factory, view = PlayedFactory(), Watcher()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        attachment = supervisor.attach(view)
        yield Stage(supervisor, factory, view, workspace, attachment)


@dataclass
class Review:
    """A workspace with an agent at work in it."""

    stage: Stage

    @property
    def folder(self) -> Path:
        return self.stage.workspace

    @property
    def opened(self) -> OpenReview:
        reviews = self.stage.supervisor._reviews
        assert reviews is not None
        (opened,) = reviews
        return opened

    def file(self, name: str) -> Path:
        return self.folder / name

    def command(self, text: str, *, ended: bool, key: str = "c1") -> None:
        status = ItemStatus.COMPLETED if ended else ItemStatus.IN_PROGRESS
        item = CommandExecution(id=key, command=text, status=status, exit_code=0 if ended else None)
        body = ItemCompleted(item=item) if ended else ItemStarted(item=item)
        self.stage.agent.say(RuntimeEvent(body, "thread", "turn"))

    async def ran(self, text: str, **files: str | None) -> None:
        """Have the agent run a command that writes these files (`__` for `.`)."""
        self.command(text, ended=False)
        for name, content in files.items():
            path = self.file(name.replace("__", "."))
            if content is None:
                path.unlink()
            else:
                path.write_text(content)
        self.command(text, ended=True)
        await self.items(fresh=True)

    async def items(self, *, fresh: bool = True) -> OpenItems:
        return await self.stage.supervisor.review.items(self.folder, fresh=fresh)

    async def shown(self) -> list[tuple[str, str, str]]:
        found = (await self.items()).items
        return [
            (
                item.path,
                b"".join(item.change.part.old).decode(),
                b"".join(item.change.part.new).decode(),
            )
            for item in found
        ]

    async def end(self) -> None:
        self.stage.agent.end_turn()
        await self.until(lambda known: known.turns and not known.turns[-1].at_work)

    async def until(self, condition: Callable[[OpenItems], object]) -> None:
        view = self.stage.view
        with anyio.fail_after(30):
            while not condition(await self.items(fresh=False)):
                await view.until(partial(_is_more, view, view.review_changes))

    async def stored(self, text: str) -> bytes:
        """Wait until what is stored has this in it; returns it."""
        file = self.opened.file
        await until(lambda: file.exists() and text.encode() in file.read_bytes())
        return file.read_bytes()

    async def end_server(self, stored: bytes | None = None) -> None:
        """End the server; as if it had been killed when this was stored, if that is given."""
        file = self.opened.file
        await self.stage.supervisor.shut_down()
        if stored is not None:
            file.write_bytes(stored)

    async def undo_all(self) -> tuple[str, ...]:
        ids = [item.id for item in (await self.items()).items]
        done = await self.stage.supervisor.review.undo(self.folder, ids, "test")
        return done.reasons

    async def undo_turn(self) -> tuple[str, tuple[str, ...]]:
        turn = (await self.items()).turns[-1].name
        done = await self.stage.supervisor.review.undo_turn(self.folder, turn, "test")
        return done.outcome.undo_id, done.reasons


def _is_more(view: Watcher, than: int) -> bool:
    return view.review_changes > than


def reviewing(settings: Settings) -> Settings:
    """Return settings with which changes are reviewed."""
    return settings.model_copy(
        update={"review": settings.review.model_copy(update={"enabled": True})}
    )


@asynccontextmanager
async def next_server(settings: Settings) -> AsyncGenerator[Supervisor]:
    """Open a further server that reviews changes."""
    async with open_supervisor(
        reviewing(settings), factories={"codex": PlayedFactory()}
    ) as supervisor:
        yield supervisor


@pytest.fixture
async def review(settings: Settings, tmp_path: Path) -> AsyncGenerator[Review]:
    workspace = tmp_path / "work"
    workspace.mkdir()
    (workspace / "a.txt").write_text("1\n2\n3\n4\n5\n")
    (workspace / "b.txt").write_text("one\ntwo\n")
    factory, view = PlayedFactory(), Watcher()
    on = reviewing(settings).model_copy(update={"mode": Mode.AUTO})
    async with open_supervisor(on, factories={"codex": factory}) as supervisor:
        attachment = supervisor.attach(view)
        stage = Stage(supervisor, factory, view, workspace, attachment)
        await stage.start()
        yield Review(stage)
