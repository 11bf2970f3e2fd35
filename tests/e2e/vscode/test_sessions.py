"""A question, messages that wait, and several sessions, in the real VS Code with the real Codex."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from autopilot_ls.scripted_model import ScriptedModel, hold, message, question
from tests.support.vscode import Workbench, vscode
from tests.support.world import world

pytestmark = pytest.mark.timeout(400)


def answer(bench: Workbench, text: str) -> None:
    """Begin to answer a question that waits."""
    bench.see(bench.row("Approvals", text)).click()
    # What is chosen in a list that is just closing would be another entry of the next one.
    menu = bench.page.locator(".quick-input-widget:visible")
    bench.see(menu.filter(has_text="Show the transcript"))
    bench.pick("Answer…")
    bench.see(menu.filter(has_text="two places"))


def test_a_question_is_answered_and_what_waits_is_held_and_let_go(package: Path) -> None:
    never = threading.Event()
    steps = [
        question("unit", "Which unit?", [("euro", "with two places"), ("cent", "whole")]),
        hold(never, message("Too late.")),
        message("With the tests."),
    ]
    with ScriptedModel(steps) as model, world(model) as here, vscode(here, package) as editor:
        bench = editor.window("sessions")
        bench.show()
        bench.chord("n")
        bench.answer("Price the boxes")

        # Leaving the list answers nothing.
        answer(bench, "Which unit?")
        bench.shot("question")
        bench.page.keyboard.press("Escape")
        answer(bench, "Which unit?")
        bench.pick("cent")
        model.wait_for_requests(2, timeout=30)
        assert "cent" in str(model.requests[1])
        bench.miss(bench.tree("Approvals"))

        # Two messages wait for the end of the turn; one is taken back.
        for text in ("Mind the names", "Add the tests"):
            bench.chord("q")
            bench.answer(text)
            bench.see(bench.row("Now", text))
        bench.act(bench.row("Now", "Mind the names"), "Take the Message Back")
        bench.miss(bench.row("Now", "Mind the names"))
        # The turn does not complete, so the other one is held until the person lets it go.
        bench.chord("x")
        bench.see(bench.row("Now", re.compile("Add the tests.*held")))
        bench.shot("held")
        bench.act(bench.row("Now", "Add the tests"), "Let the Message Go")
        model.wait_for_requests(3, timeout=30)
        assert "Add the tests" in str(model.requests[2])
        assert "Mind the names" not in str(model.requests[2])
        bench.miss(bench.row("Now", "Add the tests"))
        never.set()

        # Sessions: one gets a name and a copy, and is put away and brought back.
        bench.unfold("Sessions")
        bench.choose(bench.row("Sessions", "Price the boxes"), "Rename the Session")
        bench.answer("Boxes")
        bench.choose(
            bench.row("Sessions", re.compile("^Boxes")), "Go On from Here in a New Session"
        )
        bench.see(bench.row("Sessions", "Boxes (fork)"))
        bench.choose(bench.row("Sessions", "Boxes (fork)"), "Archive the Session")
        bench.miss(bench.row("Sessions", "Boxes (fork)"))
        bench.command("Autopilot: Bring Back an Archived Session")
        bench.pick("Boxes (fork)")
        bench.see(bench.row("Sessions", "Boxes (fork)"))
        bench.shot("sessions")

        bench.command("Welcome: Open Walkthrough")
        bench.pick("Begin with Autopilot")
        bench.see(bench.page.get_by_text("Give the agent a task").first)
        bench.shot("walkthrough")
