"""How much an editor is told: the pace, frames that keep it, and a flood of everything at once."""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_left
from functools import partial
from pathlib import Path
from typing import Any

from autopilot_ls.lsp.features.messages import ERRORS, LOGS, MAX_WAITING
from autopilot_ls.lsp.frames import Frames
from autopilot_ls.lsp.framing import frame
from autopilot_ls.lsp.pace import LIMIT, SPARE, Pace
from autopilot_ls.model.approvals import Decision, DecisionKind, Outcome
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    Body,
    Compacted,
    DiffUpdated,
    FilesSettled,
    ItemCompleted,
    ItemStarted,
    Notice,
    PlanUpdated,
    SubAgentOpened,
    TextDelta,
    TokensUsed,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
    UnknownReceived,
)
from autopilot_ls.model.items import CommandExecution, ItemStatus, PlanStep, TokenUsage
from autopilot_ls.model.snapshots import SessionSnapshot
from tests.protocol.client import FULL, until
from tests.unit.lsp.stand_in import SESSION, Editor, approval_of, patch_of, standing_in

MOST = 35
"""Messages of all kinds within any second."""


BY_POLICY = Decision(kind=DecisionKind.ACCEPT, decided_by="policy")


def opted_in(wish: Any) -> Any:
    return {**FULL, "experimental": {"autopilot": wish}}


def test_pace_counts_what_was_sent_within_the_window() -> None:
    now = [100.0]
    pace = Pace(3, 1.0, lambda: now[0])
    for _ in range(3):
        assert pace.wait() == 0.0
        pace.spend()
        now[0] += 0.25
    assert pace.wait() == 0.25
    assert pace.wait(SPARE) == 0.0
    for _ in range(SPARE):
        pace.spend()
    assert pace.wait(SPARE) == 0.25
    assert pace.wait() == 1.0
    now[0] += 1.0
    assert pace.wait() == 0.0


async def test_frames_of_many_sessions_share_the_room_and_each_has_its_turn() -> None:
    pace = Pace(10, 0.1)
    sent: list[tuple[str, float]] = []
    loop = asyncio.get_running_loop()

    def send(key: str) -> bool:
        sent.append((key, loop.time()))
        pace.spend()
        return True

    frames = Frames(send, lambda: False, 0.001, pace.wait)
    names = [f"s{number}" for number in range(7)]
    for name in names:
        frames.mark(name)
    await until(lambda: len(sent) >= 70)
    frames.close()
    counts = [sum(key == name for key, _ in sent[:70]) for name in names]
    assert max(counts) - min(counts) <= 2
    times = [at for _, at in sent]
    # The clocks are not read at the same time, so that one may be on the edge.
    assert most_within(times, 0.099) <= 11


async def test_a_fault_while_sending_does_not_stop_the_others() -> None:
    sent: list[str] = []
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, found: failures.append(found))

    def send(key: str) -> bool:
        sent.append(key)
        if key == "bad":
            raise ValueError
        return False

    frames = Frames(send, lambda: False, 0.001)
    for key in ("bad", "good", "other"):
        frames.mark(key)
    await until(lambda: set(sent) == {"bad", "good", "other"})
    assert failures
    frames.close()


def most_within(times: list[float], window: float) -> int:
    return max(
        (bisect_left(times, at + window) - place for place, at in enumerate(times)), default=0
    )


