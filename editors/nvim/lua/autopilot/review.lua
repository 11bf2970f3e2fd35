--- The review in the text: signs, the lines before or after each hunk, decisions at the cursor.
--- Where hunks stand is what the server's diagnostics say, so they move with what is typed; what they hold is
--- asked for when it is not known yet. Not aware of patches, policies or files on disk.

local approvals = require('autopilot.approvals')
local config = require('autopilot.config')
local say = require('autopilot.say')
local server = require('autopilot.server')

local M = {}

local SHOWN = 20 -- lines of a hunk that are shown as virtual ones
local KEPT = 5000 -- hunks whose lines are kept

local marks = vim.api.nvim_create_namespace('autopilot.review')
local diagnostics ---@type integer? The namespace of the server's diagnostics.
local details = {} ---@type table<string, { old: string[], new: string[], at?: integer }> By the key of the hunk.
local asked = {} ---@type table<string, true> The keys of what was asked for.
local drawn = {} ---@type table<integer, table<string, { mark: integer, look: string }>> By buffer and id.

---@class autopilot.ShownHunk
---@field buffer integer
---@field first integer From 0.
---@field last integer
---@field id string
---@field key string Another one when it holds something else.
---@field data table What the server gave with the diagnostic.
---@field problem boolean Whether it cannot be accepted as it is.

---@return autopilot.ShownHunk[] In the order of the text.
local function hunks_in(buffer)
  local found = {}
  for _, each in ipairs(diagnostics and vim.diagnostic.get(buffer, { namespace = diagnostics }) or {}) do
    local data = vim.tbl_get(each, 'user_data', 'lsp', 'data')
    local id = type(data) == 'table' and (data.hunkId or data.changeId)
    if id then
      local ends = each.end_col == 0 and each.end_lnum > each.lnum and each.end_lnum - 1 or each.end_lnum
      local problem = data.hunkId ~= nil and each.severity == vim.diagnostic.severity.WARN
      table.insert(found, {
        buffer = each.bufnr,
        first = each.lnum,
        last = ends,
        id = id,
        key = data.changeId and id .. each.message or id,
        data = data,
        problem = problem,
      })
    end
  end
  table.sort(found, function(a, b)
    if a.buffer ~= b.buffer then
      return vim.api.nvim_buf_get_name(a.buffer) < vim.api.nvim_buf_get_name(b.buffer)
    end
    return a.first < b.first
  end)
  return found
end

local function chomp(line)
  return (line:gsub('[\r\n]+$', ''))
end

