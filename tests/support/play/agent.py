"""The agent of a play: the patches it proposes, and how it writes them, well or badly.

Works on bytes as Codex does: a unified diff with its places, and hunks that are looked for where they fit.
Not aware of the supervisor.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from autopilot_ls.edits.lines import is_terminated, split
from autopilot_ls.model.approvals import ChangeKind, ProposedChange
from tests.support.play.disk import NEW, TEXTS, Disk

NO_END = b"\\ No newline at end of file\n"


@dataclass
class Piece:
    """One file of a patch."""

    name: str
    kind: ChangeKind
    old: bytes | None
    new: bytes | None
    move_to: str | None = None

    def proposed(self, disk: Disk) -> ProposedChange:
        if self.kind is ChangeKind.UPDATE:
            text, form = unified(self.old or b"", self.new or b""), "unified"
        else:
            text, form = ((self.new if self.old is None else self.old) or b"").decode(), "content"
        return ProposedChange(
            path=str(disk.path(self.name)),
            kind=self.kind,
            move_to=None if self.move_to is None else str(disk.path(self.move_to)),
            form="unified" if form == "unified" else "content",
            text=text,
        )


@dataclass
class Proposal:
    """A patch that the agent waits for, or was allowed to write.

    Attributes:
        at: What its files held when it was proposed.
        before: What its files held when it was accepted.
        shown: What accepting promises, by name.
    """

    key: str
    item: str
    pieces: list[Piece]
    turn: tuple[str, int]
    at: dict[str, bytes | None]
    accepted: bool = False
    before: dict[str, bytes | None] = field(default_factory=dict[str, bytes | None])
    shown: dict[str, bytes | None] = field(default_factory=dict[str, bytes | None])
    written: bool = False


class Patcher:
    """Makes patches and writes them."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.numbers = count(1)
        self.sign = 0

    def line(self, end: str = "\n") -> bytes:
        return f"agent {self.sign}.{next(self.numbers)} ✓{end}".encode()

    def edited(self, old: bytes, seed: int, edits: int) -> bytes:
        """Return a text with some lines added, replaced and removed; none of them moves."""
        chance = random.Random(seed)
        lines = split(old)
        end = "\r\n" if b"\r\n" in old else "\n"
        for _ in range(edits):
            at = chance.randrange(len(lines) + 1)
            match chance.randrange(4):
                case 0 | 1:
                    if at and not is_terminated(lines[at - 1]):
                        lines[at - 1] += end.encode()
                    lines.insert(at, self.line(end))
                case 2 if lines:
                    lines[at % len(lines)] = self.line(end)
                case 3 if lines:
                    del lines[at % len(lines)]
                case _:
                    pass
        if chance.randrange(8) == 0 and lines:
            lines[-1] = lines[-1].rstrip(b"\r\n")
        return b"".join(lines)

    def pieces(self, seed: int) -> list[Piece]:
        """Return a patch of one to three files that fits the disk as it is."""
        chance = random.Random(seed)
        free = [name for name in TEXTS if self.disk.content(name).kind == "absent"]
        there = [name for name in TEXTS if self.disk.content(name).kind == "file"]
        found: list[Piece] = []
        for _ in range(chance.choice((1, 1, 2, 3))):
            kind = chance.randrange(8)
            if kind == 0 and free:
                name = free.pop(chance.randrange(len(free)))
                lines = b"".join(self.line() for _ in range(chance.randrange(4)))
                found.append(Piece(name, ChangeKind.ADD, None, lines))
                continue
            if not there:
                continue
            name = there.pop(chance.randrange(len(there)))
            old = self.disk.data(name) or b""
            if b"\0" in old or not _is_utf8(old):
                continue
            new = self.edited(old, chance.randrange(1000), 1 + chance.randrange(4))
            if kind == 1:
                found.append(Piece(name, ChangeKind.DELETE, old, None))
            elif kind == 2 and free:
                target = free.pop(chance.randrange(len(free)))
                new = new if chance.randrange(2) else old
                found.append(Piece(name, ChangeKind.UPDATE, old, new, target))
            elif kind == 3:
                found.append(Piece(name, ChangeKind.ADD, None, new))  # Over a file that exists.
            elif old != new:
                found.append(Piece(name, ChangeKind.UPDATE, old, new))
        return found

    def write(self, proposal: Proposal, how: int) -> bool:
        """Write an accepted patch to disk; tells whether all went well.

        Args:
            how: 0 to 4: as a whole; then nothing, the first file only, cut off, or too much.
        """
        proposal.written = True
        pieces = proposal.pieces
        match how % 10:
            case 5:
                return False
            case 6:
                self._write_all(pieces[:1])
                return False
            case 7:
                self._write_all(pieces[:-1])
                last = pieces[-1]
                if last.new is not None and last.move_to is None:
                    self.disk.write(last.name, last.new[: len(last.new) // 2])
                return False
            case 8:
                self._write_all(pieces)
                return False
            case 9:
                well = self._write_all(pieces)
                name = pieces[0].move_to or pieces[0].name
                data = self.disk.data(name)
                if data is not None:
                    self.disk.write(name, self.edited(data, how, 1))
                return well
            case _:
                return self._write_all(pieces)

    def _write_all(self, pieces: Iterable[Piece]) -> bool:
        return sum(not self._write_one(piece) for piece in pieces) == 0

    def _write_one(self, piece: Piece) -> bool:
        now = self.disk.data(piece.name)
        if piece.kind is ChangeKind.ADD:
            self.disk.write(piece.name, piece.new)
            return True
        if now is None:
            return False
        if piece.kind is ChangeKind.DELETE:
            self.disk.write(piece.name, None)
            return True
        new = piece.new if now == piece.old else fitted(now, piece.old or b"", piece.new or b"")
        if new is None:
            return False
        if piece.move_to is not None:
            mode = self.disk.path(piece.name).stat().st_mode & 0o777
            self.disk.write(piece.move_to, new)
            self.disk.path(piece.move_to).chmod(mode)
            self.disk.write(piece.name, None)
        else:
            self.disk.write(piece.name, new)
        return True


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def unified(old: bytes, new: bytes, context: int = 1) -> str:
    """Return a diff as Codex writes it."""
    before, after = split(old), split(new)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    out: list[bytes] = []

    def put(tag: bytes, line: bytes) -> None:
        out.append(tag + line)
        if not is_terminated(line):
            out.append(b"\n" + NO_END)

    for group in matcher.get_grouped_opcodes(context):
        _, i1, _, j1, _ = group[0]
        _, _, i2, _, j2 = group[-1]
        out.append(f"@@ -{_range(i1, i2)} +{_range(j1, j2)} @@\n".encode())
        for tag, a1, a2, b1, b2 in group:
            if tag == "equal":
                for line in before[a1:a2]:
                    put(b" ", line)
            else:
                for line in before[a1:a2]:
                    put(b"-", line)
                for line in after[b1:b2]:
                    put(b"+", line)
    return b"".join(out).decode()


def _range(start: int, end: int) -> str:
    length = end - start
    return f"{start + 1 if length else start},{length}"


def fitted(now: bytes, old: bytes, new: bytes) -> bytes | None:
    """Return the text with the changes from old to new made where their lines stand alone."""
    before, after, lines = split(old), split(new), split(now)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, i1, i2, j1, j2 in reversed(matcher.get_opcodes()):
        if tag == "equal":
            continue
        start = max(0, i1 - 1)
        gone = before[start:i2]
        places = [
            at for at in range(len(lines) - len(gone) + 1) if lines[at : at + len(gone)] == gone
        ]
        if not gone or len(places) != 1:
            return None
        lines[places[0] : places[0] + len(gone)] = [*before[start:i1], *after[j1:j2]]
    for at, line in enumerate(lines[:-1]):
        if not is_terminated(line):
            lines[at] = line + b"\n"
    return b"".join(lines)


__all__ = ["NEW", "Patcher", "Piece", "Proposal"]
