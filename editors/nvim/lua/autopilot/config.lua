--- The options in `vim.g.autopilot`: defaults, and what is wrong with them in words a person can use.
--- Read anew each time, so that they may be set at any time. Not aware of who uses them.

local M = {}

---@class autopilot.Options
---@field command? string[] Starts the server. Not set: `autopilot-ls` of the active Python environment, or PATH.
---@field shared? boolean Whether this Neovim shares one server process with your other editors.
---@field settings? autopilot.Settings The server's settings, as the README names them.
---@field hud? { position?: 'right'|'bottom', size?: integer } Where the HUD opens; not set: as large as fits there.
---@field inline? boolean Whether hunks are shown in the text itself: signs, and the lines before or after.
---@field announce? boolean Whether a message says that an approval waits, or a turn has ended.
---@field attention? ('bell'|'osc9'|'osc777'|'title')[] How the terminal is told so, while it has not the focus.

---@type autopilot.Options
local defaults = {
  shared = true,
  settings = {},
  hud = { position = 'right' },
  inline = true,
  announce = true,
  attention = { 'title' },
}

local function one_of(...)
  local choices = { ... }
  return function(value)
    if vim.list_contains(choices, value) then
      return
    end
    return ('must be one of %s'):format(table.concat(choices, ', '))
  end
end

local function is(wanted)
  return function(value)
    return type(value) ~= wanted and ('must be a %s, not a %s'):format(wanted, type(value)) or nil
  end
end

local function each(check)
  return function(value)
    if not vim.islist(value) then
      return 'must be a list'
    end
    for _, item in ipairs(value) do
      local problem = check(item)
      if problem then
        return ('%s: %s'):format(vim.inspect(item), problem)
      end
    end
  end
end

local function size(value)
  return not (type(value) == 'number' and value >= 5 and value == math.floor(value))
      and 'must be a whole number, 5 or more'
    or nil
end

local checks = {
  command = function(value)
    return each(is('string'))(value) or (#value == 0 and 'must name a program') or nil
  end,
  shared = is('boolean'),
  settings = is('table'),
  hud = { position = one_of('right', 'bottom'), size = size },
  inline = is('boolean'),
  announce = is('boolean'),
  attention = each(one_of('bell', 'osc9', 'osc777', 'title')),
}

local function names_of(tree)
  local names = vim.tbl_keys(tree)
  table.sort(names)
  return table.concat(names, ', ')
end

--- Put what is right of the given values into the result, and what is wrong into the problems.
local function take(given, tree, path, result, problems)
  for name, value in pairs(given) do
    local check, where = tree[name], path .. tostring(name)
    local problem
    if check == nil then
      problem = 'is unknown; there are ' .. names_of(tree)
    elseif type(check) == 'table' then
      if type(value) == 'table' then
        take(value, check, where .. '.', result[name], problems)
      else
        problem = 'must be a table'
      end
    else
      problem = check(value)
      if not problem then
        result[name] = value
      end
    end
    if problem then
      table.insert(problems, ('vim.g.autopilot: %s %s'):format(where, problem))
    end
  end
end

local function unknown_settings(given, known, path, problems)
  for name, value in pairs(given) do
    local below = known[name]
    if below == nil then
      table.insert(
        problems,
        ('vim.g.autopilot: settings.%s%s is no setting of the server'):format(path, name)
      )
    elseif type(below) == 'table' and type(value) == 'table' then
      unknown_settings(value, below, path .. name .. '.', problems)
    end
  end
end

--- The options, with the default where one is missing or wrong.
---@return autopilot.Options options
---@return string[] problems One sentence for each option that is wrong.
function M.get()
  local result, problems = vim.deepcopy(defaults), {}
  local given = vim.g.autopilot
  if type(given) == 'table' then
    take(given, checks, '', result, problems)
    unknown_settings(result.settings, require('autopilot.generated').settings, '', problems)
  elseif given ~= nil then
    table.insert(problems, 'vim.g.autopilot must be a table')
  end
  table.sort(problems)
  return result, problems
end

return M
