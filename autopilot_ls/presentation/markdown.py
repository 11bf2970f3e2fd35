"""Untrusted text inside our markdown: shown, never obeyed.

What an agent, a file or a program wrote goes through here before it stands in a transcript or a hover.
No raw HTML, no images, no links that hide where they lead, no control characters, and no line of it
can look like a heading of ours, since it stands in quotes or fences. Not aware of what the texts are.

The escaping must agree with every CommonMark renderer on what is code, or it could be led astray:
therefore fenced blocks are written anew, and code spans are recognised within a line only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from autopilot_ls.model.text import one_line, visible

Redact = Callable[[str], str]
"""Returns a text with the secrets in it replaced."""

MAX_SHOWN: Final = 24_000
"""Characters of a program's output that are shown."""
MAX_SAID: Final = 48_000
"""Characters of one message that are shown; a longer one is rendered anew too often while it grows."""
_SPAN_LIMIT: Final = 2_000

# What opens a fence for CommonMark must open one here: only the info of backticks has no backticks.
_FENCE: Final = re.compile(r"(?P<indent>[ \t]*)(?P<fence>`{3,}(?=[^`]*\Z)|~{3,})[ \t]*(?P<info>.*)")
_INFO: Final = re.compile(r"[A-Za-z0-9_+#.-]{1,20}")
_RUN: Final = re.compile(r"`+")
_SPAN: Final = r"(?P<span>(?<!`)(?P<ticks>`+)(?!`)[^|\n]+?(?<!`)(?P=ticks)(?!`))"
_MEANING: Final = (
    r"(?P<escaped>\\[!-/:-@\[-`{-~])"
    r"|(?P<ticks_left>`+)"
    r"|(?P<mark><|&(?=[#A-Za-z])|\](?=[(\[:]))"
    r"|(?P<scheme>\b(?:command|data|file|javascript|vbscript|vscode[\w-]*))(?=:\S)"
)
_INLINE: Final = re.compile(f"{_SPAN}|{_MEANING}", re.IGNORECASE)
_INLINE_LONG: Final = re.compile(_MEANING, re.IGNORECASE)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;:]*m")


def unchanged(text: str) -> str:
    """Return the text as it is: the `redact` of those who have nothing to hide."""
    return text


def _neutral(match: re.Match[str]) -> str:
    kind, text = match.lastgroup, match.group()
    if kind in {"span", "escaped"}:
        return text
    if kind == "scheme":
        return f"{text}\\"
    return "".join(f"\\{char}" for char in text)


def inline(text: str) -> str:
    """Return one line of agent's markdown with everything active in it made plain."""
    # The search for the end of a code span must not take long on a line made for that.
    pattern = _INLINE if len(text) <= _SPAN_LIMIT else _INLINE_LONG
    return pattern.sub(_neutral, text)


def plain(text: str, limit: int = 200) -> str:
    """Return a text as one line of neutralised markdown."""
    return inline(one_line(text, limit))


def code(text: str, limit: int = 200) -> str:
    """Return a text as one code span, in which nothing has a meaning."""
    line = one_line(text, limit)
    if not line:
        return "(empty)"
    ticks = "`" * (max((len(run) for run in _RUN.findall(line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def fence(text: str, info: str = "") -> list[str]:
    """Return the lines of a fenced block that nothing in the text can close."""
    shown = visible(text)
    ticks = "`" * max(3, max((len(run) for run in _RUN.findall(shown)), default=0) + 1)
    return [f"{ticks}{info}", *shown.removesuffix("\n").split("\n"), ticks]


def quote(lines: Iterable[str]) -> list[str]:
    """Return the lines as a block quote."""
    return [f"> {line}" if line else ">" for line in lines]


def said(text: str) -> list[str]:
    """Return what an agent or a person wrote, in markdown, as a neutralised block quote.

    Of a very long text the beginning and the end.
    """
    lines = visible(shortened(text, MAX_SAID)).strip("\n").split("\n")
    result: list[str] = []
    position = 0
    while position < len(lines):
        opening = _FENCE.fullmatch(lines[position])
        if opening is None:
            result.append(inline(lines[position]))
            position += 1
            continue
        position += 1
        body: list[str] = []
        mark = opening["fence"]
        while position < len(lines) and not _closes(lines[position], mark):
            body.append(_dedent(lines[position], len(opening["indent"])))
            position += 1
        position += 1
        info = _INFO.match(opening["info"])
        result.extend(fence("\n".join(body), info.group() if info else ""))
    return quote(result)


def _closes(line: str, mark: str) -> bool:
    bare = line.strip(" \t")
    return len(bare) >= len(mark) and not bare.strip(mark[0])


def _dedent(line: str, width: int) -> str:
    kept = line.lstrip(" \t")
    return line[min(width, len(line) - len(kept)) :]


def output(text: str) -> list[str]:
    """Return what a program printed as a fenced block; of a long one the beginning and the end.

    Colours are left out, and what the program overwrote on its line is shown as lines.
    """
    text = _COLOUR.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return fence(shortened(text), "text")


def shortened(text: str, limit: int = MAX_SHOWN) -> str:
    """Return the text, or its first quarter and its end with a remark on what is left out."""
    if len(text) <= limit:
        return text
    head = text[: limit // 4]
    tail = text[len(text) - (limit - limit // 4) :]
    # Whole lines read better, where the lines are not too long for it.
    head = head[: head.rfind("\n") + 1] or f"{head}\n"
    tail = tail[tail.find("\n") + 1 :] or tail
    left_out = len(text) - len(head) - len(tail)
    return f"{head}[… {left_out:,} characters left out here; the trace has them …]\n{tail}"
