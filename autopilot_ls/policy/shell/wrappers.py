"""How the programs that run other programs take their arguments.

Tables only. An option that is not listed makes the whole part unknown, so what is missing here asks.
`unwrap` stands above.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from autopilot_ls.policy.shell.words import name_set

STANDARD_FOLDERS: Final = frozenset(
    {
        "/bin",
        "/usr/bin",
        "/usr/local/bin",
        "/sbin",
        "/usr/sbin",
        "/opt/homebrew/bin",
        "/run/current-system/sw/bin",
    }
)


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A program that runs the command in its arguments.

    Attributes:
        flags: Options without a value.
        valued: Options with a value.
        operands: Arguments before the command that are the wrapper's own.
        kept: Whether the wrapper is judged too, because it changes what the command may do.
        understood: Whether options not listed are taken as flags; only for wrappers that are `kept`.
        shell_text: Whether the arguments are joined and given to a shell.
    """

    flags: frozenset[str] = frozenset()
    valued: frozenset[str] = frozenset()
    operands: int = 0
    kept: bool = False
    understood: bool = False
    shell_text: bool = False


def _of(
    flags: str = "",
    valued: str = "",
    *,
    operands: int = 0,
    kept: bool = False,
    shell_text: bool = False,
) -> Wrapper:
    return Wrapper(
        frozenset(flags.split()), frozenset(valued.split()), operands, kept, kept, shell_text
    )


_RUNNERS: Final = "--frozen --locked --no-sync --offline -q --quiet -v --verbose --no-progress"

WRAPPERS: Final[Mapping[str, Wrapper]] = {
    "nohup": _of(),
    "time": _of("-p -v --verbose"),
    "timeout": _of(
        "--preserve-status --foreground -v --verbose", "-k --kill-after -s --signal", operands=1
    ),
    "gtimeout": _of("--preserve-status --foreground -v", "-k --kill-after -s --signal", operands=1),
    "nice": _of("", "-n --adjustment"),
    "ionice": _of("-t --ignore", "-c --class -n --classdata"),
    "stdbuf": _of("", "-i -o -e --input --output --error"),
    "command": _of("-p"),
    "builtin": _of(),
    "noglob": _of(),
    "exec": _of("-c -l", "-a"),
    "caffeinate": _of("-d -i -m -s -u", "-t"),
    "chronic": _of(),
    "watch": _of(
        "-d -t -b -e -g -c -x --differences --no-title --color --errexit --chgexit",
        "-n --interval",
        shell_text=True,
    ),
    # These change who runs the command or where: the command is looked at, and so are they.
    "sudo": _of("", "-u -g -h -p -C -D -R -T -U --user --group --chdir --chroot", kept=True),
    "doas": _of("", "-u -C", kept=True),
    "pkexec": _of("", "--user", kept=True),
    "setsid": _of(kept=True),
    "chroot": _of("", "--userspec --groups", operands=1, kept=True),
    "unshare": _of(kept=True),
    "nsenter": _of("", "-t --target", kept=True),
    "strace": _of("", "-e -o -p -s -P -u", kept=True),
    "ltrace": _of("", "-e -o -p -s", kept=True),
    "valgrind": _of(kept=True),
    "perf": _of(operands=1, kept=True),
    "flock": _of("", "-w -E", operands=1, kept=True),
    "parallel": _of("", "-j --jobs -a --arg-file", kept=True),
    "entr": _of(kept=True),
    "dbus-run-session": _of(kept=True),
    "xvfb-run": _of("-a", "-s -n -e -f", kept=True),
    "taskset": _of("-c", operands=1, kept=True),
    "script": _of(kept=True),
    "busybox": _of(kept=True),
    "toybox": _of(kept=True),
    "runuser": _of("", "-u", kept=True),
    "firejail": _of(kept=True),
    "bwrap": _of(kept=True),
    "proot": _of(kept=True),
    "direnv": _of(operands=2, kept=True),
    "setpriv": _of(kept=True),
    "chrt": _of(operands=1, kept=True),
    "rlwrap": _of(kept=True),
    "catchsegv": _of(kept=True),
    "gdb": _of(kept=True),
}

