"""Limits that stop a runaway: pure counters, and the reason when one is reached.

The supervisor counts what happens into a `Usage` and asks `reached`; the time is handed in. Not aware
of sessions nor of who is told.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields

from autopilot_ls.model.text import count


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a policy; 0 stands for none.

    Attributes:
        approvals: Approvals by rule, without a person, within `approvals_window`.
        approvals_window: Seconds.
        files: Files changed in one turn.
        lines: Lines added and removed in one turn.
        commands: Commands run in one turn.
        tokens: Tokens used in one turn, those of sub-agents included.
        seconds: Wall time of one turn.
        failures: Commands and edits that failed one after another.
        idle_turns: Turns one after another that changed no file.
    """

    approvals: int = 0
    approvals_window: int = 0
    files: int = 0
    lines: int = 0
    commands: int = 0
    tokens: int = 0
    seconds: int = 0
    failures: int = 0
    idle_turns: int = 0

    @staticmethod
    def names() -> tuple[str, ...]:
        """Return the names of all limits."""
        return tuple(entry.name for entry in fields(Limits))

    def over(self, weaker: Limits) -> Limits:
        """Return these limits, with those of a weaker layer where none is given here."""
        return Limits(
            **{name: getattr(self, name) or getattr(weaker, name) for name in self.names()}
        )

    def narrowed(self, other: Limits) -> Limits:
        """Return the stricter of both: what an untrusted file may do."""
        stricter: dict[str, int] = {}
        for name in self.names():
            mine, theirs = int(getattr(self, name)), int(getattr(other, name))
            stricter[name] = min(mine, theirs) if mine and theirs else mine or theirs
        # A longer window counts more approvals, so that is the stricter one.
        stricter["approvals_window"] = max(self.approvals_window, other.approvals_window)
        return Limits(**stricter)


@dataclass(frozen=True, slots=True)
class Reached:
    """A limit that is reached.

    Attributes:
        limit: Its name.
        reason: One sentence for a person.
    """

    limit: str
    reason: str


DEFAULT_WINDOW = 300


@dataclass(slots=True)
class Usage:
    """What a session has used; times are seconds of any one steady clock."""

    files: set[str] = field(default_factory=set[str])
    lines: int = 0
    commands: int = 0
    tokens: int = 0
    failures: int = 0
    idle_turns: int = 0
    turn_started: float | None = None
    changed: bool = False
    _approvals: deque[float] = field(default_factory=deque[float])

    def approved(self, now: float) -> None:
        """Count an approval that no person gave."""
        self._approvals.append(now)
        while len(self._approvals) > 10_000:  # noqa: PLR2004 - far above any sensible limit
            self._approvals.popleft()

    def ran_command(self, *, failed: bool) -> None:
        """Count a command that ended."""
        self.commands += 1
        self.failures = self.failures + 1 if failed else 0

    def changed_files(self, paths: tuple[str, ...], lines: int, *, failed: bool = False) -> None:
        """Count files that were changed, or an edit that failed."""
        if failed:
            self.failures += 1
            return
        self.failures = 0
        self.changed = self.changed or bool(paths)
        self.files.update(paths)
        self.lines += lines

    def used_tokens(self, tokens: int) -> None:
        """Count tokens, of whichever thread."""
        self.tokens += max(0, tokens)

    def start_turn(self, now: float) -> None:
        """Begin to count anew what is counted by turn."""
        self.files.clear()
        self.lines = self.commands = self.tokens = 0
        self.changed = False
        self.turn_started = now

    def end_turn(self) -> None:
        """Close a turn."""
        self.idle_turns = 0 if self.changed else self.idle_turns + 1
        self.turn_started = None

    def person_decided(self) -> None:
        """A person looked: what was counted until then is no longer a runaway's."""
        self._approvals.clear()
        self.failures = self.idle_turns = 0

    def recent_approvals(self, now: float, window: float) -> int:
        """Return how many approvals no person gave within the last seconds."""
        return sum(1 for time in self._approvals if now - time <= window)


def reached(limits: Limits, usage: Usage, now: float) -> Reached | None:
    """Return the first limit that is reached, None while none is."""
    window = limits.approvals_window or DEFAULT_WINDOW
    elapsed = now - usage.turn_started if usage.turn_started is not None else 0.0
    counted = (
        ("approvals", usage.recent_approvals(now, window), "approval", f" by rule in {window} s"),
        ("files", len(usage.files), "file", " changed in this turn"),
        ("lines", usage.lines, "line", " changed in this turn"),
        ("commands", usage.commands, "command", " in this turn"),
        ("tokens", usage.tokens, "token", " in this turn"),
        ("seconds", int(elapsed), "second", " of this turn"),
        ("failures", usage.failures, "failure", " one after another"),
        ("idle_turns", usage.idle_turns, "turn", " without a change"),
    )
    for name, used, noun, where in counted:
        limit = int(getattr(limits, name))
        if limit and used >= limit:
            reason = f"The limit {name} = {limit:,} is reached: {count(used, noun)}{where}."
            return Reached(name, reason)
    return None
