"""What lies below a folder that a command takes in."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopilot_ls.model.approvals import CommandAction, Mode, Outcome, Verdict
from autopilot_ls.policy import trees
from autopilot_ls.policy.language import read_policy
from autopilot_ls.policy.policy import Policy, builtin_layer, builtin_policy, layer_of


def judged(command: str, folder: Path, policy: Policy | None = None) -> Verdict:
    action = CommandAction(command=command, cwd=str(folder))
    return (policy or builtin_policy()).judge(action, mode=Mode.AUTO, workspace=folder)


def test_what_would_be_read_is_named_and_how_to_leave_it_out(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / ".env").touch()
    verdict = judged("grep -r KEY .", tmp_path)
    assert verdict.outcome is Outcome.ASK
    assert verdict.rule == "reading-credentials"
    assert verdict.part == "read deep/er/.env"
    assert "git grep" in verdict.reason
    assert judged("grep -r KEY . --exclude=.env", tmp_path).outcome is Outcome.ALLOW
    assert judged("rg KEY", tmp_path).outcome is Outcome.ALLOW


def test_what_it_holds_is_protected_with_a_layer_that_is_added(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    added = layer_of("user", read_policy('[[rule]]\nverdict = "deny"\nread = "*.pem"', "mine"))
    policy = builtin_policy().with_layers(added)
    assert judged("grep -r KEY .", tmp_path, policy).rule == "reading-credentials"
    (tmp_path / "a.pem").touch()
    assert judged("grep -r KEY .", tmp_path, policy).outcome is Outcome.DENY


def test_others_code_and_gits_folder_do_not_make_a_search_ask(tmp_path: Path) -> None:
    for name in (".git", "node_modules", ".venv"):
        (tmp_path / name / "x").mkdir(parents=True)
        (tmp_path / name / "x" / "key.pem").touch()
    (tmp_path / ".git" / "config").touch()
    assert judged("grep -rn foo .", tmp_path).outcome is Outcome.ALLOW
    assert judged("grep -rn foo .git", tmp_path).outcome is Outcome.ASK
    assert judged("find . -name key.pem -exec cat {} +", tmp_path).outcome is Outcome.ASK


@pytest.mark.parametrize(
    "command", ["grep -r foo .", "find . -exec cat {} +", "mv big other", "diff -r big empty"]
)
def test_a_folder_too_large_to_look_through_asks(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "MAX_ENTRIES", 20)
    (tmp_path / "big").mkdir()
    (tmp_path / "empty").mkdir()
    for number in range(12):
        (tmp_path / "big" / f"{number}.txt").touch()
    assert judged(command, tmp_path).outcome is Outcome.ALLOW
    for number in range(400):
        (tmp_path / "big" / f"more{number}.txt").touch()
    verdict = judged(command, tmp_path)
    assert verdict.outcome is Outcome.ASK
    assert "large" in verdict.reason or "too much" in verdict.reason


def test_a_link_on_the_way_of_what_follows_links(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "a").mkdir(parents=True)
    (work / "b").mkdir()
    (tmp_path / "secret").touch()
    (work / "a" / "x").symlink_to(tmp_path / "secret")
    assert judged("diff -r a b", work).outcome is Outcome.ASK
    assert judged("diff -r --no-dereference a b", work).outcome is Outcome.ALLOW
    assert judged("grep -r x a", work).outcome is Outcome.ALLOW  # It follows none below a folder.
    assert judged("find a -exec cat {} +", work).outcome is Outcome.ASK


def test_a_folder_that_is_moved_takes_a_protected_name_along(tmp_path: Path) -> None:
    text = (
        '[[rule]]\nverdict = "deny"\nname = "vendor"\nedit = ["src/vendor/keep"]\nreason = "mine"\n'
    )
    policy = Policy([builtin_layer(), layer_of("user", read_policy(text, "policy.toml"))])
    (tmp_path / "src").mkdir()
    (tmp_path / "made" / "vendor").mkdir(parents=True)
    (tmp_path / "made" / "vendor" / "other").touch()
    assert judged("mv made/vendor src", tmp_path, policy).outcome is Outcome.ALLOW
    (tmp_path / "made" / "vendor" / "keep").touch()
    for command in (
        "mv made/vendor src",
        "mv made/* src",
        "mv made/vendor src/vendor",
        "git mv made/vendor src",
    ):
        assert judged(command, tmp_path, policy).outcome is not Outcome.ALLOW, command
    assert judged("mv made/vendor/other src", tmp_path, policy).outcome is Outcome.ALLOW


def test_changing_what_find_gives_looks_at_each_of_it(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").touch()
    assert (
        judged("find src -name '*.py' -exec sed -i s/a/b/ {} +", tmp_path).outcome is Outcome.ALLOW
    )
    (tmp_path / "elsewhere").touch()
    (tmp_path / "src" / "hard.py").hardlink_to(tmp_path / "elsewhere")
    verdict = judged("find src -name '*.py' -exec sed -i s/a/b/ {} +", tmp_path)
    assert verdict.outcome is Outcome.ASK
    assert "hard link" in verdict.reason
