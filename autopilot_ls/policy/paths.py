"""Where a path really is: the one place that turns words into places before rules are matched.

Symlinks, `..`, `~`, targets that do not exist yet, and the ways in which file systems take two
spellings for one name. A path is inside the workspace only if both its spelling and what it resolves
to are. Reads the disk, changes nothing, never raises. `judging` stands above.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from pathlib import Path
from typing import Final, NamedTuple

from autopilot_ls.policy.globs import component, escaped
from autopilot_ls.policy.shell import Folder, Word

MAX_PATH: Final = 4_096
MAX_MATCHES: Final = 512
"""File names that one glob may stand for; beyond it the word counts as unknown."""

NEUTRAL: Final = frozenset(
    {"/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/tty", "-"}
)
_IGNORED: Final = re.compile(
    "[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u00ad\u034f\u180e\ufe00-\ufe0f]"
)
_SHORT_GIT: Final = re.compile(r"git~\d+")


class Place(NamedTuple):
    """A path as rules see it.

    Attributes:
        written: Absolute, `.` and `..` taken away, symlinks kept.
        real: Absolute, symlinks resolved.
        relative: Its spellings below the workspace with `/`; empty when it is outside.
        folded: All its spellings in the form that protection is matched in: one case, one
            normalisation, nothing invisible, no trailing dots.
    """

    written: str
    real: str
    relative: tuple[str, ...]
    folded: tuple[str, ...]

    @property
    def inside(self) -> bool:
        """Whether it lies in the workspace, by its spelling and in truth."""
        return bool(self.relative)


def fold(path: str) -> str:
    """Return a path in the form that protection is matched in."""
    if path.isascii():
        text = path.lower()
    else:
        text = unicodedata.normalize("NFKC", _IGNORED.sub("", path)).casefold()
        text = unicodedata.normalize("NFC", text)
    if "." in text or " " in text or ":" in text or "~" in text:
        text = "/".join(_fold_name(name) for name in text.split("/"))
    return text


def _fold_name(name: str) -> str:
    if name in {".", ".."}:
        return name
    # Windows takes a name with dots or blanks after it, or a stream's name, for the name itself.
    name = name.split(":", 1)[0].rstrip(". ") or name
    return ".git" if _SHORT_GIT.fullmatch(name) else name


class Workspace:
    """A session's folder, resolved once for one judgement."""

    def __init__(self, root: Path, search_path: str | None = None) -> None:
        self.search_path = (
            os.environ.get("PATH", os.defpath) if search_path is None else search_path
        )
        self.root = os.path.normpath(str(root))
        self.real = real_path(self.root)
        self.home = os.path.expanduser("~")  # noqa: PTH111 - ten times as fast, for each judgement
        self._known: dict[str, Place] = {}
        self._folded = tuple(dict.fromkeys((fold(self.root), fold(self.real))))

    def place(self, path: str) -> Place:
        """Return where an absolute path is, looked up once."""
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._place(path)
        return known

    def _place(self, path: str) -> Place:
        written = os.path.normpath(path)
        if written.startswith("//"):
            written = written[1:]
        real = real_path(path)
        below_written = self._below(written)
        below_real = self._below(real)
        relative = (
            tuple(dict.fromkeys((below_written, below_real)))
            if below_written is not None and below_real is not None
            else ()
        )
        spelled = dict.fromkeys((written, real))
        folded: list[str] = []
        for text in spelled:
            shape = fold(text)
            folded.append(shape)
            folded += [
                shape[len(root) + 1 :] or "."
                for root in self._folded
                if shape == root or shape.startswith(root + "/")
            ]
        return Place(written, real, relative, tuple(dict.fromkeys(folded)))

    def beneath(self, path: str) -> Place:
        """Return where a path is that is known to lead through no link and to have nothing to take away."""
        below = self._below(path)
        relative = () if below is None else (below,)
        shape = fold(path)
        cut = [shape[len(r) + 1 :] for r in self._folded if shape.startswith(r + "/")]
        return Place(path, path, relative, (shape, *cut))

    def shown(self, place: Place) -> str:
        """Return a place's name for people: below the workspace where it lies there."""
        return place.relative[0] if place.relative else place.written

    def _below(self, path: str) -> str | None:
        for root in (self.real, self.root):
            if path == root:
                return "."
            if path.startswith(root + "/" if root != "/" else "/"):
                return path[len(root) + 1 if root != "/" else 1 :]
        return None

    def folder(self, start: str, folder: Folder) -> str | None:
        """Return the absolute folder that a chain of `cd` leads to, None when not known."""
        if folder is None:
            return None
        path = start
        for word in folder:
            if word.text is None:
                return None
            path = self.join(path, word.text, tilde=word.tilde)
        return path

    def join(self, folder: str, text: str, *, tilde: bool) -> str:
        """Return the absolute path of a word."""
        if tilde:
            text = self.home + text[1:]
        return f"{folder}/{text}" if not text.startswith("/") else text

    def places(self, folder: str | None, word: Word) -> list[Place] | None:
        """Return where a word points: several for a glob, None when it cannot be known."""
        if word.text is not None:
            if len(word.text) > MAX_PATH or "\0" in word.text:
                return None
            absolute = word.text.startswith("/") or word.tilde
            if folder is None and not absolute:
                return None
            found = [self.place(self.join(folder or "/", word.text, tilde=word.tilde))]
            if word.text.startswith("~/") and not word.tilde:
                # Quoted, the shell leaves it, but some programs take it for the home folder.
                found.append(self.place(self.join("/", word.text, tilde=True)))
            return found
        if word.glob is None or len(word.glob) > MAX_PATH:
            return None
        return self._matches(folder, word)

    def _matches(self, folder: str | None, word: Word) -> list[Place] | None:
        pattern = word.glob or ""
        if word.tree:
            # What find gives: anything below one folder, and that folder itself.
            root = pattern.partition("/**")[0]
            if folder is None and not pattern.startswith("/"):
                return None
            return [self.place(self.join(folder or "/", root or "/", tilde=False))]
        if word.tilde:
            pattern = self.home + pattern[1:]
        if not pattern.startswith("/"):
            if folder is None:
                return None
            pattern = escaped(folder) + "/" + pattern
        found = _glob(pattern)
        if found is None:
            return None
        # A pattern that matches nothing is given to the program as it is written.
        return [self.place(path) for path in found or [pattern.replace("[*]", "*")]]


