"""`autopilot-ls changes`: what agents changed without asking here, and keeping or undoing it.

Opens the review of the folder, which only one process may have open at a time. Not aware of agents. `main`
stands above; `supervisor.review` and `presentation` below.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from autopilot_ls.cli.commands import (
    Exit,
    KeepChanges,
    ListChanges,
    RedoChanges,
    UndoChanges,
    UndoTurn,
)
from autopilot_ls.cli.setup import load_settings, take_what_is_idle
from autopilot_ls.model.errors import AutopilotError, InvalidRequest
from autopilot_ls.model.text import count, one_line, visible
from autopilot_ls.presentation.changes import ChangedPart, listed, total, turn_label
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.review.desk import OpenItems, ReviewDesk, TakenBack
from autopilot_ls.supervisor.review.showing import Chosen, shown, turn_named
from autopilot_ls.supervisor.supervisor import open_supervisor
from autopilot_ls.trace.redaction import Redactor

BY = "autopilot-ls changes"
"""Who decides, for the agents that are told."""

ChangesCommand = ListChanges | KeepChanges | UndoChanges | UndoTurn | RedoChanges


def run_changes(command: ChangesCommand) -> int:
    """Run one of the commands about changes.

    Raises:
        AutopilotError: The review cannot be had, or what is named is not there.
    """
    settings = load_settings()
    take_what_is_idle()
    folder = Path.cwd().resolve()
    match command:
        case ListChanges():
            redact = Redactor(settings.trace.redact).redact
            return _run(settings, lambda desk: _list(desk, folder, redact, as_json=command.json))
        case KeepChanges():
            return _run(settings, lambda desk: _keep(desk, folder, command))
        case UndoChanges():
            return _run(settings, lambda desk: _undo(desk, folder, command))
        case UndoTurn():
            return _run(settings, lambda desk: _undo_turn(desk, folder, command))
        case RedoChanges():
            return _run(settings, lambda desk: _redo(desk, folder, command))


def _run(settings: Settings, work: Callable[[ReviewDesk], Awaitable[int]]) -> int:
    return anyio.run(_with_desk, settings, work)


async def _with_desk(settings: Settings, work: Callable[[ReviewDesk], Awaitable[int]]) -> int:
    code, failure = int(Exit.FAILED), None
    async with open_supervisor(settings) as supervisor:
        # A failure is carried out by hand, since task groups would wrap it.
        try:
            code = await work(supervisor.review)
        except (AutopilotError, OSError) as error:
            failure = error
    if failure is not None:
        raise failure
    return code


async def _list(
    desk: ReviewDesk, folder: Path, redact: Callable[[str], str], *, as_json: bool
) -> int:
    found = await desk.items(folder, fresh=True)
    changes = [shown(item) for item in found.items]
    if as_json:
        print(json.dumps(_as_json(found, changes), indent=2, ensure_ascii=False))
        return Exit.OK
    for notice in found.notices:
        print(f"autopilot-ls: {visible(notice)}", file=sys.stderr)
    for line in listed(changes, redact):
        print(visible(line))
    if changes:
        print()
    print(f"{total(changes)}.")
    turns = [turn.name for turn in found.turns]
    if changes and turns:
        print(f"Undo the last turn: autopilot-ls changes undo-turn  ({turn_label(turns[-1])})")
    if found.undone:
        last = found.undone[-1]
        print(f"Undo the last undo: autopilot-ls changes redo  ({last.what})")
    return Exit.OK


def _as_json(found: OpenItems, changes: list[ChangedPart]) -> dict[str, object]:
    return {
        "changes": [
            {
                "id": change.id,
                "path": change.path.encode(errors="backslashreplace").decode(),
                "kind": change.kind,
                "line": change.line,
                "author": "agent" if change.attributed else "unattributed",
                "by": change.by,
                "turns": list(change.turns),
                "old": list(change.old),
                "new": list(change.new),
                "removed": change.removed,
                "added": change.added,
            }
            for change in changes
        ],
        "turns": [
            {
                "turn": turn.name,
                "sessionId": turn.session_id,
                "began": turn.began,
                "atWork": turn.at_work,
            }
            for turn in found.turns
        ],
        "undone": [{"undoId": undone.id, "what": undone.what} for undone in found.undone],
        "notices": list(found.notices),
    }


async def _chosen(
    desk: ReviewDesk, folder: Path, command: KeepChanges | UndoChanges
) -> list[ChangedPart]:
    found = await desk.items(folder, fresh=True)
    turn = turn_named(command.turn, "", found.turns) if command.turn else ""
    for name in command.names:
        one = Chosen([name], [str(folder / name)])
        if not one.among(found.items, folder):
            raise InvalidRequest(
                f"No unreviewed change is named, or in, {one_line(name, 100)}.",
                advice="See: autopilot-ls changes list",
            )
    paths = [str(folder / name) for name in command.names]
    chosen = Chosen(command.names, paths, turn, command.everything)
    return [shown(item) for item in chosen.among(found.items, folder)]


async def _keep(desk: ReviewDesk, folder: Path, command: KeepChanges) -> int:
    changes = await _chosen(desk, folder, command)
    kept = await desk.keep(folder, [change.id for change in changes]) if changes else ()
    if command.json:
        print(json.dumps({"kept": [item.id for item in kept]}, indent=2))
    else:
        print(f"Kept {count(len(kept), 'change')}.")
    return Exit.OK


async def _undo(desk: ReviewDesk, folder: Path, command: UndoChanges) -> int:
    changes = await _chosen(desk, folder, command)
    taken = await desk.undo(folder, [change.id for change in changes], BY)
    return _told(taken, "Undone", as_json=command.json)


async def _undo_turn(desk: ReviewDesk, folder: Path, command: UndoTurn) -> int:
    found = await desk.items(folder, fresh=True)
    turn = turn_named(command.turn, "", found.turns)
    return _told(await desk.undo_turn(folder, turn, BY), "Undone", as_json=command.json)


async def _redo(desk: ReviewDesk, folder: Path, command: RedoChanges) -> int:
    undo_id = command.undo_id
    if not undo_id:
        undone = (await desk.items(folder)).undone
        if not undone:
            raise InvalidRequest("Nothing was undone that could be done again.")
        undo_id = undone[-1].id
    return _told(await desk.redo(folder, undo_id, BY), "Done again", as_json=command.json)


def _told(taken: TakenBack, verb: str, *, as_json: bool) -> int:
    outcome = taken.outcome
    if as_json:
        result: dict[str, object] = {
            "undoId": outcome.undo_id,
            "written": sorted(outcome.written),
            "left": list(taken.reasons),
        }
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        print(f"{verb} in {count(len(outcome.written), 'file')}.")
        for path in sorted(outcome.written):
            print(f"  {one_line(path, 400)}")
        for reason in taken.reasons:
            print(f"autopilot-ls: {visible(reason)}", file=sys.stderr)
        if outcome.undo_id:
            print("Undo this: autopilot-ls changes redo")
    return Exit.FAILED if taken.reasons else Exit.OK
