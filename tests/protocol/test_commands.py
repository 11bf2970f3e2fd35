"""The commands that complete the clients' story, over real stdio with the real Codex and a scripted model."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from autopilot_ls.scripted_model import command, hold, message, patch
from tests.protocol.client import DEADLINE, Client, ServerError, until

pytestmark = [pytest.mark.anyio, pytest.mark.core, pytest.mark.timeout(180)]

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
OPTED = {"experimental": {"autopilot": True}}


async def started(client: Client, text: str = "go", **more: Any) -> str:
    reply = await client.execute("autopilot.turn.start", {"text": text, **more})
    return str(reply["sessionId"])


async def shown(client: Client, session_id: str) -> Any:
    return await client.execute("autopilot.session.show", {"sessionId": session_id})


async def seen(look: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until there is an answer that counts."""
    async with asyncio.timeout(DEADLINE):
        while not (found := await look()):  # noqa: ASYNC110 reason: another process tells nothing of it
            await asyncio.sleep(0.05)
    return found


async def ended(client: Client, session_id: str, turns: int = 1) -> Any:
    """Wait until so many turns of a session have ended."""

    async def look() -> Any:
        session = await shown(client, session_id)
        done = [turn for turn in session["turns"] if turn["status"] != "inProgress"]
        return session if len(done) >= turns else None

    return await seen(look)


def asked(request: Any) -> str:
    """What the model was told last, all of it."""
    return json.dumps(request["input"], ensure_ascii=False)


# Messages that wait --------------------------------------------------------------------------------


async def test_messages_wait_for_the_turns_end_and_go_in_order(world: Any) -> None:
    go = threading.Event()
    here = world([hold(go, message("one")), message("two"), message("three")])
    async with here.editor() as client:
        session = await started(client, "first")
        for text in ("message-two", "message-three"):
            await client.execute("autopilot.turn.queue", {"sessionId": session, "text": text})
        status = await client.execute("autopilot.status", {"sessionId": session})
        assert [entry["text"] for entry in status["sessions"][0]["queue"]] == [
            "message-two",
            "message-three",
        ]
        go.set()
        await ended(client, session, 3)

        async def empty() -> bool:
            return (await shown(client, session))["queue"] == []

        await seen(empty)
        last = [asked(request) for request in here.model.requests if request.get("tools")]
        assert len(last) == 3
        assert "message-two" not in last[0]
        assert "message-two" in last[1]
        assert "message-three" not in last[1]
        assert "message-three" in last[2]


async def test_messages_are_held_after_an_interrupt_and_over_a_restart(world: Any) -> None:
    go = threading.Event()
    here = world([hold(go, message("one")), message("two")])
    async with here.editor() as client:
        session = await started(client, "first")
        queued = await client.execute(
            "autopilot.turn.queue", {"sessionId": session, "text": "second"}
        )
        await client.execute("autopilot.turn.interrupt", {"sessionId": session})

        async def held() -> bool:
            return (await shown(client, session))["queue"][0]["held"]

        await seen(held)
        requests = len(here.model.requests)
    go.set()
    async with here.editor() as client:
        again = await shown(client, session)
        assert [(m["id"], m["held"]) for m in again["queue"]] == [(queued["messageId"], True)]
        assert "held" in again["transcript"]
        await client.execute("autopilot.session.resume", {"sessionId": session})
        assert len(here.model.requests) == requests
        await client.execute("autopilot.turn.release", {"sessionId": session})
        await ended(client, session, 2)

        async def empty() -> bool:
            return (await shown(client, session))["queue"] == []

        await seen(empty)
        assert "second" in asked(here.model.requests[-1])


# Sessions ------------------------------------------------------------------------------------------


async def test_a_session_is_renamed_put_away_and_comes_back(world: Any) -> None:
    here = world([message("one"), message("two")])
    async with here.editor() as client:
        session = await started(client)
        await ended(client, session)
        await client.execute(
            "autopilot.session.rename", {"sessionId": session, "title": "Better\u202e name"}
        )
        await client.execute("autopilot.session.archive", {"sessionId": session})

        async def listed(**more: Any) -> list[tuple[str, str]]:
            found = await client.execute("autopilot.session.list", more)
            return [(each["id"], each["title"]) for each in found["sessions"]]

        assert await listed() == []
        assert await listed(archived=True) == [(session, "Better\\u{202e} name")]
        stored = list((here.project.parent / "codex").glob("archived_sessions/**/*.jsonl"))
        assert len(stored) == 1, "Codex's own list has it put away too"
        # The next turn in it brings it back, with all that was said.
        await started(client, "more", sessionId=session)
        await ended(client, session, 2)
        assert [each[0] for each in await listed()] == [session]
        assert "one" in asked(here.model.requests[-1])
        with pytest.raises(ServerError, match="at least 1 character"):
            await client.execute("autopilot.session.rename", {"sessionId": session, "title": ""})


