"""The policy over real stdio: problems at their place, changes on the disk, trust, explanations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autopilot_ls.scripted_model import message, patch
from tests.protocol.client import FULL, Client, ServerError

GOOD = '[[rule]]\nname = "mine"\nverdict = "ask"\nedit = "sum.py"\nreason = "Sums are mine."\n'
THEIRS = '[[rule]]\nname = "theirs"\nverdict = "allow"\ncommand = "frobnicate …"\n'
HOVERS = {
    **FULL,
    "textDocument": {**FULL["textDocument"], "hover": {"contentFormat": ["markdown"]}},
}
PATCH = """*** Begin Patch
*** Update File: sum.py
@@
 def total(xs):
-    return len(xs)
+    return sum(xs)
*** End Patch
"""


async def shown(client: Client, path: Path, *codes: str, since: int = 0) -> list[Any]:
    """Return the diagnostics of a file as soon as they are these."""
    found = await client.wait_method(
        "textDocument/publishDiagnostics",
        lambda p: (
            p["uri"] == path.as_uri()
            and sorted(d["code"] for d in p["diagnostics"]) == sorted(codes)
        ),
        since=since,
    )
    return found["diagnostics"]


async def test_an_open_policy_shows_problems_and_what_others_change_on_the_disk(world: Any) -> None:
    place = world()
    path = place.project.parent / "policy.toml"
    path.write_text("[[rule]]\nverdict = 'ask'\ncommand = ['ls', 3]\n")
    async with place.editor(policyFile=str(path)) as client:
        client.open(path)
        [problem] = await shown(client, path, "policy-invalid")
        assert problem["range"]["start"] == {"line": 2, "character": 17}
        assert (problem["severity"], problem["source"]) == (1, "autopilot")
        at = len(client.received)
        # Written by another program: what the editor has is no longer what is in force.
        path.write_text(GOOD)
        await shown(client, path, "policy-invalid", "policy-not-saved", since=at)
        at = len(client.received)
        client.change(path, GOOD, 2)
        assert await shown(client, path, since=at) == []


async def test_a_workspace_policy_is_trusted_and_explained(world: Any) -> None:
    place = world()
    path = place.write(".autopilot/policy.toml", THEIRS)
    async with place.editor() as client:
        client.open(path)
        await shown(client, path, "no-effect", "policy-not-trusted")
        ask = {"command": "frobnicate x && git push", "mode": "auto"}
        before = await client.execute("autopilot.policy.explain", ask)
        assert [part["outcome"] for part in before["parts"]][:2] == ["ask", "ask"]
        [action] = [
            a for a in await client.code_actions(path) if "trust exactly this" in a["title"]
        ]
        command = action["command"]
        path.write_text(THEIRS + "#\n")
        with pytest.raises(ServerError, match="has changed since it was shown"):
            await client.execute(command["command"], command["arguments"][0])
        path.write_text(THEIRS)
        at = len(client.received)
        done = await client.execute(command["command"], command["arguments"][0])
        assert done["trusted"] is True
        assert await shown(client, path, since=at) == []
        after = await client.execute("autopilot.policy.explain", ask)
        assert [part["outcome"] for part in after["parts"]][:2] == ["allow", "ask"]
        assert after["parts"][0]["source"] == f"{path}:1"
        assert (after["outcome"], after["rule"]) == ("ask", "publishing")
        [told] = (await client.execute("autopilot.status"))["policies"]
        assert (told["state"], told["cwd"]) == ("inForce", str(place.project))


async def test_a_pending_hunk_and_the_transcript_tell_the_same(world: Any) -> None:
    place = world([patch(PATCH), message("Done.")])
    policy = place.project.parent / "policy.toml"
    policy.write_text(GOOD)
    path = place.write("sum.py", "def total(xs):\n    return len(xs)\n")
    async with place.editor(policyFile=str(policy), capabilities=HOVERS) as client:
        client.open(path)
        started = await client.execute("autopilot.turn.start", {"text": "Fix it"})
        await shown(client, path, "pending-hunk")
        where = {"textDocument": {"uri": path.as_uri()}, "position": {"line": 1, "character": 4}}
        hover = (await client.request("textDocument/hover", where))["contents"]
        assert hover["kind"] == "markdown"
        why = f"Asked by the rule `mine` ({policy}:1) on `{path}`, high risk: Sums are mine."
        assert why in hover["value"]
        assert "-    return len(xs)\n+    return sum(xs)" in hover["value"]
        where["position"]["line"] = 0
        assert await client.request("textDocument/hover", where) is None
        session = await client.execute(
            "autopilot.session.show", {"sessionId": started["sessionId"]}
        )
        assert why in session["transcript"]
        status = await client.execute("autopilot.status")
        said = f"Asked by the rule mine ({policy}:1) on “{path}”, high risk: Sums are mine."
        assert status["sessions"][0]["pending"][0]["why"] == said
