"""Agent processes: the only place of the project that spawns.

Not aware of what is said over the pipes. `jsonl` and `jsonrpc` stand beside and above; `descendants`,
`exits`, `incoming` and `outgoing` below. Needs a selector event loop: the pipes are watched by callbacks of
the loop, so that nothing here is a task that can be cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import anyio

from autopilot_ls.model.errors import AgentDied, AgentNotFound, AgentStartFailed
from autopilot_ls.model.text import visible, without_escapes
from autopilot_ls.wire.descendants import MARKER, Family, Seen, become_subreaper, scan, send
from autopilot_ls.wire.exits import ExitWatch, ProcessExit
from autopilot_ls.wire.incoming import DrainedPipe, IncomingPipe
from autopilot_ls.wire.outgoing import OutgoingPipe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from autopilot_ls.wire.descendants import Table

_LOOK_INTERVAL: Final = 5.0
_SETTLE: Final = 0.1
_POLL: Final = 0.02
_LEFTOVER_GRACE: Final = 1.0
_KILL_LIMIT: Final = 5.0
_LAST_WORDS: Final = 2_000


@dataclass(frozen=True)
class ProcessLimits:
    """Limits of one process.

    Attributes:
        close_grace: Seconds between closing its standard input and SIGTERM.
        terminate_grace: Seconds between SIGTERM and SIGKILL.
        stderr_tail: Bytes kept of the end of its standard error.
        write_timeout: Seconds within which it must take a message from its standard input.
    """

    close_grace: float = 2.0
    terminate_grace: float = 3.0
    stderr_tail: int = 64 * 1024
    write_timeout: float = 30.0


class Process:
    """A running agent, made by `spawn`. Not safe to use from other threads."""

    def __init__(
        self, popen: subprocess.Popen[bytes], *, name: str, marker: str, limits: ProcessLimits
    ) -> None:
        """Take over a child that leads its own session; `spawn` is the way to make one."""
        self.pid: Final = popen.pid
        self.name: Final = name
        self.exit: ProcessExit | None = None
        self._popen = popen
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._stdin = OutgoingPipe(_pipe(popen.stdin), timeout=limits.write_timeout)
        self._stdout = IncomingPipe(_pipe(popen.stdout))
        self._stderr = DrainedPipe(_pipe(popen.stderr), limit=limits.stderr_tail)
        self._family = Family(popen.pid, marker)
        self._exited = anyio.Event()
        self._stopping = anyio.Lock()
        self._stopped = False
        self._survivors: set[int] = set()
        self._look_timer = self._loop.call_later(_LOOK_INTERVAL, self._look_again)
        self._watch = ExitWatch(popen, self._ended)

    # -- the pipes

    async def write(self, data: bytes) -> None:
        """Send the data whole, after everything given earlier.

        It is queued before anything is awaited, so concurrent writers keep the order of their calls
        and a cancelled writer leaves no half of a message behind.

        Raises:
            AgentDied: The process ended or closed its standard input.
            RequestTimeout: It did not read within `write_timeout`; it cannot be written to any more.
            WireError: Too much waits already; nothing of this was queued.
        """
        await self._stdin.write(data)

    async def read(self, limit: int = 262_144) -> bytes:
        """Return what its standard output holds, waiting for at least one byte.

        Returns:
            At most `limit` bytes; b"" at the end, which is also reached when the process has ended
            and all it wrote was read, even though a child of its may hold the pipe open.

        Raises:
            anyio.BusyResourceError: Another task is reading.
        """
        return await self._stdout.read(limit)

    def end_input(self) -> None:
        """Close its standard input: nothing more can be written. May be repeated."""
        self._stdin.close(AgentDied(f"{self.name} gets no more input."))

    def stderr_tail(self) -> str:
        """Return the end of its standard error so far, not yet made safe to display."""
        return self._stderr.tail()

    # -- its end

    def death(self, doing: str = "") -> AgentDied:
        """Return the error that says how the process ended, or that it closed its output.

        Args:
            doing: What was expected of it, as "while …"; may be empty.
        """
        how = "closed its output" if self.exit is None else self.exit.describe()
        words = visible(without_escapes(self.stderr_tail()[-_LAST_WORDS:])).strip()
        said = f" Its last words: {words}" if words else " It left no message."
        advice = "Resume the session to go on."
        return AgentDied(f"{self.name} {how}{f' {doing}' if doing else ''}.{said}", advice=advice)

    async def wait(self) -> ProcessExit:
        """Wait until the process itself has ended; its descendants may still run until `stop`."""
        await self._exited.wait()
        assert self.exit is not None
        return self.exit

    def _ended(self) -> None:
        code, number = self._watch.status()
        self._stderr.catch_up()
        self._stdout.close()
        self.exit = ProcessExit(code=code, signal=number, stderr_tail=self.stderr_tail())
        self._stdin.close(self.death())
        self._exited.set()

    def _look_again(self) -> None:
        # A look costs about 20 microseconds per process of the machine, so a thread does it.
        self._loop.run_in_executor(None, scan).add_done_callback(self._looked)

    def _looked(self, look: asyncio.Future[Table]) -> None:
        if self._stopped or look.cancelled() or look.exception() is not None:
            return
        self._learn(look.result())
        self._look_timer = self._loop.call_later(_LOOK_INTERVAL, self._look_again)

    def _look(self) -> list[Seen]:
        """Return the descendants, and reap the dead ones that became ours."""
        return self._learn(scan())

    def _learn(self, table: Table) -> list[Seen]:
        members = self._family.refresh(table)
        self._family.reap(table)
        return members

    async def stop(self) -> ProcessExit:
        """End the process and all its descendants, and reap them; may be repeated.

        Closes its standard input, waits `close_grace`, sends SIGTERM to the group, waits
        `terminate_grace`, sends SIGKILL. What is left then, in the group or escaped from it, gets
        SIGTERM and SIGKILL too. Output nobody reads is thrown away, so that it can end. Every wait
        has a limit. When cancelled it stops where it is; leaving `spawn` completes it.

        Returns:
            How it ended, with the descendants that outlived it.
        """
        async with self._stopping:
            if not self._stopped:
                await self._end_leader()
                remaining = await self._end_leftovers()
                self._finish(remaining)
        return self.exit or ProcessExit(code=None, signal=None, stderr_tail=self.stderr_tail())

    async def _end_leader(self) -> None:
        self._look()
        self._stdin.close(AgentDied(f"{self.name} is being stopped."))
        self._stdout.discard()
        if await self._ends_within(self._limits.close_grace):
            return
        self._look()
        self._signal_group(signal.SIGTERM)
        if await self._ends_within(self._limits.terminate_grace):
            return
        self._look()
        self._signal_group(signal.SIGKILL)
        await self._ends_within(_KILL_LIMIT)

    async def _ends_within(self, seconds: float) -> bool:
        with anyio.move_on_after(seconds):
            await self._exited.wait()
        return self.exit is not None

    async def _end_leftovers(self) -> tuple[int, ...]:
        """End what is left after the leader; return what could not be ended."""
        if left := await self._left_after(_SETTLE):
            self._note_survivors(left)
            self._signal_all(left, signal.SIGTERM)
            await self._left_after(min(_LEFTOVER_GRACE, self._limits.terminate_grace))
        # A look can miss who forks while it lasts. Killing a group misses nobody, so the look after
        # it is the proof.
        self._signal_group(signal.SIGKILL)
        left = await self._left_after(_KILL_LIMIT, kill=True)
        return tuple(sorted(process.pid for process in left))

    async def _left_after(self, seconds: float, *, kill: bool = False) -> list[Seen]:
        """Look until nobody is left or the time is over; there is no event for strangers' ends."""
        deadline = self._loop.time() + seconds
        while left := self._look():
            if kill:
                self._note_survivors(left)
                self._signal_all(left, signal.SIGKILL)
            if self._loop.time() >= deadline:
                break
            await anyio.sleep(_POLL)
        return left

    def _note_survivors(self, left: list[Seen]) -> None:
        self._survivors |= {one.pid for one in left if one.alive and one.group != self.pid}

    def _signal_all(self, processes: list[Seen], number: signal.Signals) -> None:
        self._signal_group(number)
        for process in processes:
            if process.group != self.pid:
                send(process, number)

    def _signal_group(self, number: signal.Signals) -> None:
        """Signal the group; its id cannot be another's, because its leader is not reaped yet."""
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _finish(self, remaining: tuple[int, ...]) -> None:
        self._signal_group(signal.SIGKILL)
        if self._popen.poll() is None:
            remaining = (self.pid, *remaining)
        self._look_timer.cancel()
        self._stderr.close()
        self._stdout.close()
        self._watch.close()
        if self.exit is not None:
            survivors = tuple(sorted(self._survivors))
            self.exit = replace(self.exit, survivors=survivors, remaining=remaining)
        self._stopped = True


