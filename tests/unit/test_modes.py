"""The README's tables of the modes say what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

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
    Question,
    QuestionAction,
    ToolAction,
)
from autopilot_ls.policy.language import read_policy
from autopilot_ls.policy.policy import Policy, builtin_policy, layer_of
from autopilot_ls.runtimes.codex.guard import APPROVAL_POLICY, FALLBACK_POLICY, REVIEWER
from autopilot_ls.runtimes.codex.profiles import Profiles

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.split("\n## Modes\n")[1].split("\n## ")[0]
SAID = {Outcome.ALLOW: "goes", Outcome.ASK: "asks", Outcome.DENY: "denied"}
WORKSPACE = Path("/nowhere/work")


def _table(head: str) -> list[list[str]]:
    lines = SECTION[SECTION.index(f"| {head} |") :].split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [rows[0], *rows[2:]]


def _command(text: str, *, escalated: bool = False) -> Action:
    return CommandAction(command=text, cwd=str(WORKSPACE), escalated=escalated)


def _edit(name: str) -> Action:
    path = str(WORKSPACE / name)
    change = ProposedChange(path=path, kind=ChangeKind.ADD, form="content", text="x")
    return PatchAction(changes=(change,))


def _own_rule(risk: str) -> Policy:
    text = (
        'version = 1\n[[rule]]\nname = "deploy"\nverdict = "allow"\ncommand = ["deploy"]\n'
        f'reason = "Mine."\nrisk = "{risk}"\n'
    )
    return builtin_policy().with_layers(layer_of("user", read_policy(text, "mine")))


def _meant(row: str) -> tuple[Policy, list[Action]]:
    """Return what a row of the first table is about."""
    named = re.findall(r"`([^`]+)`", row)
    policy = builtin_policy()
    if "your own rule" in row:
        policy = _own_rule("high" if "risk high" in row else "low")
    if "outside the sandbox" in row:
        return policy, [_command(text, escalated=True) for text in ("make", "cat app.py", "pytest")]
    if "question" in row:
        asked = Question(id="q", header="", text="Which?", options=())
        return policy, [QuestionAction(questions=(asked,))]
    if "tool (MCP)" in row:
        permission = PermissionAction(
            cwd=str(WORKSPACE), permissions=("use the network",), native="{}"
        )
        return policy, [ToolAction(server="s", tool="t"), permission]
    if "to edit a file" in row:
        return policy, [_edit("app.py")]
    if "to change" in row:
        return policy, [_edit(named[0])]
    return policy, [_command(named[0])]


@pytest.mark.parametrize("row", _table("what the agent wants")[1:], ids=lambda row: row[0])
def test_what_becomes_of_what_the_agent_wants(row: list[str]) -> None:
    head = _table("what the agent wants")[0]
    modes = [Mode(re.findall(r"`([^`]+)`", cell)[0]) for cell in head[1:]]
    assert set(modes) == set(Mode)
    policy, actions = _meant(row[0])
    for action in actions:
        verdicts = [policy.judge(action, mode=mode, workspace=WORKSPACE) for mode in modes]
        assert [SAID[verdict.outcome] for verdict in verdicts] == row[1:], verdicts


def test_what_a_mode_means_for_codex(tmp_path: Path) -> None:
    head, *rows = _table("mode")
    assert [row[0] for row in rows] == [f"`{mode}`" for mode in Mode]
    profiles = Profiles.named_anew(tmp_path)
    leaves = "\n".join(leaf for leaf in profiles.arguments() if leaf != "-c")
    made = tomllib.loads(leaves)["permissions"]
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        mode = Mode(cells["mode"].strip("`"))
        profile = profiles.for_turn(mode, asks_everything=True)
        base = made[profile]["extends"]
        asks = cells["it asks before"]
        assert asks == f"everything (`{APPROVAL_POLICY}`, reviewer `{REVIEWER}`)"
        assert cells["its sandbox: a profile of ours on"] == f"`{base}`"
        writes = cells["commands can write in"] != "nothing"
        assert writes == (base == ":workspace")
        # From the sandbox that differs.
        other = Mode.READ_ONLY if writes else Mode.AUTO
        fit = profiles.fit(profiles.for_turn(other, asks_everything=True), profile)
        said = cells["a switch to it in mid-turn"]
        assert fit == ("looser" if said.startswith("interrupts the turn") else "stricter")
        assert profiles.for_turn(mode, asks_everything=False) == profiles.read
    assert f"gets `{FALLBACK_POLICY}`" in SECTION
