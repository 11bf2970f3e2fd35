"""A pending hunk in a real Neovim, while somebody types above it, into it, and makes it by hand."""

from __future__ import annotations

from typing import Final

import pytest

from autopilot_ls.scripted_model import ScriptedModel, message, patch
from tests.support.neovim import neovim
from tests.support.world import world

pytestmark = pytest.mark.timeout(180)

TEXT: Final = (
    "# autopilot: sum them\n\n\ndef total(xs):\n    return len(xs)  # 😋\n\n\nprint(total([1]))\n"
)
PATCH: Final = """\
*** Begin Patch
*** Update File: total.py
@@
 def total(xs):
-    return len(xs)  # 😋
+    return sum(xs)
*** End Patch
"""
SEEN: Final = (
    "vim.tbl_map(function(d) return {d.lnum, d.end_lnum, d.severity} end, vim.diagnostic.get(0))"
)
WARNING, INFORMATION = 2, 3


def test_hunk_follows_what_is_typed() -> None:
    with ScriptedModel([patch(PATCH), message("Done.")]) as model, world(model) as here:
        here.write("total.py", TEXT)
        with neovim(here, "total.py", extra="vim.o.shada = ''\nvim.o.autoindent = false") as editor:
            editor.choose("run this task")
            editor.wait(SEEN, lambda seen: seen == [[4, 4, INFORMATION]])
            # Above it.
            editor.terminal.type("Oimport os")
            editor.terminal.press("Enter", "Escape")
            editor.wait(SEEN, lambda seen: seen == [[6, 6, INFORMATION]])
            # Into it, and that undone.
            editor.terminal.type("7Gx")
            editor.wait(SEEN, lambda seen: seen == [[6, 6, WARNING]])
            editor.terminal.type("u")
            editor.wait(SEEN, lambda seen: seen == [[6, 6, INFORMATION]])
            # By hand, and that undone.
            editor.terminal.type("7G0C    return sum(xs)")
            editor.terminal.press("Escape")
            editor.wait(
                "vim.api.nvim_get_current_line()", lambda line: line == "    return sum(xs)"
            )
            editor.wait(SEEN, lambda seen: seen == [])
            editor.terminal.type("u")
            editor.wait(SEEN, lambda seen: seen == [[6, 6, INFORMATION]])
            assert editor.lines()[6] == "    return len(xs)  # 😋"
