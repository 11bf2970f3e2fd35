"""How the Neovim client reads, reloads and saves files under open buffers, in a real Neovim without a screen."""

from __future__ import annotations

from typing import Final

from tests.support.headless import Headless

OPEN: Final = """
vim.cmd('edit a.txt')
local files = require('autopilot.files')
local buffer = vim.api.nvim_get_current_buf()
local uri = vim.uri_from_bufnr(buffer)
files.attached(nil, buffer)
local function lines() return vim.api.nvim_buf_get_lines(buffer, 0, -1, false) end
local function outside(text)
  vim.fn.writefile(vim.split(text, '\\n'), 'b.txt', 'b')
  vim.uv.fs_rename('b.txt', 'a.txt')
end
"""


def test_a_reload_keeps_the_undo_history_of_a_long_file_and_asks_nothing(
    headless: Headless,
) -> None:
    (headless.folder / "a.txt").write_text("line\n" * 20_000)
    found = headless.run(
        OPEN
        + """
        vim.o.autoread = false
        outside('new\\n')
        files.told(nil, { uris = { uri } })
        local reloaded = lines()
        vim.cmd('silent undo')
        return { reloaded = reloaded, undone = #lines(), undoreload = vim.o.undoreload, autoread = vim.o.autoread }
        """
    )
    assert found == {"reloaded": ["new"], "undone": 20_000, "undoreload": 10_000, "autoread": False}


def test_a_file_that_is_created_under_its_open_buffer_is_read_without_a_question(
    headless: Headless,
) -> None:
    found = headless.run(
        OPEN
        + """
        local before = lines()
        outside('new\\n')
        files.told(nil, { uris = { uri } })
        local read = lines()
        vim.cmd('checktime')
        return { before = before, read = read, modified = vim.bo[buffer].modified, warned = vim.v.warningmsg }
        """
    )
    assert found == {"before": [""], "read": ["new"], "modified": False, "warned": ""}


def test_unsaved_text_is_never_reloaded_nor_written_over_what_others_wrote(
    headless: Headless,
) -> None:
    (headless.folder / "a.txt").write_text("old\n")
    found = headless.run(
        OPEN
        + """
        vim.api.nvim_buf_set_lines(buffer, 0, -1, false, { 'mine' })
        outside('theirs\\n')
        files.told(nil, { uris = { uri } })
        local saved = files.save(nil, { uris = { uri } }).saved
        return { kept = lines(), modified = vim.bo[buffer].modified, saved = #saved,
          disk = vim.fn.readfile('a.txt'), said = require('autopilot.say').history }
        """
    )
    assert isinstance(found, dict)
    assert "a.txt is not saved: the file was changed by another program" in found.pop("said")[0]
    assert found == {"kept": ["mine"], "modified": True, "saved": 0, "disk": ["theirs"]}


def test_what_the_server_wants_saved_is_written_and_only_that(headless: Headless) -> None:
    (headless.folder / "a.txt").write_text("old\n")
    (headless.folder / "c.txt").write_text("old\n")
    found = headless.run(
        OPEN
        + """
        vim.api.nvim_buf_set_lines(buffer, 0, -1, false, { 'mine' })
        vim.cmd('split c.txt')
        vim.api.nvim_buf_set_lines(0, 0, -1, false, { 'mine too' })
        local unknown = vim.uri_from_fname(vim.fn.getcwd() .. '/none.txt')
        local saved = files.save(nil, { uris = { uri, unknown } }).saved
        return { saved = vim.deep_equal(saved, { uri }), disk = vim.fn.readfile('a.txt'),
          other = vim.fn.readfile('c.txt'), modified = vim.bo[buffer].modified }
        """
    )
    assert found == {"saved": True, "disk": ["mine"], "other": ["old"], "modified": False}
