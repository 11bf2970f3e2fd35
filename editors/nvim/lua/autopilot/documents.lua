--- Documents that the server makes (`autopilot:` URIs): transcripts, and texts before and after a change.
--- Read-only buffers that are read anew when the server says so. Not aware of what is in them.

local server = require('autopilot.server')

local M = {}

local function put(buffer, text)
  local lines = vim.split(text, '\n', { plain = true })
  if lines[#lines] == '' then
    table.remove(lines)
  end
  for index, line in ipairs(lines) do
    lines[index] = line:gsub('\r$', '')
  end
  -- A window at the end follows it.
  local following = vim.tbl_filter(function(window)
    return vim.api.nvim_win_get_cursor(window)[1] == vim.api.nvim_buf_line_count(buffer)
  end, vim.fn.win_findbuf(buffer))
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].modified = false
  local last = vim.api.nvim_buf_line_count(buffer)
  for _, window in ipairs(vim.b[buffer].autopilot_read and following or {}) do
    vim.api.nvim_win_set_cursor(window, { last, 0 })
  end
  vim.b[buffer].autopilot_read = true
end

local function load(buffer)
  local uri = vim.api.nvim_buf_get_name(buffer)
  server.with(function(client)
    client:request('workspace/textDocumentContent', { uri = uri }, function(failure, result)
      if not vim.api.nvim_buf_is_loaded(buffer) then
        return
      end
      put(buffer, failure and ('Not there: ' .. failure.message) or result.text)
      vim.cmd.diffupdate()
      vim.api.nvim_exec_autocmds('User', { pattern = 'AutopilotDocument', modeline = false })
    end)
  end)
end

--- Fill a buffer whose name is such a URI.
---@param buffer integer
function M.read(buffer)
  local bo = vim.bo[buffer]
  local uri = vim.api.nvim_buf_get_name(buffer)
  -- A transcript is a document among others; texts to compare go with their window.
  local lasting = vim.startswith(uri, 'autopilot:/transcript/')
  bo.buftype, bo.swapfile, bo.undolevels = 'nofile', false, -1
  bo.buflisted, bo.bufhidden = lasting, lasting and 'hide' or 'wipe'
  local name = vim.uri_decode(vim.fs.basename(uri))
  bo.filetype = vim.filetype.match({ filename = name, buf = buffer }) or ''
  bo.modifiable = false
  if lasting then
    vim.wo[0][0].linebreak = true
  end
  load(buffer)
end

--- Handler of `workspace/textDocumentContent/refresh`.
function M.refresh(_, params)
  local buffer = vim.fn.bufnr(params.uri)
  if buffer ~= -1 and vim.api.nvim_buf_is_loaded(buffer) then
    load(buffer)
  end
  return vim.NIL
end

return M
