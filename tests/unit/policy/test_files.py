"""Policies on disk: loading, the last good one, trust, what is remembered."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.model.approvals import (
    Action,
    ChangeKind,
    CommandAction,
    Mode,
    Outcome,
    PatchAction,
    ProposedChange,
    ToolAction,
)
from autopilot_ls.policy.language import read_policy
from autopilot_ls.policy.load import Loader, PolicyFiles, problems_by_file
from autopilot_ls.policy.policy import Policy, builtin_layer, layer_of
from autopilot_ls.policy.remember import (
    FOOTER,
    HEADER,
    Offer,
    added,
    listed,
    offers,
    read_remembered,
    removed,
    rule_name,
    why_remembered,
)
from autopilot_ls.policy.trust import TrustStore, content_hash

ALLOW_EVIL = '[[rule]]\nname="evil"\nverdict="allow"\ncommand="evil …"\n'
DENY_LS = '[[rule]]\nname="no-ls"\nverdict="deny"\ncommand="ls …"\n'


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    (root / ".autopilot").mkdir(parents=True)
    return root


@pytest.fixture
def files(tmp_path: Path) -> PolicyFiles:
    return PolicyFiles.standard(tmp_path / "config", tmp_path / "state")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def outcome(policy: Policy, text: str, workspace: Path) -> Outcome:
    action = CommandAction(command=text, cwd=str(workspace))
    return policy.judge(action, mode=Mode.AUTO, workspace=workspace).outcome


def test_a_policy_that_was_named_must_be_there(files: PolicyFiles, workspace: Path) -> None:
    line = CommandAction(command="ls", cwd=str(workspace))

    def outcome(loader: Loader) -> Outcome:
        return loader.load(workspace).judge(line, mode=Mode.AUTO, workspace=workspace).outcome

    assert outcome(Loader(files)) is Outcome.ALLOW
    loader = Loader(replace(files, named=True))
    assert outcome(loader) is Outcome.ASK
    (problem,) = loader.load(workspace).problems
    assert problem.file == str(files.user)
    write(files.user, DENY_LS)
    assert outcome(loader) is Outcome.DENY
    # Its last good rules stay when it goes.
    files.user.unlink()
    assert outcome(loader) is Outcome.DENY


def test_a_workspaces_policy_is_small(files: PolicyFiles, workspace: Path) -> None:
    write(workspace / ".autopilot" / "policy.toml", DENY_LS + "# many words\n" * 6_000)
    policy = Loader(files).load(workspace)
    assert "characters at most" in str(policy.problems[0])
    assert outcome(policy, "cat a.txt", workspace) is Outcome.ASK


def test_a_broken_file_keeps_the_last_good_one(files: PolicyFiles, workspace: Path) -> None:
    # An empty one counts as broken, since an editor that is about to write a file empties it first.
    loader = Loader(files)
    write(files.user, ALLOW_EVIL + DENY_LS)
    assert outcome(loader.load(workspace), "evil x", workspace) is Outcome.ALLOW
    for broken in (b"", b"[[rule", (ALLOW_EVIL + "x = 1\n").encode(), b"\xff"):
        files.user.write_bytes(broken)
        policy = loader.load(workspace)
        assert outcome(policy, "evil x", workspace) is Outcome.ALLOW
        assert outcome(policy, "ls", workspace) is Outcome.DENY
        assert problems_by_file(policy)[str(files.user)]
    write(files.user, DENY_LS)
    policy = loader.load(workspace)
    assert outcome(policy, "evil x", workspace) is Outcome.ASK
    assert not problems_by_file(policy)[str(files.user)]


def test_a_file_that_is_broken_from_the_start_allows_nothing(
    files: PolicyFiles, workspace: Path
) -> None:
    write(files.user, "[[rule")
    assert outcome(Loader(files).load(workspace), "ls", workspace) is Outcome.ASK
    files.user.unlink()
    os.mkfifo(files.user)
    assert outcome(Loader(files).load(workspace), "ls", workspace) is Outcome.ASK
    files.user.unlink()
    files.user.mkdir()
    policy = Loader(files).load(workspace)
    assert outcome(policy, "ls", workspace) is Outcome.ASK
    assert "not a regular file" in str(policy.problems)
    files.user.rmdir()
    assert outcome(Loader(files).load(workspace), "ls", workspace) is Outcome.ALLOW


def test_a_workspace_policy_is_trusted_by_its_exact_content(
    files: PolicyFiles, workspace: Path
) -> None:
    loader, store = Loader(files), TrustStore(files.trust)
    path = workspace / ".autopilot" / "policy.toml"
    write(path, ALLOW_EVIL + DENY_LS)
    policy = loader.load(workspace)
    assert outcome(policy, "evil x", workspace) is Outcome.ASK
    assert outcome(policy, "ls", workspace) is Outcome.DENY
    store.trust(workspace, content_hash(path.read_text()))
    assert outcome(loader.load(workspace), "evil x", workspace) is Outcome.ALLOW
    write(path, ALLOW_EVIL + "\n")
    assert outcome(loader.load(workspace), "evil x", workspace) is Outcome.ASK
    write(path, "[[rule")
    assert outcome(loader.load(workspace), "evil x", workspace) is Outcome.ASK
    write(path, ALLOW_EVIL + DENY_LS)
    assert outcome(loader.load(workspace), "evil x", workspace) is Outcome.ALLOW
    write(path, "[[rule")
    policy = loader.load(workspace)
    assert outcome(policy, "evil x", workspace) is Outcome.ASK, (
        "a broken file is not the trusted one"
    )
    assert outcome(policy, "ls", workspace) is Outcome.DENY
    write(path, ALLOW_EVIL)
    store.trust(workspace, content_hash(path.read_text()))
    assert store.distrust(workspace)
    assert not store.distrust(workspace)
    assert outcome(loader.load(workspace), "evil x", workspace) is Outcome.ASK


def test_a_broken_trust_file_trusts_nothing(files: PolicyFiles, workspace: Path) -> None:
    for text in ("", "[]", "{", '{"x": 3}', "[" * 100_000):
        write(files.trust, text)
        assert TrustStore(files.trust).all() == {}
    TrustStore(files.trust).trust(workspace, "sha256:x")
    assert TrustStore(files.trust).trusts(workspace, "sha256:x")
    assert files.trust.stat().st_mode & 0o077 == 0


def command(text: str) -> CommandAction:
    return CommandAction(command=text, cwd="/work")


def labels(action: Action, workspace: Path = Path("/work")) -> list[str]:
    return [f"{offer.key} {offer.pattern}" for offer in offers(action, workspace)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pytest -q tests", ["command pytest …", "line pytest -q tests"]),
        ("/bin/bash -lc 'pytest -q'", ["command pytest …", "line pytest -q"]),
        ("git commit -m x", ["command git commit …", "line git commit -m x"]),
        ("npm run deploy -- x", ["command npm run deploy …", "line npm run deploy -- x"]),
        ("./scripts/x.sh a", ["command ./scripts/x.sh …", "line ./scripts/x.sh a"]),
        ("make deploy", ["command make deploy …", "line make deploy"]),
        ("python x.py", ["line python x.py"]),
        ("rm -rf x", ["line rm -rf x"]),
        ("git push", ["line git push"]),
        ("npm install x", ["line npm install x"]),
        ("ls | evil", ["line ls | evil"]),
        ("evil > x", ["line evil > x"]),
        ("sudo ls", []),
        ('bash -c "$x"', []),
        ("evil $(x)", ["line evil $(x)"]),
        ("curl x | sh", []),
        ("xargs evil", []),
        ("python -c 1", []),
        ("", []),
    ],
)
def test_what_is_offered(text: str, expected: list[str]) -> None:
    assert labels(command(text)) == expected


def test_nothing_is_offered_for_what_leaves_the_sandbox() -> None:
    for change in (
        {"escalated": True},
        {"types_input": True},
        {"network_host": "x"},
        {"permissions": ("x",)},
    ):
        assert labels(command("pytest").model_copy(update=change)) == []


def test_edits_and_tools_are_offered(tmp_path: Path) -> None:
    def edit(path: str) -> PatchAction:
        change = ProposedChange(
            path=str(tmp_path / path), kind=ChangeKind.UPDATE, form="unified", text=""
        )
        return PatchAction(changes=(change,))

    assert labels(edit("docs/x.md"), tmp_path) == ["edit ./docs/**", "edit ./docs/x.md"]
    assert labels(edit("x.md"), tmp_path) == ["edit ./x.md"]
    assert labels(edit("../x.md"), tmp_path) == []
    assert labels(ToolAction(server="docs", tool="search")) == ["tool docs/search"]


def test_remembering_listing_forgetting(files: PolicyFiles, workspace: Path) -> None:
    made = [
        offer for text in ("evil x", "npm run deploy") for offer in offers(command(text), workspace)
    ]
    text = ""
    for offer in (*made, *made):
        text = added(text, offer, workspace=workspace, reason='me, "today" \\ \n')
    rules = listed(text)
    assert [one.pattern for one in rules] == [offer.pattern for offer in made]
    assert [one.name for one in rules] == [rule_name(offer, workspace) for offer in made]
    write(files.remembered, text)
    policy = Loader(files).load(workspace)
    assert not policy.problems
    assert outcome(policy, "evil y", workspace) is Outcome.ALLOW
    assert outcome(policy, "evil y", workspace.parent) is Outcome.ASK
    assert outcome(policy, "npm run deploy", workspace) is Outcome.ALLOW
    assert outcome(policy, "npm run other", workspace) is Outcome.ASK
    assert outcome(policy, "evil y && other", workspace) is Outcome.ASK
    assert read_policy(text, "p").problems == ()
    left = removed(text, {rules[0].name})
    assert listed(left) == rules[1:]
    assert removed(left, {rules[0].name}) == left
    write(files.remembered, left)
    assert outcome(Loader(files).load(workspace), "evil y", workspace) is Outcome.ASK


def test_while_a_file_is_broken_no_exact_line_is_allowed_either(
    files: PolicyFiles, workspace: Path
) -> None:
    text = added("", Offer("", "line", "evil x"), workspace=workspace, reason="me")
    write(files.remembered, text)
    assert outcome(Loader(files).load(workspace), "evil x", workspace) is Outcome.ALLOW
    write(files.user, "nonsense = 1\n")
    assert outcome(Loader(files).load(workspace), "evil x", workspace) is Outcome.ASK


@pytest.mark.parametrize("folder", ["/w", "/a b/[x]*", "/w{1,2}?"])
def test_a_list_says_who_when_and_where(folder: str) -> None:
    reason = why_remembered("somebody at a desk", "2026-11-22 17:30+00:00")
    text = added("", Offer("", "command", "a …"), workspace=Path(folder), reason=reason)
    (rule,) = listed(text)
    assert (rule.by, rule.at) == ("somebody at a desk", "2026-11-22 17:30+00:00")
    assert rule.workspace == folder
    text = added("", Offer("", "command", "a …"), workspace=Path(folder), reason="Because.")
    assert (listed(text)[0].by, listed(text)[0].at) == ("", "")


def test_the_fast_way_and_the_long_way_read_the_same(workspace: Path) -> None:
    text = ""
    for offer in (
        Offer("", "command", "a b …"),
        Offer("", "line", 'x "y" \\ | z'),
        Offer("", "edit", "./docs/**"),
        Offer("", "tool", "s/t"),
    ):
        text = added(text, offer, workspace=workspace, reason="me")
    fast, long = read_remembered(text, "p"), read_policy(text, "p")
    assert not long.problems
    assert fast.lazy is not None

    def shown(rules: object) -> list[str]:
        return sorted(
            f"{r.name} {r.outcome} {[p.text for p in r.commands]} {r.lines} {r.tools} {r.workspace} {r.reason}"
            for r in rules  # pyright: ignore[reportGeneralTypeIssues]
        )  # fmt: skip

    assert shown(layer_of("remembered", fast).all_rules()) == shown(long.rules)
    edited = text.replace('verdict = "allow", tool', 'verdict = "deny", tool')
    assert read_remembered(edited, "p").lazy is None
    assert len(read_remembered(edited, "p").rules) == 4
    assert read_remembered("nonsense", "p").problems
    assert removed(text, {"nothing"}) == text
    with pytest.raises(ValueError, match="unprintable"):
        added("", Offer("", "line", "a\nb"), workspace=workspace, reason="")
    with pytest.raises(ValueError, match="rule ="):
        added("version = 1\n", Offer("", "command", "a"), workspace=workspace, reason="")


@given(
    st.text(max_size=40).filter(lambda text: bool(text.strip()) and text.isprintable()),
    st.text(max_size=40),
)
def test_whatever_is_remembered_stays_one_rule(pattern: str, reason: str) -> None:
    text = added("", Offer("", "line", pattern), workspace=Path("/w"), reason=reason)
    content = read_policy(text, "p")
    assert len(content.rules) + len(content.problems) == 1
    assert len(listed(text)) == 1


def test_ten_thousand_remembered_rules_load_fast() -> None:
    text = HEADER + "".join(
        f'  {{ name = "remembered-{i:08x}", verdict = "allow", command = "prog{i % 300} sub{i} …",'
        f' workspace = "/w{i % 20}", reason = "me" }},\n'
        for i in range(10_000)
    ) + FOOTER  # fmt: skip
    best = 10.0
    policy = Policy([])
    for _ in range(3):
        start = time.thread_time()
        policy = Policy([builtin_layer(), layer_of("remembered", read_remembered(text, "p"))])
        best = min(best, time.thread_time() - start)
    # `make bench` has the figure; this only finds what is far off.
    assert best < 1
    assert outcome(policy, "prog7 sub7 x", Path("/w7")) is Outcome.ALLOW
    assert outcome(policy, "prog7 sub7 x", Path("/w8")) is Outcome.ASK
    assert len(list(policy.layers[1].all_rules())) == 10_000
