--- Messages to the person: one line, never long enough for Neovim to stop and wait for a key.
--- The whole of each is kept for `:Autopilot log`.

local M = {}

local KEPT = 200

---@type string[]
M.history = {}

--- Show a message when nobody is typing a command or choosing from a list: it would stand in their way.
local function show(line, level)
  if vim.api.nvim_get_mode().mode:match('^[cr!]') then
    vim.api.nvim_create_autocmd('ModeChanged', {
      once = true,
      callback = vim.schedule_wrap(function()
        show(line, level)
      end),
    })
  else
    vim.notify(line, level)
  end
end

local function say(message, level)
  local line = 'autopilot: ' .. message:gsub('%s*[\r\n]+%s*', ' ')
  table.insert(M.history, os.date('%H:%M:%S ') .. line)
  if #M.history > KEPT then
    table.remove(M.history, 1)
  end
  local width = math.max(vim.v.echospace, 20)
  if vim.fn.strdisplaywidth(line) > width then
    line = vim.fn.strcharpart(line, 0, width - 1) .. '…'
  end
  -- Later, since an error that is said in the middle of an autocommand counts as one of that autocommand.
  vim.schedule(function()
    show(line, level)
  end)
end

function M.info(message)
  say(message, vim.log.levels.INFO)
end

function M.warn(message)
  say(message, vim.log.levels.WARN)
end

function M.error(message)
  say(message, vim.log.levels.ERROR)
end

return M
