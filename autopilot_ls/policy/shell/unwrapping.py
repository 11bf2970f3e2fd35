"""What all unwrapping shares: where a command stands, and adding its parts.

Also plain wrappers, told apart by the tables of `wrappers`. `runners`, `options` and `unwrap` build on
this.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from autopilot_ls.policy.shell.flow import Folders
from autopilot_ls.policy.shell.parts import Collector, Part, PartKind, shorten
from autopilot_ls.policy.shell.words import Word, literal
from autopilot_ls.policy.shell.wrappers import STANDARD_FOLDERS, Wrapper

_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VERSIONED: Final = re.compile(r"(python|pypy|perl|ruby|lua|php|node)\d[\d.]*(?:-dbg|t)?")


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a command stands.

    Attributes:
        stdin: The exact text it reads, when that is known.
        has_stdin: Whether it reads from something else than the agent's own input.
        feeder: The words of the command whose output it reads.
    """

    source: str
    folders: Folders
    via: tuple[str, ...]
    stdin: str | None = None
    has_stdin: bool = False
    feeder: tuple[Word, ...] = ()

    def inside(self, wrapper: str) -> Setting:
        """Return the same place inside a wrapper."""
        return replace(self, via=(*self.via, wrapper))


def program_name(text: str) -> str:
    """Return a program's name without a standard folder; another path stays as it is."""
    if "/" not in text:
        return text
    path = PurePosixPath(text)
    return path.name if str(path.parent) in STANDARD_FOLDERS else text


def interpreter_name(name: str) -> str:
    """Return the interpreter's name without its version (`python3.12` is `python`)."""
    match = _VERSIONED.fullmatch(name)
    return match[1] if match else name


class Unwrapping(ABC):
    """Adds parts, and takes commands out of plain wrappers."""

    def __init__(self, collector: Collector, depth: int) -> None:
        self._collector = collector
        self._depth = depth

    @abstractmethod
    def _run(self, words: tuple[Word, ...], at: Setting) -> Folders | None:
        """Add the parts of a command; return where a `cd` leads to."""

    def _keep(self, words: tuple[Word, ...], at: Setting) -> None:
        self._collector.add(
            Part(PartKind.COMMAND, at.source, words, via=at.via, folders=at.folders)
        )

    def _unknown(self, at: Setting, why: str) -> None:
        self._collector.add(
            Part(PartKind.UNKNOWN, at.source, note=why, via=at.via, folders=at.folders)
        )

    def _parse(self, text: str, at: Setting) -> None:
        from autopilot_ls.policy.shell.parsing import parse_into

        parse_into(
            text, self._collector, depth=self._depth + len(at.via), folders=at.folders, via=at.via
        )

    def _assigned(self, word: Word, at: Setting) -> bool:
        match = _ASSIGNMENT.fullmatch(word.raw if word.text is None else word.text)
        if match is None:
            return False
        value = () if word.text is None else (literal(match[2]),)
        self._collector.add(
            Part(PartKind.ENVIRONMENT, shorten(word.raw), value, match[1], at.via, at.folders)
        )
        return True

    def _wrapper(
        self,
        name: str,
        wrapper: Wrapper,
        rest: tuple[Word, ...],
        words: tuple[Word, ...],
        at: Setting,
    ) -> Folders | None:
        if wrapper.kept:
            self._keep(words, at)
        start = self._skip_options(wrapper, rest, at)
        if start is None:
            return None
        rest = rest[start:]
        if any(word.text is None for word in rest[: wrapper.operands]):
            self._unknown(at, f"it depends on something else what {name} is told")
            return None
        rest = rest[wrapper.operands :]
        inner = at.inside(name)
        while wrapper.kept and rest and _ASSIGNMENT.fullmatch(rest[0].text or rest[0].raw):
            self._assigned(rest[0], inner)
            rest = rest[1:]
        if not rest:
            if not wrapper.kept:
                self._keep(words, at)
            return None
        if wrapper.shell_text:
            texts = [word.text for word in rest]
            if None in texts:
                self._unknown(at, f"it depends on something else what {name} runs")
            else:
                self._parse(" ".join(text for text in texts if text is not None), inner)
            return None
        moved = self._run(rest, inner)
        return moved if name in {"command", "builtin", "time", "noglob"} else None

    def _skip_options(self, wrapper: Wrapper, rest: Sequence[Word], at: Setting) -> int | None:
        index = 0
        while index < len(rest):
            text = rest[index].text
            if text is None or not text.startswith("-") or text == "-":
                break
            index += 1
            if text == "--":
                break
            if text in wrapper.valued:
                index += 1
            elif (
                text in wrapper.flags
                or text.split("=", 1)[0] in wrapper.valued
                or any(text.startswith(short) for short in wrapper.valued if short[1] != "-")
                or (text[1:].isdigit() and "-n" in wrapper.valued)
            ):
                continue
            elif not wrapper.understood:
                self._unknown(at, f"the option {text[:40]} of this wrapper is not followed")
                return None
        return index
