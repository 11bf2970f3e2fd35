"""One word of a shell line: quotes removed, and what could not be known kept apart.

The lexer here is the second opinion on the parser's: it takes the exact text that the parser calls
one word and refuses it unless a shell would read it as exactly one. Not aware of commands; `walker`
stands above.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from autopilot_ls.policy.globs import SIMPLE_SET

MAX_BRACES: Final = 64
"""Words that one brace expansion may give; more are not followed."""

_META: Final = frozenset(" \t\n|&;()<>")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+,-][A-Za-z0-9_./:@%+,=^-]*")
_QUOTED: Final = re.compile(r"\$?'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.", re.DOTALL)
_BRACE: Final = re.compile(r"\{([^{}]*)\}")
_RANGE: Final = re.compile(r"(-?\d{1,4})\.\.(-?\d{1,4})|([a-zA-Z])\.\.([a-zA-Z])")
_SIMPLE_ESCAPES: Final = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
    "v": "\v", "\\": "\\", "'": "'", '"': '"', "?": "?",
}  # fmt: skip
_NUMERIC_ESCAPE: Final = re.compile(
    r"x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})"
)
_MAX_CODE: Final = 0x10FFFF
_LAST_ASCII: Final = 0x7F
_SURROGATES: Final = range(0xD800, 0xE000)


class Word(NamedTuple):
    """A word as the program would get it, as far as that can be known.

    Attributes:
        raw: The text as it stands in the line.
        text: The exact word, or None when it depends on something else.
        glob: The pattern (fnmatch's form) when file names take the word's place; then `text` is None.
        tilde: Whether the shell puts the home folder in the place of the leading `~`.
        variables: Names of the variables that the word takes in.
    """

    raw: str
    text: str | None = None
    glob: str | None = None
    tilde: bool = False
    variables: tuple[str, ...] = ()

    @property
    def tree(self) -> bool:
        """Whether it stands for anything below one folder, and that folder: `folder/**`, `folder/**/name`."""
        root, sign, rest = (self.glob or "").partition("/**")
        return bool(sign) and (not rest or rest[0] == "/") and not set(root) & set("*?[")

    @property
    def known(self) -> bool:
        """Whether it is one exact word."""
        return self.text is not None


def literal(text: str, raw: str | None = None) -> Word:
    """Return a word that is exactly this text."""
    return Word(text if raw is None else raw, text)


def name_set(text: str) -> frozenset[str]:
    """Return the names in a text, for tables that are easier to read as text."""
    return frozenset(text.split())


class Span(NamedTuple):
    """An expansion inside a word, by character offsets in the word's text.

    Attributes:
        value: What takes its place, when that is known for sure.
        variables: Names of the variables it reads.
    """

    end: int
    value: Word | None = None
    variables: tuple[str, ...] = ()


def lex(raw: str, spans: Mapping[int, Span]) -> tuple[Word, ...] | None:
    """Return the words that one written word becomes, or None when it is not exactly one.

    Args:
        raw: The text that the parser calls one word.
        spans: Where expansions stand in it, by the offset of their first character.
    """
    if not spans and _PLAIN.fullmatch(raw):
        return (Word(raw, raw),)
    if "{" in raw and not spans and "{" in _QUOTED.sub("", raw):
        written = _braces(raw)
        if written is None:
            # Not expanded here, but still to be one word.
            return None if _Lexer(raw, {}).word() is None else (Word(raw),)
        if written != [raw]:
            words = [_Lexer(one, {}).word() for one in written]
            return None if None in words else tuple(word for word in words if word is not None)
    word = _Lexer(raw, spans).word()
    return None if word is None else (word,)


def _braces(raw: str) -> list[str] | None:
    """Expand braces; None when that is not simple enough to be followed."""
    if not any(_splits(match[1]) for match in _BRACE.finditer(raw)):
        # Braces without a comma or range stay as they are, unless nesting hides one.
        return None if raw.count("{") > 1 and ("," in raw or ".." in raw) else [raw]
    if any(char in raw for char in "'\"\\$`"):
        return None
    pending = [raw]
    done: list[str] = []
    while pending:
        text = pending.pop()
        match = next((m for m in _BRACE.finditer(text) if _splits(m[1])), None)
        if match is None:
            done.append(text)
        else:
            options = _options(match[1])
            pending += [text[: match.start()] + option + text[match.end() :] for option in options]
        if len(pending) + len(done) > MAX_BRACES:
            return None
    return done[::-1]


def _splits(inner: str) -> bool:
    return "," in inner or ".." in inner


def _options(inner: str) -> list[str]:
    if "," in inner:
        return inner.split(",")
    match = _RANGE.fullmatch(inner)
    if match is None:
        # Not a range the shell knows, or one with a step: too much for a certain answer.
        return [""] * (MAX_BRACES + 1)
    if match[1] is not None:
        first, last = int(match[1]), int(match[2])
        if abs(last - first) > MAX_BRACES:
            return [""] * (MAX_BRACES + 1)
        return [str(n) for n in range(min(first, last), max(first, last) + 1)]
    low, high = sorted((ord(match[3]), ord(match[4])))
    return [chr(code) for code in range(low, high + 1)]


class _Lexer:
    """Removes the quotes of one word, character by character."""

    def __init__(self, raw: str, spans: Mapping[int, Span]) -> None:
        self._raw = raw
        self._spans = spans
        self._text: list[str] = []
        self._pattern: list[str] = []
        self._variables: list[str] = []
        self._certain = True
        self._globs = False

    def word(self) -> Word | None:
        raw, at = self._raw, 0
        if not raw or raw[0] == "#":
            return None
        tilde = raw[0] == "~"
        if (tilde and raw != "~" and raw[1] != "/") or (raw[0] == "=" and raw not in {"=", "=="}):
            # ~user, ~+, zsh's =program: what takes their place is not known here.
            self._certain = False
        while at < len(raw):
            after = self._step(at)
            if after is None or after <= at:
                return None
            at = after
        names = tuple(self._variables)
        if not self._certain:
            return Word(raw, variables=names)
        if self._globs:
            return Word(raw, glob="".join(self._pattern), tilde=tilde, variables=names)
        return Word(raw, "".join(self._text), tilde=tilde, variables=names)

    def _step(self, at: int) -> int | None:  # noqa: PLR0911 - one return for each kind of character
        char = self._raw[at]
        if at in self._spans:
            return self._expansion(at, quoted=False)
        if char in _META or char == "`":
            return None
        if char == "'":
            return self._quoted_until(at + 1)
        if char == '"':
            return self._double(at + 1)
        if char == "\\":
            if at + 1 >= len(self._raw):
                return None
            if self._raw[at + 1] != "\n":
                self._add(self._raw[at + 1])
            return at + 2
        if char == "$":
            return self._dollar(at)
        if char in "*?":
            self._globs = True
            self._text.append(char)
            self._pattern.append(char)
            return at + 1
        if char == "[" and "]" in self._raw[at + 2 :]:
            return self._set(at)
        if char == "~" and at and self._raw[at - 1] in "=:":
            # Shells put the home folder there in what looks like an assignment.
            self._certain = False
        self._add(char)
        return at + 1

    def _set(self, at: int) -> int:
        """Take a set of characters; of a more than simple one it is not certain what it matches."""
        match = SIMPLE_SET.match(self._raw, at)
        if match is None:
            self._certain = False
            return at + 1
        self._globs = True
        self._text.append(match[0])
        self._pattern.append(match[0])
        return match.end()

    def _add(self, text: str) -> None:
        self._text.append(text)
        self._pattern.append("".join(f"[{char}]" if char in "*?[" else char for char in text))

    def _dollar(self, at: int) -> int | None:
        following = self._raw[at + 1 : at + 2]
        if following == "'":
            return self._ansi_c(at + 2)
        if following == '"':
            # A translated string: what stands in its place depends on the locale.
            self._certain = False
            return self._double(at + 2)
        if following.isalnum() or (following and following in "_@*#?$!({[-`"):
            return None
        self._add("$")
        return at + 1

    def _expansion(self, at: int, *, quoted: bool) -> int | None:
        span = self._spans[at]
        if span.end > len(self._raw):
            return None
        self._variables += span.variables
        if span.value is None or (not quoted and span.value.glob is not None):
            # Unquoted, a file's name with a blank in it would become several words.
            self._certain = False
        elif span.value.text is not None:
            self._add(span.value.text)
        elif span.value.glob is not None:
            self._globs = True
            self._pattern.append(span.value.glob)
        return span.end

    def _quoted_until(self, start: int) -> int | None:
        end = self._raw.find("'", start)
        if end < 0:
            return None
        self._add(self._raw[start:end])
        return end + 1

    def _double(self, at: int) -> int | None:
        raw = self._raw
        while at < len(raw):
            char = raw[at]
            if at in self._spans:
                after = self._expansion(at, quoted=True)
                if after is None or after <= at:
                    return None
                at = after
            elif char == '"':
                return at + 1
            elif char == "`":
                return None
            elif char == "\\" and raw[at + 1 : at + 2] in {"$", "`", '"', "\\", "\n"}:
                if raw[at + 1] != "\n":
                    self._add(raw[at + 1])
                at += 2
            elif char == "$" and (
                raw[at + 1 : at + 2].isalnum() or raw[at + 1 : at + 2] in set("_@*#?$!({[-")
            ):
                return None
            else:
                self._add(char)
                at += 1
        return None

    def _ansi_c(self, at: int) -> int | None:
        raw = self._raw
        while at < len(raw):
            char = raw[at]
            if char == "'":
                return at + 1
            if char != "\\":
                self._add(char)
                at += 1
                continue
            at += 1
            number = _NUMERIC_ESCAPE.match(raw, at)
            if raw[at : at + 1] in _SIMPLE_ESCAPES and raw[at : at + 1]:
                self._add(_SIMPLE_ESCAPES[raw[at]])
                at += 1
            elif number is not None:
                code = (
                    int(number[4], 8) if number[4] else int(number[1] or number[2] or number[3], 16)
                )
                if (
                    not 0 < code <= _MAX_CODE
                    or code in _SURROGATES
                    or (code > _LAST_ASCII and not number[2] and not number[3])
                ):
                    # NUL ends the word in some shells, and single bytes may form any character.
                    self._certain = False
                else:
                    self._add(chr(code))
                at = number.end()
            else:
                self._certain = False
                at += 1
        return None
