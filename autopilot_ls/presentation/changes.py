"""Changes that nobody was asked about, in words: the hint at its place, the hover, the list in a terminal.

What stands in a file, its name, and the command that changed it are shown, never obeyed. Pure. Not aware of
how changes are found or taken back; `supervisor.review` makes the values, `lsp` and `cli` show them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from autopilot_ls.model.text import count, one_line, visible
from autopilot_ls.presentation.commands import unwrapped
from autopilot_ls.presentation.markdown import Redact, code, fence, plain, shortened, unchanged

MAX_DIFF: Final = 8_000
"""Characters of a change that a hover shows."""

MAX_OLD: Final = 3
"""Lines of what was there before that a hint names."""

MAX_LINES: Final = 2_000
"""Lines before, and lines after, that a change comes with; what is cut is counted."""

_MAX_LINE: Final = 100

ChangeKind = Literal["hunk", "add", "delete", "whole", "mode"]


@dataclass(frozen=True, slots=True)
class ChangedPart:
    """A change to be reviewed.

    Attributes:
        id: Names it in its workspace while it lasts.
        path: Relative to the workspace.
        kind: A `hunk` is about some lines, `mode` about permissions, the others about the whole file.
        line: Index (from 0) of its first line.
        by: What made it, such as the agent's command; empty when that is not known.
        turns: The turns it belongs to, as names that commands take.
        attributed: Whether it is known that it was the agent.
        old: The first lines as they would be without it; of a file that is no text, none.
        new: The first lines as they are.
        removed: How many lines would be there without it.
        added: How many lines there are.
        text: Whether the lines can be shown.
    """

    id: str
    path: str
    kind: ChangeKind
    line: int
    by: str
    turns: tuple[str, ...]
    attributed: bool
    old: tuple[str, ...]
    new: tuple[str, ...]
    removed: int
    added: int
    text: bool = True

    @property
    def size(self) -> str:
        """How many lines came and went, as `+2 −1`; empty where there are none to count."""
        if self.kind == "mode" or not self.text:
            return ""
        return f"+{self.added:,} −{self.removed:,}"


def turn_label(turn: str) -> str:
    """Return the name of a turn for a person: its number in its session."""
    return f"turn {turn.rpartition('/')[2] or '?'}"


def who(change: ChangedPart, redact: Redact = unchanged) -> str:
    """Return who made a change, and in which turn."""
    turns = ", ".join(turn_label(turn) for turn in change.turns[:3])
    if not change.attributed:
        during = f", during {turns}" if turns else ""
        return f"unattributed: the agent or another program{during}"
    by = one_line(redact(unwrapped(change.by)), 80) if change.by else ""
    named = f" by `{by}`" if by else ""
    return f"changed{named} in {turns}" if turns else f"changed{named}"


def what(change: ChangedPart) -> str:
    """Return what a change is, in a few words."""
    return {
        "hunk": "",
        "add": "new file",
        "delete": "deleted file",
        "whole": "file replaced" if change.text else "binary file or link replaced",
        "mode": "permission to run it changed",
    }[change.kind]


def hint(change: ChangedPart, redact: Redact = unchanged) -> str:
    """Return the message of a hint: whose change it is, how large, and what was there before."""
    parts = [part for part in (what(change), change.size) if part]
    head = f"Unreviewed, {who(change, redact)} ({', '.join(parts) or 'changed'})"
    if change.kind != "hunk":
        return head
    if not change.old:
        return f"{head}: nothing stood here before"
    shown = " ⏎ ".join(one_line(redact(line), _MAX_LINE) for line in change.old[:MAX_OLD])
    more = change.removed - MAX_OLD
    return f"{head}. Before: {shown}" + (f" … ({count(more, 'more line')})" if more > 0 else "")


def diff(change: ChangedPart) -> str:
    """Return a change as a diff of at most a few thousand lines; empty where there is none to show."""
    if not change.text or change.kind == "mode":
        return ""
    lines = [f"@@ line {change.line + 1:,} @@"]
    lines += [f"-{_bare(line)}" for line in change.old]
    lines += [f"+{_bare(line)}" for line in change.new]
    cut = change.removed - len(change.old) + change.added - len(change.new)
    return "\n".join([*lines, *([f"… {count(cut, 'more line')}"] if cut else []), ""])


def _bare(line: str) -> str:
    return line.rstrip("\r\n")


def hover(change: ChangedPart, *, markdown: bool) -> str:
    """Return what is shown over a change: whose it is, and the diff. Nothing is redacted in it.

    Args:
        change: The change.
        markdown: Whether the editor shows markdown; else it is plain text.
    """
    size = f" ({change.size})" if change.size else ""
    head = f"{what(change) or 'change'}{size} in {change.path}"
    shown = shortened(diff(change), MAX_DIFF)
    closing = "Keep or undo it by the code actions here."
    if not markdown:
        lines = [f"Unreviewed {one_line(head, 400)}", one_line(who(change), 400), ""]
        return "\n".join([*lines, visible(shown).rstrip("\n"), "", closing])
    name = f"**Unreviewed {plain(what(change) or 'change')}**{size} in {code(change.path)}"
    lines = [name, "", plain(who(change), 400), ""]
    return "\n".join([*lines, *(fence(shown, "diff") if shown else ()), "", closing])


def listed(changes: Sequence[ChangedPart], redact: Redact = unchanged) -> list[str]:
    """Return changes as lines for a terminal, by file."""
    lines: list[str] = []
    path = ""
    for change in changes:
        if change.path != path:
            path = change.path
            lines += ["", one_line(path, 400)]
        parts = [part for part in (what(change), change.size) if part]
        lines.append(f"  {change.id}  {', '.join(parts)}  {who(change, redact)}")
        if change.text and change.kind == "hunk":
            lines += [f"      -{one_line(redact(line), 120)}" for line in change.old[:MAX_OLD]]
            lines += [f"      +{one_line(redact(line), 120)}" for line in change.new[:MAX_OLD]]
            more = max(change.removed - MAX_OLD, 0) + max(change.added - MAX_OLD, 0)
            lines += [f"      … {count(more, 'more line')}"] if more else []
    return lines[1:]


def total(changes: Sequence[ChangedPart]) -> str:
    """Return how many changes there are in how many files, as in “3 unreviewed changes in 2 files”."""
    files = len({change.path for change in changes})
    return f"{count(len(changes), 'unreviewed change')} in {count(files, 'file')}"
