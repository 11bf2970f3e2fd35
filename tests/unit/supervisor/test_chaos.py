"""Clients, agent and crashes at random: whatever the order, the promises of the supervisor hold."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable

import anyio
import pytest

from autopilot_ls.model.approvals import DecisionKind, Mode
from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    FilesSettled,
    RuntimeExited,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.model.state import SessionState
from autopilot_ls.runtimes.base import ApprovalWithdrawn, RuntimeEvent
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.played_runtime import command, update

STEPS = 60


class _Chaos:
    """Does random things to one session, without waiting for what it began."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.random = random.Random(seed)
        self.asked = 0
        self.file = stage.workspace / "a"
        self.file.write_text("a\n")

    async def _quietly(self, call: Callable[[], Awaitable[object]]) -> None:
        try:
            await call()
        except AutopilotError:
            return

    def ask(self) -> None:
        stage = self.stage
        self.asked += 1
        action = self.random.choice(
            [
                command("make", stage.workspace),
                command("ls", stage.workspace),
                update(self.file, "a", "b"),
            ]
        )
        stage.agent.ask(action, key=f"k{self.asked}", item_id=f"i{self.asked}")

    async def decide(self) -> None:
        waiting = self.stage.waiting()
        if waiting:
            approval = self.random.choice(waiting)
            kind = self.random.choice(list(DecisionKind))
            await self.stage.supervisor.decide(approval.id, kind, decided_by="me")

    def withdraw(self) -> None:
        self.stage.agent.say(ApprovalWithdrawn(f"k{self.random.randint(1, self.asked + 1)}"))

    def report(self) -> None:
        self.stage.agent.patch_done(item_id=f"i{self.random.randint(1, self.asked + 1)}")

    def end(self) -> None:
        if self.stage.supervisor.snapshot(self.stage.session_id).active_turn is not None:
            self.stage.agent.end_turn()

    def die(self) -> None:
        self.stage.agent.say(RuntimeEvent(RuntimeExited(expected=False, code=1)))

    async def interrupt(self) -> None:
        await self.stage.supervisor.interrupt(self.stage.session_id, "me")

    async def mode(self) -> None:
        await self.stage.supervisor.set_mode(
            self.random.choice([Mode.PROPOSE, Mode.READ_ONLY]),
            session_id=self.stage.session_id,
            changed_by="me",
        )

    async def start(self) -> None:
        await self.stage.start("go on")

    async def close(self) -> None:
        await self.stage.supervisor.close_session(self.stage.session_id)

    async def resume(self) -> None:
        await self.stage.supervisor.resume(self.stage.session_id)

    async def run(self) -> None:
        stage = self.stage
        mine = [self.ask, self.ask, self.ask, self.withdraw, self.report, self.end, self.die]
        theirs = [self.decide] * 4 + [self.interrupt, self.mode, self.start, self.start]
        theirs += [self.close, self.resume]
        async with anyio.create_task_group() as tasks:
            for _ in range(STEPS):
                agent_lives = (
                    stage.session_id in stage.supervisor.live_sessions()
                    and stage.supervisor.snapshot(stage.session_id).active_turn is not None
                    and len(stage.factory.runtimes) > stage.factory.closed
                )
                if agent_lives and self.random.random() < 0.5:
                    self.random.choice(mine)()
                else:
                    tasks.start_soon(self._quietly, self.random.choice(theirs))
                for _ in range(self.random.choice([0, 0, 1, 3, 10])):
                    await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("seed", range(25))
async def test_the_promises_hold_in_any_order(stage: Stage, seed: int) -> None:
    await stage.start()
    chaos = _Chaos(stage, seed)
    with anyio.fail_after(20):
        await chaos.run()
        await chaos._quietly(chaos.close)
    events = list(stage.supervisor.store.read_events(stage.session_id))
    assert events == stage.view.events

    # One decision for each request, and never more than one answer of an agent's request.
    asked = [e.body.approval for e in events if isinstance(e.body, ApprovalRequested)]
    resolved = [e.body for e in events if isinstance(e.body, ApprovalResolved)]
    assert sorted(a.id for a in asked) == sorted(r.approval_id for r in resolved)
    assert len(asked) == chaos.asked
    decided = {r.approval_id: r.decision.kind for r in resolved}
    by_key = {a.native_key: decided[a.id] for a in asked}
    answers = [answer for runtime in stage.factory.runtimes for answer in runtime.answers]
    assert max(Counter(key for key, _ in answers).values(), default=0) <= 1
    assert all(by_key[key] is decision.kind for key, decision in answers)

    # Nothing was accepted while the mode denied it, and every accepted patch was looked at.
    state = SessionState(stage.session_id)
    for event in events:
        body = event.body
        if isinstance(body, ApprovalResolved) and body.decision.kind.accepts:
            reads = getattr(state.pending[body.approval_id].action, "command", "") == "ls"
            assert reads or state.mode is Mode.PROPOSE
        state.apply(event)
    assert (state.pending, state.unsettled, state.alive) == ({}, {}, False)
    assert state.active_turn_id is None
    assert state.status != TurnStatus.IN_PROGRESS
    kinds = Counter(type(event.body) for event in events)
    assert kinds[TurnStarted] == kinds[TurnCompleted]
    assert kinds[FilesSettled] == sum(
        decided[a.id].accepts for a in asked if a.action.type == "patch"
    )
    stage.supervisor.store.open(stage.session_id).close()
