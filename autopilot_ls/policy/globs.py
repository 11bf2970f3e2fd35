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


def escaped(text: str) -> str:
    """Return a pattern for exactly this text."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)


def component(name: str) -> str:
    """Return the source of a regular expression for one name of a path."""
    return "".join(_translated(name, anywhere=True))


def _translated(pattern: str, *, anywhere: bool = False) -> Iterable[str]:
    at = 0
    for match in _GLOB_TOKENS.finditer(pattern):
        yield re.escape(pattern[at : match.start()])
        at = match.end()
        match match.lastgroup:
            case "any":
                yield ".*" if anywhere else "(?:.*/)?"
            case "all":
                yield ".*"
            case "star":
                yield ".*" if anywhere else "[^/]*"
            case "one":
                yield "." if anywhere else "[^/]"
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
                    + "|".join(
                        "".join(_translated(part, anywhere=anywhere))
                        for part in match[0][1:-1].split(",")
                    )
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
