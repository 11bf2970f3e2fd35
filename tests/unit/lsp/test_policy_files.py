"""Policy files in the editor: problems at their place, what is unsaved or not trusted, and trusting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.policy.load import PolicyFiles
from autopilot_ls.policy.report import kind_of, report, trust_exactly
from autopilot_ls.policy.trust import TrustStore, content_hash
from tests.protocol.client import FULL, until
from tests.unit.lsp.stand_in import Editor, Place, hunk, patch_of, standing_in

GOOD = '[[rule]]\nname = "mine"\nverdict = "deny"\ncommand = "frobnicate …"\n'
ALLOWS = '[[rule]]\nname = "theirs"\nverdict = "allow"\ncommand = "frobnicate …"\n'
BROKEN = '[[rule]]\nname = "ü𝄞" # Ü\nverdict = "alow"\ncommand = "x …"\n'


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def shown(editor: Editor, path: Path) -> list[Any]:
    return editor.diagnostics().get(path.as_uri(), [])


def codes(editor: Editor, path: Path) -> list[str]:
    return [each["code"] for each in shown(editor, path)]


def users(place: Place) -> Path:
    return place.root / "config" / "policy.toml"


async def test_a_problem_stands_at_its_place_and_goes_when_it_is_mended(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        path = write(users(place), BROKEN)
        editor = place.editor()
        editor.open(path, BROKEN)
        await until(lambda: codes(editor, path) == ["policy-invalid"])
        found = shown(editor, path)[0]
        assert found["range"]["start"] == {"line": 2, "character": 10}
        assert found["severity"] == 1
        assert found["message"] == "verdict is one of allow, ask, deny; did you mean allow?"
        write(path, GOOD)
        change(editor, path, GOOD, 2)
        editor.say("textDocument/didSave", {"textDocument": {"uri": path.as_uri()}})
        await until(lambda: shown(editor, path) == [])


def change(editor: Editor, path: Path, text: str, version: int) -> None:
    editor.say(
        "textDocument/didChange",
        {
            "textDocument": {"uri": path.as_uri(), "version": version},
            "contentChanges": [{"text": text}],
        },
    )


async def test_columns_count_in_the_unit_of_the_editor(tmp_path: Path) -> None:
    text = '[[rule]]\nname = ["𝄞", 3]\nverdict = "deny"\ncommand = "x"\n'
    async with standing_in(tmp_path) as place:
        path = write(users(place), text)
        by_unit: dict[str, int] = {}
        for unit in ("utf-8", "utf-16", "utf-32"):
            editor = place.editor(capabilities={**FULL, "general": {"positionEncodings": [unit]}})
            odd = '[[rule]]\nverdict = "deny"\ncommand = ["𝄞 …", 3]\n'
            editor.open(path, odd)
            await until(lambda e=editor: "policy-invalid" in codes(e, path))
            by_unit[unit] = shown(editor, path)[0]["range"]["start"]["character"]
        assert by_unit == {"utf-8": 23, "utf-16": 19, "utf-32": 18}


async def test_unsaved_text_is_looked_at_and_said_not_to_be_in_force(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        path = write(users(place), GOOD)
        editor = place.editor()
        editor.open(path, GOOD)
        change(editor, path, GOOD + "[[rule", 2)
        await until(lambda: codes(editor, path) == ["policy-invalid", "policy-not-saved"])
        assert shown(editor, path)[0]["range"]["start"]["line"] == 4
        change(editor, path, GOOD.replace("frob", "grub"), 3)
        await until(lambda: codes(editor, path) == ["policy-not-saved"])
        assert "until the file is saved" in shown(editor, path)[0]["message"]
        change(editor, path, GOOD.replace("\n", "\r\n"), 4)
        await until(lambda: codes(editor, path) == [])


async def test_what_is_probably_not_meant_is_a_warning_in_its_line(tmp_path: Path) -> None:
    text = f'{GOOD}\n[[rule]]\nname = "wide"\nverdict = "allow"\ncommand = "python …"\n'
    async with standing_in(tmp_path) as place:
        path = write(users(place), text)
        editor = place.editor()
        editor.open(path, text)
        await until(lambda: codes(editor, path) == ["too-broad"])
        assert shown(editor, path)[0]["range"]["start"]["line"] == 5
        assert shown(editor, path)[0]["severity"] == 2


async def test_files_of_living_sessions_are_shown_unopened_and_again_when_they_change(
    tmp_path: Path,
) -> None:
    async with standing_in(tmp_path) as place:
        path = write(users(place), "[[rule")
        theirs = write(tmp_path / ".autopilot" / "policy.toml", GOOD)
        editor = place.editor()
        await until(lambda: codes(editor, path) == ["policy-invalid"])
        await until(lambda: codes(editor, theirs) == ["policy-not-trusted"])
        write(path, GOOD)
        theirs.unlink()
        editor.view.policy_changed()
        await until(lambda: not editor.diagnostics())


async def test_a_closed_file_is_forgotten_where_no_session_needs_it(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        elsewhere = write(tmp_path / "other" / ".autopilot" / "policy.toml", GOOD)
        editor = place.editor()
        editor.open(elsewhere, GOOD)
        await until(lambda: codes(editor, elsewhere) == ["policy-not-trusted"])
        editor.say("textDocument/didClose", {"textDocument": {"uri": elsewhere.as_uri()}})
        await until(lambda: not editor.diagnostics())
        other = write(tmp_path / "pyproject.toml", "[[rule")
        editor.open(other, "[[rule")
        editor.open(elsewhere, GOOD, 2)
        await until(lambda: codes(editor, elsewhere) == ["policy-not-trusted"])
        assert other.as_uri() not in editor.diagnostics()


async def execute(editor: Editor, command: str, argument: Any) -> Any:
    return await editor.connection.execute(command, [argument])


async def action(editor: Editor, path: Path, title: str) -> types.CodeAction | None:
    start = types.Position(0, 0)
    given = types.CodeActionParams(
        types.TextDocumentIdentifier(path.as_uri()),
        types.Range(start, start),
        types.CodeActionContext([]),
    )
    found = await editor.connection.code_actions(given)
    return next((a for a in found if title in a.title and isinstance(a, types.CodeAction)), None)


async def test_a_person_trusts_exactly_what_they_see_and_takes_it_back(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        path = write(tmp_path / ".autopilot" / "policy.toml", ALLOWS)
        store = TrustStore(place.root / "state" / "trusted-policies.json")
        editor = place.editor()
        editor.open(path, ALLOWS)
        await until(lambda: set(codes(editor, path)) == {"no-effect", "policy-not-trusted"})
        trust = await action(editor, path, "trust exactly this policy (1 of 1 rule allow)")
        assert trust is not None
        assert trust.command is not None
        assert trust.command.arguments is not None
        # Somebody changes it between the look and the click.
        write(path, ALLOWS + "# x\n")
        with pytest.raises(Exception, match="has changed since it was shown"):
            await execute(editor, trust.command.command, trust.command.arguments[0])
        assert store.all() == {}
        write(path, ALLOWS)
        done = await execute(editor, trust.command.command, trust.command.arguments[0])
        assert done == {"path": str(path), "trusted": True, "before": False}
        assert store.trusts(tmp_path, content_hash(ALLOWS))
        await until(lambda: codes(editor, path) == [])
        assert await action(editor, path, "trust exactly") is None
        back = await action(editor, path, "trust this policy no longer")
        assert back is not None
        assert back.command is not None
        assert back.command.arguments is not None
        done = await execute(editor, back.command.command, back.command.arguments[0])
        assert (done["trusted"], done["before"]) == (False, True)
        await until(lambda: "policy-not-trusted" in codes(editor, path))


async def test_trust_is_not_offered_for_what_cannot_be_seen(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        path = write(tmp_path / ".autopilot" / "policy.toml", ALLOWS)
        editor = place.editor()
        editor.open(path, ALLOWS)
        await until(lambda: "policy-not-trusted" in codes(editor, path))
        change(editor, path, ALLOWS + "# unsaved\n", 2)
        assert await action(editor, path, "trust exactly") is None, (
            "not even before it is looked at"
        )
        await until(lambda: "policy-not-saved" in codes(editor, path))
        assert await action(editor, path, "trust exactly") is None
        for text in (ALLOWS + "# \u202e\n", ALLOWS + "[["):
            write(path, text)
            change(editor, path, text, 3)
            await until(
                lambda: bool({"invisible-characters", "policy-invalid"} & set(codes(editor, path)))
            )
            assert await action(editor, path, "trust exactly") is None
            request = {"cwd": str(tmp_path), "hash": content_hash(text)}
            with pytest.raises(Exception, match=r"cannot be seen|not valid TOML"):
                await execute(editor, "autopilot.policy.trust", request)
            change(editor, path, ALLOWS, 4)
            await until(lambda: codes(editor, path)[-1:] == ["policy-not-saved"])


async def test_explain_and_status_tell_of_the_policy(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as place:
        path = write(tmp_path / ".autopilot" / "policy.toml", ALLOWS)
        write(users(place), "[[rule")
        editor = place.editor()
        found = await execute(
            editor, "autopilot.policy.explain", {"command": "ls && git push", "mode": "auto"}
        )
        assert (found["outcome"], found["rule"], found["part"]) == ("ask", "publishing", "git push")
        assert found["why"].startswith("Asked by the rule publishing (built-in rules:")
        assert [part["part"] for part in found["parts"]][:2] == ["ls", "git push"]
        with pytest.raises(Exception, match="not an absolute path"):
            await execute(editor, "autopilot.policy.explain", {"command": "ls", "cwd": "x"})
        files = (await execute(editor, "autopilot.status", {}))["policies"]
        assert [(each["kind"], each["state"]) for each in files] == [
            ("user", "broken"),
            ("workspace", "notTrusted"),
        ]
        assert files[1]["hash"] == content_hash(ALLOWS)
        assert files[1]["cwd"] == str(tmp_path)
        assert files[0]["problems"][0].startswith(f"{users(place)}:1:7: ")
        assert path.exists()


@pytest.mark.parametrize("markdown", [True, False])
async def test_hover_on_a_hunk_explains_it(tmp_path: Path, *, markdown: bool) -> None:
    formats = ["markdown", "plaintext"] if markdown else ["plaintext"]
    capabilities = {
        **FULL,
        "textDocument": {**FULL["textDocument"], "hover": {"contentFormat": formats}},
    }
    async with standing_in(tmp_path) as place:
        path = write(tmp_path / "a.py", "x\ny\nz\n")
        editor = place.editor(capabilities=capabilities)
        editor.open(path, "x\ny\nz\n")
        place.backend.ask(patch_of(path, hunk(2, ["y\n"], ["Y\n"])))

        async def at(line: int) -> types.Hover | None:
            return await editor.connection.hover(
                types.HoverParams(
                    types.TextDocumentIdentifier(path.as_uri()), types.Position(line, 0)
                )
            )

        found = await at(1)
        assert found is not None
        assert isinstance(found.contents, types.MarkupContent)
        assert found.contents.kind.value == formats[0]
        assert "-y\n+Y" in found.contents.value
        assert "Asked by the mode itself (" in found.contents.value
        assert await at(2) is None
        # A line above moves the hunk, and the hover with it.
        change(editor, path, "new\nx\ny\nz\n", 2)
        assert await at(1) is None
        assert await at(2) is not None


def test_reports_of_odd_files(tmp_path: Path) -> None:
    files = PolicyFiles.standard(tmp_path / "config", tmp_path / "state")
    own = tmp_path / "w" / ".autopilot" / "policy.toml"
    assert kind_of(files, files.user) == "user"
    assert kind_of(files, files.remembered) == "remembered"
    assert kind_of(files, own) == "workspace"
    assert kind_of(files, tmp_path / "policy.toml") is None
    assert report(files, own, "workspace").missing
    assert not report(files, own, "workspace", shown=GOOD).saved
    own.mkdir(parents=True)
    assert "not a regular file" in report(files, own, "workspace").problems[0].message
    with pytest.raises(InvalidRequest, match="not a regular file"):
        trust_exactly(files, tmp_path / "w", "sha256:x")
    with pytest.raises(InvalidRequest, match="There is no policy"):
        trust_exactly(files, tmp_path, "sha256:x")
    many = "".join(GOOD.replace("mine", f"r{n}").replace("frob", f"f{n}") for n in range(3_000))
    found = report(files, files.user, "user", shown=many)
    assert (found.rules, found.findings) == (3_000, ())
