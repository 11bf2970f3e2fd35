--- The subcommands about sessions: choose, resume, read and name them, take their turns back.

local asking = require('autopilot.commands.asking')
local say = require('autopilot.say')
local server = require('autopilot.server')
local state = require('autopilot.state')

---@type table<string, autopilot.Subcommand>
local subcommands = {}

--- Let the person choose a recorded session, one of those that are put away if wanted.
local function pick(prompt, callback, archived)
  server.run('autopilot.session.list', { archived = archived }, function(result)
    if #result.sessions == 0 then
      return say.info(archived and 'No session is archived' or 'There is no recorded session')
    end
    vim.ui.select(result.sessions, {
      prompt = prompt,
      kind = 'autopilot.session',
      format_item = function(each)
        local when = os.date('%Y-%m-%d %H:%M', math.floor(each.updatedAt))
        local where = vim.fn.fnamemodify(each.cwd, ':~')
        return ('%s  %s  %s (%s)'):format(when, each.title, where, each.state)
      end,
    }, function(each)
      if each then
        callback(each.id, each)
      end
    end)
  end)
end

local function open_session(result)
  state.chosen = result.sessionId
  local client = server.client()
  if client then
    state.refresh(client)
  end
end

subcommands.fork = asking.about_session('autopilot.session.fork', open_session)
subcommands.compact = asking.about_session('autopilot.session.compact')
subcommands.archive = asking.about_session('autopilot.session.archive', function(_, id)
  state.forget(id)
  say.info('Archived (:Autopilot! sessions has it)')
end)

subcommands.rename = asking.text_about_session('Title: ', 'autopilot.session.rename', 'title')

local function resume(id)
  server.run('autopilot.session.resume', { sessionId = id }, open_session)
end

subcommands.resume = {
  run = function(call)
    if call.text ~= '' then
      resume(call.text)
    else
      pick('Resume', resume)
    end
  end,
}

local function transcript(id)
  vim.cmd.edit(vim.fn.fnameescape(('autopilot:/transcript/%s.md'):format(id)))
end

subcommands.sessions = {
  run = function(call)
    pick('Session', function(id)
      local choices = { 'Read its transcript', 'Resume it', 'Delete its record' }
      vim.ui.select(choices, { prompt = 'What with it' }, function(_, index)
        if index == 1 then
          transcript(id)
        elseif index == 2 then
          resume(id)
        elseif index == 3 then
          server.run('autopilot.session.delete', { sessionId = id }, function()
            state.forget(id)
            say.info('Deleted')
          end)
        end
      end)
    end, call.bang)
  end,
}

subcommands.transcript = {
  run = function()
    asking.with_session(function(view)
      transcript(view.sessionId)
    end)
  end,
}

--- Say in how many files something was done, and what was left.
---@param done string With a place for the files.
local function done_in_files(done)
  return function(result)
    for _, why in ipairs(result.left or {}) do
      say.warn(why)
    end
    local count = #(result.written or {})
    say.info(done:format(count == 1 and '1 file' or count .. ' files'))
  end
end

subcommands.undo = {
  run = function(call)
    asking.with_session(function(view)
      local undone = done_in_files('Undone in %s (:Autopilot redo)')
      local turn = call.text ~= '' and call.text or nil
      server.run('autopilot.turn.undo', { sessionId = view.sessionId, turn = turn }, undone)
    end)
  end,
}

subcommands.redo = {
  run = function()
    local view = state.current()
    server.run(
      'autopilot.turn.redo',
      { cwd = view and view.cwd or vim.fn.getcwd() },
      done_in_files('Done again in %s')
    )
  end,
}

return subcommands
