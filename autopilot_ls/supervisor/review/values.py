"""What the parts of a review hand to each other.

Not aware of how any of it comes about; all other modules of the review stand above.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from autopilot_ls.edits.baselines.values import Baseline, Changes, Side
from autopilot_ls.edits.history import Content, Unreviewed

LINK_MODE: Final = 0o120000
"""What git says a link is."""

Heads = Mapping[str, str]
"""Commits that are checked out, by the folder of their repository relative to the workspace: the workspace's
own has the empty name, others are nested in it. What is not known is left out."""


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """Something to be reviewed, as clients see it.

    Attributes:
        id: Names it in the workspace while it lasts.
        path: Relative to the workspace.
    """

    id: str
    path: str
    change: Unreviewed


@dataclass(slots=True)
class Turn:
    """A turn that can be gone back to.

    Attributes:
        name: Names it among all turns of the workspace.
        session_id: Whose it is.
        began: Seconds since the epoch.
        at_work: Whether it, or what it left running, may still change files.
    """

    name: str
    session_id: str
    began: float
    at_work: bool = True


class Snapshots(Protocol):
    """What the workspace's files were at any of our looks; `edits.baselines` is one.

    Every method may raise an `AutopilotError`: the workspace cannot be looked at.
    """

    async def take(self) -> Baseline:
        """Look at the disk now."""
        ...

    async def changes(self, since: str, until: str) -> Changes:
        """Return what differs between two looks, which are named by their baselines' ids."""
        ...

    async def read(self, sides: Collection[Side]) -> Mapping[str, bytes]:
        """Return the contents, by their names, of files whose content was kept."""
        ...

    async def prune(self) -> None:
        """Give up what was seen long ago."""
        ...

    async def heads(self, paths: Collection[str]) -> Heads:
        """Return which commits are checked out in the workspace, and in what is nested around paths."""
        ...

    async def committed(self, heads: Heads, paths: Collection[str]) -> Mapping[str, Content]:
        """Return what commits hold at paths; without those of which that is not known."""
        ...
