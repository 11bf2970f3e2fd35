"""Carrying out what a person accepted of a patch when it is not the whole: Autopilot writes it itself.

The chosen hunks are checked and written beside their places while the decision can still be refused, put
into place when it is on record, and what the disk then holds is told. The agent hears what was done, and
*decline*. Not aware of who decides first or of how an agent is spoken to. `broker` stands above;
`patches`, `facts`, `record` and `edits` below.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from autopilot_ls.edits.placing import Staged, stage
from autopilot_ls.edits.settle import promised_contents, settle
from autopilot_ls.model.approvals import Approval, Decision, DecisionKind, FileChange
from autopilot_ls.model.errors import AutopilotError, DecisionRefused
from autopilot_ls.model.events import FactsDue, FilesSettled
from autopilot_ls.model.review import chosen, units_of
from autopilot_ls.supervisor.facts import partial_facts, refusal
from autopilot_ls.supervisor.patches import Patches, looked
from autopilot_ls.supervisor.record import SessionRecord


@dataclass(slots=True)
class Prepared:
    """What lies ready for a decision; leaving it as a context removes what was not used.

    Attributes:
        files: The chosen part of the patch.
        staged: Its contents; None when nothing is to be written.
    """

    files: tuple[FileChange, ...] = ()
    staged: Staged | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.staged is not None:
            self.staged.discard()


class Partials:
    """Makes the chosen parts of the patches of one session."""

    def __init__(self, record: SessionRecord, patches: Patches) -> None:
        """Create it.

        Args:
            record: Where it is told what became of a patch.
            patches: Checks them.
        """
        self._record = record
        self._patches = patches

    @property
    def _root(self) -> Path:
        return Path(self._record.state.cwd)

    async def prepare(self, approval: Approval, decision: Decision) -> Prepared:
        """Check what an accepting decision would do, and get ready for it.

        Raises:
            DecisionRefused: It would lose something, or cannot be done; nothing has happened.
        """
        if decision.hunks is None:
            await self._patches.check(approval)
            return Prepared()
        files = chosen(approval, decision.hunks)
        if decision.in_editor:
            return Prepared(files)
        before = await self._patches.check_part(approval, files)
        modes = {
            Path(change.move_to): before[Path(change.path)].mode
            for change in files
            if change.move_to is not None
        }
        abandoned = threading.Event()

        def write() -> Staged:
            contents = promised_contents(files, before)
            staged = stage(contents, before, modes=modes, root=self._root)
            if abandoned.is_set():
                staged.discard()
            return staged

        try:
            return Prepared(files, await looked(write))
        except BaseException:
            abandoned.set()
            raise

    async def reply(self, approval: Approval, decision: Decision, prepared: Prepared) -> Decision:
        """Do what is ours to do for a decision that is on record; returns what the agent is told.

        Raises:
            TraceFull: What was done cannot be recorded; the session is being stopped.
        """
        root = str(self._root)
        if decision.kind is DecisionKind.DECLINE and decision.reasons:
            message = refusal(approval, decision, root=root)
            return decision.model_copy(update={"message": message})
        if decision.hunks is None:
            return decision
        unsaved: set[str] = set()
        failure = ""
        if prepared.staged is None:
            unsaved = await self._unsaved(prepared.files)
        else:
            settled = await self._place(approval, decision, prepared.files, prepared.staged)
            failure = "" if settled.outcome == "applied" else settled.detail
            self._record.tell(settled)
            self._record.tell_written([Path(path) for path in settled.paths])
        facts = partial_facts(approval, decision, root=root, unsaved=unsaved, failure=failure)
        self._record.tell(FactsDue(approval_id=approval.id, text=facts))
        return Decision(kind=DecisionKind.DECLINE, decided_by=decision.decided_by, message=facts)

    async def _unsaved(self, files: tuple[FileChange, ...]) -> set[str]:
        try:
            found = await self._patches.unsaved_of([Path(file.path) for file in files])
        except AutopilotError:
            return {file.path for file in files}
        return {str(path) for path in found}

    async def _place(
        self,
        approval: Approval,
        decision: Decision,
        files: tuple[FileChange, ...],
        staged: Staged,
    ) -> FilesSettled:
        failure = ""
        try:
            # The person may have typed while the decision was recorded.
            self._patches.require_saved(staged.before)
            await looked(staged.place)
        except AutopilotError as error:
            failure = error.message
        except OSError as error:
            failure = f"{error.strerror or type(error).__name__}."
        try:
            settled = await looked(
                lambda: settle(
                    files,
                    approval_id=approval.id,
                    before=staged.before,
                    failed=bool(failure),
                    root=self._root,
                )
            )
        except DecisionRefused as error:
            return FilesSettled(
                approval_id=approval.id,
                outcome="different",
                paths=tuple(change.move_to or change.path for change in files),
                detail=f"What became of the accepted hunks cannot be told ({error}). Look at the files.",
            )
        return settled.model_copy(update={"detail": _worded(approval, decision, settled, failure)})


def _worded(approval: Approval, decision: Decision, settled: FilesSettled, failure: str) -> str:
    """Return what the disk says, in words that fit our own writing of a part."""
    accepted = len(decision.hunks or ())
    of = sum(1 for _ in units_of(approval))
    match settled.outcome:
        case "applied":
            return f"{accepted} of {of} hunks. {settled.detail}"
        case "unchanged":
            return f"Nothing was written: {failure or 'the disk did not take it.'}"
        case _:
            return f"{failure} {settled.detail}".strip()
