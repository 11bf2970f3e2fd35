"""Which commands plainly read and do nothing else.

A short list of programs, and a form of command line so simple that no shell construct can hide in it.
Everything else is simply not "plainly reading": that is no judgement against it, a person is asked.
Not aware of modes and verdicts; `judge` stands above.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

# Only characters that no shell gives a meaning to, besides words and matching quotes: no expansion,
# substitution, redirection, list, pipe, glob, comment, escape or line break can be written with them.
_SIMPLE: Final = re.compile(r"[A-Za-z0-9_./ :=@,+%'\"-]*")
_SHELLS: Final = frozenset({"sh", "bash", "zsh", "dash"})
_SHELL_FLAGS: Final = frozenset({"-c", "-lc"})
_MAX_LENGTH: Final = 4_096

# Programs none of whose options write, execute or connect. Left out on purpose: `git` (the
# repository's own configuration can make reading run programs), `find`, `rg`, `sort`, `sed`, `awk`,
# `less`, `tree`, `file`, `date` and `env` (each has an option that writes or executes).
_READERS: Final = frozenset(
    {
        "basename",
        "cat",
        "cmp",
        "cut",
        "dirname",
        "du",
        "df",
        "echo",
        "false",
        "grep",
        "head",
        "id",
        "ls",
        "nl",
        "pwd",
        "realpath",
        "stat",
        "tail",
        "true",
        "uname",
        "wc",
        "which",
        "whoami",
    }
)


def _words(command: str) -> list[str] | None:
    if len(command) > _MAX_LENGTH or "\n" in command:
        return None
    try:
        outer = shlex.split(command)
    except ValueError:
        return None
    match outer:
        case [shell, flag, script] if Path(shell).name in _SHELLS and flag in _SHELL_FLAGS:
            inner = script
        case _:
            inner = command
    if not _SIMPLE.fullmatch(inner):
        return None
    try:
        return shlex.split(inner)
    except ValueError:
        return None


def _stays_inside(word: str, cwd: Path, workspace: Path) -> bool:
    # An option may carry a path (--file=/etc/passwd, -f../secret), so every tail of it that could be
    # one is looked at; what is no path resolves to a name inside the folder and does no harm.
    root = workspace.resolve()
    candidates = {word}
    if word.startswith("-"):
        candidates |= {word[i:].lstrip("=") for i, char in enumerate(word) if char in "/=."}
    return all((cwd / candidate).resolve().is_relative_to(root) for candidate in candidates)


def is_plainly_reading(command: str, *, cwd: Path, workspace: Path) -> bool:
    """Tell whether a command line can do nothing but read inside the workspace.

    Args:
        command: The command line, possibly wrapped once as `bash -lc '…'`.
        cwd: Absolute folder it runs in.
        workspace: Absolute folder of the session; what is read must lie inside, symlinks resolved.
    """
    words = _words(command)
    if not words or words[0] not in _READERS:
        return False
    try:
        return _stays_inside(".", cwd, workspace) and all(
            _stays_inside(word, cwd, workspace) for word in words[1:]
        )
    except (OSError, RuntimeError, ValueError):
        return False
