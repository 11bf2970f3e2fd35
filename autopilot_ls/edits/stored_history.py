"""Histories of files as text, so that a review outlives the process.

What is read back is checked: a record that does not fit together is refused, never guessed at. Pure. Not
aware of where the text is kept; `supervisor.review` stands above, `history` below.
"""

from __future__ import annotations

import json
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from autopilot_ls.edits.history import ContentKind, History, Shape
from autopilot_ls.edits.weave import Author, Line, Step, Weave

VERSION: Final = 1


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Step(_Stored):
    author: str
    turn: str
    by: str


class _File(_Stored):
    """A line is [id, text as Latin-1, added, removed, added kept, removed kept]."""

    version: int
    whole: bool
    next_id: int
    steps: list[_Step]
    shapes: list[tuple[int | None, ContentKind, bool, bool]]
    lines: list[tuple[int, str, int | None, int | None, bool, bool]]


def dump(history: History) -> str:
    """Return a history as JSON text."""
    weave = history.weave
    return json.dumps(
        {
            "version": VERSION,
            "whole": weave.whole,
            "next_id": weave.next_id,
            "steps": [
                {"author": step.author.value, "turn": step.turn, "by": step.by}
                for step in weave.steps
            ],
            "shapes": [
                [shape.step, shape.kind, shape.executable, shape.kept] for shape in history.shapes
            ],
            "lines": [
                [
                    line.id,
                    # Latin-1 gives every byte one character, so that any bytes come back.
                    line.data.decode("latin-1"),
                    line.added,
                    line.removed,
                    line.added_kept,
                    line.removed_kept,
                ]
                for line in weave.lines
            ],
        },
        separators=(",", ":"),
    )


def load(text: str) -> History:
    """Return the history that a text is of.

    Raises:
        ValueError: It is none, or does not fit together.
    """
    try:
        file = _File.model_validate_json(text)
        steps = [Step(Author(step.author), step.turn, step.by) for step in file.steps]
        lines = [
            Line(name, data.encode("latin-1"), added, removed, kept, gone_kept)
            for name, data, added, removed, kept, gone_kept in file.lines
        ]
    except (ValidationError, ValueError) as error:
        raise ValueError(f"this is no history of a file: {error}") from error
    shapes = [Shape(*shape) for shape in file.shapes]
    named = [
        number
        for number in (
            *(shape.step for shape in shapes),
            *(line.added for line in lines),
            *(line.removed for line in lines),
        )
        if number is not None
    ]
    ids = {line.id for line in lines}
    fits = (
        file.version == VERSION
        and shapes
        and shapes[0].step is None
        and all(0 <= number < len(steps) for number in named)
        and len(ids) == len(lines)
        and all(0 <= name < file.next_id for name in ids)
    )
    if not fits:
        raise ValueError("this history of a file does not fit together")
    return History(Weave(file.whole, steps, lines, file.next_id), shapes)
