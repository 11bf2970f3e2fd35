"""Reviews as clients show and name them: what a change looks like, and which ones a person means.

Pure. Not aware of editors; `desk` stands beside it, `workspace` and `presentation` below.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autopilot_ls.edits.weave import Author
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.text import one_line
from autopilot_ls.presentation.changes import MAX_LINES, ChangedPart
from autopilot_ls.supervisor.review.values import ReviewItem, Turn

_MAX_LINE: Final = 10_000


def shown(item: ReviewItem) -> ChangedPart:
    """Return a change as it is shown."""
    change, part = item.change, item.change.part
    old, new = part.old[:MAX_LINES], part.new[:MAX_LINES]
    text = _is_text((*old, *new))
    return ChangedPart(
        id=item.id,
        path=item.path,
        kind=part.kind,
        line=part.start if part.kind == "hunk" else 0,
        by=change.by,
        turns=change.turns,
        attributed=change.author is Author.AGENT,
        old=_decoded(old) if text else (),
        new=_decoded(new) if text else (),
        removed=len(part.old),
        added=len(part.new),
        text=text,
    )


def _is_text(lines: Sequence[bytes]) -> bool:
    try:
        b"".join(lines).decode()
    except UnicodeDecodeError:
        return False
    return not any(b"\0" in line for line in lines)


def _decoded(lines: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(line[:_MAX_LINE].decode(errors="replace") for line in lines)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which changes a person means; what is given adds up.

    Attributes:
        ids: Of changes.
        paths: Files, absolute or relative to the workspace; a folder means all in it.
        turn: Changes that this turn has a part in, by its name.
        everything: All there are.
    """

    ids: Collection[str] = ()
    paths: Collection[str] = ()
    turn: str = ""
    everything: bool = False

    def among(self, items: Iterable[ReviewItem], folder: Path) -> list[ReviewItem]:
        """Return those that are meant.

        Raises:
            InvalidRequest: Nothing says which are meant.
        """
        if not (self.ids or self.paths or self.turn or self.everything):
            raise InvalidRequest(
                "Nothing says which changes are meant.",
                advice="Name them by ids, paths or a turn, or say all.",
            )
        wanted = {_relative(path, folder) for path in self.paths}
        return [
            item
            for item in items
            if self.everything
            or item.id in self.ids
            or (self.turn and self.turn in item.change.turns)
            or any(_is_at(item.path, path) for path in wanted)
        ]


def _relative(path: str, folder: Path) -> str:
    # The name itself may be a link, which is reviewed as a link.
    whole = folder / path
    return os.path.relpath(Path(os.path.realpath(whole.parent)) / whole.name, folder)


def _is_at(path: str, wanted: str) -> bool:
    return wanted in {".", path} or path.startswith(f"{wanted}/")


def turn_named(name: str, session_id: str, turns: Sequence[Turn]) -> str:
    """Return the name of a turn that can be gone back to.

    Args:
        name: Its whole name, or its number in the session; empty for the last one.
        session_id: Whose; when empty, any session's.
        turns: The turns that there are, the oldest first.

    Raises:
        InvalidRequest: There is no such turn.
    """
    mine = [turn.name for turn in turns if session_id in {"", turn.session_id}]
    found = [each for each in mine if each == name] if name else mine[-1:]
    if name and not found:
        found = [each for each in mine if each.rpartition("/")[2] == name]
    whose = f" of session {session_id}" if session_id else ""
    if not found:
        raise InvalidRequest(
            f"There is no turn {one_line(name, 80)}{whose} that can be undone."
            if name
            else f"No turn{whose} can be undone.",
            advice="List the changes; the turns that can be undone stand there.",
        )
    if len(found) > 1:
        raise InvalidRequest(
            f"Several sessions have a turn {name}.", advice="Give its whole name, or the session."
        )
    return found[0]
