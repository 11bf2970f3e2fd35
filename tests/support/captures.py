"""Pictures of a terminal: what a test has on the screen, kept as text and as SVG for people to look at.

They stand in the folder that AUTOPILOT_ARTIFACTS names, else in `.build/artifacts`.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.support.terminal import Terminal

ROOT = Path(__file__).parents[2]

# The colours that Neovim's own dark colour scheme has where nothing else is said.
THEME = TerminalTheme(
    (20, 22, 27),
    (224, 226, 234),
    [
        (20, 22, 27),
        (255, 192, 185),
        (179, 246, 192),
        (252, 224, 148),
        (166, 219, 255),
        (255, 202, 255),
        (140, 248, 247),
        (224, 226, 234),
    ],
)


class Captures:
    """Numbered pictures of one story."""

    def __init__(self, editor: str, story: str) -> None:
        root = Path(os.environ.get("AUTOPILOT_ARTIFACTS") or ROOT / ".build" / "artifacts")
        self._folder = root / editor / story
        self._folder.mkdir(parents=True, exist_ok=True)
        self._count = 0

    def take(self, screen: Terminal, name: str) -> str:
        """Keep what is on the screen; returns it as text."""
        self._count += 1
        path = self._folder / f"{self._count:02}-{name}"
        text = screen.screen()
        path.with_suffix(".txt").write_text(text)
        coloured = Text.from_ansi(screen.screen(colours=True).rstrip("\n"))
        width = max(map(len, text.splitlines()), default=80)
        console = Console(
            record=True,
            width=max(width, 60),
            file=io.StringIO(),
            force_terminal=True,
            legacy_windows=False,
        )
        console.print(coloured, soft_wrap=True)
        svg = console.export_svg(title="", theme=THEME, unique_id=f"shot{self._count}")
        path.with_suffix(".svg").write_text(svg)
        return text
