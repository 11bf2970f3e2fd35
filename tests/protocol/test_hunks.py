"""Deciding hunk by hunk over real stdio: a real Codex proposes, an editor without any plugin chooses."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from autopilot_ls.scripted_model import message, patch
from tests.protocol.client import FULL, VSCODE, ServerError
from tests.protocol.test_story import by_title, run

OLD = "".join(f"line {number}\n" for number in range(1, 21))
PATCH = """*** Begin Patch
*** Update File: one.py
@@
 line 1
-line 2
+line two
 line 3
@@
 line 9
-line 10
+line ten
 line 11
*** Update File: two.py
@@
 line 4
-line 5
+line five
 line 6
*** End Patch
"""
FIRST = OLD.replace("line 2\n", "line two\n", 1)


async def begin(place: Any, client: Any) -> tuple[Path, Path]:
    one, two = place.write("one.py", OLD), place.write("two.py", OLD)
    client.open(one)
    await client.execute("autopilot.turn.start", {"text": "Change it"})
    await client.wait_method(
        "textDocument/publishDiagnostics",
        lambda p: p["uri"] == two.as_uri() and bool(p["diagnostics"]),
    )
    return one, two


def heard(place: Any) -> str:
    return str(place.model.requests[1]["input"])


async def ended(client: Any) -> None:
    await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")


async def test_code_actions_choose_hunk_by_hunk_and_the_rest_at_once(world: Any) -> None:
    place = world([patch(PATCH, call_id="c1"), message("I see."), message("I see.")])
    async with place.editor() as client:
        one, two = await begin(place, client)
        seen = len(client.received)
        await run(client, by_title(await client.code_actions(one, 1), "accept this hunk"))
        shown = await client.wait_method("textDocument/publishDiagnostics", since=seen)
        assert shown["diagnostics"][0]["data"]["mark"] == "accept"
        assert shown["diagnostics"][1]["data"]["mark"] == "none"
        assert one.read_text() == OLD
        actions = await client.code_actions(one, 9, end=(9, 4))
        reject = by_title(actions, "with the selected text as the reason")
        assert reject["command"]["arguments"][0]["message"] == "line"
        await run(client, reject)
        assert two.read_text() == OLD
        last = by_title(await client.code_actions(one, 9), "reject the 1 remaining hunk")
        result = await run(client, last)
        assert result["decision"]["kind"] == "accept"
        assert len(result["decision"]["hunks"]) == 1
        await ended(client)
        assert (one.read_text(), two.read_text()) == (FIRST, OLD)
        applied, _, refused = heard(place).partition("Not applied:")
        assert "one.py: hunk 1 of 2, at line 2" in applied
        assert "The user says: line" in refused
        assert "two.py: the only hunk, at line 5" in refused
        session = (await client.execute("autopilot.status"))["sessions"][0]["sessionId"]
        transcript = (await client.execute("autopilot.session.show", {"sessionId": session}))[
            "transcript"
        ]
        assert "accepted in part" in transcript


async def test_the_commands_take_hunks_files_and_reasons(world: Any) -> None:
    place = world([patch(PATCH, call_id="c1"), message("I see."), message("I see.")])
    async with place.editor() as client:
        one, two = await begin(place, client)
        (approval,) = (await client.execute("autopilot.approval.list", {}))["approvals"]
        hunks = [hunk["id"] for file in approval["files"] for hunk in file["hunks"]]
        mark = {"approvalId": approval["id"], "hunks": [f"{approval['id']}-f1"], "mark": "reject"}
        marked = await client.execute("autopilot.approval.mark", {**mark, "message": "No."})
        assert [choice["hunkId"] for choice in marked["marks"]] == [hunks[2]]
        assert marked["missing"] == hunks[:2]
        for wrong in ({"hunks": []}, {"hunks": ["x"]}, {"mark": "maybe"}):
            with pytest.raises(ServerError):
                await client.execute("autopilot.approval.mark", {**mark, **wrong})
        decide = {"approvalId": approval["id"], "decision": "accept", "hunks": [hunks[0]]}
        with pytest.raises(ServerError):
            await client.execute("autopilot.approval.decide", {**decide, "decision": "decline"})
        reasons = {hunks[1]: "Ten is fine."}
        done = await client.execute("autopilot.approval.decide", {**decide, "reasons": reasons})
        assert done["decision"]["hunks"] == [hunks[0]]
        await ended(client)
        assert (one.read_text(), two.read_text()) == (FIRST, OLD)
        assert "Ten is fine." in heard(place)
        assert await client.shut_down() == 0
    assert client.stderr == b""


async def test_lenses_and_the_diff_offer_the_same(world: Any) -> None:
    able = copy.deepcopy(FULL)
    able["textDocument"]["codeLens"] = {}
    able["workspace"]["codeLens"] = {"refreshSupport": True}
    place = world([patch(PATCH, call_id="c1"), message("I see."), message("I see.")])
    async with place.editor(capabilities=able) as client:
        client.answers["workspace/codeLens/refresh"] = lambda _: None
        one, two = await begin(place, client)
        await client.wait_method("workspace/codeLens/refresh")
        lenses = await client.request(
            "textDocument/codeLens", {"textDocument": {"uri": one.as_uri()}}
        )
        lens = next(lens for lens in lenses if "accept hunk" in lens["command"]["title"])
        assert lens["range"]["start"]["line"] == 1
        await run(client, lens)
        identifier = lens["command"]["arguments"][0]["approvalId"]
        shown = await client.execute(
            "autopilot.approval.preview", {"approvalId": identifier, "view": "document"}
        )
        path = Path(shown["uri"].removeprefix("file://"))
        client.open(path)
        lines = shown["diff"].splitlines()
        line = lines.index("+line five")
        await run(client, by_title(await client.code_actions(path, line), "accept this hunk"))
        await run(client, by_title(await client.code_actions(path, line), "reject the 1 remaining"))
        await ended(client)
        assert one.read_text() == FIRST
        assert two.read_text() == OLD.replace("line 5\n", "line five\n", 1)
        assert not await client.code_actions(path, line)


async def test_what_is_ticked_in_the_editor_stays_in_the_editor_and_the_agent_knows(
    world: Any,
) -> None:
    place = world([patch(PATCH, call_id="c1"), message("I see."), message("I see.")])
    async with place.editor(info=VSCODE) as client:
        one, two = await begin(place, client)
        client.open(two)

        def tick(params: Any) -> Any:
            assert len(params["edit"]["changeAnnotations"]) == 3
            client.change(one, FIRST, 2)
            return {"applied": True}

        client.answers["workspace/applyEdit"] = tick
        preview = by_title(await client.code_actions(one, 1), "preview")
        assert (await run(client, preview))["shown"] == "edit"
        await ended(client)
        assert (one.read_text(), two.read_text()) == (OLD, OLD)
        applied, _, refused = heard(place).partition("Not applied:")
        assert "one.py: hunk 1 of 2, at line 2 (in the user's editor, not saved" in applied
        assert "one.py: hunk 2 of 2" in refused
        assert "two.py: the only hunk" in refused


async def test_accepting_without_saving_edits_the_unsaved_text_and_believes_only_the_text(
    world: Any,
) -> None:
    place = world([patch(PATCH, call_id="c1"), message("I see."), message("I see.")])
    async with place.editor() as client:
        one, two = await begin(place, client)
        client.open(two)
        client.change(one, OLD + "typed 😋\n", 2)
        client.change(two, OLD + "typed\n", 2)
        seen: list[Any] = []

        def take(params: Any) -> Any:
            (change,) = params["edit"]["documentChanges"]
            seen.append(change)
            if change["textDocument"]["uri"] == one.as_uri():
                merged = FIRST.replace("line 10\n", "line ten\n", 1) + "typed 😋\n"
                client.change(one, merged, 3)
            return {"applied": True}

        client.answers["workspace/applyEdit"] = take
        actions = await client.code_actions(one, 1)
        merge = by_title(actions, "accept without saving")
        plain = {**merge["command"]["arguments"][0], "unsaved": "refuse"}
        with pytest.raises(ServerError, match=r"Save one\.py first"):
            await client.execute("autopilot.approval.decide", plain)
        assert seen == []
        await run(client, merge)
        await ended(client)
        first, second = seen
        assert first["textDocument"] == {"uri": one.as_uri(), "version": 2}
        assert [edit["newText"] for edit in first["edits"]] == ["line two\n", "line ten\n"]
        assert first["edits"][0]["range"] == {
            "start": {"line": 1, "character": 0},
            "end": {"line": 2, "character": 0},
        }
        assert second["textDocument"]["uri"] == two.as_uri()
        assert (one.read_text(), two.read_text()) == (OLD, OLD)
        applied, _, refused = heard(place).partition("Not applied:")
        applied = applied.partition("Applied:")[2]
        assert "one.py: hunk 2 of 2, at line 10 (in the user's editor, not saved" in applied
        assert "two.py" not in applied
        assert "the editor did not take them" in refused
        said = await client.wait_method(
            "window/showMessage", lambda p: "two.py did not take" in p["message"]
        )
        assert said["type"] == 1
        assert await client.shut_down() == 0
    assert client.stderr == b""
