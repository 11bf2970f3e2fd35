"""The four modes with the real Codex: what goes, what asks, what is denied, and who decided."""

from __future__ import annotations

import subprocess
import threading
from typing import Final

import pytest

from autopilot_ls.model.approvals import Approval, DecisionKind, Mode, Outcome
from autopilot_ls.model.events import (
    ApprovalResolved,
    Notice,
    ThreadOpened,
    TurnCompleted,
    TurnStatus,
)
from autopilot_ls.scripted_model import call_outputs, command, hold, message, patch
from tests.support.staged import Staged, staged, until

pytestmark = [pytest.mark.core, pytest.mark.timeout(120)]

ADD: Final = "*** Begin Patch\n*** Add File: new.py\n+y = 1\n*** End Patch"
MADE: Final = "mkdir made"
PUSH: Final = "git push origin main"


def _by(stage: Staged) -> list[tuple[DecisionKind, str]]:
    return [(r.decision.kind, r.decision.decided_by) for r in stage.view.all(ApprovalResolved)]


async def _asked(stage: Staged) -> Approval:
    """Wait for what a person has to decide on; what the policy decides waits a moment too."""

    def asking() -> list[Approval]:
        waiting = stage.supervisor.approvals(stage.session_id)
        return [each for each in waiting if each.verdict.outcome is Outcome.ASK]

    await stage.view.until(lambda: bool(asking()))
    return asking()[0]


async def _accepted(stage: Staged) -> TurnCompleted:
    """Accept all that asks until the turn has ended."""

    def asking() -> list[Approval]:
        waiting = stage.supervisor.approvals(stage.session_id)
        return [each for each in waiting if each.verdict.outcome is Outcome.ASK]

    while True:
        await stage.view.until(lambda: bool(asking() or stage.view.all(TurnCompleted)))
        if stage.view.all(TurnCompleted):
            return stage.view.all(TurnCompleted)[-1]
        await stage.decide(asking()[0])


def _own_policy(stage: Staged, rule: str) -> None:
    """Narrow by a policy of the workspace, which needs no trust for that."""
    text = f'version = 1\n[[rule]]\nname = "own"\n{rule}\nreason = "Own."\n'
    stage.world.write(".autopilot/policy.toml", text)


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.ESCALATE])
async def test_in_the_acting_modes_rules_decide_and_a_person_has_the_rest(mode: Mode) -> None:
    steps = [
        patch(ADD),
        command(MADE, call_id="c1"),
        command("touch out", escalate=True, call_id="c2"),
        command(PUSH, call_id="c3"),
        message("Done."),
        message("Done."),
    ]
    async with staged(*steps) as stage:
        await stage.start(mode=mode)
        approval = await _asked(stage)
        assert (approval.verdict.rule, approval.verdict.risk) == ("publishing", "high")
        # What was before it went by rules, the attempt to leave the sandbox among it.
        accepted, declined = (DecisionKind.ACCEPT, "policy"), (DecisionKind.DECLINE, "policy")
        assert _by(stage) == [accepted, accepted, declined]
        assert stage.world.read("new.py") == "y = 1\n"
        assert (stage.world.workspace / "made").is_dir()
        await stage.decide(approval, DecisionKind.DECLINE)
        assert (await stage.ended()).status is TurnStatus.COMPLETED
        assert not (stage.world.workspace / "out").exists()


WAYS: Final = (
    # What the policy reads in a command is not where it writes: the kernel has to hold these.
    "python3 -c \"open('.github/workflows/ci.yml', 'w').write('evil')\"",
    "sh script.sh",
    "python3 through_a_link.py",
    "mv .github aside; mkdir -p .github/workflows; echo evil > .github/workflows/ci.yml",
)
WORK: Final = (
    "mkdir -p node_modules/x .pytest_cache && echo 1 > node_modules/x/y && echo 1 > .pytest_cache/z"
    " && echo 1 >> a.py && git status --short && git diff --stat && echo WORKS"
)


def _protected(stage: Staged) -> None:
    write = stage.world.write
    write(".github/workflows/ci.yml", "good\n")
    write("script.sh", "echo evil > .github/workflows/ci.yml\n")
    write(
        "through_a_link.py",
        "import os\nos.symlink('.github', 'l')\nopen('l/workflows/ci.yml', 'w')\n",
    )
    write("a.py", "x = 1\n")
    subprocess.run(["git", "init", "-q"], cwd=stage.world.workspace, check=True)


@pytest.mark.parametrize("mode", [Mode.PROPOSE, Mode.AUTO, Mode.ESCALATE])
async def test_the_kernel_holds_what_is_protected_whatever_was_accepted(mode: Mode) -> None:
    steps = [command(line, call_id=f"c{n}") for n, line in enumerate((*WAYS, WORK))]
    async with staged(*steps, message("Done.")) as stage:
        _protected(stage)
        await stage.start(mode=mode)
        assert (await _accepted(stage)).status is TurnStatus.COMPLETED
        assert stage.world.read(".github/workflows/ci.yml") == "good\n"
        outputs = call_outputs(stage.model.requests[-1])
        assert "Read-only file system" in outputs[0] + outputs[1] + outputs[2]
        assert "busy" in outputs[3]
        assert "WORKS" in outputs[4]
        assert stage.world.read("node_modules/x/y") == "1\n"


