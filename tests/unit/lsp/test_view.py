from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from autopilot_ls.lsp.features.notifications import MAX_EVENTS
from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    CommandAction,
    DecisionKind,
    ElicitationAction,
    Mode,
    Outcome,
    Question,
    QuestionAction,
    QuestionOption,
    Verdict,
)
from autopilot_ls.model.events import (
    ModeChanged,
    TextDelta,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.presentation.approvals import LIMITS
from tests.protocol.client import FULL, until
from tests.unit.lsp.stand_in import SESSION, approval_of, hunk, patch_of, standing_in

OPTED_IN: Any = {**FULL, "experimental": {"autopilot": {}}}


async def test_two_editors_on_one_supervisor_see_the_same_and_one_decides(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    async with standing_in(tmp_path) as place:
        first, second = place.editor("Neovim"), place.editor("Helix")
        first.open(path, "a\nb\n")
        place.backend.ask(patch_of(path, hunk(2, ["b\n"], ["c\n"])))
        for editor in (first, second):
            [diagnostic] = editor.diagnostics()[path.as_uri()]
            assert diagnostic["range"]["start"]["line"] == 1
            assert diagnostic["data"] == {"approvalId": "apr-1", "hunkId": "h1", "mark": "none"}
        argument = {"approvalId": "apr-1", "decision": "accept"}
        decided: Any = await first.connection.execute("autopilot.approval.decide", [argument])
        assert decided["decision"]["decidedBy"] == "Neovim 1"
        assert first.diagnostics() == second.diagnostics() == {}
        with pytest.raises(JsonRpcException) as late:
            await second.connection.execute("autopilot.approval.decide", [argument])
        assert "approval-already-resolved" in str(late.value.data)


async def test_editor_that_comes_later_sees_what_waits_and_what_runs(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    async with standing_in(tmp_path) as place:
        place.backend.ask(patch_of(path, hunk(1, ["a\n"], ["c\n"])))
        late = place.editor()
        assert path.as_uri() in late.diagnostics()
        await until(lambda: bool(late.sent("window/workDoneProgress/create")))


async def test_what_the_policy_decides_is_not_asked_unless_it_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autopilot_ls.lsp.features.waiting.LEFT_TO_PERSON", 0.05)
    path = tmp_path / "a.py"
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        for number in (1, 2):
            place.backend.ask(
                patch_of(path, hunk(1, ["a\n"], ["c\n"]), number=number, outcome=Outcome.ALLOW)
            )
        assert editor.diagnostics() == {}
        await place.backend.decide("apr-1", DecisionKind.ACCEPT, decided_by="policy")
        await until(lambda: bool(editor.diagnostics()))
        [diagnostic] = editor.diagnostics()[path.as_uri()]
        assert diagnostic["data"]["approvalId"] == "apr-2"


async def test_hunks_follow_the_text_and_are_published_under_the_editors_uri(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a b.py"
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        place.backend.ask(patch_of(path, hunk(1, ["a\n"], ["c\n"])))
        assert list(editor.diagnostics()) == [path.as_uri()]
        other = path.as_uri().replace("%20", " ")
        item = {"uri": other, "languageId": "", "version": 7, "text": "new\r\na\r\n"}
        editor.say("textDocument/didOpen", {"textDocument": item})
        assert list(editor.diagnostics()) == [other]
        last = [p for p in editor.sent("textDocument/publishDiagnostics") if p["uri"] == other][-1]
        assert last["version"] == 7
        assert last["diagnostics"][0]["range"]["start"]["line"] == 1
        assert await editor.titles(path, 0) == []
        assert any(title.startswith("accept") for title in await editor.titles(path, 1))
        editor.say("textDocument/didClose", {"textDocument": {"uri": other}})
        assert len(editor.diagnostics()) == 1


async def test_several_pending_patches_of_one_file_keep_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        editor.open(path, "a\nb\n")
        place.backend.ask(patch_of(path, hunk(1, ["a\n"], ["x\n"]), number=1))
        place.backend.ask(patch_of(path, hunk(2, ["b\n"], ["y\n"]), number=2))
        assert len(editor.diagnostics()[path.as_uri()]) == 2
        await place.backend.decide("apr-1", DecisionKind.DECLINE, decided_by="x")
        [left] = editor.diagnostics()[path.as_uri()]
        assert left["data"]["approvalId"] == "apr-2"


async def test_patch_that_cannot_be_accepted_offers_no_accept(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        editor.open(path, "a\n")
        place.backend.ask(patch_of(path, problem="It is a symbolic link."))
        [diagnostic] = editor.diagnostics()[path.as_uri()]
        assert "symbolic link" in diagnostic["message"]
        titles = await editor.titles(path, 0)
        assert titles
        assert not any("accept" in title for title in titles)


async def test_what_has_no_place_is_offered_in_the_workspace_only(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        inside, outside = tmp_path / "a.py", tmp_path.parent / "other" / "b.py"
        editor.open(inside, "")
        editor.open(outside, "")
        editor.connection.folders = [str(tmp_path), str(outside.parent)]
        place.backend.ask(approval_of(CommandAction(command="rm\u202e x", cwd=str(tmp_path))))
        titles = await editor.titles(inside)
        assert any(title.startswith("accept: Run: rm\\u{202e} x") for title in titles)
        assert await editor.titles(outside) == []


async def test_escalated_commands_are_never_granted_for_the_session(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        editor.open(path, "")
        action = CommandAction(command="ls", cwd=str(tmp_path), escalated=True)
        place.backend.ask(approval_of(action))
        titles = await editor.titles(path)
        assert not any("session" in title for title in titles)
        assert any("outside the sandbox" in title for title in titles)


async def test_questions_are_answered_one_by_one_and_decided_with_the_last(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    questions = (
        Question(id="q1", text="Which?", options=(QuestionOption(label="A"),)),
        Question(id="q2", text="Why?"),
    )
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        editor.open(path, "because\n")
        place.backend.ask(approval_of(QuestionAction(questions=questions)))
        assert any("“Which?”: A" in title for title in await editor.titles(path))
        titles = await editor.titles(path, 0, (0, 7))
        assert any("“Why?” with the selected text" in title for title in titles)

        async def answer(question: str, text: str) -> Any:
            argument = {"approvalId": "apr-1", "questionId": question, "answers": [text]}
            return await editor.connection.execute("autopilot.approval.answer", [argument])

        assert (await answer("q1", "A"))["missing"] == ["q2"]
        with pytest.raises(JsonRpcException, match="q3"):
            await answer("q3", "A")
        assert (await answer("q2", "because"))["missing"] == []
        resolved = place.backend.state.resolved("apr-1")
        assert resolved is not None
        assert resolved.decision.answers == {"q1": ("A",), "q2": ("because",)}


@pytest.mark.parametrize(
    ("schema", "part"),
    [
        ('{"type": "object", "properties": {}}', "accept: "),
        ('{"properties": {"sure": {"type": "boolean"}}}', "answer sure = true"),
        ('{"properties": {"size": {"enum": ["S", "L"]}}}', 'answer size = "L"'),
        ('{"properties": {"name": {"type": "string"}}}', ""),
        ("[]", "accept: "),
        ("not json", ""),
        ("[" * 100_000, ""),
    ],
)
async def test_elicitations_offer_what_their_schema_allows(
    tmp_path: Path, schema: str, part: str
) -> None:
    path = tmp_path / "a.py"
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        editor.open(path, "")
        action = ElicitationAction(server="s", message="m", content_schema=schema)
        place.backend.ask(approval_of(action))
        titles = await editor.titles(path)
        positive = [t for t in titles if t.startswith(("accept", "answer"))]
        if part:
            assert any(part in title for title in positive)
        else:
            assert not positive
        assert len(titles) >= 2


async def test_message_request_goes_to_editors_that_handle_it_and_never_accepts(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.py"
    async with standing_in(tmp_path) as place:
        code = place.editor("Visual Studio Code")
        others = [place.editor(name) for name in ("Neovim", "helix", "Eglot", "unheard of")]
        place.backend.ask(patch_of(path, hunk(1, ["a\n"], ["b\n"])))
        await until(lambda: bool(code.sent("window/showMessageRequest")))
        [request] = code.sent("window/showMessageRequest")
        titles = [action["title"] for action in request["actions"]]
        assert titles == ["Show", "Later", "Reject"]
        for editor in others:
            assert not editor.sent("window/showMessageRequest")
            assert not editor.sent("window/showMessage")
            assert editor.sent("window/logMessage")


async def test_opted_in_editor_gets_every_delta_joined_and_in_order(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        editor, plain = place.editor(capabilities=OPTED_IN), place.editor()
        place.backend.emit(TurnStarted())
        for number in range(200):
            place.backend.emit(TextDelta(item_id="i", field="text", text=f"{number} "))
            place.backend.emit(TextDelta(item_id="j", field="text", text="x"))
        place.backend.emit(TurnCompleted(status=TurnStatus.COMPLETED))
        await until(lambda: bool(editor.sent("autopilot/event")))
        events = [e for p in editor.sent("autopilot/event") for e in p["events"]]
        bodies = [event["body"] for event in events]
        assert [body["type"] for body in bodies].count("textDelta") == 2
        assert bodies[1]["text"] == "".join(f"{number} " for number in range(200))
        assert bodies[2]["text"] == "x" * 200
        assert bodies[-1]["type"] == "turnCompleted"
        assert not [m for m in plain.messages if m.get("method", "").startswith("autopilot/")]


async def test_slow_editor_is_told_how_much_was_left_out(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor(capabilities=OPTED_IN)
        editor.congested = True
        for _ in range(MAX_EVENTS + 10):
            place.backend.emit(TurnStarted())
        place.backend.ask(patch_of(tmp_path / "a.py", hunk(1, ["a\n"], ["b\n"])))
        assert editor.sent("autopilot/approval")
        assert editor.diagnostics()
        assert not editor.sent("autopilot/event")
        editor.congested = False
        editor.connection.drained()
        await until(lambda: bool(editor.sent("autopilot/event")))
        [told] = editor.sent("autopilot/event")
        assert told["omitted"] == MAX_EVENTS + 1
        assert told["omitted"] + len(told["events"]) == MAX_EVENTS + 11


async def test_new_and_deleted_files_are_shown_where_they_are(tmp_path: Path) -> None:
    new, gone = tmp_path / "new.py", tmp_path / "gone.py"
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        place.backend.ask(patch_of(new, hunk(1, [], ["a\n"]), kind=ChangeKind.ADD, number=1))
        place.backend.ask(patch_of(gone, hunk(1, ["a\n"], []), kind=ChangeKind.DELETE, number=2))
        shown = editor.diagnostics()
        assert "create this file" in shown[new.as_uri()][0]["message"]
        assert "delete this file" in shown[gone.as_uri()][0]["message"]
        assert shown[new.as_uri()][0]["range"]["start"] == {"line": 0, "character": 0}


async def test_task_starts_where_its_reference_is_and_with_the_text_shown(tmp_path: Path) -> None:
    other = tmp_path / "second"
    other.mkdir()
    path = other / "a.py"
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        editor.connection.folders = [str(tmp_path / "first"), str(other)]
        editor.open(path, "x = '😋'\ny = 2\nz = 3\n")
        area = {"start": {"line": 0, "character": 0}, "end": {"line": 2, "character": 0}}
        argument = {"text": "Do", "references": [{"uri": path.as_uri(), "range": area}]}
        await editor.connection.execute("autopilot.turn.start", [argument])
        [started] = place.backend.started
        assert started.cwd == str(other)
        [reference] = started.references
        assert (reference.start_line, reference.end_line) == (0, 1)
        assert reference.text == "x = '😋'\ny = 2\n"
        with pytest.raises(JsonRpcException, match="untitled"):
            await editor.connection.execute(
                "autopilot.turn.start", [{"text": "Do", "references": [{"uri": "untitled:1"}]}]
            )


async def test_waiting_tasks_are_bounded_and_can_be_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        editor.open(path, "")
        place.backend.dirty = [path]
        for number in range(25):
            with pytest.raises(JsonRpcException):
                await editor.connection.execute("autopilot.turn.start", [{"text": f"t{number}"}])
        status: Any = await editor.connection.execute("autopilot.status", [])
        assert [task["text"] for task in status["waitingTasks"]] == [f"t{n}" for n in range(5, 25)]
        for task in status["waitingTasks"]:
            await editor.connection.execute("autopilot.turn.forget", [{"taskId": task["taskId"]}])
        assert editor.diagnostics() == {}
        assert place.backend.started == []


async def test_transcript_follows_and_names_its_session(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "sessions" / SESSION
    folder.mkdir(parents=True, mode=0o700)
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        place.backend.emit(TurnStarted())
        opened: Any = await editor.connection.execute("autopilot.transcript.open", [{}])
        path = folder / "transcript.md"
        assert opened["uri"] == path.as_uri()
        assert path.stat().st_mode & 0o777 == 0o600
        place.backend.emit(TextDelta(item_id="i", field="text", text="Words to be seen."))
        await until(lambda: "Words to be seen." in path.read_text())
        editor.open(path, path.read_text())
        place.backend.ask(approval_of(CommandAction(command="ls", cwd=str(tmp_path))))
        assert any("Run: ls" in title for title in await editor.titles(path, 0))


def _risky(approval: Approval) -> Approval:
    verdict = Verdict(outcome=Outcome.ASK, rule="ci-files", source="x", reason="y", risk="high")
    return approval.model_copy(update={"verdict": verdict})


async def test_high_risk_in_escalate_is_said_loudly(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    async with standing_in(tmp_path) as place:
        code, neovim = place.editor("Visual Studio Code"), place.editor("Neovim")
        place.backend.ask(_risky(patch_of(path, hunk(1, ["a\n"], ["c\n"]))))
        [shown] = neovim.diagnostics()[path.as_uri()]
        assert shown["severity"] == types.DiagnosticSeverity.Information
        assert not neovim.sent("window/showMessage")
        place.backend.emit(ModeChanged(mode=Mode.ESCALATE, changed_by="x"))
        [shown] = neovim.diagnostics()[path.as_uri()]
        assert shown["severity"] == types.DiagnosticSeverity.Warning
        assert shown["message"].startswith("HIGH RISK: The agent wants to change this")
        action = CommandAction(command="git push " + "x" * 100, cwd=str(tmp_path))
        place.backend.ask(_risky(approval_of(action, number=2)))
        # What an editor shows of it without taking the keyboard.
        await until(lambda: bool(neovim.sent("window/showMessage")))
        [told] = neovim.sent("window/showMessage")
        assert told["message"].startswith("HIGH RISK, waits for you: Run: git push")
        assert (len(told["message"]) <= 50, told["type"]) == (True, types.MessageType.Error)
        assert not neovim.sent("window/showMessageRequest")
        await until(lambda: len(code.sent("window/showMessageRequest")) == 2)
        assert [m["type"] for m in code.sent("window/showMessageRequest")] == [
            types.MessageType.Info,
            types.MessageType.Warning,
        ]
        assert not code.sent("window/showMessage")


async def test_a_reached_limit_is_said_loudly_in_any_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        limited = Verdict(
            outcome=Outcome.ASK, rule="limit-files", source=LIMITS, reason="y", risk="high"
        )
        asked = patch_of(path, hunk(1, ["a\n"], ["c\n"]))
        place.backend.ask(asked.model_copy(update={"verdict": limited}))
        [shown] = editor.diagnostics()[path.as_uri()]
        assert shown["severity"] == types.DiagnosticSeverity.Warning
        assert shown["message"].startswith("LIMIT REACHED: ")
        await place.backend.decide("apr-1", DecisionKind.DECLINE, decided_by="x")
        assert editor.diagnostics() == {}
