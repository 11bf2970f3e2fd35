"""What can be asked for on the command line, as values, and the exit codes.

Not aware of how it is written (`parser`) nor of how it is done (one module for each command).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Literal


class Exit(IntEnum):
    """What the exit code tells; the same for every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    AGENT = 3
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Run:
    """Work on a task in the terminal; fields as in `supervisor.requests.StartTurn`.

    Attributes:
        session: Id, its beginning, or `last`; None for a new session.
        json: Whether events go to standard output as JSON, and nobody is asked.
    """

    text: str
    cwd: str | None = None
    mode: str | None = None
    model: str | None = None
    effort: str | None = None
    session: str | None = None
    json: bool = False


@dataclass(frozen=True, slots=True)
class ShowHud:
    """Show the open sessions of all processes at a glance.

    Attributes:
        session: Id, its beginning, or `last`: only this one, open or not.
        once: Whether to show them once and end.
        json: Whether they go to standard output as JSON.
    """

    session: str | None = None
    once: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True)
class Login:
    """Log the agent in, by its own program.

    Attributes:
        device_auth: Whether by a code that is typed in on another device.
        with_api_key: Whether by a key on standard input.
    """

    device_auth: bool = False
    with_api_key: bool = False


@dataclass(frozen=True, slots=True)
class Logout:
    """Log the agent out, by its own program."""


@dataclass(frozen=True, slots=True)
class ListSessions:
    """List the recorded sessions, without those that were put away, or those only."""

    json: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True)
class ShowSession:
    """Print the transcript of a session, or its events as JSON."""

    session: str
    json: bool = False


@dataclass(frozen=True, slots=True)
class TailSession:
    """Print the last lines of what happened in a session, and what still happens."""

    session: str
    lines: int = 20
    follow: bool = False


@dataclass(frozen=True, slots=True)
class DeleteSessions:
    """Delete the records of sessions."""

    sessions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PruneSessions:
    """Delete the records that the settings' limits on age and size no longer allow."""


@dataclass(frozen=True, slots=True)
class ListChanges:
    """List what agents changed in the current folder without asking, and nobody has reviewed."""

    json: bool = False


@dataclass(frozen=True, slots=True)
class KeepChanges:
    """Take changes as reviewed.

    Attributes:
        names: Ids of changes, files or folders.
        turn: A turn's number or name; all changes that it has a part in.
        everything: Whether all are meant.
    """

    names: tuple[str, ...] = ()
    turn: str = ""
    everything: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True)
class UndoChanges:
    """Take changes back; fields as in `KeepChanges`."""

    names: tuple[str, ...] = ()
    turn: str = ""
    everything: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True)
class UndoTurn:
    """Take back all that a turn, and every later one of its session, has changed.

    Attributes:
        turn: Its number or name; the last one when empty.
    """

    turn: str = ""
    json: bool = False


@dataclass(frozen=True, slots=True)
class RedoChanges:
    """Do again what was taken back.

    Attributes:
        undo_id: What is meant; the last undo when empty.
    """

    undo_id: str = ""
    json: bool = False


@dataclass(frozen=True, slots=True)
class Doctor:
    """Say what is installed, what is wrong, and what to do."""

    json: bool = False


@dataclass(frozen=True, slots=True)
class ShowPolicy:
    """Print the built-in rules, then the files that add to them."""


@dataclass(frozen=True, slots=True)
class CheckPolicy:
    """Say what the policy says to a command line.

    Attributes:
        command: The command line as an agent would give it.
        mode: The mode to judge in; the configured one when None.
        cwd: The session's folder; the current one when None.
        parts: Whether each part is told about.
    """

    command: str
    mode: str | None = None
    cwd: Path | None = None
    json: bool = False
    parts: bool = False


@dataclass(frozen=True, slots=True)
class LintPolicy:
    """Say what is wrong with policy files, and what is probably not meant.

    Attributes:
        file: The one file to look at; those in force in the current folder when None.
    """

    file: Path | None = None


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """Trust a workspace's policy as it is now.

    Attributes:
        folder: The workspace; the current folder when None.
        remove: Whether trust is taken back instead.
    """

    folder: Path | None = None
    remove: bool = False


@dataclass(frozen=True, slots=True)
class ListRules:
    """List the remembered rules."""

    json: bool = False


@dataclass(frozen=True, slots=True)
class ForgetRules:
    """Forget remembered rules by their names, all of them or none."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Backtest:
    """Judge recorded approvals again.

    Attributes:
        sessions: Ids, their beginnings, or `last`; all when empty.
        policy: A file to judge by in place of the user's own.
    """

    sessions: tuple[str, ...] = ()
    policy: Path | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """Generate the files in `schemas/`, or check them.

    Attributes:
        out: The folder; `schemas` in the current folder when None.
    """

    check: bool = False
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class Demo:
    """Show the main job.

    Attributes:
        interactive: Whether the person decides.
        keep: Whether the throw-away repository stays.
    """

    interactive: bool = False
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Daemon:
    """Be the shared process, or have to do with those that run.

    Attributes:
        action: `serve`, `status` or `stop`.
    """

    action: Literal["serve", "status", "stop"] = "serve"
    json: bool = False


Command = (
    Run
    | Daemon
    | ShowHud
    | ListSessions
    | ShowSession
    | TailSession
    | DeleteSessions
    | PruneSessions
    | ListChanges
    | KeepChanges
    | UndoChanges
    | UndoTurn
    | RedoChanges
    | ShowPolicy
    | CheckPolicy
    | LintPolicy
    | TrustPolicy
    | ListRules
    | ForgetRules
    | Backtest
    | Doctor
    | Login
    | Logout
    | Schema
    | Demo
)
