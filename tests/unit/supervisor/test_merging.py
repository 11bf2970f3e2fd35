"""A patch accepted into unsaved text: what the editor gets, what the disk gets, what the agent hears."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autopilot_ls.edits.merge import Merged
from autopilot_ls.model.approvals import ChangeKind, DecisionKind, Mark
from autopilot_ls.model.errors import DecisionRefused, InvalidRequest
from autopilot_ls.model.events import ApprovalResolved, FilesSettled, Notice
from autopilot_ls.supervisor.merging import ATTEMPTS
from autopilot_ls.supervisor.views import OpenDocument, PutOutcome
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.proposals import HUNKS, OLD, ask, ids, unified, whole

ACCEPT, DECLINE = DecisionKind.ACCEPT, DecisionKind.DECLINE
NEW = (
    OLD.replace("line 2\n", "LINE 2\n", 1)
    .replace("line 10\n", "new a\nnew b\nline 10\n", 1)
    .replace("line 20\n", "LINE 20\n", 1)
)


def typed(text: str) -> str:
    return text.replace("line 5\n", "line 5, typed\n", 1)


@dataclass
class Buffer:
    """A document of an editor: `refusals` are what it says before it takes an edit."""

    stage: Stage
    path: Path
    text: str
    refusals: list[PutOutcome] = field(default_factory=list[PutOutcome])
    edits: list[Merged] = field(default_factory=list[Merged])

    def show(self) -> None:
        others = [d for d in self.stage.view.documents if d.path != self.path]
        self.stage.view.documents = [*others, OpenDocument(self.path, self.text, self.put)]

    async def put(self, wanted: Merged) -> PutOutcome:
        self.edits.append(wanted)
        if self.refusals:
            return self.refusals.pop(0)
        if wanted.before != self.text:
            return "stale"
        self.text = wanted.after
        self.show()
        return "done"


def buffer(stage: Stage, path: Path, text: str, *refusals: PutOutcome) -> Buffer:
    found = Buffer(stage, path, text, list(refusals))
    found.show()
    return found


async def heard(stage: Stage) -> tuple[DecisionKind, str]:
    (_, decision) = (await stage.agent.answered(1))[0]
    return decision.kind, decision.message


async def test_a_whole_patch_goes_into_the_unsaved_text_and_not_to_disk(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    shown = buffer(stage, path, typed(OLD))
    with pytest.raises(DecisionRefused, match=r"Save a\.txt first") as refusal:
        await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me")
    assert "accept without saving" in str(refusal.value)
    await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me", merge=True)
    assert (path.read_text(), shown.text) == (OLD, typed(NEW))
    assert [(e.first, len(e.removed)) for e in shown.edits[0].edits] == [(1, 1), (9, 0), (19, 1)]
    kind, message = await heard(stage)
    assert kind is DECLINE
    assert message.count("(in the user's editor, not saved to disk yet)") == 3
    assert "Not applied" not in message
    resolved = await stage.view.saw(ApprovalResolved)
    assert resolved.decision.merged == (str(path),)
    assert resolved.decision.hunks == tuple(ids(approval))
    assert not stage.view.all(FilesSettled)
    assert stage.view.written == []


async def test_clean_files_are_written_and_unsaved_ones_are_merged(stage: Stage) -> None:
    one, two = stage.workspace / "one", stage.workspace / "two"
    one.write_text(OLD)
    two.write_text(OLD)
    approval = await ask(stage, unified(one, HUNKS), unified(two, HUNKS))
    shown = buffer(stage, two, typed(OLD))
    units = ids(approval)
    for unit in (*units[:4], units[5]):
        await stage.supervisor.mark(approval.id, [unit], Mark.ACCEPT, marked_by="me")
    with pytest.raises(DecisionRefused, match="Save two first"):
        await stage.supervisor.mark(approval.id, [units[4]], Mark.REJECT, marked_by="me")
    assert (one.read_text(), shown.edits) == (OLD, [])
    await stage.supervisor.mark(approval.id, [units[4]], Mark.REJECT, marked_by="me", merge=True)
    assert one.read_text() == NEW
    assert two.read_text() == OLD
    assert shown.text == typed(NEW.replace("new a\nnew b\n", ""))
    settled = await stage.view.saw(FilesSettled)
    assert (settled.outcome, settled.paths) == ("applied", (str(one),))
    assert settled.detail.startswith("3 of 6 hunks.")
    _, message = await heard(stage)
    applied, _, refused = message.partition("Not applied:")
    assert "one: hunk 1 of 3, at line 2\n" in applied
    assert "two: hunk 1 of 3, at line 2 (in the user's editor" in applied
    assert "two: hunk 2 of 3" in refused


@pytest.mark.parametrize("also", [False, True])
async def test_overlapping_text_is_refused_before_anything_is_written(
    stage: Stage, *, also: bool
) -> None:
    one, two = stage.workspace / "one", stage.workspace / "two"
    one.write_text(OLD)
    two.write_text(OLD)
    approval = await ask(stage, unified(one, HUNKS), unified(two, HUNKS))
    shown = [buffer(stage, two, OLD.replace("line 2\n", "line 2 mine\n", 1))]
    if also:
        shown.append(buffer(stage, one, typed(OLD)))
    with pytest.raises(DecisionRefused, match="same lines, or lines right beside") as refusal:
        await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me", merge=True)
    for way in ("Save first", "hunk by hunk", "reject"):
        assert way in str(refusal.value)
    assert (one.read_text(), two.read_text()) == (OLD, OLD)
    assert not any(each.edits for each in shown)
    assert list(stage.waiting()) == [approval]


async def test_an_editor_that_does_not_take_it_applies_nothing_and_all_are_told(
    stage: Stage,
) -> None:
    one, two = stage.workspace / "one", stage.workspace / "two"
    one.write_text(OLD)
    two.write_text(OLD)
    approval = await ask(stage, unified(one, HUNKS), unified(two, HUNKS))
    buffer(stage, two, typed(OLD), "failed")
    await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me", merge=True)
    assert (one.read_text(), two.read_text()) == (NEW, OLD)
    notice = next(n for n in stage.view.all(Notice) if n.code == "not-merged")
    assert notice.severity == "error"
    assert notice.message.startswith("two did not take the accepted hunks")
    _, message = await heard(stage)
    applied, _, refused = message.partition("Not applied:")
    assert "one: hunk 3 of 3" in applied
    assert "two" not in applied
    assert "two: hunk 1 of 3" in refused
    assert "the editor did not take them" in refused


async def test_only_unsaved_files_and_none_taken_is_nothing_applied(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    buffer(stage, path, typed(OLD), "failed")
    await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me", merge=True)
    _, message = await heard(stage)
    assert "could not be applied" in message
    assert "\nApplied:" not in message


async def test_what_is_typed_meanwhile_is_merged_anew_or_given_up(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    shown = buffer(stage, path, typed(OLD), "stale")
    await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me", merge=True)
    assert shown.text == typed(NEW)
    assert len(shown.edits) == 2
    stage.agent.ask(approval.action)
    again = stage.waiting()[0]
    shown = buffer(stage, path, typed(OLD), *["stale"] * ATTEMPTS)  # pyright: ignore[reportArgumentType]
    await stage.supervisor.decide(again.id, ACCEPT, decided_by="me", merge=True)
    assert shown.text == typed(OLD)
    assert (await stage.agent.answered(2))[1][1].message.count("kept changing") == 1


async def test_a_clean_patch_is_a_plain_accept(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    buffer(stage, path, OLD)
    await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me", merge=True)
    assert await heard(stage) == (ACCEPT, "")


async def test_what_no_editor_can_take_is_refused(stage: Stage) -> None:
    path, link = stage.workspace / "a.txt", stage.workspace / "link.txt"
    path.write_text(OLD)
    link.symlink_to(path)
    approval = await ask(stage, unified(path, HUNKS))
    able = Buffer(stage, path, typed(OLD)).put
    for documents in (
        [OpenDocument(path, typed(OLD))],
        [OpenDocument(path, typed(OLD), able), OpenDocument(path, OLD + "other\n", able)],
        [OpenDocument(path, typed(OLD), able), OpenDocument(link, OLD + "other\n", able)],
    ):
        stage.view.documents = documents
        with pytest.raises(DecisionRefused, match=r"unsaved text of a\.txt"):
            await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me", merge=True)
    stage.view.documents = [OpenDocument(path, typed(OLD), able)]
    with pytest.raises(InvalidRequest):
        await stage.supervisor.decide(
            approval.id, DecisionKind.ACCEPT_FOR_SESSION, decided_by="me", merge=True
        )
    assert path.read_text() == OLD
    assert list(stage.waiting()) == [approval]


async def test_renamed_and_deleted_files_ask_to_be_saved(stage: Stage) -> None:
    moved, gone = stage.workspace / "moved", stage.workspace / "gone"
    moved.write_text(OLD)
    gone.write_text(OLD)
    approval = await ask(
        stage,
        unified(moved, HUNKS, move_to=stage.workspace / "to"),
        whole(gone, ChangeKind.DELETE, OLD),
    )
    for path in (moved, gone):
        stage.view.documents = []
        shown = buffer(stage, path, typed(OLD))
        with pytest.raises(DecisionRefused, match=f"Save {path.name} first"):
            await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me", merge=True)
        assert shown.edits == []
    assert list(stage.waiting()) == [approval]
