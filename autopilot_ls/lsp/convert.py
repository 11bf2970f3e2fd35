r"""Between an editor's terms and ours: positions, lines, URIs.

Positions count in the unit that was agreed on (bytes, UTF-16 units or characters); ours count characters.
Lines end where the protocol says (`\\n`, `\\r\\n`, `\\r`) and nowhere else, unlike `str.splitlines`. Pure but
for `canonical`, which follows symbolic links. Light: used before `initialize` is answered.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from autopilot_ls.lsp.client_profile import UTF8, UTF16

_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z")
_DRIVE: Final = re.compile(r"/?([A-Za-z])(?::|%3A)(?=/|\Z)", re.IGNORECASE)
_FILE_URI: Final = re.compile(
    r"file:(?://(?P<host>[^/]*)(?=/)|(?!//))(?P<path>/.*)", re.IGNORECASE | re.DOTALL
)
_UNRESERVED: Final = "/-._~!$&'()*+,;=@"


def split_lines(text: str) -> list[str]:
    """Return the lines with their ends; the last one has none and may be empty, so there is always one."""
    if "\r" not in text:
        lines = [line + "\n" for line in text.split("\n")]
        lines[-1] = lines[-1][:-1]
        return lines
    lines = _LINE.findall(text)
    if not lines or lines[-1][-1] in "\r\n":
        lines.append("")
    return lines


def content(line: str) -> str:
    """Return the line without its end."""
    return line.rstrip("\r\n")


def to_units(text: str, encoding: str) -> int:
    """Return the length of the text in the agreed unit."""
    if text.isascii():
        return len(text)
    if encoding == UTF8:
        return len(text.encode("utf-8", "surrogatepass"))
    if encoding == UTF16:
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
    return len(text)


def from_units(text: str, units: int, encoding: str) -> int:
    """Return how many characters of the text the units cover; past its end the whole text.

    A position inside a character counts as before it.
    """
    if units <= 0:
        return 0
    if text.isascii() or encoding not in (UTF8, UTF16):
        return min(units, len(text))
    counted = 0
    for index, char in enumerate(text):
        counted += to_units(char, encoding)
        if counted > units:
            return index
    return len(text)


def place(lines: Sequence[str], line: int, units: int, encoding: str) -> tuple[int, int]:
    """Return a client's position as line and character, moved into the text where it is outside."""
    if line < 0:
        return 0, 0
    if line >= len(lines):
        return len(lines) - 1, len(content(lines[-1]))
    return line, from_units(content(lines[line]), units, encoding)


def to_path(uri: str, *, windows: bool = sys.platform == "win32") -> str | None:
    """Return the file that a `file:` URI names, or None where it names none.

    Drive letters come in either case, with the colon escaped or not; the case is made upper. An
    authority other than `localhost` is a host of a network share.
    """
    found = _FILE_URI.match(uri)
    if found is None:
        return None
    host = found["host"] or ""
    if host.lower() == "localhost":
        host = ""
    # A query or fragment that was not escaped is part of a file's name, as editors send it.
    tail = found["path"]
    drive = _DRIVE.match(tail) if windows else None
    if drive:
        tail = f"{drive[1].upper()}:{tail[drive.end() :] or '/'}"
    # A half of a character, which JSON can hold, names no file; it must not be a fault either.
    path = os.fsdecode(unquote_to_bytes(tail.encode("utf-8", "surrogatepass")))
    if "\0" in path or (host and not windows):
        return None
    if windows:
        path = path.replace("/", "\\")
        return f"\\\\{host}{path}" if host else path
    return path


def to_uri(path: str, *, windows: bool = sys.platform == "win32") -> str:
    """Return the `file:` URI of an absolute path."""
    if windows:
        path = path.replace("\\", "/")
    drive = _DRIVE.match(path) if windows else None
    if drive:
        # As VS Code and Neovim write it: lower case; both read the colon escaped or not.
        return f"file:///{drive[1].lower()}%3A{quote(path[drive.end() :], safe=_UNRESERVED)}"
    if windows and path.startswith("//"):
        return "file:" + quote(path, safe=_UNRESERVED)
    return "file://" + quote(os.fsencode(path), safe=_UNRESERVED)


def canonical(path: str) -> str:
    """Return the one name of a file by which two mentions of it are compared; it need not exist."""
    return os.path.normcase(os.path.realpath(path))


def is_inside(path: str, folder: str) -> bool:
    """Tell whether the canonical path is the canonical folder or lies in it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
