"""Limits and the notify command with the real Codex: a runaway waits or is stopped, and the person hears."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from autopilot_ls.model.approvals import DecisionKind, Mode, Outcome
from autopilot_ls.model.events import ApprovalResolved, Notice, TurnStatus
from autopilot_ls.scripted_model import ScriptedModel, command, message
from tests.support.staged import supervised, until
from tests.support.world import World, world

pytestmark = [pytest.mark.core, pytest.mark.timeout(120)]

SHOW = (
    "import json, os, sys\n"
    "said = {'argv': sys.argv[2:], 'stdin': json.load(sys.stdin), 'text': os.environ['AUTOPILOT_TEXT']}\n"
    "open(sys.argv[1] + '.new', 'w').write(json.dumps(said))\n"
    "os.rename(sys.argv[1] + '.new', sys.argv[1])\n"
)


def notified(here: World) -> tuple[dict[str, str], Path]:
    """Return the environment with a notify command, and the file that it writes."""
    script, told = here.root / "show.py", here.root / "told.json"
    script.write_text(SHOW)
    words = [sys.executable, "-I", str(script), str(told), "{title}", "{text}"]
    return {"AUTOPILOT_NOTIFY_COMMAND": json.dumps(words)}, told


async def test_in_auto_the_approval_after_the_limit_waits_and_the_person_is_told() -> None:
    quoted = "cat 'a b' \"$(echo x)\" `id`"
    steps = [
        *(command(f"mkdir made{number}", call_id=f"c{number}") for number in range(3)),
        command(f"mkdir made3 && echo {shlex.quote(quoted)}", call_id="c3"),
        message("Done."),
    ]
    with ScriptedModel(steps) as model, world(model) as here:
        (here.root / "policy.toml").write_text("version = 1\n[limits]\napprovals = 3\n")
        environment, told = notified(here)
        here.environment.update(environment)
        async with supervised(here, model) as stage:
            await stage.start(mode=Mode.AUTO)
            await stage.view.until(
                lambda: any(
                    each.verdict.outcome is Outcome.ASK for each in stage.supervisor.approvals()
                )
            )
            (waiting,) = stage.supervisor.approvals()
            assert (waiting.verdict.rule, waiting.verdict.risk) == ("limit-approvals", "high")
            by = [r.decision.decided_by for r in stage.view.all(ApprovalResolved)]
            assert by == ["policy"] * 3
            await until(told.exists)
            said = json.loads(told.read_text())
            assert said["argv"][0] == "Autopilot: a limit is reached"
            # The text arrives as it is asked for, and nothing in it was run.
            assert "made3 && echo" in said["argv"][1]
            assert "$(echo x)" in said["argv"][1]
            assert said["text"] == said["stdin"]["text"] == said["argv"][1]
            assert said["stdin"]["workspace"] == str(here.workspace)
            assert not (here.workspace / "made3").exists()
            await stage.decide(waiting, DecisionKind.ACCEPT)
            assert (await stage.ended()).status is TurnStatus.COMPLETED
            assert (here.workspace / "made3").is_dir()


async def test_a_turn_that_takes_too_long_is_stopped() -> None:
    steps = [command("sleep 60", call_id="c1"), message("Done.")]
    with ScriptedModel(steps) as model, world(model) as here:
        (here.root / "policy.toml").write_text("version = 1\n[limits]\nseconds = 3\n")
        environment, told = notified(here)
        here.environment.update(environment)
        async with supervised(here, model) as stage:
            await stage.start(mode=Mode.AUTO)
            # Waiting for the person is no time of the turn's.
            for approval in await stage.waiting():
                await stage.decide(approval)
            assert (await stage.ended()).status is TurnStatus.INTERRUPTED
            codes = [notice.code for notice in stage.view.all(Notice)]
            assert codes.count("limit-seconds") == 1
            await until(told.exists)
        said = json.loads(told.read_text())
        assert said["argv"][0] == "Autopilot: a limit stopped the turn"
        assert "The limit seconds = 3 is reached" in said["argv"][1]
