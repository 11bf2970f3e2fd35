--- Decisions on hunks at the cursor, going from one to the next, all of them in a list.
--- Not aware of patches, policies or files on disk; `hunks` below knows what stands where.

local approvals = require('autopilot.approvals')
local hunks_in = require('autopilot.hunks').all
local label = require('autopilot.hunks').label
local show_top = require('autopilot.hunks').show_top
local stands_before = require('autopilot.hunks').stands_before
local say = require('autopilot.say')
local server = require('autopilot.server')

local M = {}

--- The hunks that the cursor, the selection, or these lines touch.
---@param range? { first: integer, last: integer } From 1.
local function here(range)
  local line = vim.fn.line('.')
  local from, to = (range and range.first or line) - 1, (range and range.last or line) - 1
  if not range and vim.fn.mode():match('[vV\22]') then
    local other = vim.fn.line('v') - 1
    from, to = math.min(from, other), math.max(to, other)
    vim.cmd.normal({ '\27', bang = true })
  end
  return vim.tbl_filter(function(hunk)
    return hunk.first <= to and from <= hunk.last
  end, hunks_in(0))
end

--- The ids of those hunks whose data has the first member, by the second one.
---@return table<string, string[]>
local function ids_by(hunks, having, key)
  local groups = {}
  for _, hunk in ipairs(hunks) do
    if hunk.data[having] then
      groups[hunk.data[key]] = groups[hunk.data[key]] or {}
      table.insert(groups[hunk.data[key]], hunk.id)
    end
  end
  return groups
end

local function mark_pending(hunks, choice, reason)
  for id, ids in pairs(ids_by(hunks, 'approvalId', 'approvalId')) do
    local argument = { approvalId = id, hunks = ids, mark = choice, message = reason }
    local title = ('%s %d hunk(s) of %s'):format(choice, #ids, vim.fs.basename(vim.api.nvim_buf_get_name(0)))
    approvals.answer('autopilot.approval.mark', argument, title)
  end
end

local function settle_changes(hunks, choice)
  local command = choice == 'accept' and 'autopilot.changes.keep' or 'autopilot.changes.undo'
  for folder, ids in pairs(ids_by(hunks, 'changeId', 'cwd')) do
    server.run(command, { cwd = folder, ids = ids }, function(result)
      for _, why in ipairs(result.left or {}) do
        say.warn(why)
      end
    end)
  end
end

local function settle(hunks, choice, reason)
  if #hunks == 0 then
    say.info('There is no hunk here (:Autopilot next)')
    return
  end
  mark_pending(hunks, choice, reason)
  if choice ~= 'none' then
    settle_changes(hunks, choice)
  end
end

--- Accept or reject the hunks at the cursor or in the selection; what is there already is kept or undone.
---@param choice 'accept'|'reject'|'none'
---@param reason? string
---@param range? { first: integer, last: integer }
function M.decide(choice, reason, range)
  settle(here(range), choice, reason)
end

function M.reject_with_reason()
  local hunks = here()
  vim.ui.input({ prompt = 'Why (the agent is told): ' }, function(reason)
    if reason then
      settle(hunks, 'reject', reason)
    end
  end)
end

--- The same for all hunks of the file.
---@param choice 'accept'|'reject'
function M.decide_file(choice)
  settle(hunks_in(0), choice)
end

--- Go to the next (1) or previous (-1) hunk, in this file or another one, round the end.
---@param direction 1|-1
function M.jump(direction)
  local all = hunks_in(nil)
  if #all == 0 then
    return say.info('There is nothing to review')
  end
  local buffer = vim.api.nvim_get_current_buf()
  local cursor = { buffer = buffer, first = vim.fn.line('.') - 1 }
  if direction < 0 then
    all = vim.iter(all):rev():totable()
  end
  local target = vim.iter(all):find(function(hunk)
    return stands_before(direction < 0 and hunk or cursor, direction < 0 and cursor or hunk)
  end) or all[1]
  vim.cmd("normal! m'")
  if target.buffer ~= buffer then
    vim.bo[target.buffer].buflisted = true
    vim.api.nvim_win_set_buf(0, target.buffer)
  end
  vim.api.nvim_win_set_cursor(0, { math.min(target.first + 1, vim.api.nvim_buf_line_count(0)), 0 })
  vim.cmd('normal! zvzz')
  show_top(0)
end

--- All hunks, or those of one approval, in the quickfix list.
---@param approval_id? string
function M.list(approval_id)
  local items = {}
  for _, hunk in ipairs(hunks_in(nil)) do
    if approval_id == nil or hunk.data.approvalId == approval_id then
      table.insert(items, {
        bufnr = hunk.buffer,
        lnum = hunk.first + 1,
        end_lnum = hunk.last + 1,
        text = label(hunk)[1] .. hunk.said,
        type = hunk.data.hunkId and 'I' or 'N',
      })
    end
  end
  if #items == 0 then
    return say.info('There is nothing to review')
  end
  vim.fn.setqflist({}, ' ', { title = 'Autopilot: to review', items = items })
  vim.cmd('botright copen | cfirst')
end

--- The approval or change at the cursor, for those who show it otherwise.
---@return autopilot.ShownHunk?
function M.at_cursor()
  return here()[1]
end

return M
