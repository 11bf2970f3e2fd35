"""`autopilot-ls doctor` looks at the real Codex and at our own things, and says what to do."""

from __future__ import annotations

import json
from collections.abc import Generator

import pytest

from autopilot_ls.scripted_model import ScriptedModel, message
from tests.support.world import World, world

Finding = dict[str, str]


@pytest.fixture
def here() -> Generator[World]:
    with ScriptedModel([message("hello")]) as model, world(model) as made:
        yield made


def findings(here: World, level: str) -> tuple[int, list[Finding]]:
    done = here.run("doctor", "--json")
    found: list[Finding] = json.loads(done.stdout)["findings"]
    return done.returncode, [each for each in found if each["level"] == level]


def test_a_sound_installation_has_no_problem(here: World) -> None:
    done = here.run("doctor")
    assert done.returncode == 0, done.stdout
    for word in ("Python", "pygls", "lsprotocol", "pydantic", str(here.state), "git", "Codex"):
        assert word in done.stdout
    assert findings(here, "problem") == (0, [])


def test_a_wrong_setting_is_a_problem_with_its_name(here: World) -> None:
    here.environment["AUTOPILOT_CODEX_START_TIMEOUT"] = "soon"
    code, problems = findings(here, "problem")
    assert code == 3
    assert [each["subject"] for each in problems] == ["Settings"]
    assert "codex.startTimeout" in problems[0]["text"]
    assert problems[0]["advice"]


def test_a_missing_codex_is_a_problem(here: World) -> None:
    here.environment["AUTOPILOT_CODEX_COMMAND"] = "/does/not/exist"
    code, problems = findings(here, "problem")
    assert code == 3
    assert any("/does/not/exist" in each["text"] for each in problems)
    assert all(each["advice"] for each in problems)


def test_a_rule_that_bypasses_us_is_a_problem(here: World) -> None:
    rules = here.codex_home / "rules"
    rules.mkdir()
    (rules / "mine.rules").write_text('prefix_rule(pattern=["touch"], decision="allow")\n')
    code, problems = findings(here, "problem")
    assert code == 3
    assert any("mine.rules" in each["text"] for each in problems)


def test_a_state_folder_that_others_may_write_to_is_a_problem(here: World) -> None:
    here.state.chmod(0o777)
    code, problems = findings(here, "problem")
    assert code == 3
    assert any(str(here.state) in each["text"] and each["advice"] for each in problems)


def test_a_state_folder_that_cannot_be_made_is_a_problem(here: World) -> None:
    (here.root / "file").write_text("")
    here.environment["AUTOPILOT_STATE_DIR"] = str(here.root / "file" / "state")
    _, (problem,) = findings(here, "problem")
    assert "cannot be made" in problem["text"]
    assert "Errno" not in problem["text"]
    assert "stateDir" in problem["advice"]


def test_a_broken_configuration_of_codex_is_a_problem(here: World) -> None:
    (here.codex_home / "config.toml").write_text("x = [")
    _, problems = findings(here, "problem")
    (problem,) = (each for each in problems if each["subject"] == "Codex configuration")
    assert "config.toml:1" in problem["text"]
    assert "config.toml" in problem["advice"]


def test_a_missing_folder_of_codex_is_a_problem(here: World) -> None:
    here.environment["CODEX_HOME"] = str(here.root / "nowhere")
    _, (problem,) = findings(here, "problem")
    assert "nowhere" in problem["text"]
    assert "CODEX_HOME" in problem["advice"]


def test_what_the_agent_sent_unknown_is_told(here: World) -> None:
    assert here.run("run", "hello").returncode == 0
    (events,) = (here.state / "sessions").glob("*/events.jsonl")
    lines = events.read_text().splitlines()
    last = json.loads(lines[-1])
    last["seq"] += 1
    last["body"] = {"type": "unknownReceived", "method": "thread/\u202ebrandNew"}
    events.write_text("\n".join([*lines, json.dumps(last, separators=(",", ":"))]) + "\n")
    code, warnings = findings(here, "warning")
    assert code == 0
    assert any("brandNew (1×)" in each["text"] for each in warnings)
    assert "\u202e" not in here.run("doctor").stdout


def test_a_damaged_session_is_a_warning(here: World) -> None:
    assert here.run("run", "hello").returncode == 0
    (events,) = (here.state / "sessions").glob("*/events.jsonl")
    lines = events.read_text().splitlines()
    events.write_text("\n".join([lines[0], "damaged", *lines[2:]]) + "\n")
    code, warnings = findings(here, "warning")
    assert code == 0
    assert any("Line 2" in each["text"] for each in warnings)
