"""Short-lived helper programs, such as git: fed, read to the end, bounded, and ended with their group.

For programs of our own choosing that leave nobody behind, so that their end costs no look at all
processes of the machine as an agent's does. Not aware of what they do. `process` starts them;
`incoming` and `exits` stand below.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from autopilot_ls.model.errors import WireError
from autopilot_ls.wire.exits import ExitWatch
from autopilot_ls.wire.incoming import DrainedPipe, IncomingPipe
from autopilot_ls.wire.process import _pipe, _start

if TYPE_CHECKING:
    from subprocess import Popen  # noqa: TID251 reason: only the type; nothing is spawned here

_CHUNK: Final = 1024 * 1024
_KILL_LIMIT: Final = 5.0
_ERRORS_KEPT: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class ToolResult:
    """How a tool ended.

    Attributes:
        code: Exit code; minus the signal's number if a signal ended it.
        output: All of its standard output.
        errors: The end of its standard error, not yet made safe to display.
    """

    code: int
    output: bytes
    errors: str


async def run_tool(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    feed: Iterable[bytes] | bytes = b"",
    seconds: float,
    max_output: int,
    heard: Callable[[bytes], None] | None = None,
) -> ToolResult:
    """Run a program to its end; however this is left, its process group is gone and reaped.

    Args:
        command: Program and arguments.
        cwd: Its working folder.
        env: Its whole environment.
        feed: What it gets on standard input. An iterable is used in a thread and may block; its own
            error ends the program.
        seconds: Time that all of it may take.
        max_output: Bytes of standard output that are accepted.
        heard: Called with each piece of the standard output as it comes, long before the end maybe.

    Raises:
        AgentNotFound: The program does not exist or may not be executed.
        AgentStartFailed: The system could not start it, or `cwd` is no folder.
        TimeoutError: It took longer than `seconds`.
        WireError: It wrote more than `max_output`.
    """
    with anyio.fail_after(seconds):
        async with _running(command, cwd, env) as tool:
            return await tool.finish(feed, max_output, heard)


class _Tool:
    def __init__(self, popen: Popen[bytes]) -> None:
        self._popen = popen
        self._stdin = _pipe(popen.stdin)
        # Who has it owns the input: the thread that pours into it, or who ends without one.
        self._claim = threading.Lock()
        self._stdout = IncomingPipe(_pipe(popen.stdout))
        self._stderr = DrainedPipe(_pipe(popen.stderr), limit=_ERRORS_KEPT)
        self._exited = anyio.Event()
        self._watch = ExitWatch(popen, self._exited.set)

    async def finish(
        self,
        feed: Iterable[bytes] | bytes,
        max_output: int,
        heard: Callable[[bytes], None] | None,
    ) -> ToolResult:
        failures: list[Exception] = []
        pieces: list[bytes] = []
        async with anyio.create_task_group() as tasks:

            async def write() -> None:
                # Raised later, and as it is: not inside of a group of exceptions.
                try:
                    if feed == b"":
                        self._close_input()
                        return
                    await anyio.to_thread.run_sync(
                        _pour, self._stdin, self._claim, feed, abandon_on_cancel=True
                    )
                except Exception as error:  # noqa: BLE001
                    failures.append(error)
                    tasks.cancel_scope.cancel()

            tasks.start_soon(write)
            size = 0
            while piece := await self._stdout.read(_CHUNK):
                size += len(piece)
                if size > max_output:
                    failures.append(WireError(f"It wrote more than {max_output:,} bytes."))
                    tasks.cancel_scope.cancel()
                    break
                pieces.append(piece)
                if heard is not None:
                    heard(piece)
            else:
                # Who closed its output reads no more either, or it will end without.
                await self._exited.wait()
                tasks.cancel_scope.cancel()
        if failures:
            raise failures[0]
        self._stderr.catch_up()
        code, number = self._watch.status()
        result = code if code is not None else -(number or 0)
        return ToolResult(result, b"".join(pieces), self._stderr.tail())

    def _close_input(self) -> None:
        # What pours into it in a thread closes it itself; it fails once nobody reads any more.
        if self._claim.acquire(blocking=False):
            self._stdin.close()

    async def end(self) -> None:
        """Kill what is left of the group, reap the leader, close the pipes."""
        self._signal()
        with anyio.move_on_after(_KILL_LIMIT):
            await self._exited.wait()
        self._close_input()
        self._stdout.close()
        self._stderr.close()
        self._watch.close()
        self._popen.poll()

    def _signal(self) -> None:
        # The group's id cannot be another's, because its leader is not reaped yet.
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)


def _pour(file: IO[bytes], claim: threading.Lock, feed: Iterable[bytes] | bytes) -> None:
    if not claim.acquire(blocking=False):
        return
    # In a thread that blocks: a loop would wake for every page that the program reads. A tool that
    # does not want all of its input tells why by its exit code and its words.
    with contextlib.suppress(BrokenPipeError), file:
        _enlarge(file)
        for piece in (feed,) if isinstance(feed, bytes) else feed:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(file.fileno(), rest) :]


def _enlarge(file: IO[bytes]) -> None:
    # Only where the system can, and only as far as it allows: it saves changing back and forth.
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(file.fileno(), fcntl.F_SETPIPE_SZ, _CHUNK)


@asynccontextmanager
async def _running(
    command: Sequence[str], cwd: Path, env: Mapping[str, str]
) -> AsyncGenerator[_Tool]:
    tool = _Tool(_start(command, cwd, dict(env)))
    try:
        yield tool
    finally:
        with anyio.CancelScope(shield=True):
            await tool.end()
