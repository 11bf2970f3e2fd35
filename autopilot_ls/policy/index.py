"""The rules of all layers, found by what they are about: a lookup, not a search.

Made once for a policy and immutable after. `judging` asks it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from autopilot_ls.policy.lazy import LazyRules
from autopilot_ls.policy.paths import Place, fold
from autopilot_ls.policy.patterns import PathPatterns
from autopilot_ls.policy.rules import REST, CommandPattern, Rule
from autopilot_ls.policy.shell.parts import MAX_LENGTH
from autopilot_ls.policy.shell.unwrap import program_name
from autopilot_ls.policy.shell.wrappers import SHELLS

Entry = tuple[Rule, CommandPattern]
_SPECIAL = frozenset("*?[{")
# One word in which nothing is expanded, as programs quote it that make a line out of words.
_PIECE: Final = re.compile(r"""'[^']*+'|"(?:[^"$`\\!]|\\["$`\\])*+"|[A-Za-z0-9_./:@%+,-]++""")
_GIVEN: Final = re.compile(rf"([A-Za-z0-9_./-]++) -l?c ((?:{_PIECE.pattern})++)")
_ESCAPED: Final = re.compile(r"""\\(["$`\\])""")


class Index:
    """Rules by kind; those of commands by their program."""

    def __init__(
        self,
        rules: Iterable[Rule],
        lazy: Sequence[LazyRules] = (),
        before: Index | None = None,
    ) -> None:
        """Sort rules.

        Args:
            rules: Those to be found.
            lazy: Further ones, which are read when they are asked for.
            before: An index whose rules come first; sorting them again would take milliseconds.
        """
        self._before = before
        self._lazy = tuple(lazy)
        given = tuple(rules)
        self._allow: dict[tuple[str, str], list[Entry]] = {}
        self._restrict: dict[str, list[Entry]] = {}
        self._any: list[Entry] = []
        self._lines: dict[str, list[Rule]] = {}
        networks: list[Rule] = []
        tools: list[Rule] = []
        permissions: list[Rule] = []
        questions: list[Rule] = []
        environments: list[Rule] = []
        for rule in given:
            for pattern in rule.commands:
                self._add(rule, pattern)
            for line in rule.lines:
                self._lines.setdefault(line, []).append(rule)
            if rule.network:
                networks.append(rule)
            elif rule.tools:
                tools.append(rule)
            elif rule.permissions:
                permissions.append(rule)
            elif rule.question:
                questions.append(rule)
            elif rule.environment:
                environments.append(rule)
        edits = ((rule, rule.edit) for rule in given if rule.edit is not None)
        reads = ((rule, rule.read) for rule in given if rule.read is not None)
        self.edits = PathIndex(edits, before and before.edits)
        self.reads = PathIndex(reads, before and before.reads)
        self.networks = (*(before.networks if before else ()), *networks)
        self.tools = (*(before.tools if before else ()), *tools)
        self.permissions = (*(before.permissions if before else ()), *permissions)
        self.questions = (*(before.questions if before else ()), *questions)
        self.environments = (*(before.environments if before else ()), *environments)

    def _add(self, rule: Rule, pattern: CommandPattern) -> None:
        program = pattern.program
        if rule.allows:
            first = pattern.words[0] if pattern.words else ""
            key = "" if first == REST or not _SPECIAL.isdisjoint(first) else first
            self._allow.setdefault((program, key), []).append((rule, pattern))
        elif set(program) & set("*?"):
            self._any.append((rule, pattern))
        else:
            name = program.rsplit("/", 1)[-1].lower()
            self._restrict.setdefault(name, []).append((rule, pattern))

    def commands_of(self, exact: str, loose: str, first: str) -> Iterator[Entry]:
        """Yield what may match a command.

        Args:
            exact: The program's name as an *allow* takes it.
            loose: The program's name as *ask* and *deny* take it.
            first: The word after it, empty when there is none or it is not known.
        """
        if self._before is not None:
            yield from self._before.commands_of(exact, loose, first)
        yield from self._restrict.get(loose, ())
        for entry in self._any:
            if PurePosixPath(loose).match(entry[1].program.lower()):
                yield entry
        yield from self._allow.get((exact, ""), ())
        if first:
            yield from self._allow.get((exact, first), ())
        for rules in self._lazy:
            yield from rules.entries(exact, first)

    def lines_of(self, command: str) -> list[Rule]:
        """Return the rules for exactly this line, or for what its shell is given."""
        found = self._before.lines_of(command) if self._before is not None else []
        if not self._lines:
            return found
        found += self._lines.get(command, ())
        inner = shell_line(command)
        if inner != command:
            found += self._lines.get(inner, ())
        return found


class PathIndex:
    """Rules about paths, found by a name that a path must have for them to match."""

    def __init__(
        self, rules: Iterable[tuple[Rule, PathPatterns]], before: PathIndex | None = None
    ) -> None:
        self._before = before
        self._named: dict[str, list[int]] = {}
        self._ending: dict[str, list[int]] = {}
        self._others: list[int] = []
        kept: list[Rule] = [*before.rules] if before is not None else []
        for number, (rule, patterns) in enumerate(rules, len(kept)):
            kept.append(rule)
            for pattern in patterns.patterns:
                if not pattern.startswith("!"):
                    self._add(number, pattern)
        self.rules = tuple(kept)

    def _add(self, number: int, pattern: str) -> None:
        names = [name for name in fold(pattern).split("/") if name not in {"", ".", "~"}]
        plain = [name for name in names if _SPECIAL.isdisjoint(name)]
        last = names[-1] if names else "*"
        if plain:
            self._named.setdefault(plain[-1], []).append(number)
        elif last.startswith("*.") and _SPECIAL.isdisjoint(last[1:]):
            self._ending.setdefault(last.rsplit(".", 1)[1], []).append(number)
        else:
            self._others.append(number)

    def of(self, place: Place) -> list[Rule]:
        """Return the rules that may match a place, in their order."""
        names = {name for text in place.folded for name in text.split("/")}
        numbers = set(self._others)
        for name in names:
            numbers.update(self._named.get(name, ()))
            if "." in name:
                numbers.update(self._ending.get(name.rsplit(".", 1)[1], ()))
        earlier = self._before.of(place) if self._before is not None else []
        return earlier + [self.rules[number] for number in sorted(numbers)]


def shell_line(command: str) -> str:
    """Return what a shell is given (`bash -lc '…'`), or the command itself.

    Only where that is all the command does: a shell of the system, and one word that it is given. What
    another program of the name, or a further command before or behind it, would do is not in the line.
    """
    match = _GIVEN.fullmatch(command) if len(command) <= MAX_LENGTH else None
    if match is None or program_name(match[1]) not in SHELLS:
        return command
    return "".join(_unquoted(piece[0]) for piece in _PIECE.finditer(match[2]))


def _unquoted(piece: str) -> str:
    if piece.startswith("'"):
        return piece[1:-1]
    return _ESCAPED.sub(r"\1", piece[1:-1]) if piece.startswith('"') else piece
