"""Joining an editor's connection with a supervisor, for as long as both are there.

Loaded after `initialize` is answered. Reads the settings, has a supervisor from the `Host`, and ends
everything in order: first the editor's side, then, unless others share them, the sessions with their
agents. Not aware of agents. `main` and the shared process stand above; `view`, `configuration` and
`hosting` below.
"""

from __future__ import annotations

import logging
from typing import cast

import anyio
from lsprotocol import types

from autopilot_ls.lsp.configuration import Configuration
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.features.messages import Messages
from autopilot_ls.lsp.hosting import Host, Place
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.lsp.view import EditorView
from autopilot_ls.lsp.warming import warm_up
from autopilot_ls.model.errors import AutopilotError

_log = logging.getLogger(__name__)


async def serve(connection: Connection, *, host: Host) -> None:
    """Serve the editor until its connection is stopped.

    In a process of its own, agents are ended as soon as the editor says `shutdown`, because it may not wait
    long after `exit`. In a shared one they go on.
    """
    messages = Messages(connection)
    configuration = Configuration(connection, messages, environ=host.environment, apply=host.apply)
    settings = await configuration.load()
    if connection.stopped.is_set():
        return
    if host.said:
        messages.log(types.MessageType.Warning, host.said)
    try:
        async with host.supervisor(settings) as place:
            await _serve(connection, messages, configuration, place)
        await connection.stopped.wait()
    except* (AutopilotError, OSError) as group:
        # Nothing can be done without a supervisor but to say why, again with each command.
        said = "; ".join(_texts(group))
        messages.error(said)
        connection.failed(said)
        await connection.stopped.wait()


async def _serve(
    connection: Connection, messages: Messages, configuration: Configuration, place: Place
) -> None:
    async with anyio.create_task_group() as tasks:
        jobs = Jobs(tasks, lasting=place.tasks)
        view = EditorView(connection, place.backend, jobs, messages, configuration)
        attachment = place.attach(view)
        view.begin()
        connection.ready(view)
        warm_up(connection)
        await connection.left.wait()
        connection.failed("The server is shutting down.")
        view.close()
        attachment.detach()
        tasks.cancel_scope.cancel()


def _texts(error: BaseException) -> list[str]:
    if isinstance(error, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return [text for one in inner for text in _texts(one)]
    return [str(error)]
