"""`schema`: deterministic files, and a check that notices each difference."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from autopilot_ls.cli.main import run_command
from autopilot_ls.cli.schema import GENERATED, render
from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.events import Event, SessionCreated


@pytest.fixture
def no_codex(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let no Codex be found: what is made from the code does not need one."""
    monkeypatch.setenv("AUTOPILOT_CODEX_COMMAND", str(tmp_path / "missing"))


@pytest.mark.usefixtures("no_codex")
def test_what_was_written_passes_the_check_and_what_differs_fails_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "schemas")]
    assert run_command(["schema", "--check", *out]) == 1
    assert run_command(["schema", *out]) == 0
    assert run_command(["schema", "--check", *out]) == 0
    first = {name: (tmp_path / "schemas" / name).read_bytes() for name in GENERATED}
    assert run_command(["schema", *out]) == 0
    assert first == {name: (tmp_path / "schemas" / name).read_bytes() for name in GENERATED}
    capsys.readouterr()

    for name in GENERATED:
        path = tmp_path / "schemas" / name
        path.write_bytes(first[name] + b"\n")
        assert run_command(["schema", "--check", *out]) == 1
        assert name in capsys.readouterr().err
        path.write_bytes(first[name])
    (tmp_path / "schemas" / "lsp.json").unlink()
    assert run_command(["schema", "--check", *out]) == 1


def test_a_folder_without_schemas_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["schema", "--check"]) == 2
    assert "--out" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", GENERATED)
def test_each_file_is_json_with_a_newline_at_its_end(name: str) -> None:
    text = render(GENERATED[name]())
    assert text.endswith("}\n")
    content = json.loads(text)
    assert content["$schema"].startswith("https://json-schema.org/")
    if name != "lsp.json":
        jsonschema.Draft202012Validator.check_schema(content)


def test_an_event_is_what_the_schema_says() -> None:
    body = SessionCreated(cwd="/x", runtime="codex", mode=Mode.PROPOSE, title="t")
    event = Event(seq=1, time=0.0, session_id="s", body=body)
    checker = jsonschema.Draft202012Validator(dict(GENERATED["events.json"]()))
    checker.validate(event.model_dump(mode="json"))
    assert not checker.is_valid({**event.model_dump(mode="json"), "seq": "one"})
