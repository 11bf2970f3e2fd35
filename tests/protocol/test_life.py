"""How the server begins and ends, and what it makes of clients that misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from autopilot_ls.scripted_model import command, message
from tests.protocol.client import (
    DEADLINE,
    FULL,
    Client,
    ServerError,
    memory,
    running,
    until,
)


def environment(tmp_path: Path) -> dict[str, str]:
    root = Path(__file__).resolve().parents[2]
    env = {name: value for name, value in os.environ.items() if not name.startswith("AUTOPILOT_")}
    return {**env, "PYTHONPATH": str(root), "HOME": str(tmp_path)}


def options(tmp_path: Path) -> dict[str, Any]:
    return {"stateDir": str(tmp_path / "state")}


async def ended(client: Client) -> int:
    async with asyncio.timeout(DEADLINE):
        return await client.process.wait()


def agents_of(client: Client) -> list[int]:
    children = Path(f"/proc/{client.process.pid}/task/{client.process.pid}/children")
    return [int(pid) for pid in children.read_text().split()]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_end_of_input_without_exit_ends_the_server_with_code_1(tmp_path: Path) -> None:
    async with running(env=environment(tmp_path), cwd=tmp_path) as client:
        await client.initialize(tmp_path, options=options(tmp_path))
        assert client.process.stdin is not None
        client.process.stdin.close()
        assert await ended(client) == 1
    assert client.stderr == b""


async def test_end_of_input_before_initialize_ends_the_server(tmp_path: Path) -> None:
    async with running(env=environment(tmp_path), cwd=tmp_path) as client:
        assert client.process.stdin is not None
        client.process.stdin.close()
        assert await ended(client) == 1
    assert client.stderr == b""


PATIENT_SERVER = f"""
import sys
from autopilot_ls.lsp import configuration, main

async def load(self, original=configuration.Configuration.load):
    print("waiting", file=sys.stderr, flush=True)
    return await original(self)

