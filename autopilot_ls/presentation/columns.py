"""How wide text is in a terminal, and how it is cut to fit. Pure; `hud` and the command line stand above."""

from __future__ import annotations

import unicodedata


def width_of(text: str) -> int:
    """Return how many columns a line takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(map(_width, text))


def _width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in {"Cf", "Me", "Mn"}:
        return 0
    return 1 + (unicodedata.east_asian_width(char) in "WF")


def shorten(text: str, columns: int, end: str = "…") -> str:
    """Return the beginning of a line that fits into so many columns, with `end` where it was cut."""
    if width_of(text) <= columns:
        return text
    room = columns - width_of(end)
    if room < 0:
        return ""
    taken = 0
    for place, char in enumerate(text):
        taken += _width(char)
        if taken > room:
            return text[:place] + end
    return text
