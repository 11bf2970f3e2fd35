"""What happens at the same time: deciding, withdrawing, interrupting, switching modes, dying, closing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.abc
import pytest

from autopilot_ls.edits import check as check_module
from autopilot_ls.model.approvals import (
    ChangeKind,
    Decision,
    DecisionKind,
    Mode,
    PatchAction,
    ProposedChange,
)
from autopilot_ls.model.errors import (
    AgentDied,
    ApprovalAlreadyResolved,
    AutopilotError,
    DecisionRefused,
)
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    Event,
    FilesSettled,
    GrantAdded,
    RuntimeExited,
    TurnStatus,
)
from autopilot_ls.runtimes.base import (
    ApprovalWithdrawn,
    RuntimeEvent,
    ThreadInfo,
    ThreadOptions,
)
from autopilot_ls.supervisor.supervisor import Supervisor
from tests.support.watcher import Watcher
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.played_runtime import PlayedRuntime, command, update

ACCEPT, DECLINE, CANCEL = DecisionKind.ACCEPT, DecisionKind.DECLINE, DecisionKind.CANCEL


@dataclass
class Gate:
    """A place in a worker thread at which the test holds it."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    async def wait_reached(self) -> None:
        assert await anyio.to_thread.run_sync(self.reached.wait, 5)

    def through(self) -> None:
        self.reached.set()
        assert self.opened.wait(10)


@pytest.fixture
def slow_check(monkeypatch: pytest.MonkeyPatch) -> Generator[Gate]:
    gate = Gate()

    def check(*args: object, **named: object) -> object:
        gate.through()
        return check_module.check_acceptable(*args, **named)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr("autopilot_ls.supervisor.patches.check_acceptable", check)
    yield gate
    gate.opened.set()


async def _outcome(stage: Stage, approval_id: str, outcomes: list[object]) -> None:
    try:
        outcomes.append(await stage.supervisor.decide(approval_id, ACCEPT, decided_by="me"))
    except AutopilotError as error:
        outcomes.append(error)


async def _while_checked(stage: Stage, gate: Gate, act: Callable[[], object]) -> list[object]:
    """Accept the one waiting patch, and do something while the disk is being looked at."""
    outcomes = list[object]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_outcome, stage, stage.waiting()[0].id, outcomes)
        await gate.wait_reached()
        act()
        gate.opened.set()
    return outcomes


def _patched(stage: Stage) -> Path:
    file = stage.workspace / "a"
    file.write_text("a\n")
    stage.agent.ask(update(file, "a", "b"))
    return file


def _resolutions(view: Watcher) -> list[ApprovalResolved]:
    return [e.body for e in view.events if isinstance(e.body, ApprovalResolved)]


async def test_a_request_withdrawn_while_an_accept_is_checked_is_cancelled(
    stage: Stage, slow_check: Gate
) -> None:
    await stage.start()
    _patched(stage)
    outcomes = await _while_checked(
        stage, slow_check, lambda: stage.agent.say(ApprovalWithdrawn("k1"))
    )
    assert isinstance(outcomes[0], ApprovalAlreadyResolved)
    assert stage.waiting() == ()
    assert stage.agent.answers == []
    assert [r.decision.kind for r in _resolutions(stage.view)] == [CANCEL]


async def test_an_interrupt_overtakes_an_accept_that_is_checked(
    stage: Stage, slow_check: Gate
) -> None:
    await stage.start()
    _patched(stage)
    outcomes = list[object]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_outcome, stage, stage.waiting()[0].id, outcomes)
        await slow_check.wait_reached()
        await stage.supervisor.interrupt(stage.session_id, "other")
        slow_check.opened.set()
    assert isinstance(outcomes[0], ApprovalAlreadyResolved)
    assert [(key, d.kind) for key, d in stage.agent.answers] == [("k1", CANCEL)]


async def test_a_mode_that_denies_stops_an_accept_that_is_checked(
    stage: Stage, slow_check: Gate
) -> None:
    await stage.start()
    agent = stage.agent
    agent.fit = "same"
    _patched(stage)
    outcomes = list[object]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_outcome, stage, stage.waiting()[0].id, outcomes)
        await slow_check.wait_reached()
        await stage.supervisor.set_mode(Mode.READ_ONLY, session_id=stage.session_id, changed_by="x")
        slow_check.opened.set()
    assert isinstance(outcomes[0], DecisionRefused)
    assert [d.kind for _, d in await agent.answered(1)] == [DECLINE]
    assert [r.decision.kind for r in _resolutions(stage.view)] == [DECLINE]


