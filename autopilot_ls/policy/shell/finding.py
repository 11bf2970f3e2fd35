"""The words of `find`: where it starts, and which names it gives.

`runners` takes from it what stands for `{}`, `policy.effects` what is read. A word that is not known to
begin the tests makes it uncertain where find starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from autopilot_ls.policy.globs import is_simple
from autopilot_ls.policy.shell.words import Word, name_set

_FLAGS: Final = name_set(
    "-depth -xdev -mount -empty -nouser -nogroup -executable -readable -writable -prune -print -print0 -ls"
    " -quit -delete -true -false -daystart -noleaf -warn -nowarn -a -and"
)
_VALUED: Final = name_set(
    "-name -iname -path -ipath -wholename -iwholename -lname -ilname -regex -iregex -regextype -type -xtype"
    " -maxdepth -mindepth -newer -anewer -cnewer -newermt -samefile -mtime -mmin -atime -amin -ctime -cmin"
    " -size -perm -user -group -uid -gid -inum -links -printf -fprint -fprint0 -fls"
)
_TESTS: Final = _FLAGS | _VALUED | name_set("-not -o -or -exec -execdir -ok -okdir -fprintf")
_LINKS: Final = name_set("-H -L -P")


def find_roots(words: Sequence[Word]) -> tuple[Word, ...] | None:
    """Return where find starts; None when that is not certain.

    Args:
        words: The command, `find` first.
    """
    roots: list[Word] = []
    for word in words[1:]:
        text = word.text
        if text is None:
            # A file's name that may begin with a dash would be an option or a test.
            if word.glob is None or word.glob[:1] in {"*", "?", "[", "-"}:
                return None
            roots.append(word)
        elif text in {"(", "!"} or text in _TESTS:
            break
        elif text.startswith("-"):
            if text not in _LINKS or roots:
                return None
        else:
            roots.append(word)
    return tuple(roots) or (Word(".", "."),)


def _names(tests: Sequence[Word]) -> str:
    """Return the pattern that each found name matches, empty when there is no single one."""
    index, pattern = 0, ""
    while index < len(tests):
        text = tests[index].text
        if text in {"-exec", "-execdir", "-ok", "-okdir"}:
            break
        if text in _VALUED:
            value = tests[index + 1].text if index + 1 < len(tests) else None
            if text == "-name":
                pattern = value or ""
            index += 2
        elif text in _FLAGS:
            index += 1
        else:
            # With alternatives, or a word that is not known here, other names may be given too.
            return ""
    return pattern if is_simple(pattern) else ""


def found(words: Sequence[Word]) -> Word | None:
    """Return the word for what find gives, None when it is not known where it starts."""
    roots = find_roots(words)
    if roots is None or len(roots) != 1 or roots[0].tilde or roots[0].text is None:
        return None
    root = roots[0].text.rstrip("/") or "/"
    if any(char in root for char in "*?["):
        return None
    begins = next((i for i, w in enumerate(words) if w is roots[0]), 0) + 1
    name = _names([word for word in words[begins:] if word.text not in _LINKS])
    return Word("{}", glob=f"{root}/**/{name}" if name else f"{root}/**")
