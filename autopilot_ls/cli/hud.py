"""`autopilot-ls hud`: all open sessions of this user at a glance, in a terminal, as text or as JSON.

Only looks. Sessions belong to whatever process runs them, an editor's or another terminal's, and are
followed by their records; what is to be reviewed, which no record has, is asked of the shared processes.
Not aware of how records are read (`watching`), of how sessions are drawn (`presentation.hud`) nor of how a
terminal is written to (`screen`).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from autopilot_ls.cli.commands import Exit, ShowHud
from autopilot_ls.cli.screen import Screen, drawn
from autopilot_ls.cli.sessions import find_session, open_store
from autopilot_ls.cli.setup import load_settings
from autopilot_ls.cli.terminal import wants_colour
from autopilot_ls.cli.watching import Watching
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.presentation.hud import ASCII, Hud, Signs
from autopilot_ls.presentation.status_view import StatusView, Unreviewed
from autopilot_ls.shared.control import ask_all
from autopilot_ls.shared.places import NotShared
from autopilot_ls.trace.redaction import Redactor

INTERVAL: Final = 0.1
"""Seconds between two looks."""

WIDTH: Final = 100
"""Columns where the output is no terminal."""

ANSWER_LIMIT: Final = 1.0
"""Seconds that a process has to tell what is to be reviewed; without it the rest is shown."""

_KEYS: Final = "q quits"
_QUITS: Final = frozenset("qQ\x03\x04")


def run_hud(command: ShowHud) -> int:
    """Show the sessions until the person leaves, or once."""
    settings = load_settings()
    store = open_store(settings)
    only = find_session(store, command.session) if command.session else None
    watching = Watching(store, Redactor(settings.trace.redact).redact, only, _unreviewed)
    try:
        if command.json:
            return _as_json(watching, once=command.once)
        hud = Hud(_signs(), str(Path.home()))
        if command.once or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
            return _as_text(watching, hud)
        if sys.platform == "win32":
            raise InvalidRequest("This needs a POSIX terminal.", advice="Use --once or --json.")
        return anyio.run(_Live(watching, hud).run)
    finally:
        watching.close()


def _unreviewed() -> dict[str, Unreviewed]:
    """Return what is to be reviewed of the sessions in shared processes; the others tell nobody."""
    try:
        found = ask_all(os.environ, limit=ANSWER_LIMIT)
    except (NotShared, OSError):
        return {}
    return {
        session.id: Unreviewed(files=session.files, hunks=session.hunks)
        for process in found
        for session in process.sessions
    }


def _signs() -> Signs:
    """Return signs that the output can show."""
    try:
        "".join(vars_of(Signs())).encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return Signs()


def vars_of(signs: Signs) -> list[str]:
    """Return all signs."""
    return [str(getattr(signs, name)) for name in Signs.__slots__]


def _caught_up(watching: Watching) -> list[StatusView]:
    views = watching.look()
    while watching.behind:
        views = watching.look()
    return views


# As JSON, and as text ---------------------------------------------------------------------------


def _as_json(watching: Watching, *, once: bool) -> int:
    """Write one object, or with each change another one as a line."""
    told: Sequence[StatusView] | None = None
    while True:
        views = _caught_up(watching)
        if views != told:
            told = views
            dumped = {"sessions": [view.model_dump(mode="json") for view in views]}
            print(json.dumps(dumped, indent=2 if once else None, ensure_ascii=False), flush=True)
        if once:
            return Exit.OK
        time.sleep(INTERVAL)


def _as_text(watching: Watching, hud: Hud) -> int:
    columns = WIDTH
    if sys.stdout.isatty():
        columns = Screen().size[0]
    lines = hud.lines(_caught_up(watching), now=time.time(), columns=columns)
    colour = wants_colour(sys.stdout)
    for line in lines:
        print(drawn(line, colour=colour))
    return Exit.OK


# In a terminal ----------------------------------------------------------------------------------


class _Live:
    """The view that goes on until the person leaves."""

    def __init__(self, watching: Watching, hud: Hud) -> None:
        self._watching = watching
        self._hud = hud
        self._screen = Screen()
        self._views: list[StatusView] = []
        self._exit = Exit.OK
        self._draw = anyio.Event()

    async def run(self) -> int:
        """Show the sessions; returns the exit code."""
        self._screen.enter()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._signals, tasks.cancel_scope)
                tasks.start_soon(self._look)
                if sys.stdin.isatty():
                    tasks.start_soon(self._keys, tasks.cancel_scope)
                while True:
                    self._draw = anyio.Event()
                    columns, rows = self._screen.size
                    lines = self._hud.lines(
                        self._views, now=time.time(), columns=columns, rows=rows, keys=_KEYS
                    )
                    # A terminal that is stopped (Ctrl-S) holds up a thread, not the keys.
                    await anyio.to_thread.run_sync(self._screen.show, lines, abandon_on_cancel=True)
                    # The clock ticks even when nothing happens.
                    with anyio.move_on_after(1.0 - time.time() % 1.0):
                        await self._draw.wait()
        finally:
            self._screen.leave()
        return self._exit

    async def _look(self) -> None:
        while True:
            views = await anyio.to_thread.run_sync(self._watching.look)
            if views != self._views:
                self._views = views
                self._draw.set()
            await anyio.sleep(0.0 if self._watching.behind else INTERVAL)

    async def _keys(self, scope: anyio.CancelScope) -> None:
        descriptor = sys.stdin.fileno()
        while True:
            await anyio.wait_readable(descriptor)
            typed = os.read(descriptor, 1024).decode("utf-8", "replace")
            if not typed or _QUITS & set(typed):
                scope.cancel()
                return
            if "\x0c" in typed:
                self._redraw()

    def _redraw(self) -> None:
        self._screen.forget()
        self._draw.set()

    async def _signals(self, scope: anyio.CancelScope) -> None:
        wanted = (
            signal.SIGWINCH,
            signal.SIGTSTP,
            signal.SIGINT,
            signal.SIGTERM,
            signal.SIGHUP,
        )
        with anyio.open_signal_receiver(*wanted) as received:
            async for number in received:
                if number == signal.SIGWINCH:
                    self._redraw()
                elif number == signal.SIGTSTP:
                    self._stop()
                else:
                    self._exit = Exit.INTERRUPTED
                    scope.cancel()
                    return

    def _stop(self) -> None:
        """Give the terminal back, stop until the shell continues us, and take it again."""
        self._screen.leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._screen.enter()
        self._redraw()
