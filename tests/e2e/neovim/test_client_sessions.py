"""Several sessions in Neovim, what waits in a queue, what is attached, what a tool asks: with the real Codex."""

from __future__ import annotations

import json
import struct
import sys
import threading
import zlib
from pathlib import Path
from typing import Final, cast

import pytest

from autopilot_ls.scripted_model import ScriptedModel, hold, message, tool_call
from tests.support.captures import Captures
from tests.support.neovim import Neovim, neovim
from tests.support.neovim_client import OPTIONS, do, ended, take, waits
from tests.support.world import world

pytestmark = pytest.mark.timeout(240)

HUD: Final = "table.concat(vim.api.nvim_buf_get_lines(vim.fn.bufnr('autopilot-hud://'), 0, -1, false), '\\n')"
SAID: Final = "table.concat(require('autopilot.say').history, '\\n')"


def picture() -> bytes:
    """Return a PNG of one white point."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0\xff\xff\xff")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def shows(editor: Neovim, text: str, *, told: str = HUD) -> None:
    editor.wait(told, lambda found: text in cast("str", found))


def lacks(editor: Neovim, text: str) -> None:
    editor.wait(HUD, lambda found: text not in cast("str", found))


def test_what_is_queued_waits_and_is_taken_back_held_and_released() -> None:
    never = threading.Event()
    steps = [hold(never, message("Too late.")), message("The second."), message("Looked at.")]
    with ScriptedModel(steps) as model, world(model) as here:
        here.write("one.py", "x = 1\n")
        (here.workspace / "dot.png").write_bytes(picture())
        pictures = Captures("neovim", "queue")
        with neovim(here, "one.py", extra=OPTIONS, client=True) as editor:
            do(editor, "Autopilot ask take your time")
            shows(editor, "The agent is at work (:Autopilot hud)", told=SAID)
            model.wait_for_requests(1)
            do(editor, "Autopilot hud")
            do(editor, "Autopilot queue the first message")
            do(editor, "Autopilot queue the second message")
            shows(editor, "2 the second message")
            do(editor, "Autopilot unqueue")
            take(editor, ": the first message")
            shows(editor, "1 the second message")
            do(editor, "Autopilot stop")
            ended(editor, "interrupted")
            shows(editor, "held: :Autopilot release")
            shows(editor, "take your time: Interrupted", told=SAID)
            pictures.take(editor.terminal, "held")
            do(editor, "Autopilot release")
            model.wait_for_requests(2)
            ended(editor)
            assert "the second message" in str(model.requests[1])
            assert "the first message" not in str(model.requests[1])
            do(editor, "Autopilot unqueue")
            shows(editor, "No message waits", told=SAID)

            do(editor, "Autopilot attach dot.png")
            shows(editor, "1 file(s) go with the next task", told=SAID)
            do(editor, "Autopilot ask look at it")
            model.wait_for_requests(3)
            assert "data:image/png;base64," in str(model.requests[2])
            assert "data:image/png;base64," not in str(model.requests[1])
            ended(editor)
            never.set()


def test_sessions_are_named_copied_put_away_and_taken_up_again() -> None:
    steps = [message("First."), message("Second."), message("Third.")]
    with ScriptedModel(steps) as model, world(model) as here:
        here.write("one.py", "x = 1\n")
        pictures = Captures("neovim", "sessions")
        with neovim(here, "one.py", extra=OPTIONS, client=True) as editor:
            do(editor, "Autopilot sessions")
            editor.terminal.wait_for("There is no recorded session")
            do(editor, "Autopilot! sessions")
            editor.terminal.wait_for("No session is archived")
            do(editor, "Autopilot hud")
            do(editor, "Autopilot ask begin")
            ended(editor)
            do(editor, "Autopilot rename Boxes")
            shows(editor, "✔ Boxes")
            do(editor, "Autopilot fork")
            shows(editor, "○ Boxes (fork)")
            shows(editor, "Other sessions\n✔ Boxes")
            pictures.take(editor.terminal, "forked")
            do(editor, "Autopilot ask go on")
            model.wait_for_requests(2)
            shows(editor, "✔ Boxes (fork)")
            assert "First." in str(model.requests[1])
            do(editor, "Autopilot archive")
            lacks(editor, "(fork)")
            shows(editor, "✔ Boxes")
            # Those that are put away have a list of their own; work in one brings it back.
            do(editor, "Autopilot! sessions")
            take(editor, "  Boxes (fork)  ")
            take(editor, ": Resume it")
            shows(editor, "Boxes (fork)")
            do(editor, "Autopilot ask and on")
            model.wait_for_requests(3)
            ended(editor)
            assert "Second." in str(model.requests[2])
            do(editor, "Autopilot sessions")
            editor.terminal.wait_for("Boxes (fork)")
            pictures.take(editor.terminal, "list")
            editor.terminal.press("Escape")


def test_what_a_review_finds_stands_behind_its_line_and_is_mended_or_dismissed() -> None:
    with ScriptedModel([]) as model, world(model) as here:
        path = here.write("one.py", "def add(a, b):\n    return a - b\n")
        found = [
            {
                "title": f"[P1] {title}",
                "body": "Because.",
                "confidence_score": 0.9,
                "priority": 1,
                "code_location": {
                    "absolute_file_path": str(path),
                    "line_range": {"start": line, "end": line},
                },
            }
            for line, title in ((1, "Odd name"), (2, "Adds wrongly"))
        ]
        told = {
            "findings": found,
            "overall_correctness": "patch is incorrect",
            "overall_explanation": "Not yet.",
            "overall_confidence_score": 0.8,
        }
        model.extend(message(json.dumps(told), deltas=()), message("Mended."))
        pictures = Captures("neovim", "findings")
        with neovim(here, "one.py", extra=OPTIONS, client=True) as editor:
            do(editor, "Autopilot inspect")
            editor.terminal.wait_for("■ [P1] Adds wrongly")
            pictures.take(editor.terminal, "findings")
            ended(editor)
            do(editor, "2")
            do(editor, "Autopilot fix")
            model.wait_for_requests(2)
            assert "Fix this finding of the review" in str(model.requests[1])
            assert "Adds wrongly" in str(model.requests[1])
            do(editor, "Autopilot dismiss")
            editor.terminal.wait_for(lambda screen: "Odd name" not in screen)


def test_what_a_tool_asks_for_is_given_to_it(tmp_path: Path) -> None:
    steps = [tool_call("label", {}, namespace="mcp__boxes", call_id="t1"), message("Labelled.")]
    with ScriptedModel(steps) as model, world(model) as here:
        here.write("one.py", "x = 1\n")
        given = tmp_path / "given"
        server = json.dumps([str(Path(__file__).with_name("asking_server.py")), str(given)])
        (here.codex_home / "config.toml").write_text(
            f"[mcp_servers.boxes]\ncommand = {json.dumps(sys.executable)}\nargs = {server}\n"
        )
        pictures = Captures("neovim", "elicitation")
        with neovim(here, "one.py", extra=OPTIONS, client=True) as editor:
            do(editor, "Autopilot ask label the box")
            # First whether the tool may be called, then what it asks.
            waits(editor, 1)
            do(editor, "Autopilot approvals")
            take(editor, ": Accept")
            editor.wait(
                "(require('autopilot.approvals').pending()[1] or {}).title",
                lambda title: "What is on the label?" in str(title),
            )
            do(editor, "Autopilot approvals")
            take(editor, ": Fill in")
            editor.terminal.wait_for("How many:")
            pictures.take(editor.terminal, "field")
            editor.terminal.type("3")
            editor.terminal.press("Enter")
            editor.terminal.wait_for("Whose:")
            editor.terminal.type("Ada")
            editor.terminal.press("Enter")
            ended(editor)
            assert json.loads(given.read_text())["content"] == {"count": 3, "name": "Ada"}
