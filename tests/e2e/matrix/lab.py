"""What the tests of the matrix share: a supervisor under a configuration of Codex, and what is tried there.

Not aware of which configurations there are; `configurations` and `witness` stand below.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from autopilot_ls.model.approvals import Approval, DecisionKind, Mode, Outcome
from autopilot_ls.model.errors import AgentNotSafe, DecisionRefused
from autopilot_ls.model.events import ItemCompleted, Notice, TurnStatus
from autopilot_ls.model.items import AgentMessage
from autopilot_ls.scripted_model import (
    JsonObject,
    Output,
    ScriptedModel,
    command,
    message,
    patch,
    tool_call,
)
from tests.e2e.matrix.configurations import Configuration, marks, tool_server, user_config
from tests.e2e.matrix.witness import Witness
from tests.support.staged import Staged, supervised, until
from tests.support.world import World, world

ACCEPT, DECLINE = DecisionKind.ACCEPT, DecisionKind.DECLINE
TOOLS: Final = ("looks", "harmless", "plain")
LEFT_TO_PERSON: Final = 2.0
"""Seconds after which what the policy has not decided is left to a person."""

Decide = Callable[[Approval], DecisionKind]


def accept(_: Approval) -> DecisionKind:
    return ACCEPT


def decline(_: Approval) -> DecisionKind:
    return DECLINE


def never(approval: Approval) -> DecisionKind:
    raise AssertionError(f"A person was asked: {approval}")


@dataclass
class Lab:
    """A running supervisor under a configuration, and the witness of what its agent does."""

    stage: Staged
    witness: Witness
    configuration: Configuration
    played: int = 0

    @property
    def here(self) -> World:
        return self.stage.world

    def attempts(self, who: str) -> tuple[list[Output], set[str]]:
        """Return one call of each kind, and their names; the effect of each bears its name."""
        outside = self.here.root / "outside"

        def added(name: str) -> str:
            return f"*** Begin Patch\n*** Add File: {name}\n+x\n*** End Patch\n"

        def named(kind: str) -> str:
            return f"{who}-{kind}"

        line = f"apply_patch <<'EOF'\n{added(named('heredoc'))}EOF\n"
        escaping = f"touch {outside / named('escalated')}"
        calls = {
            "touch": lambda name: command(f"touch {name}", call_id=name),
            "outside": lambda name: command(f"touch {outside / name}", call_id=name),
            "escalated": lambda name: command(
                escaping, call_id=name, escalate=True, prefix_rule=["touch"]
            ),
            "patch": lambda name: patch(added(name), call_id=name),
            "elsewhere": lambda name: patch(added(str(outside / name)), call_id=name),
            "heredoc": lambda name: command(line, call_id=name),
        }
        for server in self.servers():
            for tool in TOOLS:
                calls[f"{server}-{tool}"] = partial(self.use, server, tool)
        names = [named(kind) for kind in calls]
        made = [make(name) for name, make in zip(names, calls.values(), strict=True)]
        return made, set(names)

    def use(self, server: str, tool: str, name: str) -> Output:
        """Return the call of a server's tool."""
        arguments: JsonObject = {"path": str(self.here.workspace / name)}
        namespace = f"{self.configuration.prefix}{server}"
        return tool_call(tool, arguments, namespace=namespace, call_id=name)

    def servers(self) -> list[str]:
        """Return the names of the servers with tools that the user configured."""
        configured = (self.here.codex_home / "config.toml").read_text()
        return [name for name in ("tools", "approved", "each") if f"_servers.{name}]" in configured]

    async def play(self, mode: Mode, decide: Decide, *, sub_agent: bool = True) -> set[str]:
        """Let the model, and a sub-agent of it, try everything in one turn.

        Returns:
            The names of all that was tried.
        """
        self.played += 1
        who = f"main{self.played}"
        script, names = self.attempts(who)
        ended = f"end of {who}"
        # One at a time: what is said into a turn makes Codex drop the rest of a response.
        steps = [*script, message(ended)]
        if sub_agent:
            child, more = self.attempts(f"kid{self.played}")
            self.model(f"KID{self.played}", *child, message(f"end of kid{self.played}"))
            steps.insert(0, self.spawn())
            names |= more
        self.model("MAIN", *steps)
        await self.run(mode, decide, ended)
        if sub_agent:
            await self.judge(decide, lambda: self.said(f"end of kid{self.played}"))
        return names

    def spawn(self) -> Output:
        """Return the call that starts a sub-agent."""
        arguments: JsonObject = {"message": f"KID{self.played} go"}
        if self.configuration.generation == 2:
            arguments |= {"task_name": f"kid{self.played}", "fork_turns": "none"}
            return tool_call("spawn_agent", arguments, namespace="collaboration")
        return tool_call("spawn_agent", arguments, namespace="multi_agent_v1")

    def model(self, marker: str, *steps: object) -> None:
        self.stage.model.extend(*steps, marker=marker)  # pyright: ignore[reportArgumentType]

    def said(self, text: str) -> bool:
        """Tell whether an agent has said this."""
        return any(
            isinstance(each.item, AgentMessage) and each.item.text == text
            for each in self.stage.view.all(ItemCompleted)
        )

    async def run(self, mode: Mode, decide: Decide, ended: str) -> None:
        session = self.stage.session_id or None
        await self.stage.start("MAIN go", session_id=session, mode=mode)
        turns = self.played
        await self.judge(decide, lambda: self.said(ended))
        assert (await self.stage.ended(turns)).status is TurnStatus.COMPLETED

    async def judge(self, decide: Decide, done: Callable[[], bool]) -> None:
        """Decide on what is asked, until something is so; nothing may happen before it is decided."""

        def asked() -> list[Approval]:
            waiting = self.stage.supervisor.approvals(self.stage.session_id)
            return [each for each in waiting if _is_for_a_person(each)]

        while True:
            # Time alone makes an approval one for a person, so it is looked at again and again.
            await until(lambda: done() or bool(asked() or self.alarms()), timeout=60)
            self.check()
            for approval in asked():
                try:
                    await self.stage.decide(approval, decide(approval))
                except DecisionRefused:
                    # What a person cannot accept, such as a patch outside of the workspace.
                    await self.stage.decide(approval, DECLINE)
            if done() and not asked():
                return

    def check(self) -> None:
        """Check that nothing has happened that was not accepted before."""
        events = self.stage.view.events
        assert self.witness.unjudged(events) == []
        assert self.alarms() == []

    def alarms(self) -> list[Notice]:
        """Return what Autopilot itself noticed of Codex acting unjudged."""
        return [each for each in self.stage.view.all(Notice) if each.code == AgentNotSafe.code]


def _is_for_a_person(approval: Approval) -> bool:
    """Tell whether the policy asks, or allowed what cannot be accepted, which is then left to a person."""
    left = time.time() - approval.requested_at > LEFT_TO_PERSON
    return approval.verdict.outcome is Outcome.ASK or left


@asynccontextmanager
async def lab(configuration: Configuration, policy: str = "") -> AsyncGenerator[Lab]:
    """Run a supervisor in a world where Codex is configured in this way.

    Args:
        configuration: What is configured, besides a server whose tools claim to be harmless.
        policy: The user's own policy.
    """
    with ScriptedModel({"MAIN": []}) as model, world(model) as here:
        outside = here.root / "outside"
        outside.mkdir()
        configuration.write(here)
        user_config(here, tool_server("tools"))
        if policy:
            (here.root / "policy.toml").write_text(policy)
        async with supervised(here, model) as stage:
            witness = Witness.of((here.workspace, outside, marks(here)))
            yield Lab(stage, witness, configuration)
