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
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

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
MAX_NAME: Final = 255
"""Bytes of a name that a file can have."""

MAX_STARS: Final = 3
"""`*` in one name of a path pattern."""

MAX_DEEP: Final = 2
"""`**` in a path pattern, one at its end aside."""

_WILD: Final = frozenset("*?[{")
_LONG_NAME: Final = re.compile(rf"[^/]{{{MAX_NAME + 1},}}")
_SET: Final = re.compile(r"\[!?\]?[^\]]*\]")
_ALTERNATIVES: Final = re.compile(r"\{([^{}]*)\}")
_DEEP: Final = re.compile(r"\*\*+")
_STAR: Final = re.compile(r"(?<!\*)\*(?!\*)")
_GLOB_TOKENS: Final = re.compile(
    r"(?P<any>\*\*/)|(?P<all>/?\*\*)|(?P<star>\*)|(?P<one>\?)|(?P<set>\[!?\]?[^\]]*\])|(?P<alt>\{[^{}]*\})"
)


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
        self.real = _real(self.root)
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
        real = _real(path)
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
        if pattern.endswith("/**") and not any(c in pattern[:-3] for c in "*?["):
            # What find gives: anything below one folder, and that folder itself.
            if folder is None and not pattern.startswith("/"):
                return None
            return [self.place(self.join(folder or "/", pattern[:-3] or "/", tilde=False))]
        if word.tilde:
            pattern = self.home + pattern[1:]
        if not pattern.startswith("/"):
            if folder is None:
                return None
            pattern = _escaped(folder) + "/" + pattern
        found = _glob(pattern)
        if found is None:
            return None
        # A pattern that matches nothing is given to the program as it is written.
        return [self.place(path) for path in found or [pattern.replace("[*]", "*")]]


def _escaped(text: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)


def _glob(pattern: str) -> list[str] | None:
    """Expand a pattern as a shell would; None when it gives too many names or cannot be read."""
    found = ["/"]
    seen = 0
    for name in (part for part in pattern.split("/") if part):
        if name in {".", ".."} or not any(char in name for char in "*?["):
            found = [f"{base.rstrip('/')}/{name}" for base in found]
            continue
        regex = re.compile(_component(name), re.DOTALL)
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


def _real(path: str) -> str:
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


# --- patterns ------------------------------------------------------------------------------------


def _component(name: str) -> str:
    return "".join(_translated(name, anywhere=True))


def _translated(pattern: str, *, anywhere: bool = False) -> Iterable[str]:
    at = 0
    for match in _GLOB_TOKENS.finditer(pattern):
        yield re.escape(pattern[at : match.start()])
        at = match.end()
        match match.lastgroup:
            case "any":
                yield ".*" if anywhere else "(?:.*/)?"
            case "all":
                yield ".*"
            case "star":
                yield ".*" if anywhere else "[^/]*"
            case "one":
                yield "." if anywhere else "[^/]"
            case "set":
                inner = match[0][1:-1]
                negated = inner.startswith(("!", "^"))
                inner = (inner[1:] if negated else inner).replace("\\", "\\\\").replace("[", "\\[")
                inner = inner.replace("]", "\\]").replace("&&", "&\\&").replace("||", "|\\|")
                inner = inner.replace("~~", "~\\~").replace("--", "-\\-")
                yield f"[{'^' if negated else ''}{inner}]"
            case _:
                yield (
                    "(?:"
                    + "|".join(
                        "".join(_translated(part, anywhere=anywhere))
                        for part in match[0][1:-1].split(",")
                    )
                    + ")"
                )
    yield re.escape(pattern[at:])


def too_many_wildcards(pattern: str) -> bool:
    """Tell whether a path made for it could be compared with a pattern for longer than one would wait."""
    pattern = _SET.sub("x", pattern)
    # Of alternatives only one is compared at a time.
    pattern = _ALTERNATIVES.sub(lambda m: max(m[1].split(","), key=lambda p: p.count("*")), pattern)
    deep = len(_DEEP.findall(pattern.rstrip("/").removesuffix("/**")))
    stars = (len(_STAR.findall(name)) for name in pattern.split("/"))
    return deep > MAX_DEEP or any(count > MAX_STARS for count in stars)


@lru_cache(maxsize=4096)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """Compile a path pattern; a folder's pattern covers what is below it.

    A pattern without `/` matches at any depth, one with `/` from the workspace's root, `/…` and `~/…`
    match absolute paths. `*` and `?` do not cross `/`, `**` does, `{a,b}` are alternatives.
    """
    if pattern.startswith("~/"):
        pattern = _escaped(str(Path("~").expanduser())) + pattern[1:]
    pattern = pattern.removeprefix("./").rstrip("/") or pattern
    anywhere = "/" not in pattern
    body = "".join(_translated(pattern))
    return re.compile(f"{'(?:.*/)?' if anywhere else ''}(?:{body})(?:/.*)?", re.DOTALL)