async def test_a_mode_that_denies_stops_what_the_policy_was_about_to_allow(stage: Stage) -> None:
    await stage.start()
    agent = stage.agent
    stage.agent.ask(command("make", stage.workspace))
    await stage.supervisor.decide(
        stage.waiting()[0].id, DecisionKind.ACCEPT_FOR_SESSION, decided_by="me"
    )
    await stage.view.saw(GrantAdded)
    stage.agent.ask(command("make", stage.workspace), key="k2")
    await stage.supervisor.set_mode(Mode.READ_ONLY, session_id=stage.session_id, changed_by="x")
    assert (await agent.answered(2))[1][1].kind is DECLINE


async def test_a_mode_that_allows_accepts_what_waits_and_names_the_rule(stage: Stage) -> None:
    await stage.start()
    _patched(stage)
    stage.agent.ask(command("frobnicate", stage.workspace), key="k2")
    await stage.supervisor.set_mode(Mode.AUTO, session_id=stage.session_id, changed_by="x")
    ((key, decision),) = await stage.agent.answered(1)
    assert (key, decision.kind, decision.decided_by) == ("k1", ACCEPT, "policy")
    assert "rule edit-workspace of built-in rules" in decision.message
    assert "in the mode auto" in decision.message
    # What no rule allows goes on waiting for the person.
    assert [a.native_key for a in stage.waiting()] == ["k2"]


async def test_a_decline_that_the_new_mode_no_longer_wants_is_not_sent(stage: Stage) -> None:
    await stage.start()
    await stage.supervisor.set_mode(Mode.READ_ONLY, session_id=stage.session_id, changed_by="x")
    session = stage.supervisor.set_mode(Mode.PROPOSE, session_id=stage.session_id, changed_by="x")
    stage.agent.ask(command("make", stage.workspace))
    await session
    await anyio.wait_all_tasks_blocked()
    assert [a.native_key for a in stage.waiting()] == ["k1"]
    assert stage.agent.answers == []


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.ESCALATE])
async def test_what_rules_allow_goes_and_the_rest_waits_or_is_denied(
    stage: Stage, mode: Mode
) -> None:
    await stage.supervisor.set_mode(mode, session_id=None, changed_by="x")
    await stage.start()
    _patched(stage)
    stage.agent.ask(command("git push", stage.workspace), key="k2")
    escalated = command("make", stage.workspace).model_copy(update={"escalated": True})
    stage.agent.ask(escalated, key="k3")
    answers = dict(await stage.agent.answered(2))
    assert {key: d.kind for key, d in answers.items()} == {"k1": ACCEPT, "k3": DECLINE}
    assert {d.decided_by for d in answers.values()} == {"policy"}
    (waiting,) = stage.waiting()
    assert (waiting.native_key, waiting.verdict.rule, waiting.verdict.risk) == (
        "k2",
        "publishing",
        "high",
    )


async def test_an_allow_of_high_risk_waits_for_a_person_in_escalate(stage: Stage) -> None:
    policy = stage.workspace.parent / "policy.toml"
    policy.write_text(
        'version = 1\n[[rule]]\nname = "deploy"\nverdict = "allow"\ncommand = ["deploy …"]\n'
        'risk = "high"\nreason = "Mine."\n'
    )
    await stage.start()
    await stage.supervisor.set_mode(Mode.ESCALATE, session_id=stage.session_id, changed_by="x")
    stage.agent.ask(command("deploy now", stage.workspace))
    await anyio.wait_all_tasks_blocked()
    (waiting,) = stage.waiting()
    assert (waiting.verdict.rule, waiting.verdict.risk) == ("deploy", "high")
    await stage.supervisor.set_mode(Mode.AUTO, session_id=stage.session_id, changed_by="x")
    assert [d.kind for _, d in await stage.agent.answered(1)] == [ACCEPT]


