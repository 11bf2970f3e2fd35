"""What the agent does: turns, commands, files that it writes, patches that it asks for. `people` stands below."""

from __future__ import annotations

from typing import Final

from autopilot_ls.edits.history import ABSENT
from autopilot_ls.model.approvals import (
    Mode,
    PatchAction,
)
from autopilot_ls.model.events import (
    ItemCompleted,
    ItemStarted,
    RuntimeExited,
)
from autopilot_ls.model.items import CommandExecution, ItemStatus
from autopilot_ls.runtimes.base import ApprovalWithdrawn, RuntimeEvent
from autopilot_ls.supervisor.requests import StartTurn
from tests.support.play.agent import Proposal
from tests.support.play.disk import ALL, NEW, picked
from tests.support.play.people import People

MODES: Final = (Mode.PROPOSE, Mode.PROPOSE, Mode.AUTO, Mode.READ_ONLY, Mode.ESCALATE)


class AtWork(People):
    """Adds the steps of the agent."""

    async def do_other(self) -> None:
        """From now on it is the other session whose agent acts, and whose patches are decided on."""
        self.role = self.roles[1 - self.role.number]
        self.patcher.sign = self.role.number

    async def do_turn(self) -> None:
        if self.agent is not None:
            return
        request = StartTurn(
            text="do it", cwd=str(self.disk.folder), session_id=self.role.id or None
        )
        self.reopening = True
        try:
            self.role.id = (await self.supervisor.start_turn(request, "me")).session_id
        finally:
            self.reopening = False

    async def do_end(self) -> None:
        agent = self.agent
        if agent is not None:
            self._may_miss()
            for approval in self.supervisor.approvals(self.role.id):
                agent.say(ApprovalWithdrawn(approval.native_key))
            agent.end_turn()
            await self.stage.quiet()

    def _may_miss(self) -> None:
        """What was accepted and written but not settled before a look is not known as a patch's."""
        for proposal in self.proposals.values():
            if proposal.accepted:
                self.ledger.forget(set(proposal.shown))

    async def do_interrupt(self) -> None:
        if self.agent is not None:
            self._may_miss()
            await self.supervisor.interrupt(self.role.id, "me")

    async def do_die(self) -> None:
        agent = self.agent
        if agent is not None:
            self._may_miss()
            agent.say(RuntimeEvent(RuntimeExited(expected=False, code=1)))

    async def do_mode(self, which: int) -> None:
        if self.is_open:
            mode = MODES[which % len(MODES)]
            await self.supervisor.set_mode(mode, session_id=self.role.id, changed_by="me")

    async def do_command(self, which: int) -> None:
        agent = self.agent
        if agent is None:
            return
        if self.role.commands and which % 3 == 0:
            key, status = (
                self.role.commands.pop(which % len(self.role.commands)),
                ItemStatus.COMPLETED,
            )
        else:
            self.keys += 1
            key, status = f"c{self.keys}", ItemStatus.IN_PROGRESS
            self.role.commands.append(key)
            self.role.worked = True
            if self._others_worked():
                self.ledger.forget(self.unlooked)
        item = CommandExecution(id=key, command=f"make {key}", status=status)
        body = (
            ItemCompleted(item=item) if status is ItemStatus.COMPLETED else ItemStarted(item=item)
        )
        agent.say(RuntimeEvent(body, "thread", f"turn{agent.turns}"))

    def _others_worked(self) -> bool:
        return any(role.worked for role in self.roles if role is not self.role)

    async def do_write(self, file: int, seed: int, how: int) -> None:
        """A command of the agent, or something that it left running, writes a file."""
        if self.agent is None and not self.is_at_work():
            return
        name = picked(ALL, file)
        exact = bool(self.role.commands) and self.agent is not None and not self.committed
        # What commands of two sessions may have done is nobody's.
        exact = exact and not self._others_worked()
        data = self.disk.data(name)
        self.unlooked.add(name)
        # Of what no known command does, nobody can tell which session does it.
        targets = self.renamed | self._targets()
        known = self.role.commands and self.agent is not None and name not in targets
        sign = self.role.number if known else -1
        with self.ledger.deed(agent=self.role.turn, sign=sign, exact=exact):
            path = self.disk.path(name)
            match how % 12:
                case 0:
                    self.disk.write(name, None)
                case 1:
                    self.disk.write(name, self.patcher.line() + self.patcher.line())
                case 2 if data is not None:
                    path.chmod(path.stat().st_mode ^ 0o111)
                    self.disk.times[name] = self.disk.now
                case 3 if data is not None and self.disk.content(target := NEW[seed % 3]) == ABSENT:
                    self.disk.write(target, data)
                    self.disk.write(name, None)
                    self.unlooked.add(target)
                case 4 if how % 24 == 4:
                    self.disk.write(name, b"\x00" + (data or b""))
                case 5 if how % 24 == 5:
                    self.disk.write(name, None)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.symlink_to("a.txt")
                    self.disk.times[name] = self.disk.now
                case _:
                    edited = self.patcher.edited(data or b"", seed, 1 + seed % 4)
                    self.disk.write(name, edited)

    def _targets(self) -> set[str]:
        """Return the names that accepted patches, which are not written yet, give to files."""
        accepted = (each for each in self.proposals.values() if each.accepted)
        return {piece.move_to for each in accepted for piece in each.pieces if piece.move_to}

    async def do_ask(self, seed: int) -> None:
        agent = self.agent
        pieces = self.patcher.pieces(seed)
        if agent is None or not pieces:
            return
        self.keys += 1
        key = f"k{self.keys}"
        names = [name for piece in pieces for name in (piece.name, piece.move_to) if name]
        at = {name: self.disk.data(name) for name in names}
        self.proposals[key] = Proposal(key, f"i{self.keys}", pieces, self.role.turn, at)
        action = PatchAction(changes=tuple(piece.proposed(self.disk) for piece in pieces))
        agent.ask(action, key, f"i{self.keys}")

    def _accepted(self, which: int) -> Proposal | None:
        mine = [each for each in self.proposals.values() if each.turn[0] == self.role.id]
        found = [proposal for proposal in mine if proposal.accepted]
        return found[which % len(found)] if found else None

    async def do_apply(self, which: int, how: int, report: int) -> None:
        """The agent writes a patch that was accepted, and reports, at once or later."""
        agent, proposal = self.agent, self._accepted(which)
        if agent is None or proposal is None or proposal.turn != self.role.turn:
            return
        well = False
        if not proposal.written:
            names = {
                name
                for piece in proposal.pieces
                for name in (piece.name, piece.move_to)
                if name is not None
            }
            hidden = {
                name
                for name in names & self.unlooked
                if proposal.before.get(name) != self.disk.data(name)
            }
            self.unlooked |= names
            self.renamed |= {piece.move_to for piece in proposal.pieces if piece.move_to}
            with self.ledger.deed(agent=self.role.turn, sign=self.role.number):
                well = self.patcher.write(proposal, how)
            # What came since the decision, and is written over before anybody looks, is not seen.
            self.ledger.forget(hidden)
        if report % 4 == 0:
            return
        status = ItemStatus.COMPLETED if well != (report % 8 == 7) else ItemStatus.FAILED
        proposal.accepted = False
        agent.patch_done(proposal.item, status)
        await self.stage.quiet()
