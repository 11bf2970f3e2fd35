"""Limits that stop a runaway: pure counters, and the reason when one is reached.

The supervisor's `runaway` counts what happens into a `Usage` and asks `reached`; the time is handed in.
Not aware of sessions nor of who is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Final

from autopilot_ls.model.text import count

DEFAULT_WINDOW: Final = 300
"""Seconds in which approvals are counted where no file says it."""

STOPPING: Final = ("tokens", "seconds")
"""The limits that no request of the agent stands in front of: reaching one stops the turn."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a policy; 0 stands for none, None for what a file does not say.

    Attributes:
        approvals: Approvals by rule, without a person, within `approvals_window`.
        approvals_window: Seconds.
        files: Files changed in one turn.
        lines: Lines added and removed in one turn.
        commands: Commands run in one turn.
        tokens: Tokens used in one turn, those of sub-agents included.
        seconds: Wall time of one turn, without what it waited for a person.
        failures: Commands and edits that failed one after another.
        idle_turns: Turns one after another that changed no file.
    """

    approvals: int | None = None
    approvals_window: int | None = None
    files: int | None = None
    lines: int | None = None
    commands: int | None = None
    tokens: int | None = None
    seconds: int | None = None
    failures: int | None = None
    idle_turns: int | None = None

    @staticmethod
    def names() -> tuple[str, ...]:
        """Return the names of all limits."""
        return tuple(entry.name for entry in fields(Limits))

    def of(self, name: str) -> int:
        """Return the limit of this name, 0 when there is none."""
        said: int | None = getattr(self, name)
        return said or 0

    def over(self, weaker: Limits) -> Limits:
        """Return these limits, with those of a weaker layer where nothing is said here."""
        merged: dict[str, int | None] = {}
        for name in self.names():
            said: int | None = getattr(self, name)
            merged[name] = getattr(weaker, name) if said is None else said
        return Limits(**merged)

    def narrowed(self, other: Limits) -> Limits:
        """Return the stricter of both: what an untrusted file may do."""
        stricter: dict[str, int | None] = {}
        for name in self.names():
            mine, theirs = self.of(name), other.of(name)
            limit = min(mine, theirs) if mine and theirs else mine or theirs
            stricter[name] = limit or getattr(self, name)
        # A longer window counts more approvals, so that is the stricter one.
        stricter["approvals_window"] = max(self.window, other.approvals_window or 0)
        return Limits(**stricter)

    def looser(self, than: Limits) -> bool:
        """Tell whether any limit lets more happen than other limits do."""
        counted = [name for name in self.names() if name != "approvals_window"]
        more = any(than.of(name) and not 0 < self.of(name) <= than.of(name) for name in counted)
        return more or self.window < than.window

    @property
    def window(self) -> int:
        """Seconds in which approvals are counted."""
        return self.approvals_window or DEFAULT_WINDOW


@dataclass(frozen=True, slots=True)
class Reached:
    """A limit that is reached.

    Attributes:
        limit: Its name.
        reason: One sentence for a person.
    """

    limit: str
    reason: str


@dataclass(slots=True)
class Usage:
    """What a session has used; times are seconds of any one steady clock.

    Attributes:
        changed: Whether the turn changed a file.
    """

    files: set[str] = field(default_factory=set[str])
    lines: int = 0
    commands: int = 0
    tokens: int = 0
    failures: int = 0
    idle_turns: int = 0
    changed: bool = False
    in_turn: bool = False
    _worked: float = 0.0
    _works_since: float | None = None
    _approvals: deque[float] = field(default_factory=deque[float])
    # What a person saw reached, and how much was used when the person let it go on.
    _told: set[str] = field(default_factory=set[str])
    _let_on: dict[str, int] = field(default_factory=dict[str, int])

    def approved(self, now: float) -> None:
        """Count an approval that no person gave."""
        self._approvals.append(now)
        while len(self._approvals) > 10_000:  # noqa: PLR2004 - far above any sensible limit
            self._approvals.popleft()

    def ran_command(self, *, failed: bool) -> None:
        """Count a command that ended."""
        self.commands += 1
        self.failures = self.failures + 1 if failed else 0

    def changed_files(self, paths: Collection[str], lines: int, *, failed: bool = False) -> None:
        """Count files that were changed, or an edit that failed."""
        if failed:
            self.failures += 1
            return
        self.failures = 0
        self.changed = self.changed or bool(paths)
        self.files.update(paths)
        self.lines += lines

    def wrote(self, path: str, lines: int) -> None:
        """Count what a command was seen to change, which is no word on whether it succeeded."""
        self.changed = True
        self.files.add(path)
        self.lines += lines

    def used_tokens(self, tokens: int) -> None:
        """Count tokens, of whichever thread."""
        self.tokens += max(0, tokens)

    def start_turn(self, now: float) -> None:
        """Begin to count anew what is counted by turn."""
        self.files.clear()
        self.lines = self.commands = self.tokens = 0
        self._told.clear()
        self._let_on.clear()
        self.changed = False
        self.in_turn = True
        self._worked, self._works_since = 0.0, now

    def end_turn(self) -> None:
        """Close a turn; without one it does nothing."""
        if self.in_turn:
            self.idle_turns = 0 if self.changed else self.idle_turns + 1
        self.in_turn = False
        self._worked, self._works_since = 0.0, None

    def hold(self, now: float) -> None:
        """Stop the turn's clock, because the turn waits for a person."""
        if self._works_since is not None:
            self._worked += max(0.0, now - self._works_since)
            self._works_since = None

    def go_on(self, now: float) -> None:
        """Let the turn's clock go on."""
        if self.in_turn and self._works_since is None:
            self._works_since = now

    @property
    def is_held(self) -> bool:
        """Whether the turn's clock stands still."""
        return self._works_since is None

    def elapsed(self, now: float) -> float:
        """Return the seconds that the turn has worked."""
        since = self._works_since
        return self._worked + (max(0.0, now - since) if since is not None else 0.0)

    def tell(self, limit: str) -> None:
        """Note that a person is told of a limit that is reached."""
        self._told.add(limit)

    def person_decided(self) -> None:
        """A person looked: what was counted until then is no longer a runaway's.

        What is counted by turn has the same allowance once more where the person was told of the limit,
        and only there: an answer to something else says nothing about it.
        """
        self._approvals.clear()
        self.failures = self.idle_turns = 0
        for name, used in (
            ("files", len(self.files)),
            ("lines", self.lines),
            ("commands", self.commands),
        ):
            if name in self._told:
                self._let_on[name] = used
        self._told.clear()

    def let_on(self, limit: str) -> int:
        """Return how much was used of a limit when a person last let the turn go on beyond it."""
        return self._let_on.get(limit, 0)

    def recent_approvals(self, now: float, window: float) -> int:
        """Return how many approvals no person gave within the last seconds."""
        return sum(1 for time in self._approvals if now - time <= window)


