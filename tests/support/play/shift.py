"""Where lines of a text are in a later one, as far as that is certain.

Made another way than the program does it, which it is compared with. Not aware of the program.
"""

from __future__ import annotations

import difflib

from autopilot_ls.edits.lines import split


class Shift:
    """From one text to another."""

    def __init__(self, old: bytes, new: bytes) -> None:
        self.old, self.new = split(old), split(new)
        matcher = difflib.SequenceMatcher(None, self.old, self.new, autojunk=False)
        self.blocks = matcher.get_matching_blocks()

    def of(self, start: int, length: int) -> int | None:
        """Return where these lines are, None when something in or right beside them has changed."""
        if self.old == self.new:
            return start
        found = [
            block.b + start - block.a
            for block in self.blocks
            if block.a <= start and start + length <= block.a + block.size
        ]
        return found[0] if found else None
