"""What clients may ask of reviews: what is open, keep, undo, undo a turn, and take an undo back.

Every answer counts for what the disk holds now. Not aware of editors nor of how changes are found;
`supervisor` hands it to `lsp` and `cli`, `reviews` and `placing` stand below.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import anyio.to_thread

from autopilot_ls.edits.contents import read_content
from autopilot_ls.edits.history import Content
from autopilot_ls.edits.paths import real
from autopilot_ls.edits.weave import Author
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.text import count
from autopilot_ls.supervisor.review.placing import Placing
from autopilot_ls.supervisor.review.plans import Outcome
from autopilot_ls.supervisor.review.reviews import OpenReview, Reviews
from autopilot_ls.supervisor.review.saving import Saved
from autopilot_ls.supervisor.review.values import ReviewItem, Turn
from autopilot_ls.supervisor.views import OpenDocument

_MAX_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Redoable:
    """Something that was taken back and can be done again.

    Attributes:
        what: It in words.
        paths: The files that it changed, relative to the workspace.
    """

    id: str
    what: str
    paths: frozenset[str]


@dataclass(frozen=True, slots=True)
class OpenItems:
    """What is to be reviewed in a workspace.

    Attributes:
        items: By path and place.
        turns: The turns that can be gone back to, the oldest first.
        undone: What was taken back and can be done again, the oldest first.
        notices: What is not covered, or why nothing can be told, in sentences for a person.
    """

    items: tuple[ReviewItem, ...] = ()
    turns: tuple[Turn, ...] = ()
    undone: tuple[Redoable, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What became of an undo.

    Attributes:
        reasons: Why files were left as they are, a sentence each.
    """

    outcome: Outcome
    reasons: tuple[str, ...]


