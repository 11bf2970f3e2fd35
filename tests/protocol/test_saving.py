"""Accepting a patch of files with unsaved changes: they are saved first, by the editor or by the person."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from autopilot_ls.scripted_model import message, patch
from tests.protocol.client import FULL, ServerError
from tests.protocol.test_hunks import OLD, PATCH, begin, ended, heard
from tests.protocol.test_story import by_title, run

NEW = OLD.replace("line 2\n", "line two\n", 1).replace("line 10\n", "line ten\n", 1)
OTHER = OLD.replace("line 5\n", "line five\n", 1)
TYPED = "# typed 😋\n"
OVERLAP = OLD.replace("line 2\n", "mine\n", 1)


def able(*, saves: bool = False) -> Any:
    """An editor with code lenses; with our client, it saves when it is asked to."""
    capabilities = copy.deepcopy(FULL)
    capabilities["textDocument"]["codeLens"] = {}
    if saves:
        capabilities["experimental"] = {"autopilot": {"events": False}}
    return capabilities


def script() -> list[Any]:
    return [patch(PATCH, call_id="c1"), message("I see."), message("I see.")]


def titles(actions: list[Any]) -> list[str]:
    return [action["title"].removeprefix("Autopilot: ") for action in actions]


async def lenses(client: Any, path: Path) -> list[Any]:
    params = {"textDocument": {"uri": path.as_uri()}}
    return [lens["command"] for lens in await client.request("textDocument/codeLens", params)]


def save(client: Any, path: Path, text: str) -> None:
    path.write_bytes(text.encode())
    client.save(path)


async def test_an_editor_with_our_client_saves_when_it_is_asked_to(world: Any) -> None:
    place = world(script())
    async with place.editor(capabilities=able(saves=True)) as client:
        one, two = await begin(place, client)
        client.change(one, TYPED + OLD, 2)
        asked: list[Any] = []

        def save_all(params: Any) -> Any:
            asked.append(params["uris"])
            save(client, one, TYPED + OLD)
            return {"saved": params["uris"]}

        client.answers["autopilot/save"] = save_all
        found = titles(await client.code_actions(one, 2))
        first = next(i for i, title in enumerate(found) if "accept: " in title)
        assert found[first].startswith("save and accept: ")
        assert found[first + 1].startswith("accept without saving, into the unsaved text: ")
        buttons = [lens["title"] for lens in await lenses(client, one)]
        first = buttons.index("✓ save and accept patch (3 hunks)")
        assert buttons[first : first + 4] == [
            "✓ save and accept patch (3 hunks)",
            "✗ reject patch (3 hunks)",
            "preview",
            "✓ accept patch (3 hunks) into the unsaved text",
        ]
        lens = next(lens for lens in await lenses(client, one) if "save and" in lens["title"])
        result = await client.execute(lens["command"], lens["arguments"][0])
        assert result["decision"]["kind"] == "accept"
        await ended(client)
        assert asked == [[one.as_uri()]]
        assert (one.read_text(), two.read_text()) == (TYPED + NEW, OTHER)
        assert "Not applied" not in heard(place)
        reload = await client.wait_method("autopilot/reload")
        assert one.as_uri() in reload["uris"]
        assert await client.shut_down() == 0
    assert client.stderr == b""


async def test_what_the_editor_could_not_save_is_not_accepted(world: Any) -> None:
    place = world(script())
    async with place.editor(capabilities=able(saves=True)) as client:
        one, two = await begin(place, client)
        client.change(one, TYPED + OLD, 2)
        (accept,) = [
            action
            for action in await client.code_actions(one, 2)
            if "save and accept: " in action["title"]
        ]
        client.answers["autopilot/save"] = lambda _: {"saved": []}
        with pytest.raises(ServerError, match=r"one\.py could not be saved"):
            await run(client, accept)
        client.answers["autopilot/save"] = lambda params: {"saved": params["uris"]}
        with pytest.raises(ServerError, match=r"Save one\.py first"):
            await run(client, accept)  # It says so, and did not.
        # What overlaps is not saved for nothing.
        client.change(one, OVERLAP, 3)
        seen = len(client.received)
        argument = accept["command"]["arguments"][0]
        with pytest.raises(ServerError, match="Nothing was accepted or saved") as refused:
            await client.execute(accept["command"]["command"], argument)
        assert "autopilot/save" not in client.methods()[seen:]
        for way in ("Save first", "hunk by hunk", "reject"):
            assert way in refused.value.data["advice"]
        assert (one.read_text(), two.read_text()) == (OLD, OLD)
        found = titles(await client.code_actions(one, 9))
        assert any(title.startswith("accept this hunk") for title in found)
        assert any(title.startswith("reject the patch") for title in found)
        assert not any("accept: " in title for title in found)


async def test_any_other_editor_accepts_as_soon_as_the_person_has_saved(world: Any) -> None:
    place = world(script())
    async with place.editor(capabilities=able()) as client:
        one, two = await begin(place, client)
        client.open(two)
        client.change(one, TYPED + OLD, 2)
        client.change(two, TYPED + OLD, 2)
        found = titles(await client.code_actions(one, 2))
        first = next(i for i, title in enumerate(found) if "accept: " in title)
        assert found[first].startswith("as soon as you save: accept: ")
        assert "✓ accept patch (3 hunks) as soon as you save" in [
            lens["title"] for lens in await lenses(client, one)
        ]
        accept = by_title(await client.code_actions(one, 2), "as soon as you save: accept: ")
        with pytest.raises(ServerError) as waits:
            await run(client, accept)
        assert waits.value.data["code"] == "unsaved-documents"
        shown = await client.wait_method(
            "textDocument/publishDiagnostics",
            lambda p: any(d["code"] == "unsaved" for d in p["diagnostics"]),
        )
        assert any("what you chose is done" in d["message"] for d in shown["diagnostics"])
        (waiting,) = (await client.execute("autopilot.status"))["waitingTasks"]
        assert sorted(waiting["unsaved"]) == sorted(map(str, (one, two)))
        # It can be called off, and asked for again.
        await run(client, by_title(await client.code_actions(one, 0), "do not wait for saving"))
        assert not (await client.execute("autopilot.status"))["waitingTasks"]
        with pytest.raises(ServerError):
            await run(client, accept)
        save(client, one, TYPED + OLD)
        (waiting,) = (await client.execute("autopilot.status"))["waitingTasks"]
        assert two.read_text() == OLD
        save(client, two, TYPED + OLD)
        await ended(client)
        assert (one.read_text(), two.read_text()) == (TYPED + NEW, TYPED + OTHER)
        assert "Not applied" not in heard(place)
        assert not (await client.execute("autopilot.status"))["waitingTasks"]
        assert await client.shut_down() == 0
    assert client.stderr == b""


async def test_the_last_hunk_waits_and_a_decision_elsewhere_ends_that(world: Any) -> None:
    place = world(script())
    async with place.editor(capabilities=able()) as client:
        one, two = await begin(place, client)
        client.change(one, TYPED + OLD, 2)
        await run(client, by_title(await client.code_actions(one, 2), "reject this hunk"))
        actions = await client.code_actions(one, 10)
        assert "Autopilot: as soon as you save: accept the 2 remaining hunks" in [
            action["title"] for action in actions
        ]
        # More is to be chosen than this: nothing to wait for.
        await run(client, by_title(actions, "accept this hunk"))
        client.open(two)
        last = by_title(await client.code_actions(two, 4), "as soon as you save: accept this hunk")
        with pytest.raises(ServerError) as waits:
            await run(client, last)
        assert waits.value.data["code"] == "unsaved-documents"
        save(client, one, TYPED + OLD)
        await ended(client)
        wanted = TYPED + OLD.replace("line 10\n", "line ten\n", 1)
        assert (one.read_text(), two.read_text()) == (wanted, OTHER)


async def test_what_was_decided_meanwhile_waits_no_longer(world: Any) -> None:
    place = world(script())
    async with place.editor(capabilities=able()) as client:
        one, two = await begin(place, client)
        client.change(one, TYPED + OLD, 2)
        actions = await client.code_actions(one, 2)
        with pytest.raises(ServerError):
            await run(client, by_title(actions, "as soon as you save: accept: "))
        await run(client, by_title(actions, "reject the patch"))
        assert not (await client.execute("autopilot.status"))["waitingTasks"]
        seen = len(client.received)
        save(client, one, TYPED + OLD)
        await ended(client)
        assert "window/showMessage" not in client.methods()[seen:]
        assert (one.read_text(), two.read_text()) == (TYPED + OLD, OLD)
