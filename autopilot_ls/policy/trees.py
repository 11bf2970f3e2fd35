"""What lies below a folder, and what of it is protected: bounded, and no link is followed.

Commands that take in whole folders (`grep -r`, `find -exec`, `mv`) and the sandbox's profile both ask
here. Reads names only. `judging` and `profile` stand above, `patterns` and `paths` below.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from autopilot_ls.policy.globs import compile_glob, component
from autopilot_ls.policy.paths import Place, Workspace, fold, has_other_names
from autopilot_ls.policy.patterns import PathPatterns

MAX_ENTRIES: Final = 4_096
"""Files and folders that are looked at for one command; in a larger folder it is not known what is."""

MAX_FOUND: Final = 8
"""Protected paths that one command is told."""

OTHERS_CODE: Final = frozenset({"node_modules", "__pycache__", ".venv", "venv", "target", ".tox"})
"""Folders of what others wrote or builds made: many files, and none of the user's secrets."""

_WILD: Final = frozenset("*?[]{}!")


class Reach(NamedTuple):
    """What a command takes in of the folders that it is given.

    Attributes:
        names: Patterns that a file's name must match, empty for all files.
        without: Patterns of names that are left out, of folders with all that is in them.
        links: Whether what a link leads to is taken in.
        plain: Whether git's folder and others' code are left out of what is looked at.
    """

    names: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    links: bool = True
    plain: bool = False


class Entry(NamedTuple):
    """Something that lies in a folder."""

    path: str
    is_link: bool
    is_folder: bool

    @property
    def name(self) -> str:
        """Its last name."""
        return self.path.rsplit("/", 1)[1]


def listed(folder: str) -> list[Entry]:
    """Return what lies in a folder, by name; nothing when it cannot be listed."""
    try:
        with os.scandir(folder or "/") as entries:
            return sorted(
                Entry(
                    f"{folder}/{entry.name}",
                    entry.is_symlink(),
                    entry.is_dir(follow_symlinks=False),
                )
                for entry in entries
            )
    except OSError:
        return []  # What cannot be listed, the agent cannot write below either.


class Walk:
    """What lies below a folder, the outer first.

    Attributes:
        complete: Whether all was seen, once the walk is over.
    """

    def __init__(
        self,
        root: str,
        *,
        entries: int,
        seconds: float,
        skipped: frozenset[str] = OTHERS_CODE | {".git"},
    ) -> None:
        """Create a walk.

        Args:
            root: The folder.
            entries: How many files and folders are looked at.
            seconds: How long they are looked at.
            skipped: Names of folders that are not looked into.
        """
        self.complete = True
        self._root = root.rstrip("/")
        self._entries = entries
        self._seconds = seconds
        self._skipped = skipped

    def __iter__(self) -> Iterator[Entry]:
        """Yield files and folders until a limit is reached."""
        ends = time.monotonic() + self._seconds
        seen = 0
        waiting = deque([self._root])
        while waiting:
            folder = waiting.popleft()
            if time.monotonic() > ends:
                self.complete = False
                return
            for entry in listed(folder):
                seen += 1
                if seen > self._entries:
                    self.complete = False
                    return
                yield entry
                if entry.is_folder and entry.name not in self._skipped:
                    waiting.append(entry.path)


class Sieve:
    """Tells at one look at its last name whether a path may be protected.

    Files come by the ten thousand, and nearly none of them is. Folders come before what is in them, so
    that the last name of a pattern is the last name of the first path that it matches.
    """

    def __init__(self, patterns: Iterable[PathPatterns]) -> None:
        self._names: set[str] = set()
        wild: list[str] = []
        for one in patterns:
            for pattern in one.patterns:
                if pattern.startswith("!"):
                    continue
                shape = fold(pattern.rstrip("/"))
                last = (
                    "*"
                    if "/" in shape and ("{" in shape or "[" in shape)
                    else shape.rsplit("/", 1)[-1]
                )
                if _WILD.isdisjoint(last):
                    self._names.add(last)
                else:
                    wild.append(compile_glob(last).pattern)
        self._regex = re.compile("|".join(wild), re.DOTALL) if wild else None

    def passes(self, name: str) -> bool:
        """Tell whether a path with this last name may be protected."""
        shape = fold(name)
        return shape in self._names or bool(self._regex and self._regex.fullmatch(shape))


def protected_below(
    folder: str, patterns: Sequence[PathPatterns], at: Workspace, reach: Reach, *, changes: bool
) -> tuple[list[Place], bool]:
    """Return what of a folder is protected, and whether all of it was looked at.

    Args:
        folder: An absolute path without links; nothing lies below a file.
        patterns: What is protected.
        at: The session's folder.
        reach: What is taken in.
        changes: Whether it is changed, so that other names of a file count.
    """
    named = _one_of(reach.names)
    left_out = _one_of(reach.without)
    sieve = Sieve(patterns)
    inside: set[str] = set()
    found: list[Place] = []
    skipped = OTHERS_CODE | {".git"} if reach.plain else frozenset[str]()
    walk = Walk(folder, entries=MAX_ENTRIES, seconds=1.0, skipped=skipped)
    gone: set[str] = set()
    for entry in walk:
        above, name = entry.path.rsplit("/", 1)
        if above in gone or (left_out is not None and left_out.fullmatch(name)):
            gone.add(entry.path)
            continue
        protected = above in inside
        if not protected and sieve.passes(name):
            place = at.beneath(entry.path)
            protected = any(one.touches(place) for one in patterns)
        if protected and entry.is_folder:
            inside.add(entry.path)
        if entry.is_folder or (named is not None and not named.fullmatch(name)):
            continue
        if protected:
            found.append(at.beneath(entry.path))
        elif entry.is_link and reach.links:
            place = at.place(entry.path)
            if not place.inside or any(one.touches(place) for one in patterns):
                found.append(place)
        elif changes and has_other_names(entry.path):
            found.append(at.beneath(entry.path))
        if len(found) >= MAX_FOUND:
            return found, True
    return found, walk.complete


def _one_of(names: Iterable[str]) -> re.Pattern[str] | None:
    sources = [f"(?:{component(name)})" for name in names]
    return re.compile("|".join(sources), re.DOTALL) if sources else None


MAX_LOOKED_AT: Final = 400


def holds_protected(workspace: Workspace, place: Place, protecting: Iterable[PathPatterns]) -> bool:
    """Tell whether a folder holds something protected, or too much to tell."""
    if Path(place.written).is_symlink() or not Path(place.real).is_dir():
        return False
    patterns = tuple(protecting)
    walk = Walk(place.real, entries=MAX_LOOKED_AT, seconds=1.0, skipped=frozenset())
    for entry in walk:
        found = workspace.place(entry.path)
        if any(pattern.touches(found) for pattern in patterns):
            return True
    return not walk.complete


def becomes_protected(
    source: Place, target: str, workspace: Workspace, protecting: Iterable[PathPatterns]
) -> bool:
    """Tell whether what lies below a folder gets a protected name when the folder gets another.

    Args:
        source: The folder; nothing lies below a file.
        target: Its new absolute path.
        workspace: The session's folder.
        protecting: What is protected.
    """
    patterns = tuple(protecting)
    walk = Walk(source.real, entries=MAX_ENTRIES, seconds=1.0, skipped=frozenset())
    for entry in walk:
        found = workspace.beneath(target + entry.path[len(source.real) :])
        if any(pattern.touches(found) for pattern in patterns):
            return True
    return not walk.complete
