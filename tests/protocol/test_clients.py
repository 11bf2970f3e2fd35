"""The whole story with every editor that was read or recorded: each by what it has, none gets what it lacks.

A real Codex works, and the editor decides by what every editor can do: code actions, commands, and what it
announced. The messages of the server are held against what the editor said of itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from autopilot_ls.scripted_model import (
    Output,
    Step,
    call_outputs,
    command,
    compute,
    http_error,
    message,
    patch,
)
from tests.clients.manners import about_actions, about_greeting, about_hover, objections
from tests.clients.profiles import PROFILES, Profile
from tests.protocol.client import Client
from tests.protocol.test_hunks import FIRST, OLD, PATCH

pytestmark = pytest.mark.timeout(240)

REWRITE = "sed -i 's/^line 2$/line II/; s/^line 15$/line XV/' three.py"
# What the model does, by a word of the task; each once, and otherwise it has nothing to say.
WORK: Mapping[str, Step | Output] = {
    "ALPHA": patch(PATCH, call_id="c1"),
    "BETA": command("touch made", call_id="c2"),
    "GAMMA": command(REWRITE, call_id="c3"),
    "DELTA": command("sleep 600", call_id="c4"),
    "OMEGA": http_error(400, "The model does not like this."),
}


def file_of(uri: str) -> Path:
    return Path(unquote(uri.removeprefix("file://")))


def text_of(path: Path) -> str:
    return path.read_text()


class Mind:
    """Answers each request by the last task in it, so that it does not matter how many there are."""

    def __init__(self) -> None:
        self._done: set[str] = set()

    def decide(self, body: Any) -> Step | Output:
        said = str(body.get("input"))
        for word, work in reversed(list(WORK.items())):
            if f"TASK-{word}" in said:
                if word in self._done:
                    break
                self._done.add(word)
                return work
        return message(f"I see, after {len(call_outputs(body))}.")


class Editor:
    """An editor with one of the profiles, and a person in front of it."""

    def __init__(self, client: Client, profile: Profile) -> None:
        self.client = client
        self.profile = profile
        self.said: list[str] = []
        self.shown: list[Path] = []
        client.answers = {
            "window/workDoneProgress/create": lambda _: None,
            "window/showDocument": self._show,
            "window/showMessageRequest": lambda _: None,
            "workspace/configuration": lambda params: [None for _ in params["items"]],
            "workspace/codeLens/refresh": lambda _: None,
            "workspace/textDocumentContent/refresh": lambda _: None,
            # The person looks at a preview, and discards it.
            "workspace/applyEdit": lambda _: {"applied": False},
            "client/registerCapability": lambda _: None,
        }

    def _show(self, params: Any) -> Any:
        path = file_of(params["uri"])
        self.shown.append(path)
        self.client.open(path)
        return {"success": True}

    def reload(self, path: Path) -> None:
        """Load a file anew that is not changed in the editor, as all do some time after a write."""
        self.client.close(path)
        self.client.open(path)

    async def actions(self, path: Path, line: int) -> list[Any]:
        found = await self.client.code_actions(path, line, diagnostics=self.diagnostics(path, line))
        self.said += about_actions(self.profile, found)
        return found

    async def choose(self, path: Path, line: int, title: str) -> Any:
        found = await self.actions(path, line)
        chosen = next((action for action in found if title in action["title"]), None)
        assert chosen, (title, [action["title"] for action in found])
        inner = chosen["command"] if isinstance(chosen["command"], dict) else chosen
        return await self.client.execute(inner["command"], inner["arguments"][0])

    def diagnostics(self, path: Path, line: int | None = None) -> list[Any]:
        shown = [
            m["params"]["diagnostics"]
            for m in self.client.received
            if m.get("method") == "textDocument/publishDiagnostics"
            and m["params"]["uri"] == path.as_uri()
        ]
        last = shown[-1] if shown else []
        return [d for d in last if line is None or d["range"]["start"]["line"] == line]

    async def wait_shown(self, path: Path, code: str, lines: list[int]) -> None:
        def there(_: Any) -> bool:
            found = [d for d in self.diagnostics(path) if d["code"] == code]
            return [d["range"]["start"]["line"] for d in found] == lines

        await self.client.wait_for(there)

    async def wait_said(self, method: str, text: str, since: int) -> Any:
        return await self.client.wait_method(
            method, lambda params: text in params["message"], since=since
        )

    async def ended(self, since: int, text: str) -> None:
        """The turn's end is told by the progress, and where there is none by the log alone."""
        if self.profile.can("window", "workDoneProgress"):
            await self.client.wait_method(
                "$/progress",
                lambda p: p["value"]["kind"] == "end" and text in p["value"].get("message", ""),
                since=since,
            )
        await self.wait_said("window/logMessage", text, since)

    async def wait_asked(self, path: Path, title: str) -> None:
        """What waits without a place is told by the log, and offered in every file."""
        await self.wait_said("window/logMessage", title, 0)
        assert any(title in action["title"] for action in await self.actions(path, 0))


