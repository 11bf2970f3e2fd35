"""The policy in a real Neovim, with no plugin of ours.

A broken policy file shows its problem at its place, a workspace's policy is trusted by a code action, and
a pending hunk explains itself on hover.
"""

from __future__ import annotations

import json
from typing import Final, cast

import pytest

from autopilot_ls.scripted_model import ScriptedModel, message, patch
from tests.support.neovim import Neovim, neovim
from tests.support.world import world

pytestmark = pytest.mark.timeout(180)

BROKEN: Final = """\
version = 1

[[rule]]
name = "tests"
verdict = "alow"
command = "pytest …"
"""
MINE: Final = """\
[[rule]]
name = "look-at-changes"
verdict = "ask"
edit = ["area.py"]
reason = "Areas are my affair."
"""
THEIRS: Final = """\
[[rule]]
name = "their-tests"
verdict = "allow"
command = "frobnicate …"
"""
CODE: Final = "# autopilot: rename w to width\ndef area(w, h):\n    return w * h\n"
PATCH: Final = """\
*** Begin Patch
*** Update File: area.py
@@
 # autopilot: rename w to width
-def area(w, h):
-    return w * h
+def area(width, h):
+    return width * h
*** End Patch
"""
SHOWN: Final = (
    "vim.tbl_map(function(d) return {d.code, d.lnum, d.col, d.message} end, vim.diagnostic.get(0))"
)


def _shown(editor: Neovim, *codes: str) -> list[list[object]]:
    """Wait until exactly these diagnostics are shown and return them."""

    def as_wanted(value: object) -> bool:
        found = cast("list[list[object]]", value or [])
        return sorted(str(one[0]) for one in found) == sorted(codes)

    return cast("list[list[object]]", editor.wait(SHOWN, as_wanted) or [])


def test_a_broken_policy_shows_where_and_is_quiet_when_it_is_mended() -> None:
    with ScriptedModel([]) as model, world(model) as here:
        path = here.root / "policy.toml"
        path.write_text(BROKEN)
        with neovim(here, str(path)) as editor:
            [[_, line, column, said]] = _shown(editor, "policy-invalid")
            assert (line, column) == (4, 10)
            assert said == "verdict is one of allow, ask, deny; did you mean allow?"
            editor.terminal.type("5G0f=wlcwallow")
            editor.terminal.press("Escape")
            assert 'verdict = "allow"' in str(_lines_when(editor, "allow"))
            [[_, line, _, said]] = _shown(editor, "policy-not-saved")
            assert (line, said) == (0, "These rules are not in force until the file is saved.")
            editor.terminal.type(":w")
            editor.terminal.press("Enter")
            _shown(editor)


def _lines_when(editor: Neovim, text: str) -> object:
    return editor.wait(
        "vim.api.nvim_buf_get_lines(0, 0, -1, false)[5]", lambda line: text in str(line)
    )


def test_a_workspace_policy_is_trusted_by_a_code_action() -> None:
    with ScriptedModel([]) as model, world(model) as here:
        path = here.write(".autopilot/policy.toml", THEIRS)
        trusted = here.state / "trusted-policies.json"
        with neovim(here, str(path)) as editor:
            found = _shown(editor, "policy-not-trusted", "no-effect")
            assert ["policy-not-trusted", 0, 0] in [one[:3] for one in found]
            assert not trusted.exists()
            editor.choose("trust exactly this policy (1 of 1 rule allow)")
            _shown(editor)
            assert list(json.loads(trusted.read_text())) == [str(here.workspace)]


def test_a_hunk_explains_itself_on_hover() -> None:
    with (
        ScriptedModel([patch(PATCH), message("As you wish.")]) as model,
        world(model) as here,
    ):
        mine = here.root / "policy.toml"
        mine.write_text(MINE)
        here.write("area.py", CODE)
        with neovim(here, "area.py", extra="vim.o.columns = 160") as editor:
            editor.terminal.type("1G")
            editor.choose("run this task")
            _shown(editor, "pending-hunk")
            editor.terminal.type("2GK")
            text = cast("str", editor.wait(_float(), lambda value: "look-at-changes" in str(value)))
            assert f"Asked by the rule look-at-changes ({mine}:1)" in text.replace("`", "")
            assert "Areas are my affair." in text
            assert "-def area(w, h):\n-    return w * h\n+def area(width, h):" in text


def _float() -> str:
    """Return an expression for the text of all floating windows."""
    return (
        "vim.iter(vim.api.nvim_list_wins()):filter(function(w) "
        "return vim.api.nvim_win_get_config(w).relative ~= '' end):map(function(w) return "
        "table.concat(vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(w), 0, -1, false), "
        "'\\n') end):join('\\n')"
    )
