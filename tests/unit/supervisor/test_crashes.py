"""The server is killed in the middle of a partial accept: what the files, the record and the agent get to know."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autopilot_ls.edits import leftovers, placing
from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    DecisionKind,
    PatchAction,
    ProposedChange,
)
from autopilot_ls.model.events import FactsDue, FactsTold, FilesSettled
from autopilot_ls.model.review import units_of
from autopilot_ls.settings.tree import ReviewSettings, Settings
from autopilot_ls.supervisor import partial
from autopilot_ls.supervisor.broker import Broker
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.supervisor import open_supervisor
from tests.unit.supervisor.played_runtime import PlayedFactory

OLD = "".join(f"line {n}\n" for n in range(1, 21))
HUNKS = "@@ -2 +2 @@\n-line 2\n+LINE 2\n@@ -20 +20 @@\n-line 20\n+LINE 20\n"
NEW = OLD.replace("line 2\n", "LINE 2\n", 1)

Hook = Callable[[pytest.MonkeyPatch, Callable[[], None]], None]


def before(owner: Any, name: str, *, at_call: int = 1) -> Hook:
    """Return what has the crash happen right before a call."""

    def put(monkeypatch: pytest.MonkeyPatch, crash: Callable[[], None]) -> None:
        actual, calls = getattr(owner, name), [0]

        def called(*args: Any, **options: Any) -> Any:
            calls[0] += 1
            if calls[0] == at_call:
                crash()
            return actual(*args, **options)

        monkeypatch.setattr(owner, name, called)

    return put


def after_placing(monkeypatch: pytest.MonkeyPatch, crash: Callable[[], None]) -> None:
    actual = placing.Staged.place

    def place(staged: placing.Staged) -> None:
        actual(staged)
        crash()

    monkeypatch.setattr(placing.Staged, "place", place)


class Killed:
    """A server that is killed while it carries out a partial accept of two files, and started again."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.work = folder / "work"
        self.work.mkdir()
        for name in ("a.txt", "b.txt"):
            (self.work / name).write_text(OLD)
        self.kept = folder / "kept"
        self.session_id = ""
        self.told: list[str] = []

    def keep(self) -> None:
        """Keep what is on disk at this moment, as a kill would leave it."""
        shutil.copytree(self.settings.state_folder, self.kept / "state")
        shutil.copytree(self.work, self.kept / "work")

    async def live(self, monkeypatch: pytest.MonkeyPatch, hook: Hook, **options: Any) -> Approval:
        factory = PlayedFactory()
        async with open_supervisor(self.settings, factories={"codex": factory}) as supervisor:
            request = StartTurn(text="x", cwd=str(self.work))
            self.session_id = (await supervisor.start_turn(request, "me")).session_id
            changes = tuple(
                ProposedChange(
                    path=str(self.work / name), kind=ChangeKind.UPDATE, form="unified", text=HUNKS
                )
                for name in ("a.txt", "b.txt")
            )
            factory.last.ask(PatchAction(changes=changes))
            approval = supervisor.approvals()[0]
            with monkeypatch.context() as patched:
                hook(patched, self.keep)
                hunks = [unit.id for unit in units_of(approval)][::2]
                await supervisor.decide(
                    approval.id, DecisionKind.ACCEPT, decided_by="me", hunks=hunks, **options
                )
        for place, name in ((self.settings.state_folder, "state"), (self.work, "work")):
            shutil.rmtree(place)
            (self.kept / name).rename(place)
        return approval

    async def again(self) -> tuple[list[FilesSettled], list[FactsDue], list[FactsTold]]:
        factory = PlayedFactory()
        async with open_supervisor(self.settings, factories={"codex": factory}) as supervisor:
            request = StartTurn(text="go on", cwd=str(self.work), session_id=self.session_id)
            await supervisor.start_turn(request, "me")
            self.told = factory.last.told
            bodies = [event.body for event in supervisor.store.read_events(self.session_id)]
        return (
            [body for body in bodies if isinstance(body, FilesSettled)],
            [body for body in bodies if isinstance(body, FactsDue)],
            [body for body in bodies if isinstance(body, FactsTold)],
        )

    def litter(self) -> list[str]:
        return [path.name for path in self.work.rglob(".autopilot-*")]

    def texts(self) -> list[str]:
        return [(self.work / name).read_text() for name in ("a.txt", "b.txt")]


