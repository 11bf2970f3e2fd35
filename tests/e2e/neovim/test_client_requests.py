"""What the Neovim client asks of the server, and shows of its answers, with a stand-in for the server."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.headless import Headless

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
