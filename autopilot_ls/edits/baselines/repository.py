"""The private git directory of one workspace, and git as a tool that executes nothing of anybody's.

Every file that git would take orders from is written here and checked before it is used: neither the
user's configuration, nor the repository's, nor what an agent may have put into the folder counts.
The work tree's `.gitattributes` are read by git all the same; our own `info/attributes` come before
them and unset everything that changes bytes or runs a program. Contents are never written by git's
own reading of the work tree, so that attributes could at worst hide a change, and they cannot.

Not aware of what a baseline is. `wire.tools` stands below, `baselines` above.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autopilot_ls.model.errors import AgentError, BaselineUnavailable, WireError
from autopilot_ls.model.text import visible
from autopilot_ls.wire.tools import ToolResult, run_tool

OLDEST_GIT: Final = (2, 30)
"""The oldest git that has everything that is used here."""

DISK: Final = "refs/heads/disk"
"""The state that the index describes."""
BULKY: Final = "bulky"
"""A file that is there while contents are kept uncompressed; pruning compresses them."""
TAKEN: Final = "refs/taken/"
KEPT: Final = "refs/kept/"

_HEAD: Final = f"ref: {DISK}\n".encode()
# A macro attribute cannot come in by another name: what is unset here is settled before any
# .gitattributes is looked at.
_ATTRIBUTES: Final = (
    b"* -text -crlf -eol -ident -filter -working-tree-encoding -diff -merge -whitespace"
    b" -export-ignore -export-subst -delta\n"
)
_CONFIG: Final = """\
[core]
\trepositoryformatversion = 0
\tbare = false
\tignoreCase = {ignore_case}
"""
# On the command line they come before every file.
_SETTINGS: Final = (
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "core.sparseCheckout=false",
    "index.sparse=false",
    f"core.hooksPath={os.devnull}",
    f"core.attributesFile={os.devnull}",
    "core.autocrlf=false",
    "core.safecrlf=false",
    "core.eol=lf",
    "core.symlinks=true",
    "core.fileMode=true",
    "core.trustctime=true",
    "core.checkStat=default",
    "core.ignoreStat=false",
    "core.precomposeUnicode=false",
    "core.protectNTFS=false",
    "core.protectHFS=false",
    "core.logAllRefUpdates=false",
    "core.compression=1",
    "core.pager=cat",
    "core.commitGraph=false",
    "fastimport.unpackLimit=1",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.statusHints=false",
    "status.showUntrackedFiles=all",
    "submodule.recurse=false",
    "diff.ignoreSubmodules=all",
    "trace2.normalTarget=false",
    "trace2.perfTarget=false",
    "trace2.eventTarget=false",
)
# Whatever git would obey if it were there.
_UNWANTED: Final = (
    "commondir",
    "config.worktree",
    "gitdir",
    "hooks",
    "info/grafts",
    "info/sparse-checkout",
    "objects/info/alternates",
    "objects/info/http-alternates",
    "modules",
    "shallow",
    "worktrees",
)
_VERSION: Final = re.compile(rb"git version (\d+)\.(\d+)")
_WORDS: Final = 500
_FIRST: Final = 20.0
_ID: Final = re.compile(r"[0-9a-f]{40}")


class GitFailed(Exception):
    """A git command did not do what it should; the message has git's own words."""


@dataclass(frozen=True, slots=True)
class Git:
    """A git program that may be used, and where the user's own list of ignored names is."""

    program: str
    excludes: str


