"""`autopilot-ls login` and `autopilot-ls logout`: the agent's own program takes this one's place.

So it has the terminal, and what is typed there goes to it alone. Not aware of accounts. `main` stands above, what
knows the agent's program below.
"""

from __future__ import annotations

import os
from typing import NoReturn

from autopilot_ls.cli.commands import Login, Logout
from autopilot_ls.cli.setup import load_settings
from autopilot_ls.model.errors import AgentStartFailed
from autopilot_ls.runtimes.codex.locate import account_command


def run_account(command: Login | Logout) -> NoReturn:
    """Become the agent's program, which exits with a code of its own.

    Raises:
        AutopilotError: There is no such program, or it cannot be started.
    """
    words = ["logout"] if isinstance(command, Logout) else _login(command)
    arguments, environment = account_command(load_settings().codex, os.environ, *words)
    try:
        os.execve(arguments[0], arguments, environment)  # noqa: S606 reason: no shell is wanted.
    except OSError as error:
        raise AgentStartFailed(
            f"{arguments[0]} cannot be started: {error.strerror}.",
            advice="`autopilot-ls doctor` says more.",
        ) from error


def _login(command: Login) -> list[str]:
    if command.device_auth:
        return ["login", "--device-auth"]
    return ["login", "--with-api-key"] if command.with_api_key else ["login"]
