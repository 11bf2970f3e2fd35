--- The hunks in the text: where they stand, and how they are shown: signs, and the lines before or after them.
--- Where they stand is what the server's diagnostics say, so they move with what is typed; what they hold is
--- asked for when it is not known yet. Not aware of decisions, which stand above in `review`.

local config = require('autopilot.config')
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
---@field said string The first line of what the server says of it.
---@field problem boolean Whether it cannot be accepted as it is.

--- The id of the hunk or change that a diagnostic stands for, and what the server gave with it.
---@return string? id
---@return table data
local function hunk_of(diagnostic)
  local data = vim.tbl_get(diagnostic, 'user_data', 'lsp', 'data')
  data = type(data) == 'table' and data or {}
  return data.hunkId or data.changeId, data
end

--- Whether a place comes before another one: by the names of their files, then by their lines.
---@param a { buffer: integer, first: integer }
---@param b { buffer: integer, first: integer }
function M.stands_before(a, b)
  if a.buffer ~= b.buffer then
    return vim.api.nvim_buf_get_name(a.buffer) < vim.api.nvim_buf_get_name(b.buffer)
  end
  return a.first < b.first
end

--- The hunks of a buffer, or of all buffers, in the order of the text.
---@param buffer? integer
---@return autopilot.ShownHunk[]
function M.all(buffer)
  local found = {}
  for _, each in ipairs(diagnostics and vim.diagnostic.get(buffer, { namespace = diagnostics }) or {}) do
    local id, data = hunk_of(each)
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
        said = each.message:match('[^\n]*'),
        problem = problem,
      })
    end
  end
  table.sort(found, M.stands_before)
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

--- How a hunk is labelled: a text and its highlight.
---@param hunk autopilot.ShownHunk
---@return { [1]: string, [2]: string }
function M.label(hunk)
  if hunk.problem and hunk.data.mark ~= 'reject' then
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
  local mark = place(hunk, hunk.first, { virt_text = { M.label(hunk) }, virt_text_pos = 'right_align' })
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

--- Scroll to the lines above the first one where a window begins with that: Neovim does not show them by itself.
---@param window integer
function M.show_top(window)
  local top = { buffer = vim.api.nvim_win_get_buf(window), lines = 0 }
  local options = { details = true, type = 'virt_lines' }
  for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(top.buffer, marks, { 0, 0 }, { 0, -1 }, options)) do
    top.lines = top.lines + (mark[4].virt_lines_above and #mark[4].virt_lines or 0)
  end
  vim.api.nvim_win_call(window, function()
    local view = vim.fn.winsaveview()
    local more = top.lines - view.topfill
    -- The cursor stays in the window.
    if view.topline == 1 and more > 0 and vim.fn.winline() + more <= vim.api.nvim_win_get_height(0) then
      vim.fn.winrestview({ topfill = top.lines })
    end
  end)
end

--- What a hunk looks like, its place aside.
local function look(hunk)
  return table.concat({ hunk.last - hunk.first, M.label(hunk)[1], details[hunk.key] and hunk.key or '' }, ' ')
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
  local hunks = config.get().inline and M.all(buffer) or {}
  if is_drawn(buffer, hunks) then
    return
  end
  vim.api.nvim_buf_clear_namespace(buffer, marks, 0, -1)
  drawn[buffer] = {}
  for _, hunk in ipairs(hunks) do
    drawn[buffer][hunk.id] = { mark = show(hunk), look = look(hunk) }
  end
  vim.iter(vim.fn.win_findbuf(buffer)):each(M.show_top)
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
    -- The signs of the review stand for those of hunks. What else there is, such as findings, stands behind its line.
    local loud = { severity = { min = vim.diagnostic.severity.ERROR } }
    local others = {
      format = function(each)
        return not hunk_of(each) and each.message:match('[^\n]*') or nil
      end,
    }
    vim.diagnostic.config({ signs = loud, underline = loud, virtual_text = others }, diagnostics)
  end
  local group = vim.api.nvim_create_augroup('autopilot.review', {})
  vim.api.nvim_create_autocmd('BufWinEnter', {
    group = group,
    callback = function()
      -- Later, when Neovim has found the place of the cursor in the window.
      local window = vim.api.nvim_get_current_win()
      vim.schedule(function()
        if vim.api.nvim_win_is_valid(window) then
          M.show_top(window)
        end
      end)
    end,
  })
  vim.api.nvim_create_autocmd('WinScrolled', {
    group = group,
    callback = function()
      for window, moved in pairs(vim.v.event) do
        -- Only where the text came back: who scrolls these lines away does not want them.
        if window ~= 'all' and moved.topline < 0 then
          M.show_top(tonumber(window))
        end
      end
    end,
  })
  vim.api.nvim_create_autocmd({ 'DiagnosticChanged', 'BufWinEnter' }, {
    group = group,
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
          ask(M.all(event.buf))
          decorate(event.buf)
        end
      end)
    end,
  })
end

return M
