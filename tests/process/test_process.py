"""Real children that misbehave: none stays, none blocks us, none is confused with another."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from autopilot_ls.model.errors import (
    AgentDied,
    AgentNotFound,
    AgentStartFailed,
    RequestTimeout,
    WireError,
)
from autopilot_ls.wire import outgoing
from autopilot_ls.wire import process as wire_process
from autopilot_ls.wire.descendants import MARKER, look, scan
from autopilot_ls.wire.process import Process, ProcessLimits, spawn

LIMITS = ProcessLimits(close_grace=0.5, terminate_grace=0.5, write_timeout=0.5)

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
# Writes its pid to a file once it is ready, then sleeps.
SLEEPER = "import os,sys,time; open(sys.argv[1]+'.tmp','w').write(str(os.getpid())); os.rename(sys.argv[1]+'.tmp', sys.argv[1]); time.sleep(300)"


def python(
    code: str,
    *arguments: str | Path,
    cwd: Path = Path("/"),
    limits: ProcessLimits = LIMITS,
) -> AbstractAsyncContextManager[Process]:
    command = [sys.executable, "-I", "-c", code, *map(str, arguments)]
    return spawn(command, cwd=cwd, env=dict(os.environ), limits=limits)


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await anyio.sleep(0.005)


async def pid_in(path: Path) -> int:
    # The file is there a moment before its content is.
    await until(lambda: path.exists() and path.read_text())
    return int(await anyio.Path(path).read_text())


def descriptors() -> int:
    return len(list(Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd").iterdir()))


def gone(pid: int) -> bool:
    """Tell whether nothing is left of the process, not even a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def read_all(process: Process, limit: int = 262_144) -> bytes:
    pieces: list[bytes] = []
    with anyio.fail_after(20):
        while piece := await process.read(limit):
            pieces.append(piece)
    return b"".join(pieces)


# -- starting


async def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(AgentNotFound, match="no-such-agent"):
        async with spawn(["no-such-agent"], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}):
            pass
    with pytest.raises(AgentNotFound, match="/no/such/agent"):
        async with spawn(["/no/such/agent"], cwd=tmp_path, env={}):
            pass
    with pytest.raises(AgentNotFound):
        async with spawn([], cwd=tmp_path, env={}):
            pass


