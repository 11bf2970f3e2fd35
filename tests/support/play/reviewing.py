"""What the person says to changes that were made, and what must hold of it. `deciding` stands below."""

from __future__ import annotations

import random

from autopilot_ls.edits.contents import read_content
from autopilot_ls.edits.history import ABSENT
from autopilot_ls.supervisor.review.desk import TakenBack
from tests.support.play.deciding import Deciding
from tests.support.play.disk import tokens
from tests.support.play.scene import Violation


class Reviewing(Deciding):
    """Adds the steps of the review after the fact."""

    async def do_look(self) -> None:
        if not self.session_id:
            return
        for proposal in self.proposals.values():
            if proposal.accepted and proposal.written:
                self.ledger.forget(set(proposal.shown))
        late = {str(save.path.relative_to(self.disk.folder)) for save in self.saves}
        found = await self.supervisor.review.items(self.disk.folder, fresh=True)
        self._looked()
        self._check_histories()
        for item in found.items:
            if item.path in late or item.change.part.kind == "whole":
                continue
            # A line that was last in the file and got an end is shown with what comes behind it.
            old = [
                part
                for each in found.items
                if each.path == item.path
                for part in each.change.part.old
            ]
            mine = tokens(item.change.part.new) - tokens(old) - self.ledger.copied
            if mine:
                raise Violation(
                    f"{mine} of {item.path} was saved by the person and is shown as {item.change}"
                )

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
        done = await self.supervisor.review.undo_turn(self.disk.folder, turn.name, "me")
        self._looked()
        self._check_undone(turn.name, number, int(turn.name.rpartition("/")[2]), done)
        self._note_taken_back(done)
        self.ledger.returned |= tokens(self.disk.all().values()) - before

    def _check_undone(self, turn: str, index: int, number: int, done: TakenBack) -> None:
        now = self.disk.all()
        refused = {*done.outcome.touched, *done.outcome.left}
        if not refused:
            missing = {
                token.decode()
                for token, by in self.ledger.taken.items()
                if by[0] >= number and token not in tokens(now.values())
            }
            if missing:
                raise Violation(f"the agent took {missing}, which did not come back")
        since, baseline = self.baselines[turn]
        for name in baseline.keys() | now.keys():
            if self.ledger.touched.get(name, -1) >= since or name in self.editor.buffers:
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
