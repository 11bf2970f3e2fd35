--- The server's life as this editor sees it: where its program is, its start, its end, its start anew.
--- What is running goes on in the shared process; after a restart the views are made from a fresh snapshot.

local config = require('autopilot.config')
local say = require('autopilot.say')

local M = {}

local RESTARTS = 5 -- within FORGET seconds; then the person has to ask for the next
local FORGET = 120

local waiting = {} ---@type fun(client: vim.lsp.Client)[]
local crashes = {} ---@type number[]
local leaving = false
local said = {} ---@type table<string, true>

local function say_once(message)
  if not said[message] then
    said[message] = true
    say.error(message)
  end
end

--- The program and its arguments; nil where there is none.
---@return string[]?
function M.command()
  local options = config.get()
  local command = options.command
  if not command then
    local active = vim.env.VIRTUAL_ENV and vim.fs.joinpath(vim.env.VIRTUAL_ENV, 'bin', 'autopilot-ls')
    local found = active and vim.fn.executable(active) == 1 and active or vim.fn.exepath('autopilot-ls')
    command = found ~= '' and { found } or nil
  end
  if not command or vim.fn.executable(command[1]) == 0 then
    return nil
  end
  return vim.list_extend(
    vim.list_slice(command),
    options.shared and { '--stdio', '--remote=auto' } or { '--stdio' }
  )
end

M.advice =
  "autopilot-ls is not installed: pip install 'autopilot-ls[codex]', or name it in vim.g.autopilot.command"

--- The folder that work on a buffer happens in: Neovim's own where the file is in it, else the file's repository.
---@param buffer integer
---@return string
function M.folder(buffer)
  local cwd, name = vim.fn.getcwd(), vim.api.nvim_buf_get_name(buffer)
  if vim.bo[buffer].buftype ~= '' or name == '' or vim.fs.relpath(cwd, name) then
    return cwd
  end
  return vim.fs.root(buffer, '.git') or vim.fs.dirname(name)
end

function M.root_dir(buffer, on_dir)
  local _, problems = config.get()
  for _, problem in ipairs(problems) do
    say_once(problem)
  end
  if not M.command() then
    say_once(M.advice)
    return
  end
  on_dir(M.folder(buffer))
end

--- One client for all: a file of another folder adds that folder to what the server works in.
function M.reuse(client, wanted)
  if client.name ~= wanted.name or client:is_stopped() then
    return false
  end
  local root = wanted.root_dir
  if type(root) ~= 'string' then
    return true
  end
  local known = vim.iter(client.workspace_folders or {}):any(function(folder)
    return vim.fs.relpath(vim.uri_to_fname(folder.uri), root) ~= nil
  end)
  if not known then
    local added = { uri = vim.uri_from_fname(root), name = root }
    client.workspace_folders = vim.list_extend(client.workspace_folders or {}, { added })
    client:notify('workspace/didChangeWorkspaceFolders', { event = { added = { added }, removed = {} } })
  end
  return true
end

function M.before_init(params)
  local settings = config.get().settings
  params.initializationOptions = next(settings) and settings or nil
end

function M.on_init(client)
  local state = require('autopilot.state')
  state.refresh(client, function()
    local callbacks = waiting
    waiting = {}
    for _, callback in ipairs(callbacks) do
      callback(client)
    end
  end)
  require('autopilot.hunks').start(client)
end

--- Start the process; its end is told here first, because Neovim's own message about it stops the keyboard.
function M.spawn(dispatchers)
  local command = assert(M.command(), M.advice)
  local wrapped = vim.tbl_extend('force', dispatchers, {
    on_exit = function(code, signal)
      -- It may have ended before it was ready.
      local ours = vim.lsp.get_clients({ name = 'autopilot', _uninitialized = true })[1]
      local buffers = ours and vim.tbl_keys(ours.attached_buffers) or {}
      dispatchers.on_exit(0, 0)
      vim.schedule(function()
        M.exited(code, signal, ours and ours.id, buffers)
      end)
    end,
  })
  return vim.lsp.rpc.start(command, wrapped)
end

function M.exited(code, signal, old, buffers)
  if leaving then
    return
  end
  if old then
    vim.diagnostic.reset(vim.lsp.diagnostic.get_namespace(old))
  end
  require('autopilot.state').lost()
  if code == 0 and (signal == 0 or signal == 15) then
    waiting = {}
    return
  end
  local now = vim.uv.now() / 1000
  crashes = vim.tbl_filter(function(at)
    return now - at < FORGET
  end, crashes)
  table.insert(crashes, now)
  local how = signal ~= 0 and 'signal ' .. signal or 'code ' .. code
  if #crashes > RESTARTS then
    waiting = {}
    say.error(('The server ended again (%s). :Autopilot log, then :Autopilot restart'):format(how))
    return
  end
  say.warn(('The server ended (%s); starting it again'):format(how))
  vim.defer_fn(function()
    M.start(buffers)
  end, 200 * 2 ^ (#crashes - 1))
end

--- Start the server without a file, or find it running.
---@param buffers? integer[] To be attached.
function M.start(buffers)
  local wanted = vim.deepcopy(vim.lsp.config.autopilot)
  M.root_dir(0, function(root)
    wanted.root_dir = root
    local id = vim.lsp.start(wanted, { attach = false, reuse_client = M.reuse })
    for _, buffer in ipairs(id and buffers or {}) do
      if vim.api.nvim_buf_is_loaded(buffer) then
        vim.lsp.buf_attach_client(buffer, id)
      end
    end
  end)
end

function M.restart()
  crashes = {}
  local client = M.client()
  local buffers = client and vim.tbl_keys(client.attached_buffers) or {}
  if not client then
    return M.start(buffers)
  end
  client:stop()
  vim.wait(5000, function()
    return client:is_stopped()
  end, 20)
  vim.schedule(function()
    M.start(buffers)
  end)
end

---@return vim.lsp.Client?
function M.client()
  return vim.lsp.get_clients({ name = 'autopilot' })[1]
end

--- Call with the server when it is ready, which is at once if it runs.
---@param callback fun(client: vim.lsp.Client)
function M.with(callback)
  local client = M.client()
  if client then
    return callback(client)
  end
  table.insert(waiting, callback)
  M.start()
end

---@alias autopilot.Failure { message: string, data?: { code?: string, advice?: string } }

--- Carry out a command of the server.
---@param command autopilot.Command
---@param argument? table
---@param on_result? fun(result: table)
---@param on_failure? fun(failure: autopilot.Failure) Without it, what failed is said.
function M.run(command, argument, on_result, on_failure)
  M.with(function(client)
    local provider = client.server_capabilities.executeCommandProvider or {}
    if not vim.list_contains(provider.commands or {}, command) then
      say.error(('This autopilot-ls is too old for %s; update it'):format(command))
      return
    end
    local arguments = { argument and next(argument) and argument or vim.empty_dict() }
    local params = { command = command, arguments = arguments }
    client:request('workspace/executeCommand', params, function(failure, result)
      if failure then
        (on_failure or M.failed)(failure)
      elseif on_result then
        on_result(result)
      end
    end)
  end)
end

function M.failed(failure)
  local advice = vim.tbl_get(failure, 'data', 'advice')
  say.error(failure.message .. (type(advice) == 'string' and ' ' .. advice or ''))
end

--- Handler of the answers to commands of code actions and lenses, which Neovim itself sends: what failed is said
--- here, since its own message is not cut and then stops the keyboard.
function M.answered(failure)
  if failure then
    M.failed(failure)
  end
end

vim.api.nvim_create_autocmd('VimLeavePre', {
  callback = function()
    leaving = true
  end,
})

return M
