"""The agent's account: what it is, logging in and out, by the agent's own flow.

An agent is started for it that serves no session, and what goes to it or comes from it is recorded nowhere,
since a key may be in it. A login by the browser goes on in that agent's process until it has ended, within
limits. Not aware of editors or of any agent's wire. `supervisor` stands above.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import anyio

from autopilot_ls.model.errors import AgentError, AutopilotError, InvalidRequest
from autopilot_ls.model.events import RuntimeExited
from autopilot_ls.runtimes.base import (
    AccountInfo,
    AgentRuntime,
    LoginBegun,
    LoginEnded,
    LoginMethod,
    RuntimeEvent,
    RuntimeMessage,
    RuntimeSink,
    Unrecorded,
)
from autopilot_ls.supervisor.tasks import Tasks

LOGIN_LIMIT: Final = 15 * 60.0
"""Seconds that a person has for a login."""

UNKNOWN: Final = AccountInfo(logged_in=False, needed=True, description="unknown")
"""The account when the agent could not be asked."""


class _Heard(Unrecorded):
    """Takes what an agent says of logins, and records nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = anyio.Event()
        self.error = ""

    def deliver(self, batch: Sequence[RuntimeMessage]) -> None:
        for message in batch:
            if isinstance(message, LoginEnded):
                self._end(message.error)
            elif isinstance(message, RuntimeEvent) and isinstance(message.body, RuntimeExited):
                self._end("The agent ended before the login did.")

    def _end(self, error: str) -> None:
        if not self.ended.is_set():
            self.error = error
            self.ended.set()


class _Login:
    """A login, from the wish for it to its end."""

    def __init__(self) -> None:
        self.begun: LoginBegun | None = None
        self.failure: AutopilotError | None = None
        self.ready = anyio.Event()
        self.done = anyio.Event()
        self.unwanted = anyio.Event()


class Accounts:
    """The account of the configured agent; at most one login goes on at a time."""

    def __init__(
        self,
        open_agent: Callable[[RuntimeSink], AbstractAsyncContextManager[AgentRuntime]],
        changed: Callable[[AccountInfo, str, str], Awaitable[None]],
        tasks: Tasks,
    ) -> None:
        """Create it.

        Args:
            open_agent: Starts an agent that serves no session.
            changed: Told of the account after a login or logout: what it is, which login has ended, and
                why it failed.
            tasks: Where a login goes on.
        """
        self._open_agent = open_agent
        self._changed = changed
        self._tasks = tasks
        self._login: _Login | None = None

    async def show(self) -> AccountInfo:
        """Return the login state; starts an agent for the question only.

        Raises:
            AgentError: The agent cannot be had.
        """
        async with self._open_agent(Unrecorded()) as agent:
            return await agent.account()

    async def login(self, method: LoginMethod, api_key: str = "") -> LoginBegun:
        """Begin a login; one that goes on already is given up.

        Returns:
            Where the person goes; with a key, it is done.

        Raises:
            AgentError: The agent cannot be had or refuses.
        """
        await self._give_up()
        if method == "apiKey":
            async with self._open_agent(Unrecorded()) as agent:
                begun = await agent.login(method, api_key)
                account = await agent.account()
            await self._changed(account, "", "")
            return begun
        login = self._login = _Login()
        self._tasks.start_soon(self._carry_out, login, method)
        await login.ready.wait()
        if login.begun is None:
            raise login.failure or AgentError("The agent ended before the login began.")
        return login.begun

    async def cancel(self, login_id: str) -> None:
        """Give up a login; returns when it has ended.

        Raises:
            InvalidRequest: None of this id goes on.
        """
        login = self._login
        if login is None or login.begun is None or login.begun.login_id != login_id:
            raise InvalidRequest(f"No login {login_id!r} goes on.")
        await self._give_up()

    async def logout(self) -> None:
        """Log the agent out.

        Raises:
            AgentError: The agent cannot be had or refuses.
        """
        await self._give_up()
        async with self._open_agent(Unrecorded()) as agent:
            await agent.logout()
            account = await agent.account()
        await self._changed(account, "", "")

    async def _give_up(self) -> None:
        # Others who waited for the same end may have begun one meanwhile.
        while (login := self._login) is not None:
            login.unwanted.set()
            await login.done.wait()

    async def _carry_out(self, login: _Login, method: LoginMethod) -> None:
        heard = _Heard()
        account, error = UNKNOWN, ""
        try:
            async with self._open_agent(heard) as agent:
                login.begun = await agent.login(method)
                login.ready.set()
                error = await self._until_ended(login, login.begun, heard, agent)
                account = await agent.account()
        except AutopilotError as failure:
            login.failure = failure
            error = error or str(failure)
        except Exception as failure:  # noqa: BLE001 reason: who waits for the login must be told
            login.failure = AgentError(f"Internal error in a login: {failure!r}.")
            error = str(login.failure)
        finally:
            if self._login is login:
                self._login = None
            login.ready.set()
            login.done.set()
        if login.begun is not None:
            await self._changed(account, login.begun.login_id, error)

    async def _until_ended(
        self, login: _Login, begun: LoginBegun, heard: _Heard, agent: AgentRuntime
    ) -> str:
        """Wait for the end of a login; returns why it failed."""
        async with anyio.create_task_group() as waiting:

            async def wait_for(event: anyio.Event) -> None:
                await event.wait()
                waiting.cancel_scope.cancel()

            with anyio.move_on_after(LOGIN_LIMIT):
                waiting.start_soon(wait_for, heard.ended)
                waiting.start_soon(wait_for, login.unwanted)
                await anyio.sleep(LOGIN_LIMIT + 1)
            waiting.cancel_scope.cancel()
        if heard.ended.is_set():
            return heard.error
        with contextlib.suppress(AutopilotError):  # The end of its process is the end of it too.
            await agent.cancel_login(begun.login_id)
        return "It was given up." if login.unwanted.is_set() else "It took too long."
