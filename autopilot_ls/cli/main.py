"""The command line's entry: runs one command and turns every failure into a message and an exit code.

Not aware of what commands do; each has a module of its own, imported when it is asked for. `__main__`
stands above, `parser` and the commands below.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from autopilot_ls.cli.commands import (
    Backtest,
    CheckPolicy,
    Command,
    Daemon,
    DeleteSessions,
    Demo,
    Doctor,
    Exit,
    ForgetRules,
    KeepChanges,
    LintPolicy,
    ListChanges,
    ListRules,
    ListSessions,
    Login,
    Logout,
    PruneSessions,
    RedoChanges,
    Run,
    Schema,
    ShowHud,
    ShowPolicy,
    ShowSession,
    TailSession,
    TrustPolicy,
    UndoChanges,
    UndoTurn,
)
from autopilot_ls.cli.exits import exit_for
from autopilot_ls.cli.parser import parse
from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.model.text import visible


def run_command(arguments: Sequence[str]) -> int:
    """Run the command that the arguments ask for.

    Returns:
        The exit code; what it means stands in `Exit`. A message on standard error says what went
        wrong and what to do.
    """
    _accept_every_character()
    command = parse(arguments)
    try:
        return int(_dispatch(command))
    except AutopilotError as error:
        print(f"autopilot-ls: {visible(str(error))}", file=sys.stderr)
        return int(exit_for(error))
    except KeyboardInterrupt:
        return int(Exit.INTERRUPTED)
    except BrokenPipeError:
        # The reader went away, as `head` does. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return int(Exit.FAILED)
    except OSError as error:
        said = f"{error.filename}: {error.strerror}." if error.filename else str(error)
        print(f"autopilot-ls: {visible(said)}", file=sys.stderr)
        return int(Exit.FAILED)


def _accept_every_character() -> None:
    """Keep a terminal with a small character set from ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _dispatch(command: Command) -> int:  # noqa: PLR0911 reason: one for each command
    match command:
        case Run():
            from autopilot_ls.cli.run import run_task

            return run_task(command)
        case ShowHud():
            from autopilot_ls.cli.hud import run_hud

            return run_hud(command)
        case Doctor():
            from autopilot_ls.cli.doctor import run_doctor

            return run_doctor(command)
        case Login() | Logout():
            from autopilot_ls.cli.account import run_account

            return run_account(command)
        case Daemon():
            from autopilot_ls.cli.daemon import run_daemon

            return run_daemon(command)
        case Schema():
            from autopilot_ls.cli.schema import run_schema

            return run_schema(command)
        case Demo():
            from autopilot_ls.cli.demo import run_demo

            return run_demo(command)
        case ListSessions() | ShowSession() | TailSession() | DeleteSessions() | PruneSessions():
            from autopilot_ls.cli.sessions import run_sessions

            return run_sessions(command)
        case ListChanges() | KeepChanges() | UndoChanges() | UndoTurn() | RedoChanges():
            from autopilot_ls.cli.changes import run_changes

            return run_changes(command)
        case (
            ShowPolicy()
            | CheckPolicy()
            | LintPolicy()
            | TrustPolicy()
            | ListRules()
            | ForgetRules()
        ):
            from autopilot_ls.cli.policy import run_policy

            return run_policy(command)
        case Backtest():
            from autopilot_ls.cli.backtesting import run_backtest

            return run_backtest(command)
