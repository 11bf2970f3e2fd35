"""Pending hunks follow what is typed, over real stdio; a file under another name has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autopilot_ls.scripted_model import message, patch
from tests.protocol.client import ServerError
from tests.protocol.test_hunks import FIRST, OLD, PATCH, begin, ended
from tests.protocol.test_story import by_title, run

WARNING, INFORMATION = 2, 3


class Typist:
    """Somebody who types in a file, and sees its diagnostics."""

    def __init__(self, client: Any, path: Path) -> None:
        self.client = client
        self.path = path
        self.version = 1

    def type(self, line: int, start: int, end: int, text: str) -> None:
        self.version += 1
        self.client.notify(
            "textDocument/didChange",
            {
                "textDocument": {"uri": self.path.as_uri(), "version": self.version},
                "contentChanges": [
                    {
                        "range": {
                            "start": {"line": line, "character": start},
                            "end": {"line": line, "character": end},
                        },
                        "text": text,
                    }
                ],
            },
        )

    def seen(self) -> list[tuple[int, int]]:
        """Return the line and the severity of what the file shows now."""
        shown = [
            m["params"]
            for m in self.client.received
            if m.get("method") == "textDocument/publishDiagnostics"
            and m["params"]["uri"] == self.path.as_uri()
        ]
        if not shown or shown[-1].get("version") not in (None, self.version):
            return [(-1, -1)]
        return [(d["range"]["start"]["line"], d["severity"]) for d in shown[-1]["diagnostics"]]

    async def sees(self, *wanted: tuple[int, int]) -> None:
        await self.client.wait_for(lambda _: self.seen() == list(wanted))


def script() -> list[Any]:
    return [patch(PATCH, call_id="c1"), message("I see."), message("I see.")]


async def test_hunks_move_conflict_disappear_and_return(world: Any) -> None:
    place = world(script())
    async with place.editor() as client:
        one, _ = await begin(place, client)
        typist = Typist(client, one)
        await typist.sees((1, INFORMATION), (9, INFORMATION))
        # Above both, between them, and that undone.
        typist.type(0, 0, 0, "# 😋\n\n")
        await typist.sees((3, INFORMATION), (11, INFORMATION))
        typist.type(6, 0, 0, "new\n")
        await typist.sees((3, INFORMATION), (12, INFORMATION))
        # Into the first one: it cannot be accepted, the other can.
        typist.type(3, 0, 0, "x")
        await typist.sees((3, WARNING), (12, INFORMATION))
        (marked, _) = [
            m["params"]["diagnostics"]
            for m in client.received
            if m.get("method") == "textDocument/publishDiagnostics"
        ][-1]
        assert "You have typed into this hunk" in marked["message"]
        titles = [action["title"] for action in await client.code_actions(one, 3)]
        assert not any("accept this hunk" in title for title in titles)
        assert any("reject this hunk" in title for title in titles)
        typist.type(3, 0, 1, "")
        await typist.sees((3, INFORMATION), (12, INFORMATION))
        # Made by hand, and that undone.
        typist.type(3, 0, 6, "line two")
        await typist.sees((12, INFORMATION))
        typist.type(3, 0, 8, "line 2")
        await typist.sees((3, INFORMATION), (12, INFORMATION))
        # Away with all of it, and back.
        text = "# 😋\n\n" + OLD.replace("line 5\n", "line 5\nnew\n", 1)
        typist.version += 1
        client.change(one, "", typist.version)
        await typist.sees((0, WARNING), (0, WARNING))
        typist.version += 1
        client.change(one, text, typist.version)
        await typist.sees((3, INFORMATION), (12, INFORMATION))


async def test_a_file_that_was_renamed_shows_nothing_under_its_new_name(world: Any) -> None:
    place = world(script())
    async with place.editor() as client:
        one, two = await begin(place, client)
        new = one.with_name("renamed.py")
        client.close(one)
        one.rename(new)
        client.open(new)
        client.open(two)
        await Typist(client, two).sees((4, INFORMATION))
        assert Typist(client, new).seen() == [(-1, -1)]
        titles = [action["title"] for action in await client.code_actions(new, 1)]
        assert not any("accept" in title for title in titles)
        accept = by_title(await client.code_actions(two, 4), "accept: ")
        with pytest.raises(ServerError, match=r"one\.py was deleted after"):
            await run(client, accept)
        assert (new.read_text(), two.read_text()) == (OLD, OLD)
        # Back under its name it can be accepted.
        client.close(new)
        new.rename(one)
        client.open(one)
        await Typist(client, one).sees((1, INFORMATION), (9, INFORMATION))
        await run(client, accept)
        await ended(client)
        assert one.read_text() == FIRST.replace("line 10\n", "line ten\n", 1)


async def test_a_file_opened_by_a_link_follows_too(world: Any) -> None:
    place = world(script())
    async with place.editor() as client:
        one, _ = await begin(place, client)
        client.close(one)
        link = one.with_name("link.py")
        link.symlink_to(one)
        client.open(link)
        typist = Typist(client, link)
        await typist.sees((1, INFORMATION), (9, INFORMATION))
        typist.type(0, 0, 0, "\n")
        await typist.sees((2, INFORMATION), (10, INFORMATION))
        assert by_title(await client.code_actions(link, 2), "accept this hunk")
