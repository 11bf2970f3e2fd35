from __future__ import annotations

from pathlib import Path

import pytest

from autopilot_ls.model.approvals import (
    ChangeKind,
    CommandAction,
    Decision,
    DecisionKind,
    PatchAction,
)
from autopilot_ls.model.events import (
    DiffUpdated,
    ItemCompleted,
    RuntimeExited,
    TextDelta,
    TokensUsed,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.model.items import AgentMessage, CommandExecution, FileChanges, ItemStatus
from autopilot_ls.runtimes.base import RuntimeEvent
from autopilot_ls.scripted_model import (
    ScriptedModel,
    call_outputs,
    command,
    message,
    patch,
    respond,
)
from tests.e2e.codex_runtime.driver import accept, codex, decline

pytestmark = pytest.mark.core

UPDATE = """*** Begin Patch
*** Update File: a.txt
@@
-one
+ONE
 two
*** Add File: new.txt
+hello
*** End Patch
"""


async def test_a_message_streams_and_ends(tmp_path: Path) -> None:
    with ScriptedModel([message("hello there, friend")]) as model:
        async with codex(model, tmp_path) as session:
            ended = await session.turn()
            sink = session.sink
    assert ended.status is TurnStatus.COMPLETED
    assert "".join(each.text for each in sink.bodies(TextDelta)) == "hello there, friend"
    items = [each.item for each in sink.bodies(ItemCompleted)]
    said = [each for each in items if isinstance(each, AgentMessage)]
    assert [each.text for each in said] == ["hello there, friend"]
    assert len(sink.bodies(TurnStarted)) == 1
    assert sink.bodies(TokensUsed)[-1].usage.input_tokens == 100
    last = sink.messages[-1]
    assert isinstance(last, RuntimeEvent)
    assert isinstance(last.body, RuntimeExited)
    assert last.body.expected
    assert last.body.code == 0


async def test_an_accepted_patch_is_written(tmp_path: Path) -> None:
    with ScriptedModel([patch(UPDATE, call_id="p1"), message("done")]) as model:
        async with codex(model, tmp_path) as session:
            work = tmp_path / "work"
            (work / "a.txt").write_text("one\ntwo\n")
            ended = await session.turn(decide=accept)
            sink = session.sink
    assert ended.status is TurnStatus.COMPLETED
    action = sink.approvals()[0].action
    assert isinstance(action, PatchAction)
    assert [(each.path, each.kind, each.form) for each in action.changes] == [
        (str(work / "a.txt"), ChangeKind.UPDATE, "unified"),
        (str(work / "new.txt"), ChangeKind.ADD, "content"),
    ]
    assert action.changes[0].text == "@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n"
    assert (work / "a.txt").read_text() == "ONE\ntwo\n"
    assert (work / "new.txt").read_text() == "hello\n"
    done = [e.item for e in sink.bodies(ItemCompleted) if isinstance(e.item, FileChanges)]
    assert [each.status for each in done] == [ItemStatus.COMPLETED]
    assert len(sink.bodies(DiffUpdated)) == 1, "the repeated diff is reported once"


async def test_a_declined_patch_is_not_written_and_the_reason_is_heard(tmp_path: Path) -> None:
    with ScriptedModel([patch(UPDATE, call_id="p1"), message("done")]) as model:
        async with codex(model, tmp_path) as session:
            work = tmp_path / "work"
            (work / "a.txt").write_text("one\ntwo\n")
            refusal = Decision(
                kind=DecisionKind.DECLINE, decided_by="test", message="keep the old name"
            )
            ended = await session.turn(decide=lambda _: refusal)
            request = model.requests[-1]
    assert ended.status is TurnStatus.COMPLETED
    assert (work / "a.txt").read_text() == "one\ntwo\n"
    assert "keep the old name" in str(request["input"])
    assert not (work / "new.txt").exists()


async def test_commands_of_one_response_wait_together(tmp_path: Path) -> None:
    script = [
        respond(command("touch one", call_id="c1"), command("touch two", call_id="c2")),
        message("done"),
    ]
    with ScriptedModel(script) as model:
        async with codex(model, tmp_path) as session:
            await session.runtime.start_turn("go", session.options)
            await session.approval(2)
            by_item = {each.item_id: each for each in session.sink.approvals()}
            await session.runtime.answer(by_item["c2"].key, decline(by_item["c2"]))
            await session.runtime.answer(by_item["c1"].key, accept(by_item["c1"]))
            await session.end()
            outputs = call_outputs(model.requests[-1])
            sink = session.sink
    action = by_item["c1"].action
    assert isinstance(action, CommandAction)
    assert "touch one" in action.command
    assert action.cwd == str(tmp_path / "work")
    assert not action.escalated
    assert (tmp_path / "work" / "one").exists()
    assert not (tmp_path / "work" / "two").exists()
    assert any("rejected" in each for each in outputs)
    done = [e.item for e in sink.bodies(ItemCompleted) if isinstance(e.item, CommandExecution)]
    assert {each.id: each.status for each in done} == {
        "c1": ItemStatus.COMPLETED,
        "c2": ItemStatus.DECLINED,
    }
