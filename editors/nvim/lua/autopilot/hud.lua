--- The HUD: a split that shows the current session as it is now, and acts on the line under the cursor.
--- Drawn anew when the server says something, and each second while a clock runs in it. Keeps nothing.

local config = require('autopilot.config')
local render = require('autopilot.render')
local state = require('autopilot.state')

local M = {}

local NAME = 'autopilot-hud://'
local space = vim.api.nvim_create_namespace('autopilot.hud')
local timer ---@type uv.uv_timer_t?
local shown = {} ---@type autopilot.Line[]
local drawn = {} ---@type table[] What stands in each line.

local function window()
  local buffer = vim.fn.bufnr(NAME)
  return buffer ~= -1 and vim.fn.win_findbuf(buffer)[1] or nil, buffer
end

local function width_of(text)
  return text:find('[\128-\255%c]') and vim.fn.strdisplaywidth(text) or #text
end

--- The chunks of a line as text that fits, with where its colours begin and end.
---@return { text: string, colours: { [1]: integer, [2]: integer, [3]: string }[] }
local function flatten(line, width)
  local right, taken = line.right or {}, 0
  for _, chunk in ipairs(right) do
    taken = taken + width_of(chunk[1])
  end
  local room = width - taken - (#right > 0 and 1 or 0)
  local text, colours, used = '', {}, 0
  local function add(chunk, limit)
    local said = chunk[1]:gsub('[\r\n]', ' ')
    local wide = width_of(said)
    if wide > limit then
      said = limit > 1 and vim.fn.strcharpart(said, 0, limit - 1) .. '…' or ''
      wide = width_of(said)
    end
    if chunk[2] and said ~= '' then
      table.insert(colours, { #text, #text + #said, chunk[2] })
    end
    text, used = text .. said, used + wide
  end
  for _, chunk in ipairs(line.chunks) do
    add(chunk, room - used)
  end
  if #right > 0 then
    text = text .. (' '):rep(width - taken - used)
    for _, chunk in ipairs(right) do
      add(chunk, width)
    end
  end
  return { text = text, colours = colours }
end

local function lines_now()
  local view = state.current()
  if not view then
    return {
      { chunks = { { '○ ', 'AutopilotDim' }, { 'Autopilot', 'AutopilotHeading' } } },
      { chunks = { { '  No session. :Autopilot ask begins one.', 'AutopilotDim' } } },
    }
  end
  local lines = render.session(view, os.time())
  render.others(
    lines,
    vim.tbl_filter(function(other)
      return other.sessionId ~= view.sessionId
    end, state.all())
  )
  return lines
end

--- Put a line where it is not yet.
local function put(buffer, index, line)
  if vim.deep_equal(line, drawn[index]) then
    return
  end
  vim.api.nvim_buf_set_lines(buffer, index - 1, index, false, { line.text })
  vim.api.nvim_buf_clear_namespace(buffer, space, index - 1, index)
  for _, span in ipairs(line.colours) do
    vim.api.nvim_buf_set_extmark(buffer, space, index - 1, span[1], { end_col = span[2], hl_group = span[3] })
  end
end

local function draw()
  local win, buffer = window()
  if not win then
    return
  end
  local info = vim.fn.getwininfo(win)[1]
  local now = {}
  shown = lines_now()
  vim.bo[buffer].modifiable = true
  for index, line in ipairs(shown) do
    now[index] = flatten(line, info.width - info.textoff - 1)
    put(buffer, index, now[index])
  end
  vim.api.nvim_buf_set_lines(buffer, #now, -1, false, {})
  vim.bo[buffer].modifiable = false
  drawn = now
end

local function tick()
  local view = state.current()
  if state.is_running(view) or state.pending() > 0 then
    draw()
  end
end

--- Leave the HUD for the window that files are shown in.
local function go_to_files()
  vim.cmd.wincmd('p')
  if vim.bo.buftype ~= '' then
    vim.cmd('topleft vsplit')
  end
end

local function act()
  local line = shown[vim.fn.line('.')] or { chunks = {} }
  local item = line.item
  if not item then
    local text = vim.trim(vim.iter(line.chunks):fold('', function(text, chunk)
      return text .. chunk[1]
    end))
    if text ~= '' then
      vim.lsp.util.open_floating_preview({ text }, '', { border = 'rounded', max_width = 60 })
    end
  elseif item.kind == 'approval' then
    go_to_files()
    require('autopilot.approvals').decide(item.value)
  elseif item.kind == 'file' then
    go_to_files()
    vim.cmd.edit(vim.fn.fnameescape(vim.uri_to_fname(item.value)))
  elseif item.kind == 'review' then
    go_to_files()
    require('autopilot.review').list()
  elseif item.kind == 'session' then
    state.chosen = item.value
    draw()
  end
end

local function make()
  local buffer = vim.fn.bufnr(NAME)
  if buffer ~= -1 then
    return buffer
  end
  buffer = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buffer, NAME)
  vim.bo[buffer].filetype = 'autopilot-hud'
  vim.bo[buffer].modifiable = false
  local function map(key, action, description)
    vim.keymap.set('n', key, action, { buffer = buffer, nowait = true, desc = 'Autopilot: ' .. description })
  end
  map('<CR>', act, 'act on this line')
  map('q', '<Cmd>close<CR>', 'close the HUD')
  map('a', '<Cmd>Autopilot approvals<CR>', 'what waits')
  map('s', '<Cmd>Autopilot stop<CR>', 'stop the turn')
  map('m', '<Cmd>Autopilot mode<CR>', 'change the mode')
  map('t', '<Cmd>Autopilot transcript<CR>', 'read the transcript')
  local group = vim.api.nvim_create_augroup('autopilot.hud', {})
  vim.api.nvim_create_autocmd('User', { group = group, pattern = 'AutopilotStatus', callback = draw })
  vim.api.nvim_create_autocmd('WinResized', { group = group, callback = draw })
  return buffer
end

--- Open the HUD; the cursor stays where it is.
function M.open()
  if not window() then
    local options = config.get().hud
    local buffer = make()
    local right = options.position == 'right'
    local size = options.size or right and math.min(48, math.floor(vim.o.columns * 0.4)) or 12
    local win = vim.api.nvim_open_win(buffer, false, {
      split = right and 'right' or 'below',
      win = -1,
      [right and 'width' or 'height'] = size,
    })
    local wo = vim.wo[win]
    wo.number, wo.relativenumber, wo.signcolumn, wo.foldcolumn = false, false, 'no', '0'
    wo.wrap, wo.list, wo.spell, wo.cursorline = false, false, false, true
    wo.winfixwidth, wo.winfixheight = right, not right
    wo.fillchars, wo.statusline = 'eob: ', ' <CR> act  a decide  s stop  m mode  q close%<'
  end
  timer = timer or assert(vim.uv.new_timer())
  timer:start(1000, 1000, vim.schedule_wrap(tick))
  drawn = {}
  draw()
end

function M.close()
  local win = window()
  if win then
    pcall(vim.api.nvim_win_close, win, false) -- not if it is the last one
  end
  if timer then
    timer:stop()
  end
end

---@return boolean
function M.is_open()
  return window() ~= nil
end

function M.toggle()
  if M.is_open() then
    M.close()
  else
    M.open()
  end
end

return M
