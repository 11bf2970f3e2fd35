--- `:Autopilot`: finds the subcommand, and completes it. Those of a line stand here.

local say = require('autopilot.say')
local server = require('autopilot.server')

local M = {}

---@type table<string, autopilot.Subcommand>
local subcommands =
  vim.tbl_extend('error', require('autopilot.commands.tasks'), require('autopilot.commands.sessions'))

local function calling(module, name, ...)
  local arguments = { ... }
  return {
    run = function()
      require('autopilot.' .. module)[name](unpack(arguments))
    end,
  }
end

subcommands.approvals = calling('approvals', 'open')
subcommands.review = calling('review', 'list')
subcommands.next = calling('review', 'jump', 1)
subcommands.previous = calling('review', 'jump', -1)
subcommands.diff = calling('diff', 'open')
subcommands.hud = calling('hud', 'toggle')
subcommands.logout = calling('account', 'logout')
subcommands.restart = calling('server', 'restart')

for _, choice in ipairs({ 'accept', 'reject' }) do
  subcommands[choice] = {
    run = function(call)
      local review = require('autopilot.review')
      if call.bang then
        review.decide_file(choice)
      else
        review.decide(choice, call.text ~= '' and call.text or nil, call.range)
      end
    end,
  }
end

subcommands.preview = {
  run = function()
    local pending = vim.tbl_filter(function(each)
      return each.kind == 'patch'
    end, require('autopilot.approvals').pending())
    if #pending == 0 then
      return say.info('No patch waits for you')
    end
    local at = require('autopilot.review').at_cursor()
    local id = at and at.data.approvalId or pending[1].id
    server.run('autopilot.approval.preview', { approvalId = id, view = 'document' })
  end,
}

subcommands.log = {
  run = function()
    vim.cmd('botright new')
    vim.bo.buftype, vim.bo.bufhidden, vim.bo.swapfile = 'nofile', 'wipe', false
    local lines = vim.list_extend(
      { 'Messages (the server writes to ' .. vim.lsp.log.get_filename() .. '):' },
      say.history
    )
    vim.api.nvim_buf_set_lines(0, 0, -1, false, lines)
    vim.bo.modifiable = false
    vim.cmd('normal! G')
  end,
}

subcommands.login = {
  run = function(call)
    require('autopilot.account').login(call.text ~= '' and call.text or nil)
  end,
  complete = function()
    return { 'browser', 'deviceCode', 'apiKey' }
  end,
}

--- The names of all subcommands.
---@return string[]
function M.names()
  local names = vim.tbl_keys(subcommands)
  table.sort(names)
  return names
end

--- Run `:Autopilot`; without a subcommand it opens the HUD.
---@param call vim.api.keyset.create_user_command.command_args
function M.run(call)
  local name, text = call.args:match('^(%S*)%s*(.-)%s*$')
  local found = subcommands[name ~= '' and name or 'hud']
  if not found then
    return say.error(('There is no :Autopilot %s; there are %s'):format(name, table.concat(M.names(), ', ')))
  end
  found.run({
    text = text,
    bang = call.bang,
    range = call.range > 0 and { first = call.line1, last = call.line2 } or nil,
  })
end

function M.complete(lead, line)
  local name = line:match('Autopilot!?%s+(%S+)%s')
  local choices = M.names()
  if name then
    choices = subcommands[name] and subcommands[name].complete and subcommands[name].complete(lead) or {}
  end
  return vim.tbl_filter(function(choice)
    return vim.startswith(choice, lead)
  end, choices)
end

return M
