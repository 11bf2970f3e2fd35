"""A change to be reviewed as a hint: what it says, and what is followed through what is typed.

Values only. Not aware of where hints go. `review` makes them, `diagnostics` publishes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autopilot_ls.edits.followed import FollowedHunk, HunkKind
from autopilot_ls.presentation.changes import ChangedPart, hint
from autopilot_ls.supervisor.review.showing import shown
from autopilot_ls.supervisor.review.values import ReviewItem


@dataclass(frozen=True, slots=True)
class ShownChange:
    """A change in one editor.

    Attributes:
        workspace: The folder whose review it belongs to.
        message: What the hint says.
        followed: What is followed in the text; None for what is about the file.
    """

    workspace: Path
    part: ChangedPart
    message: str
    followed: FollowedHunk | None

    @property
    def id(self) -> str:
        """What it is followed by, among all hunks of its file."""
        return f"review {self.workspace} {self.part.id}"


def shown_change(workspace: Path, item: ReviewItem) -> ShownChange:
    """Return a change as it is shown in its file."""
    part = shown(item)
    message = hint(part)
    followed = None
    if part.kind == "hunk":
        followed = FollowedHunk(
            id=f"review {workspace} {part.id}",
            kind=HunkKind.UNREVIEWED,
            message=message,
            start=part.line,
            standing=_lines(item.change.part.new, first=part.line == 0),
            wanted=_lines(item.change.part.old, first=part.line == 0),
        )
    return ShownChange(workspace, part, message, followed)


def _lines(lines: tuple[bytes, ...], *, first: bool) -> tuple[str, ...]:
    text = [line.decode(errors="replace") for line in lines]
    if first and text:
        # Editors keep a byte order mark to themselves.
        text[0] = text[0].removeprefix("\ufeff")
    return tuple(text)
