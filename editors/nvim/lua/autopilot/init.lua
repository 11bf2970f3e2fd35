--- What a person's own configuration may use: the statusline, and the sessions as they are now.

local M = {}

--- The current session in a few words, for 'statusline'; empty where nothing goes on.
---@return string
function M.statusline()
  local state = package.loaded['autopilot.state']
  local view = state and state.current()
  if not view then
    return ''
  end
  -- What an agent chose is text here, not an item of the statusline.
  return (require('autopilot.render').short(view, state.pending(), os.time()):gsub('%%', '%%%%'))
end

--- All sessions as the server described them last, the one heard of last first.
---@return autopilot.StatusView[]
function M.sessions()
  return require('autopilot.state').all()
end

return M
