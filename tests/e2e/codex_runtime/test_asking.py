"""Everything that Codex asks about, and each way to answer."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import JsonValue

from autopilot_ls.model.approvals import (
    CommandAction,
    Decision,
    DecisionKind,
    PatchAction,
    PermissionAction,
    QuestionAction,
    ToolAction,
)
from autopilot_ls.model.errors import AgentDied, ApprovalAlreadyResolved, ApprovalNotFound
from autopilot_ls.model.events import ItemCompleted, Notice, TurnStatus
from autopilot_ls.model.items import CommandExecution, ToolCall
from autopilot_ls.runtimes.base import ApprovalWithdrawn, RuntimeApproval
from autopilot_ls.scripted_model import (
    JsonObject,
    Output,
    ScriptedModel,
    call_outputs,
    command,
    compute,
    message,
    patch,
    question,
    respond,
    tool_call,
)
from tests.e2e.codex_runtime.driver import accept, codex, decline

ADD = "*** Begin Patch\n*** Add File: {}.txt\n+hello\n*** End Patch\n"
MCP_SERVER = Path(__file__).with_name("mcp_server.py")


def decision(kind: str, message: str = "") -> Callable[[RuntimeApproval], Decision]:
    return lambda _: Decision(kind=DecisionKind(kind), decided_by="test", message=message)


def sent(frames: list[tuple[str, bytes]]) -> list[JsonObject]:
    """Return the answers that were sent."""
    out = [json.loads(frame) for direction, frame in frames if direction == "out"]
    return [each for each in out if "method" not in each]


@pytest.mark.core
async def test_cancel_ends_the_turn_and_withdraws_the_others(tmp_path: Path) -> None:
    script = [
        respond(command("touch one", call_id="c1"), command("touch two", call_id="c2")),
        message("never"),
    ]
    with ScriptedModel(script) as model:
        async with codex(model, tmp_path) as session:
            await session.runtime.start_turn("go", session.options)
            await session.approval(2)
            first, second = session.sink.approvals()
            await session.runtime.answer(first.key, decision("cancel")(first))
            ended = await session.end()
            assert ended.status is TurnStatus.INTERRUPTED
            withdrawn = [e.key for e in session.sink.messages if isinstance(e, ApprovalWithdrawn)]
            assert second.key in withdrawn
            with pytest.raises(ApprovalAlreadyResolved):
                await session.runtime.answer(second.key, accept(second))
    assert not (tmp_path / "work" / "one").exists()
    assert not (tmp_path / "work" / "two").exists()


async def test_for_this_session_is_a_plain_accept_to_codex(tmp_path: Path) -> None:
    script = [
        patch(ADD.format("a"), call_id="p1"),
        patch(ADD.format("b"), call_id="p2"),
        command("touch c", call_id="c1"),
        command("touch c", call_id="c2"),
        message("done"),
    ]
    with ScriptedModel(script) as model:
        async with codex(model, tmp_path) as session:
            await session.turn(decide=decision("acceptForSession"))
            asked = [each.item_id for each in session.sink.approvals()]
            answers = [each["result"] for each in sent(session.sink.frames)]
    assert asked == ["p1", "p2", "c1", "c2"], "everything asks again"
    assert answers == [{"decision": "accept"}] * 4
    rules = tmp_path / "home" / "rules"
    assert not list(rules.glob("*")) if rules.exists() else True


async def test_each_request_is_answered_once(tmp_path: Path) -> None:
    with ScriptedModel([command("touch a", call_id="c1"), message("done")]) as model:
        async with codex(model, tmp_path) as session:
            runtime = session.runtime
            await runtime.start_turn("go", session.options)
            asked = await session.approval()
            with pytest.raises(ApprovalNotFound):
                await runtime.answer("codex-99", accept(asked))
            await runtime.answer(asked.key, decline(asked))
            with pytest.raises(ApprovalAlreadyResolved):
                await runtime.answer(asked.key, accept(asked))
            await session.end()
            assert len(sent(session.sink.frames)) == 1
    with pytest.raises(AgentDied):
        await runtime.answer(asked.key, accept(asked))


@pytest.mark.core
async def test_a_question_is_answered(tmp_path: Path) -> None:
    script = [
        question("colour", "Which colour?", [("Red", "warm"), ("Blue", "cold")], header="Colour"),
        message("done"),
    ]

    def answer(asked: RuntimeApproval) -> Decision:
        assert isinstance(asked.action, QuestionAction)
        (only,) = asked.action.questions
        assert (only.id, only.header, only.text) == ("colour", "Colour", "Which colour?")
        assert [(o.label, o.description) for o in only.options][:2] == [
            ("Red", "warm"),
            ("Blue", "cold"),
        ]
        return Decision(
            kind=DecisionKind.ACCEPT, decided_by="test", answers={"colour": ("Blue",), "x": ("y",)}
        )

    with ScriptedModel(script) as model:
        async with codex(model, tmp_path) as session:
            ended = await session.turn(decide=answer)
            outputs = call_outputs(model.requests[-1])
            answers = sent(session.sink.frames)
    assert ended.status is TurnStatus.COMPLETED
    assert "Blue" in outputs[-1]
    assert answers[0]["result"] == {"answers": {"colour": {"answers": ["Blue"]}}}


async def test_a_cancelled_question_ends_the_turn(tmp_path: Path) -> None:
    script = [question("q", "Which?", [("A", "a"), ("B", "b")]), message("never")]
    with ScriptedModel(script) as model:
        async with codex(model, tmp_path) as session:
            ended = await session.turn(decide=decision("cancel"))
            assert len(model.requests) == 1
    assert ended.status is TurnStatus.INTERRUPTED


@pytest.mark.core
@pytest.mark.parametrize("accepted", [True, False])
async def test_an_mcp_tool_asks_whatever_it_says_of_itself(
    tmp_path: Path, *, accepted: bool
) -> None:
    called = tmp_path / "called"
    server: JsonValue = {"command": sys.executable, "args": [str(MCP_SERVER), str(called)]}
    script = [
        tool_call("wipe", {"path": "x"}, namespace="mcp__evil", call_id="t1"),
        message("done"),
    ]
    with ScriptedModel(script) as model:
        async with codex(model, tmp_path, config={"mcp_servers": {"evil": server}}) as session:
            ended = await session.turn(decide=accept if accepted else decline)
            action = session.sink.approvals()[0].action
            items = [each.item for each in session.sink.bodies(ItemCompleted)]
    assert ended.status is TurnStatus.COMPLETED
    assert isinstance(action, ToolAction)
    assert (action.server, action.tool, action.arguments) == ("evil", "wipe", '{"path":"x"}')
    assert called.exists() is accepted
    (call,) = [each for each in items if isinstance(each, ToolCall)]
    assert call.result == ("wiped" if accepted else "")


async def test_leaving_the_sandbox_is_told_though_codex_does_not_say_it(tmp_path: Path) -> None:
    script = [
        respond(
            command("true in", call_id="c1"),
            command("true out", call_id="c2", escalate=True),
            command("true why", call_id="c3", escalate=True, justification="Needed?"),
        ),
        message("done"),
    ]

    def told(approvals: list[RuntimeApproval]) -> dict[str | None, tuple[bool, str]]:
        found: dict[str | None, tuple[bool, str]] = {}
        for each in approvals:
            assert isinstance(each.action, CommandAction)
            found[each.item_id] = (each.action.escalated, each.reason)
        return found

    expected = {"c1": (False, ""), "c2": (True, ""), "c3": (True, "Needed?")}
    with ScriptedModel([*script, *script]) as model:
        async with codex(model, tmp_path) as session:
            await session.turn(decide=decline)
            assert told(session.sink.approvals()) == expected
            thread = session.thread_id
        async with codex(model, tmp_path, resume=thread) as session:
            await session.turn(decide=decline)
            assert told(session.sink.approvals()) == expected


@pytest.mark.core
@pytest.mark.parametrize("escalate", [True, False])
async def test_typing_into_a_program_is_no_shell_line(tmp_path: Path, *, escalate: bool) -> None:
    def type_into(body: JsonObject) -> Output:
        found = re.search(r"session ID (\d+)", call_outputs(body)[-1])
        assert found is not None, call_outputs(body)
        return tool_call("write_stdin", {"session_id": int(found[1]), "chars": "it's\n"})

    script = [
        command("cat > typed.txt", call_id="c1", tty=True, yield_time_ms=300, escalate=escalate),
        compute(type_into),
        message("done"),
    ]
    # Only who wishes for terminals has them.
    wishes: dict[str, JsonValue] = {"features": {"unified_exec_tty": True}}
    with ScriptedModel(script) as model:
        async with codex(model, tmp_path, config=wishes) as session:
            await session.turn(decide=accept)
            actions = [each.action for each in session.sink.approvals()]
            notices = [each.code for each in session.sink.bodies(Notice)]
    found = [a for a in actions if isinstance(a, CommandAction)]
    assert found[0].types_input is False
    # Codex asks about input only where it takes the program to be outside of the sandbox, which
    # under our profiles depends on its version; what it does not ask about is told afterwards.
    asked = [(each.command, each.types_input) for each in found[1:]]
    assert asked in ([], [("it's\n", True)])
    assert escalate or not asked
    assert ("unasked-input" in notices) is not bool(asked)


async def test_permissions_are_granted_for_the_turn_only(tmp_path: Path) -> None:
    wanted = {"network": {"enabled": True}, "file_system": {"write": [str(tmp_path / "out")]}}
    script = [
        tool_call("request_permissions", {"reason": "to fetch", "permissions": wanted}),
        message("done"),
    ]
    config: dict[str, JsonValue] = {"features": {"request_permissions_tool": True}}
    with ScriptedModel(script) as model:
        async with codex(model, tmp_path, config=config) as session:
            ended = await session.turn(decide=decision("acceptForSession"))
            (asked,) = session.sink.approvals()
            answers = sent(session.sink.frames)
    assert ended.status is TurnStatus.COMPLETED
    assert isinstance(asked.action, PermissionAction)
    assert "use the network" in asked.action.permissions
    assert any(str(tmp_path / "out") in line for line in asked.action.permissions)
    assert asked.reason == "to fetch"
    result = answers[0]["result"]
    assert isinstance(result, dict)
    assert result["scope"] == "turn"
    assert result["permissions"] == json.loads(asked.action.native)


async def test_a_patch_moves_and_deletes(tmp_path: Path) -> None:
    text = (
        "*** Begin Patch\n*** Update File: a.txt\n*** Move to: sub/b.txt\n@@\n-one\n+ONE\n"
        "*** Delete File: d.txt\n*** End Patch\n"
    )
    with ScriptedModel([patch(text, call_id="p1"), message("done")]) as model:
        async with codex(model, tmp_path) as session:
            work = tmp_path / "work"
            (work / "a.txt").write_text("one\n")
            (work / "d.txt").write_text("gone\n")
            await session.turn(decide=accept)
            action = session.sink.approvals()[0].action
    assert isinstance(action, PatchAction)
    moved, deleted = action.changes
    assert moved.move_to == str(work / "sub" / "b.txt")
    assert moved.text == "@@ -1 +1 @@\n-one\n+ONE\n"
    assert (deleted.form, deleted.text) == ("content", "gone\n")
    assert (work / "sub" / "b.txt").read_text() == "ONE\n"


async def test_a_patch_written_as_a_command_is_a_patch(tmp_path: Path) -> None:
    line = f"apply_patch <<'EOF'\n{ADD.format('x')}EOF\n"
    with ScriptedModel([command(line, call_id="c1"), message("done")]) as model:
        async with codex(model, tmp_path) as session:
            await session.turn(decide=accept)
            (asked,) = session.sink.approvals()
            items = [each.item for each in session.sink.bodies(ItemCompleted)]
    assert isinstance(asked.action, PatchAction)
    assert not [each for each in items if isinstance(each, CommandExecution)]
    assert (tmp_path / "work" / "x.txt").read_text() == "hello\n"