# Runners of a project's own environment: the words before the command, then the wrapper.
RUNNERS: Final[Mapping[str, tuple[tuple[str, ...], Wrapper]]] = {
    "uv": (
        ("run",),
        _of(f"{_RUNNERS} --dev --no-dev --all-extras --active", "--extra --group --package"),
    ),
    "poetry": (("run",), _of("-q --quiet -v -n --no-interaction")),
    "pipenv": (("run",), _of("-q --quiet -v --verbose")),
    "pdm": (("run",), _of("-q -v")),
    "hatch": (("run",), _of("-q -v")),
    "rye": (("run",), _of("-q -v")),
    "bundle": (("exec",), _of("--keep-file-descriptors")),
    "pnpm": (("exec",), _of("-s --silent")),
    "yarn": (("exec",), _of("-s --silent")),
}

SHELLS: Final = frozenset({"sh", "bash", "zsh", "dash", "ksh", "mksh", "ash", "rbash"})
OTHER_SHELLS: Final = frozenset(
    {"fish", "csh", "tcsh", "nu", "pwsh", "powershell", "elvish", "xonsh"}
)

# Interpreters, with the options that are followed by code.
INTERPRETERS: Final[Mapping[str, frozenset[str]]] = {
    "python": frozenset({"-c"}),
    "pypy": frozenset({"-c"}),
    "node": frozenset({"-e", "--eval", "-p", "--print", "-pe"}),
    "nodejs": frozenset({"-e", "--eval", "-p", "--print", "-pe"}),
    "bun": frozenset({"-e", "--eval", "-p", "--print"}),
    "deno": frozenset({"eval"}),
    "perl": frozenset({"-e", "-E"}),
    "ruby": frozenset({"-e"}),
    "php": frozenset({"-r", "-B", "-R", "-E"}),
    "lua": frozenset({"-e"}),
    "luajit": frozenset({"-e"}),
    "R": frozenset({"-e"}),
    "Rscript": frozenset({"-e"}),
    "julia": frozenset({"-e", "-E", "--eval", "--print"}),
    "tclsh": frozenset(),
    "osascript": frozenset({"-e"}),
    "ghc": frozenset({"-e"}),
    "scala": frozenset({"-e"}),
    "elixir": frozenset({"-e", "--eval"}),
    "erl": frozenset({"-eval"}),
    "groovy": frozenset({"-e"}),
    "guile": frozenset({"-c"}),
    "emacs": frozenset({"--eval", "-eval"}),
    "psql": frozenset(),
    "sqlite3": frozenset(),
    "mysql": frozenset(),
    "bc": frozenset(),
    "ed": frozenset(),
    "ex": frozenset(),
    "vim": frozenset(),
    "nvim": frozenset(),
    "vi": frozenset(),
    "gdb": frozenset(),
    "at": frozenset(),
    "batch": frozenset(),
    "crontab": frozenset(),
}

FIND_RUNS: Final = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
XARGS_FLAGS: Final = name_set("-0 --null -r --no-run-if-empty -t --verbose -x --exit")
XARGS_VALUED: Final = name_set("-n -P -L -s -d --max-args --max-procs --max-lines --delimiter")

GIT_FLAGS: Final = frozenset(
    {"--no-pager", "-P", "--no-optional-locks", "--literal-pathspecs", "--no-replace-objects"}
)
GIT_HARMLESS: Final = (
    "color.", "core.quotepath=", "core.pager=cat", "core.abbrev=", "log.", "advice.", "user.name=",
    "user.email=", "diff.color", "diff.algorithm=", "init.defaultbranch=", "column.", "blame.date=", "blame.coloring=",
    "commit.gpgsign=false", "core.hookspath=/dev/null", "core.fsmonitor=false", "gc.auto=",
)  # fmt: skip
