"""What a person may do with changes after the fact, as code actions: keep, undo, and undo the undo.

Only what is possible is offered: a turn that is at work cannot be undone. Not aware of where in a document
an action is offered. `review` stands above.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from autopilot_ls.lsp import methods
from autopilot_ls.lsp.features.actions import Offer
from autopilot_ls.lsp.features.shown_change import ShownChange
from autopilot_ls.model.text import count, one_line
from autopilot_ls.presentation.changes import turn_label, what
from autopilot_ls.supervisor.review.desk import OpenItems

MAX_TURNS: Final = 5
"""Turns of a session, the newest, that its transcript offers something for."""

MAX_GONE: Final = 20
"""Deleted files that a transcript offers something for."""


def offers(
    workspace: Path, here: Sequence[ShownChange], in_file: int, known: OpenItems
) -> list[Offer]:
    """Return what may be done with changes at a place of a file.

    Args:
        workspace: Where the file is.
        here: The changes at the place.
        in_file: How many changes there are in the file.
        known: All that is to be reviewed in the workspace.
    """
    found: list[Offer] = []
    cwd = str(workspace)
    for change in here:
        part = change.part
        size = f" ({part.size})" if part.size else ""
        name = what(part) or "change"
        found.append(_keep(f"keep this {name}{size}", cwd, {"ids": [part.id]}))
        found.append(_undo(f"undo this {name}{size}", cwd, {"ids": [part.id]}))
    if in_file > 1:
        all_of = f"all {count(in_file, 'change')} of this file"
        paths: dict[str, JsonValue] = {"paths": [here[0].part.path]}
        found += [_keep(f"keep {all_of}", cwd, paths), _undo(f"undo {all_of}", cwd, paths)]
    turns = dict.fromkeys(turn for change in here for turn in change.part.turns)
    for turn in turns:
        found += _of_turn(workspace, turn, known)
    return found


def _of_turn(workspace: Path, turn: str, known: OpenItems) -> Iterable[Offer]:
    """Yield what may be done with a whole turn."""
    number = sum(turn in item.change.turns for item in known.items)
    if number:
        yield _keep(
            f"keep all of {turn_label(turn)} ({count(number, 'change')})",
            str(workspace),
            {"turn": turn},
        )
    names = [each.name for each in known.turns]
    if turn not in names:
        return
    since = known.turns[names.index(turn) :]
    if any(each.at_work for each in since):
        return
    later = len(since) - 1
    also = f" and the {count(later, 'turn')} since" if later else ""
    argument: dict[str, JsonValue] = {"sessionId": turn.rpartition("/")[0], "turn": turn}
    yield Offer(f"undo {turn_label(turn)}{also}", methods.TURN_UNDO, argument)


def redo(workspace: Path, known: OpenItems, path: str | None = None) -> Iterable[Offer]:
    """Yield what does the last undo again.

    Args:
        workspace: Where it was.
        known: All that is to be reviewed there.
        path: Only if this file was among those that were changed.
    """
    if known.undone and (path is None or path in known.undone[-1].paths):
        last = known.undone[-1]
        size = count(len(last.paths), "file")
        argument: dict[str, JsonValue] = {"cwd": str(workspace), "undoId": last.id}
        yield Offer(f"undo the last undo ({last.what}, {size})", methods.TURN_REDO, argument)


def session_offers(workspace: Path, session_id: str, known: OpenItems) -> list[Offer]:
    """Return what may be done in the transcript of a session."""
    mine = [turn for turn in known.turns if turn.session_id == session_id]
    if not mine:
        return []
    found: list[Offer] = []
    for turn in mine[: -MAX_TURNS - 1 : -1]:
        found += _of_turn(workspace, turn.name, known)
    gone = [item for item in known.items if item.change.part.kind == "delete"]
    for item in gone[:MAX_GONE]:
        name = one_line(item.path, 80)
        ids: dict[str, JsonValue] = {"ids": [item.id]}
        found.append(_undo(f"bring back the deleted file {name}", str(workspace), ids))
        found.append(_keep(f"let the file {name} be deleted", str(workspace), ids))
    found += redo(workspace, known)
    return found


def _keep(title: str, cwd: str, chosen: dict[str, JsonValue]) -> Offer:
    return Offer(title, methods.CHANGES_KEEP, {"cwd": cwd, **chosen})


def _undo(title: str, cwd: str, chosen: dict[str, JsonValue]) -> Offer:
    return Offer(title, methods.CHANGES_UNDO, {"cwd": cwd, **chosen})
