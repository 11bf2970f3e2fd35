"""The sessions at a glance, with what is known of them beside their record: what is to be reviewed.

The one maker of views for a command that asks and for the notifications, so that both say the same. Not
aware of how they are sent. `view` stands above, the presentation below.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from autopilot_ls.lsp.backend import Backend
from autopilot_ls.model.changed import FileEntry, FileKind
from autopilot_ls.model.snapshots import SessionSnapshot
from autopilot_ls.presentation.status import Outside, StatusMaker
from autopilot_ls.presentation.status_view import StatusView, Unreviewed
from autopilot_ls.supervisor.review.values import ReviewItem

MAX_FILES: Final = 500
"""Files that are kept of what one turn changed."""

_MEMORY: Final = 100
_KINDS: Final[dict[str, FileKind]] = {"add": "add", "delete": "delete"}


@dataclass(slots=True)
class _Counted:
    """What a workspace has to be reviewed, counted once for each change of it."""

    items: tuple[ReviewItem, ...]
    by_session: dict[str, Unreviewed]
    by_turn: dict[str, dict[str, FileEntry]] = field(
        default_factory=dict[str, dict[str, FileEntry]]
    )


class Statuses:
    """The views of one editor."""

    def __init__(
        self,
        backend: Backend,
        redact: Callable[[str], str],
        asked: Callable[[], Collection[str]],
    ) -> None:
        """Create it.

        Args:
            backend: Has the reviews.
            redact: Leaves out secrets.
            asked: Gives the ids of the approvals that the person is asked about.
        """
        self._backend = backend
        self._asked = asked
        self._maker = StatusMaker(redact)
        self._counted: dict[str, _Counted] = {}

    def view(self, snapshot: SessionSnapshot) -> StatusView:
        """Return a session at a glance, as it is now."""
        counted = self._count(snapshot.cwd)
        session_id = snapshot.session_id
        number = snapshot.dropped_turns + sum(bool(turn.id) for turn in snapshot.turns)
        changed = counted.by_turn.get(f"{session_id}/{number}", {}) if counted else {}
        outside = Outside(
            unreviewed=counted.by_session.get(session_id, Unreviewed())
            if counted
            else Unreviewed(),
            changed=tuple(changed.values()),
            asked=self._asked(),
        )
        return self._maker.view(snapshot, now=time.time(), outside=outside)

    def _count(self, cwd: str) -> _Counted | None:
        if not cwd or not self._backend.review.is_on:
            return None
        items = self._backend.review.known(Path(cwd)).items
        counted = self._counted.pop(cwd, None)
        if counted is None or counted.items is not items:
            counted = _counted(cwd, items)
        self._counted[cwd] = counted
        if len(self._counted) > _MEMORY:
            del self._counted[next(iter(self._counted))]
        return counted


def unreviewed_by_session(items: Iterable[ReviewItem]) -> dict[str, Unreviewed]:
    """Return how much of each session is to be reviewed, by the session's id."""
    paths: dict[str, list[str]] = {}
    for item in items:
        for session_id in dict.fromkeys(turn.rpartition("/")[0] for turn in item.change.turns):
            paths.setdefault(session_id, []).append(item.path)
    return {
        session_id: Unreviewed(files=len(set(found)), hunks=len(found))
        for session_id, found in paths.items()
    }


def _counted(cwd: str, items: tuple[ReviewItem, ...]) -> _Counted:
    counted = _Counted(items, unreviewed_by_session(items))
    for item in items:
        for turn in item.change.turns:
            _add(counted.by_turn.setdefault(turn, {}), str(Path(cwd) / item.path), item)
    return counted


def _add(files: dict[str, FileEntry], path: str, item: ReviewItem) -> None:
    before = files.get(path)
    if before is None and len(files) >= MAX_FILES:
        return
    part = item.change.part
    files[path] = FileEntry(
        path,
        len(part.new) + (before.added if before else 0),
        len(part.old) + (before.removed if before else 0),
        _KINDS.get(part.kind, before.kind if before else "update"),
    )
