"""Which commands take in whole folders, and what of them: `grep -r`, `rg --hidden`, `diff -r`, `cp -r`.

A search through a folder shows what stands in the files below it, credentials too, so it counts as
reading them. Options that are not known here make the answer wider, never narrower. `effects` stands
above, `trees` looks at the disk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from autopilot_ls.policy.globs import is_simple
from autopilot_ls.policy.shell import Word
from autopilot_ls.policy.shell.words import name_set
from autopilot_ls.policy.trees import Reach

GREPS: Final = name_set("grep egrep fgrep")
COPIES: Final = name_set("cp mv rsync scp")

_GREP_VALUED: Final = name_set(
    "-A -B -C -m -e -f -d -D --after-context --before-context --context --max-count --regexp --file"
    " --directories --devices --label --binary-files --color --colour --include --exclude --exclude-dir"
    " --exclude-from"
)
_RG_VALUED: Final = name_set(
    "-A -B -C -m -e -f -d -g -t -T -j -r -E -M --after-context --before-context --context --max-count"
    " --regexp --file --max-depth --glob --iglob --type --type-not --threads --replace --encoding"
    " --max-columns --max-filesize --sort --sortr --color --colors --context-separator --engine"
    " --field-context-separator --field-match-separator --path-separator --type-add --type-clear"
    " --ignore-file --dfa-size-limit --regex-size-limit --hyperlink-format --pre --pre-glob"
)
_NAMING: Final = name_set("--include --exclude --exclude-dir -g --glob --iglob")
_ALTERNATIVES: Final = re.compile(r"([^{}\\]*)\{([^{}\\]*)\}([^{}\\]*)")
_SHORT: Final = re.compile(r"-[A-Za-z0-9.]+")


def reach_of(program: str, rest: Sequence[Word]) -> Reach | None:
    """Return what a command takes in of the folders among its words; None when it takes in none.

    Args:
        program: The program's name without its folder.
        rest: The words after it.
    """
    # An option with a star in it gets there as it is written, or as names that the star stands for.
    texts = [word.text or word.glob or "" for word in rest]
    if program in GREPS:
        return _grep(texts)
    if program == "rg":
        return _ripgrep(texts)
    if program == "diff" and _has(texts, "r", "--recursive") and not _has(texts, "q", "--brief"):
        return Reach(links=not _has(texts, "", "--no-dereference"), plain=True)
    if program in COPIES and program != "mv" and (_has(texts, "rRa", "--recursive", "--archive")):
        return Reach(links=False)
    return None


def names_only(program: str, rest: Sequence[Word]) -> frozenset[int]:
    """Return the indexes of words that only say which names are searched."""
    if program not in GREPS and program != "rg":
        return frozenset()
    found: set[int] = set()
    for index, word in enumerate(rest):
        name, sign, _ = (word.text or word.glob or "").partition("=")
        if name in _NAMING:
            found |= {index} if sign else {index, index + 1}
    return frozenset(found)


def searches_here(program: str, rest: Sequence[Word]) -> bool:
    """Tell whether a search names no place, so that it goes through the folder it runs in."""
    valued = _GREP_VALUED if program in GREPS else _RG_VALUED
    operands, given, index = 0, False, 0
    while index < len(rest):
        text = rest[index].text
        if text is None or not text.startswith("-") or text == "-":
            operands += 1
        elif text == "--":
            operands += len(rest) - index - 1
            break
        else:
            given = given or text.split("=", 1)[0] in {"--regexp", "--file", "--files"}
            given = given or re.fullmatch(r"-[A-Za-z]*[ef]", text) is not None
            cluster = _SHORT.fullmatch(text) is not None and f"-{text[-1]}" in valued
            index += text in valued or cluster
        index += 1
    return operands <= (0 if given else 1)


def _grep(texts: Sequence[str]) -> Reach | None:
    recurses = _has(texts, "rR", "--recursive", "--dereference-recursive")
    if not recurses and not any(text.endswith("recurse") for text in texts):
        return None
    names: list[str] = []
    without: list[str] = []
    first = ""
    for option, value in _options(texts):
        if option in {"--include", "--exclude"} and not first:
            first = option
        if option == "--include":
            names.append(value)
        elif option in {"--exclude", "--exclude-dir"}:
            without.append(value)
        elif option.startswith(("--i", "--ex")) and option not in {
            "--ignore-case",
            "--exclude-from",
        }:
            return Reach(links=False, plain=True)  # A shorter spelling of one of them.
    if names:
        without = []  # What is said last counts, so that what was left out may be taken in again.
    if first == "--exclude":
        names = []  # All that is not named is searched, too.
    return _named(names, without)


def _ripgrep(texts: Sequence[str]) -> Reach | None:
    if "--files" in texts:
        return None
    globs = [value for option, value in _options(texts) if option in {"-g", "--glob"}]
    wide = any(
        (_SHORT.fullmatch(text) and set(text) & set("u.g"))
        or text.startswith(("--hid", "--no-i", "--unr", "--igl", "--gl"))
        for text in texts
    )
    if not wide:
        return None  # It leaves out what is hidden and what git ignores.
    names = [glob for glob in globs if not glob.startswith("!")]
    every = any(text.startswith("--igl") for text in texts)
    clear = all(text in {"-g", "--glob"} or text.startswith("--glob=") for text in texts
                if text.startswith("--gl") or (_SHORT.fullmatch(text) and "g" in text))  # fmt: skip
    if every or not clear:
        return Reach(links=False, plain=True)
    without = [glob[1:] for glob in globs if glob.startswith("!")]
    return _named(names, [] if names else without)


def _named(names: Sequence[str], without: Sequence[str]) -> Reach:
    """Return what is searched by patterns of names; one that is not simple narrows nothing."""
    given = [one for name in names for one in _alternatives(name)]
    shapes = [name.removesuffix("/**").removesuffix("/") for name in without]
    left_out = [one for name in shapes for one in _alternatives(name)]
    return Reach(
        tuple(given) if all(map(is_simple, given)) else (),
        tuple(filter(is_simple, left_out)),
        links=False,
        plain=True,
    )


def _alternatives(name: str) -> list[str]:
    match = _ALTERNATIVES.fullmatch(name)
    return (
        [name] if match is None else [f"{match[1]}{one}{match[3]}" for one in match[2].split(",")]
    )


def _options(texts: Sequence[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for index, text in enumerate(texts):
        if text.startswith("-"):
            name, sign, value = text.partition("=")
            following = texts[index + 1] if index + 1 < len(texts) else ""
            found.append((name, value if sign else following))
    return found


def _has(texts: Sequence[str], letters: str, *names: str) -> bool:
    return any(
        (set(text[1:]) & set(letters) if _SHORT.fullmatch(text) else False)
        or (len(text) > 3 and any(name.startswith(text) for name in names))  # noqa: PLR2004 - two dashes and a letter
        for text in texts
    )