async def decide_hunks(editor: Editor, place: Any, one: Path, two: Path) -> str:
    """A task from a comment, its patch previewed, a hunk accepted, another rejected, and the rest."""
    client, since = editor.client, len(editor.client.received)
    task = place.write("task.py", "# autopilot: TASK-ALPHA\n")
    client.open(task)
    await client.ready()
    started = await editor.choose(task, 0, "run this task: TASK-ALPHA")
    await editor.wait_shown(one, "pending-hunk", [1, 9])
    await editor.wait_shown(two, "pending-hunk", [4])
    hover = await client.request(
        "textDocument/hover",
        {"textDocument": {"uri": one.as_uri()}, "position": {"line": 1, "character": 0}},
    )
    assert "line two" in str(hover["contents"])
    editor.said += about_hover(editor.profile, hover)
    if client.capabilities.get("codeLensProvider"):
        lenses = await client.request(
            "textDocument/codeLens", {"textDocument": {"uri": one.as_uri()}}
        )
        assert any("accept hunk" in lens["command"]["title"] for lens in lenses)
    await preview(editor, one)
    await editor.choose(one, 1, "accept this hunk")
    await editor.choose(one, 9, "reject this hunk")
    assert text_of(one) == OLD
    await editor.choose(two, 4, "reject this hunk")
    await editor.ended(since, "tokens")
    assert (text_of(one), text_of(two)) == (FIRST, OLD)
    heard = " ".join(str(request["input"]) for request in place.model.requests)
    assert "Not applied:" in heard
    await editor.wait_shown(one, "pending-hunk", [])
    editor.reload(one)
    return str(started["sessionId"])


async def preview(editor: Editor, one: Path) -> None:
    """The preview is an edit to be confirmed, or a document, or a file whose place is told."""
    since = len(editor.client.received)
    result = await editor.choose(one, 1, "preview the patch")
    if editor.profile.name == "vscode":
        assert result["shown"] == "edit"
        edit = (await editor.client.wait_method("workspace/applyEdit", since=since))["edit"]
        assert all(note["needsConfirmation"] for note in edit["changeAnnotations"].values())
    else:
        # Others that take such edits do not ask before they apply them.
        assert "workspace/applyEdit" not in editor.client.methods()
        diff = file_of(result["uri"])
        assert "+line two" in text_of(diff)
        if editor.profile.can("window", "showDocument", "support"):
            assert result["shown"] == "document"
            assert editor.shown == [diff]
        else:
            assert result["shown"] == "none"
            await editor.wait_said("window/showMessage", str(diff), since)
            editor.client.open(diff)
        line = text_of(diff).splitlines().index("+line ten")
        titles = [action["title"] for action in await editor.actions(diff, line)]
        assert any("accept this hunk" in title for title in titles)
    await editor.wait_shown(one, "pending-hunk", [1, 9])


