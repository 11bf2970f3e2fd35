"""What is asked of Codex besides its threads: the models that it offers, its account, logging in and out.

A login's key goes to Codex and is kept nowhere here; whoever records the frames of such a process would have
it in the record. Not aware of threads. `runtime` stands above; `calls` below.
"""

from __future__ import annotations

from typing import Final

from autopilot_ls.model.errors import AgentDied, AgentError, NotLoggedIn
from autopilot_ls.runtimes.base import AccountInfo, LoginBegun, LoginMethod, ModelInfo
from autopilot_ls.runtimes.codex.calls import Calls
from autopilot_ls.runtimes.codex.failures import LOGIN_ADVICE
from autopilot_ls.runtimes.codex.fields import (
    Table,
    as_table,
    flag,
    optional_text,
    table,
    tables,
    text,
)
from autopilot_ls.runtimes.codex.notices import account_description
from autopilot_ls.wire.messages import JsonObject

_MAX_PAGES: Final = 20
_FLOWS: Final = {"browser": "chatgpt", "deviceCode": "chatgptDeviceCode", "apiKey": "apiKey"}


class AccountRequests:
    """The requests to one Codex process about models and the account."""

    def __init__(self, calls: Calls) -> None:
        """Create it over a connection's calls."""
        self._calls = calls

    async def list_models(self) -> tuple[ModelInfo, ...]:
        """Return the models that Codex shows to people."""
        found: list[ModelInfo] = []
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            params: JsonObject = {} if cursor is None else {"cursor": cursor}
            page = as_table(await self._calls.read_or_fail("model/list", params))
            found += [_model(each) for each in tables(page, "data") if not flag(each, "hidden")]
            cursor = optional_text(page, "nextCursor")
            if cursor is None:
                break
        return tuple(found)

    async def account(self) -> AccountInfo:
        """Return the login state of Codex."""
        reply = as_table(await self._calls.read_or_fail("account/read", {"refreshToken": False}))
        account = table(reply, "account")
        kind = optional_text(account, "type")
        description = account_description(kind, text(account, "planType"))
        return AccountInfo(
            logged_in=kind is not None,
            needed=flag(reply, "requiresOpenaiAuth", default=True),
            description=description,
        )

    async def require_login(self) -> None:
        """Check that Codex has the login that its model provider needs.

        Without one, Codex would begin a turn and try to reach its provider for a long time.

        Raises:
            NotLoggedIn: There is none.
        """
        try:
            account = await self.account()
        except AgentDied:
            raise
        except AgentError:
            return  # What cannot be told is no reason to refuse; the provider will say it.
        if account.needed and not account.logged_in:
            raise NotLoggedIn("Codex is not logged in.", advice=LOGIN_ADVICE)

    async def login(self, method: LoginMethod, api_key: str = "") -> LoginBegun:
        """Begin a login; see `AgentRuntime`. An API key is checked by nobody before it is used."""
        params: JsonObject = {"type": _FLOWS[method]}
        if method == "apiKey":
            params["apiKey"] = api_key
        reply = await self._calls.send("account/login/start", params, "Codex did not begin a login")
        url = text(reply, "authUrl") or text(reply, "verificationUrl")
        if url and not url.startswith("https://"):
            raise AgentError("Codex named an address to log in at that is none of the web.")
        return LoginBegun(
            login_id=text(reply, "loginId"),
            url=url,
            user_code=text(reply, "userCode"),
        )

    async def cancel_login(self, login_id: str) -> None:
        """Give up a login."""
        params: JsonObject = {"loginId": login_id}
        await self._calls.send("account/login/cancel", params, "Codex did not give the login up")

    async def logout(self) -> None:
        """Log Codex out."""
        await self._calls.send("account/logout", {}, "Codex did not log out")


def _model(native: Table) -> ModelInfo:
    efforts = tuple(
        text(each, "reasoningEffort") for each in tables(native, "supportedReasoningEfforts")
    )
    return ModelInfo(
        id=text(native, "model") or text(native, "id"),
        name=text(native, "displayName") or text(native, "id"),
        description=text(native, "description"),
        efforts=tuple(effort for effort in efforts if effort),
        default_effort=text(native, "defaultReasoningEffort"),
        is_default=flag(native, "isDefault"),
    )
