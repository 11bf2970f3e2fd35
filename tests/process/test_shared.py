"""The shared process with real processes: who starts it, who is served, and what is left of the dead."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from autopilot_ls.shared.control import SharedProcess, ask_all
from tests.protocol.client import DEADLINE, Client, running, until

ROOT = Path(__file__).resolve().parents[2]
FORWARDER = (sys.executable, "-m", "autopilot_ls", "--stdio", "--remote=auto")


@pytest.fixture
def place() -> Generator[Path]:
    """A folder with a short name and a state folder in it; what runs there at the end is ended."""
    root = Path(tempfile.mkdtemp(prefix="ap-")).resolve()
    try:
        yield root
        ask_all(environment(root), "stop")
    finally:
        shutil.rmtree(root, ignore_errors=True)


def environment(root: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AUTOPILOT_")}
    state = {"HOME": str(root), "AUTOPILOT_STATE_DIR": str(root / "state")}
    return {**kept, "PYTHONPATH": str(ROOT), **state, **more}


def shared(root: Path) -> list[SharedProcess]:
    return ask_all(environment(root))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Whoever inherits a process may take long to fetch its end: a zombie is none that lives.
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return not stat.parent.parent.is_dir()


@asynccontextmanager
async def editor(
    root: Path,
    *,
    command: tuple[str, ...] = FORWARDER,
    env: Mapping[str, str] | None = None,
    options: Any = None,
    name: str = "test",
) -> AsyncGenerator[Client]:
    async with running(env=env or environment(root), cwd=root, command=command) as client:
        info = {"name": name, "version": "1"}
        await client.initialize(root, info=info, options=options)
        yield client


async def send_endlessly(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 1024 * 1024)
        await writer.drain()


async def test_two_editors_have_one_process_that_stays_when_they_go(place: Path) -> None:
    async with editor(place, name="one") as one, editor(place, name="two") as two:
        await one.ready()
        await two.ready()
        (process,) = shared(place)
        assert {label.split(" ")[0] for label in process.editors} == {"one", "two"}
        assert process.pid not in {one.process.pid, two.process.pid}
        assert await one.shut_down() == 0
        assert await two.execute("autopilot.status")
        assert await two.shut_down() == 0
        assert not one.stderr
        assert not two.stderr
    # It knows a moment after the editor itself that this one has gone.
    await until(lambda: [(one.pid, one.editors) for one in shared(place)] == [(process.pid, ())])


async def test_eight_that_start_at_once_get_one_process(place: Path) -> None:
    async with AsyncExitStack() as stack:
        clients = await asyncio.gather(
            *(stack.enter_async_context(editor(place, name=f"e{n}")) for n in range(8))
        )
        await asyncio.gather(*(client.ready() for client in clients))
        (process,) = shared(place)
        assert len(process.editors) == 8
        assert not any(client.stderr for client in clients)
    assert len(list((place / "state/run").glob("*.sock"))) == 1


async def test_a_killed_process_is_said_and_replaced(place: Path) -> None:
    async with editor(place) as client:
        await client.ready()
        (process,) = shared(place)
        os.kill(process.pid, signal.SIGKILL)
        async with asyncio.timeout(DEADLINE):
            assert await client.process.wait() == 3
        await until(lambda: b"ended unexpectedly" in client.stderr)
    # Its socket is still there, and nobody listens.
    assert list((place / "state/run").glob("*.sock"))
    assert shared(place) == []
    async with editor(place) as client:
        await client.ready()
        (another,) = shared(place)
        assert another.pid != process.pid
        assert not client.stderr


async def test_a_killed_forwarder_touches_nobody_else(place: Path) -> None:
    async with editor(place, name="one") as one, editor(place, name="two") as two:
        await one.ready()
        await two.ready()
        one.process.kill()
        await until(lambda: all(len(process.editors) == 1 for process in shared(place)))
        assert await two.execute("autopilot.status")
        assert await two.shut_down() == 0


async def test_it_ends_when_it_has_been_idle(place: Path) -> None:
    async with editor(place, options={"shared": {"idleSeconds": 0.2}}) as client:
        await client.ready()
        (process,) = shared(place)
        # Not while an editor is there. No event says that nothing happens, so this gives it several times the
        # idle time in which to go wrong.
        await asyncio.sleep(1)
        assert await client.execute("autopilot.status")
        await client.shut_down()
    # Who asks again and again how it is does not keep it.
    await until(lambda: not shared(place))
    await until(lambda: not alive(process.pid))
    assert not list((place / "state/run").glob("*.sock"))


async def test_a_signal_ends_it_in_order_and_its_editors_with_it(place: Path) -> None:
    async with editor(place) as client:
        await client.ready()
        (process,) = shared(place)
        os.kill(process.pid, signal.SIGTERM)
        async with asyncio.timeout(DEADLINE):
            assert await client.process.wait() == 128 + signal.SIGTERM
        assert not client.stderr
    await until(lambda: not alive(process.pid))
    assert not list((place / "state/run").glob("*.sock"))


def installed(place: Path, init: str) -> dict[str, str]:
    """Return the environment with a copy of the package that can be changed."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "autopilot_ls", place / "copy/autopilot_ls", ignore=ignored)
    (place / "copy/autopilot_ls/__init__.py").write_text(init)
    return environment(place, PYTHONPATH=str(place / "copy"))


