"""Remembered decisions: a rule of ours is written, the agent hears a plain accept, and the rule can be taken back."""

from __future__ import annotations

import threading
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from autopilot_ls.model.approvals import Action, Approval, DecisionKind, Mode, ToolAction
from autopilot_ls.model.errors import (
    ApprovalAlreadyResolved,
    AutopilotError,
    InvalidRequest,
    PolicyNotWritten,
)
from autopilot_ls.model.events import ApprovalResolved, Notice
from autopilot_ls.policy.remember import Offer, listed
from autopilot_ls.presentation.transcript import TranscriptRenderer
from autopilot_ls.runtimes.base import ApprovalWithdrawn
from autopilot_ls.supervisor import remembering
from autopilot_ls.supervisor.remembering import Memory
from autopilot_ls.trace.locks import exclusive
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.played_runtime import add, command


def _file(stage: Stage) -> Path:
    return stage.supervisor.settings.state_folder / "remembered.toml"


def _ask(stage: Stage, action: Action | str, key: str = "k1") -> Approval:
    """Have the agent ask for something that waits."""
    count = len(stage.waiting())
    stage.agent.ask(command(action, stage.workspace) if isinstance(action, str) else action, key)
    assert len(stage.waiting()) == count + 1
    return stage.waiting()[-1]


async def _remember(stage: Stage, approval: Approval, number: int = 0) -> str:
    decision = await stage.supervisor.decide(
        approval.id,
        DecisionKind.ACCEPT,
        decided_by="Editor 1",
        remember=approval.offers[number].key,
    )
    return decision.remembered


async def test_what_is_always_allowed_asks_once(stage: Stage) -> None:
    await stage.start()
    approval = _ask(stage, "pytest -q")
    assert [offer.label for offer in approval.offers] == [
        "always allow `pytest …` in this workspace",
        "always allow exactly `pytest -q` in this workspace",
    ]
    name = await _remember(stage, approval)
    assert name == approval.offers[0].key
    key, heard = (await stage.agent.answered(1))[0]
    assert (key, heard.kind) == ("k1", DecisionKind.ACCEPT)
    stage.agent.ask(command("pytest tests", stage.workspace), "k2")
    key, heard = (await stage.agent.answered(2))[1]
    assert (key, heard.kind, heard.decided_by) == ("k2", DecisionKind.ACCEPT, "policy")
    (rule,) = await stage.supervisor.remembered()
    assert (rule.name, rule.pattern, rule.by) == (name, "pytest …", "Editor 1")
    assert rule.workspace == str(stage.workspace)

    await stage.supervisor.forget([name])
    assert await stage.supervisor.remembered() == ()
    _ask(stage, "pytest tests", "k3")


async def test_the_record_and_the_transcript_say_what_was_remembered(stage: Stage) -> None:
    await stage.start()
    approval = _ask(stage, "pytest -q")
    snapshot = stage.supervisor.snapshot(stage.session_id)
    waiting = TranscriptRenderer().render(snapshot)
    assert all(offer.key in waiting for offer in approval.offers)
    name = await _remember(stage, approval)
    assert stage.view.all(ApprovalResolved)[0].decision.remembered == name
    snapshot = stage.supervisor.snapshot(stage.session_id)
    assert f"policy forget {name}" in TranscriptRenderer().render(snapshot)


async def test_what_waits_already_goes_as_well_and_what_is_forgotten_asks(stage: Stage) -> None:
    await stage.start()
    approval = _ask(stage, "pytest -q", "k1")
    _ask(stage, "pytest tests", "k2")
    _ask(stage, "make", "k3")
    await _remember(stage, approval)
    assert {key for key, _ in await stage.agent.answered(2)} == {"k1", "k2"}
    assert [approval.native_key for approval in stage.waiting()] == ["k3"]


@pytest.mark.parametrize(
    "text",
    [
        "git push origin main",
        "rm -rf .git",
        "bash",
        "sudo make",
        "python x.py",
        "cat ~/.ssh/id_rsa",
        "pytest; git push",
    ],
)
async def test_what_a_hard_rule_asks_for_is_not_offered_and_not_lifted(
    stage: Stage, text: str
) -> None:
    await stage.start()
    stage.agent.ask(command(text, stage.workspace))
    for approval in stage.waiting():
        for number in range(len(approval.offers)):
            # Whatever is offered has the effect that it promises, for this line.
            assert stage.supervisor.settings.mode is Mode.PROPOSE
            assert approval.offers[number].label.startswith("always allow exactly")
        if "git" in text or "ssh" in text:
            assert approval.offers == ()


async def test_what_would_ask_all_the_same_is_not_offered(stage: Stage) -> None:
    await stage.start()
    assert _ask(stage, add(stage.workspace / "new.txt", "x\n"), "k1").offers == ()
    assert _ask(stage, ToolAction(server="s", tool="t"), "k2").offers == ()


async def test_nothing_is_offered_while_the_policy_was_never_good(stage: Stage) -> None:
    stage.supervisor.settings.policy_path.write_text("broken = [\n")
    await stage.start()
    assert _ask(stage, "pytest", "k1").offers == ()