async def find_git(environ: Mapping[str, str], workspace: Path) -> Git:
    """Return the git of the PATH, never one that lies in the workspace.

    Raises:
        BaselineUnavailable: There is none, or it is too old.
    """
    program = _locate(environ, workspace)
    if program is None:
        raise BaselineUnavailable(
            "git was not found, so that what agents change without asking cannot be reviewed afterwards.",
            advice="Install git.",
        )
    env = {"PATH": str(Path(program).parent), "LC_ALL": "C"}
    try:
        told = await run_tool(
            [program, "--version"], cwd=Path("/"), env=env, seconds=_FIRST, max_output=10_000
        )
        if (match := _VERSION.match(told.output)) is None:
            raise BaselineUnavailable("git does not tell its version.", advice="Install git.")
        if (int(match[1]), int(match[2])) < OLDEST_GIT:
            version = visible(told.output.decode("utf-8", "replace").strip())
            raise BaselineUnavailable(
                f"{version} is too old for reviews after the fact.",
                advice=f"Install git {OLDEST_GIT[0]}.{OLDEST_GIT[1]} or later.",
            )
        return Git(program, await _user_excludes(program, environ, env))
    except (AgentError, TimeoutError) as error:
        raise BaselineUnavailable(
            f"git cannot be used: {error}", advice="Try `git --version`."
        ) from error


def _locate(environ: Mapping[str, str], workspace: Path) -> str | None:
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        found = shutil.which("git", path=folder) if folder.startswith("/") else None
        if found and not Path(found).resolve().is_relative_to(workspace):
            return found
    return None


async def _user_excludes(program: str, environ: Mapping[str, str], env: Mapping[str, str]) -> str:
    """Return the file of names that the user ignores everywhere; reading it executes nothing."""
    kept = {name: environ[name] for name in ("HOME", "XDG_CONFIG_HOME") if environ.get(name)}
    command = [program, "config", "--global", "--includes", "--type=path", "--null"]
    told = await run_tool(
        [*command, "--get", "core.excludesFile"],
        cwd=Path("/"),
        env={**env, **kept, "GIT_DIR": os.devnull},
        seconds=_FIRST,
        max_output=100_000,
    )
    if told.code == 0 and (path := os.fsdecode(told.output.rstrip(b"\0"))).startswith("/"):
        return path
    if home := kept.get("XDG_CONFIG_HOME"):
        return f"{home}/git/ignore"
    return f"{kept['HOME']}/.config/git/ignore" if "HOME" in kept else os.devnull