def _glob(pattern: str) -> list[str] | None:
    """Expand a pattern as a shell would; None when it gives too many names or cannot be read."""
    found = ["/"]
    seen = 0
    for name in (part for part in pattern.split("/") if part):
        if name in {".", ".."} or not any(char in name for char in "*?["):
            found = [f"{base.rstrip('/')}/{name}" for base in found]
            continue
        regex = re.compile(component(name), re.DOTALL | re.IGNORECASE)
        following: list[str] = []
        for base in found:
            try:
                with os.scandir(base) as entries:
                    for entry in entries:
                        seen += 1
                        if seen > MAX_MATCHES * 8 or len(following) > MAX_MATCHES:
                            return None
                        if entry.name.startswith(".") and not name.startswith("."):
                            continue
                        if regex.fullmatch(entry.name):
                            following.append(f"{base.rstrip('/')}/{entry.name}")
            except OSError:
                continue
        found = following
    return [path for path in found if os.path.lexists(path)]


def real_path(path: str) -> str:
    """Return a path with its links resolved; one that nothing is at when they cannot be."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError, RuntimeError):
        return "/\0unresolvable"


def has_other_names(path: str) -> bool:
    """Tell whether a file is reachable by another name too (a hard link)."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and status.st_nlink > 1


def exists(path: str) -> bool:
    """Tell whether something is there."""
    return os.path.lexists(path) if "\0" not in path else False


def is_from_workspace(program: str, cwd: str, workspace: Workspace) -> bool:
    """Tell whether the PATH leads to a program that the workspace itself holds.

    Activated environments put folders of the workspace on the PATH, and anything can stand there.

    Args:
        program: Its name; one with a folder is judged by its rule.
        cwd: Where it runs, for a PATH with relative folders.
        workspace: The session's folder.
    """
    if "/" in program:
        return False
    for entry in workspace.search_path.split(os.pathsep):
        found = f"{workspace.join(cwd, entry, tilde=False)}/{program}"
        if os.access(found, os.X_OK):
            return any(
                _is_below(real_path(path), workspace.real) for path in (found, f"{found}/..")
            )
    return False


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")
