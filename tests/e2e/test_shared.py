"""The shared process with the real Codex: what windows that come, go and die do to the work."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from autopilot_ls.scripted_model import Output, ScriptedModel, Step, command, hold, message, patch
from autopilot_ls.shared.control import ask_all
from tests.protocol.client import DEADLINE, Client, Message, ServerError, running, until
from tests.support.world import World, world

pytestmark = pytest.mark.timeout(240)

UPDATE: Final = "*** Begin Patch\n*** Update File: a.py\n@@\n-x = 1\n+x = 2\n*** End Patch"
AUTO: Final = {"AUTOPILOT_MODE": "auto"}
FORWARDER: Final = (sys.executable, "-m", "autopilot_ls", "--stdio", "--remote=auto")


@contextmanager
def shared_world(*script: Step | Output) -> Generator[World]:
    """Make a world in which no shared process outlives the test."""
    with ScriptedModel(list(script)) as model, world(model) as here:
        here.write("a.py", "x = 1\n")
        try:
            yield here
        finally:
            ask_all(here.environment, "stop")


@asynccontextmanager
async def window(
    here: World, name: str, root: Path | None = None, env: Mapping[str, str] | None = None
) -> AsyncGenerator[Client]:
    """Open an editor's window, on the workspace if nothing else is said."""
    async with running(
        env={**here.environment, **(env or {})}, cwd=here.workspace, command=FORWARDER
    ) as client:
        info: Message = {"name": name, "version": "1"}
        await client.initialize(root or here.workspace, info=info)
        await client.ready()
        yield client


async def waiting(client: Client) -> Any:
    found: list[Any] = []

    async def look() -> bool:
        found[:] = (await client.execute("autopilot.approval.list"))["approvals"]
        return bool(found)

    async with asyncio.timeout(DEADLINE):
        while not await look():  # noqa: ASYNC110 reason: only asking tells
            await asyncio.sleep(0.05)
    return found[0]


async def hints(client: Client, *, since: int = 0, any_left: bool) -> None:
    """Wait until the workspace's file has a pending hunk in this window, or none any more."""
    await client.wait_method(
        "textDocument/publishDiagnostics",
        lambda p: p["uri"].endswith("/a.py") and bool(p["diagnostics"]) is any_left,
        since=since,
    )


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        # A process that has ended stays until it is waited for, which here may be nobody's task.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_killed_forwarder_loses_neither_the_turn_nor_the_approval() -> None:
    with shared_world(patch(UPDATE), message("Done.")) as here:
        async with window(here, "first") as first:
            started = await first.execute("autopilot.turn.start", {"text": "Change it"})
            approval = await waiting(first)
            first.process.kill()
            await first.process.wait()
        async with window(here, "second") as second:
            again = await waiting(second)
            assert again["id"] == approval["id"]
            await hints(second, any_left=True)
            await second.execute(
                "autopilot.approval.decide", {"approvalId": again["id"], "decision": "accept"}
            )
            await second.wait_method("$/progress", lambda p: p["value"]["kind"] == "end", limit=60)
            assert here.read("a.py") == "x = 2\n"
            sessions = (await second.execute("autopilot.session.list"))["sessions"]
            assert started["sessionId"] in str(sessions)
            assert len(sessions) == 1


async def test_a_decision_that_was_sent_counts_though_the_window_died() -> None:
    with shared_world(patch(UPDATE), message("Done.")) as here:
        async with window(here, "first") as first:
            await first.execute("autopilot.turn.start", {"text": "Change it"})
            approval = await waiting(first)
            decision = {"approvalId": approval["id"], "decision": "accept"}
            params = {"command": "autopilot.approval.decide", "arguments": [decision]}
            first.send(
                {
                    "jsonrpc": "2.0",
                    "id": "last",
                    "method": "workspace/executeCommand",
                    "params": params,
                }
            )
            assert first.process.stdin is not None
            await first.process.stdin.drain()
            first.process.stdin.close()
            await first.process.wait()
        await until(lambda: here.read("a.py") == "x = 2\n", limit=60)


