"""Hunk by hunk in an editor: what is offered where, what the choices look like, what a preview comes to."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from autopilot_ls.lsp.features.confirmed import _Piece, made
from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    FileChange,
    Mark,
    PatchAction,
    ProposedChange,
)
from tests.protocol.client import FULL, until
from tests.unit.lsp.stand_in import Editor, Place, approval_of, hunk, standing_in

ONE = "".join(f"line {number}\n" for number in range(1, 21))


def two_files(root: Path) -> Approval:
    files: list[FileChange] = []
    for index, name in enumerate(("one.py", "two.py")):
        path = root / name
        path.write_text(ONE)
        hunks = (
            hunk(2, ["line 2\n"], ["LINE 2\n"], number=2 * index),
            hunk(10, [], ["new\n"], number=2 * index + 1),
        )
        files.append(FileChange(path=str(path), kind=ChangeKind.UPDATE, hunks=hunks))
    change = ProposedChange(path="one.py", kind=ChangeKind.UPDATE, form="unified", text="")
    return approval_of(PatchAction(changes=(change,)), *files)


def argument(action: Any) -> Any:
    return action.command.arguments[0]


async def actions(editor: Editor, path: Path, line: int, end: tuple[int, int] | None = None) -> Any:
    last = types.Position(*end) if end else types.Position(line, 0)
    params = types.CodeActionParams(
        types.TextDocumentIdentifier(path.as_uri()),
        types.Range(types.Position(line, 0), last),
        types.CodeActionContext([]),
    )
    found = await editor.connection.code_actions(params)
    return {action.title.removeprefix("Autopilot: "): argument(action) for action in found}


def starting(found: dict[str, Any], start: str) -> Any:
    titles = [title for title in found if title.startswith(start)]
    assert len(titles) == 1, (start, list(found))
    return found[titles[0]]


async def choose(place: Place, found: dict[str, Any], start: str) -> None:
    wanted = starting(found, start)
    mark = None if wanted["mark"] == "none" else Mark(wanted["mark"])
    await place.backend.mark(
        wanted["approvalId"],
        wanted["hunks"],
        mark,
        marked_by="me",
        message=wanted.get("message", ""),
    )


async def test_each_hunk_can_be_chosen_and_taken_back_and_its_diagnostic_tells(
    tmp_path: Path,
) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        one = tmp_path / "one.py"
        place.backend.ask(two_files(tmp_path))
        editor.open(one, ONE)
        found = await actions(editor, one, 1)
        assert list(found)[:2] == [
            "accept this hunk (1 of 2): LINE 2",
            "reject this hunk (1 of 2): LINE 2",
        ]
        assert starting(found, "accept all 2 hunks of one.py")["hunks"] == ["apr-1-f0"]
        assert not [title for title in found if "remaining" in title or "take back" in title]
        await choose(place, found, "reject this hunk")
        first = editor.diagnostics()[one.as_uri()][0]
        assert first["message"].startswith("[You chose: reject] ")
        assert first["data"]["mark"] == "reject"
        found = await actions(editor, one, 1)
        assert not [title for title in found if title.startswith("reject this hunk")]
        assert len(starting(found, "accept the 3 remaining hunks")["hunks"]) == 3
        await choose(place, found, "take back “reject”")
        assert editor.diagnostics()[one.as_uri()][0]["data"]["mark"] == "none"
        assert not place.backend.state.pending["apr-1"].marks


async def test_a_selection_is_the_reason_and_all_choices_can_be_carried_out_again(
    tmp_path: Path,
) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        one = tmp_path / "one.py"
        place.backend.ask(two_files(tmp_path))
        editor.open(one, ONE)
        found = await actions(editor, one, 1, end=(1, 4))
        await choose(place, found, "reject this hunk (1 of 2): LINE 2, with the selected text")
        assert place.backend.state.pending["apr-1"].marks[0].message == "line"
        assert "reject, line]" in editor.diagnostics()[one.as_uri()][0]["message"]
        await choose(place, await actions(editor, one, 1), "accept the 3 remaining")
        found = await actions(editor, one, 1)
        again = starting(found, "carry out your choices: accept 3, reject 1")
        assert again["mark"] == "accept"
        decline = starting(await actions(editor, one, 1, end=(1, 4)), "reject the patch, with")
        assert decline["message"] == "line"


async def test_several_hunks_in_a_selection_are_told_apart_by_their_lines(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        one = tmp_path / "one.py"
        place.backend.ask(two_files(tmp_path))
        editor.open(one, ONE)
        found = await actions(editor, one, 0, end=(12, 0))
        assert starting(found, "accept the hunk at line 2 ")["hunks"] == ["h0"]
        assert starting(found, "accept the hunk at line 10 ")["hunks"] == ["h1"]


async def test_a_patch_of_one_hunk_is_offered_as_a_whole_only(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        path = tmp_path / "a.py"
        path.write_text(ONE)
        file = FileChange(
            path=str(path), kind=ChangeKind.UPDATE, hunks=(hunk(2, ["line 2\n"], ["x\n"]),)
        )
        change = ProposedChange(path="a.py", kind=ChangeKind.UPDATE, form="unified", text="")
        place.backend.ask(approval_of(PatchAction(changes=(change,)), file))
        editor.open(path, ONE)
        titles = list(await actions(editor, path, 1))
        assert titles[0].startswith("accept: ")
        assert not [title for title in titles if "hunk" in title]


async def test_accepting_all_says_that_it_overrides_what_was_rejected(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        one = tmp_path / "one.py"
        place.backend.ask(two_files(tmp_path))
        editor.open(one, ONE)
        await choose(place, await actions(editor, one, 1), "reject this hunk")
        titles = list(await actions(editor, one, 9))
        assert not [title for title in titles if title.startswith("accept: ")]
        over = "accept, also the 1 hunk that you rejected: "
        assert [title for title in titles if title.startswith(over)]


async def test_lenses_stand_over_each_hunk_and_are_asked_for_anew_when_choices_change(
    tmp_path: Path,
) -> None:
    able = copy.deepcopy(FULL)
    able["textDocument"]["codeLens"] = {}
    able["workspace"]["codeLens"] = {"refreshSupport": True}
    async with standing_in(tmp_path) as place:
        editor = place.editor(capabilities=able)
        one = tmp_path / "one.py"
        place.backend.ask(two_files(tmp_path))
        editor.open(one, ONE)

        async def lenses() -> list[tuple[int, str]]:
            params = types.CodeLensParams(types.TextDocumentIdentifier(one.as_uri()))
            found = await editor.connection.code_lenses(params)
            return [(lens.range.start.line, lens.command.title) for lens in found if lens.command]

        assert await lenses() == [
            (1, "✓ accept hunk"),
            (1, "✗ reject hunk"),
            (1, "✓ accept patch (4 hunks)"),
            (1, "✗ reject patch (4 hunks)"),
            (1, "preview"),
            (9, "✓ accept hunk"),
            (9, "✗ reject hunk"),
        ]
        await until(lambda: len(editor.sent("workspace/codeLens/refresh")) == 1)
        request = next(
            m for m in editor.messages if m.get("method") == "workspace/codeLens/refresh"
        )
        protocol = editor.connection.server.protocol
        protocol.take(b'{"jsonrpc":"2.0","id":"%s","result":null}' % request["id"].encode())
        await choose(place, await actions(editor, one, 1), "accept this hunk")
        # Accepting the whole patch would take no notice of what was chosen.
        assert (await lenses())[:4] == [
            (1, "✓ accepted: take back"),
            (1, "✓ accept the 3 remaining hunks"),
            (1, "✗ reject the 3 remaining hunks"),
            (1, "preview"),
        ]
        await until(lambda: len(editor.sent("workspace/codeLens/refresh")) == 2)


async def test_an_editor_without_lenses_is_told_nothing_of_them(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        assert editor.connection.profile.code_lenses is False
        place.backend.ask(two_files(tmp_path))
        assert editor.sent("workspace/codeLens/refresh") == []


async def test_the_generated_diff_is_decided_hunk_by_hunk_and_tells_the_choices(
    tmp_path: Path,
) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        approval = two_files(tmp_path)
        place.backend.ask(approval)
        (place.backend.settings.state_folder / "sessions" / approval.session_id).mkdir(parents=True)
        _, uri, diff = await editor.view._preview.show(approval, str(tmp_path), "document")
        path = Path(uri.removeprefix("file://"))
        await until(lambda: path.read_text() == diff)
        editor.open(path, diff)
        lines = diff.splitlines()
        second = [i for i, line in enumerate(lines) if line == "+new"][1]
        found = await actions(editor, path, second)
        assert starting(found, "accept this hunk")["hunks"] == ["h3"]
        await choose(place, found, "accept this hunk")
        await until(lambda: "@@ ✓ accepted\n+new\n" in path.read_text())
        assert starting(await actions(editor, path, second), "take back")["hunks"] == ["h3"]
        editor.open(path, "something\nelse\n")
        found = await actions(editor, path, 1)
        assert not [title for title in found if "this hunk" in title]
        assert [title for title in found if title.startswith("accept: ")]


def types_into(editor: Editor, path: Path, text: str) -> None:
    """The person's text is this now."""
    editor.say(
        "textDocument/didChange",
        {
            "textDocument": {"uri": path.as_uri(), "version": 2},
            "contentChanges": [{"text": text}],
        },
    )