async def test_a_fork_knows_all_up_to_its_turn_and_has_a_record_of_its_own(world: Any) -> None:
    answers = [message(f"answer {number}") for number in range(1, 5)]
    here = world(answers)
    async with here.editor() as client:
        session = await started(client, "question 1")
        await ended(client, session, 1)
        for number in (2, 3):
            await started(client, f"question {number}", sessionId=session)
            await ended(client, session, number)
        turns = (await shown(client, session))["turns"]
        forked = await client.execute(
            "autopilot.session.fork", {"sessionId": session, "turnId": turns[1]["turnId"]}
        )
        copy = forked["sessionId"]
        assert copy != session
        await started(client, "question 4", sessionId=copy)
        done = await ended(client, copy, 1)
        told = asked(here.model.requests[-1])
        assert "question 2" in told
        assert "answer 2" in told
        assert "question 3" not in told
        assert done["forkedFrom"] == session
        assert session in done["transcript"]
        assert len((await shown(client, session))["turns"]) == 3
        with pytest.raises(ServerError, match="no turn 'nope'"):
            await client.execute("autopilot.session.fork", {"sessionId": session, "turnId": "nope"})


async def test_the_context_is_shortened_and_it_is_shown(world: Any) -> None:
    here = world([message("one")])
    async with here.editor() as client:
        session = await started(client)
        await ended(client, session)
        await client.execute("autopilot.session.compact", {"sessionId": session})
        done = await ended(client, session, 2)
        assert done["turns"][1]["status"] == "completed"
        status = await client.execute("autopilot.status", {"sessionId": session})
        assert status["sessions"][0]["compactions"] == 1
        assert "shortened" in done["transcript"]


# Attachments ---------------------------------------------------------------------------------------


async def test_images_are_shown_to_the_model_and_files_are_named(
    world: Any, tmp_path: Path
) -> None:
    here = world([message("seen")])
    picture = tmp_path / "picture.png"
    picture.write_bytes(PNG)
    notes = here.write("notes.txt", "notes")
    async with here.editor() as client:
        files = [{"uri": picture.as_uri()}, {"uri": str(notes)}]
        session = await started(client, "look", attachments=files)
        await ended(client, session)
        told = asked(here.model.requests[-1])
        assert base64.b64encode(PNG).decode() in told
        assert "See notes.txt." in told


async def test_what_cannot_be_attached_is_refused_by_its_name(world: Any, tmp_path: Path) -> None:
    here = world()
    fake = tmp_path / "fake.png"
    fake.write_bytes(b"<svg/>")
    async with here.editor() as client:
        for path, why in (
            (fake, "is named like an image"),
            (tmp_path / "gone.txt", "No such file"),
        ):
            with pytest.raises(ServerError, match=why) as caught:
                await started(client, "look", attachments=[{"uri": path.as_uri()}])
            assert path.name in str(caught.value)
        assert (await client.execute("autopilot.session.list"))["sessions"] == []
        assert here.model.requests == []


# Reviews -------------------------------------------------------------------------------------------


def review_of(project: Path) -> str:
    def finding(title: str, path: str, first: int, last: int, priority: int) -> dict[str, Any]:
        return {
            "title": f"[P{priority}] {title}",
            "body": "Because.\nSecond \u202eline.",
            "confidence_score": 0.9,
            "priority": priority,
            "code_location": {
                "absolute_file_path": path,
                "line_range": {"start": first, "end": last},
            },
        }

    return json.dumps(
        {
            "findings": [
                finding("Adds wrongly", str(project / "a.py"), 2, 2, 1),
                finding("Odd name", str(project / "a.py"), 1, 1, 3),
                finding("Elsewhere", "/etc/passwd", 1, 1, 0),
            ],
            "overall_correctness": "patch is incorrect",
            "overall_explanation": "Not yet.",
            "overall_confidence_score": 0.8,
        }
    )


