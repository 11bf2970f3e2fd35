"""Programs that run what they are told: shells, interpreters, eval, env, xargs, find.

`unwrap` builds on this, `unwrapping` stands below.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import Final

from autopilot_ls.policy.shell.finding import found
from autopilot_ls.policy.shell.flow import Folders
from autopilot_ls.policy.shell.parts import NOWHERE
from autopilot_ls.policy.shell.unwrapping import Setting, Unwrapping
from autopilot_ls.policy.shell.words import Word, literal
from autopilot_ls.policy.shell.wrappers import (
    FIND_RUNS,
    INTERPRETERS,
    OTHER_SHELLS,
    XARGS_FLAGS,
    XARGS_VALUED,
)

_SHELL_OPTION: Final = re.compile(r"-[a-zA-Z]+")
_SHELL_LONG: Final = frozenset(
    {"--login", "--norc", "--noprofile", "--posix", "--no-rcs", "--restricted"}
)
_SHELL_FLAGS: Final = frozenset("cleiuxfnvaEpr")


class Runners(Unwrapping):
    """Takes commands out of what runs them."""

    def _shell(self, name: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        inner = at.inside(name)
        index, runs_text = 1, False
        while index < len(words):
            text = words[index].text
            if text is None:
                self._unknown(at, "it depends on something else what this shell runs")
                return None
            if text in _SHELL_LONG:
                index += 1
                continue
            if text in {"-o", "+o", "-O", "+O"}:
                index += 2
                continue
            if not text.startswith(("-", "+")):
                break
            if not _SHELL_OPTION.fullmatch(text) or not set(text[1:]) <= _SHELL_FLAGS | {"o"}:
                self._unknown(at, "an option of this shell is not followed")
                return None
            runs_text = runs_text or "c" in text
            index += 2 if "o" in text else 1
        rest = words[index:]
        if runs_text:
            if not rest or rest[0].text is None:
                self._unknown(at, "it depends on something else what this shell runs")
            else:
                self._parse(rest[0].text, inner)
            return None
        if rest:
            self._keep((literal(name), *rest), at)
        elif at.stdin is not None:
            self._parse(at.stdin, inner)
        else:
            self._unknown(at, "this shell runs what it reads")
        return None

    def _interpreter(self, base: str, words: tuple[Word, ...], at: Setting) -> None:
        inline = INTERPRETERS.get(base, frozenset({"-c"}))
        reads = len(words) == 1 or (len(words) > 1 and words[1].text in {"-", "/dev/stdin"})
        if reads and (at.has_stdin or base in OTHER_SHELLS):
            self._unknown(at, f"{base} runs what it reads")
            return
        short = {option[1] for option in inline if len(option) == 2 and option[0] == "-"}  # noqa: PLR2004 - a dash and a letter
        for word in words[1:]:
            text = word.text
            if text is None:
                self._unknown(at, f"it depends on something else what {base} is told")
                return
            if base != "deno" and not text.startswith("-"):
                return
            cluster = not text.startswith("--") and bool(short & set(text[1:]))
            if text.split("=", 1)[0] in inline or cluster:
                self._unknown(at, f"code in the line is given to {base}")
                return
            if base in {"python", "pypy"} and text == "-m":
                return

    def _eval(self, name: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        texts = [word.text for word in words[1:]]
        if None in texts or not texts:
            self._unknown(at, "it depends on something else what is evaluated")
        else:
            self._parse(" ".join(text for text in texts if text is not None), at.inside(name))
        return NOWHERE

    def _source(self, _: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        self._unknown(at, "commands of a file are run in this shell")
        self._keep(words, at)
        return NOWHERE

    def _trap(self, name: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        if len(words) > 1 and words[1].text is not None and words[1].text not in {"-", "", "-l"}:
            self._parse(words[1].text, at.inside(name))
        self._keep(words, at)
        return None

    def _alias(self, name: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        for word in words[1:]:
            if word.text is not None and "=" in word.text:
                self._parse(word.text.split("=", 1)[1], at.inside(name))
        if len(words) > 1:
            self._unknown(at, "an alias is defined in the line")
        else:
            self._keep(words, at)
        return None

    def _su(self, name: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        for option, value in pairwise(words[1:]):
            if option.text in {"-c", "--command"} and value.text is not None:
                self._parse(value.text, at.inside(name))
        self._keep(words, at)
        return None

    def _env(self, name: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        rest, inner = words[1:], at.inside(name)
        while rest:
            text = rest[0].text
            if text in {"-i", "-", "-v", "--ignore-environment", "--debug"}:
                rest = rest[1:]
            elif text in {"-u", "--unset"}:
                rest = rest[2:]
            elif text is not None and text.startswith(("--unset=", "-u")):
                rest = rest[1:]
            elif text is not None and text.startswith("-"):
                self._unknown(at, "this option of env is not followed")
                return None
            elif self._assigned(rest[0], inner):
                rest = rest[1:]
            else:
                break
        if not rest:
            self._keep((literal(name),), at)
        else:
            self._run(rest, inner)
        return None

    def _xargs(self, name: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        index, null, placeholder = 1, False, ""
        while index < len(words):
            text = words[index].text
            if text is None or not text.startswith("-"):
                break
            null = null or text in {"-0", "--null"}
            index += 1
            if text in {"-I", "-i", "-J"}:
                placeholder = (words[index].text or "") if index < len(words) else ""
                index += 1
            elif text.startswith("-I"):
                placeholder = text[2:]
            elif text in XARGS_VALUED:
                index += 1
            elif text not in XARGS_FLAGS and not re.fullmatch(
                r"-[nPLs]\d+|-[0rtx]+|--max-\w+=\d+", text
            ):
                self._unknown(at, "this option of xargs is not followed")
                return None
            null = null or bool(re.fullmatch(r"-[0rtx]*0[0rtx]*", text))
        rest = words[index:] or (literal("echo"),)
        given = self._fed(at) if null else Word("(what is read)")
        if placeholder:
            rest = tuple(_filled(word, placeholder, given) for word in rest)
        else:
            rest = (*rest, given)
        self._run(rest, replace(at.inside(name), stdin=None))
        return None

    def _fed(self, at: Setting) -> Word:
        """Return the word that stands for file names which find printed with NUL between them."""
        texts = [word.text for word in at.feeder]
        given = found(at.feeder) if texts[:1] == ["find"] and "-print0" in texts else None
        return given or Word("(what is read)")

    def _find(self, name: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        self._keep(words, at)
        given = found(words) or Word("{}")
        index = 1
        while index < len(words):
            option = words[index].text
            index += 1
            if option not in FIND_RUNS:
                continue
            end = next((i for i in range(index, len(words)) if words[i].text in {";", "+"}), None)
            if end is None or end == index:
                self._unknown(at, "the command that find runs has no clear end")
                return None
            command = tuple(_filled(word, "{}", given) for word in words[index:end])
            inner = at.inside(name)
            if option in {"-execdir", "-okdir"}:
                inner = replace(inner, folders=NOWHERE)
            self._run(command, replace(inner, stdin=None, has_stdin=False))
            index = end + 1
        return None


def _filled(word: Word, placeholder: str, value: Word) -> Word:
    """Put what is found into a word of the command."""
    if word.text is None or placeholder not in word.text:
        return word
    return value if word.text == placeholder else Word(word.raw)
