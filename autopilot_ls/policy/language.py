"""The language of policy files: TOML text in, rules and problems out.

Pure. A file with a problem gives no rules at all, so that a slip never leaves half a policy in force;
what then holds is `load`'s affair. `rules` is what it makes, `positions` finds where things stand.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, cast

from autopilot_ls.model.approvals import Mode, Outcome
from autopilot_ls.policy.globs import MAX_DEEP, MAX_STARS, compile_glob, too_many_wildcards
from autopilot_ls.policy.lazy import LazyRules
from autopilot_ls.policy.limits import Limits
from autopilot_ls.policy.patterns import PathPatterns, wherever_they_are
from autopilot_ls.policy.positions import Path, Position, Positions, positions
from autopilot_ls.policy.rules import REST, ChangeName, CommandPattern, Risk, Rule

VERSION: Final = 1
MAX_TEXT: Final = 8 * 1024 * 1024
MAX_RULES: Final = 50_000
MAX_PROBLEMS: Final = 50

MATCHERS: Final = (
    "command", "line", "edit", "read", "network", "tool", "permission", "question", "environment",
)  # fmt: skip
LISTS: Final = frozenset(
    {"command", "line", "edit", "read", "network", "tool", "permission", "environment", "kinds",
     "with", "without", "modes", "workspace"}
)  # fmt: skip
FLAGS: Final = frozenset({"hard", "question", "escalated", "expansions"})
_TEXTS: Final = frozenset({"name", "verdict", "risk", "reason"})
KEYS: Final = LISTS | FLAGS | _TEXTS
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "verdict": ("allow", "ask", "deny"),
    "risk": ("low", "high"),
    "modes": tuple(mode.value for mode in Mode),
    "kinds": ("add", "update", "delete", "rename"),
}
ONLY_WITH: Final[Mapping[str, tuple[str, ...]]] = {
    "kinds": ("edit",),
    "with": ("command",),
    "without": ("command",),
    "escalated": ("command", "line"),
    "expansions": ("command",),
}
_TOML_PLACE: Final = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
_HEADER: Final = re.compile(r"\s*\[\[\s*rule\s*\]\]")
_ALTERNATIVES: Final = re.compile(r"\{([^{}]*,[^{}]*)\}")
_MAX_ALTERNATIVES: Final = 256


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """What is wrong in a policy file, and where.

    Attributes:
        line: From 1.
        column: From 1, in characters.
    """

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


@dataclass(frozen=True, slots=True)
class PolicyText:
    """What a policy file says; without rules when it has a problem.

    Attributes:
        lazy: Further rules, of a file that is too long to be made at once.
    """

    file: str
    rules: tuple[Rule, ...] = ()
    limits: Limits = field(default_factory=Limits)
    problems: tuple[PolicyProblem, ...] = ()
    lazy: LazyRules | None = None


def read_policy(text: str, file: str, *, follow_links: bool = True) -> PolicyText:
    """Read the text of a policy file; wrong content never raises.

    Args:
        text: The TOML text.
        file: How the file is called to people.
        follow_links: Whether an *ask* or *deny* that names a path by a link holds for the path too.
    """
    return _Reading(file, follow_links=follow_links).read(text)


class _Reading:
    """Reads one file and gathers its problems."""

    def __init__(self, file: str, *, follow_links: bool) -> None:
        self._file = file
        self._follow_links = follow_links
        self._problems: list[PolicyProblem] = []
        self._text = ""
        self._found: Positions | None = None

    def read(self, text: str) -> PolicyText:
        if len(text) > MAX_TEXT:
            self._problem(Position(), "the file is too large")
            return self._result((), Limits())
        try:
            content = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            self._broken(text, str(error) or "values are nested too deep")
            return self._result((), Limits())
        self._text = text
        rules = self._content(content)
        return self._result(rules, self._limits(content.get("limits", {})))

    def _result(self, rules: tuple[Rule, ...], limits: Limits) -> PolicyText:
        if self._problems:
            return PolicyText(self._file, problems=tuple(self._problems[:MAX_PROBLEMS]))
        return PolicyText(self._file, rules, limits)

    def _problem(self, at: Position, message: str) -> None:
        self._problems.append(PolicyProblem(self._file, at.line, at.column, message))

    def _broken(self, text: str, message: str) -> None:
        match = _TOML_PLACE.search(message)
        if match is not None and match[1]:
            at = Position(int(match[1]), int(match[2]))
        else:
            at = Position(text.count("\n") + 1, len(text) - text.rfind("\n"))
        self._problem(at, f"this is not valid TOML: {_TOML_PLACE.sub('', message)}")

    @property
    def _places(self) -> Positions:
        # Only looked for when there is a problem to place, which is seldom.
        if self._found is None:
            self._found = positions(self._text)
        return self._found

    def _lines(self, number: int) -> list[int]:
        """Return the line of each rule."""
        found = [line for line, text in enumerate(self._text.split("\n"), 1) if _HEADER.match(text)]
        if len(found) == number and '"""' not in self._text and "'''" not in self._text:
            return found
        return [self._places.of(("rule", index), key=True).line for index in range(number)]

    def _content(self, content: Mapping[str, object]) -> tuple[Rule, ...]:
        for key in content.keys() - {"version", "rule", "limits"}:
            hint = _meant(key, ("version", "rule", "limits", *KEYS))
            if hint in KEYS and key in KEYS:
                hint = ""
            self._problem(self._places.of((key,), key=True), f"there is no key {key!r} here{hint}")
        if content.get("version", VERSION) != VERSION:
            self._problem(
                self._places.of(("version",)),
                f"only version {VERSION} of the language is known here; write version = {VERSION}",
            )
        given = content.get("rule", [])
        if not isinstance(given, list):
            self._problem(self._places.of(("rule",)), "rules are written as [[rule]]")
            return ()
        tables = cast("list[object]", given)
        if len(tables) > MAX_RULES:
            self._problem(self._places.of(("rule",)), "there are too many rules")
            return ()
        rules: list[Rule] = []
        names: set[str] = set()
        lines = self._lines(len(tables))
        for index, table in enumerate(tables):
            rule = self._rule(table, ("rule", index), lines[index])
            if rule is None:
                continue
            if rule.name in names:
                self._problem(
                    self._places.of(("rule", index, "name")),
                    f"another rule is called {rule.name!r}",
                )
            names.add(rule.name)
            rules.append(rule)
        return tuple(rules)

    def _rule(self, table: object, path: Path, line: int) -> Rule | None:
        if not isinstance(table, dict):
            self._problem(self._places.of(path), "a rule is a table")
            return None
        given = cast("dict[str, object]", table)
        count = len(self._problems)
        values: dict[str, tuple[str, ...]] = {}
        flags: dict[str, bool] = {}
        for key, value in given.items():
            self._value(key, value, (*path, key), values, flags)
        matchers = [key for key in MATCHERS if key in values or flags.get(key)]
        if len(self._problems) == count:
            self._check(values, flags, matchers, path)
        if len(self._problems) > count:
            return None
        return self._build(values, flags, path, line)

    def _value(
        self,
        key: str,
        value: object,
        path: Path,
        values: dict[str, tuple[str, ...]],
        flags: dict[str, bool],
    ) -> None:
        if key not in KEYS:
            self._problem(
                self._places.of(path, key=True), f"there is no key {key!r}{_meant(key, KEYS)}"
            )
            return
        if key in FLAGS:
            if isinstance(value, bool):
                flags[key] = value
            else:
                self._problem(self._places.of(path), f"{key} is true or false")
            return
        items: list[object] = [value]
        several = isinstance(value, list) and key in LISTS
        if several:
            items = cast("list[object]", value)
        texts: list[str] = []
        for index, item in enumerate(items):
            where = (*path, index) if several else path
            if not isinstance(item, str) or not item.strip():
                kind = "text, or a list of texts," if key in LISTS else "text"
                self._problem(self._places.of(where), f"{key} is {kind} and not empty")
            elif key in CHOICES and item not in CHOICES[key]:
                choices = ", ".join(CHOICES[key])
                self._problem(
                    self._places.of(where),
                    f"{key} is one of {choices}{_meant(item, CHOICES[key])}",
                )
            else:
                texts.append(item)
        if not items:
            self._problem(self._places.of(path), f"{key} is an empty list")
        values[key] = tuple(texts)

    def _check(
        self,
        values: Mapping[str, tuple[str, ...]],
        flags: Mapping[str, bool],
        matchers: Sequence[str],
        path: Path,
    ) -> None:
        if "verdict" not in values:
            self._problem(
                self._places.of(path, key=True), "the rule has no verdict: allow, ask or deny"
            )
        if len(matchers) != 1:
            what = "nothing that it matches" if not matchers else " and ".join(matchers)
            self._problem(
                self._places.of(path, key=True),
                f"the rule has {what}; a rule has exactly one of {', '.join(MATCHERS)}",
            )
            return
        for key, allowed in ONLY_WITH.items():
            if (key in values or flags.get(key)) and matchers[0] not in allowed:
                self._problem(
                    self._places.of((*path, key), key=True),
                    f"{key} goes with {' or '.join(allowed)} only",
                )
        verdict = values.get("verdict", ("",))[0]
        if flags.get("hard") and verdict == "allow":
            self._problem(self._places.of((*path, "hard")), "an allow cannot be hard")
        if verdict == "allow" and matchers[0] == "question":
            self._problem(self._places.of(path, key=True), "only a person can answer a question")
        for index, pattern in enumerate(values.get("command", ())):
            self._check_command(pattern, verdict, (*path, "command", index))
        for key in ("edit", "read", "workspace"):
            for index, pattern in enumerate(values.get(key, ())):
                self._check_path(pattern, (*path, key, index))

    def _check_command(self, pattern: str, verdict: str, path: Path) -> None:
        try:
            patterns = command_patterns(pattern)
        except ValueError as error:
            self._problem(self._places.of(path), str(error))
            return
        if verdict == "allow" and any(set(p.program) & set("*?") for p in patterns):
            self._problem(
                self._places.of(path),
                "an allow names its program; * in its place allows everything",
            )

    def _check_path(self, pattern: str, path: Path) -> None:
        try:
            if "[" in pattern or "{" in pattern:
                compile_glob(pattern.removeprefix("!"))
        except re.error:
            self._problem(self._places.of(path), "this is not a path pattern")
        if too_many_wildcards(pattern):
            self._problem(
                self._places.of(path),
                f"this path pattern has too many wildcards: at most {MAX_STARS} * in a name and"
                f" {MAX_DEEP} ** before the end",
            )
        if ".." in pattern.split("/"):
            self._problem(self._places.of(path), "a path pattern has no ..; use an absolute one")

    def _build(
        self,
        values: Mapping[str, tuple[str, ...]],
        flags: Mapping[str, bool],
        path: Path,
        line: int,
    ) -> Rule:
        outcome = Outcome(values["verdict"][0])
        name = values.get("name", (f"rule-{int(path[1]) + 1}",))[0]
        follows = self._follow_links and outcome is not Outcome.ALLOW
        paths = wherever_they_are if follows else PathPatterns
        return Rule(
            name=name,
            outcome=outcome,
            hard=flags.get("hard", False),
            source=self._file,
            line=line,
            commands=tuple(p for text in values.get("command", ()) for p in command_patterns(text)),
            lines=values.get("line", ()),
            edit=paths(values["edit"]) if "edit" in values else None,
            kinds=cast("frozenset[ChangeName]", frozenset(values.get("kinds", ()))),
            read=paths(values["read"]) if "read" in values else None,
            network=tuple(host.lower() for host in values.get("network", ())),
            tools=values.get("tool", ()),
            permissions=values.get("permission", ()),
            question=flags.get("question", False),
            environment=values.get("environment", ()),
            options=values.get("with", ()),
            without=values.get("without", ()),
            escalated=flags.get("escalated", False),
            expansions=flags.get("expansions", False),
            modes=frozenset(Mode(mode) for mode in values.get("modes", ())),
            workspace=values.get("workspace", ()),
            risk=cast("Risk | None", values["risk"][0] if "risk" in values else None),
            reason=values.get("reason", ("",))[0],
        )

    def _limits(self, given: object) -> Limits:
        if not isinstance(given, dict):
            self._problem(self._places.of(("limits",)), "limits is a table")
            return Limits()
        known = Limits.names()
        table = cast("dict[str, object]", given)
        values: dict[str, int] = {}
        for key, value in table.items():
            if key not in known:
                self._problem(
                    self._places.of(("limits", key), key=True),
                    f"there is no limit {key!r}{_meant(key, known)}",
                )
            elif isinstance(value, bool) or not isinstance(value, int) or value < 0:
                self._problem(
                    self._places.of(("limits", key)), f"{key} is a whole number, 0 for no limit"
                )
            else:
                values[key] = value
        return Limits(**values)