async def test_when_the_shared_process_is_killed_its_agents_end_and_the_session_can_go_on() -> None:
    script = (patch(UPDATE), patch(UPDATE), message("Done."))
    with shared_world(*script) as here:
        async with window(here, "first") as first:
            started = await first.execute("autopilot.turn.start", {"text": "Change it"})
            await waiting(first)
            (process,) = ask_all(here.environment)
            agents = children_of(process.pid)
            assert agents
            os.kill(process.pid, signal.SIGKILL)
            async with asyncio.timeout(DEADLINE):
                assert await first.process.wait() == 3
            await until(lambda: b"ended unexpectedly" in first.stderr)
        await until(lambda: not any(map(alive, agents)))
        assert here.read("a.py") == "x = 1\n"
        async with window(here, "second") as second:
            again = {"text": "Once more", "sessionId": started["sessionId"]}
            await second.execute("autopilot.turn.start", again)
            approval = await waiting(second)
            await second.execute(
                "autopilot.approval.decide", {"approvalId": approval["id"], "decision": "accept"}
            )
            await until(lambda: here.read("a.py") == "x = 2\n", limit=60)


async def test_what_one_window_decides_goes_from_the_other_at_once() -> None:
    with shared_world(patch(UPDATE), message("Done.")) as here:
        async with window(here, "one") as one, window(here, "two") as two:
            await one.execute("autopilot.turn.start", {"text": "Change it"})
            await hints(one, any_left=True)
            await hints(two, any_left=True)
            approval = await waiting(two)
            since = len(one.received)
            decision = {"approvalId": approval["id"], "decision": "decline"}
            await two.execute("autopilot.approval.decide", decision)
            await hints(one, since=since, any_left=False)
            with pytest.raises(ServerError, match="two 1") as late:
                await one.execute("autopilot.approval.decide", decision)
            assert late.value.data["code"] == "approval-already-resolved"


async def test_of_two_windows_that_decide_at_once_one_wins_and_the_other_is_told() -> None:
    with shared_world(patch(UPDATE), message("Done.")) as here:
        async with window(here, "one") as one, window(here, "two") as two:
            await one.execute("autopilot.turn.start", {"text": "Change it"})
            approval = await waiting(one)
            results = await asyncio.gather(
                *(
                    client.execute(
                        "autopilot.approval.decide",
                        {"approvalId": approval["id"], "decision": "accept"},
                    )
                    for client in (one, two)
                ),
                return_exceptions=True,
            )
            (refused,) = [r for r in results if isinstance(r, BaseException)]
            assert isinstance(refused, ServerError)
            assert refused.data["code"] == "approval-already-resolved"
            assert "one 1" in str(refused) or "two 1" in str(refused)
            await until(lambda: here.read("a.py") == "x = 2\n", limit=60)


async def test_work_goes_on_when_the_last_window_closes_and_that_is_said() -> None:
    held = threading.Event()
    with shared_world(hold(held, message("Done."))) as here:
        async with window(here, "first") as first:
            started = await first.execute("autopilot.turn.start", {"text": "Work"})
            await first.wait_method("$/progress")
            assert await first.shut_down() == 0
            await until(lambda: b"1 turn still running in the background" in first.stderr)
        (process,) = ask_all(here.environment)
        (session,) = process.sessions
        assert session.id == started["sessionId"]
        assert session.running
        async with window(here, "second") as second:
            await second.wait_method("$/progress", lambda p: p["value"]["kind"] == "begin")
            await second.execute("autopilot.turn.interrupt", {"sessionId": session.id})
            await second.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")
            assert await second.shut_down() == 0
            assert not second.stderr


