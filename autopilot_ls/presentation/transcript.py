"""A session as a markdown document that can be opened and that follows along.

`TranscriptRenderer` puts the entries of a snapshot together. Entries are immutable and shared between
snapshots, so what was rendered for one is kept as long as it is there: a frame costs what changed.
Only our own words make headings; everybody else's text stands in quotes, fences and code spans. Not
aware of editors. `lsp` and `cli` stand above, `entries` below.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from autopilot_ls.model.snapshots import ApprovalEntry, Entry, SessionSnapshot, TurnSnapshot
from autopilot_ls.model.text import count
from autopilot_ls.presentation import approvals
from autopilot_ls.presentation.entries import Frame, render
from autopilot_ls.presentation.markdown import Redact, code, plain, unchanged
from autopilot_ls.presentation.progress import closing_line

_Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A rendered entry; `source` keeps the values alive whose identity is its key."""

    source: tuple[object, ...]
    text: str
    lines: int
    approval_id: str | None


@dataclass(frozen=True, slots=True)
class _TurnPiece:
    """A rendered turn.

    Attributes:
        approvals: The approvals with the lines, from the turn's own first, where they stand.
        pieces: The rendered entries, by the identity of what they were made of.
    """

    source: TurnSnapshot
    number: int
    text: str
    lines: int
    approvals: tuple[tuple[str, int], ...]
    pieces: dict[_Key, _Piece]


class TranscriptRenderer:
    """Renders one session again and again; keep one for each session and reader."""

    def __init__(self, *, redact: Redact = unchanged, zone: tzinfo | None = None) -> None:
        """Create a renderer.

        Args:
            redact: Leaves out secrets; called once for each text that is new.
            zone: The time zone of the times shown; by default the local one.
        """
        self._redact = redact
        self._zone = zone
        self._frame: Frame | None = None
        self._turns: dict[int, _TurnPiece] = {}
        self._lines: dict[str, int] = {}

    def render(self, snapshot: SessionSnapshot) -> str:
        """Return the session as markdown that ends with a line end."""
        frame = Frame(snapshot.cwd, snapshot.thread_id, self._redact, self._zone)
        if frame != self._frame:
            self._frame, self._turns = frame, {}
        texts = [self._head(snapshot, frame)]
        line = texts[0].count("\n")
        self._lines = {}
        turns: dict[int, _TurnPiece] = {}
        number = snapshot.dropped_turns
        for index, turn in enumerate(snapshot.turns, snapshot.dropped_turns):
            number += bool(turn.id)
            known = self._turns.get(index)
            if known is None or known.source is not turn or known.number != number:
                known = self._turn(snapshot, turn, number, frame, known.pieces if known else {})
            turns[index] = known
            self._lines.update((name, line + at) for name, at in known.approvals)
            texts.append(known.text)
            line += known.lines
        self._turns = turns
        return "".join(texts)

    def approval_line(self, approval_id: str) -> int | None:
        """Return the line (from 0) where an approval stands in the last rendering, if it does."""
        return self._lines.get(approval_id)

    def _head(self, snapshot: SessionSnapshot, frame: Frame) -> str:
        redact = self._redact
        agent = f"{plain(snapshot.runtime)} {plain(snapshot.runtime_version)}".strip()
        if snapshot.model:
            agent += f", model {code(snapshot.model)}"
        began = frame.date(snapshot.created_at)
        lines = [
            f"# {plain(redact(snapshot.title)) or 'A session'}",
            "",
            f"- **Folder:** {code(snapshot.cwd, 500)}",
            f"- **Agent:** {agent}",
            f"- **Mode:** {snapshot.mode.value}",
            f"- **Session:** {code(snapshot.session_id)}, begun {began}",
        ]
        if snapshot.account:
            lines.append(f"- **Account:** {plain(redact(snapshot.account))}")
        for grant in snapshot.grants:
            what = (
                code(redact(grant.command), 500)
                if grant.command is not None
                else "changes of " + ", ".join(code(frame.relative(path)) for path in grant.paths)
            )
            by = plain(grant.granted_by)
            lines.append(f"- **Allowed for this session:** {what} (by {by}, {code(grant.id)})")
        for approval in snapshot.pending:
            what = plain(approvals.title(approval, root=snapshot.cwd, redact=redact))
            alarm = approvals.alarm(approval, snapshot.mode)
            lines.append(f"- **{f'{alarm}, waits' if alarm else 'Waits'} for you:** {what}")
        if snapshot.dropped_turns:
            left_out = count(snapshot.dropped_turns, "earlier turn")
            lines.extend(["", f"*{left_out} not shown here; the trace has them.*"])
        return "\n".join(lines) + "\n"

    def _turn(
        self,
        snapshot: SessionSnapshot,
        turn: TurnSnapshot,
        number: int,
        frame: Frame,
        known: dict[_Key, _Piece],
    ) -> _TurnPiece:
        texts = [self._turn_head(turn, number, frame)]
        line = texts[0].count("\n")
        places: list[tuple[str, int]] = []
        pieces: dict[_Key, _Piece] = {}
        for entry in turn.entries:
            key = _key(entry)
            piece = pieces[key] = known.get(key) or _piece(entry, frame)
            if piece.approval_id is not None:
                places.append((piece.approval_id, line + 1))
            texts.append(piece.text)
            line += piece.lines
        if turn.id and turn.completed_at is not None:
            closing = closing_line(snapshot, turn, redact=self._redact)
            texts.append(f"\n**Turn {number} ended.** {plain(closing, 600)}\n")
            line += 2
        return _TurnPiece(turn, number, "".join(texts), line, tuple(places), pieces)

    def _turn_head(self, turn: TurnSnapshot, number: int, frame: Frame) -> str:
        lines: list[str] = []
        if turn.id:
            lines.extend(["", f"## Turn {number}, {frame.time(turn.started_at)}"])
        if turn.plan:
            lines.extend(["", "**Plan:**", ""])
        for step in turn.plan:
            tick = "x" if step.status == "completed" else " "
            now = " *(now)*" if step.status == "inProgress" else ""
            lines.append(f"- [{tick}] {plain(self._redact(step.step), 300)}{now}")
        if turn.dropped:
            left_out = f"{turn.dropped:,} earlier {'entry' if turn.dropped == 1 else 'entries'}"
            lines.extend(["", f"*{left_out} not shown here; the trace has them.*"])
        return "\n".join(lines) + "\n" if lines else ""


def _key(entry: Entry) -> _Key:
    # The state makes a new entry for an approval in each snapshot, out of values that stay.
    if isinstance(entry, ApprovalEntry):
        return id(entry.approval), id(entry.decision)
    return id(entry), 0


def _piece(entry: Entry, frame: Frame) -> _Piece:
    lines = render(entry, frame)
    text = "\n" + "\n".join(lines) + "\n" if lines else ""
    if isinstance(entry, ApprovalEntry):
        kept: tuple[object, ...] = (entry.approval, entry.decision)
        return _Piece(kept, text, text.count("\n"), entry.approval.id)
    return _Piece((entry,), text, text.count("\n"), None)
