"""The policy: layers of rules put together, and the verdict on an action.

Immutable: a change of a file makes a new `Policy`. The layers are the built-in rules, the user's, what
was remembered, and the workspace's, which only narrows until it is trusted. `load` makes policies from
files; `supervisor` asks for verdicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from autopilot_ls.model.approvals import (
    Action,
    CommandAction,
    ElicitationAction,
    Grant,
    Mode,
    Outcome,
    PatchAction,
    PermissionAction,
    QuestionAction,
    Verdict,
)
from autopilot_ls.model.text import one_line
from autopilot_ls.policy.index import Index
from autopilot_ls.policy.judging import Judge
from autopilot_ls.policy.language import PolicyProblem, PolicyText, read_policy
from autopilot_ls.policy.lazy import LazyRules
from autopilot_ls.policy.limits import Limits
from autopilot_ls.policy.rules import Rule
from autopilot_ls.policy.verdicts import PartVerdict

BUILTIN: Final = "built-in rules"
"""How the built-in file is called to people."""

LayerKind = Literal["builtin", "user", "remembered", "workspace"]


@dataclass(frozen=True, slots=True)
class Layer:
    """The rules of one file.

    Attributes:
        kind: Whose it is.
        file: How it is called to people.
        narrowing: Only its *ask* and *deny* count (a workspace's file that is not trusted).
        broken: The file has a problem and no last good content: nothing is allowed meanwhile.
        problems: What is wrong with the file as it is now.
    """

    kind: LayerKind
    file: str
    rules: tuple[Rule, ...] = ()
    limits: Limits = field(default_factory=Limits)
    narrowing: bool = False
    broken: bool = False
    problems: tuple[PolicyProblem, ...] = ()
    lazy: LazyRules | None = None

    def all_rules(self) -> Iterator[Rule]:
        """Yield every rule of the file, in force or not."""
        yield from self.rules
        if self.lazy is not None:
            yield from self.lazy.all()

    def in_force(self) -> tuple[Rule, ...]:
        """Return the rules that count."""
        if not self.narrowing:
            return self.rules
        # Others' rules do not get the last word over the user's own, they only make it stricter.
        return tuple(
            replace(rule, hard=False, narrowing=True) for rule in self.rules if not rule.allows
        )


class Policy:
    """All rules in force, ready to judge."""

    def __init__(self, layers: Iterable[Layer], index: Index | None = None) -> None:
        """Put layers together, the built-in one first.

        Args:
            layers: The files' rules.
            index: The same rules, where they are sorted already.
        """
        self.layers = tuple(layers)
        self.limits = _limits(self.layers)
        self.problems = tuple(problem for layer in self.layers for problem in layer.problems)
        self._broken = next((layer.file for layer in self.layers if layer.broken), "")
        self._index = index or _index(self.layers)

    def with_layers(self, *layers: Layer) -> Policy:
        """Return a policy with further layers."""
        return Policy((*self.layers, *layers), _index(layers, self._index))

    def judge(
        self,
        action: Action,
        *,
        mode: Mode,
        grants: Iterable[Grant] = (),
        workspace: Path,
        search_path: str | None = None,
    ) -> Verdict:
        """Return the verdict on an action; never raises on what an agent can send.

        Args:
            action: What the agent wants to do.
            mode: The session's mode.
            grants: The "for this session" rules in force.
            workspace: Absolute folder of the session.
            search_path: The PATH that the agent's commands are run with; this process's own when omitted.
        """
        parts = self.explain(
            action, mode=mode, grants=grants, workspace=workspace, search_path=search_path
        )
        return self._verdict(parts)

    def explain(
        self,
        action: Action,
        *,
        mode: Mode,
        grants: Iterable[Grant] = (),
        workspace: Path,
        search_path: str | None = None,
    ) -> tuple[PartVerdict, ...]:
        """Return what each part of an action gets, in the order of the command line.

        Arguments are those of `judge`. The verdict is the most cautious of them.
        """
        escalated = isinstance(action, CommandAction) and action.escalated
        judge = Judge(self._index, mode, workspace, escalated=escalated, search_path=search_path)
        found = self._parts(judge, action)
        if self._broken:
            found = [_not_while_broken(verdict, self._broken) for verdict in found]
        by_line = not self._broken
        return tuple(_lifted(judge, found, action, mode, grants, by_line=by_line))

    def _parts(self, judge: Judge, action: Action) -> list[PartVerdict]:
        if isinstance(action, CommandAction):
            return judge.command(action)
        if isinstance(action, PatchAction):
            return judge.patch(action)
        if isinstance(action, PermissionAction):
            texts = action.permissions or ("unknown permission",)
            return [judge.permission(text) for text in texts]
        if isinstance(action, QuestionAction):
            return [judge.question(action.questions[0].text if action.questions else "question")]
        if isinstance(action, ElicitationAction):
            return [judge.question(f"{action.server}: {action.message}")]
        return [judge.tool(action)]

    def _verdict(self, found: Sequence[PartVerdict]) -> Verdict:
        worst = max(found, key=lambda one: (one.rank, one.risk == "high"))
        return Verdict(
            outcome=worst.outcome,
            rule=worst.rule,
            source=worst.source,
            reason=worst.reason,
            part=one_line(worst.part),
            risk=worst.risk,
        )


def _index(layers: Sequence[Layer], before: Index | None = None) -> Index:
    rules = (rule for layer in layers for rule in layer.in_force())
    return Index(rules, [layer.lazy for layer in layers if layer.lazy is not None], before)


def _limits(layers: Sequence[Layer]) -> Limits:
    limits = Limits()
    for layer in layers:
        limits = limits.narrowed(layer.limits) if layer.narrowing else layer.limits.over(limits)
    return limits


def _not_while_broken(verdict: PartVerdict, file: str) -> PartVerdict:
    if verdict.outcome is not Outcome.ALLOW:
        return verdict
    return replace(
        verdict,
        outcome=Outcome.ASK,
        rule="broken-policy",
        source=file,
        reason="The policy file has a problem, so nothing is allowed by rule until it is mended.",
        risk="high",
        hard=True,
    )


def _lifted(
    judge: Judge,
    found: list[PartVerdict],
    action: Action,
    mode: Mode,
    grants: Iterable[Grant],
    *,
    by_line: bool,
) -> list[PartVerdict]:
    """Apply what lifts an *ask* of the whole action: a rule for the exact line, a session grant.

    `by_line` says whether rules may allow anything at all, which they may not while a file is broken.
    """
    worst = max(one.rank for one in found)
    if worst == 1 or any(one.outcome is Outcome.DENY and not one.by_default for one in found):
        return found
    if by_line and isinstance(action, CommandAction):
        exact = judge.exact_line(action)
        changes = any(one.changes for one in found)
        if (
            exact is not None
            and all(one.by_default or one.outcome is Outcome.ALLOW for one in found)
            and not (mode is Mode.READ_ONLY and changes)
        ):
            return [exact]
    if mode is Mode.READ_ONLY or any(one.hard and one.rank > 1 for one in found):
        return found
    grant = _granted(action, grants)
    if isinstance(action, PatchAction) and not judge.is_where_it_says(action):
        return found  # The paths are those that were granted, what they lead to may not be.
    if grant is None:
        return found
    reason = f"{grant.granted_by} allowed exactly this for the session."
    return [
        one
        if one.outcome is Outcome.ALLOW
        else replace(
            one,
            outcome=Outcome.ALLOW,
            rule=grant.id,
            source="session grant",
            reason=reason,
            risk="low",
        )
        for one in found
    ]


def _granted(action: Action, grants: Iterable[Grant]) -> Grant | None:
    if isinstance(action, CommandAction):
        if action.escalated or action.types_input or action.network_host or action.permissions:
            return None
        for grant in grants:
            if grant.command == action.command and grant.cwd == action.cwd:
                return grant
    if isinstance(action, PatchAction) and action.changes:
        touched = {change.path for change in action.changes}
        touched |= {change.move_to for change in action.changes if change.move_to}
        for grant in grants:
            if touched <= set(grant.paths):
                return grant
    return None


def builtin_text() -> str:
    """Return the text of the built-in policy file."""
    return files("autopilot_ls.policy").joinpath("builtin.toml").read_text("utf-8")


@cache
def builtin_layer() -> Layer:
    """Return the built-in layer.

    Raises:
        ValueError: The shipped file is broken; a test makes sure that it is not.
    """
    content = read_policy(builtin_text(), BUILTIN)
    if content.problems:
        raise ValueError(str(content.problems[0]))
    return layer_of("builtin", content)


def layer_of(kind: LayerKind, content: PolicyText, *, narrowing: bool = False) -> Layer:
    """Return the layer of a file that has been read.

    Args:
        kind: Whose file it is.
        content: What it says; with problems the layer is a broken one.
        narrowing: Whether only its *ask* and *deny* count.
    """
    return Layer(
        kind=kind,
        file=content.file,
        rules=content.rules,
        limits=content.limits,
        narrowing=narrowing,
        # A broken file that could only have narrowed might have denied anything.
        broken=bool(content.problems),
        problems=content.problems,
        lazy=content.lazy,
    )


@cache
def builtin_policy() -> Policy:
    """Return the policy of the built-in rules alone."""
    return Policy([builtin_layer()])
