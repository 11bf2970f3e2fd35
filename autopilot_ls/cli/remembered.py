"""`autopilot-ls policy list` and `forget`: what "always allow" wrote, and taking it back.

A server that runs notices the change by itself. Not aware of sessions. `policy` stands above; the file
is `supervisor.remembering`'s affair.
"""

from __future__ import annotations

import json
import sys

from autopilot_ls.cli.commands import Exit, ForgetRules, ListRules
from autopilot_ls.model.text import count, one_line
from autopilot_ls.policy.load import Loader, PolicyFiles
from autopilot_ls.policy.remember import Remembered
from autopilot_ls.supervisor.remembering import Memory

_KINDS = {
    "command": "commands",
    "line": "exactly this line",
    "edit": "changes of files",
    "tool": "tool",
}


def list_rules(command: ListRules, files: PolicyFiles) -> int:
    """Print the remembered rules.

    Raises:
        PolicyNotWritten: Their file cannot be read.
    """
    rules = Memory(files.remembered).all()
    if command.json:
        print(json.dumps([_as_json(rule) for rule in rules], indent=2, ensure_ascii=False))
        return Exit.OK
    for rule in rules:
        who = f", by {one_line(rule.by, 80)} at {one_line(rule.at, 40)}" if rule.by else ""
        print(f"{one_line(rule.name, 80)}  {rule.verdict} {_KINDS.get(rule.key, rule.key)}")
        print(f"    {one_line(rule.pattern, 500)}")
        print(f"    in {one_line(rule.workspace, 400)}{who}")
    if not rules:
        print("Nothing is remembered.")
    _tell_others(files, len(rules))
    return Exit.OK


def _tell_others(files: PolicyFiles, listed: int) -> None:
    """Say what else there is in the file, or what is wrong with it."""
    for layer in Loader(files).load().layers:
        if layer.kind != "remembered":
            continue
        for problem in layer.problems:
            print(f"autopilot-ls: {one_line(str(problem), 1_000)}", file=sys.stderr)
        others = sum(1 for _ in layer.all_rules()) - listed
        if others > 0:
            said = f"{count(others, 'more rule')} in {files.remembered} written by hand"
            print(f"autopilot-ls: {one_line(said, 1_000)}; edit the file.", file=sys.stderr)


def _as_json(rule: Remembered) -> dict[str, str]:
    return {
        "name": rule.name,
        "verdict": rule.verdict,
        "kind": rule.key,
        "pattern": rule.pattern,
        "workspace": rule.workspace,
        "by": rule.by,
        "at": rule.at,
        "reason": rule.reason,
    }


def forget_rules(command: ForgetRules, files: PolicyFiles) -> int:
    """Forget remembered rules by their names, all or none.

    Raises:
        InvalidRequest: There is none of such a name.
        PolicyNotWritten: The file could not be changed.
    """
    Memory(files.remembered).forget(command.names)
    for name in dict.fromkeys(command.names):
        print(f"{name} is forgotten.")
    return Exit.OK