def findings_in(client: Client, path: Path) -> list[Any]:
    sent = [
        m["params"]["diagnostics"]
        for m in client.received
        if m.get("method") == "textDocument/publishDiagnostics"
        and m["params"]["uri"] == path.as_uri()
    ]
    return [d for d in (sent[-1] if sent else []) if "findingId" in (d.get("data") or {})]


async def test_findings_of_a_review_are_diagnostics_that_can_be_fixed_or_dismissed(
    world: Any,
) -> None:
    here = world()
    code = here.write("a.py", "def add(a, b):\n    return a - b\n")
    here.model.extend(
        message("hello"),
        command("touch written; cat a.py"),
        patch("*** Begin Patch\n*** Add File: made.py\n+x = 1\n*** End Patch"),
        message(review_of(here.project), deltas=()),
        message("fixed"),
    )
    async with here.editor() as client:
        client.open(code)
        session = await started(client)
        await ended(client, session)
        await client.execute("autopilot.review.start", {"sessionId": session})
        done = await ended(client, session, 2)
        assert done["turns"][1]["status"] == "completed", done["turns"][1]
        # The reviewer does not ask, and could only read: the mode's sandbox would have let it write.
        assert sorted(p.name for p in here.project.iterdir()) == [".git", "a.py"]
        assert "Read-only file system" in done["transcript"]
        await until(lambda: len(findings_in(client, code)) == 2)
        first, second = findings_in(client, code)
        assert (first["severity"], second["severity"]) == (2, 3)
        assert first["source"] == "autopilot"
        assert first["code"] == first["data"]["findingId"]
        assert first["range"]["start"]["line"] == 1
        assert first["message"].startswith("[P1] Adds wrongly\nBecause.")
        assert "\\u{202e}" in first["message"]
        assert findings_in(client, Path("/etc/passwd")) == []
        # They move with the text, and come back when it is opened again.
        client.change(code, "# new\ndef add(a, b):\n    return a - b\n", 2)
        await until(lambda: findings_in(client, code)[0]["range"]["start"]["line"] == 2)
        client.close(code)
        client.open(code)
        await until(lambda: findings_in(client, code)[0]["range"]["start"]["line"] == 1)
        actions = await client.code_actions(code, 1, diagnostics=[first])
        titles = {action["title"]: action["command"] for action in actions}
        fix = titles["Autopilot: fix this finding: [P1] Adds wrongly"]
        dismiss = titles["Autopilot: dismiss this finding: [P1] Adds wrongly"]
        assert "Autopilot: dismiss all 3 findings" in titles
        await client.execute(fix["command"], fix["arguments"][0])
        await ended(client, session, 3)
        assert "Adds wrongly" in asked(here.model.requests[-1])
        await client.execute(dismiss["command"], dismiss["arguments"][0])
        await until(lambda: len(findings_in(client, code)) == 1)
    # They are there again after a restart, though nobody has opened their session.
    async with here.editor() as client:
        client.open(code)
        await until(lambda: len(findings_in(client, code)) == 1)
        actions = await client.code_actions(code, 0)
        titles = {action["title"] for action in actions}
        assert "Autopilot: fix this finding: [P3] Odd name" in titles
        assert "Autopilot: dismiss all 2 findings" in titles
        await client.execute("autopilot.review.dismiss", {"sessionId": session})
        await until(lambda: findings_in(client, code) == [])


async def test_a_rule_that_denies_stops_the_reviewer(world: Any) -> None:
    here = world()
    here.write("a.py", "x = 1\n")
    here.write(
        ".autopilot/policy.toml",
        'version = 1\n[[rule]]\nname = "no-cat"\ncommand = "cat *"\nverdict = "deny"\nreason = "Own."\n',
    )
    here.model.extend(command("cat a.py; sleep 60"), message(review_of(here.project), deltas=()))
    async with here.editor() as client:
        reply = await client.execute("autopilot.review.start", {})
        done = await ended(client, reply["sessionId"])
        assert done["turns"][0]["status"] == "interrupted"
        assert "no-cat" in done["transcript"]
        assert done["findings"] == []


async def test_a_review_needs_what_its_kind_says(world: Any) -> None:
    here = world()
    async with here.editor() as client:
        for kind, name in (("baseBranch", "branch"), ("commit", "sha"), ("custom", "instructions")):
            with pytest.raises(ServerError, match=f"needs {name}"):
                await client.execute("autopilot.review.start", {"target": {"type": kind}})
        assert (await client.execute("autopilot.session.list"))["sessions"] == []


