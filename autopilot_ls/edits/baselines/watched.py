"""What a baseline knows of files whose content it does not have.

A record that goes into the store beside the contents. `watched` files are known by size and times;
`ignored` names are known to have existed, which keeps them from being taken for an agent's later.
Pure; not aware of git or of the disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

MAX_IGNORED: Final = 50_000
"""Ignored names that are remembered."""


@dataclass(frozen=True, slots=True)
class Stat:
    """A file by what the system tells without reading it.

    Attributes:
        reason: Why it was not read: `large`, `count`, `budget`, `unreadable`, `name`.
    """

    reason: str
    mode: int
    size: int
    changed: tuple[int, int, int] = (0, 0, 0)
    """Modification and change time in nanoseconds, and the number of its inode."""


@dataclass(frozen=True, slots=True)
class Watched:
    """All that is known of files without content.

    Attributes:
        partial: Whether there are files that not even this knows of.
    """

    files: Mapping[bytes, Stat] = field(default_factory=dict[bytes, Stat])
    ignored: frozenset[bytes] = frozenset()
    partial: bool = False

    def knows(self, path: bytes) -> bool:
        """Tell whether the path may have existed, though no content of it was kept."""
        if self.partial or path in self.files or path in self.ignored:
            return True
        end = path.find(b"/")
        while end >= 0:
            if path[: end + 1] in self.ignored:
                return True
            end = path.find(b"/", end + 1)
        return False

    def encode(self) -> bytes:
        """Return the record; empty when there is nothing to say."""
        records = [b"p"] if self.partial else []
        records += [b"i" + path for path in sorted(self.ignored)]
        for path, one in sorted(self.files.items()):
            numbers = (one.mode, one.size, *one.changed)
            records.append(b"w%b %d %d %d %d %d %b" % (one.reason.encode(), *numbers, path))
        return b"\0".join(records)


def decode(data: bytes) -> Watched:
    """Read what `encode` wrote.

    Raises:
        ValueError: It is something else.
    """
    files: dict[bytes, Stat] = {}
    ignored: set[bytes] = set()
    partial = False
    for record in data.split(b"\0") if data else ():
        kind, rest = record[:1], record[1:]
        if kind == b"p":
            partial = True
        elif kind == b"i":
            ignored.add(rest)
        elif kind == b"w":
            fields = rest.split(b" ", 6)
            numbers = [int(one) for one in fields[1:6]]
            mode, size, modified, changed, inode = numbers
            times = (modified, changed, inode)
            files[fields[6]] = Stat(fields[0].decode("ascii"), mode, size, times)
        else:
            raise ValueError("the record of watched files is damaged")
    return Watched(files, frozenset(ignored), partial)


def remember_ignored(names: Iterable[bytes]) -> tuple[frozenset[bytes], bool]:
    """Return the ignored names, and whether these are all: too many are not remembered."""
    kept: set[bytes] = set()
    for name in names:
        if len(kept) >= MAX_IGNORED:
            return frozenset(kept), False
        kept.add(name)
    return frozenset(kept), True