@pytest.mark.parametrize("first", ["typed", "chosen"])
async def test_a_hunk_that_the_person_made_needs_no_choice_and_the_agent_hears_of_it(
    tmp_path: Path, first: str
) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        one = tmp_path / "one.py"
        place.backend.ask(two_files(tmp_path))
        editor.open(one, ONE)
        run = editor.connection.execute
        typed = ONE.replace("line 2\n", "LINE 2\n", 1)
        if first == "typed":
            types_into(editor, one, typed)
            rest = starting(await actions(editor, one, 9), "as soon as you save: accept the 3")
        else:
            every = {"approvalId": "apr-1", "hunks": ["h0", "h1", "h2", "h3"], "mark": "accept"}
            await run("autopilot.approval.mark", [every])
            types_into(editor, one, typed)
            found = await actions(editor, one, 9)
            rest = starting(found, "as soon as you save: carry out your choices: accept 3")
        await run("autopilot.approval.mark", [{**rest, "unsaved": "refuse"}])
        marks = place.backend.state.pending["apr-1"].marks
        assert [(choice.hunk_id, choice.mark) for choice in marks] == [
            ("h0", Mark.REJECT),
            ("h1", Mark.ACCEPT),
            ("h2", Mark.ACCEPT),
            ("h3", Mark.ACCEPT),
        ]
        assert marks[0].message == "I have made this change myself."