def _pipe(file: IO[bytes] | None) -> IO[bytes]:
    assert file is not None, "spawn asks for all three pipes"
    return file


@asynccontextmanager
async def spawn(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    limits: ProcessLimits | None = None,
) -> AsyncGenerator[Process]:
    """Run a program in its own session and process group, and end all of it on leaving.

    Args:
        command: Program and arguments. A program without a slash is looked for in the absolute
            folders of `env`'s PATH only: a relative one would mean a folder of the workspace.
        cwd: Its working folder.
        env: Its whole environment; the variable `MARKER` is added.
        limits: `ProcessLimits()` when omitted.

    Raises:
        AgentNotFound: The program does not exist or may not be executed.
        AgentStartFailed: The system could not start it, or `cwd` is no folder.

    Leaving is shielded from cancellation and bounded by the limits and about eight seconds more.
    """
    become_subreaper()
    marker = f"{os.getpid()}-{secrets.token_hex(8)}"
    popen = _start(command, cwd, {**env, MARKER: marker})
    process = Process(
        popen, name=Path(command[0]).name, marker=marker, limits=limits or ProcessLimits()
    )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            await process.stop()


def _start(command: Sequence[str], cwd: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    program = _locate(command, env)
    if not cwd.is_dir():
        raise AgentStartFailed(
            f"The working folder {visible(str(cwd))} does not exist or is no folder.",
            advice="Open an existing folder.",
        )
    pipe = subprocess.PIPE
    try:
        # No `with`: the Process outlives this function and closes all three pipes itself.
        return subprocess.Popen(
            [program, *command[1:]],
            cwd=cwd,
            env=env,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            bufsize=0,
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise AgentNotFound(
            f"{visible(program)} cannot be executed: {error.strerror}.",
            advice="Check that it, and the interpreter it names, are installed and executable.",
        ) from error
    except (OSError, ValueError) as error:
        raise AgentStartFailed(
            f"{visible(program)} could not be started: {visible(str(error))}.",
            advice="Check the configured command and its arguments.",
        ) from error


def _locate(command: Sequence[str], env: Mapping[str, str]) -> str:
    if not command or not command[0]:
        raise AgentNotFound("The agent's command is empty.", advice="Set the agent's command.")
    program = command[0]
    if os.sep in program:
        return program
    folders = [
        folder for folder in env.get("PATH", os.defpath).split(os.pathsep) if folder[:1] == "/"
    ]
    found = shutil.which(program, path=os.pathsep.join(folders)) if folders else None
    if found is None:
        raise AgentNotFound(
            f"The program {visible(program)} was not found in any folder of PATH.",
            advice="Install it, or set the full path of the agent's command.",
        )
    return found
