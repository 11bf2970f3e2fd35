--- What `vim.lsp.enable('autopilot')` finds: how to start the server and what to do with what it says.
--- Not aware of any view; those are loaded when the server first says something.

local function lazily(module, name)
  return function(...)
    return require('autopilot.' .. module)[name](...)
  end
end

---@type vim.lsp.Config
return {
  cmd = lazily('server', 'spawn'),
  root_dir = lazily('server', 'root_dir'),
  reuse_client = lazily('server', 'reuse'),
  capabilities = {
    experimental = { autopilot = { events = false } },
    workspace = { textDocumentContent = { dynamicRegistration = false } },
  },
  before_init = lazily('server', 'before_init'),
  on_init = lazily('server', 'on_init'),
  on_attach = lazily('files', 'attached'),
  handlers = {
    ['autopilot/status'] = lazily('state', 'told'),
    ['autopilot/approval'] = lazily('approvals', 'told'),
    ['autopilot/account'] = lazily('account', 'told'),
    ['autopilot/reload'] = lazily('files', 'told'),
    ['autopilot/save'] = lazily('files', 'save'),
    ['workspace/executeCommand'] = lazily('server', 'answered'),
    ['workspace/textDocumentContent/refresh'] = lazily('documents', 'refresh'),
  },
}
