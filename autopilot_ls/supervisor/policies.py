"""The policy of each workspace, as its files are at this moment.

Looks at the files before every judgement, which costs some microseconds, and reads them again when one
has changed: what a person saves applies at once. A broken file never widens anything; what is wrong
with it is told once. Not aware of sessions or of who decides. `broker` stands above, `policy` below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from autopilot_ls.model.approvals import (
    Action,
    CommandAction,
    Grant,
    Mode,
    Outcome,
    Verdict,
)
from autopilot_ls.policy.language import PolicyProblem
from autopilot_ls.policy.load import Loader, PolicyFiles, problems_by_file
from autopilot_ls.policy.policy import Policy, layer_of
from autopilot_ls.policy.remember import Offer, offers, remembered_alone
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.remembering import Memory

MAX_WORKSPACES: Final = 500
"""Folders whose policy is kept loaded; of more, the one asked about longest ago is read again."""

MAX_OFFERS: Final = 6
"""Offers of one action that are looked at."""

Fingerprint = tuple[tuple[int, int, int] | None, ...]


def policy_files(settings: Settings) -> PolicyFiles:
    """Return where the user's policy, what was remembered, and what is trusted are kept."""
    standard = PolicyFiles.standard(settings.policy_path.parent, settings.state_folder)
    return replace(standard, user=settings.policy_path, named=settings.policy_file is not None)


class Policies:
    """Judges by the policy that the files make now.

    Attributes:
        memory: The file of what was remembered.
    """

    def __init__(self, files: PolicyFiles) -> None:
        """Create it; nothing is read before the first judgement.

        Args:
            files: Where the user's files are.
        """
        self._files = files
        self._loader = Loader(files)
        self.memory = Memory(files.remembered)
        self._loaded: dict[Path, tuple[Fingerprint, Policy]] = {}
        self._announced: dict[Path, Policy] = {}
        self._told: dict[str, frozenset[str]] = {}

    def of(self, workspace: Path) -> Policy:
        """Return the policy in force in a workspace; never raises."""
        now = tuple(map(_look, self._files.watched(workspace)))
        kept = self._loaded.get(workspace)
        if kept is not None and kept[0] == now:
            return kept[1]
        policy = self._loader.load(workspace)
        self._loaded.pop(workspace, None)
        self._loaded[workspace] = (now, policy)
        if len(self._loaded) > MAX_WORKSPACES:
            forgotten = next(iter(self._loaded))
            del self._loaded[forgotten]
            self._announced.pop(forgotten, None)
        # Nobody knew another policy of this folder, so that the first one is no change.
        self._announced.setdefault(workspace, policy)
        return policy

    def offers(
        self, action: Action, *, mode: Mode, grants: Iterable[Grant], workspace: Path
    ) -> tuple[Offer, ...]:
        """Return what can be remembered of an action that asks, so that it would not ask again.

        What would ask all the same, since a harder rule wants it so, is left out.
        """
        policy, kept = self.of(workspace), tuple(grants)

        def outcome(policy: Policy) -> Outcome:
            return policy.judge(action, mode=mode, grants=kept, workspace=workspace).outcome

        if outcome(policy) is not Outcome.ASK:
            return ()
        found: list[Offer] = []
        for offer in offers(action, workspace)[:MAX_OFFERS]:
            try:
                layer = layer_of("remembered", remembered_alone(offer, workspace))
            except ValueError:
                continue
            if outcome(policy.with_layers(layer)) is Outcome.ALLOW:
                found.append(offer)
        return tuple(found)

    def problems(self, workspace: Path) -> Mapping[str, tuple[PolicyProblem, ...]]:
        """Return what is wrong with each file that holds in a workspace; good ones have nothing."""
        return problems_by_file(self.of(workspace))

    def watched(self) -> frozenset[Path]:
        """Return the files of the workspaces that were asked about; they need not exist."""
        return frozenset(
            path for workspace in list(self._loaded) for path in self._files.watched(workspace)
        )

    def changes(self) -> tuple[Path, ...]:
        """Return the workspaces whose policy is another one than when this was called before.

        Only those count that were asked about; the event loop alone may call this.
        """
        changed: list[Path] = []
        for workspace in list(self._loaded):
            policy = self.of(workspace)
            if self._announced.get(workspace) is not policy:
                self._announced[workspace] = policy
                changed.append(workspace)
        return tuple(changed)

    def warm_up(self) -> None:
        """Load what the first judgement would have to wait for; blocking."""
        here = Path.cwd()
        action = CommandAction(command="true", cwd=str(here))
        self._loader.load().judge(action, mode=Mode.READ_ONLY, workspace=here)

    def judge(
        self,
        action: Action,
        *,
        mode: Mode,
        grants: Iterable[Grant],
        workspace: Path,
        search_path: str | None = None,
    ) -> Verdict:
        """Return the verdict on an action; see `policy.Policy.judge`."""
        return self.of(workspace).judge(
            action, mode=mode, grants=grants, workspace=workspace, search_path=search_path
        )

    def news(self, workspace: Path) -> tuple[str, ...]:
        """Return what is wrong with a workspace's files and was not told yet, a sentence each.

        Several workspaces share files, whose problems are told once.
        """
        found = self.problems(workspace)
        fresh: list[str] = []
        for file in dict.fromkeys((*found, *map(str, self._files.watched(workspace)))):
            problems = tuple(map(str, found.get(file, ())))
            told = self._told.pop(file, frozenset())
            fresh += [problem for problem in problems if problem not in told]
            # What was mended may go wrong again, and is news then.
            if problems:
                self._told[file] = frozenset(problems)
        return tuple(fresh)


def _look(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
