"""How processes end, and how the end of a child is noticed without reaping it.

An unreaped leader keeps the id of its process group taken, so that a signal to the group cannot hit
strangers. Not aware of pipes or of who is to be ended; `process` stands above, nothing below.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import Popen  # noqa: TID251 reason: only the type; nothing is spawned here


@dataclass(frozen=True)
class ProcessExit:
    """How a process ended.

    Attributes:
        code: Exit code; None if a signal ended it, or if it could not be learned.
        signal: Number of the signal that ended it.
        stderr_tail: The end of its standard error, not yet made safe to display.
        survivors: Descendants that had left its process group and outlived it. They were ended.
        remaining: Processes that are still there in spite of SIGKILL; empty once all are proven gone.
            Both are filled by `Process.stop`, and stay empty for escaped ones outside of Linux.
    """

    code: int | None
    signal: int | None
    stderr_tail: str
    survivors: tuple[int, ...] = ()
    remaining: tuple[int, ...] = ()

    def describe(self) -> str:
        """Return "ended with exit code 3" or the like."""
        if self.signal is not None:
            try:
                return f"was ended by {signal.Signals(self.signal).name}"
            except ValueError:
                return f"was ended by signal {self.signal}"
        return "ended" if self.code is None else f"ended with exit code {self.code}"


class ExitWatch:
    """Waits for the end of one child."""

    def __init__(self, popen: Popen[bytes], on_end: Callable[[], None]) -> None:
        """Watch from now on.

        Args:
            popen: The child, which leads its own process group.
            on_end: Called once, by the event loop, when it has ended; not yet when this returns.
        """
        self._popen = popen
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._handle: int | None = None
        self._over = False
        try:
            self._handle = os.pidfd_open(popen.pid)
        except (AttributeError, OSError):
            threading.Thread(
                target=self._wait_in_thread, name=f"wait-{popen.pid}", daemon=True
            ).start()
        else:
            self._loop.add_reader(self._handle, self._ended)

    def _wait_in_thread(self) -> None:
        if hasattr(os, "waitid"):
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOWAIT)
        else:
            # Here the wait reaps, after which the id of the group may become another's at any time:
            # what is left of the group is ended now, and never signalled later.
            self._popen.wait()
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            self._loop.call_soon_threadsafe(self._ended)

    def _ended(self) -> None:
        if not self._over:
            self._over = True
            if self._handle is not None:
                self._loop.remove_reader(self._handle)
            self._on_end()

    def status(self) -> tuple[int | None, int | None]:
        """Return exit code and signal of a child that has ended; None twice if they are unknown."""
        if self._popen.returncode is not None:
            status = self._popen.returncode
            return (status, None) if status >= 0 else (None, -status)
        try:
            result = os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        except ChildProcessError:
            return None, None
        if result is None:
            return None, None
        if result.si_code == os.CLD_EXITED:
            return result.si_status, None
        return None, result.si_status

    def close(self) -> None:
        """Give the handle back; nothing is noticed through it any more."""
        if self._handle is not None:
            self._loop.remove_reader(self._handle)
            os.close(self._handle)
            self._handle = None
