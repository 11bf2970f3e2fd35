"""Joining an editor's connection with a supervisor, for as long as both are there.

Loaded after `initialize` is answered. Reads the settings, runs the supervisor in the one task group, and
ends everything in order: first the editor's side, then the sessions with their agents. Not aware of
agents. `main` stands above; `view`, `configuration` and the supervisor below.
"""

from __future__ import annotations

import logging
from typing import cast

import anyio

from autopilot_ls.lsp.configuration import Configuration
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.features.messages import Messages
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.lsp.view import EditorView, warm_up
from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.supervisor import open_supervisor

_log = logging.getLogger(__name__)


async def serve(connection: Connection) -> None:
    """Serve the editor until its connection is stopped.

    Agents are ended as soon as the editor says `shutdown`, because it may not wait long after `exit`.
    """
    messages = Messages(connection)
    configuration = Configuration(connection, messages)
    settings = await configuration.load()
    if connection.stopped.is_set():
        return
    try:
        await _serve(connection, messages, configuration, settings)
        await connection.stopped.wait()
    except* (AutopilotError, OSError) as group:
        # Nothing can be done without a supervisor but to say why, again with each command.
        said = "; ".join(_texts(group))
        messages.error(said)
        connection.failed(said)
        await connection.stopped.wait()


async def _serve(
    connection: Connection,
    messages: Messages,
    configuration: Configuration,
    settings: Settings,
) -> None:
    async with open_supervisor(settings) as supervisor, anyio.create_task_group() as tasks:
        view = EditorView(connection, supervisor, Jobs(tasks), messages, configuration)
        attachment = supervisor.attach(view)
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
