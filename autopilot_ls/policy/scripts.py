"""The small languages inside sed and awk: whether a script only prints and replaces.

Both can run programs and write files from within their script, so a script is understood only when it
is of a form in which nothing of that can be said. `judging` stands above.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from autopilot_ls.policy.shell import Word

_ADDRESS: Final = r"(?:\d++(?:~\d++)?+|\$|/(?:[^/\\\n]|\\.)*+/I?+)"
_SUBSTITUTE: Final = "|".join(
    rf"[sy]{d}(?:[^\\\n{d}]|\\[^\n])*+{d}(?:[^\\\n{d}]|\\[^\n])*+{d}[gpiI0-9]*+"
    for d in ("/", r"\|", "#", ",", "@", ":", "!", "%")
)
# Possessive, so that a hostile script takes no longer than its length.
_COMMAND: Final = (
    rf"[ \t]*+(?:{_ADDRESS}(?:,[ \t]*+(?:{_ADDRESS}|[+~]\d++))?)?+[ \t]*+!?[ \t]*+"
    rf"(?:{_SUBSTITUTE}|q\d*+|[pdlDNPGghHnx=])?+[ \t]*+"
)
_SED: Final = re.compile(rf"{_COMMAND}(?:[;\n]{_COMMAND})*+")
_SED_FLAGS: Final = re.compile(
    r"-[nErsuz]+|-[nErsuz]*i[A-Za-z.~_-]*|--quiet|--silent|--regexp-extended|--in-place"
    r"(?:=[\w.~-]*)?|--separate|--null-data|--posix|--sandbox"
)
_AWK_RUNS: Final = re.compile(
    r"\bsystem\b|\bgetline\b|[|>@&]|\bclose\b|\bARGV\b|\bENVIRON\b|\binclude\b|\bload\b|\bFUNCTAB\b|\bSYMTAB\b"
)
_AWK_LOGIC: Final = re.compile(r"&&|\|\||>=")
_AWK_HARMLESS: Final = re.compile(r"&&|\|\||>=|>\s*(?=\d+(?:\.\d+)?\s*(?:[)&|]|\Z))")
_MAX_SCRIPT: Final = 2_000
_SED_NAMES: Final = frozenset({"sed", "gsed"})
_AWK_NAMES: Final = frozenset({"awk", "gawk", "mawk"})


def problem(program: str, words: Sequence[Word]) -> str:
    """Return why a command's script is not understood; empty when it is, or there is none."""
    if program in _SED_NAMES:
        return "" if _sed(words[1:]) else "this sed script is not followed"
    if program in _AWK_NAMES:
        return "" if _awk(words[1:]) else "this awk program is not followed"
    if program == "printf":
        return _printf([word.text for word in words[1:]])
    check = _CHECKS.get(program)
    texts = [word.text for word in words[1:] if word.text is not None]
    return check[1] if check is not None and any(map(check[0].search, texts)) else ""


_DIRECTIVE: Final = re.compile(r"%(%|[^a-zA-Z%]*+[a-zA-Z]?)")
_NUMBER: Final = re.compile(r"[-+]?[0-9.]+")
# What a word of these programs must not hold, and why.
_SUBSCRIPT: Final = re.compile(r"\A-[vR]\Z|.\[|\[.")
_CHECKS: Final = {
    "test": (_SUBSCRIPT, "this may evaluate a subscript"),
    "[": (_SUBSCRIPT, "this may evaluate a subscript"),
    "jq": (
        re.compile(
            r"\benv\b|\$ENV|\bimport\b|\binclude\b|\A-L|\A--lib|\A-[A-Za-z]*f|\A--from|\bget_search_list\b"
        ),
        "this jq program may read more than its input",
    ),
    "tar": (re.compile(":"), "an archive's name can be a remote host's"),
    "bsdtar": (re.compile(":"), "an archive's name can be a remote host's"),
}


def _printf(texts: Sequence[str | None]) -> str:
    """Tell of a form that sets a variable, or numbers that some shells take for arithmetic.

    What stands in a subscript there is run.
    """
    ended = texts[:1] == ["--"]
    given = texts[1:] if ended else texts
    form = given[0] if given else ""
    if form is None or "%n" in form or (form.startswith("-") and not ended):
        return "this may set a variable"
    kinds = [kind for kind in _DIRECTIVE.findall(form) if kind != "%"]
    if not kinds:
        return ""
    texts_only = [kind[-1] in "sbq" and "*" not in form for kind in kinds]
    for index, text in enumerate(given[1:]):
        if not texts_only[index % len(kinds)] and not _NUMBER.fullmatch(text or "x"):
            return "this may evaluate what it prints"
    return ""


def _sed(rest: Sequence[Word]) -> bool:
    scripts: list[str] = []
    given = any(_gives_script(word) for word in rest)
    take, seen = False, False
    for word in rest:
        text = word.text
        if take:
            if text is None:
                return False
            scripts.append(text)
            take = False
        elif text is None:
            # A file's name that may begin with a dash could be a script of its own.
            if (not given and not seen) or word.glob is None or word.glob[:1] in "*?[-":
                return False
        elif text in {"-e", "--expression"} or re.fullmatch(r"-[nErsuz]+e", text):
            take = True
        elif text.startswith("--expression="):
            scripts.append(text.split("=", 1)[1])
        elif text == "-i" or _SED_FLAGS.fullmatch(text):
            continue
        elif text.startswith("-") and text not in {"-", "--"}:
            return False
        elif not given and not seen and text != "--":
            scripts.append(text)
            seen = True
    return bool(scripts) and not take and all(_sed_script(script) for script in scripts)


def _gives_script(word: Word) -> bool:
    text = word.text or ""
    return text.startswith("--expression") or re.fullmatch(r"-[nErsuz]*e", text) is not None


def _sed_script(script: str) -> bool:
    return len(script) <= _MAX_SCRIPT and _SED.fullmatch(script) is not None


def _awk(rest: Sequence[Word]) -> bool:
    index = 0
    while index < len(rest):
        text = rest[index].text
        if text is None:
            return False
        if text in {"-F", "-v"}:
            index += 2
        elif text.startswith(("-F", "-v")):
            index += 1
        elif text == "--":
            index += 1
            break
        elif text.startswith("-"):
            return False
        else:
            break
    if index >= len(rest) or rest[index].text is None:
        return False
    program = rest[index].text or ""
    if len(program) > _MAX_SCRIPT:
        return False
    if any((word.glob or "-")[:1] in "*?[-" for word in rest[index:] if word.text is None):
        return False
    for statement in re.split(r"[{};\n]", program):
        harmless = _AWK_LOGIC if "print" in statement else _AWK_HARMLESS
        if _AWK_RUNS.search(harmless.sub(" ", statement)) is not None:
            return False
    return True
