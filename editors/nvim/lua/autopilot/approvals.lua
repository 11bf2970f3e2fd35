--- What waits for the person: chosen from lists that the person opens, decided on by the server.
--- Keeps no approval; only what was answered and not yet acknowledged, so that no answer is lost unnoticed.

local say = require('autopilot.say')
local server = require('autopilot.server')

local M = {}

---@type table<string, string> Approvals by id whose answer the server has not acknowledged: what they are about.
local answering = {}

--- Handler of `autopilot/approval`; statuses say the same, this says it first.
function M.told(_, params)
  if params.decision then
    answering[params.approvalId] = nil
  end
end

--- Everything that waits, the oldest first, as the statuses say it.
---@return autopilot.PendingApproval[]
function M.pending()
  local found = {}
  for _, view in pairs(require('autopilot.state').sessions) do
    vim.list_extend(found, view.pending or {})
  end
  table.sort(found, function(a, b)
    return a.requestedAt < b.requestedAt
  end)
  return found
end

local function waits(id)
  return vim.iter(M.pending()):any(function(approval)
    return approval.id == id
  end)
end

--- After a restart: say which answers did not arrive, since those approvals wait again.
function M.reconcile()
  for id, title in pairs(answering) do
    answering[id] = nil
    if waits(id) then
      say.warn(('your answer did not arrive, it waits again: %s (:Autopilot approvals)'):format(title))
    end
  end
end

--- Give an answer; it counts as given when the server says so.
---@param command autopilot.Command
---@param argument table Has `approvalId`.
---@param title string
---@param on_result? fun(result: table)
function M.answer(command, argument, title, on_result)
  local id = argument.approvalId
  answering[id] = title
  server.run(command, argument, function(result)
    answering[id] = nil
    if on_result then
      on_result(result)
    end
  end, function(failure)
    answering[id] = nil
    local code = vim.tbl_get(failure, 'data', 'code')
    if code == 'decision-refused' and argument.unsaved == nil then
      M.refused(command, argument, title, failure)
    else
      server.failed(failure)
    end
  end)
end

--- Unsaved changes stand in the way: what the person, who has just answered, can do about it.
function M.refused(command, argument, title, failure)
  local unsaved = vim.iter(require('autopilot.hunks').all()):any(function(hunk)
    return hunk.data.approvalId == argument.approvalId and vim.bo[hunk.buffer].modified
  end)
  if not unsaved then
    return server.failed(failure)
  end
  local choices = {
    { label = 'Save, and accept', unsaved = 'save' },
    { label = 'Accept into the unsaved text', unsaved = 'merge' },
    { label = 'Leave it' },
  }
  vim.ui.select(choices, {
    prompt = 'Autopilot: ' .. failure.message,
    format_item = function(choice)
      return choice.label
    end,
  }, function(choice)
    if choice and choice.unsaved then
      M.answer(command, vim.tbl_extend('force', argument, { unsaved = choice.unsaved }), title)
    end
  end)
end

local function decide(approval, title, members)
  local argument = vim.tbl_extend('force', { approvalId = approval.id }, members)
  M.answer('autopilot.approval.decide', argument, title)
end

local function with_reason(callback)
  vim.ui.input({ prompt = 'Why (the agent is told): ' }, function(reason)
    if reason then
      callback(reason)
    end
  end)
end

--- The questions of an agent, one after the other.
local function ask(approval, questions, index)
  local question = questions[index]
  if not question then
    return
  end
  local function take(text)
    if text and text ~= '' then
      local argument = { approvalId = approval.id, questionId = question.id, answers = { text } }
      M.answer('autopilot.approval.answer', argument, question.text, function()
        ask(approval, questions, index + 1)
      end)
    end
  end
  local function input()
    if question.secret then
      take(vim.fn.inputsecret(question.text .. ' '))
    else
      vim.ui.input({ prompt = question.text .. ' ' }, take)
    end
  end
  local options = vim.list_slice(question.options or {})
  if #options == 0 then
    return input()
  end
  local other = { label = 'Something else …' }
  if question.freeText then
    table.insert(options, other)
  end
  vim.ui.select(options, {
    prompt = question.text,
    format_item = function(option)
      return option.label .. ((option.description or '') ~= '' and ': ' .. option.description or '')
    end,
  }, function(option)
    if option == other then
      input()
    else
      take(option and option.label)
    end
  end)
