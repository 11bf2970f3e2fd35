"""What a part of an action gets, and by which rule or mode.

`Verdicts` knows which rules hold and what the mode says where none does; `file_judging` and `judging`
build on it. It puts nothing together: `policy` takes the most cautious.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autopilot_ls.model.approvals import Mode, Outcome
from autopilot_ls.policy.index import Index
from autopilot_ls.policy.paths import Workspace
from autopilot_ls.policy.patterns import of_workspaces
from autopilot_ls.policy.rules import Risk, Rule

_RANK: Final = {Outcome.ALLOW: 1, Outcome.ASK: 3, Outcome.DENY: 5}


@dataclass(frozen=True, slots=True)
class PartVerdict:
    """What one part of an action gets.

    Attributes:
        part: The part's text.
        rule: The rule that decided; the mode's own name when none did.
        source: Where that rule stands: `mode`, `session grant`, or a file with its line.
        reason: One sentence for a person.
        hard: A *deny* that nothing outweighs, or an *ask* that no grant lifts.
        by_default: No rule spoke: a grant or an exact line may lift it.
        changes: Whether the part changes files.
    """

    part: str
    outcome: Outcome
    rule: str
    source: str
    reason: str
    risk: Risk = "low"
    hard: bool = False
    by_default: bool = False
    changes: bool = False

    @property
    def rank(self) -> int:
        """How cautious it is; the highest of all parts decides."""
        return _RANK[self.outcome] + self.hard


def rank(rule: Rule) -> int:
    """Return how cautious a rule is."""
    return _RANK[rule.outcome] + rule.hard


def strongest(rules: Iterable[Rule]) -> Rule | None:
    """Return the most cautious rule, the first among equals."""
    best: Rule | None = None
    for rule in rules:
        if best is None or rank(rule) > rank(best):
            best = rule
    return best


class Verdicts:
    """The rules that hold for one action, and what the mode says without them."""

    def __init__(
        self,
        index: Index,
        mode: Mode,
        workspace: Path,
        *,
        escalated: bool,
        search_path: str | None = None,
    ) -> None:
        """Create a judge.

        Args:
            index: The rules in force.
            mode: The session's mode.
            workspace: The session's folder.
            escalated: Whether the action asks to leave the sandbox.
            search_path: The PATH that commands are run with; this process's own when omitted.
        """
        self.index = index
        self.mode = mode
        self.at = Workspace(workspace, search_path)
        self.escalated = escalated

    def holds(self, rule: Rule) -> bool:
        """Tell whether a rule holds in this mode, workspace and sandbox."""
        if not rule.holds_in(self.mode):
            return False
        if rule.workspace:
            patterns = of_workspaces(rule.workspace)
            place = self.at.place(self.at.root)
            if not (patterns.covers(place) if rule.allows else patterns.touches(place)):
                return False
        if rule.escalated and not rule.allows and not self.escalated:
            return False
        return not (
            rule.allows
            and self.escalated
            and not rule.escalated
            and (rule.commands or rule.lines or rule.environment)
        )

    def by_rule(self, part: str, rule: Rule, *, changes: bool = False) -> PartVerdict:
        """Return what a rule says to a part."""
        reason = rule.reason or f"The rule {rule.name} says {rule.outcome.value}."
        outcome = rule.outcome
        if outcome is Outcome.ASK and self.mode is Mode.READ_ONLY:
            outcome = Outcome.DENY
        if outcome is Outcome.ALLOW and self.mode is Mode.ESCALATE and rule.risk == "high":
            outcome = Outcome.ASK
            reason = f"{reason} The risk is high, so a person decides."
        risk = rule.risk or ("low" if outcome is Outcome.ALLOW else "high")
        source = f"{rule.source}:{rule.line}" if rule.line else rule.source
        return PartVerdict(
            part, outcome, rule.name, source, reason, risk, rule.hard, changes=changes
        )

    def default(
        self, part: str, reason: str, *, changes: bool = False, hard: bool = False
    ) -> PartVerdict:
        """Return what the mode says to a part that no rule allows."""
        if self.mode is Mode.READ_ONLY:
            told = f"{reason} The session is read-only."
            return PartVerdict(
                part,
                Outcome.DENY,
                "read-only",
                "mode",
                told,
                "high",
                by_default=True,
                changes=changes,
            )
        return PartVerdict(
            part, Outcome.ASK, self.mode.value, "mode", reason, "high", hard, True, changes
        )

    def unmatched(self, part: str, reason: str) -> PartVerdict:
        """Return what a command gets that no rule allows: asking, but not for leaving the sandbox."""
        if not self.escalated:
            return self.default(part, reason)
        told = (
            "No command leaves the sandbox. Ask for the permissions that it needs instead "
            "(network, or folders to write to), and run it again inside."
        )
        return PartVerdict(part, Outcome.DENY, "sandbox", "mode", told, "high", by_default=True)

    def strongest_of(self, rules: Iterable[Rule], test: Callable[[Rule], bool]) -> Rule | None:
        """Return the most cautious of the rules that hold and pass a test."""
        return strongest(rule for rule in rules if test(rule) and self.holds(rule))
