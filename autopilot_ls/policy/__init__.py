"""One policy over every approval: actions go in, verdicts come out.

Pure: no editor, no agent's wire, no state of its own. `supervisor` asks it, `model` is all it knows.
"""

from autopilot_ls.policy.judge import judge

__all__ = ["judge"]
