"""The parts of the Neovim client that need no server, in a real Neovim without a screen."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.neovim import ROOT, executable

CLIENT: Final = ROOT / "editors" / "nvim"


class Headless:
    """A Neovim with the client on its path, run once for each script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
        }
        for made in ("home", "run"):
            (folder / made).mkdir(mode=0o700)

    def run(
        self, body: str, *, before: str = "", environment: dict[str, str] | None = None
    ) -> object:
        """Return what the body of a Lua function returns."""
        script = self.folder / "script.lua"
        answer = self.folder / "answer.json"
        script.write_text(
            f"local function body()\n{body}\nend\n"
            "local ok, value = xpcall(body, debug.traceback)\n"
            f"local text = vim.json.encode({{ ok = ok, value = value }})\n"
            f"vim.fn.writefile({{ text }}, '{answer}')\nvim.cmd('qall!')\n"
        )
        init = self.folder / "init.lua"
        init.write_text(f"vim.opt.runtimepath:append('{CLIENT}')\nvim.o.shada = ''\n{before}\n")
        done = subprocess.run(
            [executable(), "--headless", "-n", "-u", str(init), "-c", f"luafile {script}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=self.folder,
            env={**self._environment, **(environment or {})},
        )
        assert answer.exists(), done.stderr + done.stdout
        found = json.loads(answer.read_text())
        answer.unlink()
        assert found["ok"], found["value"]
        return found.get("value")


@pytest.fixture
def headless(tmp_path: Path) -> Headless:
    return Headless(tmp_path)


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


# Buffers and files ------------------------------------------------------------------------------

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


# Decisions, with a stand-in for the server --------------------------------------------------------

STAND_IN: Final = """
local asked = {}
local server = require('autopilot.server')
local answers = {}
local failures = {}
server.run = function(command, argument, on_result, on_failure)
  table.insert(asked, { command, argument })
  local failure = table.remove(failures, 1)
  if failure then return (on_failure or server.failed)(failure) end
  if on_result then on_result(answers[command] or {}) end
end
local picks, texts, offered = {}, {}, {}
vim.ui.select = function(items, options, done)
  local shown = vim.tbl_map(options.format_item or tostring, items)
  table.insert(offered, shown)
  local wanted = table.remove(picks, 1)
  for index, label in ipairs(shown) do
    if label == wanted then return done(items[index], index) end
  end
  done(nil)
end
vim.ui.input = function(_, done) done(table.remove(texts, 1)) end
local pending = { id = 'a1', kind = 'x', title = 'What', why = 'because', requestedAt = 1 }
local function waits(approval)
  answers['autopilot.approval.list'] = { approvals = { vim.tbl_extend('force', { id = 'a1' }, approval) } }
end
"""


def test_a_patch_is_not_accepted_whole_without_a_word_about_what_was_rejected(
    headless: Headless,
) -> None:
    found = headless.run(
        STAND_IN
        + """
        local marks = { { hunkId = 'h1', mark = 'reject' }, { hunkId = 'h2', mark = 'accept' } }
        waits({ action = { type = 'patch' }, marks = marks, offers = { { key = 'k1', label = 'always' } } })
        require('autopilot.approvals').decide(pending)
        return vim.list_slice(offered[1], 3, 5)
        """
    )
    accepting = ["Accept", "Accept for this session", "always"]
    assert found == [f"{each}, also what you rejected (1)" for each in accepting]


def test_a_command_is_decided_as_chosen_and_nothing_is_decided_by_closing_the_list(
    headless: Headless,
) -> None:
    found = headless.run(
        STAND_IN
        + """
        waits({ action = { type = 'command' }, offers = { { key = 'k1', label = 'always allow it' } } })
        picks = { 'Accept', 'always allow it', 'Reject, with a reason', 'nothing of these' }
        texts = { 'not now' }
        for _ = 1, 4 do require('autopilot.approvals').decide(pending) end
        local decided = vim.tbl_filter(function(a) return a[1] == 'autopilot.approval.decide' end, asked)
        return { offered = offered[1], decided = vim.tbl_map(function(a) return a[2] end, decided) }
        """
    )
    assert found == {
        "offered": [
            "Accept",
            "Accept for this session",
            "always allow it",
            "Reject",
            "Reject, with a reason",
            "Reject, and stop the turn",
        ],
        "decided": [
            {"approvalId": "a1", "decision": "accept"},
            {"approvalId": "a1", "decision": "accept", "remember": "k1"},
            {"approvalId": "a1", "decision": "decline", "message": "not now"},
        ],
    }


def test_what_a_tool_asks_for_is_filled_in_by_its_schema(headless: Headless) -> None:
    found = headless.run(
        STAND_IN
        + """
        local schema = { type = 'object', properties = {
          a_name = { type = 'string' }, b_count = { type = 'integer' }, c_sure = { type = 'boolean' },
          d_kind = { enum = { 'x', 'y' } } } }
        waits({ action = { type = 'elicitation', contentSchema = vim.json.encode(schema) } })
        picks, texts = { 'Fill in', 'true', 'y' }, { 'Ada', 'three', '3' }
        require('autopilot.approvals').decide(pending)
        return asked[#asked]
        """
    )
    content = {"a_name": "Ada", "b_count": 3, "c_sure": True, "d_kind": "y"}
    argument = {"approvalId": "a1", "decision": "accept", "content": content}
    assert found == ["autopilot.approval.decide", argument]


def test_every_question_is_answered_by_itself(headless: Headless) -> None:
    found = headless.run(
        STAND_IN
        + """
        waits({ action = { type = 'question', questions = {
          { id = 'q1', text = 'Which?', options = { { label = 'one' } }, freeText = true },
          { id = 'q2', text = 'Why?' } } } })
        picks, texts = { 'Answer', 'Something else …' }, { 'two', 'so' }
        require('autopilot.approvals').decide(pending)
        return vim.list_slice(asked, 2)
        """
    )
    answer = "autopilot.approval.answer"
    assert found == [
        [answer, {"approvalId": "a1", "questionId": "q1", "answers": ["two"]}],
        [answer, {"approvalId": "a1", "questionId": "q2", "answers": ["so"]}],
    ]


@pytest.mark.parametrize("modified", ["a.txt", "b.txt"])
def test_saving_is_offered_only_where_the_patch_meets_unsaved_text(
    headless: Headless, modified: str
) -> None:
    found = headless.run(
        STAND_IN
        + f"""
        vim.cmd('edit b.txt | split a.txt')
        require('autopilot.hunks').start({{ id = 7 }})
        local data = {{ approvalId = 'a1', hunkId = 'h1', mark = 'none' }}
        vim.diagnostic.set(vim.lsp.diagnostic.get_namespace(7), 0, {{
          {{ lnum = 0, col = 0, message = 'm', user_data = {{ lsp = {{ data = data }} }} }},
        }})
        vim.bo[vim.fn.bufnr('{modified}')].modified = true
        answers['autopilot.approval.list'] = {{ approvals = {{}} }}
        failures = {{ {{ message = 'Not accepted.', data = {{ code = 'decision-refused', advice = 'Reject it.' }} }} }}
        require('autopilot.review').decide('accept')
        return {{ offered = offered, said = #require('autopilot.say').history }}
        """
    )
    offers = [["Save, and accept", "Accept into the unsaved text", "Leave it"]]
    if modified == "a.txt":
        assert found == {"offered": offers, "said": 0}
    else:
        assert found == {"offered": [], "said": 1}


def test_what_is_put_in_above_the_first_line_is_seen(headless: Headless) -> None:
    (headless.folder / "a.txt").write_text("line\n" * 200)
    found = headless.run(
        STAND_IN
        + """
        local hunk = { id = 'h1', oldStart = 0, oldLines = {}, newLines = { 'one\\n', 'two\\n' } }
        waits({ files = { { hunks = { hunk } } } })
        vim.cmd('edit a.txt')
        require('autopilot.hunks').start({ id = 7 })
        vim.diagnostic.set(vim.lsp.diagnostic.get_namespace(7), 0, {
          { lnum = 0, col = 0, end_lnum = 0, end_col = 4, message = 'm',
            user_data = { lsp = { data = { approvalId = 'a1', hunkId = 'h1', mark = 'none' } } } },
        })
        local function filled()
          return vim.fn.winsaveview().topfill
        end
        vim.wait(10000, function()
          vim.cmd.redraw()
          return filled() == 2
        end, 10)
        local shown = filled()
        vim.cmd('normal! \\5')
        vim.cmd.redraw()
        local scrolled = filled()
        vim.cmd('normal! G')
        require('autopilot.review').jump(1)
        local jumped = filled()
        vim.cmd('edit b.txt | edit a.txt')
        vim.wait(10000, function()
          vim.cmd.redraw()
          return filled() == 2
        end, 10)
        return { shown = shown, scrolled = scrolled, jumped = jumped, back = filled() }
        """
    )
    assert found == {"shown": 2, "scrolled": 1, "jumped": 2, "back": 2}, (
        "and they can be scrolled away"
    )


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


def test_a_login_opens_the_browser_and_shows_the_code(headless: Headless) -> None:
    found = headless.run(
        STAND_IN
        + """
        local opened
        vim.ui.open = function(url) opened = url end
        answers['autopilot.account.login'] = { loginId = 'l1', url = 'https://example.org', userCode = 'AB-12' }
        vim.cmd('Autopilot login deviceCode')
        return { asked = asked, opened = opened, said = require('autopilot.say').history[1] }
        """
    )
    assert isinstance(found, dict)
    assert found["asked"] == [["autopilot.account.login", {"method": "deviceCode"}]]
    assert found["opened"] == "https://example.org"
    assert "AB-12" in found["said"]


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
