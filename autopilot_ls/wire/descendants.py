"""Who descends from an agent: found by walking /proc, signalled and reaped without mistakes.

A process that calls setsid leaves the agent's process group, and one whose parent ended is
re-parented. With PR_SET_CHILD_SUBREAPER (Linux) such orphans become children of ours, so that they
can be found, attributed to the right agent and ended. Elsewhere nothing is found and the process
group is all there is. Not aware of pipes or of asyncio; `process` stands above.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MARKER: Final = "AUTOPILOT_AGENT"
"""Environment variable whose value names the agent a process descends from."""

_PR_SET_CHILD_SUBREAPER: Final = 36
_MAX_ENVIRONMENT: Final = 4 * 1024 * 1024
_DEAD_STATES: Final = frozenset({"Z", "X", "x"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One process as /proc showed it.

    Attributes:
        started: Clock ticks after boot; together with the pid it identifies a process for ever.
    """

    pid: int
    state: str
    parent: int
    group: int
    session: int
    started: int

    @property
    def alive(self) -> bool:
        """False for a zombie, which only waits to be reaped."""
        return self.state not in _DEAD_STATES


Table = dict[int, Seen]
"""All processes of one look at /proc, by pid."""


def become_subreaper() -> bool:
    """Have orphaned descendants re-parented to this process; False where the system cannot."""
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except (OSError, AttributeError):
        return False


def look(pid: int) -> Seen | None:
    """Return the process as it is now; None when it is gone or cannot be seen."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The command name may hold spaces, brackets and newlines; nothing after its last bracket does.
    fields = text[text.rfind(b")") + 2 :].split()
    try:
        return Seen(
            pid=pid,
            state=fields[0].decode("ascii"),
            parent=int(fields[1]),
            group=int(fields[2]),
            session=int(fields[3]),
            started=int(fields[19]),
        )
    except (IndexError, ValueError):
        return None


def scan() -> Table:
    """Return all processes that can be seen; empty where there is no /proc."""
    if sys.platform != "linux":
        return {}
    try:
        names = [path.name for path in Path("/proc").iterdir()]
    except OSError:
        return {}
    seen = (look(int(name)) for name in names if name.isdecimal())
    return {process.pid: process for process in seen if process is not None}


def _descendants(table: Table, root: int) -> Table:
    children: dict[int, list[Seen]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    found: Table = {}
    waiting = [root]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child.pid not in found:
                found[child.pid] = child
                waiting.append(child.pid)
    return found


def _carries(pid: int, entry: bytes) -> bool:
    try:
        with Path(f"/proc/{pid}/environ").open("rb") as file:
            return entry in file.read(_MAX_ENVIRONMENT).split(b"\0")
    except OSError:
        return False


def send(process: Seen, number: signal.Signals) -> bool:
    """Signal exactly this process, never a later one that got its pid; True if it was sent."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    except OSError:
        # Kernels before 5.3 and some sandboxes have no such handles: the look comes last instead.
        handle = None
    try:
        now = look(process.pid)
        if now is None or now.started != process.started:
            return False
        if handle is None:
            os.kill(process.pid, number)
        else:
            signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    else:
        return True
    finally:
        if handle is not None:
            os.close(handle)


class Family:
    """The descendants of one agent, remembered over several looks.

    A process belongs to the family if it descends from us, and: it was a member before, or its
    parent is one, or its session is the session of one, or it was re-parented to us and carries the
    agent's marker in its environment. Members of other agents in the same server are thus kept
    apart, and processes of our own that are nobody's are never touched.
    """

    def __init__(self, leader: int, marker: str) -> None:
        """Start with the leader alone.

        Args:
            leader: The agent's pid, also the id of its group and session.
            marker: The value of `MARKER` in its environment.
        """
        self._leader = leader
        self._marker = f"{MARKER}={marker}".encode()
        self._known: dict[int, int] = {}

    def refresh(self, table: Table) -> list[Seen]:
        """Learn from a new look; return the members that are there, without the leader."""
        ours = os.getpid()
        candidates = _descendants(table, ours)
        candidates.pop(self._leader, None)
        members = {
            process.pid: process
            for process in candidates.values()
            if self._known.get(process.pid) == process.started
            or (process.parent == ours and process.alive and _carries(process.pid, self._marker))
        }
        # A session id stays taken while the session has members, and the leader is kept unreaped,
        # so a session of a member that is there now cannot be somebody else's.
        parents = {self._leader, *members}
        sessions = {self._leader, *(process.session for process in members.values())}
        sessions.discard(os.getsid(0))
        while True:
            more = [
                process
                for process in candidates.values()
                if process.pid not in members
                and (process.parent in parents or process.session in sessions)
            ]
            if not more:
                break
            for process in more:
                members[process.pid] = process
                parents.add(process.pid)
                sessions.add(process.session)
        self._known = {process.pid: process.started for process in members.values()}
        return list(members.values())

    def reap(self, table: Table) -> None:
        """Reap dead descendants that were re-parented to us.

        A child that this process forked itself is in our session or leads its own, for a session
        can only be inherited or founded. Any other dead child was re-parented, hence nobody but us
        waits for it. Members of the family were forked by the agent. So neither asyncio's nor
        anyone's children are taken from them.
        """
        ours, session = os.getpid(), os.getsid(0)
        for process in table.values():
            if process.parent != ours or process.alive or process.pid == self._leader:
                continue
            adopted = process.session not in {session, process.pid}
            if (adopted or self._known.get(process.pid) == process.started) and look(
                process.pid
            ) == process:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process.pid, os.WNOHANG)


def living_descendants(root: int) -> frozenset[tuple[int, int]]:
    """Return what descends from a process and is alive, each by its pid and its start.

    Nothing where there is no /proc.
    """
    found = _descendants(scan(), root).values()
    return frozenset((each.pid, each.started) for each in found if each.alive)