class PathPatterns:
    """Several patterns of one rule; those that begin with `!` take away."""

    __slots__ = ("_covering", "_touching", "patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        # Compiled when first asked: of many rules few are ever asked.
        self._covering: tuple[_Regex, _Regex, _Regex] | None = None
        self._touching: tuple[_Regex, _Regex] | None = None

    def covers(self, place: Place) -> bool:
        """Tell whether each spelling of a place is matched: what an *allow* needs."""
        if self._covering is None:
            given = self.patterns
            self._covering = (
                _joined(p for p in given if not p.startswith(("/", "~", "!"))),
                _joined(p for p in given if p.startswith(("/", "~"))),
                _joined(p[1:] for p in given if p.startswith("!")),
            )
        relative, absolute, excepted = self._covering
        if _LONG_NAME.search(place.written) or _LONG_NAME.search(place.real):
            return False  # There is no such file, and comparing it could take long.
        if relative is not None and place.inside and _all(relative, excepted, place.relative):
            return True
        return absolute is not None and _all(absolute, excepted, (place.written, place.real))

    def touches(self, place: Place) -> bool:
        """Tell whether any spelling is matched in any case: what *ask* and *deny* need."""
        if self._touching is None:
            given = self.patterns
            self._touching = (
                _joined(fold(_home(p)) for p in given if not p.startswith("!")),
                _joined(fold(_home(p[1:])) for p in given if p.startswith("!")),
            )
        regex, excepted = self._touching
        if regex is None:
            return False
        # No file has a longer name, and comparing one could take long.
        texts = (_LONG_NAME.sub(lambda name: name[0][:MAX_NAME], text) for text in place.folded)
        return any(regex.fullmatch(text) and not _hits(excepted, text) for text in texts)


def of_workspaces(patterns: Iterable[str]) -> PathPatterns:
    """Return patterns for folders of sessions, which know no links: with where the named ones really are."""
    given = tuple(patterns)
    plain = [one for one in given if one.startswith(("/", "~/")) and _WILD.isdisjoint(one)]
    found = [_real(os.path.expanduser(one.rstrip("/") or "/")) for one in plain]  # noqa: PTH111 - ten times as fast
    real = ["".join(f"[{c}]" if c in _WILD else c for c in path) for path in found]
    return PathPatterns((*given, *real))


def wherever_they_are(patterns: Iterable[str]) -> PathPatterns:
    """Return patterns of an *ask* or *deny*, with where the folders that they name really are.

    A rule that names a path by a link must hold for the path itself; what takes away from a rule is
    left as it is.
    """
    given = tuple(patterns)
    found: list[str] = []
    for pattern in given:
        if not pattern.startswith(("/", "~/")):
            continue
        parts = pattern.split("/")
        count = next((at for at, part in enumerate(parts) if _WILD & set(part)), len(parts))
        named = "/".join(parts[:count]) or "/"
        real = _real(os.path.expanduser(named))  # noqa: PTH111 - ten times as fast
        if real != named:
            plain = "".join(f"[{c}]" if c in _WILD else c for c in real)
            found.append("/".join((plain.rstrip("/"), *parts[count:])))
    return PathPatterns((*given, *found))


_Regex = re.Pattern[str] | None


def _all(regex: re.Pattern[str], excepted: _Regex, texts: Iterable[str]) -> bool:
    return all(regex.fullmatch(text) and not _hits(excepted, text) for text in texts)


def _home(pattern: str) -> str:
    return str(Path("~").expanduser()) + pattern[1:] if pattern.startswith("~/") else pattern


def _hits(regex: _Regex, text: str) -> bool:
    return regex is not None and regex.fullmatch(text) is not None


def _joined(patterns: Iterable[str]) -> _Regex:
    sources = [compile_glob(pattern).pattern for pattern in patterns]
    return re.compile("|".join(sources), re.DOTALL) if sources else None


MAX_LOOKED_AT: Final = 400


def holds_protected(workspace: Workspace, place: Place, protecting: Iterable[PathPatterns]) -> bool:
    """Tell whether a folder holds something protected, or too much to tell."""
    if Path(place.written).is_symlink() or not Path(place.real).is_dir():
        return False
    patterns = tuple(protecting)
    seen = 0
    for base, folders, files in os.walk(place.real):
        seen += len(folders) + len(files)
        if seen > MAX_LOOKED_AT:
            return True
        for name in (*folders, *files):
            found = workspace.place(f"{base}/{name}")
            if any(pattern.touches(found) for pattern in patterns):
                return True
    return False


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
            return any(_is_below(_real(path), workspace.real) for path in (found, f"{found}/.."))
    return False


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")
