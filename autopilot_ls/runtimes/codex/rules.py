"""Codex's rule files, judged: may one of them let a command run unasked?

Codex runs what an *allow* rule matches at once and outside its sandbox, and its app-server has no way
to leave the files out. They are programs (Starlark), so only files of the plainest form are taken for
harmless. Reads files, starts nothing. `guard` and `doctor` stand above.
"""

from __future__ import annotations

import ast
import hashlib
import os
import stat
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MAX_FILES: Final = 500
_MAX_SIZE: Final = 1024 * 1024
_CAREFUL: Final = frozenset({"prompt", "forbidden"})


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """A place in a rule file that may let a command run unasked.

    Attributes:
        line: From 1; None when the file as a whole cannot be judged.
        reason: What is there, as the end of a sentence.
    """

    path: Path
    line: int | None
    reason: str

    def __str__(self) -> str:
        where = f"{self.path}, line {self.line}" if self.line is not None else str(self.path)
        return f"{where} {self.reason}"


@dataclass(frozen=True, slots=True)
class RuleState:
    """The rule files at one moment.

    Attributes:
        findings: What may let commands run unasked; empty when nothing does.
        fingerprint: Tells whether any file has changed.
    """

    findings: tuple[RuleFinding, ...]
    fingerprint: str


def read_rules(folders: Iterable[Path]) -> RuleState:
    """Judge the rule files of these folders of Codex's configuration.

    Args:
        folders: Those that have a `rules` folder in them, such as CODEX_HOME.
    """
    findings: list[RuleFinding] = []
    digest = hashlib.sha256()
    for folder in sorted({*folders}):
        try:
            paths = _rule_files(folder / "rules")
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
            findings.append(RuleFinding(folder / "rules", None, reason))
            continue
        for path in paths[:_MAX_FILES]:
            found, content = _judge_file(path)
            findings += found
            digest.update(f"{path}\0{len(content)}\0".encode(errors="surrogateescape") + content)
        if len(paths) > _MAX_FILES:
            findings.append(RuleFinding(folder / "rules", None, "holds too many rule files"))
    return RuleState(tuple(findings), digest.hexdigest())


def _rule_files(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 reason: errors must not be swallowed
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in names if name.lower().endswith(".rules")]


def _judge_file(path: Path) -> tuple[list[RuleFinding], bytes]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return [RuleFinding(path, None, "is no regular file")], b""
        with path.open("rb") as file:
            content = file.read(_MAX_SIZE + 1)
    except OSError as error:
        return [RuleFinding(path, None, f"cannot be read ({error.strerror})")], b""
    if len(content) > _MAX_SIZE:
        return [RuleFinding(path, None, "is too large to be judged")], content
    return [RuleFinding(path, line, reason) for line, reason in judge(content)], content


def judge(content: bytes) -> list[tuple[int | None, str]]:
    """Return what in a rule file may let a command run unasked, with its line.

    Only bare calls of `prefix_rule` with a literal decision of *prompt* or *forbidden* pass: whatever
    else a program can do, it might make a rule that allows.
    """
    try:
        text = content.decode("utf-8").replace("\r\n", "\n")
        # What one language takes for the end of a line and the other does not could hide a rule.
        if any(char < " " and char not in "\n\t" for char in text):
            return [(None, "has control characters in it")]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return [(None, "cannot be understood")]
    return [
        (statement.lineno, reason)
        for statement in tree.body
        if (reason := _judge_statement(statement))
    ]


def _judge_statement(statement: ast.stmt) -> str:
    """Return what is wrong with a statement, nothing when it cannot allow anything."""
    if not isinstance(statement, ast.Expr):
        return "is more than plain rules"
    value = statement.value
    if isinstance(value, ast.Constant):
        return ""
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
        return "is more than plain rules"
    if value.func.id != "prefix_rule":
        return f"calls {value.func.id}"
    if any(isinstance(each, ast.Starred) for each in value.args) or any(
        keyword.arg is None for keyword in value.keywords
    ):
        return "is more than plain rules"
    decisions = [keyword.value for keyword in value.keywords if keyword.arg == "decision"]
    decisions += value.args[1:2]
    if len(decisions) != 1:
        return "allows a command: no decision means allow"
    decision = decisions[0]
    if isinstance(decision, ast.Constant) and decision.value in _CAREFUL:
        return ""
    return "may allow a command to run unasked and outside the sandbox"
