"""The verdicts of the two modes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
)
from autopilot_ls.policy import judge
from autopilot_ls.policy.reading import is_plainly_reading


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    (root / "src").mkdir(parents=True)
    (root / "src" / "a.py").write_text("x = 1\n")
    (tmp_path / "secret").write_text("key\n")
    (root / "out").symlink_to(tmp_path / "secret")
    return root


READING = [
    "ls",
    "ls -la src",
    "cat src/a.py",
    "head -n 5 src/a.py",
    "grep -rn 'x = 1' src",
    "wc -l src/a.py",
    "/bin/bash -lc 'cat src/a.py'",
    "bash -c ls",
    "pwd",
]

NOT_READING = [
    "",
    "rm -rf src",
    "ls; rm a",
    "ls && rm a",
    "ls | sh",
    "ls\nrm a",
    "cat src/a.py > b",
    "cat $(rm a)",
    "cat `rm a`",
    "cat <(rm a)",
    "cat $HOME/.ssh/id_rsa",
    "cat ~/.ssh/id_rsa",
    "cat /etc/passwd",
    "cat ../secret",
    "cat out",
    "grep -f/etc/passwd x",
    "grep --file=/etc/passwd x",
    "grep --file=../secret x",
    "PATH=. ls",
    "./ls",
    "/tmp/ls",
    "find . -delete",
    "git status",
    "rg --pre evil x",
    "sort -o src/a.py src/a.py",
    "bash -lc 'bash -c ls'",
    "bash -lc ls extra",
    "bash script.sh",
    "l\\s",
    "ls src/*",
    "ls {a,b}",
    "cat 'unclosed",
    "cаt src/a.py",
    "ls \u202e a",
    "ls\x00",
    "cat " + "a" * 5000,
    "env ls",
    "sudo ls",
    "time ls",
    "xargs rm",
    "tee a",
    "!ls",
    "ls #x",
    "./bash -c ls",
    "/tmp/work/bash -lc ls",
    "grep -R key .",
    "grep -nR key .",
    "grep --dereference-rec key .",
    "ls -RL",
    "ls --deref",
    "du -aL",
    "du --files0-from=list",
    "wc --files0=list",
]


@pytest.mark.parametrize("command", READING)
def test_plainly_reading(command: str, workspace: Path) -> None:
    assert is_plainly_reading(command, cwd=workspace, workspace=workspace)


@pytest.mark.parametrize("command", NOT_READING)
def test_not_plainly_reading(command: str, workspace: Path) -> None:
    assert not is_plainly_reading(command, cwd=workspace, workspace=workspace)


@pytest.mark.parametrize("folder", [".venv/bin", "{workspace}/.venv/bin", ""])
def test_a_program_of_the_workspace_is_not_plain(
    folder: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An activated environment puts such a folder on the PATH, and a repository can bring an `ls`."""
    monkeypatch.setenv("PATH", f"{folder.format(workspace=workspace)}{os.pathsep}{os.defpath}")
    assert is_plainly_reading("ls", cwd=workspace, workspace=workspace)
    (workspace / ".venv" / "bin").mkdir(parents=True)
    for own in (workspace / ".venv" / "bin" / "ls", workspace / "ls"):
        own.write_text("#!/bin/sh\n")
    assert not is_plainly_reading("ls", cwd=workspace, workspace=workspace)


def test_a_working_folder_outside_the_workspace_is_not_plain(workspace: Path) -> None:
    assert not is_plainly_reading("ls", cwd=workspace.parent, workspace=workspace)


@given(
    prefix=st.sampled_from(READING),
    middle=st.sampled_from([";", "&&", "||", "|", "&", "\n", ">", "<", "$(", "`", "<<E\n"]),
    rest=st.text(max_size=30),
)
def test_joining_anything_to_a_reading_command_is_never_plain(
    prefix: str, middle: str, rest: str
) -> None:
    root = Path("/work")
    assert not is_plainly_reading(f"{prefix}{middle}{rest}", cwd=root, workspace=root)


