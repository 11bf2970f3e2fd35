--- What is there as soon as Neovim starts: the command, the mappings, the documents, the colours.
--- Everything behind them is loaded when it is used.

if vim.g.loaded_autopilot then
  return
end
vim.g.loaded_autopilot = true

if vim.fn.has('nvim-0.11') == 0 then
  vim.notify('autopilot needs Neovim 0.11 or later', vim.log.levels.ERROR)
  return
end

vim.api.nvim_create_user_command('Autopilot', function(call)
  require('autopilot.command').run(call)
end, {
  nargs = '*',
  range = true,
  bang = true,
  desc = 'Autopilot: tasks, approvals, review (:help :Autopilot)',
  complete = function(lead, line)
    return require('autopilot.command').complete(lead, line)
  end,
})

for name, call in pairs({
  ['next-hunk'] = { 'review', 'jump', 1 },
  ['previous-hunk'] = { 'review', 'jump', -1 },
  accept = { 'review', 'decide', 'accept' },
  reject = { 'review', 'decide', 'reject' },
  ['accept-file'] = { 'review', 'decide_file', 'accept' },
  ['reject-file'] = { 'review', 'decide_file', 'reject' },
  ['take-back'] = { 'review', 'decide', 'none' },
  ['reject-reason'] = { 'review', 'reject_with_reason' },
  diff = { 'diff', 'open' },
  approvals = { 'approvals', 'open' },
  hud = { 'hud', 'toggle' },
}) do
  vim.keymap.set({ 'n', 'x' }, '<Plug>(autopilot-' .. name .. ')', function()
    require('autopilot.' .. call[1])[call[2]](call[3])
  end, { desc = 'Autopilot: ' .. name:gsub('-', ' ') })
end

local group = vim.api.nvim_create_augroup('autopilot', {})

vim.api.nvim_create_autocmd('BufReadCmd', {
  group = group,
  pattern = 'autopilot:/*',
  callback = function(event)
    require('autopilot.documents').read(event.buf)
  end,
})

local function colours()
  for name, link in pairs({
    Heading = 'Title',
    Dim = 'Comment',
    Good = 'DiagnosticOk',
    Warn = 'DiagnosticWarn',
    Bad = 'DiagnosticError',
    Running = 'DiagnosticInfo',
    Added = 'DiffAdd',
    Pending = 'DiagnosticInfo',
    Unreviewed = 'DiagnosticHint',
    Mode = 'Special',
  }) do
    vim.api.nvim_set_hl(0, 'Autopilot' .. name, { link = link, default = true })
  end
  -- Lines that go, as a ground like that of lines that come; DiffDelete is made for lines that are not there.
  local red = vim.o.background == 'dark' and 'NvimDarkRed' or 'NvimLightRed'
  vim.api.nvim_set_hl(0, 'AutopilotRemoved', { bg = red, default = true })
end
colours()
vim.api.nvim_create_autocmd('ColorScheme', { group = group, callback = colours })
