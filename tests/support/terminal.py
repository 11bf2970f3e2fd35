"""A real terminal: tmux runs a program, keys are typed, and the screen is read."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class Terminal:
    """A tmux server of its own with one window."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        if done.returncode:
            raise AssertionError(f"tmux {arguments}: {done.stderr}")
        return done.stdout

    def start(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        size: tuple[int, int] = (130, 40),
    ) -> None:
        """Run a program in a window of so many columns and lines, with exactly this environment."""
        words = ["env", "-i", *(f"{k}={v}" for k, v in environment.items()), *command]
        wide, high = ("-x", str(size[0])), ("-y", str(size[1]))
        self._tmux(
            "-f", "/dev/null", "new-session", "-d", *wide, *high, "-c", str(cwd), shlex.join(words)
        )

    def resize(self, columns: int, rows: int) -> None:
        """Make the window larger or smaller."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def type(self, text: str) -> None:
        """Type the text as it is."""
        self._tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names, such as Enter, Escape, C-w."""
        self._tmux("send-keys", *keys)

    def screen(self, *, colours: bool = False) -> str:
        """Return what is on the screen, with its escape sequences for colours if wanted."""
        return self._tmux("capture-pane", "-p", *(["-e"] if colours else []))

    def window(self) -> tuple[bool, str]:
        """Return whether the window's bell rang, and its title."""
        rang, _, title = self._tmux(
            "display-message", "-p", "#{window_bell_flag} #{pane_title}"
        ).partition(" ")
        return rang == "1", title.rstrip("\n")

    def wait_for(self, condition: str | Callable[[str], bool], *, timeout: float = 30.0) -> str:
        """Wait until the screen shows a text or fulfils a condition; returns the screen."""
        deadline = time.monotonic() + timeout
        while True:
            screen = self.screen()
            fulfilled = condition in screen if isinstance(condition, str) else condition(screen)
            if fulfilled:
                return screen
            if time.monotonic() > deadline:
                raise AssertionError(f"{condition!r} did not come true. The screen:\n{screen}")
            time.sleep(0.05)  # reason: the interval of a poll with a deadline; tmux has no event

    def stop(self) -> None:
        """End the terminal and what runs in it."""
        subprocess.run(
            ["tmux", "-S", str(self._socket), "kill-server"],
            capture_output=True,
            check=False,
            timeout=20,
        )


@contextmanager
def terminal(folder: Path) -> Generator[Terminal]:
    """Give a terminal whose socket lies in the folder; what runs in it ends with it."""
    made = Terminal(folder / "t")
    try:
        yield made
    finally:
        made.stop()
