"""A pseudo terminal with a person at it: reads what is shown, types when it is time."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

LIMIT = 40.0
# Between fork and exec of a process with threads no Python may run, so a program of its own does it.
_TAKE_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
_SEQUENCES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def plain(text: str) -> str:
    """Return the text without colours and cursor movements."""
    return _SEQUENCES.sub("", text)


class Person:
    """Sits at the master side of a pseudo terminal."""

    def __init__(self, master: int) -> None:
        self.master = master
        self.raw = ""
        self._read = 0

    @property
    def seen(self) -> str:
        """All that was shown so far, without colours."""
        return plain(self.raw)

    def take(self, wait: float) -> bool:
        """Read what is shown now; false at the end."""
        ready, _, _ = select.select([self.master], [], [], wait)
        if not ready:
            return True
        try:
            chunk = os.read(self.master, 65_536)
        except OSError:
            return False
        self.raw += chunk.decode("utf-8", "replace")
        return bool(chunk)

    def wait_for(self, text: str, limit: float = LIMIT) -> str:
        """Wait until the text is shown, after all that was waited for before; returns what is new."""
        deadline = time.monotonic() + limit
        while text not in self.seen[self._read :]:
            if time.monotonic() > deadline or not self.take(0.2):
                raise AssertionError(f"{text!r} was not shown. What was:\n{self.seen}")
        new = self.seen[self._read :]
        self._read += new.index(text) + len(text)
        return new

    def type(self, text: str) -> None:
        """Type the text as it is."""
        os.write(self.master, text.encode())

    def press_ctrl_c(self) -> None:
        self.type("\x03")

    def press_ctrl_d(self) -> None:
        self.type("\x04")


class Program(Person):
    """A program that runs in a pseudo terminal of its own."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        super().__init__(master)
        self.process = process

    def ended(self, limit: float = LIMIT) -> int:
        """Wait until it has ended; returns its exit code."""
        deadline = time.monotonic() + limit
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"It did not end. What was shown:\n{self.seen}")
            if not self.take(0.05):
                return self.process.wait(max(0.1, deadline - time.monotonic()))
        self.take(0.05)
        return self.process.returncode


@contextmanager
def person() -> Generator[tuple[Person, int]]:
    """Give a person and the descriptor of the terminal that they sit at."""
    master, terminal = pty.openpty()
    try:
        yield Person(master), terminal
    finally:
        os.close(terminal)
        os.close(master)


@contextmanager
def program(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]
) -> Generator[Program]:
    """Run a program in a terminal that is its controlling one, so that Ctrl-C is a signal."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKE_TERMINAL, *command],
        cwd=cwd,
        env=dict(environment),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    made = Program(master, process)
    try:
        yield made
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(10)
        os.close(master)
