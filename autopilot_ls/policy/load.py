"""Policies from files: the user's, what was remembered, the workspace's.

The edge of the package that reads. A broken file never widens anything: its last good content stays in
force, and where there is none, nothing is allowed by rule. Watching for changes is the supervisor's:
it calls `Loader.load` again. `policy` puts the layers together.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from autopilot_ls.policy.language import MAX_TEXT, PolicyProblem, PolicyText, read_policy
from autopilot_ls.policy.places import linked_layers, places_layer
from autopilot_ls.policy.policy import Layer, LayerKind, Policy, builtin_layer, layer_of
from autopilot_ls.policy.remember import read_remembered
from autopilot_ls.policy.trust import TrustStore, content_hash

WORKSPACE_FILE: Final = Path(".autopilot") / "policy.toml"
"""Where a workspace keeps its policy."""

MAX_WORKSPACE_TEXT: Final = 64 * 1024
"""Characters of a workspace's policy: a repository brings it, and reading it holds the server up."""

USER_FILE: Final = "policy.toml"
REMEMBERED_FILE: Final = "remembered.toml"
TRUST_FILE: Final = "trusted-policies.json"

NOT_THERE: Final = "there is no such file, and the setting policyFile names it"
"""What is wrong with a policy that was named and is missing."""


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """Where the files are.

    Attributes:
        user: The user's own policy.
        remembered: What "always" decisions wrote.
        trust: Which workspace policies the user trusts.
        folders: Further places that no agent may change: the folder of the records.
        named: Whether the user's own policy must be there, because the person named it.
    """

    user: Path
    remembered: Path
    trust: Path
    folders: tuple[Path, ...] = ()
    named: bool = False

    @classmethod
    def standard(cls, config: Path, state: Path) -> PolicyFiles:
        """Return the usual places below the config and the state folder."""
        return cls(config / USER_FILE, state / REMEMBERED_FILE, state / TRUST_FILE, (state,))

    def places(self) -> tuple[Path, ...]:
        """Return what an agent must not change, wherever the settings have put it."""
        return (self.user, self.remembered, self.trust, *self.folders)

    def watched(self, workspace: Path | None = None) -> tuple[Path, ...]:
        """Return the files whose change calls for loading again."""
        own = (self.user, self.remembered, self.trust)
        return own if workspace is None else (*own, workspace / WORKSPACE_FILE)


@dataclass(frozen=True, slots=True)
class FileText:
    """What was found where a policy file may be.

    Attributes:
        text: The content; empty when there is none.
        missing: Whether there is no file.
        problem: Why what is there cannot be read; empty when it can.
    """

    text: str = ""
    missing: bool = False
    problem: str = ""


def read_file(path: Path) -> FileText:
    """Read a regular file within the limit, whatever else lies there."""
    try:
        # Non-blocking, so that a pipe in the file's place does not hold us up.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return FileText(missing=True)
    except (OSError, ValueError) as error:
        return FileText(problem=f"the file cannot be read: {error}")
    try:
        # Looked at before it is made a file of Python's, which refuses a folder by an error.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return FileText(problem="this is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_TEXT + 1)
    except OSError as error:
        return FileText(problem=f"the file cannot be read: {error}")
    finally:
        os.close(descriptor)
    if not data:
        # Many editors empty a file before they write it: its rules must not be gone meanwhile.
        return FileText(problem="the file is empty; to have no rules, delete it or keep a comment")
    try:
        return FileText(data.decode())
    except UnicodeDecodeError as error:
        return FileText(problem=f"the file is not UTF-8: {error.reason} at byte {error.start}")


class Loader:
    """Loads policies and remembers the last good content of each file."""

    def __init__(self, files: PolicyFiles) -> None:
        """Create a loader that has loaded nothing yet.

        Args:
            files: Where the user's files are.
        """
        self._files = files
        self._good: dict[Path, Layer] = {}

    def load(self, workspace: Path | None = None) -> Policy:
        """Return the policy that the files make now; never raises.

        Args:
            workspace: Folder whose own policy counts too.
        """
        layers = [builtin_layer(), places_layer(self._files.places())]
        layers += self._layer("user", self._files.user, named=self._files.named)
        layers += self._layer("remembered", self._files.remembered)
        if workspace is not None:
            layers += self._workspace(workspace)
        return Policy(layers)

    def _layer(self, kind: LayerKind, path: Path, *, named: bool = False) -> list[Layer]:
        read = read_file(path)
        if read.missing and named:
            # A slip in its name must not lose the rules that deny.
            read = FileText(problem=NOT_THERE)
        if read.missing:
            self._good.pop(path, None)
            return []
        return [self._keep(path, layer_of(kind, self._text(kind, path, read)))]

    def _text(self, kind: LayerKind, path: Path, read: FileText) -> PolicyText:
        if read.problem:
            return PolicyText(str(path), problems=(PolicyProblem(str(path), 1, 1, read.problem),))
        if kind == "workspace" and len(read.text) > MAX_WORKSPACE_TEXT:
            problem = f"a workspace's policy has {MAX_WORKSPACE_TEXT:,} characters at most"
            return PolicyText(str(path), problems=(PolicyProblem(str(path), 1, 1, problem),))
        if kind == "remembered":
            return read_remembered(read.text, str(path))
        return read_policy(read.text, str(path))

    def _keep(self, path: Path, layer: Layer) -> Layer:
        if not layer.broken:
            self._good[path] = layer
            return layer
        good = self._good.get(path)
        return layer if good is None else replace(good, problems=layer.problems)

    def _workspace(self, workspace: Path) -> list[Layer]:
        path = workspace / WORKSPACE_FILE
        read = read_file(path)
        if read.missing:
            self._good.pop(path, None)
            return []
        trusted = TrustStore(self._files.trust).trusts(workspace, content_hash(read.text))
        layer = layer_of(
            "workspace", self._text("workspace", path, read), narrowing=not (trusted and read.text)
        )
        if layer.broken:
            # What was trusted was other content: the last good rules only narrow from now on.
            layer = replace(self._keep(path, layer), narrowing=True)
        else:
            layer = self._keep(path, layer)
        return [*linked_layers(workspace, path), layer]


def problems_by_file(policy: Policy) -> Mapping[str, tuple[PolicyProblem, ...]]:
    """Return the problems of a policy by file, for diagnostics; good files have empty ones."""
    # What is made here is no file, and has no problems of which anybody could be told.
    found: dict[str, tuple[PolicyProblem, ...]] = {
        layer.file: () for layer in policy.layers if layer.kind != "builtin"
    }
    for problem in policy.problems:
        found[problem.file] = (*found.get(problem.file, ()), problem)
    return found
