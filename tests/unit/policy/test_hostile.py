"""What an agent or a repository tried to get past the rules by; each of it has worked once."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import pytest

from autopilot_ls.model.approvals import (
    Action,
    ChangeKind,
    CommandAction,
    Grant,
    Mode,
    Outcome,
    PatchAction,
    ProposedChange,
)
from autopilot_ls.policy.index import shell_line
from autopilot_ls.policy.language import read_policy
from autopilot_ls.policy.load import Loader, PolicyFiles
from autopilot_ls.policy.policy import Policy, builtin_layer, layer_of
from autopilot_ls.policy.remember import offers

LINE = 'verdict = "allow"\nline = "make deploy"\n'
ASKING = [Mode.PROPOSE, Mode.AUTO, Mode.ESCALATE]


def with_rule(text: str, *, narrowing: bool = False) -> Policy:
    content = read_policy(f"version = 1\n[[rule]]\nname = 'r'\n{text}", "policy.toml")
    assert not content.problems, content.problems
    kind = "workspace" if narrowing else "user"
    return Policy([builtin_layer(), layer_of(kind, content, narrowing=narrowing)])


def command(text: str, cwd: Path, *, escalated: bool = False) -> CommandAction:
    return CommandAction(command=text, cwd=str(cwd), escalated=escalated)


def update(*paths: Path) -> PatchAction:
    return PatchAction(
        changes=tuple(
            ProposedChange(path=str(path), kind=ChangeKind.UPDATE, form="unified", text="")
            for path in paths
        )
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "ws"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("mode", ASKING)
@pytest.mark.parametrize(
    "text",
    [
        "./bash -lc 'make deploy'",
        "/tmp/bash -lc 'make deploy'",
        "./evil;/bin/bash -lc 'make deploy'",
        "./evil&/bin/bash -lc 'make deploy'",
        "{./evil,x};/bin/bash -lc 'make deploy'",
        "$(./evil)/bash -c 'make deploy'",
        "`./evil`/bash -c 'make deploy'",
        "bash\n-c\n'make deploy'",
        "bash -c 'make deploy'\n",
        "bash -c $'make deploy'",
        "bash -c 'make deploy';./evil",
        "bash -c 'make deploy' x",
    ],
)
def test_an_exact_line_is_nothing_that_another_line_only_ends_with(
    text: str, mode: Mode, workspace: Path
) -> None:
    policy = with_rule(LINE)
    action = command(text, workspace)
    assert policy.judge(action, mode=mode, workspace=workspace).outcome is Outcome.ASK


@pytest.mark.parametrize(
    "script", ["make deploy", "it's", "a \"b\" 'c' \\$x", "ls", "a\nb", "é $x"]
)
def test_what_a_shell_is_given_is_the_line(script: str) -> None:
    assert shell_line(shlex.join(["/bin/bash", "-lc", script])) == script
    doubled = '"' + "".join(f"\\{c}" if c in '"$`\\' else c for c in script) + '"'
    assert shell_line(f"zsh -c {doubled}") == script


@pytest.mark.parametrize("text", ["make deploy", "pytest -q", "ls", "npm test"])
def test_nothing_goes_by_rule_in_a_folder_outside_the_workspace(
    text: str, tmp_path: Path, workspace: Path
) -> None:
    policy = with_rule(LINE)

    def outcome(cwd: Path) -> Outcome:
        return policy.judge(command(text, cwd), mode=Mode.AUTO, workspace=workspace).outcome

    (workspace / "way-out").symlink_to(tmp_path)
    assert outcome(workspace) is Outcome.ALLOW
    assert [outcome(cwd) for cwd in (tmp_path, Path("/"), workspace / "way-out")] == [
        Outcome.ASK
    ] * 3


@pytest.mark.parametrize("more", ["", "escalated = true\n"])
def test_a_policy_that_is_not_trusted_opens_no_way_out_of_the_sandbox(
    more: str, workspace: Path
) -> None:
    action = command("frobnicate", workspace, escalated=True)
    text = f'verdict = "ask"\ncommand = "frobnicate …"\n{more}'
    for mode in Mode:
        policy = with_rule(text, narrowing=True)
        assert policy.judge(action, mode=mode, workspace=workspace).outcome is Outcome.DENY
    mine = with_rule(text).judge(action, mode=Mode.AUTO, workspace=workspace).outcome
    assert mine is (Outcome.ASK if more else Outcome.DENY)


def test_an_ask_of_the_built_in_rules_is_no_way_out_of_the_sandbox(workspace: Path) -> None:
    action = command("git push", workspace, escalated=True)
    empty = Policy([builtin_layer()])
    assert empty.judge(action, mode=Mode.AUTO, workspace=workspace).outcome is Outcome.DENY
    mine = with_rule('verdict = "allow"\ncommand = "git push …"\nescalated = true\n')
    assert mine.judge(action, mode=Mode.AUTO, workspace=workspace).outcome is Outcome.ASK


@pytest.mark.parametrize("mode", ASKING)
def test_a_grant_for_a_file_is_none_for_where_a_link_leads(
    mode: Mode, tmp_path: Path, workspace: Path
) -> None:
    policy = Policy([builtin_layer()])
    elsewhere = tmp_path / "elsewhere"
    for folder in (workspace / "src", elsewhere):
        folder.mkdir()
        (folder / "a.py").write_text("x")
    file = workspace / "src" / "a.py"
    grant = Grant(id="g", paths=(str(file), str(elsewhere / "a.py")), granted_by="me")

    def outcome(action: Action) -> Outcome:
        verdict = policy.judge(action, mode=mode, grants=[grant], workspace=workspace)
        return verdict.outcome

    assert outcome(update(file)) is Outcome.ALLOW
    assert outcome(update(elsewhere / "a.py")) is Outcome.ALLOW, "it was granted as it is"
    (workspace / "src").rename(workspace / "old")
    (workspace / "src").symlink_to(elsewhere)
    assert outcome(update(file)) is Outcome.ASK


@pytest.mark.parametrize(
    "text", ["make ...", "npm run ...", "docker ... x", "... x", "bash -c 'git ...'"]
)
def test_a_word_of_dots_is_not_offered_as_any_words(text: str, workspace: Path) -> None:
    found = offers(command(text, workspace), workspace)
    assert [offer.key for offer in found] == ["line"]


@pytest.mark.parametrize("way", ["file", "folder"])
def test_a_workspace_policy_behind_a_link_is_protected_where_it_is(
    way: str, tmp_path: Path, workspace: Path
) -> None:
    (workspace / "conf").mkdir()
    real = workspace / "conf" / "policy.toml"
    real.write_text("version = 1\n[[rule]]\nname = 'd'\nverdict = 'deny'\nedit = 'keep'\n")
    if way == "folder":
        (workspace / ".autopilot").symlink_to("conf")
    else:
        (workspace / ".autopilot").mkdir()
        (workspace / ".autopilot" / "policy.toml").symlink_to("../conf/policy.toml")
    policy = Loader(PolicyFiles.standard(tmp_path / "config", tmp_path / "state")).load(workspace)

    def outcome(path: Path) -> Outcome:
        return policy.judge(update(path), mode=Mode.AUTO, workspace=workspace).outcome

    assert outcome(workspace / "keep") is Outcome.DENY
    assert outcome(real) is not Outcome.ALLOW
    assert outcome(workspace / "conf" / "other") is Outcome.ALLOW


def test_a_workspace_that_a_link_leads_to_is_inside(tmp_path: Path, workspace: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(workspace)
    for root, cwd in ((link, link), (link, workspace), (workspace, workspace / ".")):
        action = command("make deploy", cwd)
        assert (
            with_rule(LINE).judge(action, mode=Mode.AUTO, workspace=root).outcome is Outcome.ALLOW
        )


@pytest.mark.parametrize(
    ("verdict", "expected"), [("deny", Outcome.DENY), ("allow", Outcome.ALLOW)]
)
def test_a_rule_for_a_workspace_holds_where_a_link_of_that_name_leads(
    verdict: str, expected: Outcome, tmp_path: Path, workspace: Path
) -> None:
    """Sessions are where they really are; people name folders as they go there."""
    (tmp_path / "link").symlink_to(workspace)
    (workspace / "sub").mkdir()
    text = f'verdict = "{verdict}"\ncommand = "frob …"\nworkspace = "{tmp_path}/link/"\n'
    for root in (workspace, workspace / "sub"):
        action = command("frob", root)
        judged = with_rule(text).judge(action, mode=Mode.AUTO, workspace=root)
        assert judged.outcome is expected
    elsewhere = with_rule(text).judge(command("frob", tmp_path), mode=Mode.AUTO, workspace=tmp_path)
    assert elsewhere.outcome is Outcome.ASK


def test_no_pattern_of_a_workspace_makes_a_verdict_take_long(workspace: Path) -> None:
    """An agent words the command, and the repository that it works in the pattern."""
    long = "a" * 3000
    hostile = [
        (f'command = "frob {"*a" * 12}*b"', f"frob {long}"),
        (f'command = "frob {"… a " * 2}… b"', f"frob {'a ' * 200}"),
        ('edit = "*a*a*a/b"', f"frob > {long}/{long}/c"),
        ('edit = "**/a/**/a*b"', f"frob > {'a/' * 1500}ac"),
        ('edit = "{*a,*aa}*a*a/b"', f"frob > {long}"),
    ]
    for rule, text in hostile:
        policy = with_rule(f'verdict = "ask"\n{rule}\n', narrowing=True)
        started = time.process_time()
        policy.judge(command(text, workspace), mode=Mode.AUTO, workspace=workspace)
        assert time.process_time() - started < 3, rule
    for pattern in ("*a*a*a*b", "**/a/**/a/**/b", "{*a*,*b*}x{*a*,*b*}"):
        problems = read_policy(
            f'version = 1\n[[rule]]\nname = "r"\nverdict = "ask"\nedit = "{pattern}"\n', "p"
        ).problems
        assert "too many wildcards" in str(problems[0])
    with_rule(
        'verdict = "ask"\nedit = ["{*.js,*.ts,*.jsx,*.tsx}", "**/src/**/x*/**", "[*]*[*]*[*]*"]\n'
    )


@pytest.mark.parametrize(
    ("pattern", "word", "expected"),
    [
        ("*a*b*", "xxaxxbxx", True), ("*ab", "aab", True), ("a*", "a", True), ("*a*a", "aa", True),
        ("*a*a", "a", False), ("a*b?c", "aXbbXc", True), ("**", "", True), ("a*a", "a", False),
        ("*.a.*", "x.a.y\nz", True), ("a?c", "abc", True),
    ],
)  # fmt: skip
def test_wildcards_in_a_word(pattern: str, word: str, expected: bool, workspace: Path) -> None:  # noqa: FBT001
    policy = with_rule(f'verdict = "deny"\ncommand = "frob {pattern}"\n')
    action = command(f"frob {shlex.quote(word)}", workspace)
    denied = policy.judge(action, mode=Mode.AUTO, workspace=workspace).outcome is Outcome.DENY
    assert denied is expected


@pytest.mark.parametrize(
    "text",
    [
        "docker container run -v /:/host x", "docker compose run web", "docker-compose up", "systemd-run --user evil",
        "dbus-send x", "emacsclient -e x", "git rebase main", "git bisect start", "nix run x", "uvx x", "git fetch origin",
    ],
)  # fmt: skip
def test_what_runs_anything_is_offered_as_an_exact_line_only(text: str, workspace: Path) -> None:
    assert [offer.key for offer in offers(command(text, workspace), workspace)] == ["line"]


@pytest.mark.parametrize("key", ["edit", "read"])
@pytest.mark.parametrize("tail", ["keep", "keep/*", "**", "k?ep"])
def test_a_deny_that_names_a_path_by_a_link_holds_for_the_path(
    key: str, tail: str, tmp_path: Path
) -> None:
    real = tmp_path / "real"
    (real / "keep").mkdir(parents=True)
    (tmp_path / "dot").symlink_to(real)
    policy = with_rule(f'verdict = "deny"\n{key} = "{tmp_path}/dot/{tail}"\n')
    name = "keep/file" if tail in ("keep/*", "**") else "keep"
    line = f"touch {name}" if key == "edit" else f"cat {name}"
    verdict = policy.judge(command(line, real), mode=Mode.AUTO, workspace=real)
    assert verdict.outcome is Outcome.DENY
