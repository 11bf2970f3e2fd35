"""The table of judged commands and edits: what each mode says of them."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autopilot_ls.model.approvals import (
    Action,
    ChangeKind,
    CommandAction,
    Mode,
    Outcome,
    PatchAction,
    ProposedChange,
)
from autopilot_ls.policy.policy import builtin_policy

FOLDER = Path(__file__).parent / "cases"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("cases")
    root = base / "work"
    for folder in (
        "src",
        "docs",
        "tests",
        ".git/hooks",
        ".github/workflows",
        "build",
        "empty",
        "sub/.cargo",
        "sub/lib/.vscode",
    ):
        (root / folder).mkdir(parents=True)
    for name in (
        "src/a.py", "src/b.py", "src/id_rsa", "README.md", "package.json", ".env", ".env.example", "key.pem",
        ".git/config", ".github/workflows/ci.yml", "Makefile", "run.sh", "secrets.json", "sub/.cargo/config.toml", "sub/lib/.vscode/tasks.json",
    ):  # fmt: skip
        (root / name).write_text("x = 1\n")
    (base / "secret.txt").write_text("key\n")
    (base / "outside").mkdir()
    (root / "link").symlink_to(base / "secret.txt")
    (root / "linkdir").symlink_to(base / "outside")
    (root / "dangling").symlink_to(base / "not-there-yet")
    (base / "twin").write_text("x\n")
    os.link(base / "twin", root / "hard")
    return root


def _tables() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(FOLDER.glob("*.toml")):
        content = tomllib.loads(path.read_text("utf-8"))
        for group in content.get("group", []) + content.get("edits", []):
            yield path.stem, group


def _cases() -> Iterator[Any]:
    seen: dict[str, Any] = {}
    for file, group in _tables():
        for text in group.get("commands", ()):
            seen.setdefault(text, pytest.param(text, group["expect"], id=f"{file}: {text!r}"))
    yield from seen.values()


def _edits() -> Iterator[Any]:
    for _, group in _tables():
        for text in group.get("changes", ()):
            yield pytest.param(text, group["expect"], id=text)


def _check(action: Action, expect: str | dict[str, str], workspace: Path) -> None:
    for mode in Mode:
        verdict = builtin_policy().judge(action, mode=mode, workspace=workspace)
        if expect == "never":
            assert verdict.outcome is not Outcome.ALLOW, f"{mode}: {verdict}"
        else:
            assert isinstance(expect, dict)
            assert verdict.outcome.value == expect[mode.value], f"{mode}: {verdict}"


@pytest.mark.parametrize(("command", "expect"), list(_cases()))
def test_command(command: str, expect: str | dict[str, str], workspace: Path) -> None:
    _check(CommandAction(command=command, cwd=str(workspace)), expect, workspace)


@pytest.mark.parametrize(("change", "expect"), list(_edits()))
def test_edit(change: str, expect: str | dict[str, str], workspace: Path) -> None:
    kind, _, rest = change.partition(" ")
    path, _, to = rest.partition(" -> ")
    proposed = ProposedChange(
        path=str(workspace / path),
        kind=ChangeKind(kind),
        move_to=str(workspace / to) if to else None,
        form="unified",
        text="",
    )
    _check(PatchAction(changes=(proposed,)), expect, workspace)


def test_a_line_gets_no_better_verdict_behind_something_harmless(workspace: Path) -> None:
    policy = builtin_policy()

    def outcome(command: str) -> Outcome:
        action = CommandAction(command=command, cwd=str(workspace))
        return policy.judge(action, mode=Mode.AUTO, workspace=workspace).outcome

    for case in _cases():
        command = str(case.values[0])
        assert _rank(outcome(f"ls && {command}")) >= _rank(outcome(command)), command


def _rank(outcome: Outcome) -> int:
    return [Outcome.ALLOW, Outcome.ASK, Outcome.DENY].index(outcome)


def test_the_table_is_large_enough() -> None:
    commands = sum(len(group.get("commands", ())) for _, group in _tables())
    edits = sum(len(group.get("changes", ())) for _, group in _tables())
    attacks = sum(
        len(group.get("commands", ())) for _, group in _tables() if group["expect"] == "never"
    )
    assert commands + edits >= 400
    assert attacks >= 200