async def test_a_program_that_cannot_be_executed(tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text("#!/no/such/interpreter\n")
    with pytest.raises(AgentNotFound):
        async with spawn([str(program)], cwd=tmp_path, env={}):
            pass
    program.chmod(0o755)
    with pytest.raises(AgentNotFound, match="interpreter"):
        async with spawn([str(program)], cwd=tmp_path, env={}):
            pass
    program.write_bytes(b"\x7fELF nonsense")
    with pytest.raises(AgentStartFailed):
        async with spawn([str(program)], cwd=tmp_path, env={}):
            pass


async def test_a_missing_folder_and_a_bad_argument(tmp_path: Path) -> None:
    with pytest.raises(AgentStartFailed, match="folder"):
        async with python("", cwd=tmp_path / "missing"):
            pass
    with pytest.raises(AgentStartFailed):
        async with python("", "nul\0byte"):
            pass


async def test_a_program_of_the_workspace_is_not_run_by_a_relative_path(tmp_path: Path) -> None:
    trap = tmp_path / "agent"
    trap.write_text("#!/bin/sh\ntouch trapped\n")
    trap.chmod(0o755)
    for path in (".", "", ":/nowhere", "../" + tmp_path.name):
        with pytest.raises(AgentNotFound):
            async with spawn(["agent"], cwd=tmp_path, env={"PATH": path}):
                pass
    assert not (tmp_path / "trapped").exists()


# -- ending


async def test_a_child_that_exits_at_once_tells_its_code_and_last_words() -> None:
    async with python("import sys; sys.exit('no login')") as process:
        with anyio.fail_after(5):
            assert await process.read() == b""
            ended = await process.wait()
        assert (ended.code, ended.signal) == (1, None)
        assert "no login" in ended.stderr_tail
        with pytest.raises(AgentDied, match="no login"):
            await process.write(b"x")
    assert gone(process.pid)


async def test_a_killed_child_tells_the_signal_at_once() -> None:
    async with python("import time; time.sleep(300)") as process:
        started = anyio.current_time()
        os.kill(process.pid, signal.SIGKILL)
        ended = await process.wait()
        assert await process.read() == b""
        assert anyio.current_time() - started < 5
    assert (ended.code, ended.signal) == (None, signal.SIGKILL)
    assert ended.describe() == "was ended by SIGKILL"


async def test_end_of_input_is_enough_for_a_good_child() -> None:
    limits = ProcessLimits(close_grace=30)
    async with python("import sys; sys.stdin.read(); sys.exit(3)", limits=limits) as process:
        started = anyio.current_time()
        ended = await process.stop()
        assert anyio.current_time() - started < 10
        assert await process.stop() is ended
    assert (ended.code, ended.survivors, ended.remaining) == (3, (), ())


async def test_what_a_child_writes_at_its_end_is_read_in_full() -> None:
    code = "import os,sys; sys.stdin.read(); os.write(1, b'x' * 60000)"
    async with python(code) as process:
        got = b""

        async def read() -> None:
            nonlocal got
            got = await read_all(process, 1000)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            await process.stop()
    assert got == b"x" * 60_000


async def test_what_was_written_can_be_read_after_the_child_is_gone() -> None:
    async with python("import os; os.write(1, b'x' * 50000)") as process:
        await process.wait()
        await process.stop()
        assert await read_all(process, 1000) == b"x" * 50_000


async def test_output_nobody_reads_does_not_keep_a_child_from_ending() -> None:
    code = "import os,sys; sys.stdin.read(); os.write(1, b'x' * 1_000_000); sys.exit(5)"
    async with python(code, limits=ProcessLimits(close_grace=20)) as process:
        pass
    assert process.exit is not None
    assert process.exit.code == 5


async def test_ignored_sigterm_ends_in_sigkill() -> None:
    code = STUBBORN + "import time; print('ready', flush=True); time.sleep(300)"
    async with python(code) as process:
        assert await process.read() == b"ready\n"
        started = anyio.current_time()
    assert anyio.current_time() - started < 15
    assert process.exit is not None
    assert process.exit.signal == signal.SIGKILL
    assert gone(process.pid)


async def test_sigterm_is_tried_first() -> None:
    code = (
        "import signal,sys,time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7));"
        "print('ready', flush=True); time.sleep(300)"
    )
    async with python(code) as process:
        await process.read()
    assert process.exit is not None
    assert process.exit.code == 7


async def test_cancellation_does_not_leave_a_child_behind() -> None:
    pid = 0
    with anyio.move_on_after(0.3) as scope:
        async with python(STUBBORN + "import time; time.sleep(300)") as process:
            pid = process.pid
            await process.read()
    assert scope.cancelled_caught
    assert gone(pid)


async def test_a_cancelled_stop_is_completed_on_leaving() -> None:
    code = STUBBORN + "import time; print('ready', flush=True); time.sleep(300)"
    async with python(code) as process:
        await process.read()
        with anyio.move_on_after(0.05) as scope:
            await process.stop()
        assert scope.cancelled_caught
    assert gone(process.pid)


async def test_an_error_in_the_body_comes_out_as_it_is() -> None:
    pid = 0
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the context is what is tested
        async with python("import time; time.sleep(300)") as process:
            pid = process.pid
            raise ZeroDivisionError
    assert gone(pid)


async def test_many_at_once_are_all_ended() -> None:
    pids: list[int] = []

    async def one() -> None:
        async with python("import sys; sys.stdin.read()") as process:
            pids.append(process.pid)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(one)
    assert len(pids) == 20
    assert all(map(gone, pids))


# -- descendants


async def test_a_grandchild_in_the_group_is_ended(tmp_path: Path) -> None:
    code = (
        "import subprocess,sys;"
        "subprocess.Popen([sys.executable, '-c', *sys.argv[1:]], stdout=subprocess.DEVNULL);"
        "sys.stdin.read()"
    )
    async with python(code, STUBBORN + SLEEPER, tmp_path / "pid") as process:
        grandchild = await pid_in(tmp_path / "pid")
    assert gone(grandchild)
    assert process.exit is not None
    assert process.exit.survivors == (), "it never left the group"
    assert process.exit.remaining == ()


async def test_a_dead_child_is_noticed_though_a_grandchild_holds_and_floods_its_pipes(
    tmp_path: Path,
) -> None:
    flood = "import os,sys,time; open(sys.argv[1],'w').write(str(os.getpid()))\nwhile True: os.write(1, b'noise\\n'); os.write(2, b'noise\\n')"
    code = (
        "import subprocess,sys;"
        "subprocess.Popen([sys.executable, '-c', *sys.argv[1:]]); sys.stdin.read()"
    )
    async with python(code, flood, tmp_path / "pid") as process:
        grandchild = await pid_in(tmp_path / "pid")
        os.kill(process.pid, signal.SIGKILL)
        with anyio.fail_after(5):
            await read_all(process)
    assert gone(grandchild)


ESCAPE = (
    "import subprocess,sys;"
    "subprocess.Popen([sys.executable, '-c', *sys.argv[1:]], start_new_session=True,"
    " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); "
)


@needs_linux
@pytest.mark.parametrize(
    "before", ["sys.stdin.read()", "sys.exit(0)", "import os; os.kill(os.getpid(), 9)"]
)
async def test_an_escaped_child_is_found_reported_and_ended(tmp_path: Path, before: str) -> None:
    async with python(ESCAPE + before, STUBBORN + SLEEPER, tmp_path / "pid") as process:
        escaped = await pid_in(tmp_path / "pid")
    assert process.exit is not None
    assert process.exit.survivors == (escaped,)
    assert process.exit.remaining == ()
    assert gone(escaped)


def without_handles(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, flags: int = 0) -> int:
        raise OSError(errno.ENOSYS, f"not implemented for {pid}, {flags}")

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)


