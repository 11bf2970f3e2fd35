"""Settings as the editor gives them: at the start, on request, and when they change.

The layers are, from weak to strong: the environment, `initializationOptions`, and the editor's own
configuration (asked for where it can be, else as it was pushed). What does not apply is told once, with
its path. Not aware of what a setting does. `service` and `view` stand above, `settings` below.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final, cast

import anyio
from lsprotocol import types

from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.features.messages import Messages
from autopilot_ls.lsp.protocol import ClientFailed
from autopilot_ls.model.text import count
from autopilot_ls.settings.loading import SECTION, SettingsProblem, load
from autopilot_ls.settings.tree import Settings

_log = logging.getLogger(__name__)

INITIALIZED_LIMIT: Final = 5.0
"""Seconds to wait for `initialized`, before which nothing may be asked of an editor."""

_SHARED: Final = ("didChangeConfiguration", "workspace/configuration")
"""Layers that editors merge with a repository's own settings."""

ANSWER_LIMIT: Final = 3.0
"""Seconds an editor has to tell its configuration."""


def apply_logging(settings: Settings) -> None:
    """Write the log as the settings say."""
    root = logging.getLogger()
    root.setLevel(settings.log_level.upper())
    if settings.log_file is None:
        return
    try:
        settings.log_file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(settings.log_file, encoding="utf-8", errors="replace")
    except OSError as error:
        _log.warning("The log cannot be written to %s: %s", settings.log_file, error)
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)


class Configuration:
    """The settings of one editor."""

    def __init__(
        self,
        connection: Connection,
        messages: Messages,
        *,
        environ: Mapping[str, str] | None = None,
        apply: Callable[[Settings], None] = apply_logging,
    ) -> None:
        """Create it without settings; `load` gets them.

        Args:
            connection: The editor.
            messages: Where it is told what is wrong.
            environ: What the editor was started with; None for the environment of this process.
            apply: Called with the settings whenever they were loaded.
        """
        self._environ = environ
        self._apply = apply
        self._connection = connection
        self._messages = messages
        self._told: set[str] = set()

    async def load(self) -> Settings:
        """Return the settings as they are now, and tell what is wrong in them; never fails."""
        pulled = await self._pull()
        layers: list[tuple[str, object]] = [
            ("initializationOptions", self._connection.initialization_options)
        ]
        if self._connection.pushed_settings is not None:
            layers.append(("didChangeConfiguration", self._connection.pushed_settings))
        if pulled is not None:
            layers.append(("workspace/configuration", {SECTION: pulled}))
        settings, problems = load(layers, environ=self._environ, shared=_SHARED)
        self._tell(problems)
        self._apply(settings)
        return settings

    async def _pull(self) -> object:
        connection = self._connection
        with anyio.move_on_after(INITIALIZED_LIMIT):
            await connection.initialized_received.wait()
        if (
            not connection.initialized_received.is_set()
            or not connection.profile.configuration
            or connection.stopped.is_set()
        ):
            return None
        params = types.ConfigurationParams([types.ConfigurationItem(section=SECTION)])
        try:
            answer = await connection.ask(types.WORKSPACE_CONFIGURATION, params, limit=ANSWER_LIMIT)
        except ClientFailed as error:
            self._messages.log(types.MessageType.Warning, f"No settings from the editor: {error}.")
            return None
        return cast("list[object]", answer)[0] if isinstance(answer, list) and answer else None

    async def follow(self) -> None:
        """Ask the editor to tell when its configuration changes, where it wants to be asked."""
        if not self._connection.profile.registers_configuration:
            return
        registration = types.Registration(
            id="autopilot-configuration",
            method=types.WORKSPACE_DID_CHANGE_CONFIGURATION,
            register_options=types.DidChangeConfigurationRegistrationOptions(section=SECTION),
        )
        params = types.RegistrationParams([registration])
        try:
            await self._connection.ask(types.CLIENT_REGISTER_CAPABILITY, params, limit=ANSWER_LIMIT)
        except ClientFailed as error:
            _log.info("The editor does not tell changes of its configuration: %s", error)

    def _tell(self, problems: list[SettingsProblem]) -> None:
        fresh = [problem for problem in problems if str(problem) not in self._told]
        # What was put right and is wrong again is told again.
        self._told = {str(problem) for problem in problems}
        for problem in fresh[1:]:
            self._messages.log(types.MessageType.Error, f"Setting {problem}")
        if fresh:
            more = f" (and {count(len(fresh) - 1, 'more problem')})" if len(fresh) > 1 else ""
            self._messages.error(f"Setting {fresh[0]}{more}")
