"""What the help of the command line says beside its options: what a command is about, and examples.

Texts only. `parser` stands above.
"""

from __future__ import annotations

from typing import Final

ABOUT: Final = """\
Supervise coding agents from any editor that speaks the Language Server Protocol.

Without arguments, or with --stdio, it is the language server for an editor to start. With
--remote=auto, all editors of a user share one process, in which work goes on when a window closes.
"""

EXIT_CODES: Final = """\
exit codes:
  0    it went well
  1    the turn or the command failed, or something was declined because nobody could be asked
  2    wrong usage
  3    a problem with the agent or the installation; `autopilot-ls doctor` says more
  130  interrupted
"""

MAIN_EXAMPLES: Final = """\
examples:
  autopilot-ls doctor                           is everything there that is needed?
  autopilot-ls demo                             see it work, without a login or network
  autopilot-ls run "fix the failing test"       work on a task in this terminal
  autopilot-ls changes list                     what was changed without asking?
  autopilot-ls hud                              what do all open sessions do?
  autopilot-ls sessions list                    what was done so far
  autopilot-ls policy check -- git push         may an agent do this by itself?
"""

RUN_ABOUT: Final = """\
Give the agent a task in this terminal. It shows what the agent does, and asks before anything is
changed or run that does more than plainly read. Where nobody can be asked (standard input is no
terminal, or --json) such requests are declined. Ctrl-C stops the turn; twice ends the program.
"""

RUN_EXAMPLES: Final = """\
examples:
  autopilot-ls run "rename total to sum in cart.py"
  autopilot-ls run --mode read-only "how does the cache work?"
  autopilot-ls run --session last "now add a test"
  echo "explain main.py" | autopilot-ls run - --cwd ~/project
  autopilot-ls run --json "list the modules" | jq .body.type
"""

HUD: Final = """\
examples:
  autopilot-ls hud                              all open sessions, whatever runs them
  autopilot-ls hud last                         the newest session, open or not
  autopilot-ls hud --once                       show them once, as text
  autopilot-ls hud --json | jq -c '.sessions[] | {title, state}'

It only looks: decide in your editor, or in the terminal that runs the task. q or Ctrl-C quits. Where
the output is no terminal it is text, once; --json without --once goes on, a line for each change.
"""

SESSIONS: Final = """\
examples:
  autopilot-ls sessions list
  autopilot-ls sessions show last
  autopilot-ls sessions tail -f 20261122
  autopilot-ls sessions delete 20261122-101500-a1b2c3

A session is named by its id, by a beginning of it that only one has, or by "last".
"""

CHANGES: Final = """\
examples:
  autopilot-ls changes list
  autopilot-ls changes keep src README.md
  autopilot-ls changes undo 1a2b3c4d-l5
  autopilot-ls changes undo --turn 2
  autopilot-ls changes undo-turn                take back all of the last turn
  autopilot-ls changes redo                     undo the last undo

It is about the current folder, which must be the one that the agent worked in. What you typed
yourself stays. One process at a time has the review of a folder: where an editor has it open,
review there.

exit codes: 1 where a file had to be left as it is; the reason is said
"""

POLICY: Final = """\
examples:
  autopilot-ls policy show
  autopilot-ls policy check -- git push origin main
  autopilot-ls policy check --mode read-only -- 'cd src; ls'
  autopilot-ls policy explain -- 'make test && git push'
  autopilot-ls policy lint
  autopilot-ls policy trust ~/project
  autopilot-ls policy list
  autopilot-ls policy forget remembered-1a2b3c4d5e6f
  autopilot-ls policy backtest last --policy ./stricter.toml

A command line of several words is taken word for word, so that | and && are only words; give it
as one quoted word to have them mean what they mean in a shell.

exit codes:
  check      0 it is allowed, 1 it asks or is denied
  lint       0 no file has a problem (findings are hints), 1 one has
  trust      0 it is trusted, 1 it is not (you said no, nobody could be asked, the file has a problem)
"""

DOCTOR: Final = """\
examples:
  autopilot-ls doctor
  autopilot-ls doctor --json | jq '.findings[] | select(.level != "ok")'

It exits with 3 when there is a problem.
"""

LOGIN_ABOUT: Final = """\
Log in to Codex: the very Codex that Autopilot runs, in the home that the settings name. What is typed goes
to it alone. Without an option it opens your browser.
"""

LOGIN: Final = """\
examples:
  autopilot-ls login
  autopilot-ls login --device-auth                              on a machine without a browser
  printenv OPENAI_API_KEY | autopilot-ls login --with-api-key
"""

DAEMON_ABOUT: Final = """\
Have to do with the process that editors share when they start the server with --remote=auto. They start
it themselves; by hand it is only needed to look at it, to end it, or to run it in a service manager, where
it stays however idle it is.
"""

DAEMON: Final = """\
examples:
  autopilot-ls daemon --status          what runs, who is connected, what waits
  autopilot-ls daemon --stop            end it, with the agents that it runs
  autopilot-ls daemon                   be it, in this terminal

With --status it exits with 1 when none runs.
"""

SCHEMA: Final = """\
examples:
  autopilot-ls schema                  write ./schemas
  autopilot-ls schema --check          exits with 1 when a file differs from what the code says
"""

DEMO: Final = """\
examples:
  autopilot-ls demo
  autopilot-ls demo --interactive      you decide on each request
  autopilot-ls demo --keep             keep the throw-away repository

The language server and Codex are the real ones; only the model is scripted, on this machine.
"""
