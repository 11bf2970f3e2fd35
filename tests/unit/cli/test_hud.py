"""Following the records of all open sessions, whoever owns them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from autopilot_ls.cli import watching as watching_module
from autopilot_ls.cli.commands import Exit, ShowHud
from autopilot_ls.cli.hud import run_hud
from autopilot_ls.cli.screen import Screen, drawn
from autopilot_ls.cli.watching import Watching
from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.events import (
    Body,
    Event,
    ItemStarted,
    RuntimeStarted,
    SessionCreated,
    TextDelta,
    TurnStarted,
)
from autopilot_ls.model.items import CommandExecution
from autopilot_ls.presentation.hud import Line
from autopilot_ls.trace.store import TraceStore
from autopilot_ls.trace.writer import SessionTrace

FIRST, SECOND = "20260101-000000-aaaaaa", "20260102-000000-bbbbbb"


class Owner:
    """Another process's session, as far as its record goes."""

    def __init__(self, store: TraceStore, session_id: str) -> None:
        self.id = session_id
        self.trace: SessionTrace = store.create(session_id)
        self.seq = 0
        self.write(
            SessionCreated(cwd="/ws", runtime="codex", mode=Mode.AUTO, title=f"Task {session_id}"),
            RuntimeStarted(runtime="codex", version="1", pid=1),
            TurnStarted(),
        )

    def write(self, *bodies: Body) -> None:
        for body in bodies:
            self.seq += 1
            self.trace.append(
                [
                    Event(
                        seq=self.seq,
                        time=100.0 + self.seq,
                        session_id=self.id,
                        thread_id="main",
                        turn_id="t",
                        body=body,
                    )
                ]
            )


@pytest.fixture
def store(tmp_path: Path) -> TraceStore:
    return TraceStore(tmp_path / "state")


def test_sessions_come_grow_and_go(store: TraceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching_module, "LIST_INTERVAL", 0.0)
    watching = Watching(store, str)
    assert watching.look() == []
    first = Owner(store, FIRST)
    (view,) = watching.look()
    assert (view.session_id, view.state, view.alive, view.seq) == (FIRST, "inProgress", True, 3)
    first.write(ItemStarted(item=CommandExecution(id="c", command="make", cwd="/ws")))
    first.write(TextDelta(item_id="c", field="output", text="one\ntwo"))
    second = Owner(store, SECOND)
    shown = watching.look()
    assert [each.session_id for each in shown] == [FIRST, SECOND]
    assert shown[0].commands[0].tail == ("one", "two")
    first.trace.close()
    shown = watching.look()
    assert (shown[0].alive, shown[0].state, shown[0].commands) == (False, "unknown", ())
    monkeypatch.setattr(watching_module, "LINGER", 0.0)
    assert [each.session_id for each in watching.look()] == [SECOND]
    second.trace.close()
    store.delete(SECOND)
    watching.look()
    assert watching.look() == []
    watching.close()


def test_one_session_is_followed_open_or_not(store: TraceStore) -> None:
    Owner(store, FIRST).trace.close()
    open_one = Owner(store, SECOND)
    watching = Watching(store, str, FIRST)
    (view,) = watching.look()
    assert (view.session_id, view.alive) == (FIRST, False)
    watching.close()
    open_one.trace.close()


def test_a_record_that_cannot_be_read_says_so_and_does_not_hide_the_others(
    store: TraceStore, tmp_path: Path
) -> None:
    owners = [Owner(store, FIRST), Owner(store, SECOND)]
    events = tmp_path / "state" / "sessions" / FIRST / "events.jsonl"
    events.write_bytes(b'{"nonsense": 1}\n' + events.read_bytes())
    watching = Watching(store, str)
    broken, sound = watching.look()
    assert "events.jsonl" in broken.problems[0].text
    assert sound.title == f"Task {SECOND}"
    watching.close()
    for owner in owners:
        owner.trace.close()


def test_it_is_told_as_json_and_as_text_where_there_is_no_terminal(
    store: TraceStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AUTOPILOT_STATE_DIR", str(tmp_path / "state"))
    owner = Owner(store, FIRST)
    assert run_hud(ShowHud(once=True, json=True)) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert told["sessions"][0]["sessionId"] == FIRST
    assert run_hud(ShowHud()) == Exit.OK
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert f"works  Task {FIRST}" in out
    owner.trace.close()


def test_only_what_changed_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    screen = Screen(stream)
    screen.show([(("never", "plain"),)])
    assert stream.getvalue() == "", "the terminal is not ours yet"
    screen.enter()
    screen.show([(("one", "plain"),), (("two", "bold"),)])
    assert "\x1b[H\x1b[2J" in stream.getvalue()
    stream.seek(0)
    stream.truncate()
    screen.show([(("one", "plain"),), (("two", "bold"),)])
    assert stream.getvalue() == ""
    screen.show([(("one", "plain"),), (("2", "bold"),)])
    assert "one" not in stream.getvalue()
    assert "\x1b[2;1H\x1b[K2" in stream.getvalue()
    stream.truncate(0)
    screen.show([])
    assert stream.getvalue().count("\x1b[K") == 2
    screen.leave()
    before = stream.getvalue()
    screen.show([(("late", "plain"),)])
    assert stream.getvalue() == before


def test_nothing_reaches_the_terminal_as_a_sequence() -> None:
    line: Line = (("\x1b[2J\u202eevil", "bad"),)
    assert drawn(line, colour=True) == "\x1b[31m\\x1b[2J\\u{202e}evil\x1b[0m"
    assert drawn(line, colour=False) == "\\x1b[2J\\u{202e}evil"
