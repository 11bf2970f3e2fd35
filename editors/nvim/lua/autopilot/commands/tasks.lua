--- The subcommands about work: begin it, steer it, stop it, have code looked at. Each is a few lines.

local asking = require('autopilot.commands.asking')
local say = require('autopilot.say')
local server = require('autopilot.server')
local state = require('autopilot.state')

---@type table<string, autopilot.Subcommand>
local subcommands = {}

local MODES = { 'read-only', 'propose', 'auto', 'escalate' }

--- The lines of the range, as places that the agent is pointed at.
local function references(call)
  if not call.range or vim.bo.buftype ~= '' or vim.api.nvim_buf_get_name(0) == '' then
    return nil
  end
  local range = {
    start = { line = call.range.first - 1, character = 0 },
    ['end'] = { line = call.range.last, character = 0 },
  }
  return { { uri = vim.uri_from_bufnr(0), range = range } }
end

local attached = {} ---@type { uri: string }[] What goes with the next task.

local function start(text, call, session)
  local argument = {
    text = text,
    sessionId = session,
    references = references(call),
    attachments = #attached > 0 and attached or nil,
    cwd = not session and server.folder(0) or nil,
  }
  server.run('autopilot.turn.start', argument, function(result)
    state.chosen, attached = result.sessionId, {}
    if not require('autopilot.hud').is_open() then
      say.info('The agent is at work (:Autopilot hud)')
    end
  end)
end

subcommands.ask = {
  run = function(call)
    asking.with_text(call, 'Task: ', function(text)
      server.with(function()
        local view = not call.bang and state.current() or nil
        if not state.is_running(view) then
          return start(text, call, view and view.sessionId)
        end
        local choices =
          { 'Say it to the agent now', 'Queue it until the turn has ended', 'Begin another session' }
        vim.ui.select(choices, { prompt = 'A turn is running' }, function(_, index)
          if index == 1 then
            server.run('autopilot.turn.steer', { sessionId = view.sessionId, text = text })
          elseif index == 2 then
            server.run('autopilot.turn.queue', { sessionId = view.sessionId, text = text })
          elseif index == 3 then
            start(text, call)
          end
        end)
      end)
    end)
  end,
}

subcommands.attach = {
  run = function(call)
    local path = vim.fs.normalize(vim.fn.fnamemodify(call.text, ':p'))
    if call.text == '' or vim.fn.filereadable(path) == 0 then
      return say.error('Name a file that there is, such as a picture')
    end
    table.insert(attached, { uri = vim.uri_from_fname(path) })
    say.info(('%d file(s) go with the next task'):format(#attached))
  end,
  complete = function(lead)
    return vim.fn.getcompletion(lead, 'file')
  end,
}

subcommands.fix = {
  run = function(call)
    local first = call.range and call.range.first or vim.fn.line('.')
    local last = call.range and call.range.last or first
    local found = vim.tbl_filter(function(each)
      local finding = vim.tbl_get(each, 'user_data', 'lsp', 'data', 'findingId')
      return (finding or each.source ~= 'autopilot')
        and each.lnum < last
        and first <= (each.end_lnum or each.lnum) + 1
    end, vim.diagnostic.get(0))
    if #found == 0 then
      return say.info('There is no diagnostic here')
    end
    server.with(function()
      vim.lsp.buf.code_action({
        -- By itself Neovim tells a server of its own diagnostics only; these are the others'.
        context = { diagnostics = vim.lsp.diagnostic.from(found) },
        range = { start = { first, 0 }, ['end'] = { last, #vim.fn.getline(last) } },
        filter = function(action)
          return vim.startswith(action.title, 'Autopilot: fix this')
        end,
        apply = true,
      })
    end)
  end,
}

subcommands.steer = asking.text_about_session('Say to the agent: ', 'autopilot.turn.steer')

subcommands.queue = asking.text_about_session('When the turn has ended: ', 'autopilot.turn.queue')

subcommands.unqueue = {
  run = function()
    asking.with_session(function(view)
      if #(view.queue or {}) == 0 then
        return say.info('No message waits')
      end
      vim.ui.select(view.queue, {
        prompt = 'Take back',
        format_item = function(each)
          return each.text
        end,
      }, function(each)
        if each then
          server.run('autopilot.turn.unqueue', { sessionId = view.sessionId, messageId = each.id })
        end
      end)
    end)
  end,
}

subcommands.release = asking.about_session('autopilot.turn.release')

subcommands.stop = asking.about_session('autopilot.turn.interrupt')

local function set_mode(mode)
  local view = state.current()
  server.run('autopilot.mode.set', { mode = mode, sessionId = view and view.sessionId }, function()
    say.info(('The mode is %s%s'):format(mode, view and '' or ', for new sessions'))
  end)
end

subcommands.mode = {
  run = function(call)
    if call.text ~= '' then
      return set_mode(call.text)
    end
    local view = state.current()
    vim.ui.select(MODES, {
      prompt = 'Mode',
      format_item = function(mode)
        return mode .. (view and view.mode == mode and ' (now)' or '')
      end,
    }, function(mode)
      if mode then
        set_mode(mode)
      end
    end)
  end,
  complete = function()
    return MODES
  end,
}

subcommands.inspect = {
  run = function(call)
    local target = { type = 'uncommittedChanges' }
    local kind, value = call.text:match('^(%S+)%s*(.*)$')
    if kind == 'branch' then
      target = { type = 'baseBranch', branch = value }
    elseif kind == 'commit' then
      target = { type = 'commit', sha = value }
    elseif kind then
      target = { type = 'custom', instructions = call.text }
    end
    server.run('autopilot.review.start', { cwd = server.folder(0), target = target }, function(result)
      state.chosen = result.sessionId
    end)
  end,
  complete = function()
    return { 'branch', 'commit' }
  end,
}

subcommands.dismiss = asking.about_session('autopilot.review.dismiss')

return subcommands
