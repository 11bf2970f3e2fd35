"""Always allow, over real stdio with the real Codex: asked once, then not, forgotten, then asked again."""

from __future__ import annotations

from typing import Any

import pytest

from autopilot_ls.scripted_model import command, message
from tests.protocol.client import FULL, ServerError

OPTED_IN = {**FULL, "experimental": {"autopilot": True}}


async def test_a_command_that_is_always_allowed_asks_once_until_it_is_forgotten(
    world: Any,
) -> None:
    place = world(
        [
            command("pytest -q", call_id="c1"),
            command("pytest tests", call_id="c2"),
            message("Done."),
            command("pytest more", call_id="c3"),
            message("Done."),
        ]
    )
    path = place.write("a.py", "x = 1\n")
    async with place.editor(capabilities=OPTED_IN) as client:
        client.open(path)
        started = await client.execute("autopilot.turn.start", {"text": "Test it"})
        shown = await client.wait_method("autopilot/approval", lambda p: p["approval"] is not None)
        listed = await client.execute("autopilot.approval.list")
        (approval,) = listed["approvals"]
        assert approval["offers"] == shown["approval"]["offers"]
        assert "`pytest …`" in approval["offers"][0]["label"]
        actions = await client.code_actions(path, 0)
        titles = [action["title"] for action in actions]
        (remember,) = [
            a for a in actions if "Always allow `pytest …` in this workspace" in a["title"]
        ]
        plain = [t for t in titles if "accept:" in t or "reject" in t]
        assert titles.index(remember["title"]) > max(map(titles.index, plain))
        wrong = {"approvalId": approval["id"], "decision": "accept", "remember": "bash …"}
        with pytest.raises(ServerError):
            await client.execute("autopilot.approval.decide", wrong)
        decided = await client.request("workspace/executeCommand", remember["command"])
        name = decided["decision"]["remembered"]
        assert name == approval["offers"][0]["key"]
        # The second one goes by itself, so that the turn ends without a further word of ours.
        await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
        (rule,) = (await client.execute("autopilot.policy.list"))["rules"]
        assert (rule["name"], rule["pattern"], rule["by"]) == (name, "pytest …", "test 1")
        session = {"sessionId": started["sessionId"]}
        shown = await client.execute("autopilot.session.show", session)
        assert f"policy forget {name}" in shown["transcript"]

        with pytest.raises(ServerError) as refused:
            await client.execute("autopilot.policy.forget", {"names": [name, "nothing"]})
        assert refused.value.data["code"] == "invalid-request"
        await client.execute("autopilot.policy.forget", {"names": [name]})
        assert (await client.execute("autopilot.policy.list"))["rules"] == []
        at = len(client.received)
        await client.execute("autopilot.turn.start", {"text": "Again", **session})
        asked = await client.wait_method(
            "autopilot/approval", lambda p: p["approval"] is not None, since=at
        )
        assert "pytest more" in asked["approval"]["action"]["command"]
