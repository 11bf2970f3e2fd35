"""The language server on standard input and output.

An editor waits for the answer to `initialize`, so only what that needs is imported first, without the
garbage collector; everything else is loaded while the editor goes on. Standard output belongs to the
protocol alone: whatever prints goes to the standard error stream. `__main__` stands above, `connection`
and `service` below.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from autopilot_ls.lsp.connection import Connection
    from autopilot_ls.lsp.transport import Outbox

    Service = Callable[[Connection], Awaitable[None]]
    """Serves an editor after `initialize`, until its connection is stopped."""

EDITOR_READS: Final = 2.0
"""Seconds the editor has to read what was sent last."""


def serve_stdio(said: str = "") -> int:
    """Serve one editor until it goes or a signal ends it; returns the process's exit code.

    0 after `shutdown` and `exit`, 1 when the editor went without, 128 and the signal's number after a
    signal. Agents are ended and open approvals cancelled in every case.

    Args:
        said: What to write to the editor's log at the beginning, as a warning.
    """
    # The classes of the protocol are made in one go and stay for ever: nothing there to collect.
    gc.disable()
    import asyncio
    import logging

    from autopilot_ls.lsp.protocol import quiet_pygls

    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    quiet_pygls()
    incoming, outgoing = _take_stdio()
    return asyncio.run(_serve(incoming, outgoing, said))


def _take_stdio() -> tuple[int, int]:
    """Return file descriptors for the editor, and put harmless ones in their place."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return incoming, outgoing


async def _serve(incoming: int, outgoing: int, said: str) -> int:
    from autopilot_ls.lsp.connection import Connection
    from autopilot_ls.lsp.transport import can_be_watched, open_outbox, start_reading

    connection = Connection()
    watched = can_be_watched(incoming, outgoing)
    outbox = await open_outbox(
        outgoing, watched=watched, lost=connection.lost, drained=connection.drained
    )
    connection.open(outbox)
    _stop_on_signals(connection.stop)
    await start_reading(incoming, connection.server.protocol, watched=watched)
    await serve_connection(connection, outbox, lambda: _load_service(said))
    return connection.exit_code


async def serve_connection(
    connection: Connection, outbox: Outbox, load: Callable[[], Service]
) -> None:
    """Serve an editor that can be heard from now on, until it has gone; then close the outbox.

    Args:
        connection: With its outbox open.
        outbox: The same.
        load: Called in a thread once `initialize` is answered; returns what serves the editor further.
    """
    import asyncio

    waits = [
        asyncio.create_task(event.wait()) for event in (connection.greeted, connection.stopped)
    ]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if not connection.stopped.is_set():
        # In a thread, because the editor goes on talking meanwhile.
        service = await asyncio.to_thread(load)
        try:
            await service(connection)
        finally:
            await outbox.close(EDITOR_READS)


def _load_service(said: str) -> Service:
    from functools import partial

    from autopilot_ls.lsp.hosting import OwnProcess
    from autopilot_ls.lsp.service import serve

    collect_seldom()
    return partial(serve, host=OwnProcess(said))


def collect_seldom() -> None:
    """Let garbage be collected from now on, in a way that who types does not feel."""
    # What is loaded now stays; collections that need not look at it are short.
    gc.freeze()
    # A whole collection holds a key up for ten milliseconds and more. With Python's own numbers there is one each
    # second of a flood, and next to nothing in it: what comes and goes quickly is collected in between.
    gc.set_threshold(2_000, 10, 100)
    gc.enable()


def _stop_on_signals(stop: Callable[[int], None]) -> None:
    import asyncio
    import signal

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        code = 128 + number
        try:
            loop.add_signal_handler(number, stop, code)
        except NotImplementedError:  # Windows has no such handlers in its loop.
            _stop_on_signal(number, lambda code=code: loop.call_soon_threadsafe(stop, code))


def _stop_on_signal(number: int, stop: Callable[[], object]) -> None:
    import signal

    def handle(number: int, frame: object) -> None:
        del number, frame
        stop()

    signal.signal(number, handle)
