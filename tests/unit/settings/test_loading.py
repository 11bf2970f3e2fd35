"""Merging settings: the order of layers, wrong values, and what must never show or widen."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.model.approvals import Mode
from autopilot_ls.settings.loading import (
    MAX_PROBLEMS,
    SettingsProblem,
    environment_variables,
    load,
)
from autopilot_ls.settings.tree import Settings

OPTIONS = "initializationOptions"


def from_options(content: object) -> tuple[Settings, list[SettingsProblem]]:
    return load([(OPTIONS, content)], environ={})


def from_environment(**environ: str) -> tuple[Settings, list[SettingsProblem]]:
    return load([], environ={f"AUTOPILOT_{name}": text for name, text in environ.items()})


def only_problem(content: object) -> SettingsProblem:
    settings, problems = from_options(content)
    assert settings == Settings()
    assert len(problems) == 1
    return problems[0]


def test_nothing_said_is_the_defaults() -> None:
    assert load([], environ={}) == (Settings(), [])
    assert from_options(None) == (Settings(), [])
    assert from_options({}) == (Settings(), [])
    assert Settings().mode is Mode.PROPOSE


def test_later_layers_win_over_earlier_ones_and_over_the_environment() -> None:
    settings, problems = load(
        [
            (OPTIONS, {"mode": "propose", "codex": {"model": "second", "effort": "low"}}),
            ("workspace/configuration", {"codex": {"effort": "high"}}),
        ],
        environ={
            "AUTOPILOT_MODE": "read-only",
            "AUTOPILOT_CODEX_MODEL": "first",
            "AUTOPILOT_LOG_LEVEL": "debug",
        },
    )
    assert problems == []
    assert settings.mode is Mode.PROPOSE
    assert (settings.codex.model, settings.codex.effort) == ("second", "high")
    assert settings.log_level == "debug"


def test_the_section_may_be_around_the_settings_with_those_of_others_beside_it() -> None:
    settings, problems = from_options({"autopilot": {"mode": "read-only"}, "editor": {"x": 1}})
    assert (settings.mode, problems) == (Mode.READ_ONLY, [])


def test_a_setting_beside_the_section_is_reported() -> None:
    settings, problems = from_options({"autopilot": {}, "mode": "read-only"})
    assert settings == Settings()
    assert [(problem.path, problem.source) for problem in problems] == [("mode", OPTIONS)]


def test_null_is_not_set() -> None:
    settings, problems = load(
        [("a", {"codex": {"model": "m"}}), ("b", {"mode": None, "codex": {"model": None}})],
        environ={},
    )
    assert (settings.codex.model, problems) == ("m", [])


@pytest.mark.parametrize(
    ("content", "path", "hint"),
    [
        ({"codex": {"comand": ["x"]}}, "codex.comand", "did you mean `command`?"),
        ({"state_dir": "/x"}, "state_dir", "did you mean `stateDir`?"),
        ({"zzz": 1}, "zzz", "there are: runtime, mode"),
        ({"codex.command": ["x"]}, "codex.command", "nested objects"),
        ({"autopilot": {"autopilot": {}}}, "autopilot", "no such setting"),
        ({"codex": 5}, "codex", "must be an object"),
        ({"codex": {"env": ["A=b"]}}, "codex.env", "must be an object"),
        ({"codex": {"command": "codex"}}, "codex.command", "must be a list"),
        ({"codex": {"command": ["codex", 5]}}, "codex.command.1", "must be text"),
        ({"codex": {"command": [" "]}}, "codex.command", "must name the program"),
        ({"codex": {"command": ["a\0b"]}}, "codex.command.0", "NUL"),
        ({"codex": {"env": {"A=B": "x"}}}, "codex.env.A=B", "not a name"),
        ({"codex": {"env": {"A": "x\0"}}}, "codex.env.A", "NUL"),
        ({"codex": {"requestTimeout": True}}, "codex.requestTimeout", "must be a number"),
        ({"codex": {"requestTimeout": "5"}}, "codex.requestTimeout", "must be a number"),
        ({"codex": {"requestTimeout": 0}}, "codex.requestTimeout", "greater than 0"),
        ({"codex": {"requestTimeout": float("inf")}}, "codex.requestTimeout", "should be"),
        ({"trace": {"maxAgeDays": -1}}, "trace.maxAgeDays", "greater than or equal to 0"),
        ({"trace": {"maxAgeDays": 1.5}}, "trace.maxAgeDays", "must be a whole number"),
        ({"trace": {"redact": ["("]}}, "trace.redact.0", "not a regular expression"),
        ({"approvals": {"showMessage": "no"}}, "approvals.showMessage", "true or false"),
        ({"stateDir": "relative"}, "stateDir", "absolute"),
        ({"stateDir": "~nobody-of-this-name/x"}, "stateDir", "no such user"),
        ({"stateDir": 5}, "stateDir", "must be a path"),
        ({"logFile": "/a\0b"}, "logFile", "NUL"),
        ({"runtime": "claude"}, "runtime", "must be 'codex'"),
        ({"mode": "reckless"}, "mode", "must be 'read-only', 'propose', 'auto' or 'escalate'"),
        ([], "", "must be an object"),
        ("propose", "", "must be an object"),
    ],
)
def test_a_wrong_value_is_reported_with_its_path(content: object, path: str, hint: str) -> None:
    problem = only_problem(content)
    assert (problem.path, problem.source) == (path, OPTIONS)
    assert hint in problem.message


def test_a_problem_reads_as_one_line_with_its_path_and_source() -> None:
    assert str(only_problem({"mode": "reckless"})) == (
        "autopilot.mode (initializationOptions): must be 'read-only', 'propose', "
        "'auto' or 'escalate'; the mode is propose"
    )


def test_one_wrong_value_takes_nothing_else_with_it() -> None:
    settings, problems = from_options(
        {
            "mode": "read-only",
            "logLevel": "loud",
            "codex": {
                "model": 5,
                "effort": "high",
                "env": {"GOOD": "1", "BAD": 2, "BOTH=": "3"},
                "config": {"good": {"x": 1}, "bad": object()},
            },
        }
    )
    assert settings.mode is Mode.READ_ONLY
    assert settings.codex.effort == "high"
    assert {name: value.get_secret_value() for name, value in settings.codex.env.items()} == {
        "GOOD": "1"
    }
    assert settings.codex.config == {"good": {"x": 1}}
    assert sorted(problem.path for problem in problems) == [
        "codex.config.bad",
        "codex.env.BAD",
        "codex.env.BOTH=",
        "codex.model",
        "logLevel",
    ]


@pytest.mark.parametrize(
    "wrong", ["yolo", "Auto", "full-auto", "", "PROPOSE", 1, True, ["propose"]]
)
def test_a_wrong_mode_keeps_the_stricter_one_below_it(wrong: object) -> None:
    settings, problems = load(
        [("user", {"mode": "read-only"}), ("workspace", {"mode": wrong})], environ={}
    )
    assert settings.mode is Mode.READ_ONLY
    assert [problem.path for problem in problems] == ["mode"]
    assert problems[0].message.endswith("the mode is read-only")


@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode_can_be_the_default_of_new_sessions(mode: Mode) -> None:
    settings, problems = load([("user", {"mode": mode.value})], environ={})
    assert (settings.mode, problems) == (mode, [])
    assert from_environment(MODE=mode.value) == (Settings(mode=mode), [])


def test_maps_are_merged_by_name_and_lists_are_replaced() -> None:
    settings, problems = load(
        [
            ("a", {"codex": {"command": ["x", "y"], "env": {"A": "1", "B": "1"}}}),
            ("b", {"codex": {"command": ["z"], "env": {"B": "2"}}}),
            ("c", {"codex": {"config": {"p": {"x": 1, "y": [1]}, "q": 1}}}),
            ("d", {"codex": {"config": {"p": {"y": [2]}, "q": {"r": 2}}}}),
        ],
        environ={},
    )
    assert problems == []
    assert settings.codex.command == ("z",)
    assert [value.get_secret_value() for value in settings.codex.env.values()] == ["1", "2"]
    assert settings.codex.config == {"p": {"x": 1, "y": [2]}, "q": {"r": 2}}


def test_what_a_layer_was_made_of_is_not_changed_by_merging() -> None:
    first: dict[str, object] = {"codex": {"config": {"p": {"x": 1}}}}
    load([("a", first), ("b", {"codex": {"config": {"p": {"y": 2}}}})], environ={})
    assert first == {"codex": {"config": {"p": {"x": 1}}}}


def test_every_setting_has_an_environment_variable() -> None:
    names = environment_variables()
    assert names["AUTOPILOT_MODE"] == ("mode",)
    assert names["AUTOPILOT_STATE_DIR"] == ("stateDir",)
    assert names["AUTOPILOT_CODEX_REQUEST_TIMEOUT"] == ("codex", "requestTimeout")
    assert names["AUTOPILOT_TRACE_MAX_AGE_DAYS"] == ("trace", "maxAgeDays")
    assert len(set(names.values())) == len(names)


def test_environment_variables_are_read_by_the_kind_of_the_setting(tmp_path: Path) -> None:
    settings, problems = from_environment(
        MODE="read-only",
        STATE_DIR=str(tmp_path),
        CODEX_COMMAND="'/opt/my codex/codex' --flag",
        CODEX_CONFIG='{"model_providers": {"x": {"base_url": "http://127.0.0.1:1/v1"}}}',
        CODEX_ENV='{"A": "b"}',
        CODEX_START_TIMEOUT="2.5",
        CODEX_MODEL="5",
        TRACE_MAX_AGE_DAYS="7",
        TRACE_REDACT='["a b", "c"]',
        APPROVALS_SHOW_MESSAGE="off",
        LOG_LEVEL="",
    )
    assert problems == []
    assert settings.mode is Mode.READ_ONLY
    assert settings.state_folder == tmp_path
    assert settings.codex.command == ("/opt/my codex/codex", "--flag")
    assert settings.codex.config["model_providers"] == {"x": {"base_url": "http://127.0.0.1:1/v1"}}
    assert settings.codex.start_timeout == 2.5
    assert settings.codex.model == "5"
    assert settings.trace.max_age_days == 7
    assert settings.trace.redact == ("a b", "c")
    assert settings.approvals.show_message is False


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("CODEX_COMMAND", "'codex", "quotation mark"),
        ("CODEX_COMMAND", "[codex]", "must be JSON"),
        ("CODEX_CONFIG", "a=1", "must be JSON"),
        ("CODEX_CONFIG", "[1]", "must be an object"),
        ("CODEX_CONFIG", '{"a":' * 100_000, "must be JSON"),
        ("CODEX_START_TIMEOUT", "soon", "must be a number"),
        ("CODEX_START_TIMEOUT", "nan", "finite number"),
        ("TRACE_MAX_AGE_DAYS", "1e3", "must be a whole number"),
        ("APPROVALS_SHOW_MESSAGE", "maybe", "true or false"),
        ("MODE", "full-auto", "'auto' or 'escalate'"),
        ("MDOE", "propose", "did you mean AUTOPILOT_MODE?"),
    ],
)
def test_a_wrong_variable_is_reported_by_its_name(name: str, text: str, hint: str) -> None:
    settings, problems = from_environment(**{name: text})
    assert settings == Settings()
    assert [problem.source for problem in problems] == [f"environment variable AUTOPILOT_{name}"]
    assert hint in problems[0].message


def test_variables_of_other_programs_are_left_alone() -> None:
    assert from_environment(TEST_CODEX="/x", DEVICE_PROFILE="y") == (Settings(), [])


def test_secrets_show_neither_in_settings_nor_in_problems() -> None:
    secret = "sk-very-secret"
    settings, problems = from_options(
        {
            "mode": secret,
            "stateDir": secret,
            "logLevel": secret,
            "codex": {
                "model": [secret],
                "env": {"KEY": secret, "OTHER": [secret], "NUL": secret + "\0"},
                "config": {"header": secret, "bad": {secret}},
            },
        }
    )
    assert settings.codex.env["KEY"].get_secret_value() == secret
    assert settings.codex.config["header"] == secret
    assert len(problems) == 7
    assert secret not in repr(settings)
    assert secret not in "".join(map(repr, problems))


def test_names_are_shown_and_not_obeyed() -> None:
    problem = only_problem({"\x1b[2J\u202eedom\nx" + "y" * 5000: 1})
    assert problem.path.isprintable()
    assert len(str(problem)) < 400


def test_problems_are_bounded() -> None:
    _, problems = from_options({f"unknown{number}": 1 for number in range(1000)})
    assert len(problems) == MAX_PROBLEMS + 1
    assert "950" in problems[-1].message


def test_bottomless_nesting_is_refused() -> None:
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"x": deep}
    problem = only_problem({"codex": {"config": {"deep": deep}}})
    assert problem.path.startswith("codex.config.deep")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [*{part for path in environment_variables().values() for part in path}, "autopilot", "x"]
)
LAYER = JSON | st.dictionaries(NAMES, JSON | st.dictionaries(NAMES, JSON, max_size=4), max_size=5)


@given(st.lists(LAYER, max_size=3))
def test_no_content_whatever_raises_or_loosens_the_mode(layers: list[object]) -> None:
    floor: tuple[str, object] = ("user", {"mode": "read-only"})
    settings, _ = load([floor, *((OPTIONS, layer) for layer in layers)], environ={})
    assert settings.mode in (Mode.READ_ONLY, Mode.PROPOSE)
    if "propose" not in repr(layers):
        assert settings.mode is Mode.READ_ONLY


@given(st.dictionaries(st.sampled_from(sorted(environment_variables())), st.text()))
def test_no_environment_whatever_raises(environ: dict[str, str]) -> None:
    load([], environ=environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "auto"),
        ("policyFile", "/tmp/theirs.toml"),
        ("stateDir", "/tmp/theirs"),
        ("logFile", "/tmp/theirs.log"),
        ("codex.command", ["/tmp/theirs"]),
        ("codex.home", "/tmp/theirs"),
        ("codex.env", {"PATH": "/tmp/theirs"}),
        ("codex.config", {"model_provider": "theirs"}),
        ("review.enabled", False),
    ],
)
def test_a_repository_has_no_say_in_what_runs_and_how_free_it_is(name: str, value: object) -> None:
    content: object = value
    for part in reversed(name.split(".")):
        content = {part: content}
    settings, problems = load(
        [("workspace/configuration", content)], environ={}, shared=("workspace/configuration",)
    )
    assert settings == Settings()
    assert [problem.path for problem in problems] == [name]
    assert "a repository's own settings could reach it here" in problems[0].message


def test_an_editor_may_repeat_what_holds_already() -> None:
    own: dict[str, object] = {"mode": "auto", "codex": {"command": ["mine"]}}
    defaults: dict[str, object] = {
        "stateDir": None,
        "notify": {"command": [], "on": ["limit", "high-risk"]},
    }
    settings, problems = load(
        [("initializationOptions", own), ("workspace/configuration", own | defaults)],
        environ={},
        shared=("workspace/configuration",),
    )
    assert (settings.mode, settings.codex.command, problems) == (Mode.AUTO, ("mine",), [])
