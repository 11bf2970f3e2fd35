"""A hunk of a pending patch as it is shown in a file, and what is said at its place.

Values and words only. Not aware of documents, nor of how a diagnostic is sent. `pending_hunks` stands above;
`hunk_actions` and `lenses` offer what may be decided on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autopilot_ls.edits.followed import FollowedHunk
from autopilot_ls.lsp.convert import canonical, content
from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    FileChange,
    Hunk,
    HunkMark,
    Mark,
    PatchAction,
)
from autopilot_ls.model.review import Unit, units_of
from autopilot_ls.model.text import count, one_line


@dataclass(frozen=True, slots=True)
class ShownHunk:
    """A hunk of a pending patch, or a change that has none.

    Attributes:
        total: How many of them the patch has.
        mark: What the person has chosen for it so far.
        id: What it is followed by.
    """

    approval: Approval
    unit: Unit
    total: int
    mark: HunkMark | None = None
    id: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", followed_id(self.approval.id, self.unit.id))

    @property
    def file(self) -> FileChange:
        """The change of the file that it belongs to."""
        return self.unit.file

    @property
    def hunk(self) -> Hunk | None:
        """The hunk; None where the change has none to show."""
        return self.unit.hunk

    def followed(self) -> FollowedHunk | None:
        """Return what is to be followed, if there are lines."""
        if self.hunk is None:
            return None
        said = description(self)
        return FollowedHunk.pending(self.hunk, self.file.kind, hunk_id=self.id, message=said)


def followed_id(owner: str, hunk_id: str) -> str:
    """Return the one id of a hunk of an approval, or of anything else that owns hunks."""
    return f"{owner} {hunk_id}"


def by_file(approval: Approval) -> dict[str, list[ShownHunk]]:
    """Return what is shown of a patch, by the canonical paths of its files; nothing for other approvals."""
    found: dict[str, list[ShownHunk]] = {}
    if not isinstance(approval.action, PatchAction):
        return found
    units = list(units_of(approval))
    choices = {choice.hunk_id: choice for choice in approval.marks}
    keys: dict[str, str] = {}
    for unit in units:
        key = keys.get(unit.file.path)
        if key is None:
            key = keys[unit.file.path] = canonical(unit.file.path)
        shown = ShownHunk(approval, unit, len(units), choices.get(unit.id))
        found.setdefault(key, []).append(shown)
    return found


def with_choice(shown: ShownHunk, approval: Approval, choices: Mapping[str, HunkMark]) -> ShownHunk:
    """Return a hunk with what the person has chosen for it, if it is one of this approval."""
    if shown.approval.id != approval.id:
        return shown
    return ShownHunk(approval, shown.unit, shown.total, choices.get(shown.unit.id))


def description(shown: ShownHunk) -> str:
    """Return what the agent wants there, in words."""
    file, hunk = shown.file, shown.hunk
    reason = one_line(shown.approval.reason, 120)
    why = f" ({reason})" if reason else ""
    if file.problem:
        what = f"The agent wants to change this file, but: {one_line(file.problem, 200)}"
    elif file.kind is ChangeKind.ADD:
        what = f"The agent wants to create this file{_size(hunk)}"
    elif file.kind is ChangeKind.DELETE:
        what = "The agent wants to delete this file"
    elif hunk is None:
        what = f"The agent wants to rename this file to {one_line(file.move_to or '?', 200)}"
    elif not hunk.old_lines:
        what = f"The agent wants to insert {count(len(hunk.new_lines), 'line')} here"
        what += f": {_lines(hunk.new_lines)}"
    elif not hunk.new_lines:
        what = f"The agent wants to delete {count(len(hunk.old_lines), 'line')}"
    else:
        what = f"The agent wants to change this to: {_lines(hunk.new_lines)}"
    if hunk is not None and file.move_to and not file.problem:
        what += f", and to rename the file to {one_line(file.move_to, 200)}"
    return f"{what}{why}"


def choice_said(choice: HunkMark | None) -> str:
    """Return what the person has chosen so far, to be put before what is said; empty for nothing."""
    if choice is None:
        return ""
    reason = one_line(choice.message, 120)
    said = "accept" if choice.mark is Mark.ACCEPT else "reject"
    return f"[You chose: {said}{f', {reason}' if reason else ''}] "


def _size(hunk: Hunk | None) -> str:
    return f", {count(len(hunk.new_lines), 'line')}" if hunk else ""


def _lines(lines: tuple[str, ...]) -> str:
    shown = " ⏎ ".join(one_line(content(line), 100) for line in lines[:3])
    more = len(lines) - 3
    return f"{shown} … ({count(more, 'more line')})" if more > 0 else shown