local function virtual(hunk, lines, highlight, sign)
  local tab = (' '):rep(vim.bo[hunk.buffer].tabstop)
  local shown = {}
  for index = 1, math.min(#lines, SHOWN) do
    local text = chomp(lines[index]):gsub('\t', tab)
    -- Code stays under code: the sign takes the place of a space where there is one.
    text = text:sub(1, 2) == '  ' and sign .. text:sub(2) or sign .. ' ' .. text
    local padding = (' '):rep(vim.o.columns - vim.fn.strdisplaywidth(text))
    table.insert(shown, { { text .. padding, highlight } })
  end
  if #lines > SHOWN then
    table.insert(shown, { { ('  … %d more lines'):format(#lines - SHOWN), 'AutopilotDim' } })
  end
  return shown
end

local function label(hunk)
  if hunk.problem then
    return { ' ⚠ look at its diagnostic ', 'AutopilotWarn' }
  elseif hunk.data.mark == 'accept' then
    return { ' ✔ accept ', 'AutopilotGood' }
  elseif hunk.data.mark == 'reject' then
    return { ' ✘ reject ', 'AutopilotBad' }
  end
  return hunk.data.hunkId and { ' ● pending ', 'AutopilotPending' }
    or { ' ○ to review ', 'AutopilotUnreviewed' }
end

local function place(hunk, row, options)
  options.strict = false
  return vim.api.nvim_buf_set_extmark(hunk.buffer, marks, row, 0, options)
end

--- Returns the mark that stands for the hunk.
local function show(hunk)
  local detail = details[hunk.key] or { old = {}, new = {} }
  local pending = hunk.data.hunkId ~= nil
  local standing = pending and detail.old or detail.new
  local sign_hl = pending and 'AutopilotPending' or 'AutopilotUnreviewed'
  for row = hunk.first, hunk.last do
    place(hunk, row, {
      sign_text = '┃',
      sign_hl_group = sign_hl,
      line_hl_group = #standing > 0 and (pending and 'AutopilotRemoved' or 'AutopilotAdded') or nil,
      priority = 200,
    })
  end
  local mark = place(hunk, hunk.first, { virt_text = { label(hunk) }, virt_text_pos = 'right_align' })
  local other = pending and virtual(hunk, detail.new, 'AutopilotAdded', '+')
    or virtual(hunk, detail.old, 'AutopilotRemoved', '-')
  if #other > 0 then
    -- What comes in place of lines stands below them, what was there before above; what is inserted goes
    -- before the line, unless it is the end of the file.
    local appended = hunk.last + 1 == vim.api.nvim_buf_line_count(hunk.buffer) and detail.at ~= hunk.first + 1
    local above = not pending or (#standing == 0 and not appended)
    place(hunk, above and hunk.first or hunk.last, { virt_lines = other, virt_lines_above = above })
  end
  return mark
end

--- What a hunk looks like, its place aside.
local function look(hunk)
  return table.concat({ hunk.last - hunk.first, label(hunk)[1], details[hunk.key] and hunk.key or '' }, ' ')
end

--- Whether all that is shown in a buffer has its place and its look already: marks move with the text.
local function is_drawn(buffer, hunks)
  local there = drawn[buffer] or {}
  for _, hunk in ipairs(hunks) do
    local known = there[hunk.id]
    local row = known and vim.api.nvim_buf_get_extmark_by_id(buffer, marks, known.mark, {})[1]
    if row ~= hunk.first or known.look ~= look(hunk) then
      return false
    end
  end
  return vim.tbl_count(there) == #hunks
end

---@param buffer integer
local function decorate(buffer)
  if not vim.api.nvim_buf_is_loaded(buffer) then
    return
  end
  local hunks = config.get().inline and hunks_in(buffer) or {}
  if is_drawn(buffer, hunks) then
    return
  end
  vim.api.nvim_buf_clear_namespace(buffer, marks, 0, -1)
  drawn[buffer] = {}
  for _, hunk in ipairs(hunks) do
    drawn[buffer][hunk.id] = { mark = show(hunk), look = look(hunk) }
  end
end

local function decorate_all()
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    decorate(vim.api.nvim_win_get_buf(window))
  end
end

--- Ask for what the hunks hold, if some are new.
---@param hunks autopilot.ShownHunk[]
local function ask(hunks)
  local patches, folders = {}, {}
  for _, hunk in ipairs(hunks) do
    if not asked[hunk.key] then
      asked[hunk.key] = true
      if hunk.data.hunkId then
        patches[hunk.id] = hunk.key
      else
        folders[hunk.data.cwd] = folders[hunk.data.cwd] or {}
        folders[hunk.data.cwd][hunk.id] = hunk.key
      end
    end
  end
  if next(patches) then
    server.run('autopilot.approval.list', {}, function(result)
      for _, approval in ipairs(result.approvals) do
        for _, file in ipairs(approval.files or {}) do
          for _, hunk in ipairs(file.hunks or {}) do
            local key = patches[hunk.id]
            if key then
              details[key] = { old = hunk.oldLines, new = hunk.newLines, at = hunk.oldStart }
            end
          end
        end
      end
      decorate_all()
    end)
  end
  for folder, keys in pairs(folders) do
    server.run('autopilot.changes.list', { cwd = folder }, function(result)
      for _, change in ipairs(result.changes) do
        local key = keys[change.id]
        if key then
          details[key] = { old = change.old, new = change.new }
        end
      end
      decorate_all()
    end)
  end
end

local due = {} ---@type table<integer, true>

--- Follow what the server shows from now on.
---@param client vim.lsp.Client
function M.start(client)
  diagnostics = vim.lsp.diagnostic.get_namespace(client.id)
  details, asked, drawn = {}, {}, {}
  if config.get().inline then
    -- The signs of the review stand for those of hunks; failures keep theirs.
    local loud = { severity = { min = vim.diagnostic.severity.ERROR } }
    vim.diagnostic.config({ signs = loud, underline = loud, virtual_text = loud }, diagnostics)
  end
  vim.api.nvim_create_autocmd({ 'DiagnosticChanged', 'BufWinEnter' }, {
    group = vim.api.nvim_create_augroup('autopilot.review', {}),
    callback = function(event)
      if due[event.buf] then
        return
      end
      due[event.buf] = true
      vim.schedule(function()
        due[event.buf] = nil
        if vim.api.nvim_buf_is_valid(event.buf) and vim.api.nvim_buf_is_loaded(event.buf) then
          if vim.tbl_count(asked) > KEPT then
            details, asked = {}, {}
          end
          ask(hunks_in(event.buf))
          decorate(event.buf)
        end
      end)
    end,
  })
end

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

local function mark_pending(hunks, choice, reason)
  local by_approval = {} ---@type table<string, string[]>
  for _, hunk in ipairs(hunks) do
    if hunk.data.approvalId then
      by_approval[hunk.data.approvalId] = by_approval[hunk.data.approvalId] or {}
      table.insert(by_approval[hunk.data.approvalId], hunk.id)
    end
  end
  for id, ids in pairs(by_approval) do
    local argument = { approvalId = id, hunks = ids, mark = choice, message = reason }
    local title = ('%s %d hunk(s) of %s'):format(choice, #ids, vim.fs.basename(vim.api.nvim_buf_get_name(0)))
    approvals.answer('autopilot.approval.mark', argument, title)
  end
end

local function settle_changes(hunks, choice)
  local by_folder = {} ---@type table<string, string[]>
  for _, hunk in ipairs(hunks) do
    if hunk.data.changeId then
      by_folder[hunk.data.cwd] = by_folder[hunk.data.cwd] or {}
      table.insert(by_folder[hunk.data.cwd], hunk.id)
    end
  end
  for folder, ids in pairs(by_folder) do
    local command = choice == 'accept' and 'autopilot.changes.keep' or 'autopilot.changes.undo'
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
  local buffer, line = vim.api.nvim_get_current_buf(), vim.fn.line('.') - 1
  local name = vim.api.nvim_buf_get_name(buffer)
  local from, to, step = 1, #all, 1
  if direction < 0 then
    from, to, step = #all, 1, -1
  end
  local target = all[from]
  for index = from, to, step do
    local hunk = all[index]
    local other = vim.api.nvim_buf_get_name(hunk.buffer)
    local beyond = hunk.buffer == buffer and (hunk.first - line) * step > 0
    local further = hunk.buffer ~= buffer and ((step > 0 and other > name) or (step < 0 and other < name))
    if beyond or further then
      target = hunk
      break
    end
  end
  vim.cmd("normal! m'")
  if target.buffer ~= buffer then
    vim.bo[target.buffer].buflisted = true
    vim.api.nvim_win_set_buf(0, target.buffer)
  end
  vim.api.nvim_win_set_cursor(0, { math.min(target.first + 1, vim.api.nvim_buf_line_count(0)), 0 })
  vim.cmd('normal! zvzz')
end

--- All hunks, or those of one approval, in the quickfix list.
---@param approval_id? string
function M.list(approval_id)
  local items = {}
  for _, hunk in ipairs(hunks_in(nil)) do
    if approval_id == nil or hunk.data.approvalId == approval_id then
      local each = vim.diagnostic.get(hunk.buffer, { namespace = diagnostics, lnum = hunk.first })[1]
      table.insert(items, {
        bufnr = hunk.buffer,
        lnum = hunk.first + 1,
        end_lnum = hunk.last + 1,
        text = label(hunk)[1] .. (each and each.message:match('[^\n]*') or ''),
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
