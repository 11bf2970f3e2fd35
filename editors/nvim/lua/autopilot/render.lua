--- A session's description as lines of text with colours: what the HUD and the statusline show.
--- Pure: a view and the time in, lines out. Not aware of buffers or windows.

local M = {}

---@alias autopilot.Chunk { [1]: string, [2]: string? } Text and its highlight.
---@class autopilot.Line
---@field chunks autopilot.Chunk[] From the left.
---@field right? autopilot.Chunk[] At the right edge.
---@field item? table What `<CR>` acts on: `{ kind, value }`.

local STEP = {
  completed = { '✔', 'AutopilotGood' },
  inProgress = { '▸', 'AutopilotRunning' },
  pending = { '·', 'AutopilotDim' },
}
local STATE = {
  idle = { '○', 'AutopilotDim', 'ready' },
  waiting = { '◆', 'AutopilotWarn', 'waits for you' },
  inProgress = { '●', 'AutopilotRunning', 'working' },
  completed = { '✔', 'AutopilotGood', 'done' },
  interrupted = { '■', 'AutopilotWarn', 'stopped' },
  failed = { '✘', 'AutopilotBad', 'failed' },
  unknown = { '?', 'AutopilotWarn', 'unknown' },
}

local AGENT = {
  working = { '● ', 'AutopilotRunning' },
  waiting = { '◆ ', 'AutopilotWarn' },
  idle = { '○ ', 'AutopilotDim' },
}

--- Seconds as a clock.
function M.clock(seconds)
  seconds = math.max(0, math.floor(seconds))
  if seconds >= 3600 then
    return ('%d:%02d:%02d'):format(seconds / 3600, seconds / 60 % 60, seconds % 60)
  end
  return ('%d:%02d'):format(seconds / 60, seconds % 60)
end

local function number(value)
  if value >= 1e6 then
    return ('%.1fM'):format(value / 1e6)
  elseif value >= 1e4 then
    return ('%.0fk'):format(value / 1e3)
  elseif value >= 1e3 then
    return ('%.1fk'):format(value / 1e3)
  end
  return tostring(value)
end

local function count(value, word)
  return ('%d %s%s'):format(value, word, value == 1 and '' or 's')
end

local function bar(share, width)
  local full = math.floor(math.min(math.max(share, 0), 1) * width + 0.5)
  return ('█'):rep(full), ('░'):rep(width - full)
end

local function heading(lines, text, right)
  table.insert(lines, { chunks = {} })
  table.insert(lines, {
    chunks = { { text, 'AutopilotHeading' } },
    right = right and { { right, 'AutopilotDim' } } or nil,
  })
end

local function list(lines, title, items, line_of, right)
  if #items > 0 then
    heading(lines, title, right)
    for index, item in ipairs(items) do
      table.insert(lines, line_of(item, index))
    end
  end
end

local function head(lines, view, now)
  local state = STATE[view.state] or STATE.unknown
  local took = view.startedAt and now - view.startedAt or view.elapsed or 0
  table.insert(lines, {
    chunks = {
      { state[1] .. ' ', state[2] },
      { view.title ~= '' and view.title or 'Autopilot', 'AutopilotHeading' },
    },
    right = { { view.turnId and M.clock(took) or '', view.startedAt and state[2] or 'AutopilotDim' } },
    item = { kind = 'session', value = view.sessionId },
  })
  local agent = vim.trim(('%s %s'):format(view.runtime, view.model or ''))
  table.insert(lines, {
    chunks = { { '  ' .. view.mode, 'AutopilotMode' }, { '  ' .. agent, 'AutopilotDim' } },
    right = { { view.alive and '' or 'not running', 'AutopilotDim' } },
  })
  local waits = #(view.pending or {}) > 0
  local said = waits and {}
    or view.error ~= '' and { view.error, 'AutopilotBad' }
    or view.doing ~= '' and { view.doing }
    or { view.closing or '', 'AutopilotDim' }
  if said[1] and said[1] ~= '' then
    table.insert(lines, { chunks = { { '  ' .. said[1], said[2] } } })
  end
end

local function pending_line(now)
  return function(each)
    local loud = (each.alarm or '') ~= ''
    return {
      chunks = {
        { loud and '‼ ' or '◆ ', loud and 'AutopilotBad' or 'AutopilotWarn' },
        { (loud and each.alarm .. ': ' or '') .. each.title },
      },
      right = { { M.clock(now - each.requestedAt), 'AutopilotDim' } },
      item = { kind = 'approval', value = each },
    }
  end
end

local function commands(lines, view, now)
  list(lines, 'Running', view.commands or {}, function(each)
    return {
      chunks = {
        { '$ ', 'AutopilotRunning' },
        { each.command },
        { each.background and ' &' or '', 'AutopilotDim' },
      },
      right = { { M.clock(now - each.startedAt), 'AutopilotDim' } },
      tail = each.tail,
    }
  end)
  -- Below each command, the end of what it said.
  for index = #lines, 1, -1 do
    for offset, text in ipairs(lines[index].tail or {}) do
      table.insert(lines, index + offset, { chunks = { { '  ' .. text, 'AutopilotDim' } } })
    end
  end
end

local FILE = { add = 'A', update = 'M', delete = 'D', rename = 'R' }

