--- Buffers and the files under them: reload what was written for the person, write what the server asks for.
--- A buffer with unsaved changes is never reloaded, and a file that changed under one is never overwritten.

local say = require('autopilot.say')

local M = {}

local stamps = {} ---@type table<integer, string> What each file was when its buffer was last like it.

local function stamp(buffer)
  local stat = vim.uv.fs_stat(vim.api.nvim_buf_get_name(buffer))
  return stat and ('%d.%d %d'):format(stat.mtime.sec, stat.mtime.nsec, stat.size) or 'none'
end

local group = vim.api.nvim_create_augroup('autopilot.files', {})
vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufWritePost', 'FileChangedShellPost' }, {
  group = group,
  callback = function(event)
    if stamps[event.buf] then
      stamps[event.buf] = stamp(event.buf)
    end
  end,
})
vim.api.nvim_create_autocmd({ 'BufDelete', 'BufWipeout' }, {
  group = group,
  callback = function(event)
    stamps[event.buf] = nil
  end,
})

function M.attached(_, buffer)
  stamps[buffer] = stamps[buffer] or stamp(buffer)
end

local function is_clean(buffer)
  return vim.api.nvim_buf_is_loaded(buffer) and vim.bo[buffer].buftype == '' and not vim.bo[buffer].modified
end

--- Read a file that did not exist when its buffer was opened: `checktime` would ask, whatever 'autoread' says.
local function read_new(buffer)
  vim.api.nvim_buf_call(buffer, function()
    vim.cmd('silent! edit')
  end)
end

--- Reload the clean ones among these buffers whose file is another now; `u` takes the change back.
---@param buffers integer[]
function M.reload(buffers)
  -- Files of any length keep their undo history, and no question is asked.
  local undoreload = vim.o.undoreload
  vim.o.undoreload = -1
  for _, buffer in ipairs(buffers) do
    if is_clean(buffer) and stamps[buffer] == 'none' and stamp(buffer) ~= 'none' then
      read_new(buffer)
    elseif is_clean(buffer) and stamps[buffer] ~= stamp(buffer) then
      local autoread = vim.bo[buffer].autoread
      vim.bo[buffer].autoread = true
      vim.cmd('silent! checktime ' .. buffer)
      vim.bo[buffer].autoread = autoread
    end
  end
  vim.o.undoreload = undoreload
end

local function loaded(uris)
  return vim
    .iter(uris)
    :map(function(uri)
      local buffer = vim.fn.bufnr(vim.uri_to_fname(uri))
      return buffer ~= -1 and vim.api.nvim_buf_is_loaded(buffer) and buffer or nil
    end)
    :totable()
end

--- Handler of `autopilot/reload`.
function M.told(_, params)
  M.reload(loaded(params.uris))
end

--- Reload what a session's commands have written, of which nobody tells: when its files or its state change.
---@param before? autopilot.StatusView
---@param view autopilot.StatusView
function M.follow(before, view)
  local same = before
    and before.state == view.state
    and before.doing == view.doing
    and vim.deep_equal(before.files, view.files)
    and vim.deep_equal(before.unreviewed, view.unreviewed)
  if not same then
    M.reload(vim.tbl_filter(function(buffer)
      return vim.fs.relpath(view.cwd, vim.api.nvim_buf_get_name(buffer)) ~= nil
    end, vim.tbl_keys(stamps)))
  end
end

local function write(buffer)
  if stamps[buffer] and stamps[buffer] ~= stamp(buffer) then
    return false, 'the file was changed by another program'
  end
  return pcall(vim.api.nvim_buf_call, buffer, function()
    vim.cmd('silent write')
  end)
end

--- Write buffers with unsaved changes.
---@param uris string[]
---@return string[] saved Those that have none now.
function M.write(uris)
  return vim.tbl_filter(function(uri)
    local buffer = loaded({ uri })[1]
    if not buffer or not vim.bo[buffer].modified then
      return buffer ~= nil
    end
    local written, problem = write(buffer)
    if not written then
      say.error(('%s is not saved: %s'):format(vim.fs.basename(vim.uri_to_fname(uri)), problem))
    end
    return written
  end, uris)
end

--- Handler of the request `autopilot/save`.
---@param params autopilot.SaveParams
---@return autopilot.Saved
function M.save(_, params)
  return { saved = M.write(params.uris) }
end

return M
