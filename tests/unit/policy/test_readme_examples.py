"""The three ready policies of the README do what their words promise, each in the mode it is for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Generator
from pathlib import Path

import jsonschema
import pytest

from autopilot_ls.model.approvals import (
    Action,
    ChangeKind,
    CommandAction,
    Mode,
    Outcome,
    PatchAction,
    PermissionAction,
    ProposedChange,
)
from autopilot_ls.policy.globs import compile_glob
from autopilot_ls.policy.language import read_policy
from autopilot_ls.policy.lint import lint
from autopilot_ls.policy.policy import Policy, builtin_layer, layer_of
from autopilot_ls.policy.schema import policy_schema

README = (Path(__file__).parents[3] / "README.md").read_text()
EXAMPLES = dict(
    re.findall(
        r"^\*\*(\w+)\*\* \(for the mode .*?```toml\n(.*?)```", README, re.DOTALL | re.MULTILINE
    )
)

# Of each example: what is asked for, and the verdict with the rule that gives it.
CAUTIOUS = """
ls -la | allow listing-folders
git status | allow git-reading
rg total src | allow searching
git log -3 | ask ask-before-reading-history
git status && git blame a.py | ask ask-before-reading-history
curl https://example.org | deny nothing-is-fetched
npm install left-pad | deny nothing-is-fetched
sh -c 'pip install x' | deny nothing-is-fetched
pytest | ask propose
echo x > db/schema.sql | deny keep-migrations
patch src/a.py | ask propose
patch migrations/0001.py | deny keep-migrations
patch db/schema.sql | deny keep-migrations
patch .env | ask credentials
git push | ask publishing
"""
EVERYDAY = """
pytest -q tests | allow tests
npm test | allow tests
make test | allow tests
make deploy | ask propose
pytest -p evil | ask propose
pytest && git push | ask publishing
pytest > out.txt | ask propose
npm run deploy | ask propose
git rebase main | deny never-rewrite-history
git push --force | deny never-rewrite-history
git push origin -f main | deny never-rewrite-history
git push | ask publishing
patch src/a.py | ask propose
patch package-lock.json | deny lock-files
patch web/yarn.lock | deny lock-files
"""
UNATTENDED = """
pytest -q | allow python-checks
cargo test | allow rust-checks
git commit -m x | allow git-local
touch src/new.py | allow files
npm install left-pad | deny no-new-dependencies
go get example.org/x | deny no-new-dependencies
pytest && pip install x | deny no-new-dependencies
curl https://example.org | deny nothing-leaves
rm tests/test_a.py | deny keep-the-tests
patch src/a.py | allow edit-workspace
patch tests/test_a.py | allow edit-workspace
delete tests/test_a.py | deny keep-the-tests
delete src/a.py | allow edit-workspace
patch .github/workflows/ci.yml | ask ci-files
git push | ask publishing
network example.org | deny nothing-leaves
"""
CASES = [
    pytest.param(name, mode, *line.rsplit(" | ", 1), id=f"{name}: {line}")
    for name, mode, table in (
        ("Cautious", Mode.PROPOSE, CAUTIOUS),
        ("Everyday", Mode.PROPOSE, EVERYDAY),
        ("Unattended", Mode.AUTO, UNATTENDED),
    )
    for line in table.strip().split("\n")
]


def action(words: str, root: Path) -> Action:
    kind, _, rest = words.partition(" ")
    if kind in {"patch", "delete"}:
        change = ProposedChange(
            path=str(root / rest),
            kind=ChangeKind.DELETE if kind == "delete" else ChangeKind.UPDATE,
            form="unified",
            text="",
        )
        return PatchAction(changes=(change,))
    if kind == "network":
        return CommandAction(command="x", cwd=str(root), network_host=rest)
    return CommandAction(command=words, cwd=str(root))


def test_there_are_three_and_their_words_name_their_mode() -> None:
    assert list(EXAMPLES) == ["Cautious", "Everyday", "Unattended"]
    assert "**Unattended** (for the mode `auto`" in README
    for name in ("Cautious", "Everyday"):
        assert f"**{name}** (for the mode `propose`)" in README


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES)
def test_each_is_without_fault(text: str) -> None:
    content = read_policy(text, "p")
    layer = layer_of("user", content)
    assert not content.problems
    assert not lint([builtin_layer(), layer])
    jsonschema.Draft202012Validator(policy_schema()).validate(tomllib.loads(text))
    assert len(text.splitlines()) < 40


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """Make a home, which path patterns that begin with ~ are compiled for once."""
    monkeypatch.setenv("HOME", str(tmp_path))
    compile_glob.cache_clear()
    yield tmp_path
    compile_glob.cache_clear()


@pytest.mark.parametrize(("name", "mode", "asked", "expected"), CASES)
def test_each_does_what_its_words_say(
    home: Path, *, name: str, mode: Mode, asked: str, expected: str
) -> None:
    root = home / "work" / "shop"
    for file in ("src/a.py", "tests/test_a.py"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("x = 1\n")
    policy = Policy([builtin_layer(), layer_of("user", read_policy(EXAMPLES[name], "p"))])
    verdict = policy.judge(action(asked, root), mode=mode, workspace=root)
    assert f"{verdict.outcome.value} {verdict.rule}" == expected


def test_everyday_is_for_the_folder_that_it_names(home: Path) -> None:
    policy = Policy([builtin_layer(), layer_of("user", read_policy(EXAMPLES["Everyday"], "p"))])
    asked = CommandAction(command="pytest", cwd=str(home))
    assert policy.judge(asked, mode=Mode.PROPOSE, workspace=home).outcome is Outcome.ASK


def test_unattended_has_limits_and_asks_before_the_network_is_opened() -> None:
    content = read_policy(EXAMPLES["Unattended"], "p")
    assert (content.limits.approvals, content.limits.seconds) == (200, 3600)
    policy = Policy([builtin_layer(), layer_of("user", content)])
    asked = PermissionAction(cwd="/w", permissions=("use the network",), native="{}")
    verdict = policy.judge(asked, mode=Mode.AUTO, workspace=Path("/w"))
    assert verdict.outcome is not Outcome.ALLOW