class Repository:
    """One private git directory; not safe for two users at once, who hold a lock for it."""

    def __init__(self, folder: Path, workspace: Path, git: Git, seconds: float) -> None:
        """Describe it; `prepare` makes it.

        Args:
            folder: The git directory.
            workspace: The real path of the work tree.
            git: What to run.
            seconds: Time that one command may take.
        """
        self._seconds = seconds
        self.folder: Final = folder
        self.workspace: Final = workspace
        self._git = git
        self._env = {
            "PATH": str(Path(git.program).parent),
            "LC_ALL": "C",
            "HOME": str(folder / "no-home"),
            "XDG_CONFIG_HOME": str(folder / "no-home"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_DIR": str(folder),
            "GIT_WORK_TREE": str(workspace),
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_OPTIONAL_LOCKS": "1",
            "GIT_TERMINAL_PROMPT": "0",
            # The C library would give memory back to the system after each object: a third of the time.
            "MALLOC_TRIM_THRESHOLD_": "100000000",
            "MALLOC_TOP_PAD_": "16000000",
            "MALLOC_MMAP_THRESHOLD_": "100000000",
        }
        settings = (*_SETTINGS, f"core.excludesFile={git.excludes}")
        self._command = [git.program, *(part for one in settings for part in ("-c", one))]

    def prepare(self) -> None:
        """Make the folder, or make it what it has to be again. Blocks.

        Raises:
            OSError: It cannot be made.
        """
        for name in ("", "info", "objects", "objects/info", "objects/pack", "refs", "refs/heads"):
            folder = self.folder / name
            if folder.is_symlink():
                folder.unlink()
            folder.mkdir(0o700, parents=True, exist_ok=True)
        config = _CONFIG.format(ignore_case=str(self._ignores_case()).lower())
        _assert_content(self.folder / "config", config.encode())
        _assert_content(self.folder / "info" / "attributes", _ATTRIBUTES)
        _assert_content(self.folder / "HEAD", _HEAD)
        for name in _UNWANTED:
            remove(self.folder / name)

    def prepare_look(self, excludes: bytes) -> None:
        """Make it ready for a look, of one at a time: remove what a killed git left. Blocks.

        Args:
            excludes: Patterns of names that are ignored, besides the `.gitignore` files.

        Raises:
            OSError: It cannot be made.
        """
        _assert_content(self.folder / "info" / "exclude", excludes)
        self._clean()

    def _ignores_case(self) -> bool:
        swapped = self.workspace.with_name(self.workspace.name.swapcase())
        if swapped == self.workspace:
            return False
        try:
            return swapped.samefile(self.workspace)
        except OSError:
            return False

    def _clean(self) -> None:
        for path in (self.folder / "index.lock", self.folder / "HEAD.lock"):
            remove(path)
        for path in (self.folder / "refs").rglob("*.lock"):
            remove(path)
        for pattern in ("tmp_*", ".tmp-*"):
            for path in (self.folder / "objects" / "pack").glob(pattern):
                remove(path)
        for path in self.folder.glob("fast_import_crash_*"):
            remove(path)

    def resolve(self, ref: str) -> str:
        """Return what a loose ref names; empty when there is none."""
        try:
            text = (self.folder / ref).read_text("ascii").strip()
        except (OSError, ValueError):
            return ""
        return text if is_id(text) else ""

    def hold(self, ref: str, name: str) -> None:
        """Have a loose ref name something."""
        path = self.folder / ref
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        replace_file(path, f"{name}\n".encode())

    def indexed(self) -> int:
        """Return how many files the index has."""
        try:
            with (self.folder / "index").open("rb") as file:
                head = file.read(12)
        except OSError:
            return 0
        return int.from_bytes(head[8:12], "big") if head[:4] == b"DIRC" else 0

    async def run(
        self,
        *arguments: str | bytes,
        feed: Iterable[bytes] | bytes = b"",
        max_output: int = 1_000_000,
        codes: Sequence[int] = (0,),
        env: Mapping[str, str] | None = None,
        settings: Sequence[str] = (),
        heard: Callable[[bytes], None] | None = None,
    ) -> ToolResult:
        """Run a git command in the work tree, with settings that come before all others.

        Raises:
            GitFailed: It ended with another exit code than those given.
            BaselineUnavailable: It took too long, said too much, or could not be started.
        """
        words = [os.fsdecode(one) for one in arguments]
        special = [part for one in settings for part in ("-c", one)]
        try:
            result = await run_tool(
                [*self._command, *special, *words],
                cwd=self.workspace,
                env={**self._env, **(env or {})},
                feed=feed,
                seconds=self._seconds,
                max_output=max_output,
                heard=heard,
            )
        except TimeoutError as error:
            raise BaselineUnavailable(
                f"Looking at the workspace took longer than {self._seconds:g} seconds.",
                advice="Open a smaller folder, or have large generated folders ignored by git.",
            ) from error
        except WireError as error:
            raise BaselineUnavailable(
                "The workspace has too many files to be looked at.",
                advice="Open a smaller folder, or have large generated folders ignored by git.",
            ) from error
        except AgentError as error:
            raise BaselineUnavailable(f"git cannot be used: {error}") from error
        if result.code not in codes:
            said = visible(result.errors[-_WORDS:]).strip()
            raise GitFailed(f"git {words[0]} ended with {result.code}: {said}")
        return result


def is_id(text: str) -> bool:
    """Tell whether the text can be the name of an object."""
    return _ID.fullmatch(text) is not None


def _assert_content(path: Path, data: bytes) -> None:
    with contextlib.suppress(OSError):
        if not path.is_symlink() and path.is_file() and path.read_bytes() == data:
            return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    replace_file(path, data)


def replace_file(path: Path, data: bytes) -> None:
    """Write a private file as a whole."""
    descriptor, name = tempfile.mkstemp(prefix="tmp_", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def remove(path: Path) -> None:
    """Remove a file or a folder with all that it holds, if it is there and can be removed. Blocks."""
    if not os.path.lexists(path):
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
