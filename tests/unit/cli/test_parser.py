"""The words of the command line: what they mean, what is refused, and that help helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopilot_ls import __version__
from autopilot_ls.cli.commands import (
    Backtest,
    CheckPolicy,
    Command,
    Daemon,
    DeleteSessions,
    Demo,
    Doctor,
    LintPolicy,
    ListSessions,
    PruneSessions,
    Run,
    Schema,
    ShowPolicy,
    ShowSession,
    TailSession,
    TrustPolicy,
)
from autopilot_ls.cli.parser import MODES, parse
from autopilot_ls.settings.tree import json_schema


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("run fix the test", Run("fix the test")),
        ("run - --cwd /tmp --json", Run("-", cwd="/tmp", json=True)),
        (
            "run --mode read-only --model m --effort low --session last why",
            Run("why", mode="read-only", model="m", effort="low", session="last"),
        ),
        ("sessions list", ListSessions()),
        ("sessions list --json", ListSessions(json=True)),
        ("sessions show last --json", ShowSession("last", json=True)),
        ("sessions tail -f 2026 -n 5", TailSession("2026", lines=5, follow=True)),
        ("sessions delete a b", DeleteSessions(("a", "b"))),
        ("sessions prune", PruneSessions()),
        ("policy show", ShowPolicy()),
        ("policy check -- git checkout -- x", CheckPolicy("git checkout -- x")),
        (
            "policy check --mode read-only --cwd /x --json -- ls -a",
            CheckPolicy("ls -a", mode="read-only", cwd=Path("/x"), json=True),
        ),
        ("policy explain -- ls", CheckPolicy("ls", parts=True)),
        ("policy lint", LintPolicy()),
        ("policy lint x.toml", LintPolicy(Path("x.toml"))),
        ("policy trust --remove x", TrustPolicy(Path("x"), remove=True)),
        ("policy backtest a b --policy f", Backtest(("a", "b"), Path("f"))),
        ("doctor --json", Doctor(json=True)),
        ("schema --check --out x", Schema(check=True, out=Path("x"))),
        ("daemon", Daemon()),
        ("daemon --status --json", Daemon("status", json=True)),
        ("daemon --stop", Daemon("stop")),
        ("demo --interactive --keep", Demo(interactive=True, keep=True)),
    ],
)
def test_words_become_commands(words: str, command: Command) -> None:
    assert parse(words.split()) == command


@pytest.mark.parametrize(
    ("words", "who", "what"),
    [
        ("", "", "a command is missing"),
        ("run", "run", "the following arguments are required: TEXT"),
        ("run --mode yolo x", "run", "argument --mode: invalid choice: 'yolo'"),
        ("run --mode", "run", "argument --mode: expected one argument"),
        ("run --jso x", "run", "unknown option or argument: --jso"),
        ("run --session= x", "run", "argument --session: it is empty"),
        ("run --cwd= x", "run", "argument --cwd: it is empty"),
        ("run --model= x", "run", "argument --model: it is empty"),
        ("run --effort= x", "run", "argument --effort: it is empty"),
        ("sessions", "sessions", "a command is missing"),
        ("sessions --all", "sessions", "unknown option or argument: --all"),
        ("sessions tail x -n -1", "sessions tail", "must be between 0 and 1000000"),
        ("sessions tail x -n many", "sessions tail", "'many' is not a whole number"),
        ("sessions delete", "sessions delete", "the following arguments are required: ID"),
        ("policy", "policy", "a command is missing"),
        ("policy check", "policy check", "the following arguments are required: CMD"),
        ("policy check ls -la", "policy check", "-la; write -- before a command line with options"),
        ("policy check --mode sometimes -- ls", "policy check", "invalid choice: 'sometimes'"),
        ("daemon --stop --status", "daemon", "not allowed with argument --stop"),
        ("--remote=elsewhere", "", "argument --remote: invalid choice: 'elsewhere'"),
        ("nothing", "", "invalid choice: 'nothing'"),
        ("--nothing", "", "unknown option or argument: --nothing"),
        ("doctor too much", "doctor", "unknown option or argument: too much"),
    ],
)
def test_wrong_usage_exits_with_2_and_one_line_that_says_what_is_wrong(
    words: str, who: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        parse(words.split())
    assert raised.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    program = f"autopilot-ls {who}".strip()
    assert line.startswith(f"{program}: ")
    assert what in line
    assert line.endswith(f". See: {program} --help")


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        parse(["--version"])
    assert raised.value.code == 0
    assert capsys.readouterr().out == f"autopilot-ls {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        "",
        "run",
        "sessions",
        "sessions list",
        "sessions show",
        "sessions tail",
        "sessions delete",
        "policy",
        "policy show",
        "policy check",
        "policy lint",
        "policy trust",
        "policy backtest",
        "sessions prune",
        "doctor",
        "daemon",
        "schema",
        "demo",
    ],
)
def test_every_help_has_examples_that_parse(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        parse([*words.split(), "--help"])
    assert raised.value.code == 0
    text = capsys.readouterr().out
    examples = text.partition("examples:\n")[2].partition("\n\n")[0].splitlines()
    assert examples
    for example in examples:
        typed = example.split("   ")[0].strip() if not example.startswith("    ") else example
        words_of = typed.strip().rpartition("autopilot-ls ")[2].split(" | ")[0].split("   ")[0]
        import shlex

        assert parse(shlex.split(words_of)) is not None


def test_the_exit_codes_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    text = capsys.readouterr().out
    for code in ("0 ", "1 ", "2 ", "3 ", "130 "):
        assert f"\n  {code}" in text


def test_the_modes_are_those_of_the_settings() -> None:
    properties = json_schema()["properties"]
    assert isinstance(properties, dict)
    assert set(MODES) == set(properties["mode"]["enum"])
