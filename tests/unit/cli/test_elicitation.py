"""What an MCP server asks for: simple fields are asked for, everything else is refused."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.cli.elicitation import Refused, asked_for, read_value

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Your name"},
        "age": {"type": "integer"},
        "size": {"type": "number"},
        "sure": {"type": "boolean"},
        "colour": {"type": "string", "enum": ["red", "blue"]},
    },
    "required": ["name"],
}


def test_typed_values_become_json_of_the_right_type() -> None:
    content: dict[str, object] = {}
    typed = {"name": " Ada ", "age": "36", "size": "1.5", "sure": "yes", "colour": "red"}
    for wanted in asked_for(json.dumps(SCHEMA)):
        read_value(wanted, typed[wanted.name], content)
    assert content == {"name": "Ada", "age": 36, "size": 1.5, "sure": True, "colour": "red"}


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("name", ""),
        ("age", "1.5"),
        ("age", "true"),
        ("size", "big"),
        ("sure", "maybe"),
        ("colour", "green"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(name: str, typed: str) -> None:
    wanted = next(each for each in asked_for(json.dumps(SCHEMA)) if each.name == name)
    content: dict[str, object] = {}
    with pytest.raises(Refused):
        read_value(wanted, typed, content)
    assert content == {}


def test_what_is_optional_may_be_left_out() -> None:
    wanted = next(each for each in asked_for(json.dumps(SCHEMA)) if each.name == "age")
    content: dict[str, object] = {}
    read_value(wanted, " ", content)
    assert content == {}


def test_nothing_asked_for_is_no_field() -> None:
    assert asked_for("{}") == []


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        '{"properties": []}',
        '{"properties": {"a": 1}}',
        '{"properties": {"a": {"type": "object"}}}',
        '{"properties": {"a": {"type": ["string", "null"]}}}',
        '{"properties": {"a": {"enum": [1]}}}',
        json.dumps({"properties": {str(n): {"type": "string"} for n in range(51)}}),
    ],
)
def test_what_cannot_be_asked_in_a_terminal_is_refused(schema: str) -> None:
    with pytest.raises(Refused):
        asked_for(schema)


@given(st.text())
def test_no_schema_does_more_than_refuse(schema: str) -> None:
    with suppress(Refused):
        asked_for(schema)
