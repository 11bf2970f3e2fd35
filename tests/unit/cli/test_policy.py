"""`policy`: the same verdicts as in sessions, exact places of problems, and trust by a person only."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from autopilot_ls.cli.backtesting import approvals_of
from autopilot_ls.cli.main import run_command
from autopilot_ls.cli.policy_doctor import policy_findings
from autopilot_ls.cli.setup import load_settings
from autopilot_ls.model.approvals import (
    Approval,
    CommandAction,
    Decision,
    DecisionKind,
    Grant,
    Mode,
    Outcome,
    Verdict,
)
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    Body,
    Event,
    GrantAdded,
    ModeChanged,
    SessionCreated,
)
from autopilot_ls.policy.language import read_policy
from autopilot_ls.policy.lint import lint
from autopilot_ls.policy.policy import builtin_layer, builtin_text, layer_of
from autopilot_ls.policy.remember import Offer, listed
from autopilot_ls.policy.report import trust_exactly
from autopilot_ls.policy.trust import content_hash
from autopilot_ls.supervisor.policies import policy_files
from autopilot_ls.supervisor.remembering import Memory
from autopilot_ls.trace.store import TraceLimits, TraceStore
from tests.support.pseudo_terminal import program

README = (Path(__file__).parents[3] / "README.md").read_text()
SESSION = "20261122-101500-a1b2c3"
THEIRS = '[[rule]]\nname = "theirs"\nverdict = "allow"\ncommand = ["frobnicate …"]\n'


class World:
    """A home with a user's policy file, and a workspace."""

    def __init__(self, root: Path) -> None:
        self.user = root / "config" / "autopilot-ls" / "policy.toml"
        self.state = root / "state"
        self.workspace = root / "workspace"
        for folder in (self.user.parent, self.state, self.workspace):
            folder.mkdir(parents=True)
        self.theirs = self.workspace / ".autopilot" / "policy.toml"
        self.environment = {
            "XDG_CONFIG_HOME": str(root / "config"),
            "AUTOPILOT_STATE_DIR": str(self.state),
        }

    def workspace_policy(self, text: str = THEIRS) -> None:
        self.theirs.parent.mkdir(exist_ok=True)
        self.theirs.write_text(text)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AUTOPILOT_MODE", raising=False)
    monkeypatch.chdir(made.workspace)
    return made


def policy(*words: str) -> int:
    return run_command(["policy", *words])


