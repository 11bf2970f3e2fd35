--- `:checkhealth autopilot`: what is there, what is wrong, what to do about it.

local M = {}

local function program(health)
  local server = require('autopilot.server')
  local command = server.command()
  if not command then
    health.error(server.advice)
    return
  end
  local done = vim.system({ command[1], '--version' }, { text = true, timeout = 10000 }):wait()
  if done.code == 0 then
    health.ok(('%s (%s)'):format(vim.trim(done.stdout), command[1]))
  else
    health.error(('%s --version fails: %s'):format(command[1], vim.trim(done.stderr or '')))
    return
  end
  local doctor = vim.system({ command[1], 'doctor', '--json' }, { text = true, timeout = 60000 }):wait()
  local read, told = pcall(vim.json.decode, doctor.stdout)
  if not read then
    health.error('`autopilot-ls doctor` fails: ' .. vim.trim(doctor.stderr or ''))
    return
  end
  for _, finding in ipairs(told.findings) do
    local text = ('%s: %s'):format(finding.subject, finding.text)
    local say = { ok = health.ok, warning = health.warn, problem = health.error }
    say[finding.level](text, finding.advice ~= '' and { finding.advice } or nil)
  end
end

local function connection(health)
  local client = require('autopilot.server').client()
  if client then
    local info = client.server_info or {}
    health.ok(('Connected to %s %s'):format(info.name or 'the server', info.version or ''))
  elseif vim.lsp.is_enabled('autopilot') then
    health.info('Enabled; it starts with the first file, or with :Autopilot')
  else
    health.warn('Not enabled', { "Add to your init.lua: vim.lsp.enable('autopilot')" })
  end
end

function M.check()
  local health = vim.health
  health.start('autopilot')
  if vim.fn.has('nvim-0.11') == 1 then
    local version = vim.version()
    health.ok(('Neovim %d.%d.%d'):format(version.major, version.minor, version.patch))
  else
    health.error('Neovim 0.11 or later is needed')
  end
  local _, problems = require('autopilot.config').get()
  for _, problem in ipairs(problems) do
    health.error(problem)
  end
  if #problems == 0 then
    health.ok('vim.g.autopilot is right')
  end
  if not vim.o.autoread then
    health.info("'autoread' is off; what the agent writes is reloaded all the same, where nothing is unsaved")
  end
  program(health)
  connection(health)
end

return M
