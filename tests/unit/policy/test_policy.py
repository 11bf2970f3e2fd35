"""Policies as a whole: modes, grants, layers, limits of what a rule can reach, explanations."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from autopilot_ls.model.approvals import (
    Action,
    ChangeKind,
    CommandAction,
    ElicitationAction,
    Grant,
    Mode,
    Outcome,
    PatchAction,
    PermissionAction,
    ProposedChange,
    Question,
    QuestionAction,
    ToolAction,
    Verdict,
)
from autopilot_ls.policy.language import read_policy
from autopilot_ls.policy.policy import Layer, Policy, builtin_layer, builtin_policy, layer_of

ROOT = Path("/work-that-is-not-there")


def judge(action: Action, mode: Mode, grants: Iterable[Grant], *, workspace: Path) -> Verdict:
    """Return the verdict of the built-in rules alone."""
    return builtin_policy().judge(action, mode=mode, grants=grants, workspace=workspace)


def user(text: str, *, narrowing: bool = False) -> Layer:
    content = read_policy(text, "policy.toml")
    assert not content.problems, content.problems
    return layer_of("workspace" if narrowing else "user", content, narrowing=narrowing)


def with_rules(text: str, *, narrowing: bool = False) -> Policy:
    return Policy([builtin_layer(), user(text, narrowing=narrowing)])


def command(text: str, *, escalated: bool = False) -> CommandAction:
    return CommandAction(command=text, cwd=str(ROOT), escalated=escalated)


def patch(*paths: str, move_to: str | None = None) -> PatchAction:
    return PatchAction(
        changes=tuple(
            ProposedChange(
                path=f"{ROOT}/{path}",
                kind=ChangeKind.UPDATE,
                move_to=None if move_to is None else f"{ROOT}/{move_to}",
                form="unified",
                text="",
            )
            for path in paths
        )
    )


def outcome(policy: Policy, action: Action, mode: Mode = Mode.AUTO) -> Outcome:
    return policy.judge(action, mode=mode, workspace=ROOT).outcome


WIDER: list[Action] = [
    PermissionAction(cwd=str(ROOT), permissions=("write /",), native="{}"),
    ToolAction(server="s", tool="t"),
    CommandAction(command="ls", cwd=str(ROOT), types_input=True),
    CommandAction(command="ls", cwd=str(ROOT), network_host="example.org"),
    CommandAction(command="ls", cwd=str(ROOT), permissions=("write /",)),
    PatchAction(changes=()),
    patch("src/a.py").model_copy(update={"grant_root": "/"}),
]


@pytest.mark.parametrize("action", WIDER)
def test_what_leaves_the_sandbox_or_widens_it_is_never_allowed_by_the_built_in_rules(
    action: Action,
) -> None:
    for mode in Mode:
        expected = Outcome.DENY if mode is Mode.READ_ONLY else Outcome.ASK
        assert judge(action, mode, (), workspace=ROOT).outcome is expected


def test_questions_always_reach_a_person() -> None:
    asked = QuestionAction(questions=(Question(id="q", text="Which?"),))
    for action in (asked, ElicitationAction(server="s", message="m")):
        for mode in Mode:
            assert judge(action, mode, (), workspace=ROOT).outcome is Outcome.ASK


def test_a_grant_allows_exactly_what_was_granted_and_never_in_read_only() -> None:
    grants = [
        Grant(id="g1", command="make deploy", cwd=str(ROOT), granted_by="me"),
        Grant(id="g2", paths=(f"{ROOT}/a", f"{ROOT}/b"), granted_by="me"),
        Grant(id="g3", paths=(f"{ROOT}/.github/workflows/ci.yml",), granted_by="me"),
        Grant(id="g4", command="rm -rf /", cwd=str(ROOT), granted_by="me"),
        Grant(id="g5", command="cat .env", cwd=str(ROOT), granted_by="me"),
    ]

    def granted(action: Action, mode: Mode = Mode.PROPOSE) -> Outcome:
        return judge(action, mode, grants, workspace=ROOT).outcome

    assert granted(command("make deploy")) is Outcome.ALLOW
    assert granted(command("make deploy ")) is Outcome.ASK
    assert granted(command("make deploy", escalated=True)) is Outcome.DENY
    assert granted(CommandAction(command="make deploy", cwd=f"{ROOT}/src")) is Outcome.ASK
    assert granted(patch("a")) is Outcome.ALLOW
    assert granted(patch("a", "c")) is Outcome.ASK
    assert granted(patch("a", move_to="c")) is Outcome.ASK
    assert granted(patch("a"), Mode.READ_ONLY) is Outcome.DENY
    assert granted(patch(".github/workflows/ci.yml")) is Outcome.ASK, "protected"
    assert granted(command("rm -rf /")) is Outcome.DENY
    assert granted(command("cat .env")) is Outcome.ASK, "protected"


def test_no_patch_reaches_into_the_folder_of_git() -> None:
    for path in (".git/hooks/pre-commit", "sub/.git/config", ".GIT/x"):
        grant = Grant(id="g", paths=(f"{ROOT}/{path}",), granted_by="me")
        for action in (patch(path), patch("a", path), patch("a", move_to=path)):
            verdict = judge(action, Mode.PROPOSE, [grant], workspace=ROOT)
            assert (verdict.outcome, verdict.rule) == (Outcome.DENY, "git-folder")
    for path in (".gitignore", "a.git/x"):
        assert judge(patch(path), Mode.PROPOSE, [], workspace=ROOT).outcome is Outcome.ASK


def test_no_command_leaves_the_sandbox_unless_a_rule_of_the_user_says_so() -> None:
    for mode in Mode:
        for text in ("ls", "make test", "evil", "$x"):
            action = command(text, escalated=True)
            grant = Grant(id="g", command=text, cwd=str(ROOT), granted_by="me")
            verdict = judge(action, mode, [grant], workspace=ROOT)
            assert (verdict.outcome, verdict.rule) == (Outcome.DENY, "sandbox")
    asking = with_rules('[[rule]]\nverdict="ask"\ncommand="* …"\nescalated=true\n')
    assert outcome(asking, command("make test", escalated=True)) is Outcome.ASK
    assert outcome(asking, command("make test")) is Outcome.ALLOW


def test_a_deny_can_be_for_what_leaves_the_sandbox_only() -> None:
    policy = with_rules('[[rule]]\nverdict="deny"\ncommand="*"\nescalated=true\n')
    assert outcome(policy, command("ls", escalated=True)) is Outcome.DENY
    assert outcome(policy, command("ls")) is Outcome.ALLOW


def test_a_program_that_the_workspace_brings_is_not_taken_for_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An activated environment puts its folder on the PATH, and a repository can bring a `cat`."""
    (tmp_path / "README.md").write_text("x")
    monkeypatch.setenv("PATH", f"{tmp_path}/.venv/bin{os.pathsep}{os.defpath}")
    action = CommandAction(command="cat README.md", cwd=str(tmp_path))

    def verdicts() -> list[str]:
        return [judge(action, mode, (), workspace=tmp_path).outcome.value for mode in Mode]

    assert verdicts() == ["allow"] * 4
    program = tmp_path / ".venv" / "bin" / "cat"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert verdicts() == ["deny", "ask", "allow", "allow"]


