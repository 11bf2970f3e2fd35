"""The policy's paths as a sandbox: what the operating system can hold for us.

Runtime-neutral: names paths, an adapter has its agent's sandbox hold them. A kernel's rule needs a path
that exists and that no symlink leads to; where there is none, only our own reading of commands and
patches holds. Reads the disk, changes nothing, never raises, and looks at a bounded part. Not aware of
agents. The supervisor and `doctor` stand above.

Held are the paths of rules that no accept of a person should outweigh by accident: edits that a rule
denies, or asks about and is *hard*, and reads that a rule denies. What only asks before reading is not
held, since a kernel cannot ask: tests that load `.env`, or a `git diff` of a checked-in key, would fail
for good (measured: git fails on a file that it may not read).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autopilot_ls.model.approvals import Mode, Outcome
from autopilot_ls.policy.paths import Place, Workspace, fold
from autopilot_ls.policy.patterns import PathPatterns, of_workspaces
from autopilot_ls.policy.policy import Policy
from autopilot_ls.policy.rules import Rule
from autopilot_ls.policy.trees import Entry, Sieve, Walk, listed

MAX_ENTRIES: Final = 100_000
"""Files and folders that are looked at, the outer ones first."""

MAX_SECONDS: Final = 3.0
"""How long they are looked at."""

MAX_PATHS: Final = 64
"""Paths that are held, the outer ones first: each costs every command a little, many of them a lot."""

MAX_TEXT: Final = 16_000
"""Characters of all paths that are held: they are arguments of a program."""

_SYSTEM: Final = ("/proc", "/sys", "/dev")
_WILD: Final = frozenset("*?[]{}!")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a sandbox should hold; all paths absolute, real and existing.

    Attributes:
        writable: Folders that may be written below; none in read-only.
        read_only: What stays as it is although it lies below a writable folder.
        denied: What cannot even be read.
        missing: Workspace-relative paths that a rule protects by name and that do not exist.
        unheld: Paths that exist and cannot be held: symlinks, names that sandboxes take for patterns,
            and those beyond the limits.
        complete: Whether the whole workspace was looked at.
    """

    writable: tuple[str, ...]
    read_only: tuple[str, ...]
    denied: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unheld: tuple[str, ...] = ()
    complete: bool = True


def compile_profiles(policy: Policy, modes: Iterable[Mode], workspace: Path) -> dict[Mode, Profile]:
    """Return the sandbox for each mode, with one look at the disk for those with the same rules.

    Args:
        policy: The policy in force.
        modes: The modes that are asked about.
        workspace: The session's folder, which exists.
    """
    at = Workspace(workspace)
    known: dict[tuple[int, ...], Profile] = {}
    found: dict[Mode, Profile] = {}
    for mode in modes:
        rules = _rules(policy, mode, at)
        key = (mode is Mode.READ_ONLY, *map(id, rules))
        if key not in known:
            known[key] = _compile(rules, at, writes=mode is not Mode.READ_ONLY)
        found[mode] = known[key]
    return found


def compile_profile(policy: Policy, mode: Mode, workspace: Path) -> Profile:
    """Return the sandbox for one mode; see `compile_profiles`."""
    return compile_profiles(policy, [mode], workspace)[mode]


def _rules(policy: Policy, mode: Mode, at: Workspace) -> list[Rule]:
    return [rule for layer in policy.layers for rule in layer.in_force() if _holds(rule, mode, at)]


def _holds(rule: Rule, mode: Mode, at: Workspace) -> bool:
    if rule.allows or (rule.modes and mode not in rule.modes):
        return False
    if rule.workspace and not of_workspaces(rule.workspace).touches(at.place(at.root)):
        return False
    denies = rule.outcome is Outcome.DENY
    if rule.edit is not None:
        # Which kind of change it is, a kernel cannot tell.
        return (denies or rule.hard) and not rule.kinds
    return rule.read is not None and denies


