"""Tasks that go on beside each other: a fault in one is logged, and ends neither the others nor the server.

What a task is for has its own way to say what went wrong, in its session or to who waits; this is for what
nobody foresaw. Not aware of what runs. `supervisor` makes it for all that stands below.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVarTuple, Unpack

from anyio.abc import TaskGroup

_LOG: Final = logging.getLogger(__name__)

Args = TypeVarTuple("Args")


class Tasks(Protocol):
    """Where tasks are started that nobody waits for."""

    def start_soon(
        self, func: Callable[[Unpack[Args]], Coroutine[Any, Any, object]], *args: *Args
    ) -> object:
        """Have the function run with the arguments; returns at once."""
        ...


class IsolatedTasks:
    """See the module's docstring. It implements `Tasks`."""

    def __init__(self, group: TaskGroup) -> None:
        """Run the tasks in this group, whose end is their end."""
        self._group = group

    def start_soon(
        self, func: Callable[[Unpack[Args]], Coroutine[Any, Any, object]], *args: *Args
    ) -> None:
        """See `Tasks`."""

        async def alone() -> None:
            try:
                await func(*args)
            except Exception:  # noqa: BLE001 reason: in this group, it would end all the others
                _LOG.exception("Fault in %s.", getattr(func, "__qualname__", func))

        self._group.start_soon(alone)
