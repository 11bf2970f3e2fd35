"""What asks while nobody is there stays unanswered or is declined, in every mode: it is never allowed.

With the real Codex. That a run without a terminal declines is tested with the command line.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from autopilot_ls.model.approvals import DecisionKind, Mode, Outcome
from autopilot_ls.model.events import ApprovalRequested, ApprovalResolved, Event
from autopilot_ls.scripted_model import ScriptedModel, command, message, patch
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.supervisor import open_supervisor
from tests.protocol.client import running
from tests.support.staged import settings_of, until
from tests.support.world import World, world

pytestmark = [pytest.mark.core, pytest.mark.timeout(120)]

POLICY = """
version = 1

[[rule]]
name = "a-person-decides"
verdict = "ask"
command = ["touch …"]

[[rule]]
name = "a-person-writes"
verdict = "ask"
edit = ["made"]
"""
PATCH = "*** Begin Patch\n*** Add File: made\n+x\n*** End Patch\n"
ACTIONS = [
    pytest.param(command("touch made", call_id="asked"), id="command"),
    pytest.param(patch(PATCH, call_id="asked"), id="patch"),
]
ASKING = [Mode.PROPOSE, Mode.AUTO, Mode.ESCALATE]


def recorded(here: World) -> list[Event]:
    """Return the events of the only session."""
    (file,) = here.state.glob("sessions/*/events.jsonl")
    return [Event.model_validate_json(line) for line in file.read_text().splitlines()]


def decisions(here: World) -> list[tuple[Outcome, DecisionKind, str]]:
    """Return the verdict on each approval with the decision that was made and by whom."""
    events = recorded(here)
    asked = {
        each.body.approval.id: each.body.approval.verdict.outcome
        for each in events
        if isinstance(each.body, ApprovalRequested)
    }
    return [
        (asked[each.body.approval_id], each.body.decision.kind, each.body.decision.decided_by)
        for each in events
        if isinstance(each.body, ApprovalResolved)
    ]


@pytest.mark.parametrize("mode", ASKING)
@pytest.mark.parametrize("action", ACTIONS)
async def test_an_ask_that_nobody_sees_waits_and_ends_as_a_no(
    mode: Mode, action: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedModel([action, message("Never said.")]) as model, world(model) as here:  # pyright: ignore[reportArgumentType]
        (here.root / "policy.toml").write_text(POLICY)
        for name in os.environ:
            monkeypatch.delenv(name)
        for name, value in here.environment.items():
            monkeypatch.setenv(name, value)
        async with open_supervisor(settings_of(here)) as supervisor:
            request = StartTurn(text="Go.", cwd=str(here.workspace), mode=mode)
            session = (await supervisor.start_turn(request, "nobody")).session_id
            await until(lambda: bool(supervisor.approvals(session)))
            # Neither another mode nor the end of the session is an answer.
            for other in ASKING:
                await supervisor.set_mode(other, session_id=session, changed_by="nobody")
                assert [a.verdict.outcome for a in supervisor.approvals(session)] == [Outcome.ASK]
        assert decisions(here) == [(Outcome.ASK, DecisionKind.CANCEL, "autopilot")]
        assert not (here.workspace / "made").exists()


@pytest.mark.parametrize("mode", ASKING)
@pytest.mark.parametrize("way", ["hangs up", "is killed"])
async def test_an_editor_that_goes_away_approves_nothing(mode: Mode, way: str) -> None:
    steps = [command("touch made", call_id="asked"), message("Never said.")]
    with ScriptedModel(steps) as model, world(model) as here:
        (here.root / "policy.toml").write_text(POLICY)
        async with running(env=here.environment, cwd=here.workspace) as client:
            await client.initialize(here.workspace, capabilities={})
            argument = {"text": "Go.", "mode": mode.value}
            await client.execute("autopilot.turn.start", argument)
            await client.wait_method("window/logMessage", lambda p: "waits for you" in p["message"])
            if way == "hangs up":
                assert client.process.stdin is not None
                client.process.stdin.close()
            else:
                client.process.send_signal(signal.SIGTERM)
            assert await client.process.wait() != 0
        assert decisions(here) == [(Outcome.ASK, DecisionKind.CANCEL, "autopilot")]
        assert not (here.workspace / "made").exists()


async def test_a_server_that_is_killed_outright_leaves_nothing_allowed() -> None:
    """Nobody can answer then; Codex takes the end of its input for no answer."""
    steps = [command("touch made", call_id="asked"), message("Never said.")]
    with ScriptedModel(steps) as model, world(model) as here:
        async with running(env=here.environment, cwd=here.workspace) as client:
            await client.initialize(here.workspace, capabilities={})
            await client.execute("autopilot.turn.start", {"text": "Go."})
            await client.wait_method("window/logMessage", lambda p: "waits for you" in p["message"])
            agents = _children(client.process.pid)
            assert agents
            client.process.kill()
            await client.process.wait()
            await until(lambda: not any(_alive(pid) for pid in agents))
        assert decisions(here) == []
        assert not (here.workspace / "made").exists()
        assert len(model.requests) == 1


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
