"""`autopilot-ls login` and `logout` with the real Codex, in a home of its own."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from autopilot_ls.scripted_model import ScriptedModel, message
from tests.support.world import World, world


@pytest.fixture
def here() -> Generator[World]:
    with ScriptedModel([message("hello")]) as model, world(model) as made:
        yield made


def test_a_key_logs_the_agent_in_and_out_in_the_home_of_the_settings(here: World) -> None:
    home = here.root / "another-home"
    home.mkdir()
    here.environment["AUTOPILOT_CODEX_HOME"] = str(home)
    done = here.run("login", "--with-api-key", said="sk-not-a-key")
    assert done.returncode == 0, done.stderr
    assert "sk-not-a-key" in (home / "auth.json").read_text()
    assert here.run("logout").returncode == 0
    assert not (home / "auth.json").exists()


def test_a_missing_codex_is_said_with_what_to_do(here: World) -> None:
    here.environment["AUTOPILOT_CODEX_COMMAND"] = "/nowhere/codex"
    done = here.run("login")
    assert done.returncode == 3
    assert "codex.command" in done.stderr
    assert "Traceback" not in done.stderr