# Several folders -----------------------------------------------------------------------------------


async def test_each_folder_has_its_own_sessions_policy_and_progress(
    world: Any, tmp_path: Path
) -> None:
    go = threading.Event()
    here = world([hold(go, message("one")), hold(go, message("two")), message("three")])
    other = tmp_path / "other"
    (other / "sub").mkdir(parents=True)
    code = other / "sub" / "b.py"
    code.write_text("y = 1\n")
    (other / ".autopilot").mkdir()
    (other / ".autopilot" / "policy.toml").write_text(
        'version = 1\n[[rule]]\nname = "own"\ncommand = "make *"\nverdict = "deny"\nreason = "Own."\n'
    )
    async with here.editor() as client:
        folder = {"uri": other.as_uri(), "name": "other"}
        client.notify(
            "workspace/didChangeWorkspaceFolders", {"event": {"added": [folder], "removed": []}}
        )
        first = await started(client, "here")
        # Without a folder, that of the file that is pointed at counts.
        second = await started(client, "there", references=[{"uri": code.as_uri()}])
        assert (await shown(client, first))["cwd"] == str(here.project)
        assert (await shown(client, second))["cwd"] == str(other)
        begun = [
            m["params"]["token"]
            for m in client.received
            if m.get("method") == "$/progress" and m["params"]["value"]["kind"] == "begin"
        ]
        await until(lambda: len({*begun}) <= 2)
        status = await client.execute("autopilot.status", {"cwd": other.as_uri()})
        assert [each["sessionId"] for each in status["sessions"]] == [second]
        listed = await client.execute("autopilot.session.list", {"cwd": str(here.project)})
        assert [each["id"] for each in listed["sessions"]] == [first]
        explained = await client.execute(
            "autopilot.policy.explain", {"command": "make x", "cwd": str(other)}
        )
        assert (explained["outcome"], explained["rule"]) == ("deny", "own")
        explained = await client.execute(
            "autopilot.policy.explain", {"command": "make x", "cwd": str(here.project)}
        )
        assert explained["rule"] != "own"
        go.set()
        await ended(client, first)
        await ended(client, second)
        client.notify(
            "workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": [folder]}}
        )
        third = await started(client, "again", references=[{"uri": code.as_uri()}])
        # A folder that was taken away is none of the editor's any more: its first one counts.
        assert (await shown(client, third))["cwd"] == str(here.project)


# The account ---------------------------------------------------------------------------------------


async def test_a_key_logs_in_and_out_and_is_written_nowhere_by_us(
    world: Any, tmp_path: Path
) -> None:
    secret = "sk-abcdef0123456789SECRET"
    here = world([message("one")])
    async with here.editor(capabilities=OPTED) as client:
        before = await client.execute("autopilot.account.show", {})
        assert before["needed"] is False
        session = await started(client)
        await ended(client, session)
        reply = await client.execute(
            "autopilot.account.login", {"method": "apiKey", "apiKey": secret}
        )
        assert reply["loginId"] == ""
        told = await client.wait_method("autopilot/account")
        assert told["error"] == ""
        stored = tmp_path / "codex" / "auth.json"
        assert secret in stored.read_text()
        with pytest.raises(ServerError) as caught:
            await client.execute("autopilot.account.login", {"apiKey": secret})
        assert secret not in str(caught.value)
        await client.execute("autopilot.account.logout", {})
        await until(lambda: not stored.exists())
        assert secret not in client.stderr.decode()
        assert secret not in json.dumps(client.received)
    for path in here.state.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


async def test_a_login_by_the_browser_can_be_given_up(world: Any) -> None:
    here = world()
    async with here.editor(capabilities=OPTED) as client:
        begun = await client.execute("autopilot.account.login", {})
        assert begun["url"].startswith("https://auth.openai.com/")
        assert begun["loginId"]
        await client.execute("autopilot.account.cancelLogin", {"loginId": begun["loginId"]})
        told = await client.wait_method("autopilot/account")
        assert (told["loginId"], told["error"]) == (begun["loginId"], "It was given up.")
        with pytest.raises(ServerError, match="No login"):
            await client.execute("autopilot.account.cancelLogin", {"loginId": begun["loginId"]})
