"""What stands in the policy's files applies at once, and nothing broken ever widens anything."""

from __future__ import annotations

import itertools
import logging
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest

from autopilot_ls.model.approvals import DecisionKind
from autopilot_ls.model.events import Notice
from autopilot_ls.policy.load import PolicyFiles
from autopilot_ls.policy.policy import BUILTIN
from autopilot_ls.supervisor import following
from autopilot_ls.supervisor.policies import Policies
from autopilot_ls.supervisor.views import OpenDocument
from tests.support.staged import until
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.played_runtime import command, update

ALLOW = '[[rule]]\nname = "mine"\nverdict = "allow"\ncommand = ["make …"]\n'
EDITS = '[[rule]]\nname = "edits"\nverdict = "allow"\nedit = ["*.txt"]\nmodes = ["propose"]\n'
DENY = '[[rule]]\nname = "never"\nverdict = "deny"\ncommand = ["ls …"]\n'


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


async def _answers(stage: Stage, text: str, key: str) -> DecisionKind | None:
    """Return what the policy answered to a command, None when it asks."""
    before = len(stage.agent.answers)
    waiting = len(stage.waiting())
    stage.agent.ask(command(text, stage.workspace), key=key)
    pending = stage.waiting()[waiting:]
    if pending and pending[0].verdict.outcome == "ask":
        return None
    return (await stage.agent.answered(before + 1))[-1][1].kind


async def test_the_users_own_rules_apply_as_soon_as_they_are_saved(stage: Stage) -> None:
    file = stage.supervisor.settings.policy_path
    await stage.start()
    assert await _answers(stage, "make all", "k1") is None
    _write(file, ALLOW)
    assert await _answers(stage, "make all", "k2") is DecisionKind.ACCEPT
    _write(file, DENY)
    assert await _answers(stage, "ls src", "k3") is DecisionKind.DECLINE
    # The settings name it: its rules do not go with it.
    file.unlink()
    assert await _answers(stage, "ls", "k4") is DecisionKind.DECLINE


async def test_a_broken_file_widens_nothing_and_is_told_once(stage: Stage) -> None:
    file = stage.supervisor.settings.policy_path
    await stage.start()
    _write(file, DENY)
    assert await _answers(stage, "ls src", "k1") is DecisionKind.DECLINE
    _write(file, DENY + "[[rule]\n")
    assert await _answers(stage, "ls src", "k2") is DecisionKind.DECLINE
    assert await _answers(stage, "ls src", "k3") is DecisionKind.DECLINE
    told = [n for n in stage.view.all(Notice) if n.code == "policy-invalid"]
    assert len(told) == 1
    assert f"{file}:5:" in told[0].message


async def test_a_file_that_was_never_good_lets_nothing_go_by_rule(stage: Stage) -> None:
    _write(stage.supervisor.settings.policy_path, "verdict = [")
    await stage.start()
    assert await _answers(stage, "ls", "k1") is None


async def test_a_workspaces_policy_only_narrows(stage: Stage) -> None:
    await stage.start()
    _write(stage.workspace / ".autopilot" / "policy.toml", ALLOW + DENY)
    assert await _answers(stage, "make all", "k1") is None
    assert await _answers(stage, "ls src", "k2") is DecisionKind.DECLINE


async def test_a_change_is_told_to_the_clients_with_what_is_wrong(stage: Stage) -> None:
    file = stage.supervisor.settings.policy_path
    own = stage.workspace / ".autopilot" / "policy.toml"

    def problems() -> dict[str, bool]:
        found = stage.supervisor.policy_problems(stage.workspace)
        return {name: bool(of) for name, of in found.items() if name != BUILTIN}

    async def told(what: dict[str, bool]) -> None:
        # A file that is being written may be seen empty first, which is a change too.
        await stage.view.until(lambda: stage.view.policy_changes > before and problems() == what)

    _write(own, DENY)
    assert problems() == {str(file): False, str(own): False}
    before = stage.view.policy_changes
    _write(own, "nonsense = 1\n")
    await told({str(file): False, str(own): True})
    before = stage.view.policy_changes
    _write(file, ALLOW)
    await told({str(file): False, str(own): True})
    before = stage.view.policy_changes
    own.unlink()
    await told({str(file): False})


async def _waits(stage: Stage, text: str, key: str) -> str:
    """Ask for a command that waits for a person; returns the approval's id."""
    count = len(stage.waiting())
    stage.agent.ask(command(text, stage.workspace), key=key)
    found = stage.waiting()
    assert len(found) == count + 1
    return found[-1].id


