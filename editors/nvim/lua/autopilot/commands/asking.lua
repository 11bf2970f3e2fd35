--- What the subcommands share: the text they are about, and the session.

local say = require('autopilot.say')
local server = require('autopilot.server')
local state = require('autopilot.state')

local M = {}

---@class autopilot.Call
---@field text string What stands behind the subcommand.
---@field bang boolean
---@field range? { first: integer, last: integer } Lines from 1.

---@class autopilot.Subcommand
---@field run fun(call: autopilot.Call)
---@field complete? fun(lead: string): string[]

--- The text behind the command, or what the person types then.
function M.with_text(call, prompt, callback)
  if call.text ~= '' then
    return callback(call.text)
  end
  vim.ui.input({ prompt = prompt }, function(text)
    if text and vim.trim(text) ~= '' then
      callback(text)
    end
  end)
end

function M.with_session(callback)
  server.with(function()
    local view = state.current()
    if view then
      callback(view)
    else
      say.info('There is no open session (:Autopilot ask, :Autopilot resume)')
    end
  end)
end

--- A subcommand that asks something of the current session.
---@param command autopilot.Command
---@param done? fun(result: table, session: string)
---@return autopilot.Subcommand
function M.about_session(command, done)
  return {
    run = function()
      M.with_session(function(view)
        server.run(command, { sessionId = view.sessionId }, done and function(result)
          done(result, view.sessionId)
        end)
      end)
    end,
  }
end

--- A subcommand that tells the current session a text.
---@param prompt string What the person reads who gave none.
---@param command autopilot.Command
---@param member? string What the text is in the argument; `text` if nothing is said.
---@return autopilot.Subcommand
function M.text_about_session(prompt, command, member)
  return {
    run = function(call)
      M.with_text(call, prompt, function(text)
        M.with_session(function(view)
          server.run(command, { sessionId = view.sessionId, [member or 'text'] = text })
        end)
      end)
    end,
  }
end

return M
