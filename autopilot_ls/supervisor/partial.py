"""Carrying out what a person accepted of a patch when it is not the whole: Autopilot writes it itself.

The chosen hunks are checked and written beside their places while the decision can still be refused, put
into place when it is on record, and what the disk then holds is told. Where the person chose so, files with
unsaved changes take their hunks in the editor instead. The agent hears what was done, and
*decline*. Not aware of who decides first or of how an agent is spoken to. `broker` stands above;
`patches`, `facts`, `record` and `edits` below.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from autopilot_ls.edits.check import affected_paths
from autopilot_ls.edits.leftovers import tag_of
from autopilot_ls.edits.paths import shown
from autopilot_ls.edits.placing import Staged, stage
from autopilot_ls.edits.settle import promised_contents, settle, settle_taken_back
from autopilot_ls.model.approvals import Approval, Decision, DecisionKind, FileChange
from autopilot_ls.model.errors import AutopilotError, DecisionRefused, InvalidRequest
from autopilot_ls.model.events import FactsDue, FilesSettled, Notice
from autopilot_ls.model.review import chosen, expanded, units_of
from autopilot_ls.supervisor.decisions import POLICY
from autopilot_ls.supervisor.facts import partial_facts, refusal
from autopilot_ls.supervisor.merging import put_into
from autopilot_ls.supervisor.patches import Patches, looked
from autopilot_ls.supervisor.record import SessionRecord


@dataclass(slots=True)
class Prepared:
    """What lies ready for a decision; leaving it as a context removes what was not used.

    Attributes:
        files: The chosen part of the patch.
        staged: Its contents; None when nothing is to be written.
        merges: The changes that go into unsaved text, each with what the disk holds; these are not
            among `files`.
    """

    files: tuple[FileChange, ...] = ()
    staged: Staged | None = None
    merges: tuple[tuple[FileChange, bytes | None], ...] = ()

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

    async def merging(self, approval: Approval, decision: Decision) -> Decision:
        """Return the decision with what of it goes into unsaved text, if there is any.

        Raises:
            InvalidRequest: That cannot be decided for the whole session.
            DecisionRefused: The disk did not answer in time.
        """
        if not decision.kind.accepts or decision.in_editor:
            return decision
        files = chosen(approval, decision.hunks)
        merged = await self._patches.unsaved_among(files)
        if not merged:
            return decision
        if decision.kind is not DecisionKind.ACCEPT:
            raise InvalidRequest(
                "What goes into unsaved text can be accepted just once.",
                advice='Use the decision "accept".',
            )
        hunks = decision.hunks
        if hunks is None:
            hunks = tuple(unit.id for unit in units_of(approval))
        return decision.model_copy(update={"hunks": hunks, "merged": merged})

    async def to_save(self, approval: Approval, hunks: Iterable[str] | None) -> tuple[str, ...]:
        """Return the paths of the files to be saved before these hunks, or all, can be accepted.

        Raises:
            DecisionRefused: They would not fit what is saved then, or the disk did not answer in time.
        """
        if not approval.files:
            return ()
        named = None if hunks is None else expanded(approval, hunks)
        return await self._patches.to_save(approval, chosen(approval, named))

    async def with_saved(self, approval: Approval, decision: Decision) -> Decision:
        """Return the decision by hunks, where the person has saved other changes of the files since.

        The agent's own patch may not fit any more, for it was made for the lines around it too; so what is
        accepted is written here.

        Raises:
            DecisionRefused: It does not fit what was saved, or the disk did not answer in time.
        """
        by_policy = decision.decided_by == POLICY
        if decision.kind is not DecisionKind.ACCEPT or decision.hunks is not None or by_policy:
            return decision
        if not approval.files or not await self._patches.is_saved_since(approval, approval.files):
            return decision
        return decision.model_copy(update={"hunks": tuple(unit.id for unit in units_of(approval))})

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
        files = await self._patches.as_saved(approval, files)
        merged = {Path(path) for path in decision.merged}
        found = await self._patches.check_part(approval, files, merged)
        merges = tuple(
            (change, found[Path(change.path)].data)
            for change in files
            if Path(change.path) in merged
        )
        files = tuple(change for change in files if Path(change.path) not in merged)
        if not files:
            return Prepared(merges=merges)
        # Only what is written is looked at again when it is put into place.
        before = {path: found[path] for path in affected_paths(files)}
        modes = {
            Path(change.move_to): before[Path(change.path)].mode
            for change in files
            if change.move_to is not None
        }
        abandoned = threading.Event()
        made: list[Staged] = []

        def write() -> Staged:
            contents = promised_contents(files, before)
            staged = stage(contents, before, modes=modes, root=self._root, tag=tag_of(approval.id))
            made.append(staged)
            if abandoned.is_set():
                staged.discard()
            return staged

        try:
            return Prepared(files, await looked(write), merges)
        except BaseException:  # Also a cancellation must leave nothing behind; it is raised again.
            abandoned.set()
            # It may have been ready in the moment in which it was given up.
            for staged in made:
                staged.discard()
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
        missing: dict[str, str] = {}
        if decision.in_editor:
            unsaved = await self._unsaved(prepared.files)
        elif prepared.staged is not None:
            settled = await self._place(approval, decision, prepared.files, prepared.staged)
            failure = "" if settled.outcome == "applied" else settled.detail
            self._record.tell(settled)
            self._record.tell_written([Path(path) for path in settled.paths])
        if not failure:
            unsaved |= set(decision.merged)
            missing = await self._merge(prepared)
        facts = partial_facts(
            approval, decision, root=root, unsaved=unsaved, failure=failure, missing=missing
        )
        self._record.tell(FactsDue(approval_id=approval.id, text=facts))
        return Decision(kind=DecisionKind.DECLINE, decided_by=decision.decided_by, message=facts)

    async def _merge(self, prepared: Prepared) -> dict[str, str]:
        """Put changes into unsaved text; returns the paths where that failed, each with the reason."""
        missing: dict[str, str] = {}
        for change, disk in prepared.merges:
            try:
                failure = await put_into(change, disk, self._patches.documents)
            except Exception as error:  # noqa: BLE001 reason: the agent must hear of the other files
                failure = f"Internal error: {error!r}."
            if failure:
                missing[change.path] = failure
                said = (
                    f"{shown(change.path, self._root)} did not take the accepted hunks: {failure}"
                )
                self._record.tell(Notice(severity="error", code="not-merged", message=said))
        return missing

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

        def became() -> FilesSettled:
            if failure:
                return settle_taken_back(approval.id, staged.take_back(), root=self._root)
            return settle(
                files,
                approval_id=approval.id,
                before=staged.before,
                failed=False,
                root=self._root,
            )

        try:
            settled = await looked(became)
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
    names = set(decision.hunks or ())
    accepted = sum(
        unit.id in names and unit.file.path not in decision.merged for unit in units_of(approval)
    )
    of = sum(1 for _ in units_of(approval))
    match settled.outcome:
        case "applied":
            return f"{accepted} of {of} hunks. {settled.detail}"
        case "unchanged":
            return f"Nothing was written: {failure or 'the disk did not take it.'}"
        case _:
            return f"{failure} {settled.detail}".strip()
