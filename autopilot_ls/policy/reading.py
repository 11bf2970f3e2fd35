"""Which commands plainly read and do nothing else.

A short list of programs, and a form of command line so simple that no shell construct can hide in it.
Everything else is simply not "plainly reading": that is no judgement against it, a person is asked.
Not aware of modes and verdicts; `judge` stands above.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path, PurePath
from typing import Final

# Only characters that no shell gives a meaning to, besides words and matching quotes: no expansion,
# substitution, redirection, list, pipe, glob, comment, escape or line break can be written with them.
_SIMPLE: Final = re.compile(r"[A-Za-z0-9_./ :=@,+%'\"-]*")
_SHELLS: Final = frozenset({"sh", "bash", "zsh", "dash"})
_SHELL_FLAGS: Final = frozenset({"-c", "-lc"})
# A shell of that name elsewhere may be anything: the repository can hold a `bash` of its own.
_SHELL_FOLDERS: Final = frozenset(
    {
        "/bin",
        "/usr/bin",
        "/usr/local/bin",
        "/opt/homebrew/bin",
        "/run/current-system/sw/bin",
    }
)
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

# Options that follow links found on the way, or take the names of files from a file: what is read then
# is not on the command line. Long ones can be shortened.
_LEADS_AWAY: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "grep": ("R", ("--dereference-recursive",)),
    "ls": ("LH", ("--dereference", "--dereference-command-line-symlink-to-dir")),
    "du": ("LDH", ("--dereference", "--dereference-args", "--files0-from")),
    "wc": ("", ("--files0-from",)),
}


def _words(command: str) -> list[str] | None:
    if len(command) > _MAX_LENGTH or "\n" in command:
        return None
    try:
        outer = shlex.split(command)
    except ValueError:
        return None
    match outer:
        case [shell, flag, script] if _is_shell(shell) and flag in _SHELL_FLAGS:
            inner = script
        case _:
            inner = command
    if not _SIMPLE.fullmatch(inner):
        return None
    try:
        return shlex.split(inner)
    except ValueError:
        return None


def _is_shell(name: str) -> bool:
    path = PurePath(name)
    return path.name in _SHELLS and (str(path.parent) in _SHELL_FOLDERS or name == path.name)


def _is_the_systems(program: str, cwd: Path, workspace: Path) -> bool:
    """Tell whether the PATH leads to a program that is not the workspace's own.

    Activated environments put folders of the workspace on the PATH, and anything can stand there.
    """
    root = workspace.resolve()
    for entry in os.environ.get("PATH", os.defpath).split(os.pathsep):
        found = cwd / entry / program
        if found.is_file():
            folder = found.parent.resolve()
            return not (folder.is_relative_to(root) or found.resolve().is_relative_to(root))
    return False


def _leads_away(program: str, word: str) -> bool:
    letters, names = _LEADS_AWAY.get(program, ("", ()))
    if word.startswith("--"):
        name = word.partition("=")[0]
        return len(name) > len("--") and any(each.startswith(name) for each in names)
    return word.startswith("-") and any(letter in word for letter in letters)


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
    program, arguments = words[0], words[1:]
    if any(_leads_away(program, word) for word in arguments):
        return False
    try:
        return (
            _is_the_systems(program, cwd, workspace)
            and _stays_inside(".", cwd, workspace)
            and all(_stays_inside(word, cwd, workspace) for word in arguments)
        )
    except (OSError, RuntimeError, ValueError):
        return False
