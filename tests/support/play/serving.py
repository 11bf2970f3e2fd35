"""What happens to the server: kills, crashes, restarts, the end. `reviewing` stands below."""

from __future__ import annotations

import shutil
from collections.abc import Collection

from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.model.events import (
    ApprovalResolved,
)
from autopilot_ls.model.state import SessionState
from tests.support.play.disk import ALL, SIGNED, TEXTS, tokens
from tests.support.play.killing import Kept
from tests.support.play.reviewing import Reviewing
from tests.support.play.scene import Violation


class Serving(Reviewing):
    """Adds the steps of the server."""

    async def do_kill(self, left: int) -> None:
        """Have the server killed in the middle of the next step."""
        self.armed = (left % 15, ("kill",))

    def quick_kill(self) -> None:
        if (self.root / "state").exists():
            self.killed = Kept.of(self.root, self.disk, self.editor, self.ledger)

    async def revive(self) -> None:
        """Go on as after a kill: with what was on disk and in the editor at that moment."""
        kept, self.killed = self.killed, None
        assert kept is not None
        kept.shelve()
        self.deaf = True
        self.attachment.detach()
        await self.close()
        kept.bring_back(self.editor)
        lost = kept.must - tokens(self.disk.all().values())
        if lost:
            raise Violation(f"a kill at that moment loses {sorted(lost)}")
        self._forget()
        self.ledger.touch(set(ALL))
        self.ledger.copied |= tokens(self.disk.all().values())
        for proposal in self.proposals.values():
            proposal.accepted = False
        self.ledger.begin()
        # What lay ready is only a copy.
        files = {name: data for name, data in self.disk.all().items() if ".autopilot-" not in name}
        self.ledger.must_disk = tokens(files.values())
        await self.open()
        self._remember()
        self.deaf = False
        await self._resume()

    async def _resume(self) -> None:
        """Open the sessions again that are not open."""
        present = self.role
        self.reopening = True
        for role in self.roles:
            self.role = role
            if role.id and not self.is_open:
                await self.supervisor.resume(role.id)
                await self.stage.quiet()
                self.cast()
        self.reopening = False
        self.role = present

    def _remember(self) -> None:
        """Know of the sessions what their records say."""
        self.decided.clear()
        for role in self.roles:
            role.state = SessionState(role.id)
            try:
                events = list(self.supervisor.store.read_events(role.id)) if role.id else []
            except AutopilotError:
                role.id = ""
                continue
            for event in events:
                role.state.apply(event)
                if isinstance(event.body, ApprovalResolved):
                    self.decided[event.body.approval_id] += 1
            role.turns = role.state.turn_count

    async def do_store(self) -> None:
        assert self.stage.reviews is not None
        await self.stage.reviews.store()

    def _forget(self) -> None:
        """What nobody looked at, or was not told of, is not known as anybody's after a restart."""
        for save in self.saves:
            self.ledger.copied |= tokens([save.text])
        self.saves.clear()
        self.ledger.strays |= tokens(self.disk.all().values(), SIGNED)
        self.ledger.touch(self.unlooked | set(ALL) if self.is_at_work() else self.unlooked)
        self.ledger.taken.clear()
        for role in self.roles:
            role.commands.clear()
        for proposal in self.proposals.values():
            if proposal.accepted:
                self.ledger.touch(set(proposal.shown))

    async def do_restart(self) -> None:
        self._forget()
        live = self.supervisor.live_sessions()
        await self.close()
        self._check_records(live)
        await self.open()

    async def do_crash(self, stored: int) -> None:
        self.armed = None
        if stored % 2:
            await self.do_store()
        else:
            # The review that is found again is an old one.
            self.ledger.touch(set(ALL))
            self.ledger.copied |= tokens(self.disk.all().values())
        self.ledger.copied |= self.saved_since
        self._forget()
        state, kept = self.root / "state", self.root / "kept"
        if not state.exists():
            return
        shutil.copytree(state, kept / "state")
        shutil.copytree(self.disk.folder, kept / "work", symlinks=True)
        self.deaf = True
        self.attachment.detach()
        await self.close()
        self.deaf = False
        shutil.rmtree(state)
        (kept / "state").rename(state)
        shutil.rmtree(self.disk.folder)
        (kept / "work").rename(self.disk.folder)
        for proposal in self.proposals.values():
            proposal.accepted = False
        await self.open()

    def _check_records(self, live: Collection[str]) -> None:
        for role in self.roles:
            if not role.id:
                continue
            replayed = SessionState(role.id)
            for event in self.supervisor.store.read_events(role.id):
                replayed.apply(event)
            if replayed.snapshot() != role.state.snapshot():
                raise Violation("the record does not give the state that was live")
            if role.id in live and replayed.snapshot().pending:
                raise Violation("something waits after the end")

    async def do_finish(self) -> None:
        """Save all, end the turn, undo all that agents did, and compare."""
        self.armed = None
        await self._resume()
        await self.do_notify()
        for name in list(self.editor.buffers):
            self.quick_save(TEXTS.index(name), 1)
            with self.ledger.deed():
                del self.editor.buffers[name]
        await self.do_notify()
        await self.do_look()
        for role in self.roles:
            self.role = role
            await self.do_end()
        await self.do_look()
        turns = self.supervisor.review.known(self.disk.folder).turns
        first = {turn.session_id: number for number, turn in reversed(list(enumerate(turns)))}
        for number in first.values():
            await self.do_undo_turn(len(turns) - 1 - number)
        await self.do_look()
        live = self.supervisor.live_sessions()
        await self.close()
        self._check_records(live)
