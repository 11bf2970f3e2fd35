"""The sessions as lines for a terminal: as much of them as its size has room for, the weightiest first.

Pure: views and a size in, lines of pieces out, each piece with the tone that it is said in. What comes from
an agent has been made visible and short by `status`. Not aware of terminals; `cli.hud` stands above.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from autopilot_ls.model.items import RateLimit
from autopilot_ls.model.text import count
from autopilot_ls.presentation.columns import shorten, width_of
from autopilot_ls.presentation.status_view import (
    AgentShown,
    PendingApproval,
    RunningCommand,
    StatusView,
)

Tone = Literal["plain", "dim", "bold", "good", "bad", "warning", "info"]
Piece = tuple[str, Tone]
Line = tuple[Piece, ...]
"""One line; it is no wider than the terminal."""

_FULL: Final = 100
"""Per cent at which a limit is used up, or a context is full."""

_HIGH: Final = 85
"""Per cent from which on such a thing is worth a warning."""


@dataclass(frozen=True, slots=True)
class Signs:
    """The signs that are drawn, for terminals with and without more than ASCII."""

    here: str = "●"
    done: str = "✓"
    now: str = "▸"
    later: str = "·"
    rule: str = "─"
    bar: str = "│"
    minus: str = "−"
    between: str = " · "
    cut: str = "…"


ASCII: Final = Signs("*", "x", ">", "-", "-", "|", "-", " | ", "~")


@dataclass(frozen=True, slots=True)
class _Row:
    """A line that may be left out: the higher the number, the sooner."""

    weight: int
    left: Line
    right: Line = ()


_ORDER: Final = {"waiting": 0, "inProgress": 1}
_STATES: Final[dict[str, Piece]] = {
    "waiting": ("WAITS", "warning"),
    "inProgress": ("works", "info"),
    "completed": ("done", "good"),
    "failed": ("failed", "bad"),
    "interrupted": ("stopped", "dim"),
    "unknown": ("cut off", "bad"),
    "idle": ("idle", "dim"),
}


class Hud:
    """Draws sessions for one terminal."""

    def __init__(self, signs: Signs | None = None, home: str = "") -> None:
        """Create it.

        Args:
            signs: What is drawn with.
            home: The person's home folder, which is written as `~`.
        """
        self._signs = signs or Signs()
        self._home = home
        self._between: Piece = (self._signs.between, "dim")

    def lines(
        self,
        views: Sequence[StatusView],
        *,
        now: float,
        columns: int,
        rows: int | None = None,
        keys: str = "",
    ) -> list[Line]:
        """Return what is to be seen.

        Args:
            views: The sessions.
            now: Seconds since the epoch.
            columns: Width of the terminal.
            rows: Its height; None for as many lines as there are to say.
            keys: What the person may press, said at the top where there is room.
        """
        head = [self._fitted(row, columns) for row in self._top(views, now, columns, keys)]
        # One that is older stands above, so that lines move as little as can be.
        ordered = sorted(views, key=lambda view: (_ORDER.get(view.state, 2), view.session_id))
        blocks = [list(self._session(view, now)) for view in ordered]
        if rows is None:
            body = [row for block in blocks for row in (*block, _Row(0, ()))][:-1]
        else:
            body = self._chosen(blocks, max(0, rows - len(head)))
        shown = head + [self._fitted(row, columns) for row in body]
        return shown if rows is None else shown[:rows]

    # What there is to say -------------------------------------------------------------------------

    def _top(
        self, views: Sequence[StatusView], now: float, columns: int, keys: str
    ) -> Iterator[_Row]:
        waiting = sum(view.state == "waiting" for view in views)
        working = sum(view.state == "inProgress" for view in views)
        told: list[Piece] = [("autopilot", "bold"), ("  ", "plain")]
        told.append((count(len(views), "session") if views else "no open session", "plain"))
        if working:
            told.extend((self._between, (f"{working} at work", "info")))
        if waiting:
            wait = f"{waiting} waiting for you"
            told.extend((self._between, (wait, "warning")))
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        yield _Row(0, tuple(told), ((f"{keys}   {clock}" if keys else clock, "dim"),))
        yield _Row(0, ((self._signs.rule * columns, "dim"),))
        if not views:
            text = "Start one in your editor, or with: autopilot-ls run TEXT"
            yield _Row(0, ((text, "dim"),))

    def _session(self, view: StatusView, now: float) -> Iterator[_Row]:
        word, tone = _STATES[view.state] if view.alive else _at_rest(view)
        running = view.started_at is not None and view.alive
        elapsed = now - view.started_at if view.started_at and running else view.elapsed
        title = view.title or "(no title)"
        right: list[Piece] = [(str(view.mode), "info"), ("  ", "plain")]
        right.append((clock(elapsed) if view.turns else "", "dim"))
        head: Line = (
            (f"{self._signs.here} ", tone),
            (f"{word}  ", tone),
            (title, "bold" if view.alive else "dim"),
        )
        yield _Row(0, head, tuple(right))
        yield _Row(3, (("  ", "plain"), (self._origin(view), "dim")))
        yield from self._waiting(view, now)
        shown_below = view.item is not None and view.item.kind == "command" and view.commands
        if running and view.doing and not view.pending and not shown_below:
            yield _Row(1, (("  ", "plain"), (f"{self._signs.now} ", "info"), (view.doing, "plain")))
        if not running and view.closing:
            yield _Row(2, (("  ", "plain"), (view.closing, "dim")))
        yield from self._plan(view)
        yield from self._commands(view, now)
        yield from self._files(view)
        yield from self._agents(view)
        for number, message in enumerate(view.queue):
            held: Line = (("held", "warning"),) if message.held else ()
            yield _Row(4 + number, (("  next  ", "dim"), (message.text, "plain")), held)
        yield _Row(3, (("  ", "plain"), *self._measures(view)))
        for number, problem in enumerate(reversed(view.problems)):
            level: Tone = "bad" if problem.level == "error" else "warning"
            ago = clock(now - problem.at)
            left: Line = (("  ! ", level), (problem.text, level))
            weight = (2 if problem.level == "error" else 5) + 2 * number
            yield _Row(weight, left, ((f"{ago} ago", "dim"),))

    def _origin(self, view: StatusView) -> str:
        folder = view.cwd
        if self._home and (folder + "/").startswith(self._home.rstrip("/") + "/"):
            folder = "~" + folder[len(self._home.rstrip("/")) :]
        agent = " ".join(filter(None, (view.runtime, view.runtime_version)))
        return self._signs.between.join(filter(None, (folder, agent, view.model)))

    def _waiting(self, view: StatusView, now: float) -> Iterator[_Row]:
        for number, pending in enumerate(view.pending):
            left: Line = (
                ("  ", "plain"),
                (f"{self._signs.now} ", "warning"),
                (pending.title, "bold"),
            )
            yield _Row(1 + number, left, self._age(pending, now))
        more = view.pending_more
        if more:
            yield _Row(2, ((f"    and {more} more", "warning"),))

    def _age(self, pending: PendingApproval, now: float) -> Line:
        waits = f"waits {clock(now - pending.requested_at)}"
        if pending.alarm:
            return ((pending.alarm, "bad"), (self._signs.between, "dim"), (waits, "warning"))
        return ((waits, "warning"),)

    def _plan(self, view: StatusView) -> Iterator[_Row]:
        if not view.plan:
            return
        done = sum(step.status == "completed" for step in view.plan)
        label: Line = (("  plan  ", "dim"), (f"{done} of {len(view.plan)}", "plain"))
        if view.percentage is not None:
            label = (*label, (f"{self._signs.between}{view.percentage} %", "dim"))
        yield _Row(4, label)
        signs: dict[str, Piece] = {
            "completed": (self._signs.done, "good"),
            "inProgress": (self._signs.now, "info"),
            "pending": (self._signs.later, "dim"),
        }
        tones: dict[str, Tone] = {"completed": "dim", "inProgress": "plain", "pending": "dim"}
        at = next((n for n, step in enumerate(view.plan) if step.status != "completed"), done)
        for number, step in enumerate(view.plan):
            sign, tone = signs[step.status]
            left: Line = (("    ", "plain"), (f"{sign} ", tone), (step.step, tones[step.status]))
            yield _Row(4 + min(20, abs(number - at)), left)

    def _commands(self, view: StatusView, now: float) -> Iterator[_Row]:
        for place, command in enumerate(reversed(view.commands)):
            yield from self._command(command, now, place)

    def _command(self, command: RunningCommand, now: float, place: int) -> Iterator[_Row]:
        ran = clock(now - command.started_at)
        right: Line = ((f"background  {ran}" if command.background else ran, "dim"),)
        yield _Row(2 + place, (("  $ ", "info"), (command.command, "plain")), right)
        for number, line in enumerate(command.tail):
            age = len(command.tail) - 1 - number
            left: Line = ((f"  {self._signs.bar} ", "dim"), (line, "dim"))
            yield _Row(3 + 2 * place + age, left)

    def _files(self, view: StatusView) -> Iterator[_Row]:
        if not view.files:
            return
        added = sum(file.added for file in view.files)
        removed = sum(file.removed for file in view.files)
        total = len(view.files) + view.files_more
        left: Line = (("  files ", "dim"), (f"{total}", "plain"), *self._size(added, removed))
        if view.unreviewed.hunks:
            told = f"{self._signs.between}{count(view.unreviewed.hunks, 'change')} to review"
            left = (*left, (told, "warning"))
        yield _Row(3, left)
        for number, file in enumerate(reversed(view.files)):
            name = file.path if file.kind == "update" else f"{file.path} ({_KINDS[file.kind]})"
            size = self._size(file.added, file.removed)
            yield _Row(5 + number, (("    ", "plain"), (name, "plain"), *size))

    def _size(self, added: int, removed: int) -> Line:
        return ((f"  +{added:,}", "good"), (f" {self._signs.minus}{removed:,}", "bad"))

    def _agents(self, view: StatusView) -> Iterator[_Row]:
        for number, agent in enumerate(_by_state(view.agents)):
            sign = self._signs.later if agent.state == "idle" else self._signs.now
            tone = _TONES[agent.state]
            name = agent.name or agent.thread_id
            said = agent.doing or agent.state
            left: Line = (("  ", "plain"), (f"{sign} {name}  ", tone), (said, "dim"))
            yield _Row(4 + number, left, ((f"{agent.tokens:,} tokens", "dim"),))

    def _measures(self, view: StatusView) -> Line:
        parts: list[Piece] = [(f"{count(view.tokens, 'token')}", "plain")]
        if view.context_window and view.context_used is not None:
            left = max(0, _FULL - round(_FULL * view.context_used / view.context_window))
            parts.append(
                (f"{left} % context left", "warning" if left <= _FULL - _HIGH else "plain")
            )
        parts.extend(map(_limit, view.limits[:2]))
        if view.compactions:
            parts.append((count(view.compactions, "compaction"), "plain"))
        if view.unreviewed.hunks and not view.files:
            told = f"{count(view.unreviewed.hunks, 'change')} to review"
            parts.append((told, "warning"))
        pieces: list[Piece] = []
        for part in parts:
            pieces.extend((self._between, part))
        return tuple(pieces[1:])

    # What there is room for -----------------------------------------------------------------------

    def _chosen(self, blocks: list[list[_Row]], room: int) -> list[_Row]:
        """Return the rows that fit: of all sessions the weightiest, in their order."""
        if not blocks:
            return []
        shown = min(len(blocks), max(1, room))
        if shown < len(blocks):
            shown = max(1, room - 1)
        hidden = len(blocks) - shown
        gaps = len(blocks) - 1 if hidden == 0 else 0
        rows = [(row, place) for place, block in enumerate(blocks[:shown]) for row in block]
        by_weight = sorted(range(len(rows)), key=lambda number: (rows[number][0].weight, number))
        free = room - (1 if hidden else 0)
        # An empty line between two sessions is worth less than what every session says first.
        important = sum(row.weight <= 3 for row, _ in rows)  # noqa: PLR2004 - the weights above
        spaced = bool(gaps) and important + gaps <= free
        kept = set(by_weight[: max(0, free - (gaps if spaced else 0))])
        found: list[_Row] = []
        last = 0
        for number, (row, place) in enumerate(rows):
            if number not in kept:
                continue
            if spaced and place != last:
                found.append(_Row(0, ()))
            last = place
            found.append(row)
        if hidden:
            found.append(_Row(0, ((f"and {count(hidden, 'more session')}", "dim"),)))
        return found

    def _fitted(self, row: _Row, columns: int) -> Line:
        """Return a row as a line: the right part at the edge, where both have room."""
        right = row.right
        right_width = sum(width_of(text) for text, _ in right)
        left_width = sum(width_of(text) for text, _ in row.left)
        least = min(left_width, max(24, columns // 2))
        if right and least + 1 + right_width > columns:
            right, right_width = (), 0
        room = columns - (right_width + 1 if right else 0)
        pieces: list[Piece] = []
        taken = 0
        for text, tone in row.left:
            cut = shorten(text, room - taken, self._signs.cut)
            if cut:
                pieces.append((cut, tone))
                taken += width_of(cut)
            if cut != text:
                break
        if right:
            pieces.append((" " * (columns - taken - right_width), "plain"))
            pieces += right
        return tuple(pieces)


_TONES: Final[dict[str, Tone]] = {"idle": "dim", "working": "info", "waiting": "warning"}
_KINDS: Final = {"add": "new", "delete": "deleted", "rename": "renamed"}


def clock(seconds: float) -> str:
    """Return a time that goes on, without fractions: `0 s`, `3 min 5 s`, `2 h 10 min`."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {rest} s"


def _at_rest(view: StatusView) -> Piece:
    """Return the state of a session that no agent serves."""
    word, tone = _STATES[view.state]
    return ("closed", "dim") if view.state in {"inProgress", "waiting", "idle"} else (word, tone)


def _by_state(agents: Sequence[AgentShown]) -> list[AgentShown]:
    order = {"waiting": 0, "working": 1, "idle": 2}
    return sorted(agents, key=lambda agent: order[agent.state])


def _limit(limit: RateLimit) -> Piece:
    used = round(limit.used_percent)
    return (f"{limit.name} {used} %", "warning" if used >= _HIGH else "plain")
