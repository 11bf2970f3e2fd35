"""What the person says to changes that were made, and what must hold of it. `deciding` stands below."""

from __future__ import annotations

import random

from autopilot_ls.edits.contents import read_content
from autopilot_ls.edits.history import ABSENT
from autopilot_ls.edits.weave import Author
from autopilot_ls.supervisor.review.desk import TakenBack
from autopilot_ls.supervisor.review.values import ReviewItem
from tests.support.play.deciding import Deciding
from tests.support.play.disk import SIGNED, strangers, tokens
from tests.support.play.scene import Violation


class Reviewing(Deciding):
    """Adds the steps of the review after the fact."""

    async def do_look(self) -> None:
        if not any(role.id for role in self.roles):
            return
        for proposal in self.proposals.values():
            if proposal.accepted and proposal.written:
                self.ledger.forget(set(proposal.shown))
        found = await self.supervisor.review.items(self.disk.folder, fresh=True)
        # Also what was saved while it was looked.
        late = {str(save.path.relative_to(self.disk.folder)) for save in self.saves}
        self._looked()
        self._check_histories()
        for item in found.items:
            is_binary = any(b"\0" in line for line in item.change.part.new)
            if item.path in late or item.change.part.kind == "whole" or is_binary:
                continue
            # A line that was last in the file and got an end is shown with what comes behind it.
            old = [
                part
                for each in found.items
                if each.path == item.path
                for part in each.change.part.old
            ]
            mine = tokens(item.change.part.new) - tokens(old) - self.ledger.copied
            self._require_own(item, tokens(item.change.part.new, SIGNED) - tokens(old, SIGNED))
            if mine:
                raise Violation(
                    f"{mine} of {item.path} was saved by the person and is shown as {item.change}"
                )

    def _require_own(self, item: ReviewItem, signatures: set[bytes]) -> None:
        """No agent's change is shown as that of another session."""
        if item.change.author is not Author.AGENT:
            return
        sessions = {turn.rpartition("/")[0] for turn in item.change.turns}
        for role in self.roles:
            theirs = signatures - strangers(signatures, role.number) - self.ledger.strays
            if theirs and role.id not in sessions:
                raise Violation(f"{theirs} of {item.path} is shown as of {sessions}: {item.change}")

    def _check_histories(self) -> None:
        if self.fired:
            return  # Something has happened since the look.
        assert self.stage.reviews is not None
        opened = self.stage.reviews.get(self.disk.folder)
        for name, history in opened.review.histories.items() if opened is not None else ():
            content = read_content(self.disk.path(name))
            if history.current() != content:
                raise Violation(f"the review of {name} has {history.current()}, the disk {content}")

    async def do_keep(self, bits: int) -> None:
        known = self.supervisor.review.known(self.disk.folder)
        chance = random.Random(bits)
        ids = [item.id for item in known.items if chance.randrange(2)]
        if ids:
            await self.supervisor.review.keep(self.disk.folder, ids)

    async def do_undo(self, bits: int) -> None:
        known = self.supervisor.review.known(self.disk.folder)
        chance = random.Random(bits)
        ids = [item.id for item in known.items if chance.randrange(2)]
        if ids:
            self.ledger.may_go |= self.ledger.copied
            for save in self.saves:
                self.ledger.may_go |= tokens([save.text])  # Nobody knows yet whose it is.
            before = self.ledger.must_disk.copy()
            done = await self.supervisor.review.undo(self.disk.folder, ids, "me")
            self._note_taken_back(done)
            self.ledger.returned |= tokens(self.disk.all().values()) - before

    async def do_undo_turn(self, which: int) -> None:
        turns = self.supervisor.review.known(self.disk.folder).turns
        if not turns:
            return
        number = len(turns) - 1 - which % len(turns)
        turn = turns[number]
        self.ledger.may_go |= self.ledger.copied
        before = self.ledger.must_disk.copy()
        theirs = self._of_others(turn.session_id)
        done = await self.supervisor.review.undo_turn(self.disk.folder, turn.name, "me")
        self._looked()
        gone = theirs - self._of_others(turn.session_id) - self.ledger.strays
        if gone and not self.fired:
            raise Violation(f"the undo of {turn.name} took {gone} of another session")
        self._check_undone(turn.name, number, done)
        self._note_taken_back(done)
        self.ledger.returned |= tokens(self.disk.all().values()) - before

    def _of_others(self, session_id: str) -> set[bytes]:
        """Return the signatures of the lines on disk that another session's agent has written."""
        numbers = [role.number for role in self.roles if role.id == session_id]
        return strangers(self.disk.all().values(), numbers[0])

    def _check_undone(self, turn: str, index: int, done: TakenBack) -> None:
        session, _, number = turn.rpartition("/")
        now = self.disk.all()
        refused = {*done.outcome.touched, *done.outcome.left}
        if not refused:
            missing = {
                token.decode()
                for token, by in self.ledger.taken.items()
                if by[0][0] == session
                and by[0][1] >= int(number)
                and token not in tokens(now.values())
            }
            if missing:
                raise Violation(f"the agent took {missing}, which did not come back")
        since, baseline = self.baselines[turn]
        for name in baseline.keys() | now.keys():
            if self.ledger.touched.get(name, -1) >= since or name in self.editor.buffers:
                continue
            if self.ledger.has_worked(name, since, but=session):
                continue
            if name in done.outcome.touched and now.get(name, ABSENT).kind == "link":
                continue  # A whole that was kept in between is not gone back from.
            if name in done.outcome.left and (self.editor.buffers or self.fired):
                continue  # It is a link to what is open with unsaved changes, or one file was too fast.
            if index and self.ledger.taken_back.get(name, -1) >= since:
                continue  # What was taken back may be of a turn before.
            if now.get(name, ABSENT) != baseline.get(name, ABSENT):
                raise Violation(
                    f"{name} is {now.get(name, ABSENT)}, and was {baseline.get(name, ABSENT)} "
                    f"when the turn began: {done}"
                )
        self._check_histories()

    async def do_redo(self, which: int) -> None:
        undone = self.supervisor.review.known(self.disk.folder).undone
        if undone:
            self.ledger.may_go |= self.ledger.returned | self.ledger.copied
            key = undone[which % len(undone)].id
            self._note_taken_back(await self.supervisor.review.redo(self.disk.folder, key, "me"))

    def _note_taken_back(self, done: TakenBack) -> None:
        for name in done.outcome.written:
            self.ledger.taken_back[name] = self.ledger.step
