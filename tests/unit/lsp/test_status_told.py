"""The status as clients are told it: one that comes later ends with what one from the start has."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autopilot_ls.model.approvals import CommandAction, Mode
from autopilot_ls.model.events import (
    Body,
    Compacted,
    ItemCompleted,
    ItemStarted,
    ModeChanged,
    Notice,
    PlanUpdated,
    RuntimeExited,
    RuntimeStarted,
    SessionTitled,
    SubAgentOpened,
    TextDelta,
    TokensUsed,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.model.items import (
    AgentMessage,
    CommandExecution,
    ItemStatus,
    PlanStep,
    TokenUsage,
)
from tests.protocol.client import FULL, until
from tests.unit.lsp.stand_in import SESSION, Editor, approval_of, standing_in

OPTED_IN = {**FULL, "experimental": {"autopilot": {"events": False}}}
CLOCK = ("seq", "elapsed", "age")
NAMES = st.sampled_from(["a", "b", "c"])

BODIES: st.SearchStrategy[Body] = st.one_of(
    st.just(TurnStarted()),
    st.builds(lambda status: TurnCompleted(status=status), st.sampled_from(TurnStatus)),
    st.builds(lambda name: ItemStarted(item=CommandExecution(id=name, command=name)), NAMES),
    st.builds(
        lambda name: ItemCompleted(
            item=CommandExecution(id=name, command=name, status=ItemStatus.COMPLETED)
        ),
        NAMES,
    ),
    st.builds(lambda name: ItemStarted(item=AgentMessage(id=f"m{name}")), NAMES),
    st.builds(
        lambda name, text: TextDelta(item_id=name, field="output", text=text),
        NAMES,
        st.sampled_from(["one\n", "\r50 %", "\x1b[31m", "more"]),
    ),
    st.builds(lambda text: SessionTitled(title=text), NAMES),
    st.builds(lambda text: SubAgentOpened(name=text), NAMES),
    st.builds(lambda text: Notice(severity="warning", code="w", message=text), NAMES),
    st.builds(lambda text: PlanUpdated(steps=(PlanStep(step=text, status="pending"),)), NAMES),
    st.builds(
        lambda number: TokensUsed(usage=TokenUsage(total_tokens=number)), st.integers(0, 10**6)
    ),
    st.builds(lambda mode: ModeChanged(mode=mode, changed_by="x"), st.sampled_from(Mode)),
    st.just(Compacted()),
    st.just(RuntimeStarted(runtime="codex", version="1", pid=1)),
    st.just(RuntimeExited(expected=False)),
)


class Display:
    """What a client shows: a snapshot, and whatever is told later and is not older."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.first = 0
        self.shown: dict[str, Any] = {}

    async def connect(self) -> None:
        result: Any = await self.editor.connection.execute("autopilot.status", [{}])
        for view in result["sessions"]:
            self.take(view)

    def take(self, view: dict[str, Any]) -> None:
        if view["seq"] >= self.shown.get("seq", 0):
            self.shown = view

    def read(self) -> dict[str, Any]:
        told = self.editor.sent("autopilot/status")
        for params in told[self.first :]:
            self.take(params["status"])
        self.first = len(told)
        pending = [{**each, "age": 0} for each in self.shown.get("pending", ())]
        shown = {name: value for name, value in self.shown.items() if name not in CLOCK}
        return {**shown, "pending": pending}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(BODIES, min_size=1, max_size=4), min_size=1, max_size=12), st.integers(0))
def test_a_client_that_comes_at_any_moment_ends_with_the_same_view(
    batches: list[list[Body]], moment: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_play(Path(folder), batches, moment % (len(batches) + 1)))


async def _play(folder: Path, batches: list[list[Body]], moment: int) -> None:
    async with standing_in(folder) as place:
        first = Display(place.editor(capabilities=OPTED_IN))
        await first.connect()
        second: Display | None = None
        for number, batch in enumerate([*batches, []]):
            if number == moment:
                second = Display(place.editor(capabilities=OPTED_IN))
                joining = asyncio.ensure_future(second.connect())
                await asyncio.sleep(0)
                place.backend.emit(*batch)
                await joining
            elif batch:
                place.backend.emit(*batch)
            # Now and then a frame falls between two batches.
            await asyncio.sleep(0.02 if number % 3 == 0 else 0)
        assert second is not None
        fresh = Display(place.editor(capabilities=OPTED_IN))
        await fresh.connect()
        wanted = fresh.read()
        for display in (first, second):
            await until(lambda display=display: display.read() == wanted, limit=10)
        seqs = [p["status"]["seq"] for p in first.editor.sent("autopilot/status")]
        assert seqs == sorted(seqs)


async def test_what_is_urgent_is_told_within_a_frame_and_the_clock_is_no_news(
    tmp_path: Path,
) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor(capabilities=OPTED_IN)
        place.backend.emit(TurnStarted(), ItemStarted(item=AgentMessage(id="m")))
        await until(lambda: bool(editor.sent("autopilot/status")))
        told = len(editor.sent("autopilot/status"))
        for _ in range(5):
            place.backend.emit(TextDelta(item_id="m", field="text", text="nothing to see here"))
            await asyncio.sleep(0.05)
        assert len(editor.sent("autopilot/status")) == told
        assert not editor.sent("autopilot/event"), "this client left them out"
        place.backend.ask(approval_of(CommandAction(command="make", cwd="/")))
        await until(lambda: editor.sent("autopilot/status")[-1]["status"]["state"] == "waiting")
        shown = editor.sent("autopilot/status")[-1]["status"]
        assert shown["pending"][0]["requestedAt"] == 0.0


async def test_the_end_of_an_agent_is_told_at_once(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor(capabilities=OPTED_IN)
        place.backend.emit(RuntimeStarted(runtime="codex", version="1", pid=1))
        await until(lambda: bool(editor.sent("autopilot/status")))
        place.backend.emit(RuntimeExited(expected=True))
        shown = editor.sent("autopilot/status")[-1]["status"]
        assert (shown["sessionId"], shown["alive"]) == (SESSION, False)


async def test_the_last_events_of_a_session_that_is_closed_are_told_and_nothing_is_kept_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor(capabilities={**FULL, "experimental": {"autopilot": True}})
        place.backend.emit(Notice(severity="info", code="n", message="the last words"))
        # Closed before the next frame.
        monkeypatch.setattr(place.backend, "live_sessions", lambda: ())
        await until(lambda: bool(editor.sent("autopilot/event")))
        (told,) = editor.sent("autopilot/event")
        assert told["events"][-1]["body"]["message"] == "the last words"
        assert not editor.view._notifications._waiting
