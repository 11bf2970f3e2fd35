"""A supervisor over played runtimes and a real trace in a throw-away folder."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autopilot_ls.model.approvals import Approval
from autopilot_ls.settings.tree import ReviewSettings, Settings
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.supervisor import Attachment, Supervisor, open_supervisor
from tests.support.own_policy import no_rules
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