async def test_what_is_saved_applies_to_what_waits(stage: Stage) -> None:
    file = stage.supervisor.settings.policy_path
    await stage.start()
    await _waits(stage, "make all", "k1")
    await _waits(stage, "curl example.com", "k2")
    await _waits(stage, "touch x", "k3")
    _write(file, ALLOW + '[[rule]]\nname = "no"\nverdict = "deny"\ncommand = ["curl …"]\n')
    answers = dict(await stage.agent.answered(2))
    assert answers["k1"].kind is DecisionKind.ACCEPT
    assert answers["k2"].kind is DecisionKind.DECLINE
    assert {decision.decided_by for decision in answers.values()} == {"policy"}
    assert [approval.native_key for approval in stage.waiting()] == ["k3"]


async def test_what_waits_for_another_reason_than_the_policy_is_not_tried_at_each_change(
    stage: Stage,
) -> None:
    file = stage.supervisor.settings.policy_path
    _write(file, EDITS)
    target = stage.workspace / "a.txt"
    target.write_text("old\n")
    stage.view.documents.append(OpenDocument(target, "unsaved\n"))
    await stage.start()
    stage.agent.ask(update(target, "old", "new"))
    await stage.view.saw(Notice)
    _write(file, EDITS + DENY)
    await stage.view.until(lambda: stage.view.policy_changes > 0)
    await _waits(stage, "make all", "k2")
    _write(file, EDITS + ALLOW)
    await stage.agent.answered(1)
    assert len(stage.view.all(Notice)) == 1


async def test_a_broken_file_is_told_at_once_and_once_for_all_sessions(stage: Stage) -> None:
    file = stage.supervisor.settings.policy_path
    await stage.start()
    stage.agent.ask(command("make all", stage.workspace))
    first, stage.session_id = stage.session_id, ""
    await stage.start("Something else.")
    stage.agent.ask(command("make all", stage.workspace))
    _write(file, "nonsense = 1\n")
    told = await stage.view.saw(Notice)
    assert told.code == "policy-invalid"
    changes = stage.view.policy_changes
    _write(file, "nonsense = 1\n\n")
    await stage.view.until(lambda: stage.view.policy_changes > changes)
    said = [notice.message for notice in stage.view.all(Notice)]
    assert len(said) == len(set(said))
    assert first != stage.session_id


class _Told(logging.Handler):
    """Collects what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


async def test_the_system_tells_of_changes_also_in_folders_that_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing is noticed in this test's time but what the system tells.
    monkeypatch.setattr(following, "LOOK", 1_000.0)
    workspace = tmp_path / "work"
    workspace.mkdir()
    own = workspace / ".autopilot" / "policy.toml"
    policies = Policies(PolicyFiles.standard(tmp_path / "config", tmp_path / "state"))
    assert not any(policies.problems(workspace).values())
    seen: list[bool] = []

    def changed(workspaces: Iterable[Path]) -> None:
        assert list(workspaces) == [workspace]
        seen.append(any(policies.problems(workspace).values()))

    async def saved_until_seen(text: str, *, broken: bool) -> None:
        # It is not known when the system begins to watch, so that it is saved until that was noticed.
        with anyio.fail_after(30):
            for number in itertools.count():
                new = own.with_name("new")
                new.parent.mkdir(exist_ok=True)
                new.write_text(f"{text}# {number}\n")
                new.replace(own)
                await anyio.sleep(0.3)  # reason: longer than changes are gathered
                if seen and seen[-1] is broken:
                    return

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(following.follow, policies, changed)
        await saved_until_seen("nonsense = 1\n", broken=True)
        await saved_until_seen(DENY, broken=False)
        shutil.rmtree(own.parent)
        seen.clear()
        await saved_until_seen("nonsense = 1\n", broken=True)
        tasks.cancel_scope.cancel()


async def test_where_nothing_can_be_watched_changes_are_noticed_all_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    told = _Told()
    logging.getLogger(following.__name__).addHandler(told)
    monkeypatch.setattr(following, "_watch", refuse)
    await stage.start()
    await _waits(stage, "make all", "k1")
    await until(lambda: bool(told.said))
    _write(stage.supervisor.settings.policy_path, ALLOW)
    assert (await stage.agent.answered(1))[0][1].kind is DecisionKind.ACCEPT
    logging.getLogger(following.__name__).removeHandler(told)
    assert len(told.said) == 1
    assert "inotify watch limit" in told.said[0]


async def test_nothing_is_watched_before_there_is_something_to_watch() -> None:
    code = (
        "import sys, anyio\n"
        "from autopilot_ls.settings.tree import Settings\n"
        "from autopilot_ls.supervisor.supervisor import open_supervisor\n"
        "async def main():\n"
        "    async with open_supervisor(Settings(state_dir=sys.argv[1])):\n"
        "        await anyio.sleep(0.3)\n"
        "    print('watchfiles' in sys.modules)\n"
        "anyio.run(main)\n"
    )
    with TemporaryDirectory() as folder:
        done = await anyio.run_process([sys.executable, "-c", code, folder])
    assert done.stdout.split() == [b"False"]