async def test_a_hunk_that_was_typed_into_is_not_accepted_and_that_is_said_at_once(
    tmp_path: Path,
) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor()
        one = tmp_path / "one.py"
        place.backend.ask(two_files(tmp_path))
        editor.open(one, ONE)
        types_into(editor, one, ONE.replace("line 2\n", "line 2x\n", 1))
        run = editor.connection.execute
        for hunks in (["h0"], ["h0", "h3"], ["apr-1-f0"]):
            request = {"approvalId": "apr-1", "hunks": hunks, "mark": "accept"}
            with pytest.raises(JsonRpcException, match="you have typed into 1 hunk of it"):
                await run("autopilot.approval.mark", [request])
        assert place.backend.state.pending["apr-1"].marks == ()
        await run("autopilot.approval.mark", [{**request, "mark": "reject"}])
        assert len(place.backend.state.pending["apr-1"].marks) == 2


def preview(editor: Editor) -> dict[str, Any]:
    return next(m for m in editor.messages if m.get("method") == "workspace/applyEdit")


async def applied(
    place: Place, editor: Editor, texts: dict[str, str], *, said: bool = True
) -> dict[str, Any]:
    """Show the preview, put these texts into the buffers, and say that it was applied."""
    approval = two_files(place.root)
    place.backend.ask(approval)
    (place.backend.settings.state_folder / "sessions" / approval.session_id).mkdir(parents=True)
    for name in ("one.py", "two.py"):
        editor.open(place.root / name, ONE)
    shown, _, _ = await editor.view._preview.show(approval, str(place.root), "edit")
    assert shown == "edit"
    await until(lambda: any(m.get("method") == "workspace/applyEdit" for m in editor.messages))
    request = preview(editor)
    for name, text in texts.items():
        editor.say(
            "textDocument/didChange",
            {
                "textDocument": {"uri": (place.root / name).as_uri(), "version": 2},
                "contentChanges": [{"text": text}],
            },
        )
    body = '{"jsonrpc":"2.0","id":"%s","result":{"applied":%s}}'
    answer = body % (request["id"], "true" if said else "false")
    editor.connection.server.protocol.take(answer.encode())
    return request["params"]["edit"]