async def steer_and_approve(editor: Editor, place: Any, path: Path, session: str) -> None:
    """A command waits; something is said into the turn; the transcript tells it; it is accepted."""
    client, since = editor.client, len(editor.client.received)
    await client.execute("autopilot.turn.start", {"text": "TASK-BETA", "sessionId": session})
    await editor.wait_asked(path, "touch made")
    await client.execute("autopilot.turn.steer", {"sessionId": session, "text": "Mind the gap."})
    shown = await client.execute("autopilot.transcript.open", {"sessionId": session})
    transcript = file_of(shown["uri"])
    assert "touch made" in text_of(transcript)
    if not editor.profile.can("window", "showDocument", "support"):
        await editor.wait_said("window/showMessage", str(transcript), since)
        client.open(transcript)
    await editor.choose(transcript, 0, "accept: ")
    await editor.ended(since, "1 command")
    assert (place.project / "made").exists()
    assert any("Mind the gap." in str(request["input"]) for request in place.model.requests)


async def review_and_undo(editor: Editor, place: Any, session: str) -> None:
    """In auto mode a command changes a file: one change is kept, the other undone."""
    client, since = editor.client, len(editor.client.received)
    three = place.project / "three.py"
    client.open(three)
    await client.execute("autopilot.mode.set", {"mode": "auto", "sessionId": session})
    await client.execute("autopilot.turn.start", {"text": "TASK-GAMMA", "sessionId": session})
    await editor.ended(since, "1 command")
    editor.reload(three)
    await editor.wait_shown(three, "unreviewed", [1, 14])
    await editor.choose(three, 1, "keep this change")
    await editor.wait_shown(three, "unreviewed", [14])
    await editor.choose(three, 14, "undo this change")
    await editor.wait_shown(three, "unreviewed", [])
    assert text_of(three) == OLD.replace("line 2\n", "line II\n", 1)
    editor.reload(three)


async def stop(editor: Editor, path: Path, session: str) -> None:
    """A turn is stopped by its progress, or by the command."""
    client, since = editor.client, len(editor.client.received)
    await client.execute("autopilot.turn.start", {"text": "TASK-DELTA", "sessionId": session})
    await editor.wait_asked(path, "sleep 600")
    await editor.choose(path, 0, "accept: ")
    if editor.profile.can("window", "workDoneProgress"):
        begun = await client.wait_method(
            "$/progress",
            lambda p: p["value"]["kind"] == "begin" and session in p["token"],
            since=since,
        )
        client.notify("window/workDoneProgress/cancel", {"token": begun["token"]})
    else:
        await client.execute("autopilot.turn.interrupt", {"sessionId": session})
    await editor.ended(since, "nterrupted")


async def fail(editor: Editor, path: Path, session: str) -> None:
    """What goes wrong is told once, as an error, and stands where the person was."""
    client, since = editor.client, len(editor.client.received)
    await client.execute("autopilot.turn.start", {"text": "TASK-OMEGA", "sessionId": session})
    error = await client.wait_method("window/showMessage", lambda p: p["type"] == 1, since=since)
    assert "model" in error["message"]
    await client.wait_method(
        "textDocument/publishDiagnostics",
        lambda p: p["uri"] == path.as_uri() and any(d["severity"] == 1 for d in p["diagnostics"]),
        since=since,
    )
    assert any("transcript" in a["title"] for a in await editor.actions(path, 0))


@pytest.mark.parametrize("name", PROFILES)
async def test_the_whole_story(world: Any, name: str) -> None:
    profile, mind = PROFILES[name], Mind()
    place = world([compute(mind.decide)] * 60)
    one, two = place.write("one.py", OLD), place.write("two.py", OLD)
    place.write("three.py", OLD)
    async with place.editor(capabilities=profile.capabilities, info=profile.info) as client:
        editor = Editor(client, profile)
        editor.said += about_greeting(profile, client.capabilities)
        client.open(one)
        client.open(two)
        session = await decide_hunks(editor, place, one, two)
        await steer_and_approve(editor, place, one, session)
        await review_and_undo(editor, place, session)
        await stop(editor, one, session)
        await fail(editor, one, session)
        assert await client.shut_down() == 0
    assert objections(profile, client.received) + editor.said == []
    assert client.stderr == b""
