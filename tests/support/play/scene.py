"""What is known of a play: its people, files, proposals and decisions, and what must hold of each event.

Not aware of the steps by which somebody does something: these stand above, one file for each who acts.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from autopilot_ls.edits.check import is_clean
from autopilot_ls.edits.history import Content
from autopilot_ls.edits.lines import split
from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    Decision,
)
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    Event,
    FilesSettled,
    Notice,
    TurnStarted,
)
from autopilot_ls.model.review import chosen
from autopilot_ls.model.state import SessionState
from autopilot_ls.settings.tree import ReviewSettings, Settings
from autopilot_ls.supervisor.supervisor import Supervisor, open_supervisor
from tests.support.own_policy import no_rules
from tests.support.play.agent import Patcher, Proposal
from tests.support.play.disk import Disk, strangers, tokens
from tests.support.play.editor import Editor, Save
from tests.support.play.killing import Kept
from tests.support.play.ledger import Ledger
from tests.support.play.role import Role
from tests.support.play.shift import Shift
from tests.support.play.stage import Stage
from tests.unit.supervisor.played_runtime import PlayedFactory, PlayedRuntime

Step = tuple[str | int, ...]
Script = Sequence[Step]


class Violation(AssertionError):
    """Something that must hold does not."""


class Scene:
    """One play's state, and what it hears."""

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
            policy_file=no_rules(root / "policy.toml"),
            review=ReviewSettings(enabled=True),
        )
        self.roles = (Role(0), Role(1))
        self.role = self.roles[0]
        """Whose agent acts, and whose patches are decided on."""
        self.known_agents = 0
        self.supervisor: Supervisor
        self.factory: PlayedFactory
        self.context: AbstractAsyncContextManager[Supervisor] | None = None
        self.proposals: dict[str, Proposal] = {}
        self.approvals: dict[str, Approval] = {}
        self.decided = Counter[str]()
        self.saves: list[Save] = []
        self.baselines: dict[str, tuple[int, dict[str, Content]]] = {}
        self.keys = 0
        self.armed: tuple[int, Step] | None = None
        self.fired = False
        self.reopening = False
        self.now = ""
        self.committed = False
        self.saw_unsaid = False
        self.saved_since: set[bytes] = set()
        self.deaf = False
        self.faults: list[str] = []
        self.unlooked: set[str] = set()
        self.renamed: set[str] = set()
        """Names that a patch has given since the last look."""
        self.done = Counter[str]()

    async def open(self) -> None:
        self.factory, self.known_agents = PlayedFactory(), 0
        self.context = open_supervisor(self.settings, factories={"codex": self.factory})
        self.supervisor = await self.context.__aenter__()
        self.attachment = self.supervisor.attach(self.editor)
        await self.supervisor.review.restore(self.disk.folder)

    async def close(self) -> None:
        context, self.context = self.context, None
        if context is not None:
            await context.__aexit__(None, None, None)

    @property
    def is_open(self) -> bool:
        return self.role.id in self.supervisor.live_sessions()

    @property
    def agent(self) -> PlayedRuntime | None:
        if not self.factory.runtimes or not self.is_open:
            return None
        return self.role.runtime if self.role.state.active_turn_id is not None else None

    def is_at_work(self) -> bool:
        known = self.supervisor.review.known(self.disk.folder)
        return any(turn.at_work for turn in known.turns)

    def _waiting(self, which: int) -> Approval | None:
        if not self.is_open:
            return None
        waiting = self.supervisor.approvals(self.role.id)
        return waiting[which % len(waiting)] if waiting else None

    def took(self, name: str, before: str, after: str) -> None:
        """The editor has taken accepted hunks into a buffer."""
        gone = tokens([before]) - tokens([after]) - self.ledger.accepted
        if gone:
            self.faults.append(f"{gone} went from the unsaved text of {name}")
        self.ledger.texts[name] = (after, True)

    def heard(self, event: Event) -> None:
        if self.deaf:
            return
        role = self._role_of(event.session_id)
        role.state.apply(event)
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
                self._turn_started(role)
            case Notice(message=message) if "nternal error" in message:
                self.faults.append(message)
            case _:
                pass

    def _role_of(self, session_id: str) -> Role:
        found = [role for role in self.roles if role.state.session_id == session_id]
        if found:
            return found[0]
        # It has just begun.
        self.role.id, self.role.state = session_id, SessionState(session_id)
        return self.role

    def cast(self) -> None:
        """Take an agent that was started as that of the present role."""
        if len(self.factory.runtimes) > self.known_agents:
            self.known_agents = len(self.factory.runtimes)
            self.role.runtime = self.factory.last
            self.factory.last.on_answer = self.answered

    def _turn_started(self, role: Role) -> None:
        role.turns = role.state.turn_count
        role.commands.clear()
        self.cast()
        name = f"{role.id}/{role.turns}"
        self.baselines[name] = (self.ledger.step, self.disk.all())
        self._looked()

    def _looked(self) -> None:
        self.unlooked.clear()
        self.saved_since.clear()
        self.renamed.clear()
        self.committed = False
        for role in self.roles:
            role.worked = bool(role.commands) and role.state.active_turn_id is not None

    def _proposal(self, approval_id: str) -> Proposal:
        return self.proposals[self.approvals[approval_id].native_key]

    def _name(self, path: str) -> str:
        return str(Path(path).relative_to(self.disk.folder.resolve()))

    def _chosen(self, approval: Approval, decision: Decision) -> None:
        proposal = self._proposal(approval.id)
        files = chosen(approval, decision.hunks)
        proposal.before, proposal.shown = {}, {}
        for name in {
            self._name(path) for file in files for path in (file.path, file.move_to) if path
        }:
            self.ledger.worked[self.role.id, name] = self.ledger.step
        lines = [line for file in files for hunk in file.hunks for line in hunk.new_lines]
        self.ledger.strays |= strangers(lines, self.role.number)
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
                self.renamed.add(target)
                proposal.before[target] = None
                proposal.shown[target] = proposal.shown[name]
                proposal.shown[name] = None
                self.ledger.copied |= tokens([proposal.shown[target]])

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
        # Another one may be written over it, or be brought back in the same moment.
        alone = not any(
            other is not proposal and other.accepted and other.shown.keys() & now.keys()
            for other in self.proposals.values()
        )
        # What somebody wrote in the middle of it is neither.
        told = outcome == "applied" or (outcome in wanted and not self.fired)
        if alone and told and now != wanted[outcome]:
            self.faults.append(f"settled as {outcome}, which is not so: {settled.detail}")
        plain = not any(self.disk.content(name).kind == "link" for name in now)
        if alone and plain and outcome == "different" and now == proposal.shown:
            self.faults.append(f"settled as different, though all is applied: {settled.detail}")
        if outcome != "applied":
            self.ledger.forget(set(now))
