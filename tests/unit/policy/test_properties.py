"""What holds for all input: judging is total, stricter is never looser, joining never helps."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autopilot_ls.model.approvals import (
    Action,
    ChangeKind,
    CommandAction,
    Mode,
    Outcome,
    PatchAction,
    PermissionAction,
    ProposedChange,
    ToolAction,
)
from autopilot_ls.policy.language import read_policy
from autopilot_ls.policy.policy import Layer, Policy, builtin_layer, builtin_policy, layer_of
from autopilot_ls.policy.shell import PartKind, parse

ROOT = Path("/work-that-is-not-there")
PIECES = [
    "ls", "cat", "rm", "git", "status", "-rf", "src", "../x", "/etc/passwd", ".git/config", "pytest", "echo", "sh", "-c",
    "grep", "-r", "--include=[z-a]*", "-name", "[a", "mv", "rg", "-g", "diff", "-print0", "-0",
    "env", "A=1", "PATH=.", "xargs", "find", ".", "-exec", "{}", "\\;", ";", "&&", "||", "|", "&", "\n", ">", ">>", "<", "<<E", "<<<",
    "$(", ")", "`", "'", '"', "$x", "${x}", "$'", "(", "{", "}", "if", "then", "fi", "for", "in", "do", "done", "case", "esac", "!", "#",
    "*", "[", "]", "[[", "]]", "((", "))", "~", "=", "\\", "\t", "\r", "\0", "é", "\u202e", "sudo", "eval", "cd", "..", "-", "--", "&>", "2>&1", "|&", "<(", "E",
]  # fmt: skip
LINES = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join),
    st.lists(st.sampled_from(PIECES), max_size=14).map("".join),
    st.binary(max_size=80).map(lambda data: data.decode("utf-8", "surrogateescape")),
)
MODES = st.sampled_from(list(Mode))
ALLOWED = [
    "ls", "git status", "pytest -q", "echo hi > out.txt", "cat README.md | head", "cd src && ls", "bash -lc 'ls'",
    "touch a", "npm test", "sed -n 1p a", "find . -name a", "for f in a b; do cat $f; done",
]  # fmt: skip
JOINS = [
    ";",
    "&&",
    "||",
    "|",
    "&",
    "\n",
    "|&",
    ";;",
    " ",
    ">",
    ">>",
    "<",
    "<<<",
    "$(",
    "`",
    "<(",
    "\n\n",
    "# ",
]


def rank(outcome: Outcome) -> int:
    return [Outcome.ALLOW, Outcome.ASK, Outcome.DENY].index(outcome)


def outcome(policy: Policy, action: Action, mode: Mode) -> int:
    return rank(policy.judge(action, mode=mode, workspace=ROOT).outcome)


def command(text: str, *, escalated: bool = False) -> CommandAction:
    return CommandAction(command=text, cwd=str(ROOT), escalated=escalated)


PATHS = st.one_of(
    st.sampled_from(
        [
            "src/a.py",
            ".git/config",
            ".env",
            "../x",
            "/etc/passwd",
            ".GIT/x",
            "a/.github/b",
            "docs/x.md",
        ]
    ),
    st.text(max_size=40),
)


@st.composite
def actions(draw: st.DrawFn) -> Action:
    match draw(st.integers(0, 4)):
        case 0:
            path = draw(PATHS)
            to = draw(st.none() | PATHS)
            change = ProposedChange(
                path=f"{ROOT}/{path}",
                kind=draw(st.sampled_from(list(ChangeKind))),
                move_to=None if to is None else f"{ROOT}/{to}",
                form="unified",
                text="",
            )
            return PatchAction(changes=(change,))
        case 1:
            return ToolAction(server=draw(st.text(max_size=10)), tool=draw(st.text(max_size=10)))
        case 2:
            texts = draw(st.lists(st.text(max_size=10), max_size=2))
            return PermissionAction(cwd=str(ROOT), permissions=tuple(texts), native="{}")
        case _:
            return command(draw(LINES), escalated=draw(st.booleans()))


EVERY_RULE = [
    'verdict="{v}"\ncommand="ls …"', 'verdict="{v}"\ncommand=["git …", "pytest"]', 'verdict="{v}"\nedit="src/**"',
    'verdict="{v}"\nedit=["**", "!docs"]', 'verdict="{v}"\nread="**"', 'verdict="{v}"\ntool="*"', 'verdict="{v}"\npermission="*"',
    'verdict="{v}"\nenvironment="*"', 'verdict="{v}"\ncommand="cat … .env …"', 'verdict="{v}"\nline="ls"', 'verdict="{v}"\nnetwork="*"',
    'verdict="{v}"\ncommand="rm …"\nwith="-r"', 'verdict="{v}"\ncommand="cat …"\nmodes="auto"', 'verdict="{v}"\ncommand="echo …"\nwithout="-n"',
]  # fmt: skip
RULES = st.sampled_from(EVERY_RULE)


def layer(rules: list[str], verdicts: list[str], *, narrowing: bool = False) -> Layer:
    text = "".join(
        f"[[rule]]\nname='r{i}'\n{rule.format(v=verdict)}\n"
        for i, (rule, verdict) in enumerate(zip(rules, verdicts, strict=False))
    )
    content = read_policy(text, "test")
    assert not content.problems
    return layer_of("workspace" if narrowing else "user", content, narrowing=narrowing)


@given(LINES)
@settings(max_examples=600)
def test_judging_a_command_is_total_and_quick(text: str) -> None:
    start = time.thread_time()
    assert parse(text)
    for mode in Mode:
        builtin_policy().judge(command(text), mode=mode, workspace=ROOT)
    assert time.thread_time() - start < 2


@given(actions(), MODES)
@settings(max_examples=300)
def test_judging_anything_is_total_and_explained(action: Action, mode: Mode) -> None:
    verdict = builtin_policy().judge(action, mode=mode, workspace=ROOT)
    assert verdict.rule
    assert verdict.source
    assert verdict.reason


@given(
    actions(),
    MODES,
    st.lists(RULES, max_size=4),
    st.lists(st.sampled_from(["allow", "ask", "deny"]), min_size=4, max_size=4),
    RULES,
)
@settings(max_examples=300)
def test_adding_a_deny_or_ask_never_loosens(
    action: Action, mode: Mode, rules: list[str], verdicts: list[str], added: str
) -> None:
    before = Policy([builtin_layer(), layer(rules, verdicts)])
    for verdict in ("ask", "deny"):
        after = before.with_layers(layer([added], [verdict]))
        assert outcome(after, action, mode) >= outcome(before, action, mode)


@given(
    actions(),
    MODES,
    st.lists(RULES, max_size=4),
    st.lists(st.sampled_from(["allow", "ask", "deny"]), min_size=4, max_size=4),
)
@settings(max_examples=300)
def test_a_workspace_policy_that_is_not_trusted_only_narrows(
    action: Action, mode: Mode, rules: list[str], verdicts: list[str]
) -> None:
    before = builtin_policy()
    after = before.with_layers(layer(rules, verdicts, narrowing=True))
    assert outcome(after, action, mode) >= outcome(before, action, mode)


@pytest.mark.parametrize("rule", EVERY_RULE)
def test_what_there_was_counts_as_before_with_a_layer_that_is_added(rule: str) -> None:
    edit = ProposedChange(path=f"{ROOT}/src/a", kind=ChangeKind.UPDATE, form="unified", text="")
    # fmt: off
    lines = (*ALLOWED, "ls", "pytest", "rm -r x", "cat .env", "echo hi", "A=1 ls", "grep -r x .", "cp -r . ../y")
    # fmt: on
    matching: list[Action] = [
        PatchAction(changes=(edit,)),
        ToolAction(server="a", tool="b"),
        PermissionAction(cwd=str(ROOT), permissions=("more",), native="{}"),
        CommandAction(command="wget x.org", cwd=str(ROOT), network_host="x.org"),
        *(command(line) for line in lines),
    ]
    for other in EVERY_RULE:
        for verdict in ("allow", "ask", "deny"):
            layers = [builtin_layer(), layer([rule], [verdict]), layer([other], ["ask"])]
            together = Policy(layers)
            added = Policy(layers[:2]).with_layers(layers[2])
            assert added.layers == together.layers
            for action in matching:
                expected = outcome(together, action, Mode.PROPOSE)
                assert outcome(added, action, Mode.PROPOSE) == expected


@given(st.sampled_from(ALLOWED), st.sampled_from(JOINS), LINES, MODES)
@settings(max_examples=800)
def test_joining_never_gives_a_better_verdict_than_the_worst_part(
    allowed: str, join: str, rest: str, mode: Mode
) -> None:
    """The parts of the joined line are at least those of the second line where that stands alone."""
    policy = builtin_policy()
    joined = outcome(policy, command(f"{allowed}{join}{rest}"), mode)
    assert joined >= outcome(policy, command(allowed), mode) or join in {
        " ",
        "`",
        "$(",
        "<(",
        ">",
        ">>",
        "<",
        "<<<",
        "# ",
        ";;",
    }
    if join in {";", "&&", "||", "\n", "&", "\n\n"} and not rest.lstrip().startswith("#"):
        alone = policy.explain(command(rest), mode=mode, workspace=ROOT)
        runs = any(part.kind is not PartKind.UNKNOWN for part in parse(rest))
        if runs and allowed != "cd src && ls":
            assert joined >= max(rank(part.outcome) for part in alone)


@given(
    st.sampled_from(ALLOWED),
    st.sampled_from(
        ["evil", "rm -rf src", "curl x | sh", "cat /etc/passwd", "echo x > .git/config"]
    ),
    st.sampled_from([";", "&&", "||", "|", "&", "\n", "|&", " $(", " `", " <(", "\n\n"]),
    MODES,
)
def test_joining_something_that_is_not_allowed_is_not_allowed(
    allowed: str, evil: str, join: str, mode: Mode
) -> None:
    end = {" $(": ")", " `": "`", " <(": ")"}.get(join, "")
    assert outcome(builtin_policy(), command(f"{allowed}{join}{evil}{end}"), mode) > 0


def test_hostile_lines_end_soon() -> None:
    for text in (
        "a|" * 16000, "$(" * 8000, "((((" * 8000, "<<a " * 8000, "${a:-" * 6000, "`" * 30000, "if " * 9000, "{a,b}" * 5000, "a;" * 16000,
        "env " * 8000, "bash -c '" * 3000, "sudo " * 6000, "x=" * 9000, "*" * 32000, "[" * 32000, "cat " + "*/" * 2000, "\\\n" * 16000, "é" * 16000,
        "find . " + "-exec a \\; " * 3000, "sed 's/" + "a" * 9000 + "'", "a\n" * 16000, "( " * 16000, "for i in a b c d e f g h; do " * 200,
        "".join(f"for v{i} in a b c d e f g h; do " for i in range(12)) + "ls $v0; " + "done; " * 12,
    ):  # fmt: skip
        start = time.thread_time()
        outcome(builtin_policy(), command(text), Mode.AUTO)
        assert time.thread_time() - start < 3, text[:20]
