from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from pydantic import JsonValue

from autopilot_ls.model.errors import AgentError, AgentNotFound, AgentTooOld, InvalidSettings
from autopilot_ls.runtimes.codex import locate as locate_module
from autopilot_ls.runtimes.codex.failures import start_failure, turn_failure
from autopilot_ls.runtimes.codex.locate import (
    check_version,
    environment_for,
    locate,
    nested_config,
    override_arguments,
    parse_version,
)
from autopilot_ls.runtimes.codex.manifest import (
    Protocol,
    code_lists,
    compare,
    manifest_content,
    manifest_path,
    read_protocol,
    read_versions,
)
from autopilot_ls.settings.tree import CodexSettings


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_codex_is_found_by_the_setting_then_the_package_then_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = program(tmp_path / "mine" / "codex"), program(tmp_path / "bin" / "codex")
    path = {"PATH": f"relative:{tmp_path / 'bin'}"}
    bundled = program(tmp_path / "package" / "codex")
    monkeypatch.setattr(locate_module, "_bundled", lambda: bundled)
    assert locate((mine, "--x"), path).command == (mine, "--x")
    assert locate(("codex",), path).command == (other,)
    assert locate((), path).source == "package"
    monkeypatch.setattr(locate_module, "_bundled", lambda: None)
    found = locate((), path)
    assert (found.command, found.source) == ((other,), "path")
    with pytest.raises(AgentNotFound, match="pip install"):
        locate((), {"PATH": str(tmp_path)})
    with pytest.raises(AgentNotFound, match=r"codex\.command"):
        locate((str(tmp_path / "nothing"),), path)


def test_a_relative_folder_on_the_path_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate_module, "_bundled", lambda: None)
    program(tmp_path / "evil" / "codex")
    monkeypatch.chdir(tmp_path)
    for path in (".", "evil", "", ":evil"):
        with pytest.raises(AgentNotFound):
            locate((), {"PATH": path})


def test_versions() -> None:
    assert parse_version("codex-cli 0.163.0") == (0, 163, 0)
    assert parse_version("autopilot-ls/0.155.1 (Debian 12.0.0; x86_64)") == (0, 155, 1)
    assert parse_version("none") is None
    assert check_version((0, 155, 1), "") == "0.155.1"
    with pytest.raises(AgentTooOld, match=r"0\.155\.0 is needed"):
        check_version((0, 154, 9), "")
    with pytest.raises(AgentTooOld):
        check_version(None, "weird")


async def test_of_what_another_program_says_of_itself_the_first_line_is_shown(
    tmp_path: Path,
) -> None:
    path = tmp_path / "other"
    path.write_text("#!/bin/sh\necho 'Other, the first'\necho 'It comes with no warranty.'\n")
    path.chmod(0o755)
    with pytest.raises(AgentError, match="of Codex Other, the first has another form") as refused:
        await read_protocol([str(path)], {})
    assert "codex.command" in refused.value.advice


def test_the_environment_keeps_what_the_editor_has(tmp_path: Path) -> None:
    base = {"PATH": "/bin", "CODEX_HOME": "/theirs", "HTTPS_PROXY": "p"}
    assert environment_for(CodexSettings(), base) == base
    settings = CodexSettings.model_validate({"home": str(tmp_path), "env": {"PATH": "/x"}})
    made = environment_for(settings, base)
    assert made == {"PATH": "/x", "CODEX_HOME": str(tmp_path), "HTTPS_PROXY": "p"}


