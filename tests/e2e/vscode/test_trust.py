"""A folder that is not trusted, and a server that is not there, in the real VS Code."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopilot_ls.scripted_model import ScriptedModel
from tests.support.vscode import vscode
from tests.support.world import world

pytestmark = pytest.mark.timeout(300)


def test_an_untrusted_folder_has_no_modes_that_do_not_ask(package: Path) -> None:
    with ScriptedModel([]) as model, world(model) as here:
        here.write("area.py", "x = 1\n")
        settings = {"autopilot.mode": "auto"}
        with vscode(here, package, settings, trust=True) as editor:
            bench = editor.window("untrusted")
            # The person's own wish for new sessions does not hold here.
            bench.see(bench.status().filter(has_text="propose"))
            bench.chord("m")
            rows = bench.page.locator(".quick-input-widget:visible .monaco-list-row")
            bench.see(rows.filter(has_text="read-only"))
            bench.shot("modes")
            assert rows.count() == 2


def test_a_missing_server_is_said_with_what_to_do(package: Path) -> None:
    with ScriptedModel([]) as model, world(model) as here:
        here.write("area.py", "x = 1\n")
        here.environment["PATH"] = "/usr/bin:/bin"
        with vscode(here, package) as editor:
            bench = editor.window("missing")
            bench.see(bench.status().filter(has_text="no server"))
            bench.show()
            bench.see(bench.page.get_by_text("The server autopilot-ls was not found."))
            bench.page.get_by_role("button", name="How to Install It").click()
            bench.see(bench.toast("pip install 'autopilot-ls[codex]'"))
            bench.shot("how-to-install")