class ReviewDesk:
    """See the module's docstring."""

    def __init__(
        self,
        reviews: Reviews | None,
        documents: Callable[[], Iterable[OpenDocument]],
        written: Callable[[Sequence[Path]], None],
        tell_agent: Callable[[Collection[str], str], None],
    ) -> None:
        """Create it.

        Args:
            reviews: The open reviews; None when reviewing is off.
            documents: Gives what is open in the editors.
            written: Called with files that were changed on disk.
            tell_agent: Called with the sessions concerned, and what their agents should know.
        """
        self._reviews = reviews
        self._documents = documents
        self._written = written
        self._tell_agent = tell_agent

    @property
    def is_on(self) -> bool:
        """Whether changes are reviewed at all."""
        return self._reviews is not None

    async def _of(self, workspace: Path) -> OpenReview:
        if self._reviews is None:
            raise InvalidRequest(
                "Reviewing changes afterwards is switched off.",
                advice="Switch the setting review.enabled on.",
            )
        return await self._reviews.of(workspace)

    async def restore(self, workspace: Path) -> bool:
        """Open the review of a workspace if one is open from an earlier time; tells whether it is now.

        Raises:
            BaselineUnavailable: Another Autopilot has it open.
        """
        if self._reviews is None:
            return False
        if self._reviews.get(workspace) is None:
            if not await anyio.to_thread.run_sync(self._reviews.has_stored, workspace):
                return False
            await self._reviews.of(workspace)
        return True

    def known(self, workspace: Path) -> OpenItems:
        """Return what is known at this moment, without opening or looking; never blocks."""
        opened = None if self._reviews is None else self._reviews.get(workspace)
        return OpenItems() if opened is None else _items(opened)

    async def items(self, workspace: Path, *, fresh: bool = False) -> OpenItems:
        """Return what is to be reviewed; nothing is opened where no agent has worked.

        Args:
            workspace: The folder.
            fresh: Whether to look at the disk before.

        Raises:
            InvalidRequest: Reviewing is off.
            AutopilotError: The workspace cannot be looked at.
        """
        if self._reviews is not None and not await self.restore(workspace):
            return OpenItems()
        opened = await self._of(workspace)
        if fresh:
            await opened.review.look()
        return _items(opened)

    async def before(self, workspace: Path, path: str) -> Content | None:
        """Return what a file would be without what nobody has reviewed; None where nothing is known of it.

        Args:
            workspace: The folder.
            path: Relative to it.

        Raises:
            InvalidRequest: Reviewing is off.
        """
        if self._reviews is not None and not await self.restore(workspace):
            return None
        history = (await self._of(workspace)).review.histories.get(path)
        return None if history is None else history.reviewed()

    async def keep(self, workspace: Path, ids: Collection[str]) -> tuple[ReviewItem, ...]:
        """Take these as reviewed; returns those that were still open."""
        return (await self._of(workspace)).review.keep(ids)

    async def undo(self, workspace: Path, ids: Collection[str], by: str) -> TakenBack:
        """Take these back, and tell the agents concerned.

        Raises:
            InvalidRequest: None of them is open, or reviewing is off.
            AutopilotError: The workspace cannot be looked at.
        """
        opened = await self._of(workspace)
        chosen = [item for item in opened.review.items() if item.id in ids]
        if not chosen:
            raise InvalidRequest(
                "None of these changes is open any more.", advice="List them anew."
            )
        placing = self._placing(opened)
        outcome = await opened.review.undo(ids, placing.place)
        turns = {turn for item in chosen for turn in item.change.turns}
        return self._done(opened, outcome, placing, turns, f"{by} took back changes of yours in")

    async def undo_turn(self, workspace: Path, turn: str, by: str) -> TakenBack:
        """Take back a turn and all turns of its session since, and tell its agent.

        What another session did meanwhile stays, also while it is at work.

        Args:
            workspace: The folder.
            turn: Its name, as in `OpenItems.turns`.
            by: Who wishes it.

        Raises:
            InvalidRequest: It cannot be gone back to, it still runs, or reviewing is off.
            AutopilotError: The workspace cannot be looked at.
        """
        opened = await self._of(workspace)
        later = opened.review.turns_since(turn)
        if any(each.at_work for each in later):
            raise InvalidRequest(
                "That turn, or a later one, is still at work.", advice="Stop it first."
            )
        placing = self._placing(opened)
        outcome = await opened.review.go_back(turn, placing.place)
        said = f"{by} took back all that you changed since the turn that is undone, in"
        names = {each.name for each in later}
        done = self._done(opened, outcome, placing, names, said)
        if outcome.written or done.reasons:
            return done
        return replace(done, reasons=_why_nothing(opened, names))

    async def redo(self, workspace: Path, undo_id: str, by: str) -> TakenBack:
        """Do again what was taken back.

        Raises:
            InvalidRequest: There is no such undo, or reviewing is off.
            AutopilotError: The workspace cannot be looked at.
        """
        opened = await self._of(workspace)
        placing = self._placing(opened)
        outcome = await opened.review.redo(undo_id, placing.place)
        said = f"{by} put changes of yours, that had been taken back, into place again in"
        turns = {turn.name for turn in opened.review.turns}
        return self._done(opened, outcome, placing, turns, said)

    def _placing(self, opened: OpenReview) -> Placing:
        async def ready() -> None:
            if self._reviews is not None:
                await self._reviews.keep_safe(opened)

        return Placing(opened.review.folder, self._documents, ready)

    def _done(
        self,
        opened: OpenReview,
        outcome: Outcome,
        placing: Placing,
        turns: Collection[str],
        said: str,
    ) -> TakenBack:
        root = opened.review.folder
        if outcome.written:
            self._written([root / path for path in outcome.written])
            sessions = {turn.session_id for turn in opened.review.turns if turn.name in turns}
            names = ", ".join(sorted(outcome.written)[:20])
            more = len(outcome.written) - 20
            rest = f" and {more} more files" if more > 0 else ""
            facts = f"{said}: {names}{rest}. Read these files again before you change them."
            self._tell_agent(sessions, facts)
        reasons = [
            f"{path} was left as it is: it was changed since, and that cannot be kept apart."
            for path in outcome.touched
        ]
        return TakenBack(outcome, (*reasons, *placing.reasons))

    async def saved(self, path: Path, loaded: str | None, text: str | None = None) -> None:
        """Take that a person has saved a file from an editor.

        Args:
            path: Absolute path.
            loaded: The text it had loaded or saved before; None when that is not known.
            text: The text that it has saved; None when that is not known.
        """
        if self._reviews is None:
            return
        place, now = await anyio.to_thread.run_sync(_read, path)
        for opened in self._reviews:
            root = opened.review.folder
            if now is None or not place.is_relative_to(root):
                continue
            if await opened.review.saved(str(place.relative_to(root)), Saved(loaded, text, now)):
                opened.want_look()


def _why_nothing(opened: OpenReview, turns: Collection[str]) -> tuple[str, ...]:
    """Return why turns had nothing to take back, if there is something of them to be reviewed."""
    paths = sorted(
        {
            item.path
            for item in opened.review.items()
            if item.change.author is Author.UNKNOWN and not set(turns).isdisjoint(item.change.turns)
        }
    )
    if not paths:
        return ()
    more = len(paths) - _MAX_NAMED
    rest = f" and {count(more, 'more file')}" if more > 0 else ""
    why = f"what was changed in {', '.join(paths[:_MAX_NAMED])}{rest} may be another program's."
    return (f"Nothing was taken back: {why} Undo these changes by themselves.",)


def _read(path: Path) -> tuple[Path, Content | None]:
    path = real(path)
    return path, read_content(path)


def _items(opened: OpenReview) -> OpenItems:
    review = opened.review
    notices = (*review.notices, *((opened.problem,) if opened.problem else ()))
    return OpenItems(
        review.items(),
        tuple(review.turns),
        tuple(
            Redoable(record.id, record.what, frozenset(record.files)) for record in review.undone
        ),
        notices,
    )