async def test_when_the_package_is_installed_anew_a_new_process_takes_over(place: Path) -> None:
    init = (ROOT / "autopilot_ls/__init__.py").read_text()
    env = installed(place, init)
    async with editor(place, env=env) as old:
        await old.ready()
        (before,) = shared(place)
        (place / "copy/autopilot_ls/__init__.py").unlink()
        (place / "copy/autopilot_ls/__init__.py").write_text(f"{init}# Another one.\n")
        async with editor(place, env=env) as new:
            await new.ready()
            (after,) = shared(place)
            assert after.pid != before.pid
            assert await old.execute("autopilot.status")
            assert alive(before.pid)
            await old.shut_down()
            assert not old.stderr
            assert not new.stderr
            await until(lambda: not alive(before.pid))
            assert await new.execute("autopilot.status")
    assert len(shared(place)) == 1


async def test_a_process_that_is_about_to_end_is_not_met(place: Path) -> None:
    env = environment(place, AUTOPILOT_SHARED_IDLE_SECONDS="0")

    async def come_and_go() -> None:
        for _ in range(4):
            async with editor(place, env=env) as client:
                assert await client.execute("autopilot.status")
                assert await client.shut_down() == 0
            assert not client.stderr

    await asyncio.gather(come_and_go(), come_and_go(), come_and_go())
    await until(lambda: not shared(place))


async def test_another_version_gets_a_process_of_its_own(place: Path) -> None:
    env = installed(place, '__version__ = "9.9.9"\n')
    async with editor(place) as old, editor(place, env=env) as new:
        await old.ready()
        await new.ready()
        names = sorted(process.version for process in shared(place))
        assert len(names) == 2
        assert names[1] == "9.9.9"
        told = f"still there ({names[0]})"
        await new.wait_method("window/logMessage", lambda p: told in p["message"])
        assert told in new.stderr.decode()
        assert not old.stderr


@pytest.mark.parametrize("planted", ["link", "file", "socket name"])
async def test_what_was_planted_is_not_used(place: Path, planted: str) -> None:
    state, elsewhere = place / "state", place / "elsewhere"
    state.mkdir()
    elsewhere.mkdir()
    if planted == "link":
        (state / "run").symlink_to(elsewhere)
    elif planted == "file":
        (state / "run").write_text("")
    else:
        from autopilot_ls.shared.places import own_names

        (state / "run").mkdir()
        (state / "run" / own_names(environment(place)).socket).write_text("precious")
    async with editor(place) as client:
        await client.ready()
        await client.wait_method(
            "window/logMessage", lambda p: "process of its own" in p["message"]
        )
        assert b"process of its own" in client.stderr
        assert await client.shut_down() == 0
    assert list(elsewhere.iterdir()) == []
    for kept in (state / "run").glob("*.sock"):
        assert kept.read_text() == "precious"
        kept.unlink()
    if planted != "socket name":
        (state / "run").unlink()


async def test_the_folder_is_made_private_again(place: Path) -> None:
    folder = place / "state" / "run"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    async with editor(place) as client:
        await client.ready()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


async def test_who_says_nothing_or_nonsense_disturbs_nobody(place: Path) -> None:
    async with editor(place) as client:
        await client.ready()
        (socket,) = (place / "state/run").glob("*.sock")
        silent = await asyncio.open_unix_connection(str(socket))
        garbled = await asyncio.open_unix_connection(str(socket))
        garbled[1].write(b"GET / HTTP/1.1\r\n\r\n")
        giant = await asyncio.open_unix_connection(str(socket))
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(ConnectionError):
                await send_endlessly(giant[1])
        async with asyncio.timeout(DEADLINE):
            assert await garbled[0].read() == b""
        assert await client.execute("autopilot.status")
        for _, writer in (silent, garbled, giant):
            writer.close()


async def test_an_editor_that_does_not_read_holds_up_nobody(place: Path) -> None:
    async with editor(place, name="slow") as slow, editor(place, name="quick") as quick:
        await slow.ready()
        await quick.ready()
        slow.reading.clear()
        for number in range(2_000):
            slow.send(
                {
                    "jsonrpc": "2.0",
                    "id": f"n{number}",
                    "method": "workspace/executeCommand",
                    "params": {"command": "x" * 80, "arguments": [json.dumps("y" * 2000)]},
                }
            )
        for _ in range(20):
            assert await quick.execute("autopilot.status", limit=DEADLINE)
        slow.reading.set()


async def test_the_environment_of_each_editor_is_its_own(place: Path) -> None:
    env = environment(place, AUTOPILOT_MODE="read-only")
    async with editor(place) as plain, editor(place, env=env) as careful:
        assert (await plain.execute("autopilot.status"))["mode"] == "propose"
        assert (await careful.execute("autopilot.status"))["mode"] == "read-only"
        await plain.execute("autopilot.mode.set", {"mode": "auto"})
        assert (await careful.execute("autopilot.status"))["mode"] == "read-only"
        assert len(shared(place)) == 1


async def test_what_a_program_is_is_looked_up_on_the_path_of_the_window(place: Path) -> None:
    # A repository can bring a `cat`, and an activated environment puts its folder on the PATH.
    program = place / ".venv" / "bin" / "cat"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (place / "README.md").write_text("x")
    activated = environment(place, PATH=f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    question = {"command": "cat README.md", "cwd": str(place), "mode": "propose"}
    async with editor(place) as plain, editor(place, env=activated) as inside:
        for client, outcome in ((plain, "allow"), (inside, "ask")):
            told = await client.execute("autopilot.policy.explain", question)
            assert told["outcome"] == outcome


async def test_a_window_without_folders_works_in_the_folder_it_was_started_in(place: Path) -> None:
    async with running(env=environment(place), cwd=place, command=FORWARDER) as client:
        await client.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        client.notify("initialized", {})
        listed = await client.execute("autopilot.changes.list")
        assert listed["changes"] == []
        (process,) = shared(place)
        assert str(place) in process.editors[0]
