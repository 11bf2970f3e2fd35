"""Documents that only the server has, over real stdio: transcripts, texts before and after, their news."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from autopilot_ls.scripted_model import command, message
from tests.protocol.client import FULL, Message, ServerError
from tests.protocol.test_hunks import FIRST, OLD, PATCH, begin, ended, patch

pytestmark = pytest.mark.timeout(180)

SHOWING: Message = copy.deepcopy(FULL)
SHOWING["workspace"]["textDocumentContent"] = {"dynamicRegistration": False}
REFRESH = "workspace/textDocumentContent/refresh"


async def text(client: Any, uri: str) -> str:
    result = await client.request("workspace/textDocumentContent", {"uri": uri})
    return str(result["text"])


async def test_a_pending_patch_can_be_compared_with_what_is_there(world: Any) -> None:
    place = world([patch(PATCH, call_id="c1"), message("I see.")])
    async with place.editor() as client:
        one, _two = await begin(place, client)
        (listed,) = (await client.execute("autopilot.approval.list"))["documents"]
        first, second = listed["files"]
        assert first["path"] == str(one)
        assert first["after"].endswith("/one.py")
        assert await text(client, first["before"]) == OLD
        assert await text(client, first["after"]) == FIRST.replace("line 10\n", "line ten\n")
        assert await text(client, second["after"]) == OLD.replace("line 5\n", "line five\n")
        assert "+line ten" in await text(client, listed["diff"])
        # What is not saved yet is part of both.
        client.change(one, OLD.replace("line 18\n", "line eighteen\n"), 2)
        assert "line eighteen\n" in await text(client, first["before"])
        assert "line ten\nline 11\n" in await text(client, first["after"])
        assert "line eighteen\n" in await text(client, first["after"])
        # Where the patch does not fit, its outcome is not made up.
        client.change(one, OLD.replace("line 2\n", "line II\n"), 3)
        with pytest.raises(ServerError) as unfit:
            await text(client, first["after"])
        assert unfit.value.data["code"] == "patch-invalid"
        client.change(one, OLD, 4)
        await client.execute(
            "autopilot.approval.decide", {"approvalId": listed["approvalId"], "decision": "accept"}
        )
        await ended(client)
        with pytest.raises(ServerError) as decided:
            await text(client, first["after"])
        assert decided.value.data["code"] == "approval-not-found"


async def test_news_of_a_document_are_told_once_to_who_reads_it(world: Any) -> None:
    place = world(
        [command("printf 'x\\r\\n' > made.txt"), message("Done."), message("Something new.")]
    )
    async with place.editor(capabilities=SHOWING) as client:
        offered = client.capabilities["workspace"]["textDocumentContent"]
        assert offered == {"schemes": ["autopilot"]}
        place.write("made.txt", "old\r\nsecond\r\n")
        started = await client.execute("autopilot.turn.start", {"text": "Go", "mode": "auto"})
        await ended(client)
        session = started["sessionId"]
        transcript = f"autopilot:/transcript/{session}.md"
        assert "Done." in await text(client, transcript)
        (change,) = (await client.execute("autopilot.changes.list"))["changes"]
        assert await text(client, change["before"]) == "old\r\nsecond\r\n"
        # Editors write the same name in other ways.
        other = change["before"].replace("autopilot:/", "autopilot:///").replace("made", "%6Dade")
        assert await text(client, other) == "old\r\nsecond\r\n"
        seen = len(client.received)
        await client.execute("autopilot.turn.start", {"text": "More", "sessionId": session})
        await client.wait_method(REFRESH, lambda p: p["uri"] == transcript, since=seen)
        await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end", since=seen)
        assert "Something new." in await text(client, transcript)
        told = [m for m in client.received[seen:] if m.get("method") == REFRESH]
        assert [m["params"]["uri"] for m in told].count(transcript) == 1, "once for each reading"


@pytest.mark.parametrize(
    "uri",
    [
        "autopilot:/transcript/../../etc/passwd.md",
        "autopilot:/transcript/20260101-000000-abcdef.md",
        "autopilot:/changes/before/0123456789abcdef/../../../etc/passwd",
        "autopilot:/approval/apr-0000000000/before/0/x",
        "autopilot:/approval/apr-0000000000/before/99999999999999999999/x",
        "autopilot:/%00",
        "file:///etc/passwd",
        "autopilot:" + "/" * 20_000,
        "",
    ],
)
async def test_other_names_are_refused(world: Any, uri: str) -> None:
    async with world().editor() as client:
        with pytest.raises(ServerError) as refused:
            await text(client, uri)
        assert refused.value.data["code"] in {
            "invalid-request",
            "session-not-found",
            "approval-not-found",
        }
        assert len(str(refused.value)) < 1_000