def everything(number: int) -> list[Body]:
    """Some events of all kinds that an agent can cause by itself, each with other texts."""
    item = CommandExecution(id=f"c{number}", command=f"make {number}")
    done = item.model_copy(update={"status": ItemStatus.COMPLETED, "exit_code": 1})
    asked = approval_of(patch_of(Path("/x")).action, number=number, outcome=Outcome.ALLOW)
    return [
        TurnStarted(),
        ItemStarted(item=item),
        TextDelta(item_id=item.id, field="output", text=f"line {number}\n"),
        SubAgentOpened(name=f"agent {number}"),
        PlanUpdated(steps=(PlanStep(step=f"step {number}", status="inProgress"),)),
        TokensUsed(usage=TokenUsage(total_tokens=number)),
        DiffUpdated(diff=f"diff --git a/{number} b/{number}\n"),
        ApprovalRequested(approval=asked),
        ApprovalResolved(approval_id=asked.id, decision=BY_POLICY, waited=0.0),
        Notice(severity="warning", code="w", message=f"warning {number}"),
        Notice(severity="error", code="e", message=f"error {number}"),
        FilesSettled(approval_id="no", outcome="restored", paths=(), detail=f"restored {number}"),
        UnknownReceived(method=f"method/{number}"),
        Compacted(),
        ItemCompleted(item=done),
        TurnCompleted(status=TurnStatus.FAILED, error=f"failure {number}"),
    ]


async def flooded(editor: Editor, emit: Any, seconds: float) -> list[tuple[float, str]]:
    """Have all kinds of events for some seconds; returns when the editor was told what."""
    loop = asyncio.get_running_loop()
    arrivals: list[tuple[float, str]] = []
    write = editor.write

    def timed(data: bytes) -> None:
        before = len(editor.messages)
        write(data)
        arrivals.extend((loop.time(), str(m.get("method"))) for m in editor.messages[before:])
        for message in editor.messages[before:]:
            if "id" in message and "method" in message:
                reply = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": None})
                protocol = editor.connection.server.protocol
                loop.call_soon(protocol.received, frame(reply.encode()))

    editor.write = timed
    number, until_then = 0, loop.time() + seconds
    while loop.time() < until_then:
        for _ in range(20):
            number += 1
            emit(*everything(number))
        await asyncio.sleep(0)
    return arrivals


async def test_a_flood_of_everything_tells_an_editor_little(tmp_path: Path) -> None:
    for capabilities in (FULL, opted_in(wish=True), opted_in(wish={"events": False})):
        async with standing_in(tmp_path) as place:
            editor = place.editor(capabilities=capabilities)
            arrivals = await flooded(editor, place.backend.emit, 2.5)
            assert place.backend.state.seq > 1_000
            assert most_within([at for at, _ in arrivals], 1.0) <= MOST, arrivals
            said = [method for _, method in arrivals]
            assert said.count("window/logMessage") <= 4 * LOGS
            assert said.count("window/showMessage") <= ERRORS
            # And what is left at the end is the last word.
            if capabilities is not FULL:
                await until(partial(has_last_word, editor, place.backend.state.snapshot()))


def has_last_word(editor: Editor, snapshot: SessionSnapshot) -> bool:
    shown = editor.sent("autopilot/status")[-1]["status"]
    return (shown["error"], shown["seq"]) == (snapshot.turns[-1].error, snapshot.seq)


async def test_many_messages_to_the_log_come_later_or_are_counted(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        for number in range(MAX_WAITING + LOGS + 7):
            place.backend.emit(Notice(severity="warning", code="w", message=f"warning {number}"))
        logged = [params["message"] for params in editor.sent("window/logMessage")]
        assert logged == [f"warning {number}" for number in range(LOGS)]
        await until(lambda: len(editor.sent("window/logMessage")) > LOGS + 1)
        logged = [params["message"] for params in editor.sent("window/logMessage")][LOGS:]
        assert logged[:2] == ["7 messages left out here; the transcript has more.", "warning 10"]


async def test_frames_leave_room_for_what_cannot_wait(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor(capabilities=opted_in(wish=True))
        for _ in range(LIMIT):
            editor.connection.tell("window/logMessage", {"type": 4, "message": "x"})
        place.backend.ask(patch_of(tmp_path / "a.py"))
        assert editor.sent("autopilot/approval"), "an approval never waits"
        assert not editor.sent("autopilot/status")
        await until(lambda: bool(editor.sent("autopilot/status")))
        shown = editor.sent("autopilot/status")[-1]["status"]
        assert (shown["sessionId"], shown["state"]) == (SESSION, "waiting")
