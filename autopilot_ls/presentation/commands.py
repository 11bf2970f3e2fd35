"""How a command line looks in one line: without the shell that every one of them is wrapped in.

Pure. `approvals` and `progress` use it for titles; wherever there is room, the whole line is shown.
"""

from __future__ import annotations

import shlex
from pathlib import PurePath
from typing import Final

_SHELLS: Final = frozenset({"bash", "dash", "sh", "zsh"})
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
        case [shell, "-c" | "-lc", script] if PurePath(shell).name in _SHELLS and script.strip():
            return script
        case _:
            return command
