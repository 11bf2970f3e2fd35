"""A patch for a file that the person saves other changes in before they accept it."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopilot_ls.model.approvals import ChangeKind, DecisionKind, Mark
from autopilot_ls.model.errors import DecisionRefused, InvalidRequest
from autopilot_ls.model.events import FilesSettled
from autopilot_ls.supervisor.views import OpenDocument
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.proposals import HUNKS, OLD, ask, ids, unified, whole
from tests.unit.supervisor.test_merging import NEW, heard, typed

ACCEPT, DECLINE = DecisionKind.ACCEPT, DecisionKind.DECLINE
ABOVE = "line 20\nabove\n"
"""Put at the top, it makes lines of the patch stand there twice."""


def save(stage: Stage, path: Path, text: str) -> None:
    """Do as an editor does that somebody saves in."""
    path.write_text(text)
    stage.view.documents = [OpenDocument(path, text, saved=text)]


@pytest.mark.parametrize("text", [typed(OLD), ABOVE + typed(OLD), OLD.replace("line 15\n", "", 1)])
async def test_what_was_saved_elsewhere_in_the_file_stays(stage: Stage, text: str) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    save(stage, path, text)
    await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me")
    head, _, rest = text.rpartition("line 1\n")
    wanted = (
        head
        + "line 1\n"
        + rest.replace("line 2\n", "LINE 2\n", 1)
        .replace("line 10\n", "new a\nnew b\nline 10\n", 1)
        .replace("line 20\n", "LINE 20\n", 1)
    )
    assert path.read_text() == wanted
    settled = await stage.view.saw(FilesSettled)
    assert settled.outcome == "applied"
    kind, message = await heard(stage)
    assert kind is DECLINE
    assert "Not applied" not in message


async def test_what_nobody_saved_in_an_editor_refuses(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    save(stage, path, typed(OLD))
    path.write_text(ABOVE + OLD)
    for documents in (
        [],
        [OpenDocument(path, ABOVE + OLD)],
        # Another program wrote after the person had saved.
        [OpenDocument(path, ABOVE + OLD, saved=typed(OLD))],
    ):
        stage.view.documents = documents
        with pytest.raises(DecisionRefused, match="changed on disk after"):
            await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me")
    assert path.read_text() == ABOVE + OLD


async def test_what_overlaps_is_decided_hunk_by_hunk(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    text = OLD.replace("line 2\n", "mine\n", 1)
    save(stage, path, text)
    with pytest.raises(DecisionRefused, match="does not fit what you saved") as refusal:
        await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me")
    assert "hunk by hunk" in str(refusal.value)
    assert path.read_text() == text
    first, *others = ids(approval)
    await stage.supervisor.mark(approval.id, [first], Mark.REJECT, marked_by="me")
    decision = await stage.supervisor.mark(approval.id, others, Mark.ACCEPT, marked_by="me")
    assert decision is not None
    assert path.read_text() == NEW.replace("LINE 2\n", "mine\n")


async def test_what_is_typed_after_the_saving_refuses_again(stage: Stage) -> None:
    path = stage.workspace / "a.txt"
    path.write_text(OLD)
    approval = await ask(stage, unified(path, HUNKS))
    save(stage, path, typed(OLD))
    stage.view.documents = [OpenDocument(path, "more\n" + typed(OLD), saved=typed(OLD))]
    with pytest.raises(DecisionRefused, match=r"Save a\.txt first"):
        await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me")
    save(stage, path, "more\n" + typed(OLD))
    await stage.supervisor.decide(approval.id, ACCEPT, decided_by="me")
    assert path.read_text() == "more\n" + typed(NEW)


async def test_to_be_saved_is_only_what_will_fit_then(stage: Stage) -> None:
    one, two, gone = (stage.workspace / name for name in ("one", "two", "gone"))
    for path in (one, two, gone):
        path.write_text(OLD)
    approval = await ask(
        stage, unified(one, HUNKS), unified(two, HUNKS), whole(gone, ChangeKind.DELETE, OLD)
    )
    units = ids(approval)
    assert await stage.supervisor.to_save(approval.id, None) == ()
    stage.view.documents = [OpenDocument(one, typed(OLD)), OpenDocument(two, OLD)]
    assert await stage.supervisor.to_save(approval.id, None) == (str(one),)
    assert await stage.supervisor.to_save(approval.id, units[3:]) == ()
    with pytest.raises(InvalidRequest):
        await stage.supervisor.to_save(approval.id, ["x"])
    stage.view.documents = [OpenDocument(one, OLD.replace("line 2\n", "mine\n", 1))]
    with pytest.raises(DecisionRefused, match="Nothing was accepted or saved"):
        await stage.supervisor.to_save(approval.id, None)
    assert await stage.supervisor.to_save(approval.id, units[1:]) == (str(one),)
    stage.view.documents = [OpenDocument(gone, OLD + "mine\n")]
    with pytest.raises(DecisionRefused, match="Nothing was accepted or saved"):
        await stage.supervisor.to_save(approval.id, None)
    assert await stage.supervisor.to_save(approval.id, units[:6]) == ()