async def test_a_window_on_another_folder_is_not_bothered_but_can_ask() -> None:
    with shared_world(patch(UPDATE), message("Done.")) as here:
        other = here.root / "other"
        other.mkdir()
        async with window(here, "one") as one, window(here, "two", other) as two:
            started = await one.execute("autopilot.turn.start", {"text": "Change it"})
            approval = await waiting(one)
            await hints(one, any_left=True)
            assert (await two.execute("autopilot.approval.list"))["approvals"] == []
            assert (await two.execute("autopilot.status"))["sessions"] == []
            named = {"sessionId": started["sessionId"]}
            assert len((await two.execute("autopilot.status", named))["sessions"]) == 1
            assert len((await two.execute("autopilot.approval.list", named))["approvals"]) == 1
            shown = {"$/progress", "textDocument/publishDiagnostics", "window/showMessage"}
            assert not shown & set(two.methods())
            added = [{"uri": here.workspace.as_uri(), "name": "work"}]
            two.notify(
                "workspace/didChangeWorkspaceFolders", {"event": {"added": added, "removed": []}}
            )
            await hints(two, any_left=True)
            await two.wait_method("$/progress", lambda p: p["value"]["kind"] == "begin")
            await two.execute(
                "autopilot.approval.decide", {"approvalId": approval["id"], "decision": "accept"}
            )
            await until(lambda: here.read("a.py") == "x = 2\n", limit=60)
            await two.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")


async def test_what_is_to_be_reviewed_is_told_to_the_terminal_too() -> None:
    with shared_world(command("echo more >> a.py", call_id="c1"), message("Done.")) as here:
        async with window(here, "one", env=AUTO) as one:
            started = await one.execute("autopilot.turn.start", {"text": "Change it"})
            await hints(one, any_left=True)
            shown = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "autopilot_ls", "hud", "--once", "--json"),
                env=here.environment,
                stdout=asyncio.subprocess.PIPE,
            )
            (view,) = json.loads((await shown.communicate())[0])["sessions"]
            assert view["sessionId"] == started["sessionId"]
            assert view["unreviewed"] == {"files": 1, "hunks": 1}


async def test_an_agent_gets_the_environment_of_the_window_that_starts_it() -> None:
    script = (
        command("printenv WINDOW > one.txt", call_id="c1"),
        message("Done."),
        command("printenv WINDOW > two.txt", call_id="c2"),
        message("Done."),
    )
    with shared_world(*script) as here:
        async with (
            window(here, "one", env={"WINDOW": "first", **AUTO}) as one,
            window(here, "two", env={"WINDOW": "second", **AUTO}) as two,
        ):
            for client, name, value in ((one, "one.txt", "first"), (two, "two.txt", "second")):
                await client.execute("autopilot.turn.start", {"text": "Say it"})
                approval = await waiting(client)
                await client.execute(
                    "autopilot.approval.decide",
                    {"approvalId": approval["id"], "decision": "accept"},
                )
                path = here.workspace / name
                await until(lambda path=path: path.exists() and bool(path.read_text()), limit=60)
                assert path.read_text() == f"{value}\n"
    assert "WINDOW" not in os.environ


async def test_the_command_line_takes_what_no_window_has_any_more() -> None:
    script = (command("sed -i s/1/3/ a.py"), message("Done."), message("Gladly."))
    with shared_world(*script) as here:
        async with window(here, "one", env=AUTO) as one:
            await one.execute("autopilot.turn.start", {"text": "Change it"})
            await one.wait_method("$/progress", lambda p: p["value"]["kind"] == "end", limit=60)
            busy = await asyncio.to_thread(here.run, "changes", "list")
            assert busy.returncode == 1
            assert "keeps the review" in busy.stderr
            listed = await asyncio.to_thread(here.run, "sessions", "list")
            assert "Change it" in listed.stdout
            status = await asyncio.to_thread(here.run, "daemon", "--status")
            assert "one 1 in" in status.stdout
            assert await one.shut_down() == 0
        listed = await asyncio.to_thread(here.run, "changes", "list")
        assert "a.py" in listed.stdout, listed.stderr
        ran = await asyncio.to_thread(here.run, "run", "--session", "last", "And now?")
        assert ran.returncode == 0, ran.stderr
        stopped = await asyncio.to_thread(here.run, "daemon", "--stop")
        assert "It has ended." in stopped.stdout
        none = await asyncio.to_thread(here.run, "daemon", "--status")
        assert (none.returncode, none.stdout) == (1, "No shared process runs.\n")