async def test_what_the_person_ticked_in_the_preview_is_the_decision(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor("Visual Studio Code")
        texts = {
            "one.py": ONE.replace("line 2\n", "LINE 2\n", 1),
            "two.py": ONE.replace("line 10\n", "new\nline 10\n", 1).replace("\n", "\r\n"),
        }
        edit = await applied(place, editor, texts)
        notes = edit["changeAnnotations"]
        assert sorted(notes) == ["h0", "h1", "h2", "h3"]
        assert len({note["label"] for note in notes.values()}) == 4
        assert all(note["needsConfirmation"] for note in notes.values())
        await until(lambda: not place.backend.state.pending)
        done = place.backend.state.resolved("apr-1")
        assert done is not None
        assert (done.decision.hunks, done.decision.in_editor) == (("h0", "h3"), True)


@pytest.mark.parametrize(
    "texts",
    [{}, {"one.py": ONE + "mine\n"}, {"one.py": ONE.replace("line 2\n", "LINE 2!\n", 1)}],
)
async def test_an_editor_that_lies_about_what_it_applied_decides_nothing(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor("Visual Studio Code")
        await applied(place, editor, texts)
        said = ("Nothing of the preview was applied", "cannot be told from the text")
        await until(
            lambda: any(
                part in message["message"]
                for message in editor.sent("window/logMessage")
                for part in said
            )
        )
        assert list(place.backend.state.pending) == ["apr-1"]


async def test_a_file_that_was_created_without_its_text_is_removed_and_not_accepted(
    tmp_path: Path,
) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor("Visual Studio Code")
        path = tmp_path / "fresh.py"
        change = ProposedChange(path="fresh.py", kind=ChangeKind.ADD, form="unified", text="")
        added = hunk(0, [], ["x = 1\n"], number=0)
        file = FileChange(path=str(path), kind=ChangeKind.ADD, hunks=(added,))
        approval = approval_of(PatchAction(changes=(change,)), file)
        place.backend.ask(approval)
        (place.backend.settings.state_folder / "sessions" / approval.session_id).mkdir(parents=True)

        def asked() -> list[dict[str, Any]]:
            return [m for m in editor.messages if m.get("method") == "workspace/applyEdit"]

        def answer(request: dict[str, Any]) -> None:
            result = {"jsonrpc": "2.0", "id": request["id"], "result": {"applied": True}}
            editor.connection.server.protocol.take(json.dumps(result).encode())

        await editor.view._preview.show(approval, str(place.root), "edit")
        await until(lambda: len(asked()) == 1)
        path.write_text("")
        answer(asked()[0])
        await until(lambda: len(asked()) == 2)
        (removal,) = asked()[1]["params"]["edit"]["documentChanges"]
        assert (removal["kind"], removal["uri"]) == ("delete", path.as_uri())
        assert not asked()[1]["params"]["edit"].get("changeAnnotations")
        path.unlink()
        answer(asked()[1])
        await until(
            lambda: any(
                "fresh.py is removed again" in each["message"]
                for each in editor.sent("window/showMessage")
            )
        )
        assert list(place.backend.state.pending) == ["apr-1"]


async def test_a_preview_that_was_closed_decides_nothing(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor("Visual Studio Code")
        await applied(place, editor, {"one.py": ONE.replace("line 2\n", "X\n", 1)}, said=False)
        await until(lambda: not editor.view._preview._offered)
        assert list(place.backend.state.pending) == ["apr-1"]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("a\nb\nc\n", ()),
        ("a\nB\nc\n", ("h1",)),
        ("a\nb\nx\nc\n", ("h2",)),
        ("a\nB\nx\nc\n", ("h1", "h2")),
        ("a\nB\nx\nc", None),
        ("a\nb\nc\nx\n", None),
        ("", None),
    ],
)
def test_a_text_tells_which_hunks_were_made(text: str, units: tuple[str, ...] | None) -> None:
    pieces = (_Piece("h1", "a\n", "b\n", "B\n"), _Piece("h2", "", "", "x\n"))
    assert made(pieces, "c\n", text) == units


async def test_a_preview_is_shown_again_while_the_last_is_still_being_read(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        editor = place.editor("Visual Studio Code")
        # Applied with nothing ticked; the text may still change, so it is not read at once.
        await applied(place, editor, {})
        (approval,) = place.backend.approvals()
        shown, _, _ = await editor.view._preview.show(approval, str(place.root), "edit")
        assert shown == "edit"
        await until(
            lambda: (
                len([m for m in editor.messages if m.get("method") == "workspace/applyEdit"]) == 2
            )
        )
        assert place.backend.approvals() == (approval,)