end

--- What a server of the agent asks for, by the schema it gave.
local function fill_in(approval, title)
  local schema =
    vim.json.decode(approval.action.contentSchema ~= '' and approval.action.contentSchema or '{}')
  local names, content = vim.tbl_keys(schema.properties or {}), vim.empty_dict()
  table.sort(names)
  local function field(index)
    local name = names[index]
    if not name then
      return decide(approval, title, { decision = 'accept', content = content })
    end
    local wanted = schema.properties[name]
    local function take(text)
      if text == nil then
        return
      end
      if wanted.type == 'boolean' then
        content[name] = text == 'true'
      elseif wanted.type == 'number' or wanted.type == 'integer' then
        content[name] = tonumber(text)
        if text ~= '' and not content[name] then
          say.error('That is no number: ' .. text)
          return field(index)
        end
      elseif text ~= '' or vim.list_contains(schema.required or {}, name) then
        content[name] = text
      end
      field(index + 1)
    end
    local prompt = wanted.title or wanted.description or name
    local choices = wanted.type == 'boolean' and { 'true', 'false' } or wanted.enum
    if choices then
      vim.ui.select(choices, { prompt = prompt }, take)
    else
      vim.ui.input({ prompt = prompt .. ': ' }, take)
    end
  end
  field(1)
end

---@param approval autopilot.Approval
---@return { label: string, run: fun() }[]
local function choices_for(approval, title)
  local kind, choices = approval.action.type, {}
  local function add(label, run)
    table.insert(choices, { label = label, run = run })
  end
  local function deciding(decision, members)
    return function()
      decide(approval, title, vim.tbl_extend('force', { decision = decision }, members or {}))
    end
  end
  if kind == 'question' then
    add('Answer', function()
      ask(approval, approval.action.questions, 1)
    end)
  elseif kind == 'elicitation' then
    add('Fill in', function()
      fill_in(approval, title)
    end)
  else
    if kind == 'patch' then
      add('Review it hunk by hunk', function()
        require('autopilot.review').list(approval.id)
      end)
      add('Show it before and after', function()
        require('autopilot.diff').approval(approval.id)
      end)
    end
    local rejected = vim.iter(approval.marks or {}):fold(0, function(number, each)
      return number + (each.mark == 'reject' and 1 or 0)
    end)
    local also = rejected > 0 and (', also what you rejected (%d)'):format(rejected) or ''
    add('Accept' .. also, deciding('accept'))
    add('Accept for this session' .. also, deciding('acceptForSession'))
    for _, offer in ipairs(approval.offers or {}) do
      add(offer.label .. also, deciding('accept', { remember = offer.key }))
    end
  end
  add('Reject', deciding('decline'))
  add('Reject, with a reason', function()
    with_reason(function(reason)
      deciding('decline', { message = reason })()
    end)
  end)
  add('Reject, and stop the turn', deciding('cancel'))
  return choices
end

---@param pending autopilot.PendingApproval
---@param approval autopilot.Approval
local function choose(pending, approval)
  local prompt = ('%s  [%s]'):format(pending.title, pending.why)
  vim.ui.select(choices_for(approval, pending.title), {
    prompt = prompt,
    kind = 'autopilot.approval',
    format_item = function(choice)
      return choice.label
    end,
  }, function(choice)
    if choice then
      choice.run()
    end
  end)
end

--- Decide on one approval.
---@param pending autopilot.PendingApproval
function M.decide(pending)
  server.run('autopilot.approval.list', {}, function(result)
    for _, approval in ipairs(result.approvals) do
      if approval.id == pending.id then
        return choose(pending, approval)
      end
    end
    say.info('It waits no longer: ' .. pending.title)
  end)
end

--- Let the person choose what to decide on, if more than one thing waits.
function M.open()
  local pending = M.pending()
  if #pending == 0 then
    say.info('Nothing waits for you')
  elseif #pending == 1 then
    M.decide(pending[1])
  else
    vim.ui.select(pending, {
      prompt = 'What waits for you',
      kind = 'autopilot.pending',
      format_item = function(each)
        return ((each.alarm or '') ~= '' and each.alarm .. ': ' or '') .. each.title
      end,
    }, function(choice)
      if choice then
        M.decide(choice)
      end
    end)
  end
end

return M
