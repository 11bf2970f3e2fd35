"""An agent that says whatever it likes: nothing hangs, is let through, or differs from its record."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.model.events import ApprovalRequested, ApprovalResolved, RuntimeExited
from autopilot_ls.model.state import SessionState
from autopilot_ls.settings.tree import CodexSettings, ReviewSettings, Settings
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.supervisor import open_supervisor
from tests.support.own_policy import no_rules
from tests.support.watcher import Watcher

AGENT = Path(__file__).resolve().parents[1] / "support" / "hostile_agent.py"
LIMIT = 120.0


def answers_in(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_an_agent_says_nobody_lets_it_through(tmp_path: Path, seed: int) -> None:
    work, home = tmp_path / "work", tmp_path / "codex"
    work.mkdir()
    home.mkdir()
    (work / "a.txt").write_text("a\n")
    heard = tmp_path / "answers"
    command = (sys.executable, str(AGENT), "--seed", str(seed), "--answers", str(heard))
    settings = Settings(
        state_dir=tmp_path / "state",
        policy_file=no_rules(tmp_path / "policy.toml"),
        mode=(Mode.PROPOSE, Mode.READ_ONLY)[seed % 2],
        review=ReviewSettings(enabled=False),
        codex=CodexSettings(command=command, home=home),
    )
    view = Watcher()
    with anyio.fail_after(LIMIT):
        async with open_supervisor(settings) as supervisor:
            supervisor.attach(view)
            session_id = None
            for text in ("one", "two"):
                try:
                    request = StartTurn(text=text, cwd=str(work), session_id=session_id)
                    await supervisor.start_turn(request, "me")
                except AutopilotError:
                    pass  # It may end before it has said that the turn has begun.
                session_id = view.events[0].session_id
                if supervisor.is_open(session_id):
                    await supervisor.wait_turn_ended(session_id)
            assert session_id is not None
            live = supervisor.snapshot(session_id)
            state = SessionState(session_id)
            for event in supervisor.store.read_events(session_id):
                state.apply(event)
            assert state.snapshot() == live
    bodies = [event.body for event in view.events]
    asked = [body.approval for body in bodies if isinstance(body, ApprovalRequested)]
    resolved = [body for body in bodies if isinstance(body, ApprovalResolved)]
    assert asked
    assert sorted(each.id for each in asked) == sorted(each.approval_id for each in resolved)
    assert not any(each.decision.kind.accepts for each in resolved)
    assert any(isinstance(body, RuntimeExited) for body in bodies)
    # Whatever it was answered refuses: with an error, or by what each of its protocols calls it.
    for answer in answers_in(heard):
        said = json.dumps(answer)
        assert not any(word in said for word in ('"accept', '"approved', '"enabled": true', "/etc"))
