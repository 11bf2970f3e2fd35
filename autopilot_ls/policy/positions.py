"""Where the keys and values of a TOML text stand, for errors at their exact place.

The text is known to be valid (tomllib read it), so this only has to find its way: strings, brackets,
comments. Not aware of what keys mean. `language` stands above.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_TOKEN: Final = re.compile(
    r"""(?P<comment>\#[^\n]*)
      |(?P<string>\"\"\"(?:\\.|[^\\])*?\"{3,5}|'''.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
      |(?P<newline>\r?\n)
      |(?P<blank>[ \t]+)
      |(?P<open>[\[{])|(?P<close>[\]}])|(?P<comma>,)|(?P<equals>=)|(?P<dot>\.)
      |(?P<bare>[^\s\[\]{},="'\#.]+)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text: line and column from 1, the column in characters."""

    line: int = 1
    column: int = 1


Path = tuple[str | int, ...]


@dataclass(slots=True)
class Positions:
    """Places of keys and values by their path, such as `("rule", 3, "command", 0)`."""

    keys: dict[Path, Position] = field(default_factory=dict[Path, Position])
    values: dict[Path, Position] = field(default_factory=dict[Path, Position])

    def of(self, path: Path, *, key: bool = False) -> Position:
        """Return where a path stands, or the nearest thing above it."""
        while path:
            if key and path in self.keys:
                return self.keys[path]
            found = self.values.get(path) or self.keys.get(path)
            if found is not None:
                return found
            path = path[:-1]
        return Position()


@dataclass(slots=True)
class _Token:
    kind: str
    text: str
    at: Position


def _tokens(text: str) -> Iterator[_Token]:
    line, start = 1, 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        where = Position(line, match.start() - start + 1)
        breaks = match[0].count("\n")
        if breaks:
            line += breaks
            start = match.start() + match[0].rfind("\n") + 1
        if kind not in {"comment", "blank"}:
            yield _Token(kind, match[0], where)
    yield _Token("end", "", Position(line, len(text) - start + 1))


def _name(token: _Token) -> str:
    return token.text.strip("\"'") if token.kind == "string" else token.text


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._counts: dict[Path, int] = {}
        self.found = Positions()

    def _peek(self) -> _Token:
        return self._tokens[min(self._at, len(self._tokens) - 1)]

    def _next(self) -> _Token:
        token = self._peek()
        self._at += 1
        return token

    def _skip(self, *kinds: str) -> None:
        while self._peek().kind in kinds:
            self._at += 1

    def read(self) -> None:
        table: Path = ()
        while self._peek().kind != "end":
            token = self._peek()
            if token.kind == "open":
                table = self._header()
            elif token.kind in {"bare", "string"}:
                self._pair(table)
            else:
                self._at += 1

    def _header(self) -> Path:
        first = self._next()
        several = self._peek().kind == "open" and self._peek().text == "["
        if several:
            self._at += 1
        names = self._dotted()
        self._skip("close")
        path: Path = ()
        for name in names[:-1]:
            path = (*path, name)
            if path in self._counts:
                path = (*path, self._counts[path])
        path = (*path, names[-1]) if names else path
        if several:
            self._counts[path] = self._counts.get(path, -1) + 1
            path = (*path, self._counts[path])
        self.found.keys[path] = first.at
        return path

    def _dotted(self) -> list[str]:
        names: list[str] = []
        while self._peek().kind in {"bare", "string", "dot"}:
            token = self._next()
            if token.kind != "dot":
                names.append(_name(token))
        return names

    def _pair(self, table: Path) -> None:
        where = self._peek().at
        path = (*table, *self._dotted())
        self.found.keys[path] = where
        self._skip("equals")
        self._value(path)

    def _value(self, path: Path) -> None:
        token = self._next()
        self.found.values[path] = token.at
        if token.kind == "open" and token.text == "[":
            index = 0
            while self._peek().kind not in {"close", "end"}:
                if self._peek().kind in {"newline", "comma"}:
                    self._at += 1
                    continue
                self._value((*path, index))
                index += 1
            self._at += 1
        elif token.kind == "open":
            while self._peek().kind not in {"close", "end"}:
                if self._peek().kind in {"bare", "string"}:
                    self._pair(path)
                else:
                    self._at += 1
            self._at += 1
        else:
            # Numbers and dates are several tokens; they end where the line or the value does.
            while self._peek().kind in {"bare", "dot", "string"}:
                self._at += 1


def positions(text: str) -> Positions:
    """Return where everything stands in a valid TOML text; never raises."""
    reader = _Reader(text)
    reader.read()
    return reader.found
