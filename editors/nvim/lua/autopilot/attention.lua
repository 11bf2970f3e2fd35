--- Says that an approval waits: a message, and signs of the terminal for those who look elsewhere.
--- It never asks: what waits is opened by the person (`:Autopilot approvals`).

local config = require('autopilot.config')
local say = require('autopilot.say')

local M = {}

local focused = true
local title ---@type { title: boolean, titlestring: string }? The person's own, while ours is shown.

local group = vim.api.nvim_create_augroup('autopilot.attention', {})
vim.api.nvim_create_autocmd({ 'FocusGained', 'FocusLost' }, {
  group = group,
  callback = function(event)
    focused = event.event == 'FocusGained'
  end,
})

local function terminal(text)
  io.stdout:write(text)
  io.stdout:flush()
end

--- A new approval waits.
---@param view autopilot.StatusView
---@param approval autopilot.PendingApproval
function M.announce(view, approval)
  local options = config.get()
  local alarm = (approval.alarm or '') ~= '' and approval.alarm .. ' ' or ''
  if options.announce then
    say.warn(('%swaits for you: %s (:Autopilot approvals)'):format(alarm, approval.title))
  end
  if focused then
    return
  end
  local where = vim.fs.basename(view.cwd)
  -- Agents choose the text: nothing in it may end the sequence.
  local text = ('%s: %s'):format(where, approval.title):gsub('[%c;]', ' ')
  for _, way in ipairs(options.attention) do
    if way == 'bell' then
      terminal('\a')
    elseif way == 'osc9' then
      terminal(('\27]9;Autopilot: %s\a'):format(text))
    elseif way == 'osc777' then
      terminal(('\27]777;notify;Autopilot;%s\a'):format(text))
    end
  end
end

--- A turn has ended; why one failed says the server.
---@param view autopilot.StatusView
function M.ended(view)
  if config.get().announce and view.state ~= 'failed' then
    say.info(('%s: %s'):format(view.title, view.closing ~= '' and view.closing or view.state))
  end
end

--- Show in the terminal's title how many wait, and the person's own title when none does.
function M.update()
  local pending = require('autopilot.state').pending()
  if pending > 0 and vim.list_contains(config.get().attention, 'title') then
    title = title or { title = vim.o.title, titlestring = vim.o.titlestring }
    vim.o.titlestring = ('(%d) Autopilot waits for you'):format(pending)
    vim.o.title = true
  elseif title then
    vim.o.titlestring, vim.o.title = title.titlestring, title.title
    title = nil
  end
end

return M
