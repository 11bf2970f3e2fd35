"""A command with placeholders, checked so that what is put in for one stays data.

What is put in holds text that an agent chose. So a placeholder may stand in a plain word only, which the
program gets as one argument: never where a shell or an interpreter would read it as code, and not beside
quotation marks, which would not quote it. Pure; `tree` stands above.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

PLACEHOLDERS: Final = ("title", "text", "session", "workspace", "kind")
"""What can be put in."""

PLACEHOLDER: Final = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")

_HINT: Final = (
    "the program gets the same in environment variables (AUTOPILOT_TITLE, AUTOPILOT_TEXT …) and as JSON "
    'on its standard input: use "$AUTOPILOT_TEXT" there instead'
)
_QUOTING: Final = re.compile(r"""["'`$\\;|&<>\n]""")
_INTERPRETER: Final = re.compile(
    r"(?:ba|da|z|k|mk|pdk|a|fi|c|tc|r|x|elvi|nu|ya|o)?sh|busybox|toybox|nu|elvish|"
    r"python|pypy|perl|ruby|node|nodejs|deno|bun|php|lua|luajit|tclsh|wish|expect|guile|"
    r"osascript|powershell|pwsh|rscript|r|julia|groovy|scala|jshell|ghc|irb|elixir|erl"
)
_ALL_ARE_CODE: Final = frozenset(
    {"ssh", "eval", "awk", "gawk", "mawk", "nawk", "sed", "gsed", "bc", "dc", "jq", "cmd", "tmux"}
    | {"screen", "at", "batch", "parallel", "watch", "xargs", "find", "make", "gdb", "emacs", "vim"}
    | {
        "emacsclient",
        "nvim",
        "vi",
        "ex",
        "ed",
        "sqlite3",
        "psql",
        "mysql",
        "su",
        "runuser",
        "script",
    }
)
_CODE_OPTION: Final = re.compile(
    r"-[A-Za-z]*[ceErpBRS]|--(?:eval|execute|exec|expression|command|print|run|require|import).*"
    r"|-(?i:command|encodedcommand|file|execute|exec|eval)"
)
_PERHAPS_CODE: Final = re.compile(
    r"-[A-Za-z]*[cS]|--(?:command|eval|exec|execute|run|split-string)"
)
_READS_FILES: Final = frozenset({"-F", "--form", "-K", "--config"})
"""Options of curl whose text can name a file that is sent."""


def check_template(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of a command, whose first is the program.

    Raises:
        ValueError: What would be put in could be taken for more than text; the message says what to do.
    """
    if not words:
        return words
    program = words[0]
    if not program.strip():
        raise ValueError("the first word must name the program")
    if PLACEHOLDER.search(program):
        raise ValueError("the program cannot be chosen by a placeholder")
    if "/" in program and not program.startswith(("/", "~/")):
        raise ValueError("the program must be a name, an absolute path, or begin with ~/")
    for index, word in enumerate(words):
        if PLACEHOLDER.search(word):
            _check_word(words, index)
    return words


def _check_word(words: tuple[str, ...], index: int) -> None:
    word = words[index]
    where = f"word {index + 1} cannot hold a placeholder"
    if _QUOTING.search(word):
        raise ValueError(f"{where}, since nothing is quoted there; {_HINT}")
    names = [_name(each) for each in words[:index]]
    if any(name in _ALL_ARE_CODE for name in names):
        raise ValueError(f"{where}, since a program before it reads code there; {_HINT}")
    interpreters = [at for at, name in enumerate(names) if _INTERPRETER.fullmatch(name)]
    before = words[index - 1]
    if not interpreters:
        option = word.partition("=")[0]
        if _PERHAPS_CODE.fullmatch(before) or _PERHAPS_CODE.fullmatch(option):
            raise ValueError(f"{where}, since it may be read as code; {_HINT}")
        if "curl" in names and (before in _READS_FILES or option in _READS_FILES):
            raise ValueError(f"{where}, since it could name a file to be sent; {_HINT}")
        return
    first = interpreters[0]
    if _CODE_OPTION.fullmatch(before) or word.startswith("-"):
        raise ValueError(f"{where}, since it would be read as code; {_HINT}")
    # The first word after an interpreter that is no option is the script, or the code of an option.
    if all(each.startswith("-") for each in words[first + 1 : index]):
        raise ValueError(f"{where}, since it would be run as a script; {_HINT}")


def _name(word: str) -> str:
    """Return the name of a program without its folder, version and ending."""
    name = PurePath(word).name.lower()
    return re.sub(r"[-.]?\d[\d.]*$", "", name.removesuffix(".exe"))
