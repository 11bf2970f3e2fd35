"""Logging in and out: what the person gets, who is told, and that it has an end."""

from __future__ import annotations

import anyio
import pytest

from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.runtimes.base import LoginEnded
from autopilot_ls.supervisor import accounts
from tests.unit.supervisor.conftest import Stage

pytestmark = pytest.mark.anyio


async def test_a_key_is_handed_on_and_idle_agents_are_started_anew(stage: Stage) -> None:
    await stage.start()
    stage.agent.end_turn()
    serving = stage.agent
    assert (await stage.supervisor.accounts.login("apiKey", "sk-1")).login_id == ""
    assert stage.factory.logins == [("apiKey", "sk-1")]
    assert [(told[0].description, told[1:]) for told in stage.view.accounts] == [("key", ("", ""))]
    await stage.start("again")
    assert stage.agent is not serving


async def test_a_turn_that_runs_is_left_alone(stage: Stage) -> None:
    await stage.start()
    runtimes = len(stage.factory.runtimes)
    await stage.supervisor.accounts.logout()
    assert len(stage.factory.runtimes) == runtimes + 1
    assert stage.supervisor.snapshot(stage.session_id).active_turn is not None
    assert not stage.view.accounts[0][0].logged_in


async def test_a_login_by_the_browser_goes_on_until_the_agent_says_so(stage: Stage) -> None:
    begun = await stage.supervisor.accounts.login("browser")
    assert (begun.url, begun.user_code) == ("https://example.org/", "CODE")
    assert stage.factory.closed == 0
    stage.agent.say(LoginEnded("login1"))
    await stage.view.until(lambda: bool(stage.view.accounts))
    assert stage.view.accounts[0][1:] == ("login1", "")
    assert stage.factory.closed == 1
    with pytest.raises(InvalidRequest):
        await stage.supervisor.accounts.cancel("login1")


async def test_a_login_can_be_given_up_and_another_takes_its_place(stage: Stage) -> None:
    await stage.supervisor.accounts.login("browser")
    await stage.supervisor.accounts.login("deviceCode")
    assert stage.view.accounts[0][1:] == ("login1", "It was given up.")
    await stage.supervisor.accounts.cancel("login1")
    await stage.view.until(lambda: len(stage.view.accounts) == 2)
    given_up = [login for login in stage.factory.logins if login[0] == "cancel"]
    assert given_up == [("cancel", "login1"), ("cancel", "login1")]


async def test_of_logins_begun_at_once_one_goes_on(stage: Stage) -> None:
    await stage.supervisor.accounts.login("browser")
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(stage.supervisor.accounts.login, "browser")
    await stage.view.until(lambda: len(stage.view.accounts) == 3)
    assert len(stage.factory.runtimes) - stage.factory.closed == 1


async def test_a_login_has_a_limit(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "LOGIN_LIMIT", 0.05)
    await stage.supervisor.accounts.login("browser")
    with anyio.fail_after(20):
        await stage.view.until(lambda: bool(stage.view.accounts))
    assert stage.view.accounts[0][1:] == ("login1", "It took too long.")
