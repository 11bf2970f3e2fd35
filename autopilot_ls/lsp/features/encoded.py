"""Diagnostics as the JSON that is sent, of which only the range is made anew when they move.

A key that is pressed may move hundreds of them, and what else they say stays the same. Not aware of what
they are about. `diagnostics` and `change_hints` stand above.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from autopilot_ls.lsp.convert import content, to_units
from autopilot_ls.lsp.documents import Document

SOURCE: Final = "autopilot"
"""What each of our diagnostics says that it is from."""


class Encoded:
    """The diagnostics that were made, each by an id, without their ranges."""

    def __init__(self) -> None:
        """Create it empty."""
        self._known: dict[str, tuple[object, str]] = {}

    def at(
        self, where: str, key: str, depends: object, make: Callable[[], Mapping[str, object]]
    ) -> str:
        """Return a diagnostic.

        Args:
            where: Its range; see `range_of`.
            key: Its id.
            depends: What else it depends on; it is made anew where that is not equal to the last time.
            make: Returns its members without the range, of which there is one at least.
        """
        known = self._known.get(key)
        if known is None or known[0] != depends:
            members = json.dumps(make(), separators=(",", ":"))
            known = self._known[key] = depends, members[1:]
        return f'{{"range":{where},{known[1]}'

    def discard(self, key: str) -> None:
        """Forget a diagnostic."""
        self._known.pop(key, None)


def range_of(document: Document | None, first: int, last: int, encoding: str) -> str:
    """Return the range from the start of one line to the end of another, moved into the text.

    Where the text is not known, it ends at the start of the next line, and so covers the last.
    """
    if document is None:
        end, units = last + 1, 0
    else:
        bottom = len(document.lines) - 1
        first, end = min(first, bottom), min(max(first, last), bottom)
        units = to_units(content(document.lines[end]), encoding)
    return (
        f'{{"start":{{"line":{first},"character":0}},"end":{{"line":{end},"character":{units}}}}}'
    )
