"""The whole story over real stdio: a real Codex works, an editor without any plugin decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from autopilot_ls.scripted_model import command, flood, http_error, message, patch, question
from tests.protocol.client import FULL, VSCODE, ServerError, memory, until

PATCH = """*** Begin Patch
*** Update File: sum.py
@@
 def total(xs):
-    return len(xs)
+    return sum(xs)
*** End Patch
"""

TEXT = "def total(xs):\n    return len(xs)\n"


def by_title(actions: list[Any], part: str) -> Any:
    found = [action for action in actions if part in action["title"]]
    assert found, [action["title"] for action in actions]
    return found[0]


async def run(client: Any, action: Any) -> Any:
    chosen = action["command"]
    return await client.request(
        "workspace/executeCommand",
        {"command": chosen["command"], "arguments": chosen["arguments"]},
    )


@asynccontextmanager
async def patch_waits(world: Any, **editor: Any) -> AsyncGenerator[tuple[Any, Path]]:
    """Give an editor in which the patch to `sum.py` is shown, and that file."""
    place = world([patch(PATCH, call_id="c1"), message("Done.")])
    path = place.write("sum.py", TEXT)
    async with place.editor(**editor) as client:
        client.open(path)
        await client.execute("autopilot.turn.start", {"text": "Fix total"})
        await client.wait_method(
            "textDocument/publishDiagnostics", lambda p: bool(p["diagnostics"])
        )
        yield client, path


async def test_patch_is_shown_previewed_and_accepted(world: Any) -> None:
    place = world([patch(PATCH, call_id="c1"), message("Done.")])
    path = place.write("sum.py", TEXT)
    async with place.editor() as client:
        client.open(path)
        started = await client.execute("autopilot.turn.start", {"text": "Fix total"})
        shown = await client.wait_method(
            "textDocument/publishDiagnostics", lambda p: bool(p["diagnostics"])
        )
        assert shown["uri"] == path.as_uri()
        assert shown["version"] == 1
        [diagnostic] = shown["diagnostics"]
        assert diagnostic["severity"] == 3
        assert diagnostic["source"] == "autopilot"
        assert diagnostic["code"] == "pending-hunk"
        assert diagnostic["range"] == {
            "start": {"line": 1, "character": 0},
            "end": {"line": 1, "character": 18},
        }
        actions = await client.code_actions(path, 1, diagnostics=[diagnostic])
        titles = [action["title"] for action in actions]
        assert all(title.startswith("Autopilot: ") for title in titles)
        assert not await client.code_actions(path, 0)
        begin = await client.wait_method("$/progress")
        assert begin["value"]["kind"] == "begin"
        assert begin["value"]["cancellable"] is True
        result = await run(client, by_title(actions, "accept:"))
        assert result["decision"]["kind"] == "accept"
        end = await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
        assert "1 file" in end["value"]["message"]
        assert path.read_text() == "def total(xs):\n    return sum(xs)\n"
        last = [
            m["params"]
            for m in client.received
            if m.get("method") == "textDocument/publishDiagnostics"
        ][-1]
        assert last["diagnostics"] == []
        assert not any(m.startswith("autopilot/") for m in client.methods())
        shown = await client.execute("autopilot.session.show", {"sessionId": started["sessionId"]})
        assert shown["turns"][0]["status"] == "completed"
        assert await client.shut_down() == 0
    assert client.stderr == b""


async def test_command_waits_in_every_document_and_is_declined(world: Any) -> None:
    place = world([command("touch made", call_id="c1"), message("Fine.")])
    path = place.write("a.py", "x = 1\n")
    async with place.editor() as client:
        client.open(path)
        started = await client.execute("autopilot.turn.start", {"text": "Make it"})
        await client.wait_method("window/logMessage", lambda p: "waits for your" in p["message"])
        actions = await client.code_actions(path)
        assert "touch made" in by_title(actions, "accept:")["title"]
        by_title(actions, "for this session")
        opened = await client.execute("autopilot.transcript.open", {})
        assert opened["shown"] is True
        assert opened["sessionId"] == started["sessionId"]
        transcript = place.state / "sessions" / started["sessionId"] / "transcript.md"
        assert opened["uri"] == transcript.as_uri()
        client.open(transcript)
        assert "touch made" in transcript.read_text()
        await run(client, by_title(await client.code_actions(transcript), "reject the command"))
        end = await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
        assert end["value"]["message"]
        assert not (place.project / "made").exists()
        assert not await client.code_actions(path)


async def test_question_is_answered_by_a_code_action(world: Any) -> None:
    ask = question("color", "Which color?", [("Red", "warm"), ("Blue", "cold")])
    place = world([ask, message("Blue it is.")])
    path = place.write("a.py", "x = 1\n")
    async with place.editor() as client:
        client.open(path)
        await client.execute("autopilot.turn.start", {"text": "Ask me"})
        await client.wait_method("window/logMessage", lambda p: "waits for your" in p["message"])
        actions = await client.code_actions(path)
        titles = [action["title"] for action in actions]
        assert any("Red" in title for title in titles)
        assert not any("accept" in title for title in titles)
        answered = await run(client, by_title(actions, "Blue"))
        assert answered["missing"] == []
        await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
        assert "Blue" in str(place.model.requests[-1]["input"])


async def test_cancelling_the_progress_stops_the_turn(world: Any) -> None:
    place = world([command("sleep 600", call_id="c1"), message("Never said.")])
    path = place.write("a.py", "x = 1\n")
    async with place.editor() as client:
        client.open(path)
        await client.execute("autopilot.turn.start", {"text": "Sleep"})
        begin = await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "begin")
        await client.wait_method("window/logMessage", lambda p: "waits for your" in p["message"])
        await run(client, by_title(await client.code_actions(path), "accept:"))
        client.notify("window/workDoneProgress/cancel", {"token": begin["token"]})
        end = await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
        assert "nterrupted" in end["value"]["message"]
        status = await client.execute("autopilot.status")
        assert status["sessions"][0]["state"] == "interrupted"


async def test_unsaved_file_holds_a_task_until_it_is_saved(world: Any) -> None:
    place = world([message("Done.")])
    path = place.write("a.py", "x = 1\n")
    async with place.editor() as client:
        client.open(path)
        client.change(path, "x = 2\n", 2)
        with pytest.raises(ServerError, match=r"a\.py") as refused:
            await client.execute("autopilot.turn.start", {"text": "Look at it"})
        assert refused.value.data["code"] == "unsaved-documents"
        warned = await client.wait_method(
            "textDocument/publishDiagnostics", lambda p: bool(p["diagnostics"])
        )
        assert warned["diagnostics"][0]["severity"] == 2
        titles = [action["title"] for action in await client.code_actions(path)]
        assert any("start anyway" in title for title in titles)
        assert any("forget" in title for title in titles)
        assert (await client.execute("autopilot.status"))["waitingTasks"]
        assert not place.model.requests
        path.write_text("x = 2\n")
        client.save(path)
        await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
        assert len(place.model.requests) == 1
        assert not (await client.execute("autopilot.status"))["waitingTasks"]
        last = [m for m in client.received if m.get("method") == "textDocument/publishDiagnostics"][
            -1
        ]
        assert last["params"]["diagnostics"] == []


async def test_started_anyway_the_agent_reads_the_saved_text(world: Any) -> None:
    place = world([message("Done.")])
    path = place.write("a.py", "x = 1\n")
    async with place.editor() as client:
        client.open(path)
        client.change(path, "# autopilot: rename x to total\nx = 2\n", 2)
        await client.ready()
        action = by_title(await client.code_actions(path, 0), "run this task: rename x to total")
        with pytest.raises(ServerError) as refused:
            await run(client, action)
        assert refused.value.data["code"] == "unsaved-documents"
        await run(client, by_title(await client.code_actions(path, 0), "start anyway"))
        await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
        assert "rename x to total" in str(place.model.requests[0]["input"])


async def test_dirty_buffer_refuses_the_accept_and_keeps_it_waiting(world: Any) -> None:
    async with patch_waits(world) as (client, path):
        seen = len(client.received)
        client.change(path, "import os\n\n" + TEXT, 2)
        moved = await client.wait_method("textDocument/publishDiagnostics", since=seen)
        assert moved["version"] == 2
        assert moved["diagnostics"][0]["range"]["start"]["line"] == 3
        accept = by_title(await client.code_actions(path, 3), "accept:")
        accept["command"]["arguments"][0]["unsaved"] = "refuse"
        with pytest.raises(ServerError, match=r"[Ss]ave") as refused:
            await run(client, accept)
        assert refused.value.data["code"] == "decision-refused"
        assert path.read_text() == TEXT
        client.change(path, TEXT, 3)
        await run(client, accept)
        await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
        assert "sum(xs)" in path.read_text()


async def test_new_file_is_decided_from_any_document_of_the_workspace(world: Any) -> None:
    add = "*** Begin Patch\n*** Add File: new.py\n+print(1)\n*** End Patch\n"
    place = world([patch(add, call_id="c1"), message("Done.")])
    path = place.write("a.py", "x = 1\n")
    async with place.editor() as client:
        client.open(path)
        await client.execute("autopilot.turn.start", {"text": "Make it"})
        new = place.project / "new.py"
        shown = await client.wait_method("textDocument/publishDiagnostics")
        assert shown["uri"] == new.as_uri()
        assert shown["diagnostics"][0]["range"]["start"] == {"line": 0, "character": 0}
        await run(client, by_title(await client.code_actions(path), "accept:"))
        await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
        assert new.read_text() == "print(1)\n"


async def test_preview_is_an_edit_where_it_is_confirmed_else_a_document(world: Any) -> None:
    async with patch_waits(world, info=VSCODE) as (client, path):
        preview = by_title(await client.code_actions(path, 1), "preview")
        shown = await run(client, preview)
        assert shown["shown"] == "edit"
        assert "+    return sum(xs)" in shown["diff"]
        edit = (await client.wait_method("workspace/applyEdit"))["edit"]
        assert all(a["needsConfirmation"] for a in edit["changeAnnotations"].values())
        [change] = edit["documentChanges"]
        assert change["textDocument"] == {"uri": path.as_uri(), "version": 1}
        assert change["edits"][0]["newText"] == "    return sum(xs)\n"
        assert path.read_text() == TEXT
        identifier = preview["command"]["arguments"][0]["approvalId"]
        argument = {"approvalId": identifier, "view": "document"}
        shown = await client.execute("autopilot.approval.preview", argument)
        assert shown["shown"] == "document"
        document = await client.wait_method("window/showDocument")
        assert document["uri"] == shown["uri"]


async def test_preview_asked_for_before_the_end_of_the_last_one_is_heard_of_comes(
    world: Any,
) -> None:
    async with patch_waits(world, info=VSCODE) as (client, path):
        preview = by_title(await client.code_actions(path, 1), "preview")

        def asked(message: Any) -> bool:
            return message.get("method") == "workspace/applyEdit"

        await run(client, preview)
        first = await client.wait_for(asked)
        await run(client, preview)
        since = len(client.received)
        assert not any(asked(message) for message in client.received if message is not first)
        client.send({"jsonrpc": "2.0", "id": first["id"], "result": {"applied": False}})
        second = await client.wait_for(asked, since=since)
        assert second["params"] == first["params"]


async def test_failed_turn_says_so_once_and_not_as_a_request(world: Any) -> None:
    place = world([http_error(400, "The model does not like this."), message("Now it does.")])
    path = place.write("a.py", "x = 1\ny = x + z\n")
    problem = {
        "range": {"start": {"line": 1, "character": 8}, "end": {"line": 1, "character": 9}},
        "message": "z is not defined",
        "severity": 1,
        "source": "linter",
    }
    async with place.editor() as client:
        client.open(path)
        await client.ready()
        fix = by_title(await client.code_actions(path, 1, diagnostics=[problem]), "fix this: z is")
        assert fix["kind"] == "quickfix"
        assert fix["tags"] == [1]
        await run(client, fix)
        shown = await client.wait_method("window/showMessage")
        assert shown["type"] == 1
        assert "does not like this" in shown["message"]
        assert "z is not defined" in str(place.model.requests[0]["input"])
        await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
        assert client.methods().count("window/showMessage") == 1
        assert "window/showMessageRequest" not in client.methods()
        failed = await client.wait_method("textDocument/publishDiagnostics")
        assert failed["uri"] == path.as_uri()
        assert failed["diagnostics"][0]["severity"] == 1
        assert failed["diagnostics"][0]["range"]["start"]["line"] == 1
        by_title(await client.code_actions(path, 1), "open the transcript")
        await run(client, fix)
        await client.wait_method("textDocument/publishDiagnostics", lambda p: not p["diagnostics"])


async def test_opted_in_client_gets_events_status_and_approvals(world: Any) -> None:
    place = world([patch(PATCH, call_id="c1"), message("Done.")])
    path = place.write("sum.py", TEXT)
    capabilities = {**FULL, "experimental": {"autopilot": True}}
    async with place.editor(capabilities=capabilities) as client:
        client.open(path)
        started = await client.execute("autopilot.turn.start", {"text": "Fix total"})
        asked = await client.wait_method("autopilot/approval")
        assert asked["approval"]["action"]["type"] == "patch"
        argument = {"approvalId": asked["approvalId"], "decision": "accept"}
        await client.execute("autopilot.approval.decide", argument)
        decided = await client.wait_method(
            "autopilot/approval", lambda p: p["decision"] is not None
        )
        assert decided["decision"]["kind"] == "accept"
        assert (await client.wait_method("autopilot/reload"))["uris"] == [path.as_uri()]
        await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
        await client.wait_method("autopilot/status", lambda p: p["status"]["state"] == "completed")
        await client.wait_method(
            "autopilot/event",
            lambda p: any(e["body"]["type"] == "turnCompleted" for e in p["events"]),
        )
        sent = [m["params"] for m in client.received if m.get("method") == "autopilot/event"]
        numbers = [event["seq"] for params in sent for event in params["events"]]
        assert numbers == sorted(numbers)
        assert {params["sessionId"] for params in sent} == {started["sessionId"]}


async def test_flood_reaches_the_editor_in_frames_and_all_of_it(world: Any) -> None:
    place = world([flood(20_000, 16), message("Done.")])
    capabilities = {**FULL, "experimental": {"autopilot": True}}
    async with place.editor(capabilities=capabilities) as client:
        began = asyncio.get_running_loop().time()
        await client.execute("autopilot.turn.start", {"text": "Talk"})
        await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
        await client.wait_method(
            "autopilot/event",
            lambda p: any(e["body"]["type"] == "turnCompleted" for e in p["events"]),
        )
        seconds = asyncio.get_running_loop().time() - began
        news = [m for m in client.methods() if m.startswith(("autopilot/", "$/progress"))]
        assert len(news) <= 35 * seconds + 10
        sent = [m["params"] for m in client.received if m.get("method") == "autopilot/event"]
        assert all(params["omitted"] == 0 for params in sent)
        length = sum(
            len(event["body"]["text"])
            for params in sent
            for event in params["events"]
            if event["body"]["type"] == "textDelta"
        )
        assert length == 20_000 * 16


async def test_editor_that_does_not_read_costs_no_memory_and_hears_the_end(world: Any) -> None:
    place = world([flood(60_000, 64), message("Done.")])
    capabilities = {**FULL, "experimental": {"autopilot": True}}
    async with place.editor(capabilities=capabilities) as client:
        await client.execute("autopilot.turn.start", {"text": "Talk"})
        await client.wait_method("$/progress")
        client.reading.clear()
        await until(lambda: b'"turnCompleted"' in place.recorded())
        assert memory(client, "VmRSS") < 250 * 1024
        client.reading.set()
        await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
        await client.wait_method("autopilot/status", lambda p: p["status"]["state"] == "completed")
        assert await client.shut_down() == 0
