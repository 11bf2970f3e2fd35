"""What the tests of the Neovim client share: its set-up, keys that a person would press, what is looked at."""

from __future__ import annotations

import re
from typing import Final

from tests.support.neovim import Neovim

OPTIONS: Final = """
vim.o.shada = ''
vim.o.termguicolors = true
vim.o.number = true
vim.o.laststatus = 3
vim.o.statusline = "%f %m%=%{v:lua.require'autopilot'.statusline()} %l:%c"
vim.keymap.set('n', ']a', '<Plug>(autopilot-next-hunk)')
vim.keymap.set('n', '[a', '<Plug>(autopilot-previous-hunk)')
vim.keymap.set({ 'n', 'x' }, ' a', '<Plug>(autopilot-accept)')
vim.keymap.set({ 'n', 'x' }, ' r', '<Plug>(autopilot-reject)')
"""

BUFFER: Final = "vim.api.nvim_buf_get_lines(0, 0, -1, false)"
STATE: Final = "(require('autopilot.state').current() or {}).state"
WAITING: Final = "require('autopilot.state').pending()"
HUNKS: Final = "#vim.diagnostic.get(0)"


def do(editor: Neovim, line: str) -> None:
    """Type a command line."""
    editor.terminal.press("Escape")
    editor.terminal.type(f":{line}")
    editor.terminal.press("Enter")


def take(editor: Neovim, title: str) -> None:
    """Take an entry of the list that is open by its number."""
    screen = editor.terminal.wait_for(lambda shown: _number(shown, title) != "")
    editor.terminal.type(_number(screen, title))
    editor.terminal.press("Enter")


def _number(screen: str, title: str) -> str:
    """Return the number of an entry; a message beside the list may have its words as well."""
    entries = (re.match(r"\s*(\d+): ", row) for row in screen.splitlines() if title in row)
    return next((entry[1] for entry in entries if entry is not None), "")


def waits(editor: Neovim, count: int) -> None:
    editor.wait(WAITING, lambda found: found == count)


def ended(editor: Neovim, how: str = "completed") -> None:
    editor.wait(STATE, lambda state: state == how)