@pytest.mark.parametrize("waitid", [True, False])
async def test_systems_that_lack_handles_or_waitid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, waitid: bool
) -> None:
    without_handles(monkeypatch)
    if not waitid:  # As on macOS before Python 3.13.
        monkeypatch.delattr(os, "waitid", raising=False)
    code = (
        "import subprocess,sys;"
        "subprocess.Popen([sys.executable, '-c', *sys.argv[1:]]); sys.stdin.read(); sys.exit(4)"
    )
    async with python(code, SLEEPER, tmp_path / "pid") as process:
        grandchild = await pid_in(tmp_path / "pid")
    assert process.exit is not None
    assert (process.exit.code, process.exit.remaining) == (4, ())
    assert gone(process.pid)
    await until(lambda: gone(grandchild))


@needs_linux
async def test_an_escaped_child_is_ended_without_handles_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_handles(monkeypatch)
    async with python(ESCAPE + "sys.exit(0)", STUBBORN + SLEEPER, tmp_path / "pid") as process:
        escaped = await pid_in(tmp_path / "pid")
    assert process.exit is not None
    assert process.exit.survivors == (escaped,)
    assert gone(escaped)


@needs_linux
async def test_a_daemon_by_double_fork_without_our_marker_is_found(tmp_path: Path) -> None:
    # The daemon cleans its environment; it was seen as a descendant before its parent ended.
    code = (
        "import subprocess,sys;"
        "subprocess.Popen([sys.executable, '-I', '-c', *sys.argv[1:]], start_new_session=True,"
        " env={}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); sys.stdin.read()"
    )
    async with python(code, SLEEPER, tmp_path / "pid") as process:
        escaped = await pid_in(tmp_path / "pid")
    assert process.exit is not None
    assert process.exit.survivors == (escaped,)
    assert gone(escaped)


@needs_linux
async def test_a_child_in_another_group_of_the_same_session_is_ended(tmp_path: Path) -> None:
    code = (
        "import subprocess,sys;"
        "subprocess.Popen([sys.executable, '-I', '-c', *sys.argv[1:]], process_group=0, env={},"
        " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); sys.exit(0)"
    )
    async with python(code, SLEEPER, tmp_path / "pid") as process:
        escaped = await pid_in(tmp_path / "pid")
        await process.wait()
    assert process.exit is not None
    assert process.exit.survivors == (escaped,)
    assert gone(escaped)


@needs_linux
async def test_escaped_children_are_attributed_to_their_own_agent(tmp_path: Path) -> None:
    async with python(ESCAPE + "sys.exit(0)", SLEEPER, tmp_path / "one") as first:
        one = await pid_in(tmp_path / "one")
        async with python(ESCAPE + "sys.exit(0)", SLEEPER, tmp_path / "two") as second:
            two = await pid_in(tmp_path / "two")
            await first.wait()
            await second.wait()
            assert (look(one), look(two)) != (None, None)
        assert gone(two)
        assert not gone(one), "it belongs to the agent that still has its context"
        assert second.exit is not None
        assert second.exit.survivors == (two,)
    assert gone(one)


def blocking_child(code: str, *arguments: Path, start_new_session: bool) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, start_new_session=start_new_session)


@needs_linux
async def test_children_of_others_are_neither_ended_nor_reaped(tmp_path: Path) -> None:
    bystander = blocking_child(SLEEPER, tmp_path / "pid", start_new_session=True)
    dying = blocking_child("raise SystemExit(9)", start_new_session=True)
    same_session = blocking_child("raise SystemExit(8)", start_new_session=False)
    command = [sys.executable, "-I", "-c", "raise SystemExit(6)"]
    asynchronous = await anyio.open_process(command)
    try:
        await pid_in(tmp_path / "pid")
        async with python(ESCAPE + "sys.exit(0)", SLEEPER, tmp_path / "escaped") as process:
            await pid_in(tmp_path / "escaped")
        assert process.exit is not None
        assert bystander.pid not in process.exit.survivors
        assert bystander.poll() is None
        assert dying.wait(5) == 9
        assert same_session.wait(5) == 8
        assert await asynchronous.wait() == 6
    finally:
        bystander.kill()
        bystander.wait()
        await asynchronous.aclose()


