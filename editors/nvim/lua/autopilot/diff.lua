--- A change side by side, in a tab of its own: the text before it and the text after it, in Neovim's diff mode.
--- The texts are documents of the server, or the file itself. Closing either window closes the tab.

local say = require('autopilot.say')
local server = require('autopilot.server')

local M = {}

--- Show a text in the current window; nil stands for a file that is not there on this side.
local function edit(uri)
  if not uri then
    vim.cmd.enew()
    vim.bo.buftype, vim.bo.bufhidden, vim.bo.modifiable = 'nofile', 'wipe', false
  elseif vim.startswith(uri, 'file:') then
    vim.cmd.edit(vim.fn.fnameescape(vim.uri_to_fname(uri)))
  else
    vim.cmd.edit(vim.fn.fnameescape(uri))
  end
end

--- Go to the first change when both texts are there.
local function to_first_change(windows)
  vim.api.nvim_create_autocmd('User', {
    pattern = 'AutopilotDocument',
    callback = function()
      for _, window in ipairs(windows) do
        if not vim.api.nvim_win_is_valid(window) then
          return true
        end
        local buffer = vim.api.nvim_win_get_buf(window)
        if
          vim.startswith(vim.api.nvim_buf_get_name(buffer), 'autopilot:') and not vim.b[buffer].autopilot_read
        then
          return false
        end
      end
      vim.api.nvim_win_call(windows[2], function()
        vim.cmd('silent! normal! gg]czz')
      end)
      return true
    end,
  })
end

---@param before? string URI; nil where there was no file
---@param after? string URI; nil where there is none any more
---@param title string
function M.show(before, after, title)
  vim.cmd.tabnew()
  vim.bo.bufhidden = 'wipe'
  local windows = {}
  for index = 1, 2 do
    if index == 2 then
      vim.cmd('rightbelow vsplit')
    end
    edit(index == 1 and before or index == 2 and after or nil)
    vim.wo.winbar = (index == 1 and ' before  ' or ' after  ') .. title:gsub('%%', '%%%%')
    vim.cmd.diffthis()
    windows[index] = vim.api.nvim_get_current_win()
  end
  to_first_change(windows)
  for _, window in ipairs(windows) do
    local buffer = vim.api.nvim_win_get_buf(window)
    if vim.bo[buffer].buftype ~= '' then
      vim.keymap.set('n', 'q', '<Cmd>tabclose<CR>', { buffer = buffer, desc = 'Autopilot: close the diff' })
    end
  end
  vim.api.nvim_create_autocmd('WinClosed', {
    pattern = { tostring(windows[1]), tostring(windows[2]) },
    once = true,
    callback = function(event)
      local other = tonumber(event.match) == windows[1] and windows[2] or windows[1]
      vim.schedule(function()
        if vim.api.nvim_win_is_valid(other) and #vim.api.nvim_list_tabpages() > 1 then
          pcall(vim.api.nvim_win_close, other, false)
        end
      end)
    end,
  })
end

---@param file autopilot.FileDocuments
local function show_file(file)
  M.show(file.before, file.after, vim.fn.fnamemodify(file.path, ':.'))
end

--- A pending patch: one of its files, chosen if there are several.
---@param documents autopilot.ApprovalDocuments
---@param path? string That file at once.
local function patch(documents, path)
  for _, file in ipairs(documents.files) do
    if file.path == path or #documents.files == 1 then
      return show_file(file)
    end
  end
  vim.ui.select(documents.files, {
    prompt = 'Which file',
    format_item = function(file)
      return vim.fn.fnamemodify(file.path, ':.')
    end,
  }, function(file)
    if file then
      show_file(file)
    end
  end)
end

--- A patch that waits, by its approval; the oldest one where none is named.
---@param id? string
---@param path? string The file to show.
function M.approval(id, path)
  server.run('autopilot.approval.list', {}, function(result)
    for _, documents in ipairs(result.documents or {}) do
      if id == nil or documents.approvalId == id then
        return patch(documents, path)
      end
    end
    say.info('No patch waits for you')
  end)
end

--- What the hunk at the cursor belongs to; the oldest pending patch where there is none.
function M.open()
  local hunk = require('autopilot.review').at_cursor()
  local name = vim.api.nvim_buf_get_name(0)
  if not (hunk and hunk.data.changeId) then
    return M.approval(hunk and hunk.data.approvalId, name)
  end
  server.run('autopilot.changes.list', { cwd = hunk.data.cwd }, function(result)
    for _, change in ipairs(result.changes) do
      if change.id == hunk.id then
        return M.show(change.before, change.uri, vim.fn.fnamemodify(name, ':.'))
      end
    end
    say.info('That change is not there any more')
  end)
end

return M
