"""What `doctor` says of the policy: which files there are, what is wrong with them, what is not trusted.

Not aware of how findings are shown. `doctor` stands above, `policy.report` below.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from autopilot_ls.model.text import count
from autopilot_ls.policy.load import NOT_THERE, WORKSPACE_FILE
from autopilot_ls.policy.report import FileKind, report
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.policies import policy_files

Level = Literal["ok", "warning", "problem"]


def policy_findings(settings: Settings) -> Iterator[tuple[Level, str, str]]:
    """Yield level, text and advice for each policy file that holds here.

    Args:
        settings: Say where the user's files are.
    """
    files = policy_files(settings)
    given: list[tuple[Path, FileKind]] = [(files.user, "user"), (files.remembered, "remembered")]
    given.append((Path.cwd() / WORKSPACE_FILE, "workspace"))
    for path, kind in given:
        found = report(files, path, kind)
        if found.missing and kind == "user" and files.named:
            yield "problem", f"{path}: {NOT_THERE}.", "Correct the setting, or make the file."
        elif found.missing:
            if kind == "user":
                yield "ok", f"only the built-in rules; your own would be {path}", ""
        elif found.problems:
            more = len(found.problems) - 1
            also = f" (and {count(more, 'more problem')})" if more else ""
            yield "problem", f"{found.problems[0]}{also}", "See: autopilot-ls policy lint"
        elif not found.trusted:
            text = f"{path} is not trusted: only its ask and deny rules count."
            yield "warning", text, "If you want it to allow things too: autopilot-ls policy trust"
        else:
            hints = f", {count(len(found.findings), 'hint')}" if found.findings else ""
            yield "ok", f"{path}, {count(found.rules, 'rule')}{hints}", ""
