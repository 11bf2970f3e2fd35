"""The sessions as lines: what is said first, and that they never exceed the terminal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.items import PlanStep, RateLimit
from autopilot_ls.presentation.columns import shorten, width_of
from autopilot_ls.presentation.hud import ASCII, Hud, Line, clock
from autopilot_ls.presentation.status_view import (
    AgentShown,
    ChangedFile,
    ItemShown,
    PendingApproval,
    Problem,
    QueuedMessage,
    RunningCommand,
    StatusView,
    Unreviewed,
)

NOW = 1_000_000.0


def view(number: int = 1, **more: Any) -> StatusView:
    given: dict[str, Any] = {
        "seq": 9,
        "session_id": f"s{number}",
        "title": f"Task {number}",
        "cwd": "/home/me/project",
        "runtime": "codex",
        "runtime_version": "0.163.0",
        "model": "gpt",
        "mode": Mode.PROPOSE,
        "state": "inProgress",
        "alive": True,
        "turns": 1,
        "started_at": NOW - 72.5,
    }
    return StatusView(**{**given, **more})


def busy(number: int = 1, text: str = "word") -> StatusView:
    """A session in which everything there is happens at once."""
    return view(
        number,
        title=f"{text} {number}",
        doing=f"Thinks: {text}",
        item=ItemShown(kind="reasoning", title=text),
        plan=(
            PlanStep(step=f"{text} 0", status="completed"),
            PlanStep(step=f"{text} 1", status="inProgress"),
            PlanStep(step=f"{text} 2", status="pending"),
            PlanStep(step=f"{text} 3", status="pending"),
        ),
        percentage=37,
        commands=tuple(
            RunningCommand(
                id=f"c{place}",
                command=f"make {text}",
                cwd="/",
                started_at=NOW - 5,
                tail=tuple(f"{text} {line}" for line in range(8)),
                background=place == 0,
            )
            for place in range(2)
        ),
        files=tuple(
            ChangedFile(path=f"{text}{place}.py", uri="", added=3, removed=1, kind="add")
            for place in range(12)
        ),
        files_more=2,
        queue=(QueuedMessage(id="q", text=text, held=True),),
        compactions=1,
        problems=(Problem(level="warning", code="w", text=text, at=NOW - 3),),
        agents=(
            AgentShown(thread_id="t", name=text, state="working", tokens=7, doing=text),
            AgentShown(thread_id="u", name="", state="idle"),
        ),
        unreviewed=Unreviewed(files=1, hunks=2),
        tokens=12_345,
        context_used=60,
        context_window=100,
        limits=(RateLimit(name="5 h", used_percent=90.0),),
    )


def waiting(number: int = 1, text: str = "word") -> StatusView:
    return busy(number, text).model_copy(
        update={
            "state": "waiting",
            "pending": (
                PendingApproval(
                    id="a",
                    kind="command",
                    title=f"Run: {text}",
                    rule="r",
                    alarm="HIGH RISK",
                    why="",
                    age=1.0,
                    requested_at=NOW - 12,
                ),
            ),
            "pending_more": 3,
        }
    )


def row(left: str, right: str) -> str:
    return left + right.rjust(80 - len(left))


def text_of(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in lines]


def test_all_that_goes_on_is_said_where_there_is_room() -> None:
    shown = text_of(Hud(home="/home/me").lines([waiting()], now=NOW, columns=80))
    assert shown[0].startswith("autopilot  1 session · 1 waiting for you")
    assert shown[2] == row("● WAITS  word 1", "propose  1 min 12 s")
    assert shown[3] == "  ~/project · codex 0.163.0 · gpt"
    assert shown[4] == row("  ▸ Run: word", "HIGH RISK · waits 12 s")
    assert shown[5] == "    and 3 more"
    assert shown[6:11] == [
        "  plan  1 of 4 · 37 %",
        "    ✓ word 0",
        "    ▸ word 1",
        "    · word 2",
        "    · word 3",
    ]
    assert row("  $ make word", "background  5 s") in shown
    assert shown.count("  │ word 7") == 2
    assert "  files 14  +36 −12 · 2 changes to review" in shown
    assert "    word11.py (new)  +3 −1" in shown
    assert row("  ▸ word  word", "7 tokens") in shown
    assert row("  · u  idle", "0 tokens") in shown
    assert row("  next  word", "held") in shown
    assert "  12,345 tokens · 40 % context left · 5 h 90 % · 1 compaction" in shown
    assert row("  ! word", "3 s ago") in shown


def test_what_waits_for_a_person_comes_first() -> None:
    ended = view(3, state="completed", alive=False, started_at=None, closing="2 files")
    shown = text_of(Hud().lines([view(1), waiting(2), ended], now=NOW, columns=80, rows=24))
    heads = [line.split()[1] for line in shown if line.startswith("●")]
    assert heads == ["WAITS", "works", "done"]
    assert len(shown) <= 24


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 10), (20, 5), (200, 60), (80, 3)])
def test_the_weightiest_is_said_where_there_is_little_room(columns: int, rows: int) -> None:
    hud = Hud()
    for views in ([waiting(1)], [busy(1), waiting(2)], [busy(n) for n in range(40)]):
        lines = hud.lines(views, now=NOW, columns=columns, rows=rows, keys="q quits")
        assert len(lines) <= rows
        shown = text_of(lines)
        assert shown[0].startswith("autopilot")
        if rows > 4 and len(views) < 3:
            assert any(line.startswith("● WAITS") for line in shown)
            assert any("Run: word" in line for line in shown)
        if len(views) > rows:
            assert shown[-1].startswith("and ")


@given(
    st.text(max_size=60),
    st.integers(1, 130),
    st.integers(1, 60),
    st.integers(0, 6),
    st.sampled_from([None, ASCII]),
)
def test_no_line_is_wider_than_the_terminal(
    text: str, columns: int, rows: int, number: int, signs: Any
) -> None:
    views = [waiting(n, text) if n % 2 else busy(n, text) for n in range(number)]
    lines = Hud(signs).lines(views, now=NOW, columns=columns, rows=rows, keys="q quits")
    assert len(lines) <= rows
    assert all(sum(width_of(piece) for piece, _ in line) <= columns for line in lines)


def test_a_terminal_with_ascii_only_gets_ascii_only() -> None:
    lines = Hud(ASCII).lines([waiting(), busy(2)], now=NOW, columns=80)
    assert "".join(text_of(lines)).isascii()


def test_no_session_says_how_to_begin() -> None:
    shown = text_of(Hud().lines([], now=NOW, columns=80, rows=24))
    assert shown[0].startswith("autopilot  no open session")
    assert "autopilot-ls run" in shown[2]


@given(st.text(max_size=40), st.integers(0, 30))
def test_a_shortened_line_fits(text: str, columns: int) -> None:
    assert width_of(shorten(text, columns)) <= columns


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-3.0, "0 s"), (0.9, "0 s"), (59.9, "59 s"), (65, "1 min 5 s"), (7_800, "2 h 10 min")],
)
def test_a_clock_has_no_fractions(seconds: float, said: str) -> None:
    assert clock(seconds) == said
