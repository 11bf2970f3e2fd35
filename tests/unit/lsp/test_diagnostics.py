"""Diagnostics of hunks in documents that are typed in, for an editor in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.protocol.client import FULL, until
from tests.unit.lsp.stand_in import Editor, hunk, patch_of, standing_in

pytestmark = pytest.mark.anyio

TEXT = "zero\none\ntwo\nthrée 😋\nfour\nfive\n"


def type_at(
    editor: Editor, path: Path, version: int, span: tuple[int, int, int, int], text: str
) -> None:
    change = {
        "range": {
            "start": {"line": span[0], "character": span[1]},
            "end": {"line": span[2], "character": span[3]},
        },
        "text": text,
    }
    item = {"uri": path.as_uri(), "version": version}
    editor.say("textDocument/didChange", {"textDocument": item, "contentChanges": [change]})


def seen(editor: Editor, path: Path) -> list[tuple[int, int, int, int]]:
    """First line, last line, last character and severity of what is shown."""
    return [
        (
            d["range"]["start"]["line"],
            d["range"]["end"]["line"],
            d["range"]["end"]["character"],
            d["severity"],
        )
        for d in editor.diagnostics().get(path.as_uri(), [])
    ]


@pytest.mark.parametrize(("encoding", "units"), [("utf-8", 11), ("utf-16", 8), ("utf-32", 7)])
async def test_diagnostics_and_actions_follow_what_is_typed(
    tmp_path: Path, encoding: str, units: int
) -> None:
    path = tmp_path / "a.txt"
    path.write_text(TEXT)
    async with standing_in(tmp_path) as place:
        capabilities: Any = {**FULL, "general": {"positionEncodings": [encoding]}}
        editor = place.editor(capabilities=capabilities)
        editor.open(path, TEXT)
        place.backend.ask(patch_of(path, hunk(4, ["thrée 😋\n"], ["3\n"])))
        assert seen(editor, path) == [(3, 3, units, 3)]
        assert any(title.startswith("accept") for title in await editor.titles(path, 3))

        type_at(editor, path, 2, (0, 0, 0, 0), "new\nnew\n")
        await until(lambda: seen(editor, path) == [(5, 5, units, 3)])
        assert await editor.titles(path, 5)
        assert not any("patch" in title for title in await editor.titles(path, 3))

        type_at(editor, path, 3, (5, 0, 5, 0), "x")
        await until(lambda: seen(editor, path) == [(5, 5, units + 1, 2)])
        [shown] = editor.diagnostics()[path.as_uri()]
        assert shown["message"].startswith("You have typed into this hunk")
        titles = await editor.titles(path, 5)
        assert not any(title.startswith("accept") for title in titles)
        assert any(title.startswith("reject the patch") for title in titles)

        type_at(editor, path, 4, (5, 0, 5, 1), "")
        await until(lambda: seen(editor, path) == [(5, 5, units, 3)])

        # Made by hand, it is gone, and it is back when that is undone.
        type_at(editor, path, 5, (5, 0, 6, 0), "3\n")
        await until(lambda: not seen(editor, path))
        assert not any("patch" in title for title in await editor.titles(path, 5))
        type_at(editor, path, 6, (5, 0, 6, 0), "thrée 😋\n")
        await until(lambda: seen(editor, path) == [(5, 5, units, 3)])


async def test_typing_elsewhere_is_published_once_it_pauses(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(TEXT)
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        editor.open(path, TEXT)
        place.backend.ask(patch_of(path, hunk(2, ["one\n"], ["1\n"])))
        method = "textDocument/publishDiagnostics"
        before = len(editor.sent(method))
        for version in range(2, 42):
            type_at(editor, path, version, (5, 0, 5, 0), "x")
        assert len(editor.sent(method)) == before
        await until(lambda: len(editor.sent(method)) > before)
        assert [params["version"] for params in editor.sent(method)[before:]] == [41]


async def test_closing_and_opening_again_finds_the_hunk_where_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(TEXT)
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        editor.open(path, TEXT)
        place.backend.ask(patch_of(path, hunk(3, [], ["new\n"])))
        assert seen(editor, path) == [(2, 2, 3, 3)]
        editor.say("textDocument/didClose", {"textDocument": {"uri": path.as_uri()}})
        editor.open(path, "above\n" + TEXT, 1)
        assert seen(editor, path) == [(3, 3, 3, 3)]
        editor.say("textDocument/didClose", {"textDocument": {"uri": path.as_uri()}})
        editor.open(path, "above\n" + TEXT.replace("two", "new\ntwo"), 1)
        assert seen(editor, path) == []


async def test_hunks_that_only_move_are_published_seldom_and_what_becomes_of_one_at_once(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.txt"
    path.write_text(TEXT)
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        editor.open(path, TEXT)
        place.backend.ask(patch_of(path, hunk(2, ["one\n"], ["1\n"])))
        method = "textDocument/publishDiagnostics"
        before = len(editor.sent(method))
        for version in range(2, 12):
            type_at(editor, path, version, (0, 0, 0, 0), "\n")
        assert len(editor.sent(method)) == before
        # Where it is asked for, it has moved already.
        assert await editor.titles(path, 11)
        await until(lambda: seen(editor, path) == [(11, 11, 3, 3)])
        before = len(editor.sent(method))
        type_at(editor, path, 12, (0, 0, 0, 0), "\n")
        type_at(editor, path, 13, (12, 0, 12, 0), "x")
        await until(lambda: len(editor.sent(method)) > before)
        assert editor.sent(method)[before]["version"] == 13
        assert seen(editor, path) == [(12, 12, 4, 2)]