def reached(
    limits: Limits,
    usage: Usage,
    now: float,
    *,
    names: Collection[str] = (),
    files: Collection[str] = (),
    lines: int = 0,
) -> Reached | None:
    """Return the first limit that is reached, None while none is.

    Args:
        limits: The limits in force.
        usage: What was used.
        now: Seconds of the clock that the usage is kept by.
        names: The limits that are asked for; all when empty.
        files: Paths of a change that is about to be allowed, which may not exceed a limit either.
        lines: Lines of it.
    """
    window = limits.window
    new = len(usage.files.union(files)) - len(usage.files)
    counted = (
        (
            "approvals",
            usage.recent_approvals(now, window),
            0,
            "approval",
            f" by rule in {window} s",
        ),
        ("files", len(usage.files), new, "file", " changed in this turn"),
        ("lines", usage.lines, lines, "line", " changed in this turn"),
        ("commands", usage.commands, 0, "command", " in this turn"),
        ("tokens", usage.tokens, 0, "token", " in this turn"),
        ("seconds", int(usage.elapsed(now)), 0, "second", " of work in this turn"),
        ("failures", usage.failures, 0, "failure", " one after another"),
        ("idle_turns", usage.idle_turns, 0, "turn", " without a change"),
    )
    for name, used, more, noun, where in counted:
        limit, since = limits.of(name), used - usage.let_on(name)
        if not limit or (names and name not in names):
            continue
        if since >= limit:
            again = " again" if usage.let_on(name) else ""
            said = f"is reached{again}: {count(used, noun)}{where}."
        elif since + more > limit:
            said = f"would be exceeded: {count(used + more, noun)}{where} with this."
        else:
            continue
        return Reached(name, f"The limit {name} = {limit:,} {said}")
    return None
