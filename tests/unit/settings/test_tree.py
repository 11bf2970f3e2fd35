"""The tree of settings: its schema is complete and true, and its values do not change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from pydantic import JsonValue, ValidationError

from autopilot_ls.model.approvals import Mode
from autopilot_ls.settings.tree import Group, Settings, json_schema


def groups(group: type[Group] = Settings) -> Iterator[type[Group]]:
    yield group
    for info in group.model_fields.values():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Group):
            yield from groups(info.annotation)


def valid(content: JsonValue) -> bool:
    checker = jsonschema.Draft202012Validator(json_schema())
    return checker.is_valid(content)


def test_every_setting_is_described_and_every_quantity_has_its_unit() -> None:
    for group in groups():
        for name, info in group.model_fields.items():
            assert info.description, f"{group.__name__}.{name}"
            if name.endswith(("_timeout", "_seconds")):
                assert "in seconds" in info.description
            if name.endswith(("_days", "_megabytes")):
                assert f"in {name.rsplit('_')[-1]}" in info.description


def test_the_schema_is_a_schema_and_plain_json() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


def test_the_schema_accepts_the_defaults_and_refuses_what_loading_refuses() -> None:
    assert valid({})
    assert valid(json.loads(Settings().model_dump_json()))
    assert valid({"mode": "read-only", "codex": {"command": ["codex"], "env": {"A": "b"}}})
    assert valid({"mode": "escalate"})
    assert not valid({"mode": "full-auto"})
    assert not valid({"codex": {"comand": []}})
    assert not valid({"codex": {"env": {"A": 1}}})
    assert not valid({"trace": {"maxAgeDays": -1}})


def test_what_runs_and_writes_cannot_come_from_a_repository() -> None:
    schema = json.loads(json.dumps(json_schema()))
    codex = schema["$defs"]["CodexSettings"]["properties"]
    for name in ("command", "home", "env", "config"):
        assert codex[name]["scope"] == "machine"
    for name in ("mode", "stateDir", "logFile"):
        assert schema["properties"][name]["scope"] == "machine"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().mode = Mode.READ_ONLY


def test_the_folder_for_state_is_the_platforms_unless_it_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path in Settings().state_folder.parents
    assert Settings().state_folder.name == "autopilot-ls"
    assert Settings.model_validate({"stateDir": "~/x"}).state_folder == tmp_path / "x"
