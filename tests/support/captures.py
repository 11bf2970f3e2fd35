"""Pictures of a terminal: what a test has on the screen, kept as text and as SVG for people to look at.

They stand in the folder that AUTOPILOT_ARTIFACTS names, else in `.build/artifacts`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

from rich.cells import cell_len
from rich.color import Color
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.support.terminal import Terminal

ROOT = Path(__file__).parents[2]

# The colours that Neovim's own dark colour scheme has where nothing else is said.
THEME: Final = TerminalTheme(
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
WIDE: Final = 8.4
"""Width of a cell."""

HIGH: Final = 18
"""Height of a line."""

EDGE: Final = 10


class Captures:
    """Numbered pictures of one story."""

    def __init__(self, editor: str, story: str) -> None:
        root = Path(os.environ.get("AUTOPILOT_ARTIFACTS") or ROOT / ".build" / "artifacts")
        self._folder = root / editor / story
        self._folder.mkdir(parents=True, exist_ok=True)
        for old in (*self._folder.glob("*.txt"), *self._folder.glob("*.svg")):
            old.unlink()
        self._count = 0

    def take(self, screen: Terminal, name: str) -> str:
        """Keep what is on the screen; returns it as text."""
        self._count += 1
        path = self._folder / f"{self._count:02}-{name}"
        text = screen.screen()
        path.with_suffix(".txt").write_text(text)
        path.with_suffix(".svg").write_text(svg(screen.screen(colours=True)))
        return text


def svg(screen: str) -> str:
    """Return a screen with its escape sequences as a picture, each word at its exact place."""
    console = Console(width=1000, color_system="truecolor", legacy_windows=False)
    texts = [Text.from_ansi(line) for line in screen.rstrip("\n").split("\n")]
    columns = max(cell_len(text.plain) for text in texts)
    width, height = columns * WIDE + 2 * EDGE, len(texts) * HIGH + 2 * EDGE
    font = "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}">',
        f'<g font-family="{font}" font-size="14">',
        f'<rect width="100%" height="100%" rx="8" fill="{THEME.background_color.hex}"/>',
    ]
    for row, text in enumerate(texts):
        parts += _line(list(text.render(console)), EDGE + row * HIGH)
    return "\n".join([*parts, "</g></svg>\n"])


def _line(segments: list[Segment], top: float) -> Iterator[str]:
    column = 0
    for segment in segments:
        style = segment.style or Style()
        front, back = _colours(style)
        wide = cell_len(segment.text)
        if back is not None:
            yield (
                f'<rect x="{EDGE + column * WIDE:.1f}" y="{top}" width="{wide * WIDE + 0.3:.1f}" '
                f'height="{HIGH}" fill="{back}"/>'
            )
        for word in re.finditer(r"\S+", segment.text):
            at = column + cell_len(segment.text[: word.start()])
            bold = ' font-weight="bold"' if style.bold else ""
            yield (
                f'<text x="{EDGE + at * WIDE:.1f}" y="{top + HIGH - 5}" fill="{front}"{bold} '
                f'textLength="{cell_len(word[0]) * WIDE:.1f}">{escape(word[0])}</text>'
            )
        column += wide


def _colours(style: Style) -> tuple[str, str | None]:
    front = _hex(style.color, THEME.foreground_color.hex)
    back = _hex(style.bgcolor, "") or None
    if style.reverse:
        return back or THEME.background_color.hex, front
    return front, None if back == THEME.background_color.hex else back


def _hex(colour: Color | None, default: str) -> str:
    if colour is None or colour.is_default:
        return default
    return colour.get_truecolor(THEME).hex