@given(st.text(max_size=200))
def test_judging_a_command_is_total(command: str) -> None:
    root = Path("/work")
    for mode in Mode:
        judge(CommandAction(command=command, cwd="/work"), mode, (), workspace=root)


def _patch(*paths: str, move_to: str | None = None) -> PatchAction:
    return PatchAction(
        changes=tuple(
            ProposedChange(
                path=path, kind=ChangeKind.UPDATE, move_to=move_to, form="unified", text=""
            )
            for path in paths
        )
    )


OTHERS: list[Action] = [
    _patch("/work/a"),
    PermissionAction(cwd="/work", permissions=("write /",), native="{}"),
    ToolAction(server="s", tool="t"),
    CommandAction(command="ls", cwd="/work", types_input=True),
    CommandAction(command="ls", cwd="/work", network_host="example.org"),
    CommandAction(command="ls", cwd="/work", permissions=("write /",)),
    CommandAction(command="make", cwd="/work"),
]


@pytest.mark.parametrize("action", OTHERS)
def test_propose_asks_and_read_only_denies(action: Action) -> None:
    root = Path("/work")
    assert judge(action, Mode.PROPOSE, (), workspace=root).outcome is Outcome.ASK
    assert judge(action, Mode.READ_ONLY, (), workspace=root).outcome is Outcome.DENY


@pytest.mark.parametrize(
    "path", ["/work/.git/hooks/pre-commit", "/work/sub/.git/config", "/work/.GIT/x", ".git"]
)
def test_no_patch_reaches_into_the_folder_of_git(path: str) -> None:
    grant = Grant(id="g", paths=(path,), granted_by="me")
    for action in (_patch(path), _patch("/work/a", path), _patch("/work/a", move_to=path)):
        verdict = judge(action, Mode.PROPOSE, [grant], workspace=Path("/work"))
        assert (verdict.outcome, verdict.rule) == (Outcome.DENY, "git-folder")
    for other in ("/work/.github/a", "/work/.gitignore", "/work/a.git/x"):
        assert judge(_patch(other), Mode.PROPOSE, [], workspace=Path("/work")).rule == "ask"


def test_no_command_leaves_the_sandbox() -> None:
    for mode in Mode:
        for text in ("ls", "make test"):
            action = CommandAction(command=text, cwd="/work", escalated=True)
            grant = Grant(id="g", command=text, cwd="/work", granted_by="me")
            assert judge(action, mode, [grant], workspace=Path("/work")).outcome is Outcome.DENY


@pytest.mark.parametrize(
    "action",
    [
        QuestionAction(questions=(Question(id="q", text="Which?"),)),
        ElicitationAction(server="s", message="m"),
    ],
)
def test_questions_always_reach_a_person(action: Action) -> None:
    for mode in Mode:
        assert judge(action, mode, (), workspace=Path("/work")).outcome is Outcome.ASK


def test_a_grant_allows_exactly_what_was_granted_and_never_in_read_only() -> None:
    root = Path("/work")
    grants = [
        Grant(id="g1", command="make test", cwd="/work", granted_by="me"),
        Grant(id="g2", paths=("/work/a", "/work/b"), granted_by="me"),
    ]

    def outcome(action: Action, mode: Mode = Mode.PROPOSE) -> Outcome:
        return judge(action, mode, grants, workspace=root).outcome

    assert outcome(CommandAction(command="make test", cwd="/work")) is Outcome.ALLOW
    assert outcome(CommandAction(command="make test ", cwd="/work")) is Outcome.ASK
    assert outcome(CommandAction(command="make test", cwd="/work/src")) is Outcome.ASK
    typed = CommandAction(command="make test", cwd="/work", types_input=True)
    assert outcome(typed) is Outcome.ASK
    assert outcome(_patch("/work/a")) is Outcome.ALLOW
    assert outcome(_patch("/work/a", "/work/c")) is Outcome.ASK
    assert outcome(_patch("/work/a", move_to="/work/c")) is Outcome.ASK
    assert outcome(_patch()) is Outcome.ASK
    assert outcome(_patch("/work/a"), Mode.READ_ONLY) is Outcome.DENY