def test_an_allow_of_a_command_reaches_the_sandbox_only_unless_it_says_more() -> None:
    inside = with_rules('[[rule]]\nverdict="allow"\ncommand="make deploy"\n')
    outside = with_rules('[[rule]]\nverdict="allow"\ncommand="make deploy"\nescalated=true\n')
    assert outcome(inside, command("make deploy")) is Outcome.ALLOW
    assert outcome(inside, command("make deploy"), Mode.PROPOSE) is Outcome.ALLOW
    assert outcome(inside, command("make deploy"), Mode.READ_ONLY) is Outcome.DENY
    assert outcome(inside, command("make deploy", escalated=True)) is Outcome.DENY
    assert outcome(outside, command("make deploy", escalated=True)) is Outcome.ALLOW
    assert outcome(outside, command("CI=1 make deploy", escalated=True)) is Outcome.DENY
    assert outcome(outside, command("make deploy; ls", escalated=True)) is Outcome.DENY


def test_the_most_cautious_rule_wins_whatever_the_order() -> None:
    policy = with_rules(
        '[[rule]]\nname="no"\nverdict="deny"\ncommand="git push …"\n'
        '[[rule]]\nname="yes"\nverdict="allow"\ncommand="git push …"\n'
        '[[rule]]\nname="all"\nverdict="allow"\ncommand="evil …"\n'
    )
    verdict = policy.judge(command("ls && git push origin"), mode=Mode.AUTO, workspace=ROOT)
    assert (verdict.outcome, verdict.rule, verdict.part) == (
        Outcome.DENY, "no", "git push origin",
    )  # fmt: skip
    assert verdict.source == "policy.toml:1"
    assert outcome(policy, command("evil x")) is Outcome.ALLOW
    assert outcome(policy, command("evil .git/config")) is Outcome.DENY
    assert outcome(policy, command("evil ../x")) is Outcome.ASK
    assert outcome(policy, command("evil $x")) is Outcome.ASK
    assert outcome(policy, command("/bin/evil x")) is Outcome.ALLOW
    assert outcome(policy, command("./evil x")) is Outcome.ASK
    assert outcome(policy, command("/tmp/evil x")) is Outcome.ASK


