"""The policy's paths as a sandbox: what the operating system can hold for us.

Runtime-neutral: an adapter turns a `Profile` into its agent's own form (Codex: a permission profile,
see `codex_filesystem`). A kernel's rule needs a path that exists, so what does not exist yet is listed
apart: there only our own reading of commands and patches holds. Reads the disk, changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autopilot_ls.model.approvals import Mode, Outcome
from autopilot_ls.policy.paths import PathPatterns, Workspace
from autopilot_ls.policy.policy import Policy
from autopilot_ls.policy.rules import Rule

MAX_ENTRIES: Final = 20_000
"""Files and folders that are looked at; beyond it the profile says that it is not complete."""

MAX_PATHS: Final = 400
_SKIPPED: Final = frozenset({"node_modules", "__pycache__", ".venv", "venv", "target", ".tox"})


@dataclass(frozen=True, slots=True)
class Profile:
    """What a sandbox should hold; all paths absolute and existing.

    Attributes:
        writable: Folders that may be written below; empty in read-only and propose.
        read_only: What stays as it is although it lies below a writable folder.
        denied: What cannot even be read.
        missing: Workspace-relative paths that a rule protects by name and that do not exist.
        network: Whether programs in the sandbox may connect; never by rule.
        complete: Whether the whole workspace was looked at.
    """

    writable: tuple[str, ...]
    read_only: tuple[str, ...]
    denied: tuple[str, ...]
    missing: tuple[str, ...] = ()
    network: bool = False
    complete: bool = True


def compile_profile(policy: Policy, mode: Mode, workspace: Path) -> Profile:
    """Return the sandbox for a mode.

    Args:
        policy: The policy in force.
        mode: The session's mode.
        workspace: The session's folder, which exists.
    """
    at = Workspace(workspace)
    rules = [rule for layer in policy.layers for rule in layer.in_force() if _holds(rule, mode, at)]
    edits = [rule.edit for rule in rules if rule.edit is not None]
    reads = [rule.read for rule in rules if rule.read is not None]
    read_only: list[str] = []
    denied: list[str] = []
    complete = True
    for path in _entries(at.real):
        if path is None or len(read_only) + len(denied) > MAX_PATHS:
            complete = False
            break
        place = at.place(path)
        if any(patterns.touches(place) for patterns in reads):
            denied.append(path)
        elif any(patterns.touches(place) for patterns in edits):
            read_only.append(path)
    acting = mode in {Mode.AUTO, Mode.ESCALATE}
    return Profile(
        writable=(at.real,) if acting else (),
        read_only=tuple(_outermost(read_only)) if acting else (),
        denied=tuple(_outermost(denied)),
        missing=tuple(_missing(edits, at)),
        complete=complete,
    )


def _holds(rule: Rule, mode: Mode, at: Workspace) -> bool:
    if rule.allows or (rule.modes and mode not in rule.modes):
        return False
    if rule.outcome not in {Outcome.ASK, Outcome.DENY}:
        return False
    return not rule.workspace or PathPatterns(rule.workspace).touches(at.place(at.root))


def _entries(root: str) -> Iterator[str | None]:
    """Yield what lies below a folder, a None when there is more than is looked at."""
    seen = 0
    for base, folders, files in os.walk(root):
        for name in sorted((*folders, *files)):
            seen += 1
            if seen > MAX_ENTRIES:
                yield None
                return
            yield f"{base}/{name}"
        folders[:] = sorted(name for name in folders if name not in _SKIPPED | {".git"})


def _outermost(paths: Iterable[str]) -> Iterator[str]:
    kept: list[str] = []
    for path in sorted(paths):
        if not (kept and path.startswith(kept[-1] + "/")):
            kept.append(path)
            yield path


def _missing(edits: Iterable[PathPatterns], at: Workspace) -> Iterator[str]:
    seen: set[str] = set()
    for patterns in edits:
        for pattern in patterns.patterns:
            plain = not set(pattern) & set("*?[{!") and not pattern.startswith(("/", "~"))
            if plain and pattern not in seen and not os.path.lexists(f"{at.real}/{pattern}"):
                seen.add(pattern)
                yield pattern


def codex_filesystem(profile: Profile, workspace: Path) -> dict[str, object]:
    """Return a profile as the `filesystem` table of a Codex permission profile.

    Only paths that exist are named, since Codex refuses a thread, or leaves an empty file behind, for
    those that do not.

    Args:
        profile: What to hold.
        workspace: The session's folder.
    """
    root = os.path.realpath(workspace)
    inside: dict[str, str] = {".": "write" if profile.writable else "read"}
    for paths, access in ((profile.read_only, "read"), (profile.denied, "deny")):
        for path in paths:
            inside[os.path.relpath(path, root)] = access
    return {":workspace_roots": inside}