async def test_a_grant_taken_back_at_the_last_moment_no_longer_allows(stage: Stage) -> None:
    await stage.start()
    stage.agent.ask(command("make", stage.workspace))
    await stage.supervisor.decide(
        stage.waiting()[0].id, DecisionKind.ACCEPT_FOR_SESSION, decided_by="me"
    )
    await stage.view.saw(GrantAdded)
    grant = stage.supervisor.snapshot(stage.session_id).grants[0]
    stage.agent.ask(command("make", stage.workspace), key="k2")
    stage.supervisor.revoke_grant(stage.session_id, grant.id)
    await anyio.wait_all_tasks_blocked()
    assert [a.native_key for a in stage.waiting()] == ["k2"]
    assert len(stage.agent.answers) == 1


class _Eager(Watcher):
    """A client that accepts whatever it hears of, at once."""

    supervisor: Supervisor
    tasks: anyio.abc.TaskGroup

    def events_applied(self, session_id: str, events: Sequence[Event]) -> None:
        super().events_applied(session_id, events)
        for event in events:
            if isinstance(event.body, ApprovalRequested):
                self.tasks.start_soon(self._accept, event.body.approval.id)

    async def _accept(self, approval_id: str) -> None:
        try:
            await self.supervisor.decide(approval_id, ACCEPT, decided_by="eager")
        except AutopilotError:
            return


async def test_no_client_is_fast_enough_to_accept_what_the_policy_denies(stage: Stage) -> None:
    await stage.start()
    await stage.supervisor.set_mode(Mode.READ_ONLY, session_id=stage.session_id, changed_by="me")
    async with anyio.create_task_group() as tasks:
        eager = _Eager()
        eager.supervisor, eager.tasks = stage.supervisor, tasks
        stage.supervisor.attach(eager)
        stage.agent.ask(command("make", stage.workspace))
        await stage.agent.answered(1)
    assert [(d.kind, d.decided_by) for _, d in stage.agent.answers] == [(DECLINE, "policy")]


async def test_a_check_that_never_ends_refuses_and_leaves_the_approval_waiting(
    stage: Stage, slow_check: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autopilot_ls.supervisor.patches.DISK_LIMIT", 0.05)
    await stage.start()
    _patched(stage)
    with anyio.fail_after(5), pytest.raises(DecisionRefused, match="in time"):
        await stage.supervisor.decide(stage.waiting()[0].id, ACCEPT, decided_by="me")
    slow_check.opened.set()
    await stage.supervisor.decide(stage.waiting()[0].id, DECLINE, decided_by="me")


async def test_an_answer_never_reaches_another_process_that_uses_the_same_key(
    stage: Stage,
) -> None:
    await stage.start()
    stage.agent.ask(command("make", stage.workspace))
    first = stage.agent
    record = stage.supervisor._sessions[stage.session_id].record
    original, gone = record.sync, anyio.Event()

    async def slow_sync() -> None:
        record.sync = original
        await gone.wait()

    record.sync = slow_sync
    outcomes = list[object]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_outcome, stage, stage.waiting()[0].id, outcomes)
        await anyio.wait_all_tasks_blocked()
        first.say(RuntimeEvent(RuntimeExited(expected=False, code=1)))
        await stage.start("again")
        stage.agent.ask(command("rm -r build", stage.workspace))
        gone.set()
    assert stage.agent is not first
    assert isinstance(outcomes[0], AgentDied)
    assert stage.agent.answers == []
    assert len(stage.waiting()) == 1


