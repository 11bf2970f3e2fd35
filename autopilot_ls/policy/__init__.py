"""One policy over every approval: actions go in, verdicts come out.

Pure but for looking where paths lead: no editor, no agent's wire, no state of its own. `supervisor`
asks it, `model` is all it knows. Files are read and written by `load`, `remember` and `trust` only.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from autopilot_ls.model.approvals import Action, Grant, Mode, Verdict

__all__ = ["judge"]


def judge(action: Action, mode: Mode, grants: Iterable[Grant], *, workspace: Path) -> Verdict:
    """Return the verdict of the built-in rules alone; see `policy.Policy.judge`."""
    from autopilot_ls.policy.policy import builtin_policy

    return builtin_policy().judge(action, mode=mode, grants=grants, workspace=workspace)
