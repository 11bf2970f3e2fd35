"""The language: errors at their exact place, patterns, the schema, findings."""

from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.cli.schema import render
from autopilot_ls.policy.language import command_patterns, read_policy
from autopilot_ls.policy.lint import lint
from autopilot_ls.policy.places import places_text
from autopilot_ls.policy.policy import builtin_layer, builtin_text, layer_of
from autopilot_ls.policy.remember import Offer, added
from autopilot_ls.policy.schema import policy_schema

ROOT = Path(__file__).parents[3]

ERRORS = [
    ("[[rule]\n", 1, 7, "valid TOML"),
    ("x = ", 1, 5, "valid TOML"),
    ("[[rule]]\nverdict = 'allow'\ncomand = 'ls'\n", 3, 1, "did you mean command?"),
    ("[[rule]]\nverdict = 'alow'\ncommand = 'ls'\n", 2, 11, "did you mean allow?"),
    ("[[rule]]\nverdict = 'ask'\ncommand = ['ls', 3]\n", 3, 18, "is text"),
    ("# c\n\n[[rule]]\ncommand = 'ls'\n", 3, 1, "no verdict"),
    ("[[rule]]\nverdict = 'ask'\n", 1, 1, "nothing that it matches"),
    ("[[rule]]\nverdict = 'ask'\ncommand = 'ls'\nedit = 'x'\n", 1, 1, "command and edit"),
    ("[[rule]]\nverdict = 'allow'\ncommand = ['ls', '* …']\n", 3, 18, "names its program"),
    ("[[rule]]\nverdict = 'ask'\ncommand = '… x'\n", 3, 11, "begins with a program"),
    ("[[rule]]\nverdict = 'ask'\nedit = ['a', '../b']\n", 3, 14, "no .."),
    ("[[rule]]\nverdict = 'allow'\nquestion = true\n", 1, 1, "only a person"),
    ("[[rule]]\nverdict = 'allow'\nhard = true\ncommand = 'ls'\n", 3, 8, "cannot be hard"),
    ("[[rule]]\nverdict = 'ask'\nedit = 'a'\nescalated = true\n", 4, 1, "goes with command"),
    ("[[rule]]\nname='a'\nverdict = 'ask'\nedit = 'a'\n[[rule]]\nname = 'a'\nverdict='ask'\nedit='b'\n", 6, 8, "another rule"),
    ("version = 2\n", 1, 11, "version 1"),
    ("rules = []\n", 1, 1, "did you mean rule?"),
    ("[limits]\nfile = 3\n", 2, 1, "did you mean files?"),
    ("[limits]\nfiles = -3\n", 2, 9, "whole number"),
    ("rule = [\n  { verdict = 'ask', command = 'ls' },\n  { verdict = 'ask', edti = 'x' },\n]\n", 3, 22, "did you mean edit?"),
    ("[[rule]]\nreason = '''\n[[rule]]\n'''\nverdict = 'ask'\nmodes = ['auto', 'automatic']\nedit='x'\n", 6, 18, "one of"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "message"), ERRORS)
def test_an_error_stands_at_its_place(text: str, line: int, column: int, message: str) -> None:
    content = read_policy(text, "p.toml")
    assert not content.rules
    problem = content.problems[0]
    assert message in problem.message
    assert (problem.line, problem.column) == (line, column)
    assert str(problem).startswith(f"p.toml:{line}:{column}: ")


@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(
    ["[[rule]]\n", "verdict = 'ask'\n", "command = 'ls'\n", "edit = [", "]", "'", '"""', "{", "}", "=", "\n", "x", "#", "[limits]\n", "3", "version"]
), max_size=12).map("".join)))  # fmt: skip
def test_reading_a_policy_is_total(text: str) -> None:
    content = read_policy(text, "p")
    assert not (content.rules and content.problems)


def test_the_line_of_a_rule_is_that_of_its_header() -> None:
    text = (
        "\n# [[rule]]\n[[rule]]\nverdict='ask'\nedit='x'\n\n [[ rule ]]\nverdict='ask'\nedit='y'\n"
    )
    assert [rule.line for rule in read_policy(text, "p").rules] == [3, 7]


