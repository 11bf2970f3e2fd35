"""How the demo prints what an editor would show: code with marks, diagnostics, offers, diffs.

Only from values to lines of text on a `Terminal`. Not aware of the protocol's wire or of the story.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from autopilot_ls.cli.demo_wire import Json, JsonObject, member, number
from autopilot_ls.cli.prompting import diff_style
from autopilot_ls.cli.terminal import Style, Terminal

_SEVERITIES: Final = {1: "error", 2: "warning", 3: "information", 4: "hint"}
_AROUND: Final = 2


class Screen:
    """Prints the story."""

    def __init__(self, terminal: Terminal) -> None:
        """Print to a terminal."""
        self._terminal = terminal
        self._progress = 0
        self._title = ""

    async def flush(self) -> None:
        """Write what was printed."""
        await self._terminal.flush()

    def flush_now(self) -> None:
        """Write what was printed, from where nothing can be awaited."""
        self._terminal.flush_now()

    def say(self, text: str = "", style: Style = Style.PLAIN) -> None:
        """Print a line of our own."""
        self._terminal.line(text, style)

    def heading(self, text: str) -> None:
        """Print what comes next."""
        self._terminal.line()
        self._terminal.line(f"── {text} " + "─" * max(0, 76 - len(text)), Style.BOLD)

    def code(self, text: str, first: int, last: int, mark: Style = Style.WARNING) -> None:
        """Print the lines of a text around a place, from 0, the place itself marked."""
        lines = text.split("\n")
        for at in range(max(0, first - _AROUND), min(len(lines), last + _AROUND + 1)):
            inside = first <= at <= last
            self._terminal.line(
                f"  {'▸' if inside else ' '} {at + 1:>3} │ {lines[at]}",
                mark if inside else Style.PLAIN,
            )

    def diagnostic(self, path: Path, text: str, diagnostic: JsonObject) -> None:
        """Print a diagnostic with the code it stands at."""
        start, end = member(diagnostic, "range", "start"), member(diagnostic, "range", "end")
        first, last = number(member(start, "line")), number(member(end, "line"))
        if last > first and number(member(end, "character")) == 0:
            last -= 1
        severity = _SEVERITIES.get(number(diagnostic.get("severity")), "")
        column = number(member(start, "character")) + 1
        self._terminal.line(
            f"  {path.name}:{first + 1}:{column} {severity} ({diagnostic.get('source')}): "
            f"{diagnostic.get('message')}",
            Style.INFO,
        )
        self.code(text, first, last)

    def offers(self, where: str, actions: Sequence[JsonObject], *, chosen: int | None) -> None:
        """Print code actions with their numbers; the chosen one, from 0, is marked."""
        self._terminal.line(f"  Code actions {where}:")
        for at, action in enumerate(actions):
            mine = at == chosen
            title = str(action.get("title"))
            self._terminal.line(
                f"    {at + 1}. {title}" + ("   ← chosen" if mine else ""),
                Style.GOOD if mine else Style.PLAIN,
            )

    def progress(self, title: str, texts: Sequence[str], *, ended: bool) -> None:
        """Print the texts of the progress that were not printed yet; the last one closes it."""
        if title != self._title:
            self._title = title
            self._terminal.line(f"  {title}", Style.BOLD)
        for at in range(self._progress, len(texts)):
            if ended and at == len(texts) - 1:
                self._terminal.line(f"  ✓ {texts[at]}", Style.BOLD)
            else:
                self._terminal.line(f"  ⋯ {texts[at]}", Style.DIM)
        self._progress = len(texts)

    def text(self, lines: Iterable[str]) -> None:
        """Print lines of a diff."""
        for line in lines:
            self._terminal.line(f"  {line}", diff_style(line))

    def difference(self, name: str, before: str, after: str) -> None:
        """Print what changed in a file, as a unified diff."""
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), f"{name} before", f"{name} after", lineterm=""
        )
        changed = list(lines)
        if changed:
            self.text(changed)
        else:
            self._terminal.line(f"  {name} is unchanged.")


def decision_of(action: Json) -> str:
    """Return which decision a code action stands for; empty when it is none."""
    return str(member(action, "command", "arguments", 0, "decision") or "")


def approval_of(action: Json) -> str:
    """Return which approval a code action is about; empty when it is about none."""
    return str(member(action, "command", "arguments", 0, "approvalId") or "")
