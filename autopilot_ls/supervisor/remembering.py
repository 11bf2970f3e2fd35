"""The file of remembered decisions: one change of it at a time, whichever process makes it.

Reads and writes beside the event loop, with a limit, and never leaves a file behind that would be
broken. Not aware of approvals or of who decides. `policies` and the command line stand above; the
text of the file is `policy.remember`'s, the lock `trace.locks`'s.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from autopilot_ls.model.errors import AutopilotError, InvalidRequest, PolicyNotWritten
from autopilot_ls.model.text import one_line
from autopilot_ls.policy.load import read_file
from autopilot_ls.policy.remember import (
    Offer,
    Remembered,
    added,
    listed,
    read_remembered,
    removed,
    rule_name,
    why_remembered,
)
from autopilot_ls.policy.writing import replace_file
from autopilot_ls.trace.locks import exclusive

LOCK_LIMIT: Final = 5.0
"""Seconds to wait for another process that changes the file."""

LIMIT: Final = 10.0
"""Seconds that one change of the file may take in all."""

T = TypeVar("T")


class Memory:
    """What is remembered; each call reads the file anew, since others write it too."""

    def __init__(self, path: Path) -> None:
        """Create it for a file, which need not exist.

        Args:
            path: The file of remembered rules. The lock stands beside it.
        """
        self.path = path
        self._lock = path.with_name(f"{path.name}.lock")

    def all(self) -> tuple[Remembered, ...]:
        """Return the remembered rules in the order they were made; blocking.

        Raises:
            PolicyNotWritten: The file cannot be read.
        """
        return listed(self._read())

    def add(
        self, offer: Offer, *, workspace: Path, by: str, still: Callable[[], bool] = lambda: True
    ) -> str:
        """Remember an offer and return the rule's name; blocking.

        Args:
            offer: What to remember.
            workspace: Where it is to hold.
            by: Who decided it.
            still: Asked right before the file is replaced: whether it is wanted yet.

        Raises:
            PolicyNotWritten: The file is as it was.
        """
        at = datetime.now().astimezone().isoformat(" ", "minutes")
        with self._changing() as text:
            try:
                changed = added(text, offer, workspace=workspace, reason=why_remembered(by, at))
            except ValueError as error:
                raise self.refused(str(error)) from error
            if changed != text:
                self._replace(changed, still)
        return rule_name(offer, workspace)

    def forget(self, names: Sequence[str], still: Callable[[], bool] = lambda: True) -> None:
        """Forget rules, all of these or none; blocking. Arguments as in `add`.

        Raises:
            InvalidRequest: There is none of such a name; nothing was changed.
            PolicyNotWritten: The file is as it was.
        """
        with self._changing() as text:
            known = {rule.name for rule in listed(text)}
            missing = [name for name in names if name not in known]
            if missing:
                raise InvalidRequest(
                    f"No remembered rule is called {', '.join(one_line(n, 80) for n in missing)};"
                    " nothing was forgotten.",
                    advice="`autopilot-ls policy list` shows their names.",
                )
            self._replace(removed(text, frozenset(names)), still)

    @contextmanager
    def _changing(self) -> Generator[str]:
        try:
            held = exclusive(self._lock, LOCK_LIMIT)
        except (OSError, AutopilotError) as error:
            raise self.refused(str(error)) from error
        with held:
            yield self._read()

    def _read(self) -> str:
        found = read_file(self.path)
        if found.problem:
            raise self.refused(found.problem)
        return found.text

    def _replace(self, text: str, still: Callable[[], bool]) -> None:
        problems = read_remembered(text, str(self.path)).problems
        if problems:
            raise self.refused(f"it would have a problem, {problems[0]}")
        if not still():
            raise self.refused("it took too long")
        try:
            replace_file(self.path, text)
        except OSError as error:
            raise self.refused(error.strerror or str(error)) from error

    def refused(self, why: str) -> PolicyNotWritten:
        """Return the error that says why the file could not be read or changed."""
        return PolicyNotWritten(
            f"The file of remembered rules, {self.path}, is as it was: {why}.",
            advice="Look at it with `autopilot-ls policy lint`; the decision can be made without it.",
        )


async def within_limit(memory: Memory, work: Callable[[Callable[[], bool]], T]) -> T:
    """Do something with the file in a thread, not longer than the limit.

    What the thread has not written by then, it does not write any more. Cancelling the caller does
    not leave it half done.

    Args:
        memory: Whose file it is.
        work: Done in the thread; gets the question whether it is wanted yet.

    Raises:
        PolicyNotWritten: It took too long.
    """
    given_up = threading.Event()
    call = partial(work, lambda: not given_up.is_set())
    with anyio.move_on_after(LIMIT, shield=True):
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
    given_up.set()
    raise memory.refused(f"it took longer than {LIMIT:.0f} seconds")