def test_patterns_of_commands() -> None:
    assert [p.text for p in command_patterns("git {log,diff} {-p,x} …")] == [
        "git log -p …", "git log x …", "git diff -p …", "git diff x …",
    ]  # fmt: skip
    assert command_patterns("git commit -m 'a b'")[0].words == ("commit", "-m", "a b")
    assert command_patterns("go test ./...")[0].words == ("test", "./...")
    with pytest.raises(ValueError, match="alternatives"):
        command_patterns("{a,b,c,d,e,f}" * 5)


def test_the_schema_fits_the_language() -> None:
    schema = policy_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert (ROOT / "schemas" / "policy.json").read_text() == render(schema)
    # Editors' TOML tools go by the seventh draft.
    for kind in (jsonschema.Draft202012Validator, jsonschema.Draft7Validator):
        validator = kind(schema)
        validator.validate(tomllib.loads(builtin_text()))
        validator.validate(tomllib.loads(places_text([Path("/a/b")])))
        remembered = added("", Offer("", "line", "x"), workspace=Path("/w"), reason="me")
        validator.validate(tomllib.loads(remembered))
        for text, *_, message in ERRORS[2:8]:
            assert not validator.is_valid(tomllib.loads(str(text))), message


@pytest.mark.parametrize(
    "wrong",
    [
        'verdict = "allow"\nedit = "x"\nwith = "-x"',
        'verdict = "allow"\nedit = "x"\nwithout = ["-x"]',
        'verdict = "allow"\ncommand = "x"\nkinds = "add"',
        'verdict = "ask"\nread = "x"\nescalated = true',
        'verdict = "ask"\nread = "x"\nedit = "x"',
        'verdict = "alow"\nedit = "x"',
        'verdict = "allow"',
        'edit = "x"',
        'verdict = "allow"\ncommand = ""',
        'verdict = "allow"\ncommand = []',
        'verdict = "allow"\ncomand = "x"',
        'verdict = "allow"\ncommand = 3',
        'verdict = "allow"\ncommand = "x"\nmodes = ["fast"]',
        'verdict = "allow"\ncommand = "x"\nrisk = "medium"',
    ],
)
def test_the_schema_refuses_what_the_language_refuses(wrong: str) -> None:
    text = f"[[rule]]\n{wrong}\n"
    assert read_policy(text, "p").problems
    for kind in (jsonschema.Draft202012Validator, jsonschema.Draft7Validator):
        assert not kind(policy_schema()).is_valid(tomllib.loads(text))


def test_lint_finds_what_is_probably_not_meant() -> None:
    text = (
        '[[rule]]\nname="a"\nverdict="allow"\ncommand="pytest …"\n'
        '[[rule]]\nname="b"\nverdict="allow"\ncommand="pytest -x"\n'
        '[[rule]]\nname="c"\nverdict="allow"\ncommand="python …"\n'
        '[[rule]]\nname="d"\nverdict="allow"\nedit="**"\n'
        '[[rule]]\nname="e"\nverdict="ask"\ncommand="pyest …"\n'
        '[[rule]]\nname="f"\nverdict="allow"\nedit=".git"\n'
        '[[rule]]\nname="g"\nverdict="allow"\ntool="*"\n'
        '[[rule]]\nname="h"\nverdict="deny"\ncommand="npm …"\n'
        '[[rule]]\nname="i"\nverdict="allow"\ncommand="npm test"\n'
    )
    content = read_policy(text, "p")
    assert not content.problems
    found = {(one.rule, one.code) for one in lint([builtin_layer(), layer_of("user", content)])}
    assert found >= {
        ("b", "shadowed"), ("c", "too-broad"), ("d", "too-broad"), ("e", "unknown-program"), ("g", "too-broad"), ("i", "unreachable"),
    }  # fmt: skip
    assert ("a", "shadowed") not in found
    narrowing = lint([builtin_layer(), layer_of("workspace", content, narrowing=True)])
    assert ("a", "no-effect") in {(one.rule, one.code) for one in narrowing}
