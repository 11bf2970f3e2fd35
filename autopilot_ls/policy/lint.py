"""Findings about a policy that is valid but probably not what was meant.

Pure. The command `policy lint` and diagnostics show them; nothing here changes a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from autopilot_ls.model.approvals import Mode, Outcome
from autopilot_ls.policy.policy import Layer
from autopilot_ls.policy.programs import KNOWN, NEVER_REMEMBERED
from autopilot_ls.policy.rules import ACTING, ALL_MODES, REST, RUNNING, CommandPattern, Rule
from autopilot_ls.policy.shell.unwrap import interpreter_name, program_name
from autopilot_ls.policy.shell.wrappers import INTERPRETERS, SHELLS, WRAPPERS
from autopilot_ls.policy.verdicts import rank

_MAX_FINDINGS: Final = 200
_WIDE: Final = frozenset({"*", "**", "**/*", "/**", "/", "~/**", "~"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is probably not meant.

    Attributes:
        code: Stable: `unreachable`, `shadowed`, `too-broad`, `no-effect`, `unknown-program`.
        line: The rule's line, from 1.
    """

    code: str
    file: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.code}: {self.message}"


def lint(layers: Iterable[Layer]) -> tuple[Finding, ...]:
    """Return findings about all files but the built-in one, which only shadows.

    Args:
        layers: All layers of a policy, the built-in one first.
    """
    given = tuple(layers)
    everything = [rule for layer in given for rule in layer.rules]
    found: list[Finding] = []
    for layer in given:
        if layer.kind == "builtin":
            continue
        for rule in layer.rules:
            for code, message in _of(rule, layer, everything):
                found.append(Finding(code, layer.file, rule.line, rule.name, message))
                if len(found) >= _MAX_FINDINGS:
                    return tuple(found)
    return tuple(found)


def _of(rule: Rule, layer: Layer, everything: list[Rule]) -> Iterator[tuple[str, str]]:
    if layer.narrowing and rule.allows:
        untrusted = (
            "which a workspace's policy cannot until you trust it (autopilot-ls policy trust)"
        )
        yield "no-effect", f"{rule.name} allows, {untrusted}"
    yield from _broad(rule)
    yield from _programs(rule)
    if rule.allows and rule.modes == frozenset({Mode.READ_ONLY}) and rule.edit is not None:
        yield "no-effect", f"{rule.name} allows edits in read-only, where nothing is edited"
    for other in everything:
        if other is rule or rank(other) < rank(rule):
            continue
        if rank(other) == rank(rule) and everything.index(other) > everything.index(rule):
            continue
        if _covers(other, rule):
            code = "shadowed" if rank(other) == rank(rule) else "unreachable"
            where = f"{other.source}:{other.line}"
            yield (
                code,
                f"{rule.name} never decides: {other.name} ({where}) matches all that it does",
            )
            break


def _broad(rule: Rule) -> Iterator[tuple[str, str]]:
    if not rule.allows:
        return
    for pattern in rule.commands:
        name = program_name(pattern.program)
        runs = (
            interpreter_name(name) in INTERPRETERS
            or name in SHELLS
            or name in WRAPPERS
            or name in NEVER_REMEMBERED
        )
        if runs and pattern.words[:1] == (REST,):
            broad = f"every use of {name}, which can run or change anything; name its words"
            yield "too-broad", f"{rule.name} allows {broad}"
    for patterns, what in ((rule.edit, "edits"), (rule.read, "reads")):
        wide = _WIDE & set(patterns.patterns) if patterns is not None else set[str]()
        if wide:
            yield "too-broad", f"{rule.name} allows all {what} of {', '.join(sorted(wide))}"
    for names, what in (
        (rule.network, "host"),
        (rule.tools, "tool"),
        (rule.permissions, "permission"),
    ):
        if "*" in names or "*/*" in names:
            yield "too-broad", f"{rule.name} allows every {what}"
    if "*" in rule.environment:
        yield "too-broad", f"{rule.name} allows every variable, PATH and LD_PRELOAD among them"


def _programs(rule: Rule) -> Iterator[tuple[str, str]]:
    for pattern in rule.commands:
        name = program_name(pattern.program)
        if name in KNOWN or "/" in name or set(name) & set("*?"):
            continue
        near = get_close_matches(name, KNOWN, n=1, cutoff=0.8)
        if near:
            yield "unknown-program", f"{name} is not a program known here; did you mean {near[0]}?"


def _modes(rule: Rule) -> frozenset[Mode]:
    if rule.modes:
        return rule.modes
    if not rule.allows:
        return ALL_MODES
    return RUNNING if rule.commands or rule.lines or rule.environment else ACTING


def _covers(other: Rule, rule: Rule) -> bool:
    """Tell whether another rule surely matches all that a rule does."""
    if other.options or other.without or (other.workspace and other.workspace != rule.workspace):
        return False
    if not _modes(rule) <= _modes(other) or (
        rule.escalated and other.allows and not other.escalated
    ):
        return False
    if rule.commands:
        return bool(other.commands) and all(
            any(_wider(theirs, mine) for theirs in other.commands) for mine in rule.commands
        )
    for theirs, mine in ((other.edit, rule.edit), (other.read, rule.read)):
        if mine is not None:
            kinds = not other.kinds or (bool(rule.kinds) and rule.kinds <= other.kinds)
            negative = theirs is not None and any(p.startswith("!") for p in theirs.patterns)
            return (
                theirs is not None
                and kinds
                and not negative
                and set(mine.patterns) <= set(theirs.patterns)
            )
    for theirs, mine in (
        (other.network, rule.network),
        (other.tools, rule.tools),
        (other.permissions, rule.permissions),
        (other.environment, rule.environment),
        (other.lines, rule.lines),
    ):
        if mine:
            return set(mine) <= set(theirs) and not any(p.startswith("!") for p in theirs)
    return rule.question and other.question and other.outcome is not Outcome.ALLOW


def _wider(theirs: CommandPattern, mine: CommandPattern) -> bool:
    if theirs.program != mine.program:
        return False
    if theirs.words == mine.words:
        return True
    if theirs.words[-1:] != (REST,):
        return False
    head = theirs.words[:-1]
    return REST not in head and mine.words[: len(head)] == head
