"""Rules: what each matches, and how words are compared with patterns.

Values and pure functions; `language` makes rules out of files, `judging` asks them. An *allow* needs
certainty in everything it matches, an *ask* or *deny* is content with a possibility.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from autopilot_ls.model.approvals import Mode, Outcome
from autopilot_ls.policy.patterns import PathPatterns
from autopilot_ls.policy.shell import Word
from autopilot_ls.policy.shell.unwrap import program_name

REST: Final = "…"
"""Any further words, none included."""

Risk = Literal["low", "high"]
ChangeName = Literal["add", "update", "delete", "rename"]

ALL_MODES: Final = frozenset(Mode)
ACTING: Final = frozenset({Mode.AUTO, Mode.ESCALATE})
RUNNING: Final = frozenset({Mode.PROPOSE, Mode.AUTO, Mode.ESCALATE})

_WILD: Final = frozenset("*?[")
_WILD_TAIL: Final = re.compile(r"[*?\[].*", re.DOTALL)


class CommandPattern(NamedTuple):
    """A command's words: literal, with `*` inside, `*` alone for one word, `…` for any more.

    Attributes:
        text: As written.
        program: The first word.
        words: The words after it.
    """

    text: str
    program: str
    words: tuple[str, ...]

    def matches(self, words: Sequence[Word], *, certain: bool, expansions: bool) -> bool:
        """Tell whether a command's arguments match.

        Args:
            words: The arguments, without the program.
            certain: An *allow* asks: unknown words do not match. Else: they match anything.
            expansions: Whether `…` takes words that are not known.
        """
        return _match(self.words, 0, words, 0, certain=certain, expansions=expansions)


def _match(
    pattern: tuple[str, ...],
    p: int,
    words: Sequence[Word],
    w: int,
    *,
    certain: bool,
    expansions: bool,
) -> bool:
    while p < len(pattern):
        if pattern[p] == REST:
            if p == len(pattern) - 1:
                return not certain or expansions or all(_tellable(word) for word in words[w:])
            return any(
                _match(pattern, p + 1, words, at, certain=certain, expansions=expansions)
                and (not certain or all(_tellable(word) for word in words[w:at]))
                for at in range(w, len(words) + 1)
            )
        if w >= len(words) or not _one(pattern[p], words[w], certain=certain):
            return False
        p += 1
        w += 1
    return w == len(words)


def _tellable(word: Word) -> bool:
    return word.text is not None or word.glob is not None


def _one(pattern: str, word: Word, *, certain: bool) -> bool:
    if word.text is None:
        return not certain or (pattern == "*" and word.glob is not None)
    if pattern == word.text:
        return True
    if _WILD.isdisjoint(pattern):
        return not certain and pattern.lower() == word.text.lower()
    return _word_pattern(pattern).fullmatch(word.text) is not None


@lru_cache(maxsize=4096)
def _word_pattern(pattern: str) -> re.Pattern[str]:
    first, *others = (
        "".join("." if c == "?" else re.escape(c) for c in piece) for piece in pattern.split("*")
    )
    if not others:
        return re.compile(first, re.DOTALL)
    # The first place where a piece fits is as good as any, so that none is tried twice: a pattern and a
    # word that were made for it would else take longer than anybody lives.
    middle = "".join(f"(?>.*?{piece})" for piece in others[:-1])
    return re.compile(f"{first}{middle}.*{others[-1]}", re.DOTALL)


@lru_cache(maxsize=4096)
def _name_pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


def has_option(words: Sequence[Word], option: str) -> bool:
    """Tell whether an option may stand among the words, in any of its usual spellings."""
    return any(_is_option(word, option) for word in words)


def _is_option(word: Word, option: str) -> bool:
    if word.text is not None:
        return _spells(word.text, option)
    # The names of files take its place, which begin with what stands before the first star.
    head = "" if word.glob is None else _WILD_TAIL.sub("", word.glob)
    if not head:
        return True
    if "*" in option:
        stem = option.split("*", 1)[0]
        return head.startswith(stem) or stem.startswith(head)
    return _spells(head, option) if "=" in head else head.startswith("-")


def _spells(text: str, option: str) -> bool:
    if text == option:
        return True
    if "*" in option:
        # Also a shorter spelling than what stands before the star could be meant.
        stem = option.split("*", 1)[0]
        short = len(text) > 3 and text.startswith("--") and stem.startswith(text.split("=", 1)[0])  # noqa: PLR2004 - two dashes and a letter
        return short or _word_pattern(option).fullmatch(text) is not None
    if not option.startswith("-"):
        return False
    if not text.startswith("-"):
        return False
    name = text.split("=", 1)[0]
    if option.startswith("--"):
        # Programs take `--out` for `--output` where nothing else begins so.
        return len(name) > 3 and option.startswith(name)  # noqa: PLR2004 - two dashes and a letter
    if len(option) == 2:  # noqa: PLR2004 - a dash and a letter
        return not text.startswith("--") and option[1] in text[1:]
    return name in {option, f"-{option}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a policy.

    Attributes:
        name: Unique in its file.
        outcome: What it says.
        hard: A *deny* that nothing outweighs; an *ask* that no grant for the session lifts.
        source: The file, for people.
        line: Its line in the file, from 1.
        commands: Command patterns; likewise the other matchers: a rule has one kind of them.
        lines: Command lines, exact to the character.
        options: The command must have one of these options.
        without: The command may have none of these options.
        escalated: An *allow* also reaches commands which ask to leave the sandbox; an *ask* or *deny*
            reaches only those.
        expansions: `…` also takes words that are not known (for programs that only print them).
        modes: Where it holds; empty means: where such a rule holds by default.
        workspace: Folders of sessions that it is for; empty means all.
        risk: How much harm it can do; an *allow* of high risk asks in the mode escalate.
        narrowing: It stands in a file that is not trusted, and may only make things stricter.
    """

    name: str
    outcome: Outcome
    hard: bool = False
    source: str = ""
    line: int = 0
    commands: tuple[CommandPattern, ...] = ()
    lines: tuple[str, ...] = ()
    edit: PathPatterns | None = None
    kinds: frozenset[ChangeName] = frozenset()
    read: PathPatterns | None = None
    network: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    question: bool = False
    environment: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    escalated: bool = False
    expansions: bool = False
    modes: frozenset[Mode] = field(default=frozenset())
    workspace: tuple[str, ...] = ()
    risk: Risk | None = None
    reason: str = ""
    narrowing: bool = False

    @property
    def allows(self) -> bool:
        """Whether it says *allow*."""
        return self.outcome is Outcome.ALLOW

    def holds_in(self, mode: Mode) -> bool:
        """Tell whether it holds in a mode."""
        if self.modes:
            return mode in self.modes
        if not self.allows:
            return True
        return mode in (RUNNING if self.commands or self.lines or self.environment else ACTING)

    def matches_command(self, words: Sequence[Word], pattern: CommandPattern) -> bool:
        """Tell whether a command, whose program the index found, matches one of its patterns."""
        rest = words[1:]
        if not pattern.matches(rest, certain=self.allows, expansions=self.expansions):
            return False
        if self.options and not any(has_option(rest, option) for option in self.options):
            return False
        if self.allows:
            known = [w for w in rest if w.text is not None or not self.expansions]
            return not any(has_option(known, option) for option in self.without)
        given = {word.text for word in rest}
        return not any(option in given for option in self.without)


def matches_name(patterns: Sequence[str], name: str) -> bool:
    """Tell whether a name matches patterns with `*`, of which those with `!` take away."""
    hit = False
    for pattern in patterns:
        if pattern.startswith("!"):
            if _name_pattern(pattern[1:]).fullmatch(name):
                return False
        elif not hit and (pattern == name or _name_pattern(pattern).fullmatch(name)):
            hit = True
    return hit


def program_names(words: Sequence[Word]) -> tuple[str, str]:
    """Return the program's name as an *allow* takes it, and as *ask* and *deny* take it."""
    text = (words[0].text or "") if words else ""
    return program_name(text), text.rsplit("/", 1)[-1].lower()
