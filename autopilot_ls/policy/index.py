"""The rules of all layers, found by what they are about: a lookup, not a search.

Made once for a policy and immutable after. `judging` asks it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from autopilot_ls.policy.rules import CommandPattern, Rule
from autopilot_ls.policy.shell.wrappers import SHELLS

Entry = tuple[Rule, CommandPattern]


class Index:
    """Rules by kind; those of commands by their program."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._allow: dict[str, list[Entry]] = {}
        self._restrict: dict[str, list[Entry]] = {}
        self._any: list[Entry] = []
        self._lines: dict[str, list[Rule]] = {}
        edits: list[Rule] = []
        reads: list[Rule] = []
        networks: list[Rule] = []
        tools: list[Rule] = []
        permissions: list[Rule] = []
        questions: list[Rule] = []
        environments: list[Rule] = []
        for rule in rules:
            for pattern in rule.commands:
                self._add(rule, pattern)
            for line in rule.lines:
                self._lines.setdefault(line, []).append(rule)
            if rule.edit is not None:
                edits.append(rule)
            elif rule.read is not None:
                reads.append(rule)
            elif rule.network:
                networks.append(rule)
            elif rule.tools:
                tools.append(rule)
            elif rule.permissions:
                permissions.append(rule)
            elif rule.question:
                questions.append(rule)
            elif rule.environment:
                environments.append(rule)
        self.edits = tuple(edits)
        self.reads = tuple(reads)
        self.networks = tuple(networks)
        self.tools = tuple(tools)
        self.permissions = tuple(permissions)
        self.questions = tuple(questions)
        self.environments = tuple(environments)

    def _add(self, rule: Rule, pattern: CommandPattern) -> None:
        program = pattern.program
        if rule.allows:
            self._allow.setdefault(program, []).append((rule, pattern))
        elif set(program) & set("*?"):
            self._any.append((rule, pattern))
        else:
            name = program.rsplit("/", 1)[-1].lower()
            self._restrict.setdefault(name, []).append((rule, pattern))

    def commands_of(self, exact: str, loose: str) -> Iterator[Entry]:
        """Yield what may match a program.

        Args:
            exact: Its name as an *allow* takes it.
            loose: Its name as *ask* and *deny* take it.
        """
        yield from self._restrict.get(loose, ())
        for entry in self._any:
            if PurePosixPath(loose).match(entry[1].program.lower()):
                yield entry
        yield from self._allow.get(exact, ())

    def lines_of(self, command: str) -> list[Rule]:
        """Return the rules for exactly this line, or for what its shell is given."""
        if not self._lines:
            return []
        found = list(self._lines.get(command, ()))
        inner = shell_line(command)
        if inner != command:
            found += self._lines.get(inner, ())
        return found


def shell_line(command: str) -> str:
    """Return what a shell is given (`bash -lc '…'`), or the command itself."""
    if len(command) > 32_768:  # noqa: PLR2004 - longer lines are not read anyway
        return command
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    match words:
        case [shell, "-c" | "-lc", script] if shell.rsplit("/", 1)[-1] in SHELLS:
            return script
        case _:
            return command
