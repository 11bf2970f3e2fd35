"""The open review of a workspace on disk, so that it outlives the server.

One private file, written anew after each change. Whatever is wrong with it, the review begins anew and
that is said; it is never guessed at. Not aware of what a review means; `reviews` stands above, `workspace`
and `edits.stored_history` below.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autopilot_ls.edits.history import ContentKind, Shape, TakenBack
from autopilot_ls.edits.stored_history import dump, load
from autopilot_ls.edits.weave import Undone
from autopilot_ls.model.errors import TraceError
from autopilot_ls.supervisor.review.plans import UndoRecord
from autopilot_ls.supervisor.review.values import Turn
from autopilot_ls.supervisor.review.workspace import WorkspaceReview
from autopilot_ls.trace.files import read_private, replace_private

VERSION: Final = 1
MAX_BYTES: Final = 256 * 1024 * 1024
"""Bytes of the file; a review that is larger does not outlive the server."""


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


_Shape = tuple[int | None, ContentKind, bool, bool]


class _TakenBack(_Stored):
    step: int
    hidden: list[int]
    shown: list[tuple[int, int, bool]]
    before: _Shape | None = None
    after: _Shape | None = None


class _Undo(_Stored):
    id: str
    what: str
    files: dict[str, _TakenBack]
    turns: list[str] = Field(default_factory=list[str])


class _Turn(_Stored):
    name: str
    session: str
    began: float
    at_work: bool = False


class _Review(_Stored):
    version: Literal[1] = VERSION
    last: str
    last_head: str
    nested_heads: dict[str, str] = Field(default_factory=dict[str, str])
    histories: dict[str, str]
    turns: list[_Turn] = Field(default_factory=list[_Turn])
    undone: list[_Undo] = Field(default_factory=list[_Undo])
    left_out: int = 0


Dumps = dict[str, tuple[int, str]]
"""The histories as they were stored last, by path, each with its revision."""


def to_bytes(review: WorkspaceReview, dumps: Dumps) -> bytes:
    """Return a review as it is stored.

    Args:
        review: The review.
        dumps: What was stored of it before, and is now: only what has changed is written anew.
    """
    for path, history in review.histories.items():
        revision = history.weave.revision
        if path not in dumps or dumps[path][0] != revision:
            dumps[path] = (revision, dump(history))
    for path in dumps.keys() - review.histories.keys():
        del dumps[path]
    files = review.files
    return (
        _Review(
            last=files.last,
            last_head=files.heads.get("", ""),
            nested_heads={_key(name): head for name, head in files.heads.items() if name},
            left_out=files.left_out,
            histories={_key(path): text for path, (_, text) in dumps.items()},
            turns=[
                _Turn(
                    name=turn.name,
                    session=turn.session_id,
                    began=turn.began,
                    at_work=turn.at_work,
                )
                for turn in review.turns
            ],
            undone=[
                _Undo(
                    id=record.id,
                    what=record.what,
                    files={_key(path): _stored(taken) for path, taken in record.files.items()},
                    turns=sorted(record.turns),
                )
                for record in review.undone
            ],
        )
        .model_dump_json()
        .encode()
    )


def _key(path: str) -> str:
    """Return a path as text that any name can be written as."""
    return os.fsencode(path).decode("latin-1")


def _path(key: str) -> str:
    return os.fsdecode(key.encode("latin-1"))


def _stored(taken: TakenBack) -> _TakenBack:
    lines = taken.lines
    return _TakenBack(
        step=lines.step,
        hidden=list(lines.hidden),
        shown=list(lines.shown),
        before=_shape(taken.before),
        after=_shape(taken.after),
    )


def _shape(shape: Shape | None) -> _Shape | None:
    return None if shape is None else (shape.step, shape.kind, shape.executable, shape.kept)


def write(path: Path, data: bytes) -> None:
    """Store a review; blocking.

    Raises:
        TraceError: It cannot be written.
    """
    replace_private(path, data)


def read_into(path: Path, review: WorkspaceReview) -> str:
    """Fill a new review with what was stored; blocking.

    Returns:
        Why nothing could be taken over, as a sentence; empty when it was, or when nothing is stored.
    """
    try:
        data = read_private(path, MAX_BYTES)
        stored = _Review.model_validate_json(data)
        histories = {_path(name): load(text) for name, text in stored.histories.items()}
    except FileNotFoundError:
        return ""
    except (ValidationError, ValueError, OSError, TraceError) as error:
        return f"The open review in {path} cannot be read and begins anew: {error}"
    review.files.histories = histories
    review.files.last, review.files.left_out = stored.last, stored.left_out
    review.files.heads = {_path(name): head for name, head in stored.nested_heads.items()}
    if stored.last_head:
        review.files.heads[""] = stored.last_head
    review.turns = [
        Turn(turn.name, turn.session, turn.began, at_work=turn.at_work) for turn in stored.turns
    ]
    review.undone = [
        UndoRecord(
            record.id,
            record.what,
            {_path(name): _taken(taken) for name, taken in record.files.items()},
            frozenset(record.turns),
        )
        for record in stored.undone
    ]
    return ""


def _taken(stored: _TakenBack) -> TakenBack:
    lines = Undone(stored.step, tuple(stored.hidden), tuple(stored.shown))
    before = None if stored.before is None else Shape(*stored.before)
    after = None if stored.after is None else Shape(*stored.after)
    return TakenBack(lines, before, after)
