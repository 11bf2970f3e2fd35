"""How a command line looks in one line: without the shell that every one of them is wrapped in.

Pure. `approvals` and `progress` use it for titles; wherever there is room, the whole line is shown.
"""

from __future__ import annotations

import shlex
from pathlib import PurePath
from typing import Final

_SHELLS: Final = frozenset({"bash", "dash", "sh", "zsh"})
# A shell elsewhere may be anything, and is no wrapping.
_FOLDERS: Final = frozenset(
    {".", "/bin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/run/current-system/sw/bin"}
)
_MAX_LENGTH: Final = 20_000


def unwrapped(command: str) -> str:
    """Return what `bash -lc '…'` and the like run; the command itself when it is nothing of the kind."""
    if len(command) > _MAX_LENGTH:
        return command
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    match words:
        case [shell, "-c" | "-lc", script] if _is_wrapping(shell) and script.strip():
            return script
        case _:
            return command


def _is_wrapping(shell: str) -> bool:
    path = PurePath(shell)
    return path.name in _SHELLS and str(path.parent) in _FOLDERS and not shell.startswith(".")