def command_patterns(text: str) -> tuple[CommandPattern, ...]:
    """Return the patterns that one text stands for; `{a,b}` in it are alternatives.

    Raises:
        ValueError: The text is no command pattern; the message says why.
    """
    if "{" not in text and "'" not in text and '"' not in text and "\\" not in text:
        return (_pattern(text, text.split()),)
    texts = [text]
    while True:
        match = next((m for t in texts if (m := _ALTERNATIVES.search(t))), None)
        if match is None:
            break
        texts = [
            one.replace(match[0], option, 1) if match[0] in one else one
            for one in texts
            for option in (match[1].split(",") if match[0] in one else [""])
        ]
        if len(texts) > _MAX_ALTERNATIVES:
            raise ValueError("there are too many alternatives in this pattern")
    try:
        plain = not any(char in text for char in "'\"\\")
        return tuple(_pattern(one, one.split() if plain else shlex.split(one)) for one in texts)
    except ValueError as error:
        raise ValueError(f"this is not a command pattern: {error}") from None


def _pattern(text: str, words: Sequence[str]) -> CommandPattern:
    if "…" not in text and "..." not in text and words:
        return CommandPattern(text, words[0], tuple(words[1:]))
    if words and text.endswith(" …") and text.count("…") == 1 and "..." not in text:
        return CommandPattern(text, words[0], tuple(words[1:]))
    rest = tuple(REST if word in {REST, "..."} else word for word in words)
    if not rest or rest[0] == REST:
        raise ValueError("a command pattern begins with a program")
    if rest.count(REST) > 3:  # noqa: PLR2004 - the time to match grows with each
        raise ValueError("… stands more than three times in this pattern")
    if any(word.endswith(("…", "...")) and word not in {REST, "./..."} for word in rest):
        raise ValueError("… is a word of its own; use * inside a word")
    return CommandPattern(text, rest[0], rest[1:])


def _meant(word: str, words: Iterable[str]) -> str:
    near = get_close_matches(word[:100], list(words), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
