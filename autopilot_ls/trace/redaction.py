"""Hiding known secrets in what is shown: transcripts, progress, logs.

Never applied to what is recorded, sent, or decided on: a person who decides must see all of it, since
what looks like a secret may hide a command. Not aware of where texts come from. Pure functions.

Every pattern takes linear time: what repeats is bounded or possessive, and begins with a literal that
is looked for first, so that a hostile text cannot stall the display.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from autopilot_ls.model.errors import InvalidSettings

HIDDEN: Final = "[redacted]"

_MAX_LINE: Final = 4_000
_MAX_KEY_BLOCK: Final = 20_000


@dataclass(frozen=True, slots=True)
class _Rule:
    """A form of secret.

    Attributes:
        hints: Lower-case literals one of which every match contains.
        replacement: What stands instead; groups keep what is not secret.
    """

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str = HIDDEN


def _alone(prefix: str) -> str:
    r"""Return a pattern for a literal prefix that nothing word-like precedes.

    An escaped line end (`\n` in quoted JSON) and a terminal's colour code are no part of a word.
    """
    before = (
        rf"(?<![A-Za-z0-9_-]{prefix})",
        rf"(?<=\\[nrt]{prefix})",
        rf"(?<=\x1b\[m{prefix})",
        rf"(?<=\x1b\[\dm{prefix})",
        rf"(?<=\x1b\[\d\dm{prefix})",
        rf"(?<=\x1b\[\d;\d\dm{prefix})",
    )
    return f"{prefix}(?:{'|'.join(before)})"


# A token of the right form is hidden wherever it stands. The upper bounds keep the time linear.
_TOKENS: Final = (
    # OpenAI, Anthropic, OpenRouter and others; with a digit, or words-with-hyphens would go too.
    _Rule(
        ("sk-",),
        re.compile(_alone("sk-") + r"(?=[A-Za-z_-]{0,80}[0-9])[A-Za-z0-9_-]{16,400}+"),
    ),
    # GitHub, GitLab.
    _Rule(("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), re.compile(r"gh[pousr]_[A-Za-z0-9]{20,255}+")),
    _Rule(("github_pat_",), re.compile(r"github_pat_[A-Za-z0-9_]{20,255}+")),
    _Rule(("glpat-",), re.compile(r"glpat-[A-Za-z0-9_-]{16,255}+")),
    # Amazon's key ids; the secrets that belong to them stand in assignments.
    _Rule(
        ("akia", "asia", "abia", "acca"),
        re.compile(r"(?<![A-Z0-9])A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Z0-9])"),
    ),
    # Slack's tokens and web hooks.
    _Rule(("xox",), re.compile(r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{10,400}+")),
    _Rule(("xapp-",), re.compile(r"xapp-[A-Za-z0-9-]{10,400}+")),
    _Rule(
        ("hooks.slack.com/services/",),
        re.compile(r"(hooks\.slack\.com/services/)[A-Za-z0-9/]{10,200}+"),
        rf"\g<1>{HIDDEN}",
    ),
    # Google.
    _Rule(("aiza",), re.compile(r"AIza[A-Za-z0-9_-]{30,100}+")),
    _Rule(("ya29.",), re.compile(r"ya29\.[A-Za-z0-9_-]{20,2000}+")),
    _Rule(("gocspx-",), re.compile(r"GOCSPX-[A-Za-z0-9_-]{20,100}+")),
    # Package registries, model hubs, payment, mail, and other services.
    _Rule(("npm_",), re.compile(r"npm_[A-Za-z0-9]{30,100}+")),
    _Rule(("pypi-",), re.compile(r"pypi-[A-Za-z0-9_-]{50,400}+")),
    _Rule(("hf_",), re.compile(_alone("hf_") + r"[A-Za-z0-9]{20,100}+")),
    _Rule(("k_live_", "k_test_"), re.compile(r"[srp]k_(?:live|test)_[A-Za-z0-9]{10,200}+")),
    _Rule(("whsec_",), re.compile(r"whsec_[A-Za-z0-9+/=]{16,200}+")),
    _Rule(("sg.",), re.compile(r"SG\.[A-Za-z0-9_-]{16,64}+\.[A-Za-z0-9_-]{16,100}+")),
    _Rule(("hvs.",), re.compile(r"hvs\.[A-Za-z0-9_-]{20,200}+")),
    _Rule(("dop_v1_",), re.compile(r"dop_v1_[a-f0-9]{32,100}+")),
    _Rule(("age-secret-key-",), re.compile(r"AGE-SECRET-KEY-1[A-Z0-9]{50,70}+")),
    # JSON web tokens.
    _Rule(
        ("eyj",),
        re.compile(
            _alone("eyJ")
            + r"[A-Za-z0-9_-]{5,1000}+\.[A-Za-z0-9_-]{5,8000}+\.?[A-Za-z0-9_-]{0,2000}+"
        ),
    ),
)

# What is hidden as a value never contains what a shell gives a meaning to.
_PLAIN: Final = r"[^\s\"'`$;|&<>()\[\]{},\\]"
_NAME: Final = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|secret(?:[_-]?access)?(?:[_-]?key)?|token|credentials?"
    r"|(?:api|access|private|auth|account|encryption|signing|shared|master)[_-]?key)(?:[_-]?\d{1,3})?"
)
_NAME_HINTS: Final = ("pass", "pwd", "secret", "token", "credential", "key")

_ASSIGNMENTS: Final = (
    # Quoted, as in code, JSON, and JSON within JSON. The name's own closing quote may come first.
    _Rule(
        _NAME_HINTS,
        re.compile(
            rf"({_NAME}\\{{0,2}}[\"']?\]?\s{{0,3}}(?::=|=>|=|:)\s{{0,3}}[bruf]?\\{{0,2}}[\"'])"
            r"(?!\[redacted\])[^\"'`$\n\\]{4,400}+",
            re.IGNORECASE,
        ),
        rf"\g<1>{HIDDEN}",
    ),
    # NAME=value without blanks, as in the environment, in queries and in options. A call is code.
    _Rule(
        _NAME_HINTS,
        re.compile(rf"({_NAME}=){_PLAIN}{{4,400}}+(?!\()", re.IGNORECASE),
        rf"\g<1>{HIDDEN}",
    ),
    # name: value and name = value, as in YAML, headers and INI; only what has a letter and a digit,
    # or each type annotation would go.
    _Rule(
        _NAME_HINTS,
        re.compile(
            rf"({_NAME}\s{{0,3}}[:=]\s{{1,3}})(?={_PLAIN}{{0,80}}\d)(?={_PLAIN}{{0,80}}[A-Za-z])"
            rf"{_PLAIN}{{6,400}}+(?!\()",
            re.IGNORECASE,
        ),
        rf"\g<1>{HIDDEN}",
    ),
    # --password value.
    _Rule(
        ("--",),
        re.compile(
            rf"(--(?:[a-z0-9]{{1,20}}-){{0,3}}{_NAME}\s{{1,3}}[\"']?)(?!-){_PLAIN}{{4,400}}+",
            re.IGNORECASE,
        ),
        rf"\g<1>{HIDDEN}",
    ),
    # Authorization headers, and bearer tokens wherever they stand.
    _Rule(
        ("authorization",),
        re.compile(
            r"(authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:(?:basic|bearer|token|digest)\s{1,3})?)"
            rf"(?!(?:basic|bearer|token|digest)\s){_PLAIN}{{8,4000}}+",
            re.IGNORECASE,
        ),
        rf"\g<1>{HIDDEN}",
    ),
    _Rule(
        ("bearer",),
        re.compile(
            r"(bearer\s{1,3})(?=[A-Za-z._~+/=-]{0,80}\d)[A-Za-z0-9._~+/=-]{12,4000}+", re.IGNORECASE
        ),
        rf"\g<1>{HIDDEN}",
    ),
    # scheme://user:password@host, scheme://token@host.
    _Rule(
        ("://",),
        re.compile(r"(://[^\s/:@\"'`<>]{0,100}+:)(?![$%{])[^\s/\"'`<>]{1,200}@"),
        rf"\g<1>{HIDDEN}@",
    ),
    _Rule(("://",), re.compile(r"(://)[A-Za-z0-9_-]{20,255}+@"), rf"\g<1>{HIDDEN}@"),
)

_KEY_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_REST: Final = re.compile(r"[A-Za-z0-9+/=\s\\:,-]*+")


def _hide_key_blocks(text: str) -> str:
    """Hide private keys in PEM form, also where the end was cut off."""
    begins = list(_KEY_BEGIN.finditer(text))
    if not begins:
        return text
    ends = [match.end() for match in _KEY_END.finditer(text)]
    spans = [(0, 0)]
    for begin in begins:
        if begin.start() < spans[-1][1]:
            continue
        place = bisect_left(ends, begin.end())
        if place < len(ends) and ends[place] - begin.end() <= _MAX_KEY_BLOCK:
            spans.append((begin.start(), ends[place]))
        else:
            rest = _KEY_REST.match(text, begin.end())
            spans.append((begin.start(), rest.end() if rest else begin.end()))
    spans.append((len(text), len(text)))
    return HIDDEN.join(text[before[1] : after[0]] for before, after in pairwise(spans))


class Redactor:
    """Hides secrets of known forms, and what the user's own patterns match."""

    def __init__(self, extra: Sequence[str] = ()) -> None:
        """Prepare the patterns.

        Args:
            extra: The user's regular expressions (`autopilot.trace.redact`). All that they match is
                hidden. They see one line at a time, and long lines in pieces.

        Raises:
            InvalidSettings: One is no regular expression, or matches the empty text; the message
                names its place.
        """
        self._extra = tuple(_compile(index, source) for index, source in enumerate(extra))

    def redact(self, text: str) -> str:
        """Return the text as it may be shown; doing it twice changes nothing more."""
        if "PRIVATE KEY" in text:
            text = _hide_key_blocks(text)
        folded = text.lower()
        for rule in (*_TOKENS, *_ASSIGNMENTS):
            if any(hint in folded for hint in rule.hints):
                text = rule.pattern.sub(rule.replacement, text)
        if self._extra:
            text = "".join(map(self._redact_line, text.splitlines(keepends=True)))
        return text

    def _redact_line(self, line: str) -> str:
        pieces = [line[at : at + _MAX_LINE] for at in range(0, len(line), _MAX_LINE)]
        for pattern in self._extra:
            pieces = [pattern.sub(_hide, piece) for piece in pieces]
        return "".join(pieces)


_hide: Final[Callable[[re.Match[str]], str]] = lambda match: HIDDEN if match[0] else ""  # noqa: E731


def _compile(index: int, source: str) -> re.Pattern[str]:
    where = f"autopilot.trace.redact[{index}]"
    try:
        pattern = re.compile(source)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidSettings(
            f"{where} is not a regular expression: {error}.", advice="Correct or remove it."
        ) from None
    if pattern.match("") is not None:
        raise InvalidSettings(
            f"{where} matches the empty text, so it would hide everything and nothing.",
            advice="Make it match at least one character.",
        )
    return pattern
