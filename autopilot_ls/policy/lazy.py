"""Rules of commands that are made when their program is first asked about.

Thousands of remembered rules load fast because a session asks about a few programs only. Made by
`remember`, asked by `index`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from autopilot_ls.model.approvals import Outcome
from autopilot_ls.policy.rules import CommandPattern, Rule


class RuleLine(NamedTuple):
    """A rule's values, already known to be valid."""

    number: int
    name: str
    pattern: str
    workspace: str
    reason: str


class LazyRules:
    """*Allow* rules of commands, by program."""

    def __init__(self, file: str, lines: Mapping[str, Sequence[RuleLine]]) -> None:
        """Create them.

        Args:
            file: How the file is called to people.
            lines: The rules of each program.
        """
        self._file = file
        self._lines = lines
        self._made: dict[str, dict[str, list[tuple[Rule, CommandPattern]]]] = {}

    def entries(self, program: str, first: str) -> Iterator[tuple[Rule, CommandPattern]]:
        """Yield the rules that may match a program with its first argument."""
        if program not in self._lines:
            return
        made = self._made.get(program)
        if made is None:
            made = dict[str, list[tuple[Rule, CommandPattern]]]()
            for line in self._lines[program]:
                rule, pattern = self._rule(line)
                key = pattern.words[0] if pattern.words and pattern.words[0] != "…" else ""
                made.setdefault(key, []).append((rule, pattern))
            self._made[program] = made
        yield from made.get("", ())
        if first:
            yield from made.get(first, ())

    def all(self) -> Iterator[Rule]:
        """Yield every rule, in the order of the file."""
        lines = sorted(line for lines in self._lines.values() for line in lines)
        yield from (self._rule(line)[0] for line in lines)

    def _rule(self, line: RuleLine) -> tuple[Rule, CommandPattern]:
        words = line.pattern.split(" ")
        pattern = CommandPattern(line.pattern, words[0], tuple(words[1:]))
        rule = Rule(
            name=line.name,
            outcome=Outcome.ALLOW,
            source=self._file,
            line=line.number,
            commands=(pattern,),
            workspace=(line.workspace,),
            reason=line.reason,
        )
        return rule, pattern
