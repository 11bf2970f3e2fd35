"""What the commands about the agent's account do: show it, log in and out.

A key goes to the agent and nowhere else. Not aware of how an editor sends a command, nor of how an agent
logs in. `commands` stands above.
"""

from __future__ import annotations

from autopilot_ls.lsp import account_params as params
from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.shared_params import Done, NoParams
from autopilot_ls.model.errors import InvalidRequest


class AccountCommands:
    """The commands of one editor about the agent's account."""

    def __init__(self, backend: Backend) -> None:
        """Create them over the supervisor."""
        self._backend = backend

    async def show(self, request: NoParams) -> params.Account:
        """Tell whether the agent is logged in."""
        del request
        return params.account_of(await self._backend.accounts.show())

    async def login(self, request: params.AccountLoginParams) -> params.AccountLogin:
        """Log the agent in."""
        key = request.api_key.get_secret_value() if request.api_key else ""
        if bool(key) != (request.method == "apiKey"):
            raise InvalidRequest("apiKey goes with the method apiKey, and only with it.")
        begun = await self._backend.accounts.login(request.method, key)
        return params.AccountLogin(
            login_id=begun.login_id, url=begun.url, user_code=begun.user_code
        )

    async def cancel(self, request: params.AccountCancelLoginParams) -> Done:
        """Give up a login."""
        await self._backend.accounts.cancel(request.login_id)
        return Done()

    async def logout(self, request: NoParams) -> Done:
        """Log the agent out."""
        del request
        await self._backend.accounts.logout()
        return Done()
