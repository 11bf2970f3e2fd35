"""The whole story over real stdio: a real Codex works, an editor without any plugin decides."""

from __future__ import annotations

from typing import Any

from autopilot_ls.scripted_model import message, patch

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
