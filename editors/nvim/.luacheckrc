-- What luacheck may take for granted: LuaJIT inside Neovim.
std = 'luajit'
read_globals = { 'vim' }
-- Options and variables of the editor are set through these.
globals = { 'vim.o', 'vim.bo', 'vim.wo', 'vim.go', 'vim.g', 'vim.v', 'vim.b' }
max_line_length = 120
self = false
exclude_files = { 'node_modules' }
files['lua/autopilot/generated.lua'] = { max_line_length = false }
