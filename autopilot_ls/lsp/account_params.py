"""The models of the commands about the agent's account.

Values only; `methods` says which belongs to what. Not aware of how an agent logs in. Not imported before
`initialize` is answered.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from autopilot_ls.lsp.shared_params import Name
from autopilot_ls.model.base import Frozen
from autopilot_ls.model.text import one_line
from autopilot_ls.runtimes.base import AccountInfo


class Account(Frozen):
    """The agent's login.

    Attributes:
        needed: Whether the agent can do nothing without one.
        description: For a person.
    """

    logged_in: bool
    needed: bool
    description: str


class AccountLoginParams(Frozen):
    """Log the agent in, by its own flow.

    Attributes:
        method: `browser` and `deviceCode` have the person log in at the address in the reply; `apiKey` is
            done with the reply.
        api_key: With `apiKey`; handed to the agent, neither kept nor recorded by Autopilot.
    """

    method: Literal["browser", "deviceCode", "apiKey"] = "browser"
    api_key: Annotated[SecretStr, Field(min_length=1, max_length=1_000)] | None = None


class AccountLogin(Frozen):
    """A login that has begun, or is done.

    Attributes:
        login_id: For `autopilot.account.cancelLogin`; empty when the login is done.
        url: Where the person goes with a browser.
        user_code: What they enter there, with `deviceCode`.
    """

    login_id: str = ""
    url: str = ""
    user_code: str = ""


class AccountCancelLoginParams(Frozen):
    """Names a login that goes on."""

    login_id: Name


class AccountNotification(Frozen):
    """The agent's account changed, or a login has ended.

    Attributes:
        login_id: The login that has ended; empty when none has.
        error: Why it failed; empty when it did not.
    """

    account: Account
    login_id: str = ""
    error: str = ""


def account_of(account: AccountInfo) -> Account:
    """Return an account as it is shown."""
    return Account(
        logged_in=account.logged_in,
        needed=account.needed,
        description=one_line(account.description),
    )