def _compile(rules: list[Rule], at: Workspace, *, writes: bool) -> Profile:
    edits = [rule.edit for rule in rules if rule.edit is not None] if writes else []
    reads = [rule.read for rule in rules if rule.read is not None]
    denied = _Held(at, reads)
    read_only = _Held(at, edits)
    walk = Walk(at.real, entries=MAX_ENTRIES, seconds=MAX_SECONDS)
    if edits or reads:
        for entry in walk:
            if not denied.take(entry):
                read_only.take(entry)
    elsewhere = list(_elsewhere(reads, at))
    room = _Room()
    taken_denied = tuple(path for path in (*denied.paths, *elsewhere) if room.takes(path))
    taken_read_only = tuple(path for path in read_only.paths if room.takes(path))
    return Profile(
        writable=(at.real,) if writes else (),
        read_only=taken_read_only,
        denied=taken_denied,
        missing=tuple(_missing((*edits, *reads), at)),
        unheld=(*denied.unheld, *read_only.unheld, *room.refused),
        complete=walk.complete,
    )


class _Held:
    """What of the paths that come, the outer ones first, a group of patterns protects."""

    def __init__(self, at: Workspace, patterns: list[PathPatterns]) -> None:
        self.paths: list[str] = []
        self.unheld: list[str] = []
        self._at = at
        self._patterns = patterns
        self._sieve = Sieve(patterns)
        self._root = len(at.real.rstrip("/")) + 1
        self._inside: set[str] = set()

    def take(self, entry: Entry) -> bool:
        """Take a path if it is protected, and tell whether it or a folder above it is."""
        path = entry.path
        if not self._patterns:
            return False
        above, name = path.rsplit("/", 1)
        if self._inside and above in self._inside:
            self._inside.add(path)
            return True
        if not self._sieve.passes(name):
            return False
        # The walk follows no links, so that a path is where it says.
        below = path[self._root :]
        place = Place(path, path, (below,), (fold(path), fold(below)))
        if not any(patterns.touches(place) for patterns in self._patterns):
            return False
        if entry.is_folder and not listed(path):
            # Nothing is there yet. Sandboxes leave such folders behind, and each would be a change.
            return False
        self._inside.add(path)
        if entry.is_link or not _WILD.isdisjoint(path):
            self.unheld.append(path)
        else:
            self.paths.append(path)
        return True


class _Room:
    """The limits of what one sandbox is told."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self._paths = MAX_PATHS
        self._text = MAX_TEXT

    def takes(self, path: str) -> bool:
        if self._paths <= 0 or self._text < len(path.encode("utf-8", "surrogateescape")):
            self.refused.append(path)
            return False
        self._paths -= 1
        self._text -= len(path.encode("utf-8", "surrogateescape"))
        return True


def _elsewhere(reads: Iterable[PathPatterns], at: Workspace) -> Iterator[str]:
    """Yield the plain paths outside of the workspace that may not be read, if they exist."""
    seen: set[str] = set()
    for patterns in reads:
        for pattern in patterns.patterns:
            if not pattern.startswith(("/", "~/")) or not _WILD.isdisjoint(pattern):
                continue
            place = at.place(os.path.expanduser(pattern))  # noqa: PTH111 - as above
            real = place.real.rstrip("/")
            holds_workspace = f"{at.real}/".startswith(f"{real}/")
            system = f"{real}/".startswith(tuple(f"{name}/" for name in _SYSTEM))
            if place.inside or holds_workspace or system or real in seen:
                continue
            if os.path.lexists(real) and _WILD.isdisjoint(real):
                seen.add(real)
                yield real


def _missing(patterns: Iterable[PathPatterns], at: Workspace) -> Iterator[str]:
    seen: set[str] = set()
    for one in patterns:
        for pattern in one.patterns:
            plain = _WILD.isdisjoint(pattern) and not pattern.startswith(("/", "~"))
            if plain and pattern not in seen and not os.path.lexists(f"{at.real}/{pattern}"):
                seen.add(pattern)
                yield pattern
