--- `:Autopilot`: its subcommands, their completion, and what each asks of the server.
--- Each is a few lines; what takes more stands in a module of its own.

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

---@type table<string, autopilot.Subcommand>
local subcommands = {}

local MODES = { 'read-only', 'propose', 'auto', 'escalate' }

--- The text behind the command, or what the person types then.
local function with_text(call, prompt, callback)
  if call.text ~= '' then
    return callback(call.text)
  end
  vim.ui.input({ prompt = prompt }, function(text)
    if text and vim.trim(text) ~= '' then
      callback(text)
    end
  end)
end

local function with_session(callback)
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
---@param done? fun(result: table)
---@return autopilot.Subcommand
local function about_session(command, done)
  return {
    run = function()
      with_session(function(view)
        server.run(command, { sessionId = view.sessionId }, done)
      end)
    end,
  }
end

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
  end)
end

subcommands.ask = {
  run = function(call)
    with_text(call, 'Task: ', function(text)
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

--- Have one of the server's code actions done, chosen by the person if there are several.
local function act(client, actions)
  vim.ui.select(actions, {
    prompt = 'Fix which',
    format_item = function(each)
      return (each.title:gsub('^Autopilot: ', ''))
    end,
  }, function(each)
    if each then
      client:exec_cmd(each.command, { bufnr = vim.api.nvim_get_current_buf() })
    end
  end)
end

subcommands.fix = {
  run = function(call)
    local first = call.range and call.range.first - 1 or vim.fn.line('.') - 1
    local last = call.range and call.range.last - 1 or first
    local found = vim.tbl_filter(function(each)
      return each.source ~= 'autopilot' and each.lnum <= last and first <= (each.end_lnum or each.lnum)
    end, vim.diagnostic.get(0))
    if #found == 0 then
      return say.info('There is no diagnostic here')
    end
    server.with(function(client)
      -- Neovim's own code actions tell a server of its own diagnostics only; these are the others'.
      local params = vim.lsp.util.make_range_params(0, client.offset_encoding)
      params.range = { start = { line = first, character = 0 }, ['end'] = { line = last + 1, character = 0 } }
      params.context = { diagnostics = vim.lsp.diagnostic.from(found) }
      client:request('textDocument/codeAction', params, function(failure, actions)
        actions = vim.tbl_filter(function(each)
          return each.title:find('fix this', 1, true) and each.command ~= nil
        end, actions or {})
        if failure or #actions == 0 then
          say.error(failure and failure.message or 'The server offers to fix nothing here')
        elseif #actions == 1 then
          client:exec_cmd(actions[1].command, { bufnr = vim.api.nvim_get_current_buf() })
        else
          act(client, actions)
        end
      end)
    end)
  end,
}

subcommands.steer = {
  run = function(call)
    with_text(call, 'Say to the agent: ', function(text)
      with_session(function(view)
        server.run('autopilot.turn.steer', { sessionId = view.sessionId, text = text })
      end)
    end)
  end,
}

subcommands.queue = {
  run = function(call)
    with_text(call, 'When the turn has ended: ', function(text)
      with_session(function(view)
        server.run('autopilot.turn.queue', { sessionId = view.sessionId, text = text })
      end)
    end)
  end,
}

subcommands.unqueue = {
  run = function()
    with_session(function(view)
      vim.ui.select(view.queue or {}, {
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

subcommands.release = about_session('autopilot.turn.release')

subcommands.stop = about_session('autopilot.turn.interrupt')

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

subcommands.dismiss = about_session('autopilot.review.dismiss')

--- Let the person choose a recorded session.
local function pick(prompt, callback)
  server.run('autopilot.session.list', {}, function(result)
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

subcommands.fork = about_session('autopilot.session.fork', open_session)
subcommands.compact = about_session('autopilot.session.compact')
subcommands.archive = about_session('autopilot.session.archive', function()
  say.info('Archived')
end)

subcommands.rename = {
  run = function(call)
    with_text(call, 'Title: ', function(text)
      with_session(function(view)
        server.run('autopilot.session.rename', { sessionId = view.sessionId, title = text })
      end)
    end)
  end,
}

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
  run = function()
    pick('Session', function(id)
      local choices = { 'Read its transcript', 'Resume it', 'Delete its record' }
      vim.ui.select(choices, { prompt = 'What with it' }, function(_, index)
        if index == 1 then
          transcript(id)
        elseif index == 2 then
          resume(id)
        elseif index == 3 then
          server.run('autopilot.session.delete', { sessionId = id }, function()
            say.info('Deleted')
          end)
        end
      end)
    end)
  end,
}

subcommands.transcript = {
  run = function()
    with_session(function(view)
      transcript(view.sessionId)
    end)
  end,
}

local function taken_back(result)
  for _, why in ipairs(result.left or {}) do
    say.warn(why)
  end
  say.info(('%d files changed'):format(#(result.written or {})))
end

subcommands.undo = {
  run = function(call)
    with_session(function(view)
      local turn = call.text ~= '' and call.text or nil
      server.run('autopilot.turn.undo', { sessionId = view.sessionId, turn = turn }, taken_back)
    end)
  end,
}

subcommands.redo = {
  run = function()
    local view = state.current()
    server.run('autopilot.turn.redo', { cwd = view and view.cwd or vim.fn.getcwd() }, taken_back)
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
