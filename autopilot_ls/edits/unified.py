"""Reading unified diffs without file headers, as strictly as they can be read.

Line counts in the headers rule, never the look of a line, so that content which resembles a header
or a marker is content. What is cut off, miscounted or out of order is refused. Not aware of files on
disk; `convert` checks the result against them. `lines` stands below.

Codex writes its diffs with one line of context, counts a lone CR as a line end (the next line then
follows without a line feed), and adds "Moved to: ..." after the last hunk of a renamed file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from autopilot_ls.edits.lines import Edit, is_terminated, split
from autopilot_ls.model.errors import PatchInvalid

_HEADER: Final = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(?: .*)?")
_MOVED: Final = re.compile(rb"\n\nMoved to: [^\r\n]+\Z")
_NO_NEWLINE: Final = b"\\ No newline at end of file"


@dataclass(frozen=True, slots=True)
class Block:
    """What stands under one `@@` header.

    Attributes:
        old_start: Index (from 0) of its first line in the old text.
        new_start: Index (from 0) of its first line in the new text.
        body: Pairs of ` `, `-` or `+` with the exact line.
    """

    old_start: int
    new_start: int
    body: tuple[tuple[bytes, bytes], ...]

    @property
    def old(self) -> tuple[bytes, ...]:
        """The lines of the old text, context and removed ones."""
        return tuple(line for tag, line in self.body if tag != b"+")

    @property
    def new(self) -> tuple[bytes, ...]:
        """The lines of the new text, context and added ones."""
        return tuple(line for tag, line in self.body if tag != b"-")

    def edits(self) -> Iterator[tuple[Edit, int]]:
        """Yield each contiguous change, with the index of its first line in the new text."""
        old_at, new_at = self.old_start, self.new_start
        old: list[bytes] = []
        new: list[bytes] = []
        for tag, line in (*self.body, (b" ", b"")):
            if tag == b"-":
                old.append(line)
            elif tag == b"+":
                new.append(line)
            else:
                if old != new:
                    yield Edit(old_at, tuple(old), tuple(new)), new_at
                old_at += len(old) + 1
                new_at += len(new) + 1
                old, new = [], []


def parse(diff: bytes, *, moved: bool = False) -> tuple[Block, ...]:
    """Return the blocks of a unified diff in order; none for an empty diff.

    Args:
        diff: The hunks, without file headers.
        moved: Whether the file is also renamed, so that Codex's remark about it may follow.

    Raises:
        PatchInvalid: The diff is not exactly what it should be; the message says where.
    """
    if moved:
        diff = _MOVED.sub(b"", diff)
    lines = split(diff)
    blocks: list[Block] = []
    position = 0
    while position < len(lines):
        block, position = _block(lines, position)
        blocks.append(block)
    _check_order(blocks)
    return tuple(blocks)


def _block(lines: list[bytes], position: int) -> tuple[Block, int]:
    header = _HEADER.fullmatch(lines[position].rstrip(b"\r\n"))
    if header is None:
        raise PatchInvalid(f"Line {position + 1} of the diff is no hunk header.")
    old_line, old_count, new_line, new_count = (
        1 if part is None else int(part) for part in header.groups()
    )
    body: list[tuple[bytes, bytes]] = []
    old_left, new_left = old_count, new_count
    position += 1
    while old_left or new_left:
        if position >= len(lines):
            raise PatchInvalid("The diff is cut off.")
        tag, line = lines[position][:1], lines[position][1:]
        if tag not in {b" ", b"-", b"+"}:
            raise PatchInvalid(f"Line {position + 1} of the diff is neither context nor a change.")
        old_left -= tag != b"+"
        new_left -= tag != b"-"
        if old_left < 0 or new_left < 0:
            raise PatchInvalid(f"Line {position + 1} of the diff is more than its header counts.")
        position += 1
        if position < len(lines) and lines[position].rstrip(b"\r\n") == _NO_NEWLINE:
            line = line.removesuffix(b"\n")
            position += 1
        elif not is_terminated(line):
            raise PatchInvalid("The diff is cut off in a line.")
        body.append((tag, line))
    if not body:
        raise PatchInvalid("A hunk is empty.")
    # A range without lines names the line before it, as in POSIX diff.
    old_start = old_line - 1 if old_count else old_line
    new_start = new_line - 1 if new_count else new_line
    return Block(old_start, new_start, tuple(body)), position


def _check_order(blocks: list[Block]) -> None:
    old_end = new_end = 0
    for index, block in enumerate(blocks):
        if block.old_start < old_end or block.old_start - old_end != block.new_start - new_end:
            raise PatchInvalid(f"Hunk {index + 1} of the diff does not stand where it says.")
        old_end = block.old_start + len(block.old)
        new_end = block.new_start + len(block.new)
