"""The set-up, the help and what is shown by the Neovim client, in a real Neovim without a screen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.headless import CLIENT, Headless


def test_options_that_are_wrong_are_named_and_their_defaults_hold(headless: Headless) -> None:
    options = """vim.g.autopilot = {
      command = 'autopilot-ls', hud = { position = 'top', size = 60 }, attention = { 'bell', 'light' },
      colour = 'red', settings = { mode = 'auto', codex = { modle = 'x' } },
    }"""
    found = headless.run(
        "local options, problems = require('autopilot.config').get()\n"
        "return { options = options, problems = problems }",
        before=options,
    )
    assert isinstance(found, dict)
    said = "\n".join(found["problems"])
    assert 'attention "light": must be one of bell, osc9, osc777, title' in said
    assert "colour is unknown; there are announce, attention, command" in said
    assert "command must be a list" in said
    assert "hud.position must be one of right, bottom" in said
    assert "settings.codex.modle is no setting of the server" in said
    assert found["options"]["hud"] == {"position": "right", "size": 60}
    assert found["options"]["attention"] == ["title"]


def test_every_subcommand_completes_and_has_its_help(headless: Headless) -> None:
    names = headless.run("return vim.fn.getcompletion('Autopilot ', 'cmdline')")
    assert isinstance(names, list)
    assert {"ask", "fix", "steer", "stop", "mode", "approvals", "review", "hud"} <= set(names)
    tags = (CLIENT / "doc" / "tags").read_text()
    assert [name for name in names if f":Autopilot-{name}\t" not in tags] == []
    documented = re.findall(r"^:Autopilot-(\S+)\t", tags, re.MULTILINE)
    assert sorted(documented) == sorted(names)
    modes = headless.run("return vim.fn.getcompletion('Autopilot mode ', 'cmdline')")
    assert modes == ["read-only", "propose", "auto", "escalate"]


def test_the_tags_are_those_that_neovim_makes(headless: Headless, tmp_path: Path) -> None:
    doc = tmp_path / "doc"
    doc.mkdir()
    (doc / "autopilot.txt").write_text((CLIENT / "doc" / "autopilot.txt").read_text())
    headless.run(f"vim.cmd('helptags {doc}')")
    assert (doc / "tags").read_text() == (CLIENT / "doc" / "tags").read_text()
    assert headless.run("vim.cmd('help autopilot') return vim.fn.expand('%:t')") == "autopilot.txt"


def test_every_mapping_of_the_help_is_there(headless: Headless) -> None:
    named = set(
        re.findall(r"<Plug>\((autopilot-[a-z-]+)\)", (CLIENT / "doc/autopilot.txt").read_text())
    )
    found = headless.run(
        "return vim.tbl_map(function(m) return m.lhs end, vim.api.nvim_get_keymap('n'))"
    )
    assert isinstance(found, list)
    there = {name for each in found for name in re.findall(r"^<Plug>\((autopilot-.*)\)$", each)}
    assert named == there


def test_a_missing_server_is_said_once_with_what_to_do(headless: Headless) -> None:
    (headless.folder / "a.py").write_text("x = 1\n")
    found = headless.run(
        "vim.cmd('edit a.py | edit! a.py')\n"
        "return { history = require('autopilot.say').history, clients = #vim.lsp.get_clients() }",
        before="vim.lsp.enable('autopilot')",
        environment={"PATH": "/usr/bin:/bin"},
    )
    assert isinstance(found, dict)
    assert found["clients"] == 0
    assert len(found["history"]) == 1
    assert "autopilot-ls is not installed: pip install 'autopilot-ls[codex]'" in found["history"][0]


def test_health_says_what_is_missing_and_what_is_there(headless: Headless) -> None:
    health = (
        "vim.cmd('checkhealth autopilot')\n"
        "return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\\n')"
    )
    missing = str(headless.run(health, environment={"PATH": "/usr/bin:/bin"}))
    assert "ERROR autopilot-ls is not installed" in missing
    assert "vim.lsp.enable('autopilot')" in missing
    there = str(headless.run(health, before="vim.lsp.enable('autopilot')"))
    assert re.search(r"OK autopilot-ls \S+ \(", there), there
    assert "vim.g.autopilot is right" in there


# What is shown ----------------------------------------------------------------------------------

VIEW: Final = """
local view = {
  sessionId = 's1', seq = %d, title = 'Task', cwd = '/w', runtime = 'codex', model = 'm', mode = 'auto',
  state = 'waiting', alive = true, error = '', doing = '', closing = '', startedAt = os.time() - 61,
  pending = { { id = 'a1', kind = 'command', title = 'Run: %s', why = 'because', requestedAt = os.time() } },
}
"""


def test_an_older_description_never_replaces_a_newer_one(headless: Headless) -> None:
    told = "require('autopilot.state').told(nil, { status = view })\n"
    found = headless.run(
        f"do {VIEW % (5, 'new')} {told} end\ndo {VIEW % (4, 'old')} {told} end\n"
        "return require('autopilot.state').current().pending[1].title"
    )
    assert found == "Run: new"


@pytest.mark.parametrize(
    ("options", "columns", "shape"),
    [
        ("{}", 200, ["row", 48]),
        ("{}", 80, ["row", 32]),
        ("{ position = 'bottom' }", 80, ["col", 12]),
    ],
)
def test_the_hud_leaves_most_of_the_screen_to_the_text(
    headless: Headless, options: str, columns: int, shape: list[object]
) -> None:
    found = headless.run(
        f"vim.o.columns, vim.o.lines = {columns}, 40\nvim.g.autopilot = {{ hud = {options} }}\n"
        "require('autopilot.hud').open()\n"
        "local win = vim.fn.bufwinid('autopilot-hud://')\n"
        "local kind = vim.fn.winlayout()[1]\n"
        "return { kind, kind == 'row' and vim.fn.winwidth(win) or vim.fn.winheight(win) }"
    )
    assert found == shape


def test_what_a_line_of_the_hud_leaves_out_is_shown_whole(headless: Headless) -> None:
    found = headless.run(
        f"{VIEW % (1, 'x')}\nview.pending = {{}}\n"
        "view.problems = { { level = 'warning', text = ('long '):rep(30) .. 'end' } }\n"
        "require('autopilot.state').told(nil, { status = view })\n"
        "require('autopilot.hud').open()\n"
        "vim.api.nvim_set_current_win(vim.fn.bufwinid('autopilot-hud://'))\n"
        "vim.fn.search('^! long')\nlocal cut = vim.fn.getline('.')\n"
        "vim.api.nvim_feedkeys(vim.keycode('<CR>'), 'x', false)\n"
        "for _, win in ipairs(vim.api.nvim_list_wins()) do\n"
        "  if vim.api.nvim_win_get_config(win).relative ~= '' then\n"
        "    local lines = vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(win), 0, -1, false)\n"
        "    return { cut:sub(-3), lines[1]:sub(-3) }\n  end\nend"
    )
    assert found == ["…", "end"]


def test_the_statusline_shows_agents_text_as_text(headless: Headless) -> None:
    item = "view.item = { kind = 'command', title = '%{system(1)} %#Error#' }\nview.pending = {}\n"
    found = headless.run(
        f"{VIEW % (1, 'x')} {item} require('autopilot.state').told(nil, {{ status = view }})\n"
        "return require('autopilot').statusline()"
    )
    assert found == "◆ auto 1:01 %%{system(1)} %%#Error#"


def test_what_the_terminal_is_told_cannot_be_ended_by_the_agent(headless: Headless) -> None:
    found = headless.run(
        "local written = {}\n"
        "io.stdout = { write = function(_, text) table.insert(written, text) end, flush = function() end }\n"
        "vim.cmd('doautocmd FocusLost')\n"
        "local attention = require('autopilot.attention')\n"
        "vim.cmd('doautocmd FocusLost')\n"
        f"{VIEW % (1, 'x;y')}\n"
        "view.pending[1].title = 'Run: a;b\\27]0;evil\\7c'\n"
        "attention.announce(view, view.pending[1])\n"
        "return written",
        before="vim.g.autopilot = { attention = { 'bell', 'osc9', 'osc777' } }",
    )
    assert found == [
        "\a",
        "\x1b]9;Autopilot: w: Run: a b ]0 evil c\a",
        "\x1b]777;notify;Autopilot;w: Run: a b ]0 evil c\a",
    ]


def test_the_title_says_that_something_waits_and_is_given_back(headless: Headless) -> None:
    told = "require('autopilot.state').told(nil, { status = view })\n"
    found = headless.run(
        f"vim.o.titlestring = 'mine'\n{VIEW % (1, 'x')} {told}\n"
        "local during = { vim.o.titlestring, vim.o.title }\n"
        f"view = vim.tbl_extend('force', view, {{ seq = 2, pending = {{}} }}) {told}\n"
        "return { during, { vim.o.titlestring, vim.o.title } }"
    )
    assert found == [["(1) Autopilot waits for you", True], ["mine", False]]


def test_a_long_message_is_cut_before_it_stops_the_keyboard_and_kept_whole(
    headless: Headless,
) -> None:
    found = headless.run(
        "local said\nvim.notify = function(text) said = text end\n"
        "require('autopilot.say').warn(('long\\n'):rep(100))\n"
        "vim.wait(5000, function() return said ~= nil end)\n"
        "return { vim.fn.strdisplaywidth(said) <= vim.v.echospace, said:find('\\n') == nil,\n"
        "  #require('autopilot.say').history[1] > 400 }"
    )
    assert found == [True, True, True]


def test_what_a_code_action_could_not_do_is_said_in_one_line_and_kept_whole(
    headless: Headless,
) -> None:
    said = headless.run(
        """
        local failure = { message = ('Save it first. '):rep(30), data = { advice = 'Then decide again.' } }
        local handlers = dofile(vim.api.nvim_get_runtime_file('lsp/autopilot.lua', false)[1]).handlers
        handlers['workspace/executeCommand'](nil, {}, {})
        handlers['workspace/executeCommand'](failure, nil, {})
        return require('autopilot.say').history
        """
    )
    assert isinstance(said, list)
    assert len(said) == 1
    assert said[0].endswith("Then decide again.")


def test_a_file_elsewhere_is_served_by_the_same_server_and_adds_its_folder(
    headless: Headless,
) -> None:
    for name in ("one/.git", "two/.git", "two/sub"):
        (headless.folder / name).mkdir(parents=True)
    (headless.folder / "one/a.py").write_text("x = 1\n")
    (headless.folder / "two/sub/b.py").write_text("y = 2\n")
    found = headless.run(
        """
        local function attached(count)
          assert(vim.wait(30000, function()
            return #vim.lsp.get_clients({ bufnr = 0 }) == 1 and vim.lsp.get_clients()[1].initialized
              and #vim.lsp.get_clients()[1].workspace_folders == count
          end, 20))
        end
        vim.cmd('cd one | edit a.py')
        attached(1)
        vim.cmd('edit ../two/sub/b.py')
        attached(2)
        local folder = require('autopilot.server').folder(0)
        local client = vim.lsp.get_clients()[1]
        local shown = { vim.tbl_map(function(f) return vim.fs.basename(f.name) end, client.workspace_folders),
          vim.fs.basename(folder), #vim.lsp.get_clients() }
        client:stop()
        vim.wait(20000, function() return #vim.lsp.get_clients() == 0 end, 20)
        return shown
        """,
        before="vim.g.autopilot = { shared = false }\nvim.lsp.enable('autopilot')",
        environment={"AUTOPILOT_STATE_DIR": str(headless.folder / "state")},
    )
    assert found == [["one", "two"], "two", 1]
