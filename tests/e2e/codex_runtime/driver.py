"""What the tests of the Codex adapter share: a sink that remembers, and a session around it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import anyio
from pydantic import JsonValue, SecretStr

from autopilot_ls.model.approvals import Decision, DecisionKind, Mode
from autopilot_ls.model.events import Body, TurnCompleted
from autopilot_ls.runtimes.base import (
    AgentRuntime,
    OpenOptions,
    RuntimeApproval,
    RuntimeEvent,
    RuntimeMessage,
    ThreadOptions,
)
from autopilot_ls.runtimes.codex import CodexFactory
from autopilot_ls.scripted_model import ScriptedModel, codex_config
from autopilot_ls.settings.tree import CodexSettings

LIMIT = 30.0
T = TypeVar("T", bound=Body)


class Sink:
    """Remembers everything, and lets a test wait for what it expects."""

    def __init__(self) -> None:
        self.messages: list[RuntimeMessage] = []
        self.frames: list[tuple[str, bytes]] = []
        self.decide: Callable[[RuntimeApproval], Decision | None] = lambda _: None
        self.asked: list[RuntimeApproval] = []
        self._changed = anyio.Event()

    def record(self, direction: Literal["in", "out"], frames: Sequence[bytes]) -> int:
        first = len(self.frames) + 1
        self.frames += [(direction, bytes(frame)) for frame in frames]
        return first

    def deliver(self, batch: Sequence[RuntimeMessage]) -> None:
        self.messages += batch
        self._changed.set()

    def bodies(self, kind: type[T]) -> list[T]:
        return [
            each.body
            for each in self.messages
            if isinstance(each, RuntimeEvent) and isinstance(each.body, kind)
        ]

    def approvals(self) -> list[RuntimeApproval]:
        return [each for each in self.messages if isinstance(each, RuntimeApproval)]

    async def until(self, condition: Callable[[], bool], limit: float = LIMIT) -> None:
        """Wait until the condition holds; what happened meanwhile is told when it never does."""
        with anyio.move_on_after(limit):
            while not condition():
                changed = self._changed
                if changed.is_set():
                    changed = self._changed = anyio.Event()
                    if condition():
                        return
                await changed.wait()
            return
        told = "\n".join(repr(each)[:400] for each in self.messages[-25:])
        raise AssertionError(f"it did not happen within {limit} s; the last messages:\n{told}")


def accept(_: RuntimeApproval) -> Decision:
    return Decision(kind=DecisionKind.ACCEPT, decided_by="test")


def decline(_: RuntimeApproval) -> Decision:
    return Decision(kind=DecisionKind.DECLINE, decided_by="test")


@dataclass
class Session:
    """A running Codex with a thread, as the supervisor would have it."""

    runtime: AgentRuntime
    sink: Sink
    options: ThreadOptions
    thread_id: str = ""
    asked: list[RuntimeApproval] = field(default_factory=list[RuntimeApproval])

    async def turn(
        self,
        text: str = "go",
        decide: Callable[[RuntimeApproval], Decision] | None = None,
    ) -> TurnCompleted:
        """Run a turn to its end, deciding on what is asked."""
        ended = len(self.sink.bodies(TurnCompleted))
        asked = len(self.sink.approvals())
        await self.runtime.start_turn(text, self.options)

        def moved(seen: int) -> bool:
            more = decide is not None and len(self.sink.approvals()) > seen
            return more or len(self.sink.bodies(TurnCompleted)) > ended

        while True:
            await self.sink.until(partial(moved, asked))
            if decide is not None and len(self.sink.approvals()) > asked:
                approval = self.sink.approvals()[asked]
                asked += 1
                await self.runtime.answer(approval.key, decide(approval))
                continue
            return self.sink.bodies(TurnCompleted)[-1]

    async def approval(self, count: int = 1) -> RuntimeApproval:
        """Wait for the approval with this number."""
        await self.sink.until(lambda: len(self.sink.approvals()) >= count)
        return self.sink.approvals()[count - 1]

    async def end(self) -> TurnCompleted:
        """Wait for the end of a turn."""
        await self.sink.until(lambda: bool(self.sink.bodies(TurnCompleted)))
        return self.sink.bodies(TurnCompleted)[-1]


def merged(base: Mapping[str, JsonValue], extra: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    result = dict(base)
    for name, value in extra.items():
        before = result.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            result[name] = merged(before, value)
        else:
            result[name] = value
    return result


def settings_for(
    model: ScriptedModel, home: Path, config: Mapping[str, JsonValue] | None = None
) -> CodexSettings:
    command = os.environ.get("AUTOPILOT_TEST_CODEX")
    base: dict[str, JsonValue] = codex_config(model)  # pyright: ignore[reportAssignmentType]
    return CodexSettings(
        command=(command,) if command else (),
        home=home,
        # Codex does without its sandboxed terminals where its folder lies in the temporary one.
        env={"TMPDIR": SecretStr(str(home.parent / "tmp"))},
        config=merged(base, config or {}),
    )


@asynccontextmanager
async def codex(
    model: ScriptedModel,
    tmp_path: Path,
    *,
    mode: Mode = Mode.PROPOSE,
    config: Mapping[str, JsonValue] | None = None,
    resume: str | None = None,
    sink: Sink | None = None,
) -> AsyncGenerator[Session]:
    """Start Codex with a thread in `tmp_path/work`, its folder being `tmp_path/home`."""
    home, work, private = tmp_path / "home", tmp_path / "work", tmp_path / "private"
    for folder in (home, work, private, tmp_path / "tmp"):
        folder.mkdir(exist_ok=True)
    sink = sink or Sink()
    factory = CodexFactory(settings_for(model, home, config))
    async with factory.open(OpenOptions(work, private, dict(os.environ)), sink) as runtime:
        session = Session(runtime, sink, ThreadOptions(work, mode))
        if resume is None:
            info = await runtime.start_thread(session.options)
        else:
            info = await runtime.resume_thread(resume, session.options)
        session.thread_id = info.thread_id
        yield session
