"""What `git status` says about the work tree, read exactly.

Pure: bytes in, values out. Not aware of files or of git's other commands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

STATUS: Final = (
    "status",
    "--porcelain=v2",
    "-z",
    "--untracked-files=all",
    "--ignored=matching",
    "--no-renames",
    "--ignore-submodules=all",
)

_CLOSED: Final = re.compile(r"^warning: could not open directory '(.*)': ", re.MULTILINE)
# The mode of a folder with a repository of its own, in place of which the index has a file.
_REPOSITORY: Final = b"160000"


@dataclass(frozen=True, slots=True)
class Listing:
    """One look of git at the work tree. Paths are bytes, relative, without a leading slash.

    Attributes:
        changed: Files of the index that differ on disk, or are gone.
        new: Files that the index does not have.
        nested: Folders with a repository of their own, of which the index has no file; they end
            with a slash.
        ignored: Names that are ignored; folders, which end with a slash, stand for all in them.
        unopened: Folders that could not be looked into, as git words them.
        staged: Whether the index is not what the last state says.
    """

    changed: tuple[bytes, ...]
    new: tuple[bytes, ...]
    nested: tuple[bytes, ...]
    ignored: tuple[bytes, ...]
    unopened: tuple[str, ...]
    staged: bool


def parse_status(output: bytes, errors: str) -> Listing:
    """Read the output of `STATUS`, and what it complained of.

    Raises:
        ValueError: It is not of the known form.
    """
    changed: list[bytes] = []
    new: list[bytes] = []
    nested: list[bytes] = []
    ignored: list[bytes] = []
    staged = False
    for record in output.split(b"\0"):
        tag = record[:2]
        if tag == b"? ":
            path = record[2:]
            (nested if path.endswith(b"/") else new).append(path)
        elif tag == b"! ":
            ignored.append(record[2:])
        elif tag == b"1 ":
            fields = record.split(b" ", 8)
            staged = staged or fields[1][:1] != b"."
            if fields[1][1:] != b".":
                changed.append(fields[8])
            if fields[5] == _REPOSITORY:
                nested.append(fields[8] + b"/")
        elif tag == b"u ":
            staged = True
        elif record:
            raise ValueError("git status says something unknown")
    closed = tuple(_CLOSED.findall(errors))
    return Listing(tuple(changed), tuple(new), tuple(nested), tuple(ignored), closed, staged)
