"""Asking shared processes how they are, and having them end.

Not aware of how the answers are shown. `cli.daemon` stands above; `starting`, `forwarder` and `greeting`
below.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, cast

from autopilot_ls import __version__
from autopilot_ls.shared import greeting
from autopilot_ls.shared.forwarder import ask
from autopilot_ls.shared.places import FOLDER, NotShared, open_folder, state_folder
from autopilot_ls.shared.starting import connect

Purpose = Literal["status", "release", "stop"]

ANSWER_LIMIT: Final = 20.0
"""Seconds a process has to answer; to release what is idle, it ends agents first."""

END_LIMIT: Final = 40.0
"""Seconds it has to end: agents are ended in order, and the baselines are kept."""


@dataclass(frozen=True, slots=True)
class SharedSession:
    """A session that is open in a shared process.

    Attributes:
        waiting: How many of its approvals wait.
        files: In how many files something of it is to be reviewed.
        hunks: How many changes of it are to be reviewed.
    """

    id: str
    cwd: str
    title: str
    running: bool
    waiting: int
    files: int = 0
    hunks: int = 0


@dataclass(frozen=True, slots=True)
class SharedProcess:
    """A shared process as it says of itself.

    Attributes:
        started: Epoch seconds.
        retired: Whether it takes no more editors, and ends with the last one.
        editors: Who is connected.
        ended: Whether it has ended since, because it was asked to.
    """

    name: str
    pid: int
    version: str
    started: float
    retired: bool
    editors: tuple[str, ...]
    sessions: tuple[SharedSession, ...]
    ended: bool = False


def ask_all(
    environ: Mapping[str, str], purpose: Purpose = "status", *, limit: float = ANSWER_LIMIT
) -> list[SharedProcess]:
    """Return the shared processes there are for this state folder; dead ones are left out.

    Args:
        environ: Tells where the state folder is.
        purpose: `status` to know how they are; `release` to have each give up the sessions and reviews that
            nobody uses; `stop` to have each end, and wait for it.
        limit: Seconds that each has to answer.

    Raises:
        NotShared: The folder is not as it should be, or a process does not answer.
    """
    state = state_folder(environ)
    if not (state / FOLDER).exists():
        return []
    folder = open_folder(state, make=False)
    try:
        listed = os.listdir(folder)  # noqa: PTH208 reason: of the open folder, not of a path
        names = sorted(name for name in listed if name.endswith(".sock"))
        found = [_ask(folder, name, purpose, limit) for name in names]
    finally:
        os.close(folder)
    return [one for one in found if one is not None]


def _ask(folder: int, name: str, purpose: Purpose, limit: float) -> SharedProcess | None:
    connection = connect(folder, name)
    if connection is None:
        return None
    with connection:
        hello = greeting.hello(purpose, __version__)
        answer = ask(connection, greeting.line(hello), limit)
        if answer is None:
            return None
        if answer.get("answer") != greeting.WELCOME:
            raise NotShared(f"the process of {name} does not answer: {answer.get('message')}")
        return _process(name, answer, ended=purpose == "stop" and _has_ended(connection))


def _has_ended(connection: socket.socket) -> bool:
    """Wait until the process is gone, which closes the connection."""
    connection.settimeout(END_LIMIT)
    with suppress(TimeoutError):
        try:
            return not connection.recv(1)
        except ConnectionError:
            return True
    return False


def _process(name: str, answer: Mapping[str, object], *, ended: bool) -> SharedProcess:
    sessions = cast("list[dict[str, object]]", answer.get("sessions") or [])
    unreviewed = [cast("dict[str, object]", each.get("unreviewed") or {}) for each in sessions]
    pid, started = answer.get("pid"), answer.get("started")
    return SharedProcess(
        name=name.removesuffix(".sock"),
        pid=_number(pid),
        version=str(answer.get("version", "?")),
        started=started if isinstance(started, float) else 0.0,
        retired=answer.get("retired") is True,
        editors=tuple(map(str, cast("list[object]", answer.get("editors") or []))),
        sessions=tuple(
            SharedSession(
                id=str(session.get("id")),
                cwd=str(session.get("cwd")),
                title=str(session.get("title")),
                running=session.get("running") is True,
                waiting=_number(session.get("waiting")),
                files=_number(changed.get("files")),
                hunks=_number(changed.get("hunks")),
            )
            for session, changed in zip(sessions, unreviewed, strict=True)
        ),
        ended=ended,
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def release_idle(environ: Mapping[str, str]) -> None:
    """Have the shared processes give up what nobody uses, so that this process can have it.

    Whatever cannot be had all the same says so itself.
    """
    with suppress(NotShared, OSError):
        ask_all(environ, "release")
