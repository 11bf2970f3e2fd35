"""The policy and the records are protected where they really are, by every name they have."""

from __future__ import annotations

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
)
from autopilot_ls.policy.load import Loader, PolicyFiles
from autopilot_ls.policy.paths import Workspace
from autopilot_ls.policy.places import PLACES, places_layer, places_text

ALLOW_ALL = (
    '[[rule]]\nname="edits"\nverdict="allow"\nedit=["/**"]\n'
    '[[rule]]\nname="may"\nverdict="allow"\npermission=["*"]\n'
    '[[rule]]\nname="run"\nverdict="allow"\ncommand=["cat …", "cp …", "mv …", "tee …", "rm …", "ln …"]\n'
    '[[rule]]\nname="look"\nverdict="allow"\nread=["/**"]\n'
)


class Place:
    """A user whose files were moved: the policy behind two links, the records elsewhere."""

    def __init__(self, root: Path) -> None:
        self.workspace = root / "work"
        self.dotfiles = root / "dot{s}[1]"
        for folder in (self.workspace, self.dotfiles, root / "config", root / "records"):
            folder.mkdir()
        self.link = root / "config" / "mine"
        self.link.symlink_to(self.dotfiles)
        self.real = self.dotfiles / "real*policy.toml"
        self.real.write_text(ALLOW_ALL)
        self.user = self.link / "policy.toml"
        self.user.symlink_to(self.real)
        self.state = root / "records"
        self.files = PolicyFiles(
            self.user,
            self.state / "remembered.toml",
            self.state / "trusted-policies.json",
            (self.state,),
        )

    def outcome(self, action: Action) -> tuple[Outcome, str]:
        policy = Loader(self.files).load(self.workspace)
        assert not policy.problems
        verdict = policy.judge(action, mode=Mode.AUTO, workspace=self.workspace)
        return verdict.outcome, verdict.rule

    def edit(self, path: Path, kind: ChangeKind = ChangeKind.UPDATE) -> tuple[Outcome, str]:
        change = ProposedChange(path=str(path), kind=kind, form="unified", text="")
        return self.outcome(PatchAction(changes=(change,)))

    def run(self, text: str) -> tuple[Outcome, str]:
        return self.outcome(CommandAction(command=text, cwd=str(self.workspace)))

    def ask_for(self, line: str) -> tuple[Outcome, str]:
        action = PermissionAction(cwd=str(self.workspace), permissions=(line,), native="{}")
        return self.outcome(action)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_every_name_of_the_moved_policy_is_protected_against_edits(place: Place) -> None:
    for path in (place.user, place.real, place.dotfiles / "policy.toml"):
        assert place.edit(path)[0] is Outcome.DENY, path
        assert place.edit(path, ChangeKind.DELETE)[0] is Outcome.DENY, path
    assert place.edit(place.user) == (Outcome.DENY, "own-files")
    assert place.edit(place.link, ChangeKind.DELETE) == (Outcome.DENY, "way-to-own-files")
    into = place.workspace / "innocent.toml"
    into.symlink_to(place.real)
    assert place.edit(into) == (Outcome.DENY, "own-files")
    for name in ("remembered.toml", "trusted-policies.json", "sessions/x/events.jsonl"):
        assert place.edit(place.state / name) == (Outcome.DENY, "own-files")


def test_what_only_stands_beside_the_policy_is_not_protected(place: Place) -> None:
    assert place.edit(place.link / "other.toml")[0] is Outcome.ALLOW
    assert place.edit(place.dotfiles / "realXpolicy.toml")[0] is Outcome.ALLOW
    assert place.edit(place.workspace / "a.py")[0] is Outcome.ALLOW


@pytest.mark.parametrize(
    "line",
    [
        "cat x > '{user}'",
        "tee -a '{real}'",
        "cp x '{real}'",
        "mv x '{user}'",
        "rm '{user}'",
        "rm '{link}'",
        "echo x >> '{state}/trusted-policies.json'",
        "echo ok && cat x > '{real}'",
        "sh -c \"cat x > '{user}'\"",
    ],
)
def test_commands_cannot_write_there(place: Place, line: str) -> None:
    text = line.format(user=place.user, real=place.real, link=place.link, state=place.state)
    assert place.run(text)[0] is Outcome.DENY
    assert place.run("cat x > y")[0] is Outcome.ALLOW


def test_no_permission_leads_there(place: Place) -> None:
    root = place.workspace.parent
    for line in (
        f"write {place.user}",
        f"write {place.real}",
        f"write {place.workspace}/x, which leads to {place.real}",
        f"write {place.dotfiles}",
        f"write {root}",
        f"write {root}, with your whole home folder",
        f"write {place.workspace}/x, which leads to {root}, with your whole home folder",
        f"write {place.state}/sessions",
        "write every file on this computer (/)",
        f"? {place.state}",
    ):
        assert place.ask_for(line) == (Outcome.DENY, "access-to-own-files"), line
    for line in (
        f"read {place.user}",
        f"write {place.workspace}",
        f"write {place.dotfiles}2",
        "use the network",
    ):
        assert place.ask_for(line)[0] is Outcome.ALLOW, line


def test_the_layer_can_be_read_and_names_itself(place: Place) -> None:
    text = places_text(place.files.places())
    layer = places_layer(place.files.places())
    assert not layer.problems
    assert [rule.name for rule in layer.rules] == [
        "own-files",
        "access-to-own-files",
        "way-to-own-files",
    ]
    assert text.split("\n")[layer.rules[0].line - 1] == "[[rule]]"
    change = ProposedChange(path=str(place.user), kind=ChangeKind.UPDATE, form="unified", text="")
    policy = Loader(place.files).load(place.workspace)
    verdict = policy.judge(
        PatchAction(changes=(change,)), mode=Mode.AUTO, workspace=place.workspace
    )
    assert verdict.source == f"{PLACES}:{layer.rules[0].line}"


@pytest.mark.parametrize("name", ["a\nb", 'q"uo\\te', "\udcff.toml", "\x7f\u202e", "!x", "~"])
def test_odd_names_are_protected_too(tmp_path: Path, name: str) -> None:
    path = tmp_path / "c" / name
    layer = places_layer([path])
    assert not layer.problems
    edit = layer.rules[0].edit
    assert edit is not None
    assert edit.touches(Workspace(tmp_path / "w").place(str(path)))


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert not places_layer([tmp_path / "a" / "policy.toml"]).problems