async def test_an_agent_that_does_not_take_answers_cannot_hold_up_an_interrupt(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autopilot_ls.supervisor.answering.CANCEL_GRACE", 0.05)
    released = anyio.Event()

    async def stuck(_self: PlayedRuntime, _key: str, _decision: Decision) -> None:
        with anyio.CancelScope(shield=True):
            await released.wait()

    monkeypatch.setattr(PlayedRuntime, "answer", stuck)
    await stage.start()
    for number in range(3):
        stage.agent.ask(command(f"make {number}", stage.workspace), key=f"k{number}")
    with anyio.fail_after(3):
        await stage.supervisor.interrupt(stage.session_id, "me")
    assert stage.waiting() == ()
    with anyio.fail_after(3):
        await stage.supervisor.close_session(stage.session_id)
    released.set()


async def test_a_large_patch_is_looked_at_beside_the_event_loop(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    from autopilot_ls.supervisor import patches

    original = patches.file_changes

    def slow(*args: object, **named: object) -> object:
        assert threading.current_thread() is not threading.main_thread()
        gate.through()
        return original(*args, **named)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr("autopilot_ls.supervisor.patches.file_changes", slow)
    await stage.start()
    try:
        text = "x\n" * 1_000_000
        changes = (
            ProposedChange(
                path=str(stage.workspace / "new"), kind=ChangeKind.ADD, form="content", text=text
            ),
        )
        stage.agent.ask(PatchAction(changes=changes))
        stage.agent.ask(PatchAction(changes=changes), key="k2", item_id="i2")
        await gate.wait_reached()
        stage.agent.say(ApprovalWithdrawn("k1"))
        assert [r.decision.kind for r in _resolutions(stage.view)] == [CANCEL]
    finally:
        gate.opened.set()
    await stage.view.saw(ApprovalRequested, 2)
    (approval,) = stage.waiting()
    assert approval.native_key == "k2"
    await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me")
    assert [key for key, _ in stage.agent.answers] == ["k2"]


async def test_a_large_patch_on_its_way_is_cancelled_by_an_interrupt(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(
        "autopilot_ls.supervisor.patches.file_changes", lambda *_args, **_named: gate.through()
    )
    await stage.start()
    try:
        changes = (
            ProposedChange(
                path=str(stage.workspace / "new"),
                kind=ChangeKind.ADD,
                form="content",
                text="x\n" * 1_000_000,
            ),
        )
        stage.agent.ask(PatchAction(changes=changes))
        await gate.wait_reached()
        await stage.supervisor.interrupt(stage.session_id, "me")
    finally:
        gate.opened.set()
    assert [(key, d.kind) for key, d in stage.agent.answers] == [("k1", CANCEL)]
    assert stage.waiting() == ()


async def test_a_patch_whose_turn_ends_without_a_report_is_settled(stage: Stage) -> None:
    await stage.start()
    file = _patched(stage)
    await stage.supervisor.decide(stage.waiting()[0].id, ACCEPT, decided_by="me")
    file.write_text("b\n")
    stage.agent.end_turn(TurnStatus.INTERRUPTED)
    settled = await stage.view.saw(FilesSettled)
    assert settled.outcome == "applied"


async def test_a_patch_that_nothing_is_known_of_is_not_accepted(stage: Stage) -> None:
    await stage.start()
    _patched(stage)
    stage.supervisor._sessions[stage.session_id]._patches.forget(stage.waiting()[0].id)
    with pytest.raises(DecisionRefused):
        await stage.supervisor.decide(stage.waiting()[0].id, ACCEPT, decided_by="me")


async def test_a_turn_interrupted_while_it_is_started_ends(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    stage.agent.end_turn()
    going, go = anyio.Event(), anyio.Event()
    original = PlayedRuntime.start_turn

    async def slow(
        self: PlayedRuntime, text: str, options: ThreadOptions, images: Sequence[str]
    ) -> str:
        going.set()
        await go.wait()
        return await original(self, text, options, images)

    monkeypatch.setattr(PlayedRuntime, "start_turn", slow)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.start, "again")
        await going.wait()
        tasks.start_soon(stage.supervisor.interrupt, stage.session_id, "me")
        await anyio.wait_all_tasks_blocked()
        go.set()
    snapshot = stage.supervisor.snapshot(stage.session_id)
    assert snapshot.turns[-1].status is TurnStatus.INTERRUPTED


async def test_a_turn_interrupted_while_its_agent_comes_up_never_begins(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, go = anyio.Event(), anyio.Event()

    async def slow(_self: PlayedRuntime, _options: ThreadOptions) -> ThreadInfo:
        going.set()
        await go.wait()
        return ThreadInfo("thread", "model", "started")

    monkeypatch.setattr(PlayedRuntime, "start_thread", slow)
    failures = list[AutopilotError]()

    async def start() -> None:
        try:
            await stage.start()
        except AutopilotError as error:
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start)
        await going.wait()
        tasks.start_soon(stage.supervisor.interrupt, stage.supervisor.live_sessions()[0], "me")
        await anyio.wait_all_tasks_blocked()
        go.set()
    assert [error.code for error in failures] == ["no-active-turn"]
    assert stage.agent.turns == 0
