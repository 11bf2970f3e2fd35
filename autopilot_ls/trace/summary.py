"""What a list of sessions shows, kept in a small file beside each record so that listing is fast.

The file is a cache: when it is missing, damaged or older than the events, the events tell it again.
Not aware of who lists. Stands on `files` and `lines`; `writer` and `store` use it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.base import Frozen
from autopilot_ls.model.errors import TraceError
from autopilot_ls.model.events import (
    Event,
    FindingsDismissed,
    FindingsReported,
    ModeChanged,
    SessionArchived,
    SessionCreated,
    SessionTitled,
    ThreadOpened,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.trace.files import open_private, read_private, replace_private
from autopilot_ls.trace.lines import (
    EVENTS_NAME,
    MAX_LINE,
    decode_model,
    encode_model,
    is_sound_event,
    sound_end,
)

SUMMARY_NAME: Final = "summary.json"

_LIMIT: Final = 256 * 1024
_MAX_TITLE: Final = 2_000

# Quotes inside a JSON string are escaped, so this cannot occur in a text. All other kinds, the many
# text deltas above all, are passed over without being parsed.
_TELLING: Final = re.compile(
    rb'"body":\{"type":"'
    rb"(?:sessionCreated|sessionTitled|sessionArchived|modeChanged|threadOpened|turnStarted|"
    rb'turnCompleted|findingsReported|findingsDismissed)"'
)


class SessionSummary(Frozen):
    """A session in a list; times are seconds since the epoch.

    Attributes:
        turns: How many turns were started.
        state: How the last turn stands (a `TurnStatus`, or what the owner says more precisely),
            `idle` before the first, `unknown` when the owner died in it, `unreadable` when the record
            cannot tell.
        thread_id: The agent's main thread.
        archived: Whether a person put it away, so that a list leaves it out.
        findings: How many of its last review's findings nobody has dismissed.
        size_bytes: Raw frames and events together.
        in_use: Whether a process owns the session right now.
    """

    id: str
    cwd: str
    runtime: str
    title: str
    created_at: float
    updated_at: float
    turns: int
    state: str
    mode: Mode
    thread_id: str | None = None
    archived: bool = False
    findings: int = 0
    size_bytes: int = 0
    in_use: bool = False


class _Stored(Frozen):
    """The file: the summary and the size of the events that it was made from."""

    version: int = 1
    events_size: int
    summary: SessionSummary


SETTLED: Final = frozenset(
    {"idle", "unreadable", *(status for status in TurnStatus if status != TurnStatus.IN_PROGRESS)}
)
"""States that can be true of a session that nobody owns; any other is `unknown` then."""


def write_summary(folder: Path, summary: SessionSummary, events_size: int) -> None:
    """Keep the summary of a session.

    Raises:
        OSError: It cannot be written.
    """
    shortened = summary.model_copy(update={"title": summary.title[:_MAX_TITLE]})
    stored = _Stored(events_size=events_size, summary=shortened)
    replace_private(folder / SUMMARY_NAME, encode_model(stored).encode())


def read_summary(folder: Path) -> tuple[SessionSummary, int] | None:
    """Return the kept summary and the size of the events it was made from; None if it is no use."""
    try:
        data = read_private(folder / SUMMARY_NAME, _LIMIT)
        stored = decode_model(_Stored, data)
    except (OSError, TraceError, ValidationError):
        return None
    if stored.version != 1 or stored.summary.id != folder.name:
        return None
    return stored.summary, stored.events_size


def summarize(folder: Path) -> tuple[SessionSummary, int] | None:
    """Make the summary from the events.

    Returns:
        The summary and the size of the events it was made from, or None when there are no events.
        Events that cannot be read make it `unreadable`, never an error: a list shows all sessions.
    """
    path = folder / EVENTS_NAME
    try:
        descriptor = open_private(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except (OSError, TraceError):
        return _unreadable(folder), -1
    try:
        size = os.fstat(descriptor).st_size
        end, last = sound_end(descriptor, size, is_sound_event)
        if last is None:
            return (_unreadable(folder), -1) if size else None
        os.lseek(descriptor, 0, os.SEEK_SET)
        summary = _tell(folder.name, _telling(descriptor, end), decode_model(Event, last))
        return summary or _unreadable(folder), size
    except (OSError, ValidationError):
        return _unreadable(folder), -1
    finally:
        os.close(descriptor)


def _telling(descriptor: int, end: int) -> Iterator[Event]:
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        place = 0
        while place < end:
            line = file.readline(MAX_LINE)
            if not line:
                return
            place += len(line)
            if _TELLING.search(line):
                yield decode_model(Event, line)


def _tell(session_id: str, events: Iterator[Event], last: Event) -> SessionSummary | None:
    first = next(events, None)
    if first is None or not isinstance(first.body, SessionCreated):
        return None
    title, mode, state, turns = first.body.title, first.body.mode, "idle", 0
    thread_id: str | None = None
    archived = False
    findings: set[str] = set()
    for event in events:
        match event.body:
            case SessionTitled() as body:
                title = body.title
            case SessionArchived() as body:
                archived = body.archived
            case ModeChanged() as body:
                mode = body.mode
            case ThreadOpened():
                thread_id = event.thread_id
            case FindingsReported() as body:
                findings = {finding.id for finding in body.findings}
            case FindingsDismissed() as body:
                findings -= set(body.finding_ids)
            case TurnStarted():
                turns += 1
                state = TurnStatus.IN_PROGRESS.value
            case TurnCompleted() as body:
                state = body.status.value
            case _:
                pass
    return SessionSummary(
        id=session_id,
        cwd=first.body.cwd,
        runtime=first.body.runtime,
        title=title[:_MAX_TITLE],
        created_at=first.time,
        updated_at=last.time,
        turns=turns,
        state=state,
        mode=mode,
        thread_id=thread_id,
        archived=archived,
        findings=len(findings),
    )


def _unreadable(folder: Path) -> SessionSummary:
    changed = folder.lstat().st_mtime
    return SessionSummary(
        id=folder.name,
        cwd="",
        runtime="",
        title="(the record of this session cannot be read)",
        created_at=changed,
        updated_at=changed,
        turns=0,
        state="unreadable",
        mode=Mode.READ_ONLY,
    )
