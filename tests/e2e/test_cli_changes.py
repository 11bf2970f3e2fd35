"""`autopilot-ls changes` after a real turn: what the run says, and what is kept, undone and done again."""

from __future__ import annotations

import json
from typing import Final

import pytest

from autopilot_ls.scripted_model import ScriptedModel, command, message
from tests.support.world import world

pytestmark = pytest.mark.timeout(180)

REWRITE: Final = "sed -i 's/^two$/2/' a.txt b.txt"


def test_changes_of_a_run_are_listed_kept_undone_and_done_again() -> None:
    with ScriptedModel([command(REWRITE), message("Done.")]) as model, world(model) as here:
        for name in ("a.txt", "b.txt"):
            here.write(name, "one\ntwo\n")
        ran = here.run("run", "--mode", "auto", "change it")
        assert ran.returncode == 0, ran.stderr
        assert "2 unreviewed changes in 2 files: autopilot-ls changes list" in ran.stdout
        listed = here.run("changes", "list")
        assert REWRITE in listed.stdout
        assert "-two" in listed.stdout
        found = json.loads(here.run("changes", "list", "--json").stdout)
        assert [each["path"] for each in found["changes"]] == ["a.txt", "b.txt"]
        assert here.run("changes", "keep", "a.txt").stdout == "Kept 1 change.\n"
        wrong = here.run("changes", "undo", "c.txt")
        assert (wrong.returncode, "No unreviewed change" in wrong.stderr) == (2, True)
        assert here.run("changes", "undo").returncode == 2
        undone = here.run("changes", "undo-turn")
        assert undone.returncode == 0, undone.stderr
        assert here.read("a.txt") == here.read("b.txt") == "one\ntwo\n"
        assert here.run("changes", "redo").returncode == 0
        assert here.read("a.txt") == here.read("b.txt") == "one\n2\n"
        assert here.run("changes", "undo", "--all").returncode == 0
        assert here.read("b.txt") == "one\ntwo\n"
