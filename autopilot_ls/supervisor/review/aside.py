"""Changes that were put aside while no agent was at work, and came back as they were: `git stash`, then `git stash pop`.

What is put aside is not there to be reviewed. When the file holds again exactly what it held, its history is
again what it was, instead of calling the agent's change another's. Kept in memory only. Not aware of disks;
`files` stands above, `edits.history` below.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from autopilot_ls.edits.history import Content, History
from autopilot_ls.supervisor.review.attribution import OTHERS


@dataclass(slots=True)
class Aside:
    """What files were before others changed them, each with the revision that this gave its history."""

    _kept: dict[str, tuple[History, int]] = field(default_factory=dict[str, tuple[History, int]])

    def take(self, path: str, history: History, content: Content) -> None:
        """Take what a file holds since others changed it while no agent was at work.

        Args:
            path: Of the file.
            history: The file's; changed.
            content: What it holds.
        """
        earlier, revision = self._kept.pop(path, (None, 0))
        # Whatever else has happened to the history since, such as a review or an undo, is not gone back over.
        if earlier is None or revision != history.weave.revision:
            earlier = history.copy() if any(True for _ in history.unreviewed()) else None
        elif earlier.current() == content:
            earlier.weave.revision = history.weave.revision + 1
            history.weave, history.shapes = earlier.weave, earlier.shapes
            return
        history.advance(content, OTHERS)
        if earlier is not None:
            self._kept[path] = (earlier, history.weave.revision)

    def drop(self, path: str) -> None:
        """Forget a file that is not followed any more."""
        self._kept.pop(path, None)
