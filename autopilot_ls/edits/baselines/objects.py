"""What `git cat-file` answers, read exactly. Pure: bytes in, values out."""

from __future__ import annotations

from typing import Final

_FIELDS: Final = 3
"""Id, kind and size of what is there; what is missing has fewer."""


def parse_sizes(output: bytes) -> dict[str, int]:
    """Read the answer of `cat-file --batch-check`; what is missing is left out."""
    sizes: dict[str, int] = {}
    for line in output.splitlines():
        fields = line.split(b" ")
        if len(fields) == _FIELDS and fields[1] == b"blob":
            sizes[fields[0].decode("ascii")] = int(fields[2])
    return sizes


def parse_batch(output: bytes) -> dict[str, bytes]:
    """Read the answer of `cat-file --batch`; what is missing is left out."""
    found: dict[str, bytes] = {}
    position = 0
    while position < len(output):
        end = output.index(b"\n", position)
        fields = output[position:end].split(b" ")
        position = end + 1
        if len(fields) != _FIELDS:
            continue
        size = int(fields[2])
        found[fields[0].decode("ascii")] = output[position : position + size]
        position += size + 1
    return found
