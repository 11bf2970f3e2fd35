"""What a person saved, heard of after others have changed the file further: put into the history where it belongs.

Editors tell of a save when they get to it, and by then the disk may have been looked at several times. What
was typed is the person's all the same, also where a look had taken it for somebody else's. Pure. Not aware
of editors or looks; `supervisor.review` stands above, `history` and `compare` below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from autopilot_ls.edits.compare import changes
from autopilot_ls.edits.history import Content, History
from autopilot_ls.edits.lines import split
from autopilot_ls.edits.weave import Author, Step

MAX_BACK: Final = 20
"""Steps that are gone back at most."""

_PERSON: Final = Step(Author.PERSON)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A step that was taken out: what the file was after it, whose it was, and whether it was reviewed."""

    content: Content
    step: Step
    reviewed: bool


@dataclass(frozen=True, slots=True)
class Save:
    """What a person did in an editor until they saved.

    Attributes:
        loaded: What the editor had loaded, as bytes.
        mine: What it saved.
        is_loaded: Tells of a content whether the editor shows it as what it had loaded.
    """

    loaded: bytes
    mine: Content
    is_loaded: Callable[[bytes], bool]

    def shows_in(self, text: bytes) -> bool:
        """Tell whether a text has what was typed, and lacks what was taken out."""
        before, after, lines = (
            Counter(split(each)) for each in (self.loaded, self.mine.data, text)
        )
        typed, gone = after - before, before - after
        return (
            bool(typed or gone)
            and all(lines[line] > before[line] for line in typed)
            and all(lines[line] < before[line] for line in gone)
        )


def insert(history: History, save: Save) -> bool:
    """Put a save before the steps of others that came after it.

    That is before the first content which has what was typed. Where no content has it, because another
    took it out again, that is right behind what the editor had loaded. The steps of a person are not gone
    back over, nor those of which a person has reviewed a part.

    Args:
        history: The file's; changed only when the save was put in.
        save: What was saved.

    Returns:
        Whether it was put in.
    """
    earlier = history.copy()
    taken: list[_Taken] = []
    place: int | None = None
    swallowed = False
    while len(taken) < MAX_BACK and not swallowed:
        was, reviewed = earlier.current(), _is_reviewed(earlier)
        step = None if reviewed is None else earlier.rewind()
        if step is None:
            break
        taken.append(_Taken(was, step, reviewed or False))
        if save.shows_in(was.data):
            place = len(taken)
        swallowed = save.is_loaded(earlier.current().data)
    if place is None:
        if not swallowed:
            return False
        place = len(taken)
    for each in reversed(taken[place:]):
        earlier.advance(each.content, each.step, reviewed=each.reviewed)
    first = taken[place - 1]
    if not any(save.is_loaded(text) for text in history.texts()):
        # The editor had read what nobody had looked at yet.
        between = Content("file", save.loaded, save.mine.executable)
        earlier.advance(between, first.step, reviewed=first.reviewed)
    earlier.advance(save.mine, _PERSON)
    for each in reversed(taken[:place]):
        earlier.advance(each.content, each.step, reviewed=each.reviewed)
    earlier.weave.revision = history.weave.revision + 1
    history.weave, history.shapes = earlier.weave, earlier.shapes
    return True


def _is_reviewed(history: History) -> bool | None:
    """Return whether the last step was reviewed, None when only a part of it was."""
    last = len(history.weave.steps) - 1
    kept = {line.added_kept for line in history.weave.lines if line.added == last}
    kept |= {line.removed_kept for line in history.weave.lines if line.removed == last}
    kept |= {shape.kept for shape in history.shapes if shape.step == last}
    return None if len(kept) > 1 else kept == {True}


def claim(history: History, save: Save) -> None:
    """Take the lines that a person typed, where the file has them still, as the person's.

    This is for where `insert` cannot go back, as after something was kept or taken back.
    """
    weave = history.weave
    if weave.whole or not save.mine.is_text:
        return
    before, after = split(save.loaded), split(save.mine.data)
    typed = {at for each in changes(before, after) for at in range(each.new_start, each.new_end)}
    here = [line for line in weave.lines if line.removed is None]
    shift = done = 0
    found: set[int] = set()
    ends = (*changes(after, [line.data for line in here]), None)
    for each in ends:
        end = len(after) if each is None else each.old_start
        found |= {here[at + shift].id for at in range(done, end) if at in typed}
        if each is not None:
            done, shift = each.old_end, each.new_end - each.old_end
    weave.claim(found, _PERSON)
