"""The witness of the matrix: what really happened, told by the disk and not by Autopilot.

Everything the scripted model tries leaves a file whose name says which call made it, and whatever
runs besides (hooks, `notify`, servers of the repository) leaves one that no call has. The witness
compares them with the record: an effect needs an approval that was accepted before it. Knows events
and the disk; not aware of configurations of Codex.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autopilot_ls.model.approvals import Approval
from autopilot_ls.model.events import ApprovalRequested, ApprovalResolved, Event

CLOCKS: Final = 0.05
"""Seconds by which the time of a file may lie before that of the decision that made it possible: a
file system takes its times from a clock that ticks only some hundred times a second."""


@dataclass(frozen=True)
class Effect:
    """A file that was there: who made it, and when it came (seconds since the epoch)."""

    name: str
    time: float


@dataclass(frozen=True)
class Witness:
    """Looks at the places where an action of the agent could leave its mark.

    Attributes:
        places: Folders, nothing in which may come from anything but an action that was accepted.
        known: Files that were there before.
    """

    places: tuple[Path, ...]
    known: frozenset[Path]

    @classmethod
    def of(cls, places: Iterable[Path]) -> Witness:
        """Begin to watch these folders; what is there now is nobody's effect."""
        kept = tuple(places)
        return cls(kept, frozenset(_files(kept)))

    def effects(self) -> list[Effect]:
        """Return what happened so far."""
        return [
            Effect(path.name, path.stat().st_mtime)
            for path in _files(self.places)
            if path not in self.known
        ]

    def names(self) -> set[str]:
        """Return the names of what happened so far."""
        return {each.name for each in self.effects()}

    def unjudged(self, events: Iterable[Event]) -> list[str]:
        """Return every effect that was not accepted before it happened, with what is wrong.

        Args:
            events: The record of the session.
        """
        accepted = accepted_calls(events)
        wrong: list[str] = []
        for effect in self.effects():
            at = accepted.get(effect.name)
            if at is None:
                wrong.append(f"{effect.name} happened though nobody accepted it")
            elif effect.time < at - CLOCKS:
                wrong.append(
                    f"{effect.name} happened {at - effect.time:.3f} s before it was accepted"
                )
        return wrong


def _files(places: Iterable[Path]) -> list[Path]:
    # The sandbox leaves empty folders in the workspace, which are no effect.
    return [
        Path(folder) / name
        for place in places
        for folder, _, names in os.walk(place)
        for name in names
        if ".git" not in Path(folder).parts
    ]


def accepted_calls(events: Iterable[Event]) -> dict[str, float]:
    """Return the agent's names of the calls that were accepted, with the time of the decision."""
    asked: dict[str, Approval] = {}
    accepted: dict[str, float] = {}
    for event in events:
        body = event.body
        if isinstance(body, ApprovalRequested):
            asked[body.approval.id] = body.approval
        elif isinstance(body, ApprovalResolved) and body.decision.kind.accepts:
            item = asked[body.approval_id].item_id
            if item is not None:
                accepted[item] = event.time
    return accepted


def asked_calls(events: Iterable[Event]) -> set[str]:
    """Return the agent's names of the calls that were judged, whatever came of it."""
    return {
        event.body.approval.item_id
        for event in events
        if isinstance(event.body, ApprovalRequested) and event.body.approval.item_id is not None
    }
