"""`autopilot-ls run`: a turn in the terminal, from the task to the exit code.

Reads the task, starts the turn under a supervisor of its own, and maps how it ended to an exit code.
Ctrl-C interrupts the turn, a second one ends the program, a third one at once. Not aware of how events
are told (`live`) or decisions asked for (`prompting`); `attend` joins them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import anyio
from anyio import CancelScope
from anyio.abc import TaskGroup

from autopilot_ls.cli.attend import Attendant, Mouth
from autopilot_ls.cli.commands import Exit, Run
from autopilot_ls.cli.exits import exit_for, exit_for_turn
from autopilot_ls.cli.keyboard import Keyboard
from autopilot_ls.cli.sessions import find_session
from autopilot_ls.cli.setup import load_settings, take_what_is_idle
from autopilot_ls.cli.terminal import Terminal
from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import AutopilotError, InvalidRequest
from autopilot_ls.model.text import visible
from autopilot_ls.presentation.changes import total
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.prompt import MAX_TEXT
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.review.showing import shown
from autopilot_ls.supervisor.supervisor import Supervisor, open_supervisor
from autopilot_ls.trace.redaction import Redactor

BY = "autopilot-ls run"
"""Who asks, for the record."""

REVIEW_LIMIT: Final = 20.0
"""Seconds that looking for what is left to be reviewed may take."""

_AT_ONCE: Final = 2
"""After so many interrupts the next one does not wait for anything."""


def run_task(command: Run) -> int:
    """Run a turn and return the exit code.

    Raises:
        AutopilotError: It could not be started; the message says what to do.
    """
    settings = load_settings()
    take_what_is_idle()
    text = _task(command.text)
    return anyio.run(_Work(command, settings, text).run)


def _task(text: str) -> str:
    if text == "-":
        text = sys.stdin.read(MAX_TEXT + 1)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(
            "The task is not valid text.", advice="Give it in the terminal's encoding, UTF-8."
        ) from None
    return text


def _folder(command: Run) -> str | None:
    if command.session is None:
        return str(Path(command.cwd or ".").expanduser().absolute())
    if command.cwd is not None:
        raise InvalidRequest("A session keeps its folder.", advice="Leave out --cwd or --session.")
    return None


def _mouth(command: Run, settings: Settings) -> Mouth:
    """Return where to speak and whether somebody can be asked."""
    redact = Redactor(settings.trace.redact).redact
    terminal = Terminal(redact=redact)
    asking = next((stream for stream in (sys.stdout, sys.stderr) if stream.isatty()), None)
    if command.json or not sys.stdin.isatty() or asking is None:
        return Mouth(terminal, None, None, as_json=command.json, redact=redact)
    prompts = terminal if asking is sys.stdout else Terminal(asking)
    return Mouth(terminal, prompts, Keyboard(), as_json=False, redact=redact)


class _Work:
    """One turn: what it needs, and how it stands."""

    def __init__(self, command: Run, settings: Settings, text: str) -> None:
        self._command = command
        self._settings = settings
        self._text = text
        self._attendant: Attendant | None = None
        self._supervisor: Supervisor | None = None
        self._failure: BaseException | None = None
        self._interrupts = 0

    async def run(self) -> int:
        """Do the work; raises what kept it from being done."""
        code = Exit.FAILED
        async with anyio.create_task_group() as tasks:
            with anyio.open_signal_receiver(*_ending_signals()) as signals, CancelScope() as scope:
                tasks.start_soon(self._watch, signals, scope, tasks)
                # A failure is carried out by hand, since task groups would wrap it.
                async with open_supervisor(self._settings) as supervisor:
                    self._supervisor = supervisor
                    try:
                        code = await self._turn(supervisor)
                    except (AutopilotError, OSError) as error:
                        self._failure = error
            tasks.cancel_scope.cancel()
        if self._interrupts:
            return Exit.INTERRUPTED
        if self._failure is not None:
            raise self._failure
        return code

    async def _turn(self, supervisor: Supervisor) -> Exit:
        command = self._command
        session = find_session(supervisor.store, command.session) if command.session else None
        request = StartTurn(
            text=self._text,
            session_id=session,
            cwd=_folder(command),
            mode=Mode(command.mode) if command.mode else None,
            model=command.model,
            effort=command.effort,
        )
        mouth = _mouth(command, self._settings)
        attendant = self._attendant = Attendant(supervisor, mouth, session)
        attached = supervisor.attach(attendant.view)
        unreviewed = ""
        failure: AutopilotError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(attendant.attend, tasks.cancel_scope)
            try:
                started = await supervisor.start_turn(request, BY)
                await supervisor.wait_turn_ended(started.session_id)
                attendant.look()
                unreviewed = await _unreviewed(supervisor, started.session_id)
                await supervisor.close_session(started.session_id)
            except AutopilotError as error:
                failure = error
            attached.detach()
            attendant.no_more()
        if attendant.broken is not None:
            raise attendant.broken
        if failure is not None and attendant.was_told(failure):
            return exit_for(failure)
        if failure is not None:
            raise failure
        await attendant.close()
        if unreviewed and not command.json:
            print(unreviewed)
        return exit_for_turn(attendant.last_turn(), declined=attendant.declined > 0)

    async def _watch(
        self, signals: AsyncIterator[signal.Signals], scope: CancelScope, tasks: TaskGroup
    ) -> None:
        async for received in signals:
            self._interrupts += 1
            session = self._attendant.view.session_id if self._attendant else None
            if self._interrupts > _AT_ONCE:
                os._exit(Exit.INTERRUPTED)
            if received is not signal.SIGINT or self._interrupts > 1 or session is None:
                scope.cancel()
            else:
                tasks.start_soon(self._interrupt, session, scope)

    async def _interrupt(self, session: str, scope: CancelScope) -> None:
        if self._attendant is None or self._supervisor is None:
            return
        self._attendant.stop_asking("Stopping the turn. Ctrl-C again ends the program.")
        try:
            await self._supervisor.interrupt(session, BY)
        except AutopilotError as error:
            print(f"autopilot-ls: {visible(str(error))}", file=sys.stderr)
            scope.cancel()


async def _unreviewed(supervisor: Supervisor, session_id: str) -> str:
    """Return what is left to be reviewed after a turn in which not everything was asked; else empty."""
    snapshot = supervisor.snapshot(session_id)
    if not supervisor.review.is_on or snapshot.mode not in (Mode.AUTO, Mode.ESCALATE):
        return ""
    try:
        with anyio.fail_after(REVIEW_LIMIT):
            found = await supervisor.review.items(Path(snapshot.cwd), fresh=True)
    except (AutopilotError, TimeoutError):
        return ""  # Why was told when the turn began.
    changes = [shown(item) for item in found.items]
    return f"{total(changes)}: autopilot-ls changes list" if changes else ""


def _ending_signals() -> Iterator[signal.Signals]:
    yield from (signal.SIGINT, signal.SIGTERM)
    if sys.platform != "win32":
        yield signal.SIGHUP
