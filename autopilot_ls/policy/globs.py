"""Patterns of names and paths as text, and the regular expressions that they stand for.

`*`, `?`, `[…]`, `**` and `{a,b}`; nothing here knows the disk or a rule. `paths` (what a shell's glob
stands for) and `patterns` (what a rule's path matches) stand above.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

MAX_STARS: Final = 3
"""`*` in one name of a path pattern."""

MAX_DEEP: Final = 2
"""`**` in a path pattern, one at its end aside."""

_SET: Final = re.compile(r"\[!?\]?[^\]]*\]")
_ALTERNATIVES: Final = re.compile(r"\{([^{}]*)\}")
_DEEP: Final = re.compile(r"\*\*+")
_STAR: Final = re.compile(r"(?<!\*)\*(?!\*)")
_GLOB_TOKENS: Final = re.compile(
    r"(?P<any>\*\*/)|(?P<all>/?\*\*)|(?P<star>\*)|(?P<one>\?)|(?P<set>\[!?\]?[^\]]*\])|(?P<alt>\{[^{}]*\})"
)

SIMPLE_SET: Final = re.compile(r"\[[!^]?[A-Za-z0-9_.,+@%~-]+\]")
"""A set of characters in which all shells and programs see the same."""

_TOKENS: Final = re.compile(rf"{SIMPLE_SET.pattern}|\[[*?[]\]|.", re.DOTALL)


def escaped(text: str) -> str:
    """Return a pattern for exactly this text."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)


def component(name: str) -> str:
    """Return the source of a regular expression for a shell's pattern of one name of a path.

    A name made for it is compared in no more than the product of both lengths.
    """
    pieces = [""]
    for sign in _TOKENS.findall(name):
        if sign == "*":
            pieces.append("")
        else:
            pieces[-1] += _one(sign)
    first, *others = pieces
    if not others:
        return first
    # The first place where a piece fits is as good as any, so that none is tried twice.
    middle = "".join(f"(?>.*?{piece})" for piece in others[:-1])
    return f"{first}{middle}.*{others[-1]}"


def is_simple(name: str) -> bool:
    """Tell whether programs and shells agree on what a pattern of one name means."""
    return set(SIMPLE_SET.sub("", name)).isdisjoint("[]{}\\/")


def _one(sign: str) -> str:
    if sign == "?":
        return "."
    if len(sign) == 1:
        return re.escape(sign)
    inner = sign[1:-1]
    negated = inner[0] in "!^"
    chars = _characters(inner[negated:])
    sources = "".join(map(re.escape, sorted(chars)))
    if not sources:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{sources}]"


def _characters(text: str) -> set[str]:
    found: set[str] = set()
    while text:
        if text[1:2] == "-" and len(text) > 2:  # noqa: PLR2004 - two ends and a dash
            found |= {chr(code) for code in range(ord(text[0]), ord(text[2]) + 1)}
            text = text[3:]
        else:
            found.add(text[0])
            text = text[1:]
    return found


def _translated(pattern: str) -> Iterable[str]:
    at = 0
    for match in _GLOB_TOKENS.finditer(pattern):
        yield re.escape(pattern[at : match.start()])
        at = match.end()
        match match.lastgroup:
            case "any":
                yield "(?:.*/)?"
            case "all":
                yield ".*"
            case "star":
                yield "[^/]*"
            case "one":
                yield "[^/]"
            case "set":
                inner = match[0][1:-1]
                negated = inner.startswith(("!", "^"))
                inner = (inner[1:] if negated else inner).replace("\\", "\\\\").replace("[", "\\[")
                inner = inner.replace("]", "\\]").replace("&&", "&\\&").replace("||", "|\\|")
                inner = inner.replace("~~", "~\\~").replace("--", "-\\-")
                yield f"[{'^' if negated else ''}{inner}]"
            case _:
                yield (
                    "(?:"
                    + "|".join("".join(_translated(part)) for part in match[0][1:-1].split(","))
                    + ")"
                )
    yield re.escape(pattern[at:])


def too_many_wildcards(pattern: str) -> bool:
    """Tell whether a path made for it could be compared with a pattern for longer than one would wait."""
    pattern = _SET.sub("x", pattern)
    # Of alternatives only one is compared at a time.
    pattern = _ALTERNATIVES.sub(lambda m: max(m[1].split(","), key=lambda p: p.count("*")), pattern)
    deep = len(_DEEP.findall(pattern.rstrip("/").removesuffix("/**")))
    stars = (len(_STAR.findall(name)) for name in pattern.split("/"))
    return deep > MAX_DEEP or any(count > MAX_STARS for count in stars)


@lru_cache(maxsize=4096)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """Compile a path pattern; a folder's pattern covers what is below it.

    A pattern without `/` matches at any depth, one with `/` from the workspace's root, `/…` and `~/…`
    match absolute paths. `*` and `?` do not cross `/`, `**` does, `{a,b}` are alternatives.
    """
    if pattern.startswith("~/"):
        pattern = escaped(str(Path("~").expanduser())) + pattern[1:]
    pattern = pattern.removeprefix("./").rstrip("/") or pattern
    anywhere = "/" not in pattern
    body = "".join(_translated(pattern))
    return re.compile(f"{'(?:.*/)?' if anywhere else ''}(?:{body})(?:/.*)?", re.DOTALL)
