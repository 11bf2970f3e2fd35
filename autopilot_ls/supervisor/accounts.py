"""The agent's account: what it is, logging in and out, by the agent's own flow.

An agent is started for it that serves no session, and what goes to it or comes from it is recorded nowhere,
since a key may be in it. Not aware of editors or of any agent's wire. `supervisor` stands above.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal

from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.runtimes.base import AccountInfo, AgentRuntime

LoginMethod = Literal["browser", "deviceCode", "apiKey"]


@dataclass(frozen=True, slots=True)
class LoginBegun:
    """A login; without an id it is done."""

    login_id: str = ""
    url: str = ""
    user_code: str = ""


class Accounts:
    """The account of the configured agent."""

    def __init__(self, open_agent: Callable[[], AbstractAsyncContextManager[AgentRuntime]]) -> None:
        """Create it; `open_agent` starts an agent for questions."""
        self._open_agent = open_agent

    async def show(self) -> AccountInfo:
        """Return the login state; starts an agent for the question only."""
        async with self._open_agent() as agent:
            return await agent.account()

    async def login(self, method: LoginMethod, api_key: str = "") -> LoginBegun:
        """Begin a login."""
        del method, api_key
        raise InvalidRequest("Not available yet.")

    async def cancel(self, login_id: str) -> None:
        """Give up a login."""
        del login_id
        raise InvalidRequest("Not available yet.")

    async def logout(self) -> None:
        """Log out."""
        raise InvalidRequest("Not available yet.")