@needs_linux
async def test_orphans_that_end_by_themselves_leave_no_zombies() -> None:
    code = (
        "import os\n"
        "for _ in range(50):\n"
        "    if os.fork() == 0:\n"
        "        if os.fork() == 0: os._exit(0)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "print('done', flush=True); import sys; sys.stdin.read()"
    )
    async with python(code) as process:
        assert await process.read() == b"done\n"
    left = [one for one in scan().values() if one.session == process.pid]
    assert left == []


@needs_linux
async def test_orphans_are_reaped_while_the_agent_still_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire_process, "_LOOK_INTERVAL", 0.05)
    code = (
        "import os,sys\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0: os._exit(0)\n"
        "    os._exit(0)\n"
        "os.wait(); print('done', flush=True); sys.stdin.read()"
    )
    async with python(code) as process:
        assert await process.read() == b"done\n"
        await until(
            lambda: (
                [one.pid for one in scan().values() if one.session == process.pid] == [process.pid]
            )
        )
        assert process.exit is None


@needs_linux
async def test_who_was_once_seen_is_known_after_the_agent_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_process, "_LOOK_INTERVAL", 0.05)
    code = (
        "import subprocess,sys;"
        "subprocess.Popen([sys.executable, '-I', '-c', *sys.argv[1:]], start_new_session=True,"
        " env={}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); sys.stdin.read()"
    )
    async with python(code, SLEEPER, tmp_path / "pid") as process:
        escaped = await pid_in(tmp_path / "pid")
        await until(lambda: escaped in process._family._known)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    assert process.exit is not None
    assert process.exit.survivors == (escaped,)
    assert gone(escaped)


@needs_linux
async def test_a_child_that_keeps_forking_is_ended() -> None:
    code = (
        STUBBORN + "import os,time\n"
        "print('ready', flush=True)\n"
        "end = time.monotonic() + 60\n"
        "while time.monotonic() < end:\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(0.02)\n"
        "    else:\n"
        "        os._exit(0)\n"
    )
    async with python(code) as process:
        await process.read()
        await process.wait()
    assert process.exit is not None
    assert process.exit.remaining == ()
    assert [one for one in scan().values() if one.session == process.pid] == []


async def test_the_marker_is_in_the_environment_and_differs() -> None:
    seen: list[bytes] = []
    for _ in range(2):
        async with python(f"import os; print(os.environ['{MARKER}'])") as process:
            seen.append(await read_all(process))
    assert seen[0] != seen[1]
    assert MARKER not in os.environ


# -- the pipes


async def test_a_flood_is_read_whole_and_does_not_starve_the_loop() -> None:
    size = 20_000_000
    code = f"import os\nfor _ in range({size} // 10000): os.write(1, b'x' * 10000)"
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await checkpoint()
            ticks += 1

    async with python(code) as process, anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        assert len(await read_all(process)) == size
        tasks.cancel_scope.cancel()
    assert ticks > 50, "another task gets its turn at each read"


async def test_stderr_is_drained_into_a_bounded_tail() -> None:
    code = (
        "import os\nfor n in range(40): os.write(2, b'%07d ' % n * 1250)\n"
        "os.write(2, b'\\xff\\xfelast words\\x1b[2J'); print('done', flush=True)"
    )
    async with python(code, limits=ProcessLimits(stderr_tail=10_000)) as process:
        with anyio.fail_after(10):
            assert await process.read() == b"done\n"
            ended = await process.wait()
        assert ended.stderr_tail.endswith("\ufffd\ufffdlast words\x1b[2J")
        assert 9_990 < len(ended.stderr_tail.encode()) <= 10_010
        assert "0000000" not in ended.stderr_tail
        assert "last words" in str(process.death())
        assert "\x1b" not in str(process.death()), "what is shown to a person obeys nothing"
        assert len(str(process.death())) < 3_000


async def test_a_closed_output_ends_the_reader_though_the_child_lives() -> None:
    code = "import os,sys,time; os.close(1); time.sleep(300)"
    async with python(code) as process:
        with anyio.fail_after(5):
            assert await process.read() == b""
        assert process.exit is None
        assert "closed its output" in str(process.death("while it was asked"))


