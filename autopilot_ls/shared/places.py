"""Where the shared process is found: a private folder below the state folder, and the names in it.

The folder is opened once, checked while it is open, and every name is used relative to it: nobody can put
another in its place, and no name is too long for a socket. Only the standard library, since it is imported
on the way of each start of an editor. Not aware of what goes through the socket.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import autopilot_ls

FOLDER: Final = "run"
"""The name of the folder, below the state folder."""

PLACE_VARIABLES: Final = (
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
)
"""What decides where a person's own files are; who has others gets another shared process."""


class NotShared(Exception):
    """There can be no shared process, or it cannot be reached; the message says why."""


class Names:
    """The names of what belongs to one shared process, in its folder."""

    __slots__ = ("lock", "log", "place", "socket", "version")

    def __init__(self, version: str, place: str) -> None:
        """Make them.

        Args:
            version: Of the package.
            place: What tells the places of one person's files from those of another.
        """
        key = f"{version}-{place}"
        self.version = version
        self.place = place
        self.socket = f"{key}.sock"
        self.lock = f"{key}.lock"
        self.log = f"{key}.log"


def own_names(environ: Mapping[str, str]) -> Names:
    """Return the names for this version of the package, and this person's places."""
    places = "\0".join(environ.get(name, "") for name in PLACE_VARIABLES)
    digest = zlib.crc32(os.fsencode(places))
    return Names(re.sub(r"[^A-Za-z0-9.+]", "_", autopilot_ls.__version__), f"{digest:08x}")


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return the state folder as the environment says it; the same as `Settings.state_folder` does.

    What an editor sets besides counts for its sessions, not for where the shared process is.
    """
    named = environ.get("AUTOPILOT_STATE_DIR", "").strip()
    if named and "\0" not in named:
        with suppress(RuntimeError):
            path = Path(named).expanduser()
            if path.is_absolute():
                return path
    home = Path(environ.get("HOME") or "~").expanduser()
    if sys.platform == "darwin":
        return home / "Library/Application Support/autopilot-ls"
    base = environ.get("XDG_STATE_HOME", "").strip()
    return (Path(base) if base else home / ".local/state") / "autopilot-ls"


def open_folder(state: Path, *, make: bool = True) -> int:
    """Return the descriptor of the folder, which is private to this user.

    Args:
        state: The state folder.
        make: Whether to make the folder where it is missing.

    Raises:
        NotShared: It is somebody else's, no folder, or cannot be made.
    """
    path = state / FOLDER
    try:
        if make:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise NotShared(f"{path} cannot be had: {error.strerror}") from error
    try:
        _make_private(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _make_private(descriptor: int, path: Path) -> None:
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid():
            raise NotShared(f"{path} belongs to another user")
        if stat.S_IMODE(found.st_mode) & 0o077:
            os.fchmod(descriptor, 0o700)
    except OSError as error:
        raise NotShared(f"{path} cannot be made private: {error.strerror}") from error


def open_private(name: str, flags: int, folder: int) -> int:
    """Open a file of ours in the folder; it is made if it is missing, and never a link."""
    return os.open(
        name,
        flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK,
        0o600,
        dir_fd=folder,
    )