async def test_a_path_that_a_rule_denies_reading_cannot_be_read_by_any_way() -> None:
    steps = [command("python3 read.py", call_id="c1"), message("Done.")]
    async with staged(*steps) as stage:
        stage.world.write("secret.txt", "s3cret\n")
        stage.world.write("read.py", "print(open('secret.txt').read())\n")
        _own_policy(stage, 'verdict = "deny"\nread = ["secret.txt"]')
        await stage.start()
        await stage.decide(await _asked(stage))
        assert (await stage.ended()).status is TurnStatus.COMPLETED
        assert "Permission denied" in call_outputs(stage.model.requests[-1])[-1]
        assert "s3cret" not in stage.outputs()


async def test_what_is_protected_since_the_last_turn_is_held_in_the_next() -> None:
    line = "python3 -c \"open('kept.txt', 'a').write('more')\""
    steps = [
        command(line, call_id="c1"),
        message("One."),
        command(line, call_id="c2"),
        message("Two."),
    ]
    async with staged(*steps) as stage:
        stage.world.write("kept.txt", "")
        session = await stage.start()
        await stage.decide(await _asked(stage))
        await stage.ended()
        assert stage.world.read("kept.txt") == "more"
        _own_policy(stage, 'verdict = "deny"\nedit = ["kept.txt"]')
        await stage.start("Again.", session_id=session)
        await stage.decide(await _asked(stage))
        assert (await stage.ended(2)).status is TurnStatus.COMPLETED
        assert stage.world.read("kept.txt") == "more"
        assert [opened.how for opened in stage.view.all(ThreadOpened)] == ["started", "resumed"]
        assert any(notice.code == "sandbox-renewed" for notice in stage.view.all(Notice))
        # The model goes on with all that was said before.
        assert "One." in str(stage.model.requests[-1])


TIGHTENED: Final = (
    command("touch begun; sleep 60; touch late", call_id="c1"),
    command("touch after", call_id="c2"),
    command("cat a.py", call_id="c3"),
    message("I could only look."),
)


@pytest.mark.parametrize("mode", [Mode.PROPOSE, Mode.AUTO, Mode.ESCALATE])
async def test_a_stricter_mode_in_mid_turn_interrupts_it_and_goes_on_in_the_same_thread(
    mode: Mode,
) -> None:
    async with staged(*TIGHTENED) as stage:
        stage.world.write("a.py", "x = 1\n")
        session = await stage.start(mode=mode)
        await stage.decide(await _asked(stage))
        await until((stage.world.workspace / "begun").exists)
        await stage.supervisor.set_mode(Mode.READ_ONLY, session_id=session, changed_by="test")
        assert (await stage.ended()).status is TurnStatus.INTERRUPTED
        assert (await stage.ended(2)).status is TurnStatus.COMPLETED
        kinds = [kind for kind, by in _by(stage) if by == "policy"]
        assert kinds == [DecisionKind.DECLINE, DecisionKind.ACCEPT]
        assert "x = 1" in str(stage.model.requests[-1])
        assert "changed to read-only" in str(stage.model.requests[-1])
        threads = {event.thread_id for event in stage.view.events if event.thread_id}
        assert len(threads) == 1
        assert [opened.how for opened in stage.view.all(ThreadOpened)] == ["started", "resumed"]
        snapshot = stage.snapshot
        assert [turn.status for turn in snapshot.turns if turn.id] == [
            TurnStatus.INTERRUPTED,
            TurnStatus.COMPLETED,
        ]
        assert not (stage.world.workspace / "late").exists()
        assert not (stage.world.workspace / "after").exists()


async def test_a_looser_mode_in_mid_turn_judges_at_once_and_widens_the_sandbox_later() -> None:
    write = "touch made.txt"
    switched = threading.Event()
    steps = [
        command("touch before.txt", call_id="c0"),
        hold(switched, command(write, call_id="c1")),
        message("One."),
        command(write, call_id="c2"),
        message("Two."),
    ]
    async with staged(*steps) as stage:
        session = await stage.start(mode=Mode.READ_ONLY)
        await stage.view.saw(ApprovalResolved)
        await stage.supervisor.set_mode(Mode.AUTO, session_id=session, changed_by="test")
        switched.set()
        assert (await stage.ended()).status is TurnStatus.COMPLETED
        # The rule allows it, and the sandbox of the turn is still the narrow one.
        assert _by(stage)[-1] == (DecisionKind.ACCEPT, "policy")
        assert not (stage.world.workspace / "made.txt").exists()
        assert any("from the next turn" in notice.message for notice in stage.view.all(Notice))
        await stage.start("Again.", session_id=session)
        assert (await stage.ended(2)).status is TurnStatus.COMPLETED
        assert (stage.world.workspace / "made.txt").exists()
        assert [opened.how for opened in stage.view.all(ThreadOpened)] == ["started"]
