"""What Codex asks to be permitted, in words a person can judge, the widest first.

Also says what can never be permitted: a folder by which an agent would reach Autopilot's records, or
the configuration that decides what Codex asks about. Looks at the disk only to follow links. Not aware
of requests. `approvals` stands above, `fields` below.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from autopilot_ls.runtimes.codex.fields import (
    Table,
    as_json,
    optional_text,
    table,
    tables,
    text,
    texts,
)

_KNOWN_SPECIAL: Final = {
    "minimal": "what every program needs of the system",
    "tmpdir": "the temporary folder",
    "slash_tmp": "the folder /tmp",
}
_ORDER: Final = {"write": 0, "read": 1}


@dataclass(frozen=True, slots=True)
class Reserved:
    """Folders that no permission may lead to.

    Attributes:
        private: Autopilot's own folder: neither read nor written. None when unknown.
        home: Codex's own folder: not written. None when unknown.
    """

    private: Path | None = None
    home: Path | None = None


@dataclass(frozen=True, slots=True)
class _Wish:
    """Access to a place; `path` is None where the place is no path or is not understood."""

    access: str
    path: str | None
    shown: str


def _wishes(source: Table, cwd: str) -> Iterator[_Wish]:
    files = table(source, "fileSystem")
    for access in ("read", "write"):
        for path in texts(files, access):
            yield _Wish(access, path, path)
    for entry in tables(files, "entries"):
        access, place = text(entry, "access", "?"), table(entry, "path")
        path = optional_text(place, "path")
        if path is not None:
            yield _Wish(access, path, path)
            continue
        special = table(place, "value")
        kind, below = text(special, "kind"), text(special, "subpath")
        if kind == "root":
            yield _Wish(access, "/", "/")
        elif kind == "project_roots":
            inside = os.path.normpath(PurePath(cwd, below))
            yield _Wish(access, inside, inside)
        elif kind in _KNOWN_SPECIAL:
            yield _Wish(access, None, _KNOWN_SPECIAL[kind])
        else:
            yield _Wish(access, None, optional_text(place, "pattern") or as_json(place))


def _line(wish: _Wish) -> str:
    if wish.path is None:
        return f"{wish.access} {wish.shown}"
    real = _followed(wish.path)
    if real == os.path.sep:
        return f"{wish.access} every file on this computer ({wish.path})"
    said = f"{wish.access} {wish.path}"
    if real != os.path.normpath(wish.path):
        said += f", which leads to {real}"
    if Path.home().is_relative_to(real):
        said += ", with your whole home folder"
    return said


def _width(wish: _Wish) -> tuple[int, int]:
    parts = len(PurePath(_followed(wish.path)).parts) if wish.path is not None else 0
    return _ORDER.get(wish.access, 0), parts


def in_words(source: Table, cwd: str) -> list[str]:
    """Return what a permission profile of Codex would allow, one line each, the widest first.

    Args:
        source: The profile, not trusted.
        cwd: Absolute folder that the permission is asked in.
    """
    lines: list[str] = []
    network = table(source, "network")
    if network:
        lines.append("use the network" if network.get("enabled") is not False else "network: off")
    lines += [_line(wish) for wish in sorted(_wishes(source, cwd), key=_width)]
    known = {"read", "write", "entries", "globScanMaxDepth"}
    files = table(source, "fileSystem")
    lines += [f"{name}: {as_json(value)}" for name, value in files.items() if name not in known]
    lines += [
        f"{name}: {as_json(value)}"
        for name, value in source.items()
        if name not in {"network", "fileSystem"} and value is not None
    ]
    return list(dict.fromkeys(lines))


def never(source: Table, cwd: str, reserved: Reserved) -> str:
    """Return why no person can give this permission, as a sentence; empty when one can.

    A folder inside of Autopilot's own would be opened by its own name, although the whole is denied
    (measured with 0.155.1 and 0.163.0). Who writes to Codex's own folder writes its rules, and so what
    is asked about. Both also refuse writing everywhere, with which no command works anyway.
    """
    for wish in _wishes(source, cwd):
        if wish.path is None:
            continue
        place = Path(_followed(wish.path))
        if reserved.private is not None and place.is_relative_to(_real(reserved.private)):
            return f"Codex asked to {wish.access} {place}, which holds Autopilot's own records."
        if wish.access == "read" or reserved.home is None:
            continue
        home = _real(reserved.home)
        if place.is_relative_to(home) or home.is_relative_to(place):
            return (
                f"Codex asked to {wish.access} {place}, and with it its own configuration in {home}, "
                "which decides what you are asked about. It can ask for a narrower folder."
            )
    return ""


def never_written(paths: Iterable[str], cwd: str, reserved: Reserved) -> str:
    """Return why no patch may change one of these files, as a sentence; empty when it may.

    A workspace can hold such a folder, as a home folder does.
    """
    for path in paths:
        place = Path(_followed(str(Path(cwd, path))))
        if reserved.private is not None and place.is_relative_to(_real(reserved.private)):
            return f"Codex asked to change {place}, which is among Autopilot's own records."
        if reserved.home is not None and place.is_relative_to(_real(reserved.home)):
            return f"Codex asked to change {place}, which is among what decides what you are asked about."
    return ""


def _real(path: Path) -> Path:
    return Path(_followed(str(path)))


def _followed(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return os.path.normpath(path)  # No file can be named that.
