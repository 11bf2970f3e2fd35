"""What the paths of rules match: patterns of one rule over the spellings of a place.

An *allow* needs every spelling to match, an *ask* or *deny* is content with one, in any case. Looks at
the disk only to follow the links in a pattern. `rules`, `language` and `judging` stand above.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from autopilot_ls.policy.globs import compile_glob
from autopilot_ls.policy.paths import Place, fold, real_path

MAX_NAME: Final = 255
"""Bytes of a name that a file can have."""

_WILD: Final = frozenset("*?[{")
_LONG_NAME: Final = re.compile(rf"[^/]{{{MAX_NAME + 1},}}")
_Regex = re.Pattern[str] | None


class PathPatterns:
    """Several patterns of one rule; those that begin with `!` take away."""

    __slots__ = ("_covering", "_touching", "patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        # Compiled when first asked: of many rules few are ever asked.
        self._covering: tuple[_Regex, _Regex, _Regex] | None = None
        self._touching: tuple[_Regex, _Regex] | None = None

    def covers(self, place: Place) -> bool:
        """Tell whether each spelling of a place is matched: what an *allow* needs."""
        if self._covering is None:
            given = self.patterns
            self._covering = (
                _joined(p for p in given if not p.startswith(("/", "~", "!"))),
                _joined(p for p in given if p.startswith(("/", "~"))),
                _joined(p[1:] for p in given if p.startswith("!")),
            )
        relative, absolute, excepted = self._covering
        if _LONG_NAME.search(place.written) or _LONG_NAME.search(place.real):
            return False  # There is no such file, and comparing it could take long.
        if relative is not None and place.inside and _all(relative, excepted, place.relative):
            return True
        return absolute is not None and _all(absolute, excepted, (place.written, place.real))

    def touches(self, place: Place) -> bool:
        """Tell whether any spelling is matched in any case: what *ask* and *deny* need."""
        if self._touching is None:
            given = self.patterns
            self._touching = (
                _joined(fold(_home(p)) for p in given if not p.startswith("!")),
                _joined(fold(_home(p[1:])) for p in given if p.startswith("!")),
            )
        regex, excepted = self._touching
        if regex is None:
            return False
        # No file has a longer name, and comparing one could take long.
        texts = (_LONG_NAME.sub(lambda name: name[0][:MAX_NAME], text) for text in place.folded)
        return any(regex.fullmatch(text) and not _hits(excepted, text) for text in texts)


def of_workspaces(patterns: Iterable[str]) -> PathPatterns:
    """Return patterns for folders of sessions, which know no links: with where the named ones really are."""
    given = tuple(patterns)
    plain = [one for one in given if one.startswith(("/", "~/")) and _WILD.isdisjoint(one)]
    found = [real_path(os.path.expanduser(one.rstrip("/") or "/")) for one in plain]  # noqa: PTH111 - ten times as fast
    real = ["".join(f"[{c}]" if c in _WILD else c for c in path) for path in found]
    return PathPatterns((*given, *real))


def wherever_they_are(patterns: Iterable[str]) -> PathPatterns:
    """Return patterns of an *ask* or *deny*, with where the folders that they name really are.

    A rule that names a path by a link must hold for the path itself; what takes away from a rule is
    left as it is.
    """
    given = tuple(patterns)
    found: list[str] = []
    for pattern in given:
        if not pattern.startswith(("/", "~/")):
            continue
        parts = pattern.split("/")
        count = next((at for at, part in enumerate(parts) if _WILD & set(part)), len(parts))
        named = "/".join(parts[:count]) or "/"
        real = real_path(os.path.expanduser(named))  # noqa: PTH111 - ten times as fast
        if real != named:
            plain = "".join(f"[{c}]" if c in _WILD else c for c in real)
            found.append("/".join((plain.rstrip("/"), *parts[count:])))
    return PathPatterns((*given, *found))


def _all(regex: re.Pattern[str], excepted: _Regex, texts: Iterable[str]) -> bool:
    return all(regex.fullmatch(text) and not _hits(excepted, text) for text in texts)


def _home(pattern: str) -> str:
    return str(Path("~").expanduser()) + pattern[1:] if pattern.startswith("~/") else pattern


def _hits(regex: _Regex, text: str) -> bool:
    return regex is not None and regex.fullmatch(text) is not None


def _joined(patterns: Iterable[str]) -> _Regex:
    sources = [compile_glob(pattern).pattern for pattern in patterns]
    return re.compile("|".join(sources), re.DOTALL) if sources else None
