"""Showing untrusted text: what an agent or a file wrote is displayed, never obeyed.

Pure functions on strings. Not aware of where the text goes; everything that a person must decide on
or reads in a terminal or an editor passes through here.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_BIDIRECTIONAL: Final = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_PLAIN: Final = re.compile(r"[\x20-\x7e\n\t\u00a1-\u00ac\u00ae-\u02ff]*")
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_LAST_BYTE: Final = 0xFF
_JOINERS: Final = frozenset("\u200c\u200d\ufe0e\ufe0f")


def _shown(char: str) -> str:
    if char in "\n\t" or char in _JOINERS:
        return char
    if char in _BIDIRECTIONAL or unicodedata.category(char) in _INVISIBLE_CATEGORIES:
        code = ord(char)
        return f"\\x{code:02x}" if code <= _LAST_BYTE else f"\\u{{{code:x}}}"
    return char


def visible(text: str) -> str:
    """Return the text with control, bidirectional and invisible characters spelled out.

    Newlines and tabs stay, carriage returns before a newline are dropped; terminal escape sequences
    become readable. Emoji joiners stay, since they only combine what is visible anyway.
    See "Trojan Source" (CVE-2021-42574) for why this matters in what a person must approve.
    """
    text = text.replace("\r\n", "\n")
    if _PLAIN.fullmatch(text):
        return text
    return "".join(map(_shown, text))


def without_escapes(text: str) -> str:
    """Return the text without terminal escape sequences, for logs that programs colour."""
    return _ESCAPES.sub("", text)


def one_line(text: str, limit: int = 200) -> str:
    """Return the text as a single visible line of at most `limit` characters."""
    line = visible(text).replace("\t", " ").strip().replace("\n", " ⏎ ")
    return line if len(line) <= limit else line[: limit - 1] + "…"


def count(number: int, noun: str) -> str:
    """Return "1 file", "2 files"; the noun is an English one that takes a plain s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class BoundedText:
    """Text that grows by pieces and keeps its beginning and its end within a limit.

    What is kept depends only on the whole text, not on how it was cut into pieces, so that replaying
    coalesced deltas gives the same result as the live stream.
    """

    __slots__ = ("_head", "_head_limit", "_tail", "_tail_limit", "_tail_size", "length")

    def __init__(self, head: int = 32_768, tail: int = 229_376) -> None:
        """Create an empty text.

        Args:
            head: Characters kept from the beginning.
            tail: Characters kept from the end.
        """
        self._head = ""
        self._head_limit = head
        self._tail: list[str] = []
        self._tail_limit = tail
        self._tail_size = 0
        self.length = 0

    def append(self, piece: str) -> None:
        """Add a piece; its cost does not grow with the text."""
        self.length += len(piece)
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += piece[:room]
            piece = piece[room:]
        if piece:
            self._tail.append(piece)
            self._tail_size += len(piece)
            if self._tail_size > 2 * self._tail_limit:
                self._compact()

    def _compact(self) -> None:
        kept = "".join(self._tail)[-self._tail_limit :]
        self._tail = [kept]
        self._tail_size = len(kept)

    def __str__(self) -> str:
        if self._tail_size > self._tail_limit or len(self._tail) > 1:
            self._compact()
        tail = self._tail[0] if self._tail else ""
        dropped = self.length - len(self._head) - len(tail)
        gap = (
            f"\n[… {dropped:,} characters left out here; the trace has them …]\n" if dropped else ""
        )
        return self._head + gap + tail