def test_the_rules_are_shown_as_the_files_they_are(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.user.write_text('[[rule]]\nname = "mine\u202e"\nverdict = "deny"\nread = ["x"]\n')
    world.workspace_policy()
    assert policy("show") == 0
    shown = capsys.readouterr().out
    assert builtin_text().rstrip() in shown
    mine = shown.index('name = "mine')
    places = shown.index("==== places in use")
    assert places < shown.index(f'"{world.user}"') < shown.index(f"your rules: {world.user}")
    assert shown.index(f'"{world.state}"') < mine
    assert shown.index(str(world.user)) < mine < shown.index("(not trusted")
    assert "\u202e" not in shown


@pytest.mark.parametrize(
    ("words", "code", "decided"),
    [
        (["--", "ls", "-la"], 0, ("allow", "listing-folders")),
        (["--", "ls | wc -l"], 0, ("allow", "listing-folders")),
        (["--", "ls", "|", "rm"], 0, ("allow", "listing-folders")),
        (["--", "git push"], 1, ("ask", "publishing")),
        (["--", "git", "checkout", "--", "x"], 1, ("ask", "propose")),
        (["--mode", "read-only", "--", "touch x"], 1, ("deny", "read-only")),
        (["--", "rm -rf /"], 1, ("deny", "disaster")),
    ],
)
def test_a_command_is_checked(
    world: World,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    decided: tuple[str, str],
) -> None:
    assert policy("check", "--json", *words) == code
    found = json.loads(capsys.readouterr().out)
    assert (found["outcome"], found["rule"]) == decided
    assert found["workspace"] == str(world.workspace)
    assert policy("check", *words) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(decided[0])
    assert [line.split()[0] for line in lines[1:]] == ["rule", "source", "part", "reason"]


def test_a_double_dash_of_the_command_stays(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    policy("check", "--json", "--", "git", "checkout", "--", "x y")
    assert json.loads(capsys.readouterr().out)["command"] == "git checkout -- 'x y'"
    assert world.workspace.exists()


def test_the_users_rule_decides_and_says_where_it_stands(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.user.write_text('version = 1\n\n[[rule]]\nverdict = "deny"\ncommand = ["ls …"]\n')
    assert policy("check", "--", "ls") == 1
    assert f"{world.user}:3" in capsys.readouterr().out


@pytest.mark.usefixtures("world")
def test_each_part_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert policy("explain", "--json", "--", "ls && git push") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["part"], one["outcome"]) for one in found["parts"]] == [
        ("ls", "allow"),
        ("git push", "ask"),
    ]
    assert policy("explain", "--", "ls && git push") == 0
    shown = capsys.readouterr().out
    assert shown.index("listing-folders") < shown.index("publishing") < shown.index("ask (in")


@pytest.mark.usefixtures("world")
def test_a_folder_that_is_not_there_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert policy("check", "--cwd", "missing", "--", "ls") == 2
    assert "no folder" in capsys.readouterr().err


def test_problems_have_their_place(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert policy("lint") == 0
    assert str(world.user) in capsys.readouterr().err
    world.user.write_text('[[rule]]\nverdict = "allwo"\ncommand = ["ls"]\n')
    assert policy("lint") == 1
    assert f"{world.user}:2:11: verdict is one of" in capsys.readouterr().out
    assert policy("check", "--", "ls") == 1
    said = capsys.readouterr()
    assert "broken-policy" in said.out
    assert "policy.toml:2:11" in said.err


def test_what_is_probably_not_meant_is_a_hint(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    one = world.workspace / "one.toml"
    one.write_text('[[rule]]\nverdict = "allow"\ncommand = ["python …"]\n')
    assert policy("lint", str(one)) == 0
    assert f"{one}:1: too-broad" in capsys.readouterr().out
    assert policy("lint", "missing.toml") == 2


# Trust ------------------------------------------------------------------------------------------


def test_nobody_at_the_terminal_trusts_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert policy("trust") == 2
    world.workspace_policy()
    assert policy("trust") == 1
    assert "Only a person" in capsys.readouterr().err
    assert not list(world.state.iterdir())
    assert policy("check", "--", "frobnicate") == 1


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("y\n", 1), ("\n", 1), ("\x04", 1)])
def test_a_person_trusts_what_was_shown_and_nothing_else(
    world: World, answer: str, code: int
) -> None:
    world.workspace_policy(f"{THEIRS}# \x1b[2J\n".replace("\x1b", "\u202e"))
    assert policy("check", "--", "frobnicate") == 1
    command = [sys.executable, "-m", "autopilot_ls", "policy", "trust"]
    environment = {**os.environ, **world.environment}
    with program(command, cwd=world.workspace, environment=environment) as running:
        shown = running.wait_for("Type yes: ")
        assert 'name = "theirs"' in shown
        assert "1 allow: theirs (line 1)" in shown
        assert "\u202e" not in shown
        running.type(answer)
        assert running.ended() == code
    assert policy("check", "--", "frobnicate") == code
    world.workspace_policy(f"{THEIRS}\n# changed\n")
    assert policy("check", "--", "frobnicate") == 1


def test_trust_is_taken_back(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    from autopilot_ls.policy.trust import TrustStore, content_hash

    world.workspace_policy()
    store = TrustStore(world.state / "trusted-policies.json")
    store.trust(world.workspace, content_hash(THEIRS))
    assert policy("check", "--", "frobnicate") == 0
    assert policy("trust") == 0
    assert "already" in capsys.readouterr().out
    assert policy("trust", "--remove") == 0
    assert policy("check", "--", "frobnicate") == 1


def test_a_broken_file_cannot_be_trusted(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.workspace_policy("[[rule]]\n")
    assert policy("trust") == 1
    assert f"{world.theirs}:1:" in capsys.readouterr().err


# Backtests --------------------------------------------------------------------------------------


def history(workspace: Path) -> list[Event]:
    verdict = Verdict(outcome=Outcome.ASK, rule="propose", source="mode", reason="r")
    grant = Grant(id="g", command="x", cwd=str(workspace), granted_by="me")

    def asked(name: str, command: str) -> ApprovalRequested:
        approval = Approval(
            id=name,
            session_id=SESSION,
            native_key="k",
            action=CommandAction(command=command, cwd=str(workspace)),
            verdict=verdict,
            requested_at=0.0,
        )
        return ApprovalRequested(approval=approval)

    def decided(name: str, kind: DecisionKind) -> ApprovalResolved:
        decision = Decision(kind=kind, decided_by="me")
        return ApprovalResolved(approval_id=name, decision=decision, waited=1.0)

    bodies: list[Body] = [
        SessionCreated(cwd=str(workspace), runtime="codex", mode=Mode.PROPOSE, title="t"),
        asked("a", "frobnicate token"),
        ModeChanged(mode=Mode.READ_ONLY, changed_by="me"),
        GrantAdded(grant=grant),
        decided("a", DecisionKind.DECLINE),
        asked("b", "other"),
    ]
    return [
        Event(seq=number, time=0.0, session_id=SESSION, body=body)
        for number, body in enumerate(bodies, 1)
    ]


def test_an_approval_is_judged_as_of_its_moment(tmp_path: Path) -> None:
    first, second = approvals_of(history(tmp_path))
    assert (first.mode, first.grants, first.workspace) == (Mode.PROPOSE, (), tmp_path)
    assert first.decision is not None
    assert (second.mode, second.decision) == (Mode.READ_ONLY, None)
    assert [grant.id for grant in second.grants] == ["g"]


def test_what_another_policy_would_have_changed_is_printed(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    store = TraceStore(world.state, limits=TraceLimits())
    trace = store.create(SESSION)
    trace.append(history(world.workspace))
    trace.close()
    other = world.workspace / "other.toml"
    other.write_text(THEIRS)
    assert policy("backtest", SESSION, "--policy", str(other)) == 0
    shown = capsys.readouterr().out
    assert re.search(
        rf"^{SESSION}  ask → allow .*frobnicate.*against what a person", shown, re.MULTILINE
    )
    assert re.search(rf"^{SESSION}  ask → deny .*other", shown, re.MULTILINE)
    assert "2 approvals judged again: 2 would be another verdict, 1 against" in shown
    assert policy("backtest", "nothing") == 2
    other.write_text("[[rule]]\n")
    assert policy("backtest", "--policy", str(other)) == 2


# The README -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", re.findall(r"```toml\n(version = 1\n.*?)```", README, re.DOTALL), ids=str.__len__
)
def test_the_examples_of_the_readme_are_without_fault(text: str) -> None:
    layer = layer_of("user", read_policy(text, "README.md"))
    assert not layer.problems
    assert len(layer.rules) == 3
    assert not lint([builtin_layer(), layer])


# The doctor -------------------------------------------------------------------------------------


def test_the_doctor_tells_of_each_policy_file(world: World) -> None:
    def found() -> list[tuple[str, str]]:
        return [(level, text) for level, text, _ in policy_findings(load_settings())]

    assert found() == [("ok", f"only the built-in rules; your own would be {world.user}")]
    world.user.write_text('[[rule]]\nverdict = "alow"\n')
    world.workspace_policy()
    assert found() == [
        (
            "problem",
            f"{world.user}:2:11: verdict is one of allow, ask, deny; did you mean allow?",
        ),
        ("warning", f"{world.theirs} is not trusted: only its ask and deny rules count."),
    ]
    world.user.write_text(THEIRS)
    files = policy_files(load_settings())
    trust_exactly(files, world.workspace, content_hash(THEIRS))
    assert [level for level, _ in found()] == ["ok", "ok"]
    assert found()[0][1] == f"{world.user}, 1 rule"


def _remembered(world: World, *commands: str) -> list[str]:
    memory = Memory(world.state / "remembered.toml")
    return [
        memory.add(Offer("", "command", text), workspace=world.workspace, by="Neovim 0.11.4")
        for text in commands
    ]


def test_what_was_remembered_is_listed_and_forgotten(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert policy("list") == 0
    assert "Nothing is remembered." in capsys.readouterr().out
    first, second = _remembered(world, "pytest …", "make test …")
    assert policy("check", "--", "pytest -q") == 0
    capsys.readouterr()
    assert policy("list") == 0
    shown = capsys.readouterr().out
    assert all(text in shown for text in (first, "pytest …", str(world.workspace)))
    assert "by Neovim 0.11.4 at 20" in shown
    assert policy("list", "--json") == 0
    rules = json.loads(capsys.readouterr().out)
    assert [rule["name"] for rule in rules] == [first, second]
    assert rules[0] | {"at": "", "reason": ""} == {
        "name": first,
        "verdict": "allow",
        "kind": "command",
        "pattern": "pytest …",
        "workspace": str(world.workspace),
        "by": "Neovim 0.11.4",
        "at": "",
        "reason": "",
    }
    assert policy("forget", first, "remembered-nothing") == 2
    assert "remembered-nothing" in capsys.readouterr().err
    assert policy("forget", first) == 0
    assert policy("check", "--", "pytest -q") == 1
    assert policy("check", "--", "make test") == 0


def test_rules_that_were_written_by_hand_and_problems_are_told_of(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    _remembered(world, "pytest …")
    file = world.state / "remembered.toml"
    text = file.read_text()
    file.write_text(
        text.replace("rule = [\n", 'rule = [\n{name="x", verdict="deny", command="y"},\n')
    )
    assert policy("list") == 0
    assert "1 more rule" in capsys.readouterr().err
    file.write_text(text + "nonsense\n")
    (name,) = [rule.name for rule in listed(text)]
    assert policy("list") == 0
    assert f"{file}:" in capsys.readouterr().err
    assert policy("forget", name) == 1
    assert "problem" in capsys.readouterr().err
    assert file.read_text() == text + "nonsense\n"