@pytest.mark.parametrize(
    "text",
    [
        "git push", "/usr/bin/git push", "/tmp/git push", "GIT PUSH x", "git -C x push", "git --no-pager push", "sh -c 'git push'",
        "env A=1 git push", "sudo git push", "xargs git push", "find . -exec git push \\;", "timeout 5 git push", "ls; git push", "$(git push)",
        "eval 'git push'", "alias x='git push'", "trap 'git push' EXIT", "f() { git push; }", 'g"i"t push', "git $'push'", "if ls; then git push; fi",
        "git -c a=b push", "nohup git push &", "for i in 1; do git push; done", "bash <<'E'\ngit push\nE", "git $x",
    ],
)  # fmt: skip
def test_a_deny_is_found_however_it_is_wrapped(text: str) -> None:
    policy = with_rules('[[rule]]\nverdict="deny"\ncommand="git push …"\n')
    assert outcome(policy, command(text)) is Outcome.DENY


def test_a_workspace_policy_changes_nothing_for_the_better_before_it_is_trusted() -> None:
    text = (
        '[[rule]]\nname="a"\nverdict="allow"\ncommand="evil …"\n'
        '[[rule]]\nname="b"\nverdict="allow"\nedit="/**"\n'
        '[[rule]]\nname="c"\nverdict="allow"\ntool="*"\n'
        '[[rule]]\nname="d"\nverdict="deny"\ncommand="pytest …"\n'
        "[limits]\nfiles = 1000000\ncommands = 5\n"
    )
    untrusted, trusted = with_rules(text, narrowing=True), with_rules(text)
    assert outcome(untrusted, command("evil x")) is Outcome.ASK
    assert outcome(untrusted, ToolAction(server="s", tool="t")) is Outcome.ASK
    assert outcome(untrusted, command("pytest")) is Outcome.DENY
    assert outcome(trusted, command("evil x")) is Outcome.ALLOW
    assert outcome(trusted, ToolAction(server="s", tool="t")) is Outcome.ALLOW
    assert untrusted.limits.files == builtin_policy().limits.files
    assert untrusted.limits.commands == 5
    assert trusted.limits.files == 1000000


def test_not_even_a_trusted_rule_lifts_what_is_protected() -> None:
    policy = with_rules(
        '[[rule]]\nname="a"\nverdict="allow"\nedit=["/**", "**"]\n'
        '[[rule]]\nname="b"\nverdict="allow"\nread=["/**", "**"]\n'
        '[[rule]]\nname="c"\nverdict="allow"\ncommand=["cat …", "sudo …"]\nescalated=true\n'
    )
    assert outcome(policy, patch(".git/config")) is Outcome.DENY
    assert outcome(policy, patch(".GITHUB/workflows/x")) is Outcome.ASK
    assert outcome(policy, command("cat .env")) is Outcome.ASK
    assert outcome(policy, command("sudo ls")) is Outcome.ASK
    assert outcome(policy, command("cat /etc/hosts")) is Outcome.ALLOW


def test_modes_workspaces_kinds_and_risk() -> None:
    policy = with_rules(
        '[[rule]]\nname="a"\nverdict="allow"\ncommand="one"\nmodes="escalate"\n'
        f'[[rule]]\nname="b"\nverdict="allow"\ncommand="two"\nworkspace="{ROOT}"\n'
        '[[rule]]\nname="c"\nverdict="allow"\ncommand="three"\nworkspace="/elsewhere"\n'
        '[[rule]]\nname="d"\nverdict="allow"\ncommand="four"\nrisk="high"\n'
        '[[rule]]\nname="e"\nverdict="deny"\nedit="src/**"\nkinds=["delete", "rename"]\n'
        '[[rule]]\nname="f"\nverdict="allow"\nline="x | y"\n'
    )
    assert outcome(policy, command("one")) is Outcome.ASK
    assert outcome(policy, command("one"), Mode.ESCALATE) is Outcome.ALLOW
    assert outcome(policy, command("two")) is Outcome.ALLOW
    assert outcome(policy, command("three")) is Outcome.ASK
    assert outcome(policy, command("four")) is Outcome.ALLOW
    assert outcome(policy, command("four"), Mode.ESCALATE) is Outcome.ASK
    assert outcome(policy, patch("src/a.py")) is Outcome.ALLOW
    assert outcome(policy, patch("src/a.py", move_to="b.py")) is Outcome.DENY
    assert outcome(policy, command("mv src/a.py b.py")) is Outcome.DENY
    assert outcome(policy, command("x | y")) is Outcome.ALLOW
    assert outcome(policy, command("bash -lc 'x | y'")) is Outcome.ALLOW
    assert outcome(policy, command("x | y ")) is Outcome.ASK
    assert outcome(policy, command("x | y"), Mode.READ_ONLY) is Outcome.DENY