local function file_line(each)
  return {
    chunks = { { (FILE[each.kind] or '?') .. ' ', 'AutopilotDim' }, { each.path } },
    right = { { '+' .. each.added, 'AutopilotGood' }, { ' −' .. each.removed, 'AutopilotBad' } },
    item = { kind = 'file', value = each.uri },
  }
end

local function foot(lines, view)
  if (view.tokens or 0) == 0 and #(view.limits or {}) == 0 then
    return
  end
  heading(lines, 'Use', number(view.tokens or 0) .. ' tokens')
  if view.contextUsed and view.contextWindow and view.contextWindow > 0 then
    local share = view.contextUsed / view.contextWindow
    local full, empty = bar(share, 16)
    local colour = share > 0.9 and 'AutopilotBad' or share > 0.7 and 'AutopilotWarn' or 'AutopilotGood'
    local shortened = (view.compactions or 0) > 0 and (' · shortened %d×'):format(view.compactions) or ''
    table.insert(lines, {
      chunks = { { '  context ', 'AutopilotDim' }, { full, colour }, { empty, 'AutopilotDim' } },
      right = {
        { ('%d%% of %s%s'):format(share * 100, number(view.contextWindow), shortened), 'AutopilotDim' },
      },
    })
  end
  for _, limit in ipairs(view.limits or {}) do
    local full, empty = bar(limit.usedPercent / 100, 16)
    table.insert(lines, {
      chunks = {
        { '  ' .. limit.name .. ' ', 'AutopilotDim' },
        { full, limit.usedPercent > 90 and 'AutopilotBad' or 'AutopilotGood' },
        { empty, 'AutopilotDim' },
      },
      right = { { ('%d%%'):format(limit.usedPercent), 'AutopilotDim' } },
    })
  end
end

--- One session, whole.
---@param view autopilot.StatusView
---@param now number Seconds since the epoch.
---@return autopilot.Line[]
function M.session(view, now)
  local lines = {} ---@type autopilot.Line[]
  head(lines, view, now)
  local more = function(beyond)
    return (beyond or 0) > 0 and ('and %d more'):format(beyond) or nil
  end
  list(lines, 'Waits for you', view.pending or {}, pending_line(now), more(view.pendingMore))
  local done = vim.iter(view.plan or {}):filter(function(step)
    return step.status == 'completed'
  end)
  list(lines, 'Plan', view.plan or {}, function(step)
    local sign = STEP[step.status] or STEP.pending
    return {
      chunks = {
        { sign[1] .. ' ', sign[2] },
        { step.step, step.status == 'completed' and 'AutopilotDim' or nil },
      },
    }
  end, ('%d/%d'):format(#done:totable(), #(view.plan or {})))
  commands(lines, view, now)
  list(lines, 'Files', view.files or {}, file_line, more(view.filesMore))
  local unreviewed = view.unreviewed or {}
  if (unreviewed.hunks or 0) > 0 then
    heading(lines, 'To review')
    table.insert(lines, {
      chunks = {
        { '○ ', 'AutopilotUnreviewed' },
        { count(unreviewed.hunks, 'change') .. ' in ' .. count(unreviewed.files, 'file') },
      },
      item = { kind = 'review' },
    })
  end
  local held = vim.iter(view.queue or {}):any(function(each)
    return each.held
  end)
  list(lines, 'Next', view.queue or {}, function(each, index)
    return { chunks = { { index .. ' ', each.held and 'AutopilotWarn' or 'AutopilotDim' }, { each.text } } }
  end, held and 'held: :Autopilot release' or nil)
  list(lines, 'Agents', view.agents or {}, function(each)
    return {
      chunks = {
        AGENT[each.state] or AGENT.idle,
        { each.name },
        { '  ' .. (each.doing or ''), 'AutopilotDim' },
      },
      right = { { number(each.tokens or 0), 'AutopilotDim' } },
    }
  end)
  list(lines, 'Problems', view.problems or {}, function(each)
    return {
      chunks = {
        {
          each.level == 'error' and '✘ ' or '! ',
          each.level == 'error' and 'AutopilotBad' or 'AutopilotWarn',
        },
        { each.text },
      },
    }
  end)
  foot(lines, view)
  return lines
end

--- The other sessions, a line each.
---@param lines autopilot.Line[]
---@param views autopilot.StatusView[]
function M.others(lines, views)
  list(lines, 'Other sessions', views, function(view)
    local state = STATE[view.state] or STATE.unknown
    return {
      chunks = { { state[1] .. ' ', state[2] }, { view.title } },
      right = { { #(view.pending or {}) > 0 and ('◆%d'):format(#view.pending) or '', 'AutopilotWarn' } },
      item = { kind = 'session', value = view.sessionId },
    }
  end)
end

--- A line of text for a statusline.
---@param view autopilot.StatusView
---@param pending integer How many approvals wait in all sessions.
---@param now number
---@return string
function M.short(view, pending, now)
  local state = STATE[view.state] or STATE.unknown
  local words = { state[1] .. ' ' .. view.mode }
  if view.startedAt then
    table.insert(words, M.clock(now - view.startedAt))
    table.insert(words, view.item and view.item.title or state[3])
  else
    table.insert(words, state[3])
  end
  if pending > 0 then
    table.insert(words, ('◆%d'):format(pending))
  end
  return table.concat(words, ' ')
end

return M
