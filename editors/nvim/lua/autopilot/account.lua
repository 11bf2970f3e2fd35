--- Login and logout by the agent's own flow: the server starts it, the person's browser ends it.

local say = require('autopilot.say')
local server = require('autopilot.server')

local M = {}

--- Handler of `autopilot/account`.
function M.told(_, params)
  if (params.error or '') ~= '' then
    say.error('The login failed: ' .. params.error)
  elseif (params.loginId or '') ~= '' then
    say.info(params.account.description)
  end
end

---@param method? 'browser'|'deviceCode'|'apiKey'
function M.login(method)
  local argument = { method = method }
  if method == 'apiKey' then
    argument.apiKey = vim.fn.inputsecret('API key: ')
    if argument.apiKey == '' then
      return
    end
  end
  server.run('autopilot.account.login', argument, function(result)
    local url, code = result.url or '', result.userCode or ''
    if code ~= '' then
      vim.fn.setreg('+', code)
      say.info(('Enter %s (it is in the clipboard) at %s'):format(code, url))
    elseif url ~= '' then
      say.info('Log in at ' .. url)
    end
    if url ~= '' then
      vim.ui.open(url)
    end
  end)
end

function M.logout()
  server.run('autopilot.account.logout', {}, function()
    say.info('Logged out')
  end)
end

return M
