"""The stream by which contents go into the store: files in, `git fast-import` commands out.

Contents are read here and handed over as bytes, so that git neither opens a file of the work tree
nor converts anything. One pass over the candidates decides for each whether it is kept, watched or
gone. Blocks in steps of about a megabyte; run each in a thread. Not aware of processes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from autopilot_ls.edits.baselines.reading import LINK, Content, Reader
from autopilot_ls.edits.baselines.repository import DISK
from autopilot_ls.edits.baselines.values import BaselineLimits
from autopilot_ls.edits.baselines.watched import Stat, Watched

WATCHED_NAME: Final = b"watched"
_STEP: Final = 1024 * 1024


@dataclass(slots=True)
class Plan:
    """What one look found to be looked at closer.

    Attributes:
        indexed: Paths that the index has, which differ on disk or are gone.
        new: Paths that it does not have.
        forced: Paths to keep whatever their number, such as ignored ones that an agent changes.
        before: What was known of files without content at the last look.
        room: How many files more may be kept.
    """

    indexed: frozenset[bytes]
    new: frozenset[bytes]
    forced: frozenset[bytes]
    before: Watched
    room: int


@dataclass(slots=True)
class Tally:
    """What came of it."""

    kept: dict[bytes, tuple[int, int]] = field(default_factory=dict[bytes, tuple[int, int]])
    """Mode and mark of the contents to put into the tree."""
    gone: list[bytes] = field(default_factory=list[bytes])
    watched: dict[bytes, Stat] = field(default_factory=dict[bytes, Stat])
    fresh: set[bytes] = field(default_factory=set[bytes])
    """Files to be read again at the next look, whatever their times say."""
    unsteady: list[bytes] = field(default_factory=list[bytes])
    stale: list[bytes] = field(default_factory=list[bytes])
    """Files that could be read once and no more; what was read then stays."""
    overflow: int = 0
    """Files that are neither kept nor watched."""
    read: int = 0


def storable(path: bytes, mode: int) -> bool:
    """Tell whether git accepts the name in a tree; it keeps its own names to itself."""
    lowered = path.lower()
    if b".git" not in lowered:
        return True
    if b".git" in lowered.split(b"/"):
        return False
    return mode != LINK or not lowered.rpartition(b"/")[2].startswith(b".gitm")


class Survey:
    """Goes through the candidates and produces the contents; then `tally` says what came of it."""

    def __init__(self, reader: Reader, plan: Plan, limits: BaselineLimits) -> None:
        """Prepare; nothing is read yet."""
        self.tally: Final = Tally()
        self._reader = reader
        self._plan = plan
        self._limits = limits
        self._parts = self._contents()
        self._marks = 0
        self._at_work = threading.Lock()
        self._closed = False

    def step(self) -> bytes:
        """Return about a megabyte of the stream; nothing at its end."""
        pieces: list[bytes] = []
        size = 0
        with self._at_work:
            for piece in self._parts if not self._closed else ():
                pieces.append(piece)
                size += len(piece)
                if size >= _STEP or self._closed:
                    break
            if self._closed:
                self._reader.close()
        return b"".join(pieces)

    def close(self) -> None:
        """End it; a step that hangs in a thread, on a dead network disk say, closes when it can."""
        self._closed = True
        if self._at_work.acquire(blocking=False):
            self._reader.close()
            self._at_work.release()

    def _contents(self) -> Iterator[bytes]:
        plan, tally = self._plan, self.tally
        limits, read = self._limits, self._reader.read
        for path in sorted(plan.indexed | plan.new | plan.forced):
            if not storable(path, 0):
                self._watch(path, self._reader.look(path, "name"))
                continue
            if self._is_beyond(path):
                continue
            found = read(path, min(limits.file_bytes, max(limits.read_bytes - tally.read, 0)))
            if isinstance(found, Content) and (found.mode != LINK or storable(path, LINK)):
                yield self._keep(path, found)
            elif isinstance(found, Content):
                self._watch(path, self._reader.look(path, "name"))
            elif found is None:
                self._drop(path)
            elif found.reason == "unreadable" and path in plan.indexed:
                tally.stale.append(path)
            elif found.reason == "large" and found.size <= self._limits.file_bytes:
                self._watch(path, Stat("budget", found.mode, found.size, found.changed))
            else:
                self._watch(path, found)

    def _is_beyond(self, path: bytes) -> bool:
        """Watch the file, if there is no room for it, or was none before; such files stay so."""
        plan = self._plan
        if path in plan.indexed or path in plan.forced:
            return False
        known = plan.before.files.get(path)
        earlier = known is not None and known.reason in ("count", "budget")
        if not earlier and len(self.tally.kept) < plan.room:
            return False
        if len(self.tally.watched) >= self._limits.watched:
            self.tally.overflow += 1
        else:
            reason = known.reason if known is not None and earlier else "count"
            self._watch(path, self._reader.look(path, reason))
        return True

    def _keep(self, path: bytes, found: Content) -> bytes:
        # One piece for each file: with many small ones, the pieces cost more than what is copied.
        self._marks += 1
        self.tally.read += len(found.data)
        self.tally.kept[path] = (found.mode, self._marks)
        if found.fresh:
            self.tally.fresh.add(path)
        if not found.steady:
            self.tally.unsteady.append(path)
        return b"blob\nmark :%d\ndata %d\n%b\n" % (self._marks, len(found.data), found.data)

    def _watch(self, path: bytes, known: Stat | None) -> None:
        self._drop(path)
        if known is None:
            return
        if len(self.tally.watched) >= self._limits.watched:
            self.tally.overflow += 1
        else:
            self.tally.watched[path] = known

    def _drop(self, path: bytes) -> None:
        if path in self._plan.indexed:
            self.tally.gone.append(path)

    def finish(self, tree: str, watched: bytes) -> bytes:
        """Return the end of the stream, which puts the new state together.

        The answers of fast-import are the id of the state and its tree.

        Args:
            tree: Id of the last state's tree; empty when there is none.
            watched: The record of files without content; empty when there are none.
        """
        who = b"committer Autopilot <autopilot@localhost> %d +0000\n" % time.time()
        parts: list[bytes] = []
        side, state = self._marks + 1, self._marks + 2
        if watched:
            parts.append(b"commit refs/watched\nmark :%d\n" % side + who + b"data 0\n")
            parts.append(
                b"M 100644 inline %b\ndata %d\n%b\n\n" % (WATCHED_NAME, len(watched), watched)
            )
        parts.append(b"reset %b\n\ncommit %b\nmark :%d\n" % (DISK.encode(), DISK.encode(), state))
        parts.append(who + b"data 0\n")
        if watched:
            parts.append(b"from :%d\ndeleteall\n" % side)
        if tree:
            parts.append(b'M 040000 %b ""\n' % tree.encode())
        parts += [b"D %b\n" % quoted(path) for path in self.tally.gone]
        parts += [
            b"M %o :%d %b\n" % (mode, mark, quoted(path))
            for path, (mode, mark) in self.tally.kept.items()
        ]
        parts.append(b'\nget-mark :%d\nls :%d ""\n' % (state, state))
        return b"".join(parts)


def quoted(path: bytes) -> bytes:
    """Return the path as fast-import reads it."""
    return b'"' + path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'
