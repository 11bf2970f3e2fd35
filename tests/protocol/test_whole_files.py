"""Files that are created, deleted, renamed or made executable are decided and reviewed like hunks."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from autopilot_ls.scripted_model import command, message, patch
from tests.protocol.client import FULL, ServerError
from tests.protocol.test_hunks import OLD, ended, heard
from tests.protocol.test_story import by_title, run

PATCH = """*** Begin Patch
*** Add File: new.py
+print("new")
*** Delete File: gone.py
*** Update File: old.py
*** Move to: moved.py
@@
 line 1
-line 2
+line two
 line 3
*** End Patch
"""
SHELL = "rm gone.py; mv old.py moved.py; chmod +x run.sh; echo new > new.py"


def able() -> Any:
    capabilities = copy.deepcopy(FULL)
    capabilities["textDocument"]["codeLens"] = {}
    return capabilities


async def lenses(client: Any, path: Path) -> list[str]:
    params = {"textDocument": {"uri": path.as_uri()}}
    found = await client.request("textDocument/codeLens", params)
    return [lens["command"]["title"] for lens in found]


async def press(client: Any, path: Path, title: str) -> Any:
    params = {"textDocument": {"uri": path.as_uri()}}
    found = await client.request("textDocument/codeLens", params)
    (lens,) = [lens for lens in found if lens["command"]["title"] == title]
    return await run(client, lens)


async def proposed(place: Any, client: Any) -> tuple[Path, Path, Path]:
    gone, old = place.write("gone.py", OLD), place.write("old.py", OLD)
    new = place.project / "new.py"
    client.open(gone)
    client.open(old)
    client.open(new, "")
    await client.execute("autopilot.turn.start", {"text": "Change it"})
    for path in (gone, old, new):
        await client.wait_method(
            "textDocument/publishDiagnostics",
            lambda p, path=path: p["uri"] == path.as_uri() and bool(p["diagnostics"]),
        )
    return new, gone, old


async def test_each_is_offered_at_its_file_and_decided_by_itself(world: Any) -> None:
    place = world([patch(PATCH, call_id="c1"), message("I see."), message("I see.")])
    async with place.editor(capabilities=able()) as client:
        new, gone, old = await proposed(place, client)
        assert "✓ accept new file" in await lenses(client, new)
        assert "✗ reject new file" in await lenses(client, new)
        assert "✓ accept deletion" in await lenses(client, gone)
        assert "✓ accept hunk" in await lenses(client, old)
        assert by_title(await client.code_actions(gone, 0), "accept deleting gone.py")
        assert by_title(await client.code_actions(old, 1), "and the renaming to moved.py")
        await run(client, by_title(await client.code_actions(new, 0), "reject creating new.py"))
        await press(client, gone, "✓ accept deletion")
        await run(client, by_title(await client.code_actions(old, 1), "accept this hunk"))
        await ended(client)
        assert not new.exists()
        assert not gone.exists()
        assert not old.exists()
        moved = place.project / "moved.py"
        assert moved.read_text() == OLD.replace("line 2\n", "line two\n", 1)
        applied, _, refused = heard(place).partition("Not applied:")
        assert "gone.py: deleting it" in applied
        assert "renaming it to moved.py" in applied
        assert "new.py: creating it" in refused


async def test_what_was_typed_in_a_file_to_be_deleted_or_created_refuses(world: Any) -> None:
    place = world([patch(PATCH, call_id="c1"), message("I see."), message("I see.")])
    async with place.editor(capabilities=able()) as client:
        new, gone, old = await proposed(place, client)
        client.change(gone, OLD + "mine\n", 2)
        assert "✓ accept deletion" not in await lenses(client, gone)
        assert "✗ reject deletion" in await lenses(client, gone)
        identifier = by_title(await client.code_actions(old, 1), "reject the patch")["command"][
            "arguments"
        ][0]["approvalId"]
        for unsaved in ("save", "merge"):
            with pytest.raises(ServerError) as refused:
                await client.execute(
                    "autopilot.approval.decide",
                    {"approvalId": identifier, "decision": "accept", "unsaved": unsaved},
                )
            assert refused.value.data["code"] == "decision-refused"
        assert gone.read_text() == OLD
        assert not new.exists()
        # The others can be accepted all the same.
        await run(client, by_title(await client.code_actions(gone, 0), "reject deleting gone.py"))
        await press(client, new, "✓ accept new file")
        await run(client, by_title(await client.code_actions(old, 1), "accept this hunk"))
        await ended(client)
        assert new.read_text() == 'print("new")\n'
        assert gone.read_text() == OLD
        assert not old.exists()


@pytest.mark.timeout(180)
async def test_what_a_command_did_to_whole_files_is_kept_and_undone(world: Any) -> None:
    place = world([command(SHELL), message("Done.")])
    async with place.editor(capabilities=able()) as client:
        paths = {name: place.write(name, OLD) for name in ("gone.py", "old.py", "run.sh")}
        client.open(paths["run.sh"])
        await client.execute("autopilot.turn.start", {"text": "Change it", "mode": "auto"})
        await ended(client)
        listed = await client.execute("autopilot.changes.list", {})
        kinds = {change["path"]: change["kind"] for change in listed["changes"]}
        assert kinds == {
            "gone.py": "delete",
            "moved.py": "add",
            "new.py": "add",
            "old.py": "delete",
            "run.sh": "mode",
        }
        run_sh, new = paths["run.sh"], place.project / "new.py"
        await client.wait_method(
            "textDocument/publishDiagnostics",
            lambda p: p["uri"] == run_sh.as_uri() and bool(p["diagnostics"]),
        )
        client.open(new)
        assert await lenses(client, run_sh) == ["✓ keep", "↶ undo"]
        assert run_sh.stat().st_mode & 0o111
        await press(client, run_sh, "↶ undo")
        assert not run_sh.stat().st_mode & 0o111
        assert run_sh.read_text() == OLD
        assert by_title(await client.code_actions(new, 0), "keep this new file")
        await press(client, new, "↶ undo")
        assert not new.exists()
        # What is gone has no place in a file: the transcript offers it.
        session = (await client.execute("autopilot.status"))["sessions"][0]["sessionId"]
        opened = await client.execute("autopilot.transcript.open", {"sessionId": session})
        transcript = Path(opened["uri"].removeprefix("file://"))
        client.open(transcript)
        await run(client, by_title(await client.code_actions(transcript, 0), "gone.py"))
        assert paths["gone.py"].read_text() == OLD
        for path in ("old.py", "moved.py"):
            await client.execute("autopilot.changes.undo", {"paths": [path]})
        assert paths["old.py"].read_text() == OLD
        assert not (place.project / "moved.py").exists()
        assert (await client.execute("autopilot.changes.list", {}))["total"] == 0