async def test_no_client_can_make_up_a_rule(stage: Stage) -> None:
    await stage.start()
    approval = _ask(stage, "pytest -q")
    other = _ask(stage, "make", "k2")
    for key, kind in (
        ("bash …", DecisionKind.ACCEPT),
        (other.offers[0].key, DecisionKind.ACCEPT),
        (approval.offers[0].key, DecisionKind.DECLINE),
        (approval.offers[0].key, DecisionKind.ACCEPT_FOR_SESSION),
    ):
        with pytest.raises(InvalidRequest):
            await stage.supervisor.decide(approval.id, kind, decided_by="x", remember=key)
    assert len(stage.waiting()) == 2
    assert not _file(stage).exists()
    assert stage.agent.answers == []


async def test_an_offer_that_a_switch_made_void_is_refused(stage: Stage) -> None:
    await stage.start()
    approval = _ask(stage, "pytest -q")
    policy = '[[rule]]\nname = "x"\nverdict = "ask"\nhard = true\ncommand = ["pytest …"]\n'
    stage.supervisor.settings.policy_path.write_text(policy)
    with pytest.raises(InvalidRequest, match="now"):
        await _remember(stage, approval)
    assert len(stage.waiting()) == 1


@pytest.mark.parametrize("text", ["nonsense = [\n", "version = 1\n", ""])
async def test_a_file_that_cannot_be_added_to_leaves_the_request_waiting(
    stage: Stage, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    approval = _ask(stage, "pytest -q")
    memory = stage.supervisor._sessions.policies.memory
    memory.path = stage.workspace.parent / "other.toml"
    memory.path.write_text(text)
    with pytest.raises(PolicyNotWritten, match=r"other\.toml"):
        await _remember(stage, approval)
    assert memory.path.read_text() == text
    assert len(stage.waiting()) == 1
    del monkeypatch
    await stage.supervisor.decide(approval.id, DecisionKind.ACCEPT, decided_by="x")


async def test_a_disk_that_takes_nothing_leaves_the_request_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    approval = _ask(stage, "pytest -q")

    def full(_path: Path, _text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(remembering, "replace_file", full)
    with pytest.raises(PolicyNotWritten, match="No space"):
        await _remember(stage, approval)
    assert len(stage.waiting()) == 1
    assert stage.agent.answers == []


async def test_a_write_that_hangs_has_an_end_and_writes_nothing_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    approval = _ask(stage, "pytest -q")
    goes_on, began = threading.Event(), threading.Event()
    real = remembering.read_remembered

    def slow(text: str, file: str) -> object:
        began.set()
        goes_on.wait(30)
        return real(text, file)

    monkeypatch.setattr(remembering, "read_remembered", slow)
    monkeypatch.setattr(remembering, "LIMIT", 0.2)
    with pytest.raises(PolicyNotWritten, match="longer"):
        await _remember(stage, approval)
    assert began.is_set()
    goes_on.set()
    lock = _file(stage).with_name("remembered.toml.lock")

    def released() -> None:
        with exclusive(lock, 30):
            pass

    await anyio.to_thread.run_sync(released)
    assert not _file(stage).exists()
    assert len(stage.waiting()) == 1


async def test_a_request_withdrawn_meanwhile_says_that_the_rule_stays(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    approval = _ask(stage, "pytest -q")
    real = Memory.add

    def add_then_withdraw(self: Memory, offer: Offer, **more: object) -> str:
        name = real(self, offer, **more)  # pyright: ignore[reportArgumentType]
        anyio.from_thread.run_sync(stage.agent.say, ApprovalWithdrawn("k1"))
        return name

    monkeypatch.setattr(Memory, "add", add_then_withdraw)
    with pytest.raises(ApprovalAlreadyResolved):
        await _remember(stage, approval)
    notice = await stage.view.saw(Notice)
    assert approval.offers[0].key in notice.message
    assert stage.agent.answers == []


async def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    memories = [Memory(tmp_path / "remembered.toml") for _ in range(4)]

    def write(number: int) -> None:
        offer = Offer("", "command", f"prog{number} …")
        memories[number % 4].add(offer, workspace=tmp_path, by="me")

    async with anyio.create_task_group() as tasks:
        for number in range(24):
            tasks.start_soon(anyio.to_thread.run_sync, write, number)
    rules = memories[0].all()
    assert {rule.pattern for rule in rules} == {f"prog{number} …" for number in range(24)}
    memories[0].forget([rule.name for rule in rules[::2]])
    assert memories[1].all() == rules[1::2]
    with pytest.raises(InvalidRequest, match=rules[0].name):
        memories[0].forget([rules[1].name, rules[0].name])
    assert listed((tmp_path / "remembered.toml").read_text()) == rules[1::2]


def test_a_lock_that_is_held_for_long_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "LOCK_LIMIT", 0.1)
    memory = Memory(tmp_path / "remembered.toml")
    with (
        exclusive(tmp_path / "remembered.toml.lock", 1),
        pytest.raises(AutopilotError, match="held"),
    ):
        memory.add(Offer("", "command", "a …"), workspace=tmp_path, by="me")
    assert memory.all() == ()
    assert memory.add(Offer("", "command", "a …"), workspace=tmp_path, by="me")