async def test_only_one_may_read() -> None:
    async with (
        python("import sys; sys.stdin.read()") as process,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(process.read)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError):
            await process.read()
        tasks.cancel_scope.cancel()


async def test_a_cancelled_read_loses_nothing() -> None:
    code = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
    async with python(code) as process:
        for number in range(30):
            with anyio.move_on_after(number / 10_000):
                await process.read()
                pytest.fail("there was nothing to read")
        await process.write(b"one\n")
        got = b""
        while len(got) < 4:
            # Cancelled at once: even a read that could return does so only if it keeps the bytes.
            with anyio.move_on_after(0):
                got += await process.read(1)
            with anyio.move_on_after(0.01):
                got += await process.read(1)
        assert got == b"one\n"


async def test_concurrent_and_cancelled_writers_do_not_interleave() -> None:
    # The child is slow at first, so that the writes of all of them wait.
    code = (
        "import sys,time; sys.stdin.buffer.peek(1); time.sleep(0.2)\n"
        "for line in sys.stdin.buffer:\n"
        "    assert len(set(line.rstrip())) == 1 and len(line) == 50001, line[:100]\n"
        "    sys.stdout.write(line[:1].decode()); sys.stdout.flush()\n"
        "    time.sleep(0.01)\n"
    )
    letters = [bytes([65 + number]) for number in range(26)]
    async with python(code, limits=ProcessLimits(write_timeout=20)) as process:
        async with anyio.create_task_group() as tasks:

            async def write(letter: bytes, patience: float) -> None:
                # While the child makes room by and by, a late writer must not overtake.
                await anyio.sleep((letter[0] - 65) / 100)
                with anyio.move_on_after(patience):
                    await process.write(letter * 50_000 + b"\n")

            for number, letter in enumerate(letters):
                tasks.start_soon(write, letter, 0.01 if number % 2 else 20)
        got = b""
        with anyio.fail_after(20):
            while len(got) < len(letters):
                piece = await process.read()
                assert piece, process.stderr_tail()
                got += piece
    assert got == b"".join(letters), "whole, and in the order of the calls"


async def test_a_write_nobody_reads_ends_in_time_and_breaks_the_pipe() -> None:
    async with python("import time; time.sleep(300)") as process:
        started = anyio.current_time()
        with pytest.raises(RequestTimeout):
            await process.write(b"x" * 1_000_000)
        assert anyio.current_time() - started < 10
        with pytest.raises(RequestTimeout):
            await process.write(b"y")


async def test_what_waits_to_be_written_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "MAX_PENDING", 1_000_000)
    async with python("import time; time.sleep(300)") as process:
        for _ in range(2):
            with anyio.move_on_after(0.01):
                await process.write(b"x" * 900_000)
        with pytest.raises(WireError, match="wait for the agent"):
            await process.write(b"y")


async def test_the_death_of_the_child_ends_a_blocked_write_at_once() -> None:
    limits = ProcessLimits(write_timeout=60)
    async with python("import time; time.sleep(300)", limits=limits) as process:
        started = anyio.current_time()
        async with anyio.create_task_group() as tasks:

            async def write() -> None:
                with pytest.raises(AgentDied):
                    await process.write(b"x" * 1_000_000)

            tasks.start_soon(write)
            await anyio.wait_all_tasks_blocked()
            started = anyio.current_time()
            os.kill(process.pid, signal.SIGKILL)
        assert anyio.current_time() - started < 5


async def test_no_descriptor_leaks() -> None:
    async with python(""):
        pass
    before = descriptors()
    for _ in range(5):
        async with python("import sys; sys.stdin.read()") as process:
            with anyio.move_on_after(0.01):
                await process.read()
    assert descriptors() <= before


def test_importing_is_cheap() -> None:
    code = "import sys; import autopilot_ls.wire.process, autopilot_ls.wire.jsonrpc; print('pydantic_core' in sys.modules, 'ctypes' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False False\n", "what only a session needs is imported by the session"


@asynccontextmanager
async def stopwatch(limit: float) -> AsyncGenerator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < limit


async def test_the_worst_child_is_ended_within_the_limits(tmp_path: Path) -> None:
    code = ESCAPE.replace("start_new_session=True", "start_new_session=True, close_fds=False")
    async with stopwatch(8):  # noqa: SIM117 - the watch also covers leaving
        async with python(
            STUBBORN + code + "import time; time.sleep(300)", STUBBORN + SLEEPER, tmp_path / "pid"
        ) as process:
            escaped = await pid_in(tmp_path / "pid")
    assert gone(process.pid)
    assert gone(escaped) or sys.platform != "linux"
