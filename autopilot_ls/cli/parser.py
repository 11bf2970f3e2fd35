"""The words of the command line: from arguments to a `Command`.

Only argparse; not aware of what the commands do. `main` stands above, `commands` and `texts` below.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias, cast

from autopilot_ls import __version__
from autopilot_ls.cli import texts
from autopilot_ls.cli.commands import (
    Backtest,
    CheckPolicy,
    Command,
    Daemon,
    DeleteSessions,
    Demo,
    Doctor,
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

MODES: Final = ("read-only", "propose", "auto", "escalate")
"""The modes that can be asked for; a test holds them against the settings."""

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    _Commands: TypeAlias = "_SubParsersAction[_Parser]"


def parse(arguments: Sequence[str]) -> Command:
    """Return the command that the arguments ask for.

    Raises:
        SystemExit: With 2 and a message on wrong usage, with 0 after `--help` and `--version`.
    """
    found, unknown = _parser().parse_known_args(list(arguments))
    # The innermost command says what is wrong, since its own help tells what it takes.
    spoken = cast("_Parser", found.spoken)
    if unknown:
        spoken.error(f"unknown option or argument: {' '.join(unknown)}{spoken.hint}")
    if "make" not in found:
        spoken.error("a command is missing")
    values = {
        key: value
        for key, value in vars(found).items()
        if key not in {"stdio", "remote", "make", "spoken"}
    }
    return cast("Command", found.make(**values))


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, with where to read on, and not the whole usage."""

    hint = ""
    """What may help where an option is unknown, behind the sentence that says so."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}. See: {self.prog} --help\n")


def _parser() -> _Parser:
    parser = _Parser(
        "autopilot-ls",
        description=texts.ABOUT,
        epilog=f"{texts.MAIN_EXAMPLES}\n{texts.EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # Abbreviated options would change their meaning when a new option comes.
        allow_abbrev=False,
    )
    parser.set_defaults(spoken=parser)
    parser.add_argument("--version", action="version", version=f"autopilot-ls {__version__}")
    parser.add_argument("--stdio", action="store_true", help="be the language server")
    parser.add_argument(
        "--remote", choices=["auto"], help="be it by way of the process that all editors share"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_run(commands)
    hud = _new(commands, "hud", "see what all open sessions do", texts.HUD)
    hud.add_argument("session", nargs="?", metavar="SESSION", help="only this one, open or not")
    hud.add_argument("--once", action="store_true", help="show them once, and end")
    hud.add_argument("--json", action="store_true", help="print JSON")
    hud.set_defaults(make=ShowHud)
    _add_changes(commands)
    _add_sessions(commands)
    _add_policy(commands)
    doctor = _new(commands, "doctor", "what is installed, what is wrong, what to do", texts.DOCTOR)
    doctor.add_argument("--json", action="store_true", help="print JSON")
    doctor.set_defaults(make=Doctor)
    _add_account(commands)
    _add_daemon(commands)
    schema = _new(commands, "schema", "generate the JSON Schemas, or check them", texts.SCHEMA)
    schema.add_argument("--check", action="store_true", help="write nothing; say what differs")
    schema.add_argument("--out", type=Path, metavar="DIR", help="the folder (default: ./schemas)")
    schema.set_defaults(make=Schema)
    demo = _new(commands, "demo", "see it work, without a login or network", texts.DEMO)
    demo.add_argument("--interactive", action="store_true", help="decide on each request yourself")
    demo.add_argument("--keep", action="store_true", help="keep the throw-away repository")
    demo.set_defaults(make=Demo)
    return parser


def _new(commands: _Commands, name: str, summary: str, epilog: str, about: str = "") -> _Parser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=about or f"{summary[0].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(spoken=parser)
    return parser


def _add_run(commands: _Commands) -> None:
    run = _new(
        commands,
        "run",
        "work on a task in this terminal",
        f"{texts.RUN_EXAMPLES}\n{texts.EXIT_CODES}",
        texts.RUN_ABOUT,
    )
    run.add_argument(
        "text", nargs="+", metavar="TEXT", help="what the agent should do; - reads standard input"
    )
    run.add_argument(
        "--cwd", type=_given, metavar="DIR", help="the folder to work in (default: this one)"
    )
    run.add_argument("--mode", choices=MODES, help="how much the agent may do")
    run.add_argument("--model", type=_given, help="the model, by the agent's own name")
    run.add_argument("--effort", type=_given, help="the reasoning effort, by the agent's own name")
    run.add_argument(
        "--session", type=_given, metavar="ID", help="go on with this session; `last` is the newest"
    )
    run.add_argument(
        "--json", action="store_true", help="print events as JSON, one a line; nobody is asked"
    )
    run.set_defaults(make=_make_run)


def _make_run(*, text: list[str], **options: str | bool | None) -> Run:
    return Run(text=" ".join(text), **options)  # pyright: ignore[reportArgumentType]


def _add_changes(commands: _Commands) -> None:
    changes = _new(
        commands, "changes", "what was changed without asking; keep or undo it", texts.CHANGES
    )
    actions = changes.add_subparsers(title="commands", metavar="COMMAND")
    listed = _new(actions, "list", "list what nobody has reviewed yet", texts.CHANGES)
    listed.set_defaults(make=ListChanges)
    keep = _new(actions, "keep", "take changes as reviewed", texts.CHANGES)
    keep.set_defaults(make=partial(_make_chosen, KeepChanges))
    undo = _new(actions, "undo", "take changes back", texts.CHANGES)
    undo.set_defaults(make=partial(_make_chosen, UndoChanges))
    for chosen in (keep, undo):
        chosen.add_argument(
            "names", nargs="*", metavar="NAME", help="ids of changes, files, or folders"
        )
        chosen.add_argument("--turn", default="", metavar="N", help="all that is of this turn")
        chosen.add_argument("--all", action="store_true", help="all there are")
    turn = _new(actions, "undo-turn", "take back a turn, and every turn since", texts.CHANGES)
    turn.add_argument("turn", nargs="?", default="", metavar="N", help="default: the last turn")
    turn.set_defaults(make=UndoTurn)
    redo = _new(actions, "redo", "undo an undo", texts.CHANGES)
    redo.add_argument("undo_id", nargs="?", default="", metavar="ID", help="default: the last undo")
    redo.set_defaults(make=RedoChanges)
    for action in (listed, keep, undo, turn, redo):
        action.add_argument("--json", action="store_true", help="print JSON")


def _make_chosen(
    kind: type[KeepChanges | UndoChanges],
    *,
    names: list[str],
    turn: str,
    all: bool,
    json: bool,
) -> KeepChanges | UndoChanges:
    return kind(tuple(names), turn=turn, everything=all, json=json)


def _add_sessions(commands: _Commands) -> None:
    sessions = _new(commands, "sessions", "look at what was recorded", texts.SESSIONS)
    actions = sessions.add_subparsers(title="commands", metavar="COMMAND")
    listed = _new(actions, "list", "list the sessions, the one used last first", texts.SESSIONS)
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.add_argument("--archived", action="store_true", help="those that were put away")
    listed.set_defaults(make=ListSessions)
    show = _new(actions, "show", "print a transcript as markdown", texts.SESSIONS)
    show.add_argument("session", metavar="ID")
    show.add_argument("--json", action="store_true", help="print its events as JSON, one a line")
    show.set_defaults(make=ShowSession)
    tail = _new(actions, "tail", "print the end of what happened", texts.SESSIONS)
    tail.add_argument("session", metavar="ID")
    tail.add_argument("-n", "--lines", type=_count, default=20, metavar="N", help="how many lines")
    tail.add_argument("-f", "--follow", action="store_true", help="go on as more happens")
    tail.set_defaults(make=TailSession)
    delete = _new(actions, "delete", "delete sessions for good", texts.SESSIONS)
    delete.add_argument("sessions", nargs="+", metavar="ID")
    delete.set_defaults(make=_make_delete)
    prune = _new(actions, "prune", "delete what the limits on age and size forbid", texts.SESSIONS)
    prune.set_defaults(make=PruneSessions)


def _make_delete(*, sessions: list[str]) -> DeleteSessions:
    return DeleteSessions(tuple(sessions))


def _add_account(commands: _Commands) -> None:
    login = _new(
        commands, "login", "log the agent in, by its own program", texts.LOGIN, texts.LOGIN_ABOUT
    )
    ways = login.add_mutually_exclusive_group()
    ways.add_argument(
        "--device-auth", action="store_true", help="by a code that you type in on another device"
    )
    ways.add_argument(
        "--with-api-key", action="store_true", help="by an API key, read from standard input"
    )
    login.set_defaults(make=Login)
    _new(commands, "logout", "log the agent out, by its own program", "").set_defaults(make=Logout)


def _add_daemon(commands: _Commands) -> None:
    daemon = _new(
        commands, "daemon", "the process that editors share", texts.DAEMON, texts.DAEMON_ABOUT
    )
    actions = daemon.add_mutually_exclusive_group()
    for action, text in (("status", "say what runs, and what it does"), ("stop", "end what runs")):
        actions.add_argument(
            f"--{action}", dest="action", action="store_const", const=action, help=text
        )
    daemon.add_argument("--json", action="store_true", help="print JSON")
    daemon.set_defaults(make=Daemon, action="serve")


def _add_policy(commands: _Commands) -> None:
    policy = _new(commands, "policy", "the rules that decide what an agent may do", texts.POLICY)
    actions = policy.add_subparsers(title="commands", metavar="COMMAND")
    show = _new(actions, "show", "print the built-in rules, then your own", texts.POLICY)
    show.set_defaults(make=ShowPolicy)
    _add_check(actions, "check", "what the policy says to a command line", parts=False)
    _add_check(actions, "explain", "what each part of a command line gets, and why", parts=True)
    lint = _new(actions, "lint", "what is wrong with a policy, or probably not meant", texts.POLICY)
    lint.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="one file (default: those in force here)"
    )
    lint.set_defaults(make=LintPolicy)
    trust = _new(actions, "trust", "let a workspace's own policy allow things too", texts.POLICY)
    trust.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR", help="the workspace (default: this folder)"
    )
    trust.add_argument("--remove", action="store_true", help="no longer trust it")
    trust.set_defaults(make=TrustPolicy)
    listed = _new(actions, "list", "list what you always allow", texts.POLICY)
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(make=ListRules)
    forget = _new(actions, "forget", "no longer allow what was remembered", texts.POLICY)
    forget.add_argument("names", nargs="+", metavar="NAME", help="as `policy list` shows it")
    forget.set_defaults(make=_make_forget)
    backtest = _new(
        actions, "backtest", "judge recorded approvals again; what changes?", texts.POLICY
    )
    backtest.add_argument("sessions", nargs="*", metavar="SESSION", help="default: all sessions")
    backtest.add_argument("--policy", type=Path, metavar="FILE", help="in place of your own policy")
    backtest.set_defaults(make=_make_backtest)


def _make_forget(*, names: list[str]) -> ForgetRules:
    return ForgetRules(tuple(names))


def _add_check(actions: _Commands, name: str, summary: str, *, parts: bool) -> None:
    check = _new(actions, name, summary, texts.POLICY)
    check.add_argument("--mode", choices=MODES, help="the mode to judge in (default: yours)")
    check.add_argument(
        "--cwd", type=Path, metavar="DIR", help="the session's folder (default: this one)"
    )
    check.add_argument("--json", action="store_true", help="print JSON")
    check.add_argument("command", nargs="+", metavar="CMD", help="the command line, after --")
    check.hint = "; write -- before a command line with options of its own"
    check.set_defaults(make=partial(_make_check, parts=parts))


def _make_check(
    *, command: list[str], mode: str | None, cwd: Path | None, json: bool, parts: bool
) -> CheckPolicy:
    line = command[0] if len(command) == 1 else shlex.join(command)
    return CheckPolicy(line, mode=mode, cwd=cwd, json=json, parts=parts)


def _make_backtest(*, sessions: list[str], policy: Path | None) -> Backtest:
    return Backtest(tuple(sessions), policy)


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if not 0 <= number <= 1_000_000:  # noqa: PLR2004 - said in the message.
        raise argparse.ArgumentTypeError("must be between 0 and 1000000")
    return number


def _given(text: str) -> str:
    # An unset variable of a script must not begin another session, nor mean another folder.
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; give a value, or leave the option out")
    return text
