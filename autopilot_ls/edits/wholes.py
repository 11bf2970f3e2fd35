"""How a text that can no longer be told by lines goes on as one piece, a binary file say.

Each turn that can be told apart becomes a piece of its own, so that it can still be taken back. Pure. Not
aware of what a file is besides its content; `history` stands above, `weave` below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from autopilot_ls.edits.weave import Author, Line, Step, Weave

MAX_WHOLES: Final = 10
"""Earlier contents that are kept of a file which can no longer be told by lines."""


def as_whole(lines: Weave) -> Weave:
    """Return a weave of pieces for one of lines, with as much of the past as can be told of pieces."""
    reference, current = lines.reference(), lines.current()
    opened = [step for hunk in lines.hunks() for step in hunk.steps]
    # An undo that was undone again is a person's step too, of which nothing stands.
    standing = {step for line in lines.lines for step in (line.added, line.removed)}
    alone = not any(
        step is not None and lines.steps[step].author is Author.PERSON for step in standing
    )
    persons = any(_is_persons(lines, line) for line in lines.lines)
    reviewed = [] if persons else _reviewed_turns(lines, reference)
    before = lines.at(-1) if reviewed else reference
    weave = Weave.begin(before, whole=True, first_id=lines.next_id)
    weave.steps = list(lines.steps)
    weave.revision = lines.revision
    for data, step in reviewed:
        weave.advance(data, step, reviewed=True)
    # What a person took back in between would come again, so that only what is all an agent's is replayed.
    if alone and not reviewed and reference == lines.at(-1):
        _replay(lines, weave)
    elif opened:
        steps = [weave.steps[step] for step in sorted(set(opened))]
        weave.advance(current, _joined(steps))
    return weave


def _is_persons(weave: Weave, line: Line) -> bool:
    """Tell whether a line came by a person, or went by one that was there from the beginning.

    What an agent brought in and a person took out, by an undo say, is as if it had never come.
    """
    came, went = (
        step is not None and weave.steps[step].author is Author.PERSON
        for step in (line.added, line.removed)
    )
    return came or (went and line.added is None)


def _replay(lines: Weave, weave: Weave) -> None:
    """Bring the text into a weave of wholes as it came, one whole for each turn and author."""
    steps = lines.steps
    last = len(steps) - 1
    ends = [
        at
        for at, step in enumerate(steps)
        if at == last or (step.author, step.turn) != (steps[at + 1].author, steps[at + 1].turn)
    ]
    for end in ends[-MAX_WHOLES:]:
        data = lines.current() if end == last else lines.at(end)
        weave.advance(data, steps[end])


def _joined(steps: Sequence[Step]) -> Step:
    """Return the one step that stands for several which can no longer be told apart.

    Whoever takes back a turn takes back nothing that may be another's, so what is unknown of one is
    unknown of all, and what several turns made goes with the first of them only.
    """
    if any(step.author is Author.UNKNOWN for step in steps) and len(steps) > 1:
        return Step(Author.UNKNOWN, steps[-1].turn)
    return steps[-1] if steps[0].turn == steps[-1].turn else steps[0]


def _reviewed_turns(weave: Weave, reference: bytes) -> list[tuple[bytes, Step]]:
    """Return what each turn made of the file, of what is reviewed; nothing if that cannot be told.

    Args:
        weave: Of lines.
        reference: What the turns came to in the end.
    """
    lines, steps = weave.lines, weave.steps
    kept = {line.added for line in lines if line.added_kept}
    kept |= {line.removed for line in lines if line.removed_kept}
    # Of several steps of one turn, the last one.
    ends: dict[tuple[Author, str], int] = {}
    for number in sorted(number for number in kept if number is not None):
        ends[steps[number].author, steps[number].turn] = number
    numbers = list(ends.values())
    if not numbers or len(numbers) > MAX_WHOLES or numbers != sorted(numbers):
        return []
    texts = [(weave.reviewed_at(number), steps[number]) for number in numbers]
    return texts if texts[-1][0] == reference else []