def test_overrides_become_toml_and_leave_out_what_we_decide() -> None:
    config: dict[str, JsonValue] = {
        "approval_policy": "never",
        "sandbox_mode": "danger-full-access",
        "model": 'a "b" \\ \x7f ü😀\n',
        "features.hooks": True,
        "features": {"other": False},
        "limits": {"a": 1, "b": 1.5, "list": ["x", 2, {"k": True}]},
        "projects": {"/a.b/c d": {"trust_level": "untrusted"}},
        "empty": {},
    }
    arguments = override_arguments(config)
    assert arguments[::2] == ["-c"] * (len(arguments) // 2)
    parsed = tomllib.loads("\n".join(arguments[1::2]))
    nested = nested_config(config)
    assert parsed == nested
    assert nested["features"] == {"hooks": True, "other": False}
    assert not {"approval_policy", "sandbox_mode"} & set(nested)
    assert "approval_policy" not in nested_config({"approval_policy.x": 1})


@pytest.mark.parametrize("config", [{"a": None}, {"a": [None]}, {"a b": 1}, {"a": float("inf")}])
def test_what_toml_cannot_say_is_refused(config: dict[str, JsonValue]) -> None:
    with pytest.raises(InvalidSettings, match=r"codex\.config"):
        override_arguments(config)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        ({"message": "x", "codexErrorInfo": "contextWindowExceeded"}, None, "new session"),
        ({"message": "x", "codexErrorInfo": "unauthorized"}, "not-logged-in", "autopilot-ls login"),
        (
            {"message": "x", "codexErrorInfo": {"httpConnectionFailed": {"httpStatusCode": 401}}},
            "not-logged-in",
            "autopilot-ls login",
        ),
        (
            {"message": "x", "codexErrorInfo": {"responseTooManyFailedAttempts": None}},
            "responseTooManyFailedAttempts",
            "again and again",
        ),
        ({"message": "x", "codexErrorInfo": "brandNew"}, "brandNew", "Codex says: x."),
        ({"message": '{"error": {"message": "too long", "code": "c"}}'}, "other", "too long (c)"),
        ({"message": "\x1b[31mred\u202e"}, "other", "\\x1b[31mred\\u{202e}"),
        ({}, "other", "The turn failed."),
    ],
)
def test_failures_of_turns(error: dict[str, object], code: str | None, words: str) -> None:
    failure = turn_failure(error)
    assert failure.code == (code or error["codexErrorInfo"])
    assert words in failure.message


def test_a_failure_that_codex_retries_asks_nothing_of_the_person() -> None:
    error = {"message": "Reconnecting... 2/5", "codexErrorInfo": "responseStreamDisconnected"}
    message = turn_failure(error, retries=True).message
    assert "Reconnecting... 2/5" in message
    assert message.endswith("Codex tries again by itself.")
    assert "start the turn again" not in message
    assert turn_failure({}, retries=True).message.startswith("A request to the model failed.")


def test_the_noise_of_a_start_is_left_out_of_its_failure() -> None:
    tail = (
        "WARNING: proceeding, even though we could not create PATH aliases: x\n"
        "\x1b[31mError: bad thing\x1b[0m\n\nStack backtrace:\n   0: <unknown>\n   1: <unknown>\n"
    )
    assert start_failure("It ended.", tail).message == "It ended. It says: Error: bad thing."


# The manifest -----------------------------------------------------------------------------------


def test_the_pinned_manifest_is_what_the_code_says() -> None:
    path = manifest_path()
    versions = read_versions(path)
    assert {"0.155.1", "0.163.0"} <= set(versions)
    assert json.loads(path.read_text()) == manifest_content(versions)


def test_a_name_in_no_list_fails_the_check(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest_content({"9.9.9": "abc"})))
    names = {group: frozenset(listed) for group, listed in code_lists().items()}
    same = compare(Protocol("9.9.9", "abc", names), path)
    assert (same.problems, same.same) == ((), True)
    newer = {**names, "items": names["items"] | {"hologram"}}
    report = compare(Protocol("10.0.0", "def", newer), path)
    assert report.same is None
    assert report.unlisted == ("item hologram",)
    assert "hologram" in report.problems[0]
    changed = compare(Protocol("9.9.9", "other", names), path)
    assert len(changed.problems) == 1
    path.write_text("{}")
    assert compare(Protocol("9.9.9", "abc", names), path).stale