def test_hosts_tools_and_permissions() -> None:
    policy = with_rules(
        '[[rule]]\nname="a"\nverdict="allow"\nnetwork=["*.example.org", "!bad.example.org"]\n'
        '[[rule]]\nname="b"\nverdict="deny"\nnetwork="evil.com"\n'
        '[[rule]]\nname="c"\nverdict="allow"\ntool=["docs/*", "!docs/delete*"]\n'
        '[[rule]]\nname="d"\nverdict="allow"\npermission="network*"\n'
        '[[rule]]\nname="e"\nverdict="allow"\ncommand="curl …"\n'
    )

    def reach(host: str) -> CommandAction:
        return CommandAction(command="ls", cwd=str(ROOT), network_host=host)

    assert outcome(policy, reach("a.example.org")) is Outcome.ALLOW
    assert outcome(policy, reach("A.Example.Org.")) is Outcome.ALLOW
    assert outcome(policy, reach("bad.example.org")) is Outcome.ASK
    assert outcome(policy, reach("example.org.evil.net")) is Outcome.ASK
    assert outcome(policy, reach("evil.com")) is Outcome.DENY
    assert outcome(policy, reach("a.example.org"), Mode.READ_ONLY) is Outcome.DENY
    assert outcome(policy, command("curl https://evil.com/x")) is Outcome.DENY
    assert outcome(policy, command("curl https://other.com/x")) is Outcome.ALLOW
    assert outcome(policy, ToolAction(server="docs", tool="search")) is Outcome.ALLOW
    assert outcome(policy, ToolAction(server="docs", tool="delete_all")) is Outcome.ASK
    assert outcome(policy, ToolAction(server="docs", tool="search"), Mode.PROPOSE) is Outcome.ASK
    asked = PermissionAction(cwd=str(ROOT), permissions=("network: all",), native="{}")
    assert outcome(policy, asked) is Outcome.ALLOW
    assert outcome(policy, asked, Mode.READ_ONLY) is Outcome.DENY


def test_every_part_is_explained() -> None:
    found = builtin_policy().explain(
        command("FOO=1 ls | evil > out.txt"), mode=Mode.AUTO, workspace=ROOT
    )
    assert [(one.part, one.outcome.value) for one in found if one.outcome is not Outcome.ALLOW] == [
        ("FOO=1", "ask"),
        ("evil", "ask"),
    ]
    assert any(one.part == "write out.txt" and one.rule == "edit-workspace" for one in found)


def test_a_broken_policy_without_a_last_good_one_allows_nothing() -> None:
    content = read_policy("[[rule]]\nverdikt='allow'\n", "policy.toml")
    policy = Policy([builtin_layer(), layer_of("user", content)])
    assert outcome(policy, command("ls")) is Outcome.ASK
    assert policy.judge(command("ls"), mode=Mode.AUTO, workspace=ROOT).rule == "broken-policy"
    grant = Grant(id="g", command="ls", cwd=str(ROOT), granted_by="me")
    verdict = policy.judge(command("ls"), mode=Mode.AUTO, grants=[grant], workspace=ROOT)
    assert verdict.outcome is Outcome.ASK


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("text", ["<-", "< /dev/null", "> /dev/null", "< /dev/fd/3"])
def test_a_line_that_only_redirects_has_a_verdict(text: str, mode: Mode) -> None:
    assert outcome(builtin_policy(), command(text), mode) in Outcome


def test_a_redirection_into_a_file_called_minus_is_an_edit() -> None:
    found = builtin_policy().explain(command("ls > -"), mode=Mode.PROPOSE, workspace=ROOT)
    assert any(part.changes for part in found)