configuration.Configuration.load = load
configuration.INITIALIZED_LIMIT = configuration.ANSWER_LIMIT = {100 * DEADLINE}
raise SystemExit(main.serve_stdio())
"""
"""A server that waits much longer for what the editor still has to say, and says when it begins to."""


@pytest.mark.parametrize("waits", [True, False])
async def test_exit_right_after_initialize_ends_the_server_at_once(
    tmp_path: Path,
    waits: bool,  # noqa: FBT001 reason: a table of cases
) -> None:
    # How long it loads depends on the machine; what it must not do is wait for the editor.
    command = (sys.executable, "-c", PATIENT_SERVER)
    async with running(env=environment(tmp_path), cwd=tmp_path, command=command) as client:
        await client.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        if waits:
            await until(lambda: b"waiting" in client.stderr)
        await client.request("shutdown", None)
        client.notify("exit", None)
        assert await ended(client) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_ends_agents_and_cancels_what_waits(world: Any, number: int) -> None:
    place = world([command("touch made", call_id="c1"), message("Never said.")])
    async with place.editor() as client:
        started = await client.execute("autopilot.turn.start", {"text": "Make it"})
        await client.wait_method("window/logMessage", lambda p: "waits for your" in p["message"])
        agents = agents_of(client)
        assert agents
        client.process.send_signal(number)
        assert await ended(client) == 128 + number
        assert not any(alive(pid) for pid in agents)
        assert not (place.project / "made").exists()
    assert client.stderr == b""
    events = place.state / "sessions" / started["sessionId"] / "events.jsonl"
    assert '"kind":"cancel"' in events.read_text()


async def test_malformed_messages_are_answered_and_survived(tmp_path: Path) -> None:
    async with running(env=environment(tmp_path), cwd=tmp_path) as client:
        client.send_bytes(b"Content-Length: 9\r\n\r\n{not json")
        assert (await client.wait_for(lambda m: "error" in m))["error"]["code"] == -32700
        client.send_bytes(b"Content-Length: 2\r\n\r\n[]")
        await client.wait_for(lambda m: m.get("error", {}).get("code") == -32600)
        client.send_bytes(b"Nonsense: 1\r\n\r\n")
        with pytest.raises(ServerError) as early:
            await client.execute("autopilot.status")
        assert early.value.code == -32002
        await client.initialize(tmp_path, options=options(tmp_path))
        deep = b"[" * 100_000 + b"]" * 100_000
        client.send_bytes(b"Content-Length: %d\r\n\r\n%b" % (len(deep), deep))
        with pytest.raises(ServerError) as twice:
            await client.initialize(tmp_path)
        assert twice.value.code == -32600
        with pytest.raises(ServerError) as wrong:
            await client.request("textDocument/codeAction", {"range": 1})
        assert wrong.value.code == -32602
        with pytest.raises(ServerError) as unknown:
            await client.request("textDocument/rename", {"textDocument": {"uri": "file:///a"}})
        assert unknown.value.code == -32601
        # A message that embeds one must not be taken apart.
        nested = {"text": "x", "sessionId": {"jsonrpc": "2.0", "method": "exit"}}
        with pytest.raises(ServerError) as refused:
            await client.execute("autopilot.turn.start", nested)
        assert "sessionId" in str(refused.value)
        assert await client.execute("autopilot.status")
        assert await client.shut_down() == 0


async def test_what_comes_with_a_wrong_message_is_read_too(tmp_path: Path) -> None:
    async with running(env=environment(tmp_path), cwd=tmp_path) as client:
        await client.initialize(tmp_path, options=options(tmp_path))
        await client.ready()
        place = {"textDocument": {"uri": "file:///a"}, "position": {"line": 0, "character": 0}}
        wrong: list[dict[str, Any]] = [
            # Something to be cancelled, which is still under way when the next message is read.
            {"id": "open", "method": "textDocument/hover", "params": place},
            {"method": "$/cancelRequest", "params": {"id": {"a": 1}}},
            {"method": "$/cancelRequest", "params": {"id": [1]}},
            {"method": "workspace/didChangeConfiguration", "params": {"settings": {"a": [None]}}},
            {"method": ["exit"]},
        ]
        bodies = [json.dumps({"jsonrpc": "2.0", **message}).encode() for message in wrong]
        last = {"jsonrpc": "2.0", "id": "last", "method": "shutdown"}
        bodies.append(json.dumps(last).encode())
        client.send_bytes(b"".join(b"Content-Length: %d\r\n\r\n%b" % (len(b), b) for b in bodies))
        await client.wait_for(lambda m: m.get("id") == "last" and "result" in m)


@pytest.mark.parametrize("identifier", [None, True, 1.5, [1], {"a": 1}])
async def test_request_with_a_wrong_id_gets_an_error_without_one(
    tmp_path: Path, identifier: object
) -> None:
    async with running(env=environment(tmp_path), cwd=tmp_path) as client:
        await client.initialize(tmp_path, options=options(tmp_path))
        client.send({"jsonrpc": "2.0", "id": identifier, "method": "shutdown"})
        answer = await client.wait_for(lambda m: "error" in m)
        assert (answer["id"], answer["error"]["code"]) == (None, -32600)
        assert await client.execute("autopilot.status")


async def test_too_long_message_is_skipped(tmp_path: Path) -> None:
    async with running(env=environment(tmp_path), cwd=tmp_path) as client:
        await client.initialize(tmp_path, options=options(tmp_path))
        size = 65 * 1024 * 1024
        client.send_bytes(b"Content-Length: %d\r\n\r\n" % size)
        assert client.process.stdin is not None
        piece = b" " * (1024 * 1024)
        for _ in range(65):
            client.send_bytes(piece)
            await client.process.stdin.drain()
        assert await client.execute("autopilot.status")
        assert memory(client, "VmHWM") < 160 * 1024


async def test_agents_are_ended_at_shutdown_already(world: Any) -> None:
    place = world([command("touch made", call_id="c1"), message("Never said.")])
    async with place.editor() as client:
        await client.execute("autopilot.turn.start", {"text": "Make it"})
        await client.wait_method("window/logMessage", lambda p: "waits for your" in p["message"])
        agents = agents_of(client)
        await client.request("shutdown", None)
        await until(lambda: not any(alive(pid) for pid in agents))
        with pytest.raises(ServerError):
            await client.execute("autopilot.status")
        assert client.process.returncode is None
        client.notify("exit", None)
        assert await ended(client) == 0


async def test_missing_agent_is_said_once_with_what_to_do(world: Any) -> None:
    place = world([])
    async with place.editor(codex={"command": ["/nowhere/codex"]}) as client:
        with pytest.raises(ServerError, match="/nowhere/codex") as missing:
            await client.execute("autopilot.turn.start", {"text": "Do it"})
        assert missing.value.data["code"] == "agent-not-found"
        assert missing.value.data["advice"]
        assert await client.execute("autopilot.status")
        assert "window/showMessage" not in client.methods()


async def test_commands_take_one_right_object(tmp_path: Path) -> None:
    async with running(env=environment(tmp_path), cwd=tmp_path) as client:
        await client.initialize(tmp_path, options=options(tmp_path))
        for argument, part in (
            ({"text": 1}, "text must be"),
            ({}, "text is missing"),
            ({"text": "a", "refrences": []}, "refrences is unknown"),
            (
                {"text": "a", "references": [{"uri": "file:///a", "range": {}}]},
                "references.0.range",
            ),
            ({"text": "a", "mode": "wild"}, "mode must be"),
            ("text", "The argument must be an object"),
        ):
            with pytest.raises(ServerError, match=part) as wrong:
                await client.execute("autopilot.turn.start", argument)
            assert wrong.value.code == -32602
            assert wrong.value.data["code"] == "invalid-request"
        with pytest.raises(ServerError, match="one object"):
            await client.request(
                "workspace/executeCommand", {"command": "autopilot.status", "arguments": [{}, {}]}
            )
        with pytest.raises(ServerError) as missing:
            await client.execute(
                "autopilot.approval.decide", {"approvalId": "x", "decision": "accept"}
            )
        assert missing.value.data["code"] == "approval-not-found"


async def test_wrong_settings_are_told_once_with_their_path(tmp_path: Path) -> None:
    async with running(env=environment(tmp_path), cwd=tmp_path) as client:
        client.answers["workspace/configuration"] = lambda _: [
            {"approvals": {"showMessage": "maybe"}}
        ]
        settings = {**options(tmp_path), "codex": {"comand": ["x"]}}
        await client.initialize(tmp_path, options=settings)
        shown = await client.wait_method("window/showMessage")
        assert shown["type"] == 1
        assert "autopilot.codex.comand" in shown["message"]
        await client.wait_method(
            "window/logMessage",
            lambda p: "autopilot.approvals.showMessage (workspace/configuration)" in p["message"],
        )
        seen = len(client.received)
        client.notify("workspace/didChangeConfiguration", {"settings": None})
        await client.wait_method("workspace/configuration", since=seen)
        assert await client.execute("autopilot.status")
        client.answers["workspace/configuration"] = lambda _: [{"logLevel": "loud"}]
        client.notify("workspace/didChangeConfiguration", {"settings": None})
        await client.wait_method("window/showMessage", lambda p: "logLevel" in p["message"])
        assert client.methods().count("window/showMessage") == 2


async def test_state_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with running(env=environment(tmp_path), cwd=tmp_path) as client:
        await client.initialize(tmp_path, options={"stateDir": str(tmp_path / "file" / "state")})
        with pytest.raises(ServerError, match="state") as refused:
            await client.execute("autopilot.turn.start", {"text": "Do it"})
        assert refused.value.data["code"] == "trace-error"
        assert "stateDir" in refused.value.data["advice"]
        assert await client.shut_down() == 0


async def test_client_that_answers_nothing_hangs_nothing(world: Any) -> None:
    place = world([message("Done.")])
    async with place.editor(capabilities=FULL) as client:
        client.answers.clear()
        await client.execute("autopilot.turn.start", {"text": "Do it"})
        await client.wait_method("window/logMessage", lambda p: "token" in p["message"])
        opened = await client.execute("autopilot.transcript.open", {})
        assert opened["shown"] is False
        assert await client.shut_down() == 0


async def test_cancelled_wait_leaves_the_turn_running(world: Any) -> None:
    place = world([message("Done.")])
    async with place.editor() as client:
        await client.execute("autopilot.status")
        argument = {"command": "autopilot.turn.start", "arguments": [{"text": "Do it"}]}
        body = {
            "jsonrpc": "2.0",
            "id": "x",
            "method": "workspace/executeCommand",
            "params": argument,
        }
        client.send(body)
        await until(lambda: bool(agents_of(client)))
        client.notify("$/cancelRequest", {"id": "x"})
        answer = await client.wait_for(lambda m: m.get("id") == "x")
        assert answer["error"]["code"] == -32800
        await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
        assert len(place.model.requests) == 1


async def test_opening_twice_and_changing_what_is_not_open_does_no_harm(world: Any) -> None:
    place = world([])
    path, other = place.write("a.py", "x = 1\n"), place.write("b.py", "y = 1\n")
    async with place.editor() as client:
        client.open(path)
        client.open(path)
        client.close(path)
        client.close(path)
        change = {
            "range": {"start": {"line": 9, "character": 9}, "end": {"line": 9, "character": 9}}
        }
        for document in (path, other):
            client.notify(
                "textDocument/didChange",
                {
                    "textDocument": {"uri": document.as_uri(), "version": 2},
                    "contentChanges": [{**change, "text": "z"}],
                },
            )
        empty = {"uri": "file://", "languageId": "", "version": 0, "text": ""}
        client.notify("textDocument/didOpen", {"textDocument": empty})
        client.open(other)
        await client.ready()
        actions = await client.code_actions(other, end=(0, 3))
        assert any("explain" in action["title"] for action in actions)
        assert await client.shut_down() == 0
