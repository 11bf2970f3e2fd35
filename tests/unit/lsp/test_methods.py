from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from autopilot_ls.lsp import methods
from autopilot_ls.lsp.commands import Commands
from autopilot_ls.lsp.policy_commands import PolicyCommands
from autopilot_ls.lsp.review_commands import ReviewCommands


@pytest.mark.parametrize(
    "method", [*methods.COMMANDS, *methods.NOTIFICATIONS, *methods.REQUESTS], ids=lambda m: m.name
)
def test_every_method_has_its_models(method: methods.Method) -> None:
    assert method.params_model().__doc__
    if method not in methods.NOTIFICATIONS:
        assert method.result_model().__doc__
    else:
        assert not method.result


def test_names_are_unique_and_every_command_of_the_issue_is_there() -> None:
    names = [method.name for method in methods.COMMANDS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"autopilot(\.[a-zA-Z]+)+", name) for name in names)
    assert all(
        re.fullmatch(r"autopilot/[a-z]+", m.name)
        for m in (*methods.NOTIFICATIONS, *methods.REQUESTS)
    )


def test_every_command_has_a_handler_and_no_handler_lacks_a_command() -> None:
    nothing = object()
    commands = Commands(
        *[nothing] * 3,  # pyright: ignore[reportArgumentType]
        name=str,
        redact=str,
        statuses=nothing,  # pyright: ignore[reportArgumentType]
        unsaved=nothing,  # pyright: ignore[reportArgumentType]
        saving=nothing,  # pyright: ignore[reportArgumentType]
        preview=nothing,  # pyright: ignore[reportArgumentType]
        pending=nothing,  # pyright: ignore[reportArgumentType]
        transcripts=nothing,  # pyright: ignore[reportArgumentType]
        policies=PolicyCommands(*[nothing] * 4),  # pyright: ignore[reportArgumentType]
        changes=ReviewCommands(*[nothing] * 4),  # pyright: ignore[reportArgumentType]
        started=lambda *_: None,
    )
    assert set(commands._handlers) == {method.name for method in methods.COMMANDS}


def test_schema_is_sound_and_resolves() -> None:
    schema = dict(methods.lsp_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    start = {"$ref": "#/$defs/TurnStartParams", "$defs": schema["$defs"]}
    jsonschema.validate({"text": "a", "references": [{"uri": "file:///a"}]}, start)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"text": "a", "refs": []}, start)
    references = set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(schema)))
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    assert references <= {f"#/$defs/{name}" for name in definitions}


def test_what_initialize_needs_loads_nothing_heavy() -> None:
    heavy = ("pydantic", "anyio", "watchfiles", "autopilot_ls.model", "autopilot_ls.supervisor")
    code = (
        "import sys, autopilot_ls.lsp.main, autopilot_ls.lsp.connection, autopilot_ls.lsp.transport;"
        f"print([m for m in sys.modules if m.startswith({heavy!r})])"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "[]"
