"""Codex's threads that the session has to do with: the main one, and those of its sub-agents.

Bounded. Also answers, from Codex's own stored thread, whether a call asked to leave the sandbox, which
an approval does not say. Not aware of notifications; `mapping`, `desk` and `runtime` stand above.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from autopilot_ls.runtimes.codex.fields import Table, as_table, table, text

MAX_THREADS: Final = 500
MAX_COMMANDS: Final = 10_000
_TAIL: Final = 512 * 1024
_IN_SANDBOX: Final = (None, "use_default", "with_additional_permissions")


@dataclass(slots=True)
class KnownThread:
    """A thread.

    Attributes:
        cwd: Absolute folder that it works in; empty when unknown.
        rollout: The file that Codex stores it in; empty when unknown.
        turn_id: The turn that runs in it.
        last_turn_id: The turn that ended last in it.
        commands: The commands that its present or last turn has begun, by their items' ids.
    """

    cwd: str = ""
    rollout: str = ""
    turn_id: str | None = None
    last_turn_id: str | None = None
    commands: set[str] = field(default_factory=set[str])

    def begin_turn(self, turn: str | None) -> None:
        """Note that a turn begins."""
        self.turn_id = turn
        self.commands.clear()

    def begin_command(self, item_id: str) -> None:
        """Note that the turn has begun a command."""
        if len(self.commands) < MAX_COMMANDS:
            self.commands.add(item_id)


class Threads:
    """The threads by id."""

    def __init__(self, cwd: str) -> None:
        """Create the registry.

        Args:
            cwd: The session's folder, for threads that nothing else is known of.
        """
        self.main_id: str | None = None
        self.reviewing: str | None = None
        """The thread in which Codex's reviewer is at work, held by a sandbox that can only read."""
        self._cwd = cwd
        self._known: OrderedDict[str, KnownThread] = OrderedDict()

    def __contains__(self, thread: object) -> bool:
        return thread in self._known

    def __getitem__(self, thread: str) -> KnownThread:
        """Return the thread, noted as known from now on."""
        found = self._known.get(thread)
        if found is None:
            found = self._known[thread] = KnownThread()
            if len(self._known) > MAX_THREADS:
                oldest = next(each for each in self._known if each != self.main_id)
                del self._known[oldest]
        return found

    def at_work(self) -> list[tuple[str, str]]:
        """Return the threads in which a turn runs, each with its turn, the main one first."""
        found = [(name, known.turn_id) for name, known in self._known.items() if known.turn_id]
        return sorted(found, key=lambda pair: pair[0] != self.main_id)

    def note(self, thread: str) -> None:
        """Make the thread known."""
        self[thread]

    def is_main(self, thread: str) -> bool:
        """Tell whether this is the thread the person talks to."""
        return thread == self.main_id

    def folder_of(self, thread: str) -> str:
        """Return the absolute folder that the thread works in."""
        found = self._known.get(thread)
        return (found.cwd if found else "") or self._cwd

    def learn(self, native: Table, cwd: str = "") -> KnownThread:
        """Take what Codex says of a thread.

        Args:
            native: A `Thread` of Codex.
            cwd: The folder that the reply named beside it.
        """
        known = self[text(native, "id")]
        known.cwd = cwd or text(native, "cwd") or known.cwd
        known.rollout = text(native, "path") or known.rollout
        return known

    def _rollout_of(self, thread: str) -> str:
        """Return the file a thread is stored in; Codex does not say it of its sub-agents' threads."""
        known = self._known.get(thread)
        main = self._known.get(self.main_id or "")
        if known is None or known.rollout or main is None or not main.rollout:
            return known.rollout if known else ""
        if not _ID.fullmatch(thread):
            return ""
        beside = Path(main.rollout).parent
        today = beside.parents[2] / time.strftime("%Y/%m/%d")
        for folder in (beside, today):
            for found in folder.glob(f"rollout-*-{thread}.jsonl"):
                known.rollout = str(found)
                return known.rollout
        return ""

    def leaves_sandbox(self, thread: str, call_id: str) -> bool | None:
        """Tell whether the model asked to run this call outside the sandbox.

        Codex's request for approval has no word of it, but it writes the model's call down before it
        asks (seen with 0.155 and 0.163).

        Returns:
            None when it cannot be told, which must be taken for yes.
        """
        path = self._rollout_of(thread)
        if not path or not call_id:
            return None
        try:
            lines = _tail(path).splitlines()
        except OSError:
            return None
        needle = json.dumps(call_id).encode()
        answers = [
            answer
            for answer in (_line_leaves(line, call_id) for line in lines if needle in line)
            if answer is not None
        ]
        return any(answers) if answers else None


_ID: Final = re.compile(r"[0-9a-fA-F-]{36}")


def _tail(path: str) -> bytes:
    """Return the end of a file; never waits, since a pipe could stand in its place."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return b""
        os.lseek(handle, max(0, status.st_size - _TAIL), os.SEEK_SET)
        return os.read(handle, _TAIL)
    finally:
        os.close(handle)


def _line_leaves(line: bytes, call_id: str) -> bool | None:
    """Tell it from one line of the stored thread; None when the line is not that call."""
    try:
        payload = table(as_table(cast("object", json.loads(line))), "payload")
        if text(payload, "call_id") != call_id or text(payload, "type") != "function_call":
            return None
        arguments = as_table(cast("object", json.loads(text(payload, "arguments"))))
    except (ValueError, RecursionError):
        return None
    asked = arguments.get("sandbox_permissions") not in _IN_SANDBOX
    return asked or bool(arguments.get("with_escalated_permissions"))
