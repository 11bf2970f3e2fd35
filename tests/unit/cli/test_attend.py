"""Attending a turn whose agent is played: who is asked, when, and what if nobody is there."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from autopilot_ls.cli.attend import (
    MAX_DECLINES,
    NOBODY,
    UNATTENDED,
    Attendant,
    Mouth,
)
from autopilot_ls.cli.keyboard import Keyboard
from autopilot_ls.cli.terminal import Terminal
from autopilot_ls.cli.view import TERMINAL, RunView
from autopilot_ls.model.approvals import DecisionKind
from autopilot_ls.model.events import Event, Notice, TextDelta
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.supervisor import Supervisor, open_supervisor
from tests.support.own_policy import no_rules
from tests.support.pseudo_terminal import Person, person
from tests.unit.supervisor.played_runtime import PlayedFactory, PlayedRuntime, command, update


@dataclass
class Turn:
    """A turn that runs, its agent and its attendant."""

    supervisor: Supervisor
    agent: PlayedRuntime
    attendant: Attendant
    session: str
    out: io.StringIO


@asynccontextmanager
async def attended(tmp_path: Path, mouth: Mouth, out: io.StringIO) -> AsyncGenerator[Turn]:
    work = tmp_path / "work"
    work.mkdir()
    factory = PlayedFactory()
    settings = Settings(
        state_dir=tmp_path / "state", policy_file=no_rules(tmp_path / "policy.toml")
    )
    with anyio.fail_after(30):
        async with (
            open_supervisor(settings, factories={"codex": factory}) as supervisor,
            anyio.create_task_group() as tasks,
        ):
            attendant = Attendant(supervisor, mouth, None)
            supervisor.attach(attendant.view)
            tasks.start_soon(attendant.attend, tasks.cancel_scope)
            started = await supervisor.start_turn(StartTurn(text="go", cwd=str(work)), "test")
            yield Turn(supervisor, factory.last, attendant, started.session_id, out)
            if supervisor.snapshot(started.session_id).active_turn is not None:
                factory.last.end_turn()
            attendant.look()
            attendant.no_more()


def unattended() -> tuple[Mouth, io.StringIO]:
    out = io.StringIO()
    return Mouth(Terminal(out), None, None, as_json=False, redact=str), out


@dataclass
class Desk:
    person: Person
    mouth: Mouth
    out: io.StringIO

    async def shown(self, text: str) -> None:
        await anyio.to_thread.run_sync(self.person.wait_for, text, 10.0)


@pytest.fixture
def desk() -> Generator[Desk]:
    out = io.StringIO()
    with person() as (sitting, descriptor), os.fdopen(os.dup(descriptor), "w") as stream:
        prompts = Terminal(stream, colour=False)
        mouth = Mouth(Terminal(out), prompts, Keyboard(descriptor), as_json=False, redact=str)
        yield Desk(sitting, mouth, out)


async def test_where_nobody_is_there_everything_is_declined(tmp_path: Path) -> None:
    mouth, out = unattended()
    async with attended(tmp_path, mouth, out) as turn:
        turn.agent.ask(command("touch x", tmp_path), "k1")
        turn.agent.ask(command("touch y", tmp_path), "k2")
        answers = await turn.agent.answered(2)
        for _, decision in answers:
            assert decision.kind is DecisionKind.DECLINE
            assert decision.decided_by == NOBODY
            assert decision.message == UNATTENDED
    assert turn.attendant.declined == 2


async def test_an_agent_that_asks_without_end_is_stopped(tmp_path: Path) -> None:
    mouth, out = unattended()
    async with attended(tmp_path, mouth, out) as turn:
        for number in range(1, MAX_DECLINES + 1):
            turn.agent.ask(command(f"touch {number}", tmp_path), f"k{number}")
            await turn.agent.answered(number)
        kinds = [decision.kind for _, decision in turn.agent.answers]
    assert kinds == [DecisionKind.DECLINE] * (MAX_DECLINES - 1) + [DecisionKind.CANCEL]


async def test_a_refused_acceptance_is_told_and_asked_for_again(tmp_path: Path, desk: Desk) -> None:
    async with attended(tmp_path, desk.mouth, desk.out) as turn:
        path = tmp_path / "work" / "a.txt"
        path.write_text("old\n")
        turn.agent.ask(update(path, "old", "new"))
        await desk.shown("whole diff > ")
        path.write_text("changed meanwhile\n")
        desk.person.type("a\n")
        await desk.shown("whole diff > ")
        assert not turn.agent.answers
        assert "a.txt" in desk.out.getvalue()
        desk.person.type("r\n")
        await desk.shown("Why")
        desk.person.type("\n")
        ((_, decision),) = await turn.agent.answered(1)
        assert decision.kind is DecisionKind.DECLINE
        assert decision.decided_by == TERMINAL
    assert path.read_text() == "changed meanwhile\n"


async def test_a_prompt_goes_away_when_somebody_else_decides(tmp_path: Path, desk: Desk) -> None:
    async with attended(tmp_path, desk.mouth, desk.out) as turn:
        turn.agent.ask(command("touch x", tmp_path))
        await desk.shown("reject and stop > ")
        (waiting,) = turn.supervisor.approvals(turn.session)
        await turn.supervisor.decide(waiting.id, DecisionKind.DECLINE, decided_by="an editor")
        await desk.shown("It does not wait any more.")
    assert len(turn.agent.answers) == 1


async def test_several_requests_are_asked_one_after_the_other(tmp_path: Path, desk: Desk) -> None:
    async with attended(tmp_path, desk.mouth, desk.out) as turn:
        turn.agent.ask(command("touch x", tmp_path), "k1", "i1")
        turn.agent.ask(command("touch y", tmp_path), "k2", "i2")
        await desk.shown("touch x")
        await desk.shown("reject and stop > ")
        # One line too many must not decide on what is not shown yet.
        desk.person.type("a\na\n")
        await desk.shown("touch y")
        await desk.shown("reject and stop > ")
        assert len(turn.agent.answers) == 1
        desk.person.type("c\n")
        answers = await turn.agent.answered(2)
        assert [d.kind for _, d in answers] == [DecisionKind.ACCEPT, DecisionKind.CANCEL]


async def test_no_more_is_asked_while_the_turn_is_being_stopped(tmp_path: Path, desk: Desk) -> None:
    async with attended(tmp_path, desk.mouth, desk.out) as turn:
        turn.agent.ask(command("touch x", tmp_path))
        await desk.shown("reject and stop > ")
        turn.attendant.stop_asking("Stopping.")
        await turn.supervisor.interrupt(turn.session, "test")
        ((_, decision),) = turn.agent.answers
        assert decision.kind is DecisionKind.CANCEL
    assert "Stopping." in desk.out.getvalue()


def event(body: Notice | TextDelta) -> Event:
    return Event(seq=1, time=0.0, session_id="s", body=body)


def test_a_slow_reader_costs_events_not_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from autopilot_ls.cli import view as module

    monkeypatch.setattr(module, "_MAX_EVENTS", 10)
    monkeypatch.setattr(module, "_MAX_JSON", 1_000)
    notice = event(Notice(severity="info", code="c", message="x" * 90))
    plain = RunView(json=None)
    plain.events_applied("s", [notice] * 15)
    assert (len(plain.take()), plain.dropped) == (10, 5)
    lines = RunView(json=lambda each: each.model_dump_json()[:100])
    lines.events_applied("s", [notice] * 15)
    assert (len(lines.take_lines()), lines.dropped) == (10, 5)
    lines.events_applied("s", [notice])
    assert len(lines.take_lines()) == 1


def test_text_that_streams_is_not_kept_for_a_person() -> None:
    view = RunView(json=None)
    view.events_applied("s", [event(TextDelta(item_id="i", field="text", text="x"))] * 1_000)
    assert view.take() == []
