--- The sessions as the server described them last, and which of them the person is in.
--- Views only: each description replaces the one before. Says `User AutopilotStatus` when one has come.

local M = {}

---@type table<string, autopilot.StatusView>
M.sessions = {}
M.mode = nil ---@type string?
---@type string? The session that was chosen.
M.chosen = nil

local lost ---@type autopilot.StatusView? The session that the person was in when the server ended.
local heard = {} ---@type table<string, integer>
local count = 0

local function changed(session)
  vim.api.nvim_exec_autocmds('User', {
    pattern = 'AutopilotStatus',
    modeline = false,
    data = { sessionId = session },
  })
  vim.cmd.redrawstatus({ bang = true })
end

---@param view autopilot.StatusView
local function take(view)
  local before = M.sessions[view.sessionId]
  if before and view.seq < before.seq then
    return false
  end
  count = count + 1
  heard[view.sessionId] = count
  M.sessions[view.sessionId] = view
  local known = {}
  for _, approval in ipairs(before and before.pending or {}) do
    known[approval.id] = true
  end
  for _, approval in ipairs(view.pending or {}) do
    if not known[approval.id] then
      require('autopilot.attention').announce(view, approval)
    end
  end
  if M.is_running(before) and not M.is_running(view) then
    require('autopilot.attention').ended(view)
  end
  require('autopilot.files').follow(before, view)
  return true
end

--- Handler of `autopilot/status`.
function M.told(_, params)
  if take(params.status) then
    require('autopilot.attention').update()
    changed(params.status.sessionId)
  end
end

--- Replace everything by a snapshot.
---@param client vim.lsp.Client
---@param done? fun()
function M.refresh(client, done)
  local params = { command = 'autopilot.status', arguments = { vim.empty_dict() } }
  client:request('workspace/executeCommand', params, function(failure, result)
    if not failure then
      M.sessions, M.mode = {}, result.mode
      for _, view in ipairs(result.sessions) do
        take(view)
      end
      if lost and not M.sessions[lost.sessionId] then
        local said = 'the server ended within “%s” (:Autopilot resume %s)'
        require('autopilot.say').warn(said:format(lost.title, lost.sessionId))
      end
      lost = nil
      require('autopilot.approvals').reconcile()
      require('autopilot.attention').update()
      changed()
    end
    if done then
      done()
    end
  end)
end

--- A session is put away or deleted: commands are about another one.
---@param id string
function M.forget(id)
  M.sessions[id] = nil
  require('autopilot.attention').update()
  changed(id)
end

--- The server is gone: what it said holds no more.
function M.lost()
  lost = M.current() or lost
  M.sessions = {}
  require('autopilot.attention').update()
  changed()
end

--- All sessions, the one heard of last first.
---@return autopilot.StatusView[]
function M.all()
  local all = vim.tbl_values(M.sessions)
  table.sort(all, function(a, b)
    return heard[a.sessionId] > heard[b.sessionId]
  end)
  return all
end

---@param view? autopilot.StatusView
function M.is_running(view)
  return view ~= nil and view.startedAt ~= nil
end

--- The session that commands are about: the chosen one, else one that runs, else the last heard of.
---@return autopilot.StatusView?
function M.current()
  if M.chosen and M.sessions[M.chosen] then
    return M.sessions[M.chosen]
  end
  local all = M.all()
  return vim.iter(all):find(M.is_running) or all[1]
end

--- How many approvals wait in all sessions.
---@return integer
function M.pending()
  return vim.iter(vim.tbl_values(M.sessions)):fold(0, function(sum, view)
    return sum + #(view.pending or {})
  end)
end

return M
