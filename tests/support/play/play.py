"""A play: a person, an agent, other programs and the supervisor, all doing things to the same files.

A script is a list of steps, each a name and some numbers; numbers choose among what there is, so that any part
of a script is a script, and what cannot be done is let pass. After each step all that must hold is checked.
Not aware of pytest; `script` makes scripts.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

from autopilot_ls.edits.check import is_clean
from autopilot_ls.edits.contents import read_content
from autopilot_ls.edits.history import ABSENT, Content
from autopilot_ls.edits.lines import split
from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    Decision,
    DecisionKind,
    Mark,
    Mode,
    PatchAction,
)
from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    Event,
    FilesSettled,
    ItemCompleted,
    ItemStarted,
    Notice,
    RuntimeExited,
    TurnStarted,
)
from autopilot_ls.model.items import CommandExecution, ItemStatus
from autopilot_ls.model.review import chosen, expanded, units_of
from autopilot_ls.model.state import SessionState
from autopilot_ls.runtimes.base import ApprovalWithdrawn, RuntimeEvent
from autopilot_ls.settings.tree import ReviewSettings, Settings
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.review.desk import TakenBack
from autopilot_ls.supervisor.supervisor import Supervisor, open_supervisor
from tests.support.play.agent import Patcher, Proposal
from tests.support.play.disk import ALL, NEW, TEXTS, Disk, picked, tokens
from tests.support.play.editor import Editor, Save
from tests.support.play.killing import Kept
from tests.support.play.ledger import Ledger
from tests.support.play.shift import Shift
from tests.support.play.stage import Stage
from tests.unit.supervisor.played_runtime import PlayedFactory, PlayedRuntime

Step = tuple[str | int, ...]
Script = Sequence[Step]

STEP_LIMIT: Final = 60.0
MODES: Final = (Mode.PROPOSE, Mode.PROPOSE, Mode.AUTO, Mode.READ_ONLY, Mode.ESCALATE)


LOOKING: Final = frozenset(
    ("turn", "end", "interrupt", "die", "look", "undo", "undo_turn", "redo", "restart", "finish")
)
"""Steps at which the workspace is looked at."""

TAKING_BACK: Final = frozenset(("undo", "undo_turn", "redo"))


class Violation(AssertionError):
    """Something that must hold does not."""


class Play:
    """One play; `run` plays a script to its end."""

    def __init__(self, root: Path, *, real: bool = False) -> None:
        self.root = root
        self.disk = Disk(root / "work")
        self.editor = Editor(self.disk, like_vim=False, heard=self.heard)
        self.ledger = Ledger(self.disk, self.editor)
        self.editor.took = self.took
        self.killed: Kept | None = None
        self.stage = Stage(self.disk, real)
        self.patcher = Patcher(self.disk)
        self.settings = Settings(
            state_dir=root / "state",
            policy_file=root / "policy.toml",
            review=ReviewSettings(enabled=True),
        )
        self.state = SessionState("")
        self.session_id = ""
        self.supervisor: Supervisor
        self.factory: PlayedFactory
        self.context: AbstractAsyncContextManager[Supervisor] | None = None
        self.proposals: dict[str, Proposal] = {}
        self.approvals: dict[str, Approval] = {}
        self.decided = Counter[str]()
        self.commands: list[str] = []
        self.saves: list[Save] = []
        self.baselines: dict[str, tuple[int, dict[str, Content]]] = {}
        self.turns = 0
        self.keys = 0
        self.armed: tuple[int, Step] | None = None
        self.fired = False
        self.now = ""
        self.committed = False
        self.saw_unsaid = False
        self.saved_since: set[bytes] = set()
        self.deaf = False
        self.faults: list[str] = []
        self.unlooked: set[str] = set()
        self.done = Counter[str]()

    # The frame ------------------------------------------------------------------------------------

    async def run(self, script: Script) -> None:
        """Play a script and its end.

        Raises:
            Violation: Something that must hold does not, or an error came that nobody expects.
        """
        self.disk.folder.mkdir(parents=True)
        self.disk.fill()
        self.stage.before_thread = self.interloper
        with self.stage.set_up():
            await self.open()
            try:
                for number, step in enumerate([*script, ("finish",)]):
                    try:
                        await self.step(step)
                    except Violation as error:
                        raise Violation(f"step {number} {step}: {error}") from error
                    except Exception as error:
                        raise Violation(f"step {number} {step}: {error!r}") from error
            finally:
                await self.close()

    async def open(self) -> None:
        self.factory = PlayedFactory()
        self.context = open_supervisor(self.settings, factories={"codex": self.factory})
        self.supervisor = await self.context.__aenter__()
        self.attachment = self.supervisor.attach(self.editor)
        await self.supervisor.review.restore(self.disk.folder)

    async def close(self) -> None:
        context, self.context = self.context, None
        if context is not None:
            await context.__aexit__(None, None, None)

    async def step(self, step: Step) -> None:
        name, *numbers = step
        self.ledger.begin()
        self.editor.told.clear()
        self.fired = False
        self.now = str(name)
        async with asyncio.timeout(STEP_LIMIT):
            try:
                if self.saves and name in LOOKING and (self.saw_unsaid or name in TAKING_BACK):
                    await self.do_notify()  # It comes late, but not for ever.
                await getattr(self, f"do_{name}")(*numbers)
                self.done[str(name)] += 1
            except AutopilotError as error:
                if "Internal error" in str(error):
                    raise Violation(f"internal error: {error}") from error
                self.done[f"{name}: {type(error).__name__}"] += 1
            await self.stage.quiet()
            if self.killed is not None:
                await self.revive()
        self.saw_unsaid = bool(self.saves) and (self.saw_unsaid or name in LOOKING)
        if name not in ("during", "kill"):
            self.armed = None
        self.check(name)

    def check(self, name: str | int) -> None:
        lost = self.ledger.end(self.turns)
        if not lost and name in TAKING_BACK and not self.fired:
            lost = self.ledger.overwritten
        faults = [fault for fault in (lost, *self.faults, *self.stage.problems) if fault]
        if faults:
            raise Violation(faults[0])
        twice = [key for key, times in self.decided.items() if times > 1]
        answers = Counter(key for runtime in self.factory.runtimes for key, _ in runtime.answers)
        twice += [key for key, times in answers.items() if times > 1]
        if twice:
            raise Violation(f"decided more than once: {twice}")
        if not self.session_id or self.ledger.step % 4 or not self.is_open:
            return
        if self.state.snapshot() != self.supervisor.snapshot(self.session_id):
            raise Violation("the events do not give the live state")

    @property
    def is_open(self) -> bool:
        return self.session_id in self.supervisor.live_sessions()

    @property
    def agent(self) -> PlayedRuntime | None:
        if not self.factory.runtimes or not self.is_open:
            return None
        return self.factory.last if self.state.active_turn_id is not None else None

    def interloper(self) -> None:
        """Have what was armed happen now, if it is time."""
        if self.armed is None:
            return
        left, step = self.armed
        self.armed = (left - 1, step)
        if left > 0:
            return
        self.armed, self.fired = None, True
        name, *numbers = step
        getattr(self, f"quick_{name}")(*numbers)

    def took(self, name: str, before: str, after: str) -> None:
        """The editor has taken accepted hunks into a buffer."""
        gone = tokens([before]) - tokens([after]) - self.ledger.accepted
        if gone:
            self.faults.append(f"{gone} went from the unsaved text of {name}")
        self.ledger.texts[name] = (after, True)

    # What is heard --------------------------------------------------------------------------------

    def heard(self, event: Event) -> None:
        if self.deaf:
            return
        if self.state.session_id != event.session_id:
            self.state = SessionState(event.session_id)
        self.state.apply(event)
        match event.body:
            case ApprovalRequested(approval=approval):
                self.approvals[approval.id] = approval
            case ApprovalResolved(approval_id=key, decision=decision):
                self.decided[key] += 1
                if decision.hunks is not None:
                    self._chosen(self.approvals[key], decision)
            case FilesSettled() as settled:
                self._settled(settled)
            case TurnStarted():
                self._turn_started()
            case Notice(message=message) if "nternal error" in message:
                self.faults.append(message)
            case _:
                pass

    def _proposal(self, approval_id: str) -> Proposal:
        return self.proposals[self.approvals[approval_id].native_key]

    def _chosen(self, approval: Approval, decision: Decision) -> None:
        proposal = self._proposal(approval.id)
        files = chosen(approval, decision.hunks)
        proposal.before, proposal.shown = {}, {}
        olds = proposal.at
        for file in files:
            name = self._name(file.path)
            if decision.in_editor or file.path in decision.merged:
                self.ledger.accepted |= tokens(
                    line for hunk in file.hunks for line in hunk.old_lines
                )
                continue
            old = proposal.before[name] = self.disk.data(name)
            lines = split(old or b"")
            if file.kind is not ChangeKind.ADD:
                touched = {key: value for key, value in proposal.at.items() if key == name}
                part = dataclasses.replace(proposal, at=touched)
                self._require_as_proposed(part, decision)
            shift = Shift(olds.get(name) or b"", old or b"")
            for hunk in reversed(file.hunks):
                start = shift.of(hunk.old_start - 1, len(hunk.old_lines))
                if start is None:
                    self.faults.append(f"a hunk of {name} goes where the person saved something")
                    continue
                if lines[start : start + len(hunk.old_lines)] != [
                    line.encode() for line in hunk.old_lines
                ]:
                    self.faults.append(f"a hunk of {name} does not fit what is on disk")
                self.ledger.accepted |= tokens(hunk.old_lines)
                lines[start : start + len(hunk.old_lines)] = [
                    line.encode() for line in hunk.new_lines
                ]
            gone = file.kind.value == "delete"
            proposal.shown[name] = None if gone else b"".join(lines)
            if file.move_to is not None:
                target = self._name(file.move_to)
                proposal.before[target] = None
                proposal.shown[target] = proposal.shown[name]
                proposal.shown[name] = None
                self.ledger.copied |= tokens([proposal.shown[target]])

    def _name(self, path: str) -> str:
        return str(Path(path).relative_to(self.disk.folder.resolve()))

    def answered(self, key: str, decision: Decision) -> None:
        proposal = self.proposals.get(key)
        if proposal is None or not decision.kind.accepts:
            return
        proposal.accepted = True
        self._require_as_proposed(proposal, decision)
        for piece in proposal.pieces:
            dirty = [
                name
                for name in (piece.name, piece.move_to)
                if name in self.editor.buffers and self._is_unsaved(name)
            ]
            if (
                dirty and not self.fired
            ):  # What is typed while the answer is on its way stays unsaved.
                self.faults.append(f"accepted over unsaved changes of {dirty}")
            proposal.before[piece.name] = self.disk.data(piece.name)
            proposal.shown[piece.name] = None if piece.move_to else piece.new
            if piece.move_to is not None:
                proposal.before[piece.move_to] = self.disk.data(piece.move_to)
                proposal.shown[piece.move_to] = piece.new

    def _require_as_proposed(self, proposal: Proposal, decision: Decision) -> None:
        """Nothing is accepted for files that are not what they were, but for what a person saved."""
        for name, data in proposal.at.items() if not self.fired else ():
            now = self.disk.data(name)
            buffer = self.editor.buffers.get(name)
            saved = None if buffer is None else buffer.saved
            mine = decision.hunks is not None and saved is not None and is_clean(saved, now)
            if now != data and not mine:
                self.faults.append(f"accepted, though {name} was changed since it was proposed")

    def _is_unsaved(self, name: str) -> bool:
        def plain(text: str) -> str:
            return text.replace("\r\n", "\n").replace("\r", "\n").strip("\ufeff\n")

        return plain(self.editor.buffers[name].text) != plain(
            (self.disk.data(name) or b"").decode(errors="replace")
        )

    def _settled(self, settled: FilesSettled) -> None:
        proposal = self._proposal(settled.approval_id)
        now = {name: self.disk.data(name) for name in proposal.shown}
        wanted = {
            "applied": proposal.shown,
            "unchanged": proposal.before,
            "restored": proposal.before,
        }
        outcome = settled.outcome
        if "Autopilot ended" in settled.detail or self.reopening:
            return  # After a crash it is known only what can still be seen.
        if outcome in wanted and now != wanted[outcome]:
            self.faults.append(f"settled as {outcome}, which is not so: {settled.detail}")
        alone = not any(
            other is not proposal and other.accepted and other.shown.keys() & now.keys()
            for other in self.proposals.values()
        )
        # Where another one was written over it and is brought back in the same moment, it shows again.
        if alone and outcome == "different" and now == proposal.shown:
            self.faults.append(f"settled as different, though all is applied: {settled.detail}")
        if outcome != "applied":
            self.ledger.forget(set(now))

    reopening = False

    # The person -----------------------------------------------------------------------------------

    async def do_open(self, file: int) -> None:
        self.editor.open(picked(TEXTS, file))

    async def do_type(self, file: int, where: int, how: int) -> None:
        self.quick_type(file, where, how)

    def quick_type(self, file: int, where: int, how: int) -> None:
        name = picked(TEXTS, file)
        with self.ledger.deed():
            self.editor.open(name)
            if name in self.editor.buffers:
                self.editor.type(name, where, how)

    async def do_touch(self, which: int, where: int, how: int, save: int) -> None:
        """The person types into a file that a waiting patch is about, and may save it."""
        approval = self._waiting(which)
        proposal = None if approval is None else self.proposals.get(approval.native_key)
        if proposal is None:
            return
        number = TEXTS.index(proposal.pieces[where % len(proposal.pieces)].name)
        self.quick_type(number, where, how)
        if save % 3 == 0:
            self.quick_save(number, 1)
            if save % 2:
                await self.do_notify()

    async def do_take_back(self, file: int) -> None:
        name = picked(TEXTS, file)
        with self.ledger.deed():
            if name in self.editor.buffers:
                self.editor.take_back(name)

    async def do_close(self, file: int, discard: int) -> None:
        name = picked(TEXTS, file)
        with self.ledger.deed():
            buffer = self.editor.buffers.get(name)
            if buffer is not None and (not buffer.dirty or discard % 4 == 0):
                del self.editor.buffers[name]

    async def do_look_up(self, file: int) -> None:
        """The editor notices by itself what has changed on disk."""
        with self.ledger.deed():
            self.editor.reload(picked(TEXTS, file))

    async def do_save(self, file: int, over: int, late: int) -> None:
        self.quick_save(file, over)
        if late % 4:
            await self.do_notify()

    def quick_save(self, file: int, over: int) -> None:
        name = picked(TEXTS, file)
        if name not in self.editor.buffers:
            return
        stale = self.editor.buffers[name].base != self.disk.data(name)
        before = tokens([self.disk.data(name)])
        with self.ledger.deed():
            save = self.editor.save(name, over=over % 3 > 0)
        if save is not None:
            self.saves.append(save)
            self.saved_since |= tokens([save.text])
        if save is not None:
            for token in tokens([save.loaded]) - tokens([save.text]):
                self.ledger.taken.pop(token, None)
        if save is not None and stale:
            # Who saves over what they have not seen takes out what was in it.
            for token, (_, where) in list(self.ledger.taken.items()):
                if where == name and token not in tokens([save.text]):
                    del self.ledger.taken[token]
            # What an editor had read long ago cannot be told from what it has just read.
            self.ledger.copied |= tokens([save.loaded]) - before

    async def do_notify(self) -> None:
        while self.saves:
            save = self.saves.pop(0)
            await self.supervisor.review.saved(save.path, save.loaded, save.text)

    # Others ---------------------------------------------------------------------------------------

    def is_at_work(self) -> bool:
        known = self.supervisor.review.known(self.disk.folder)
        return any(turn.at_work for turn in known.turns)

    async def do_outside(self, file: int, where: int, how: int) -> None:
        self.quick_outside(file, where, how)

    def quick_outside(self, file: int, where: int, how: int) -> None:
        name = picked(TEXTS, file)
        data = self.disk.data(name)
        with self.ledger.deed():
            if data is None:
                self.disk.write(name, self._outside_line())
                return
            lines = split(data)
            at = where % (len(lines) + 1)
            match how % 5:
                case 0 if lines:
                    del lines[at % len(lines)]
                case 1:
                    self.disk.write(name, None)
                    return
                case _:
                    if at and not lines[at - 1].endswith((b"\n", b"\r")):
                        lines[at - 1] += b"\n"
                    lines.insert(at, self._outside_line())
            self.disk.write(name, b"".join(lines))

    def _outside_line(self) -> bytes:
        self.keys += 1
        # What happens while a turn begins cannot be told from what its agent does first.
        near = self.armed or (self.fired and self.now in ("turn", "mode"))
        mark = "o" if self.is_at_work() or near else "x"
        return f"{mark}{self.keys}~ another program\n".encode()

    async def do_commit(self) -> None:
        self.stage.snapshots.commits.append(self.disk.all())
        self.committed = True
        self.ledger.touch(self.unlooked)

    # The agent ------------------------------------------------------------------------------------

    async def do_turn(self) -> None:
        if self.agent is not None:
            return
        request = StartTurn(
            text="do it", cwd=str(self.disk.folder), session_id=self.session_id or None
        )
        self.reopening = True
        try:
            self.session_id = (await self.supervisor.start_turn(request, "me")).session_id
        finally:
            self.reopening = False

    def _turn_started(self) -> None:
        self.turns = self.state.turn_count
        self.commands.clear()
        self.factory.last.on_answer = self.answered
        name = f"{self.state.session_id}/{self.turns}"
        self.baselines[name] = (self.ledger.step, self.disk.all())
        self._looked()

    async def do_end(self) -> None:
        agent = self.agent
        if agent is not None:
            self._may_miss()
            for approval in self.supervisor.approvals(self.session_id):
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
            await self.supervisor.interrupt(self.session_id, "me")

    async def do_die(self) -> None:
        agent = self.agent
        if agent is not None:
            self._may_miss()
            agent.say(RuntimeEvent(RuntimeExited(expected=False, code=1)))

    async def do_mode(self, which: int) -> None:
        if self.is_open:
            mode = MODES[which % len(MODES)]
            await self.supervisor.set_mode(mode, session_id=self.session_id, changed_by="me")

    async def do_command(self, which: int) -> None:
        agent = self.agent
        if agent is None:
            return
        if self.commands and which % 3 == 0:
            key, status = self.commands.pop(which % len(self.commands)), ItemStatus.COMPLETED
        else:
            self.keys += 1
            key, status = f"c{self.keys}", ItemStatus.IN_PROGRESS
            self.commands.append(key)
        item = CommandExecution(id=key, command=f"make {key}", status=status)
        body = (
            ItemCompleted(item=item) if status is ItemStatus.COMPLETED else ItemStarted(item=item)
        )
        agent.say(RuntimeEvent(body, "thread", f"turn{agent.turns}"))

    async def do_write(self, file: int, seed: int, how: int) -> None:
        """A command of the agent, or something that it left running, writes a file."""
        if self.agent is None and not self.is_at_work():
            return
        name = picked(ALL, file)
        exact = bool(self.commands) and self.agent is not None and not self.committed
        data = self.disk.data(name)
        self.unlooked.add(name)
        with self.ledger.deed(agent=self.turns, exact=exact):
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

    async def do_ask(self, seed: int) -> None:
        agent = self.agent
        pieces = self.patcher.pieces(seed)
        if agent is None or not pieces:
            return
        self.keys += 1
        key = f"k{self.keys}"
        names = [name for piece in pieces for name in (piece.name, piece.move_to) if name]
        at = {name: self.disk.data(name) for name in names}
        self.proposals[key] = Proposal(key, f"i{self.keys}", pieces, self.turns, at)
        action = PatchAction(changes=tuple(piece.proposed(self.disk) for piece in pieces))
        agent.ask(action, key, f"i{self.keys}")

    def _accepted(self, which: int) -> Proposal | None:
        found = [proposal for proposal in self.proposals.values() if proposal.accepted]
        return found[which % len(found)] if found else None

    async def do_apply(self, which: int, how: int, report: int) -> None:
        """The agent writes a patch that was accepted, and reports, at once or later."""
        agent, proposal = self.agent, self._accepted(which)
        if agent is None or proposal is None or proposal.turn != self.turns:
            return
        well = False
        if not proposal.written:
            names = {name for piece in proposal.pieces for name in (piece.name, piece.move_to)}
            self.unlooked |= {name for name in names if name}
            with self.ledger.deed(agent=self.turns):
                well = self.patcher.write(proposal, how)
        if report % 4 == 0:
            return
        status = ItemStatus.COMPLETED if well != (report % 8 == 7) else ItemStatus.FAILED
        proposal.accepted = False
        agent.patch_done(proposal.item, status)
        await self.stage.quiet()

    # What the person says to changes --------------------------------------------------------------

    def _waiting(self, which: int) -> Approval | None:
        if not self.is_open:
            return None
        waiting = self.supervisor.approvals(self.session_id)
        return waiting[which % len(waiting)] if waiting else None

    @staticmethod
    def _subset(approval: Approval, bits: int) -> list[str]:
        units = list(units_of(approval))
        chance = random.Random(bits)
        return [unit.id for unit in units if chance.randrange(2)]

    async def do_decide(self, which: int, how: int, bits: int) -> None:
        approval = self._waiting(which)
        if approval is None:
            return
        kinds = (
            DecisionKind.ACCEPT,
            DecisionKind.ACCEPT,
            DecisionKind.ACCEPT,
            DecisionKind.DECLINE,
            DecisionKind.CANCEL,
            DecisionKind.ACCEPT_FOR_SESSION,
        )
        kind = kinds[how % len(kinds)]
        hunks = self._subset(approval, bits) if how % len(kinds) in (1, 2) else None
        in_editor = bool(hunks) and how // 6 % 5 == 4 and self._preview(approval, hunks or [])
        merge = how // 6 % 2 == 1 and not in_editor
        await self.supervisor.decide(
            approval.id, kind, decided_by="me", hunks=hunks, in_editor=in_editor, merge=merge
        )

    def _preview(self, approval: Approval, hunks: Sequence[str]) -> bool:
        """Make the hunks in the editor, as its preview does; tells whether that is possible."""
        files = chosen(approval, expanded(approval, hunks))
        olds = self._proposal(approval.id).at
        names = [self._name(file.path) for file in files]
        for name, file in zip(names, files, strict=True):
            self.editor.open(name)
            buffer = self.editor.buffers.get(name)
            plain = file.kind is ChangeKind.UPDATE and file.move_to is None and file.hunks
            if not plain or buffer is None or buffer.text.encode() != olds[name]:
                return False
        with self.ledger.deed():
            for name, file in zip(names, files, strict=True):
                buffer = self.editor.buffers[name]
                lines = [line.decode() for line in split(buffer.text.encode())]
                for hunk in reversed(file.hunks):
                    start = hunk.old_start - 1
                    lines[start : start + len(hunk.old_lines)] = hunk.new_lines
                buffer.undo.append(buffer.text)
                buffer.text = "".join(lines)
        return True

    async def do_mark(self, which: int, bits: int, how: int) -> None:
        approval = self._waiting(which)
        if approval is not None:
            mark = (Mark.ACCEPT, Mark.ACCEPT, Mark.REJECT, None)[how % 4]
            hunks = self._subset(approval, bits)
            merge = how // 4 % 3 == 2
            await self.supervisor.mark(
                approval.id, hunks, mark, marked_by="me", message="No.", merge=merge
            )

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

    def _looked(self) -> None:
        self.unlooked.clear()
        self.saved_since.clear()
        self.committed = False

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

    # The server -----------------------------------------------------------------------------------

    async def do_during(self, left: int, which: int, *numbers: int) -> None:
        """Have something happen in the middle of the next step."""
        quick = ("type", "type", "save", "outside")[which % 4]
        given = numbers[:2] if quick == "save" else numbers
        self.armed = (left % 8, (quick, *given))

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
        if self.session_id:
            self.reopening = True
            await self.supervisor.resume(self.session_id)
            await self.stage.quiet()
            self.reopening = False

    def _remember(self) -> None:
        """Know of the session what its record says."""
        self.state = SessionState(self.session_id)
        self.decided.clear()
        try:
            events = list(self.supervisor.store.read_events(self.session_id))
        except AutopilotError:
            self.session_id = ""
            return
        for event in events:
            self.state.apply(event)
            if isinstance(event.body, ApprovalResolved):
                self.decided[event.body.approval_id] += 1
        self.turns = self.state.turn_count

    async def do_store(self) -> None:
        assert self.stage.reviews is not None
        await self.stage.reviews.store()

    def _forget(self) -> None:
        """What nobody looked at, or was not told of, is not known as anybody's after a restart."""
        for save in self.saves:
            self.ledger.copied |= tokens([save.text])
        self.saves.clear()
        self.ledger.touch(self.unlooked | set(ALL) if self.is_at_work() else self.unlooked)
        self.ledger.taken.clear()
        self.commands.clear()
        for proposal in self.proposals.values():
            if proposal.accepted:
                self.ledger.touch(set(proposal.shown))

    async def do_restart(self) -> None:
        self._forget()
        was_open = self.is_open
        await self.close()
        self._check_record(was_open=was_open)
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

    def _check_record(self, *, was_open: bool) -> None:
        if self.session_id:
            replayed = SessionState(self.session_id)
            for event in self.supervisor.store.read_events(self.session_id):
                replayed.apply(event)
            if replayed.snapshot() != self.state.snapshot():
                raise Violation("the record does not give the state that was live")
            if was_open and replayed.snapshot().pending:
                raise Violation("something waits after the end")

    async def do_finish(self) -> None:
        """Save all, end the turn, undo all that agents did, and compare."""
        self.armed = None
        if self.session_id and not self.is_open:
            self.reopening = True
            await self.supervisor.resume(self.session_id)
            self.reopening = False
        await self.do_notify()
        for name in list(self.editor.buffers):
            self.quick_save(TEXTS.index(name), 1)
            with self.ledger.deed():
                del self.editor.buffers[name]
        await self.do_notify()
        await self.do_look()
        await self.do_end()
        await self.do_look()
        turns = self.supervisor.review.known(self.disk.folder).turns
        if turns:
            await self.do_undo_turn(len(turns) - 1)
        await self.do_look()
        await self.close()
        self._check_record(was_open=True)
