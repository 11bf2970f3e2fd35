"""Reading a command line as the shell would: words, parts, and what wrappers run.

`parse` is the one way in: text in, parts out, never an exception. Not aware of rules, modes or of
the disk. `policy.effects` and `policy.judging` stand above, nothing of ours below.
"""

from autopilot_ls.policy.shell.parsing import parse
from autopilot_ls.policy.shell.parts import Folder, Part, PartKind
from autopilot_ls.policy.shell.words import Word

__all__ = ["Folder", "Part", "PartKind", "Word", "parse"]
