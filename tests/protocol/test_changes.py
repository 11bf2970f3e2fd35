"""Review after the fact over real stdio: a real Codex runs a command in auto mode, an editor reviews it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from autopilot_ls.scripted_model import command, message
from tests.protocol.client import FULL, ServerError

pytestmark = pytest.mark.timeout(180)

OLD = "".join(f"line {number}\n" for number in range(1, 21))
NEW = OLD.replace("line 2\n", "line two\n").replace("line 10\n", "line ten\n")
NAMES = ("one.py", "two.py", "three.py")
REWRITE = "sed -i 's/^line 2$/line two/; s/^line 10$/line ten/' one.py two.py three.py"


def hints(client: Any, path: Path) -> list[Any]:
    """Return the hints that the editor shows in a file now."""
    shown = [
        m["params"]["diagnostics"]
        for m in client.received
        if m.get("method") == "textDocument/publishDiagnostics"
        and m["params"]["uri"] == path.as_uri()
    ]
    found = shown[-1] if shown else []
    return [each for each in found if each["code"] == "unreviewed"]


async def shows(client: Any, path: Path, lines: list[int]) -> list[Any]:
    """Wait until the hints of a file stand at these lines."""
    await client.wait_for(
        lambda _: [hint["range"]["start"]["line"] for hint in hints(client, path)] == lines
    )
    return hints(client, path)


async def rewritten(place: Any, client: Any) -> list[Path]:
    paths = [place.write(name, OLD) for name in NAMES]
    client.open(paths[0])
    await client.execute("autopilot.turn.start", {"text": "Change it", "mode": "auto"})
    await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
    # Editors load a file again that they have not changed.
    client.close(paths[0])
    client.open(paths[0])
    for path in paths:
        assert path.read_text() == NEW
        await shows(client, path, [1, 9])
    return paths


async def choose(client: Any, path: Path, line: int, title: str) -> Any:
    actions = await client.code_actions(path, line)
    titles = [action["title"] for action in actions]
    (chosen,) = [action for action in actions if title in action["title"]] or [titles]
    assert isinstance(chosen, dict), chosen
    return await client.execute(chosen["command"]["command"], chosen["command"]["arguments"][0])


async def test_changes_are_hints_that_are_kept_and_undone(world: Any) -> None:
    place = world([command(REWRITE), message("Done.")])
    async with place.editor() as client:
        one, two, three = await rewritten(place, client)
        hint = hints(client, two)[0]
        assert hint["severity"] == 4
        assert "sed -i" in hint["message"]
        assert "(+1 −1). Before: line 2" in hint["message"]
        hover = await client.request(
            "textDocument/hover",
            {"textDocument": {"uri": one.as_uri()}, "position": {"line": 1, "character": 0}},
        )
        assert "-line 2\n+line two" in hover["contents"]["value"]
        # A hunk is kept, one is undone; the other files stay.
        await choose(client, one, 1, "keep this change")
        await shows(client, one, [9])
        client.change(one, "typed\n" + NEW, 2)
        await shows(client, one, [10])
        done = await choose(client, one, 10, "undo this change")
        assert "unsaved changes" in done["left"][0]
        assert one.read_text() == NEW
        one.write_text("typed\n" + NEW)
        client.save(one)
        await choose(client, one, 10, "undo this change")
        assert one.read_text() == "typed\n" + NEW.replace("line ten", "line 10")
        await shows(client, one, [])
        # The whole turn goes, what was typed stays, and it can be done again.
        client.change(one, one.read_text(), 3)
        client.open(two)
        done = await choose(client, two, 1, "undo turn 1")
        assert done["written"] == sorted(NAMES)
        assert one.read_text() == "typed\n" + OLD
        assert two.read_text() == three.read_text() == OLD
        await client.wait_method(
            "$/progress", lambda p: "wrote 3 files" in p["value"].get("title", "")
        )
        client.change(two, OLD, 2)
        await choose(client, two, 0, "undo the last undo")
        assert two.read_text() == three.read_text() == NEW
        listed = await client.execute("autopilot.changes.list", {})
        assert listed["total"] == 4
        assert {each["path"] for each in listed["changes"]} == {"two.py", "three.py"}
        kept = await client.execute("autopilot.changes.keep", {"paths": ["two.py"]})
        assert len(kept["kept"]) == 2
        with pytest.raises(ServerError, match="Nothing says which"):
            await client.execute("autopilot.changes.undo", {})
        await client.execute("autopilot.changes.undo", {"all": True})
        assert three.read_text() == OLD


async def test_an_open_review_is_shown_again_after_the_server_was_killed(world: Any) -> None:
    place = world([command(REWRITE), message("Done.")])
    async with place.editor() as client:
        paths = await rewritten(place, client)
        await choose(client, paths[0], 1, "keep this change")
        await shows(client, paths[0], [9])
        stored = place.state / "reviews"
        before = {file: file.read_bytes() for file in stored.glob("*.json")}
        await client.execute("autopilot.changes.keep", {"ids": ["none"]})
        await client.wait_for(lambda _: before.keys() == {*stored.glob("*.json")})
        os.kill(client.process.pid, signal.SIGKILL)
        await client.process.wait()
    async with place.editor(capabilities=FULL) as client:
        for path in paths[1:]:
            await shows(client, path, [1, 9])
        client.open(paths[1])
        await choose(client, paths[1], 1, "undo all 2 changes of this file")
        assert paths[1].read_text() == OLD


async def test_more_changes_than_are_shown_in_a_file_are_told(world: Any) -> None:
    place = world([command("sed -i '0~2s/$/!/' long.py"), message("Done.")])
    path = place.write("long.py", "".join(f"line {number}\n" for number in range(1, 501)))
    async with place.editor() as client:
        await client.execute("autopilot.turn.start", {"text": "Change it", "mode": "auto"})
        told = await client.wait_method(
            "window/logMessage", lambda p: "250 unreviewed changes" in p["message"]
        )
        assert f"{path} has 250 unreviewed changes; the first 200 are shown" in told["message"]
        first, *_ = await shows(client, path, [*range(1, 400, 2)])
        # There is room for the next one then.
        await client.execute("autopilot.changes.keep", {"ids": [first["data"]["changeId"]]})
        await shows(client, path, [*range(3, 402, 2)])