@pytest.fixture
def killed(settings: Settings, tmp_path: Path) -> Killed:
    return Killed(settings, tmp_path)


async def test_before_the_decision_nothing_has_happened(
    killed: Killed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await killed.live(monkeypatch, before(Broker, "_resolve"))
    assert len(killed.litter()) == 2, "the contents lay ready"
    settled, due, _ = await killed.again()
    assert (settled, due) == ([], [])
    assert killed.litter() == []
    assert killed.texts() == [OLD, OLD]
    assert killed.told[-1] == "go on"


async def test_between_decision_and_write_the_agent_hears_that_nothing_was_written(
    killed: Killed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await killed.live(monkeypatch, before(placing.Staged, "place"))
    assert len(killed.litter()) == 2
    settled, due, told = await killed.again()
    assert [each.outcome for each in settled] == ["unchanged"]
    assert len(due) == len(told) == 1
    assert killed.litter() == []
    assert killed.texts() == [OLD, OLD]
    assert "could not be applied" in killed.told[-1]
    assert "a.txt: hunk 2 of 2" in killed.told[-1]
    assert killed.told[-1].endswith("go on")


async def test_between_two_files_the_agent_is_told_to_look(
    killed: Killed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await killed.live(monkeypatch, before(placing.Staged, "_require_unchanged", at_call=2))
    settled, _, _ = await killed.again()
    assert [each.outcome for each in settled] == ["different"]
    assert killed.litter() == []
    assert killed.texts() == [NEW, OLD]
    assert "Read the files before you go on." in killed.told[-1]


@pytest.mark.parametrize(
    "hook", [after_placing, before(partial, "partial_facts")], ids=["record", "facts"]
)
async def test_between_write_and_record_the_agent_hears_what_was_applied(
    killed: Killed, monkeypatch: pytest.MonkeyPatch, hook: Hook
) -> None:
    await killed.live(monkeypatch, hook)
    settled, due, told = await killed.again()
    assert [each.outcome for each in settled] == ["applied"]
    assert len(due) == len(told) == 1
    assert killed.texts() == [NEW, NEW]
    applied, _, refused = killed.told[-1].partition("Not applied:")
    assert "a.txt: hunk 1 of 2, at line 2" in applied
    assert "b.txt: hunk 2 of 2, at line 20" in refused


async def test_what_was_due_is_told_once(killed: Killed, monkeypatch: pytest.MonkeyPatch) -> None:
    await killed.live(monkeypatch, after_placing)
    await killed.again()
    _, due, told = await killed.again()
    assert len(due) == len(told) == 1
    assert killed.told[-1] == "go on"


async def test_nothing_of_others_is_removed(
    killed: Killed, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = await killed.live(monkeypatch, before(placing.Staged, "place"))
    tag = leftovers.tag_of(approval.id)
    others = {".autopilot-notes", f".autopilot-{tag}-mine", f".autopilot-{'0' * 12}-{'0' * 16}"}
    for name in others:
        (killed.work / name).write_text("mine\n")
    (killed.work / f".autopilot-{tag}-{'1' * 16}").mkdir()
    await killed.again()
    assert set(killed.litter()) == others | {f".autopilot-{tag}-{'1' * 16}"}


async def test_what_lay_ready_in_a_folder_that_is_gone_is_no_problem(
    killed: Killed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await killed.live(monkeypatch, before(placing.Staged, "place"))
    shutil.rmtree(killed.work)
    killed.work.mkdir()
    settled, _, _ = await killed.again()
    assert [each.outcome for each in settled] == ["different"]


async def test_what_an_undo_had_lying_ready_goes_when_the_review_is_opened_again(
    settings: Settings, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    file = work / "sub" / "a.txt"
    file.write_text("a\n")
    settings = settings.model_copy(update={"review": ReviewSettings(enabled=True)})
    factory = PlayedFactory()
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        await supervisor.start_turn(StartTurn(text="x", cwd=str(work)), "me")
        file.write_text("b\n")
        assert (await supervisor.review.items(work, fresh=True)).items
    name = leftovers.temporary_name(leftovers.tag_of(str(work)))
    (file.parent / name).write_text("half")
    (file.parent / leftovers.temporary_name()).write_text("somebody's")
    async with open_supervisor(settings, factories={"codex": factory}) as supervisor:
        assert await supervisor.review.restore(work)
        assert not (file.parent / name).exists()
    assert len(list(file.parent.iterdir())) == 2
