"""`autopilot-ls sessions`: looking at what was recorded, and deleting it.

Reads the records, also those that another process writes right now; it owns none. Not aware of agents.
`main` stands above; `trace`, `presentation` and `live` below.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

import anyio

from autopilot_ls.cli.commands import (
    DeleteSessions,
    Exit,
    ListSessions,
    PruneSessions,
    ShowSession,
    TailSession,
)
from autopilot_ls.cli.live import Narrator
from autopilot_ls.cli.setup import load_settings, redact_json, take_what_is_idle
from autopilot_ls.cli.terminal import Style, Terminal
from autopilot_ls.model.errors import AutopilotError, InvalidRequest, SessionNotFound
from autopilot_ls.model.events import Event
from autopilot_ls.model.state import SessionState
from autopilot_ls.model.text import count, one_line, visible
from autopilot_ls.presentation.columns import shorten, width_of
from autopilot_ls.settings.tree import Settings
from autopilot_ls.trace.redaction import Redactor
from autopilot_ls.trace.store import TraceLimits, TraceStore
from autopilot_ls.trace.summary import SessionSummary

NEWEST: Final = "last"
"""The word that names the session used last."""

SessionCommand = ListSessions | ShowSession | TailSession | DeleteSessions | PruneSessions

_FOLDER_WIDTH: Final = 32
_TITLE_WIDTH: Final = 70
_MEGABYTE: Final = 1_000_000


def open_store(settings: Settings) -> TraceStore:
    """Return the store of the configured state folder."""
    limits = TraceLimits.from_settings(settings.trace)
    return TraceStore(settings.state_folder, limits=limits)


def find_session(store: TraceStore, name: str) -> str:
    """Return the id that is meant by an id, a beginning that only one has, or `last`.

    Raises:
        SessionNotFound: There is none.
        InvalidRequest: Several are meant.
    """
    listed = store.list()
    if name == NEWEST and listed:
        return listed[0].id
    found = [summary.id for summary in listed if name and summary.id.startswith(name)]
    if name in found:
        return name
    if not found:
        raise SessionNotFound(
            f"There is no session {one_line(name, 60)!r}.", advice="See: autopilot-ls sessions list"
        )
    if len(found) > 1:
        raise InvalidRequest(
            f"{count(len(found), 'session')} begin with {name}.", advice="Give more of the id."
        )
    return found[0]


def run_sessions(command: SessionCommand) -> int:
    """Run one of the commands about sessions."""
    settings = load_settings()
    store = open_store(settings)
    redactor = Redactor(settings.trace.redact)
    match command:
        case ListSessions():
            wanted = [each for each in store.list() if each.archived is command.archived]
            _list(wanted, redactor, as_json=command.json)
        case ShowSession():
            _show(store, find_session(store, command.session), redactor, as_json=command.json)
        case TailSession():
            anyio.run(_tail, store, find_session(store, command.session), redactor, command)
        case DeleteSessions():
            take_what_is_idle()
            return _delete(store, command.sessions)
        case PruneSessions():
            _prune(store)
    return Exit.OK


# Listing ----------------------------------------------------------------------------------------


def _list(listed: list[SessionSummary], redactor: Redactor, *, as_json: bool) -> None:
    if as_json:
        dumped = [summary.model_dump(mode="json") for summary in listed]
        print(json.dumps(redact_json(dumped, redactor.redact), indent=2, ensure_ascii=False))
        return
    if not listed:
        print('There are no sessions yet. Begin one: autopilot-ls run "…"', file=sys.stderr)
        return
    terminal = Terminal(redact=redactor.redact)
    rows = [_row(summary) for summary in listed]
    heads = ("SESSION", "USED", "STATE", "TURNS", "SIZE", "FOLDER", "TITLE")
    widths = [max(width_of(row[place]) for row in [heads, *rows]) for place in range(len(heads))]
    terminal.line(_columns(heads, widths), Style.BOLD)
    for row in rows:
        terminal.line(_columns(row, widths))
    terminal.flush_now()


def _row(summary: SessionSummary) -> tuple[str, ...]:
    used = datetime.fromtimestamp(summary.updated_at).astimezone().strftime("%Y-%m-%d %H:%M")
    state = f"{summary.state} (open)" if summary.in_use else summary.state
    folder = one_line(summary.cwd, 1_000)
    if len(folder) > _FOLDER_WIDTH:
        folder = "…" + folder[1 - _FOLDER_WIDTH :]
    title = shorten(one_line(summary.title, 400), _TITLE_WIDTH)
    size = f"{summary.size_bytes / _MEGABYTE:.1f} MB"
    return summary.id, used, state, str(summary.turns), size, folder, title


def _columns(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [cell + " " * (width - width_of(cell)) for cell, width in zip(row, widths, strict=True)]
    return "  ".join(cells).rstrip()


# One session ------------------------------------------------------------------------------------


def _show(store: TraceStore, session_id: str, redactor: Redactor, *, as_json: bool) -> None:
    if as_json:
        for event in store.read_events(session_id):
            print(event_json(event, redactor.redact))
        return
    from autopilot_ls.presentation.transcript import TranscriptRenderer

    state = SessionState(session_id)
    for event in store.read_events(session_id):
        state.apply(event)
    print(visible(redactor.redact(TranscriptRenderer().render(state.snapshot()))), end="")


def event_json(event: Event, redact: Callable[[str], str]) -> str:
    """Return an event as one line of JSON, as `schemas/events.json` describes it."""
    dumped = redact_json(event.model_dump(mode="json"), redact)
    return json.dumps(dumped, ensure_ascii=False, separators=(",", ":"))


async def _tail(
    store: TraceStore, session_id: str, redactor: Redactor, command: TailSession
) -> None:
    state = SessionState(session_id)
    past = Terminal(redact=redactor.redact)
    narrator = Narrator(past, state.item)
    lines: deque[str] = deque(maxlen=command.lines)
    for event in store.read_events(session_id):
        state.apply(event)
        narrator.tell(event)
        lines.extend(past.take().splitlines(keepends=True))
    sys.stdout.write("".join(lines))
    sys.stdout.flush()
    if not command.follow:
        return
    async for event in store.follow(session_id, after=state.seq):
        state.apply(event)
        narrator.tell(event)
        await past.flush()


# Deleting ---------------------------------------------------------------------------------------


def _delete(store: TraceStore, names: tuple[str, ...]) -> int:
    # All names are looked up first, so that a slip in one of them deletes nothing.
    found = list(dict.fromkeys(map(partial(find_session, store), names)))
    failed = False
    for session_id in found:
        try:
            store.delete(session_id)
        except AutopilotError as error:
            failed = True
            print(f"autopilot-ls: {visible(str(error))}", file=sys.stderr)
        else:
            print(f"Deleted {session_id}.")
    return Exit.FAILED if failed else Exit.OK


def _prune(store: TraceStore) -> None:
    removed = store.prune(time.time())
    for session in removed:
        print(f"Deleted {session.session_id} ({session.reason}).")
    size = sum(session.size_bytes for session in removed)
    print(f"{count(len(removed), 'session')} deleted, {size / _MEGABYTE:.1f} MB.")
