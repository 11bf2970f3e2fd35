"""What well-known programs do with the paths among their words.

Every word of every command is looked at as a path; this says whether the program reads it, writes it,
or (for programs not known here) might do either. It does not say whether the program is harmless:
rules do. `judging` stands above.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from autopilot_ls.policy.searching import GREPS, names_only, reach_of, searches_here
from autopilot_ls.policy.shell import Word
from autopilot_ls.policy.shell.finding import find_roots
from autopilot_ls.policy.shell.words import literal, name_set
from autopilot_ls.policy.trees import Reach


class EffectKind(StrEnum):
    """What happens to a path."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    TOUCH = "touch"
    NETWORK = "network"


class Effect(NamedTuple):
    """One path (or host) that a command has to do with.

    Attributes:
        reach: What is taken in of a folder, None when only the folder itself is.
        source: What is moved or copied there under the same name.
    """

    kind: EffectKind
    word: Word
    reach: Reach | None = None
    source: Word | None = None


_SILENT: Final = name_set(
    "echo printf true false : test [ set pwd whoami id uname hostname sleep exit return break"
    " continue shift wait jobs seq yes expr basename dirname export kill pkill killall nproc tty"
    " which type hash ulimit umask arch groups locale getconf env printenv command"
)
_READERS: Final = name_set(
    "cat tac head tail wc nl od xxd hexdump strings file stat ls dir tree du df cmp diff diff3 comm"
    " cut paste column fold fmt expand unexpand rev md5sum sha1sum sha224sum sha256sum sha384sum"
    " sha512sum shasum b2sum cksum sum readlink realpath less more bat exa eza zcat zless bzcat xzcat"
    " base64 base32 iconv join look pr nm objdump readelf size ldd otool source . cd pushd jq yq"
    " date cloc tokei scc ripgrep hexyl delta sort uniq csvlook csvcut xmllint pygmentize plutil"
)
_WRITERS: Final = name_set(
    "touch mkdir tee truncate chmod chown chgrp install patch mkfifo mknod split csplit shred"
)
_DELETERS: Final = frozenset({"rm", "rmdir", "unlink", "trash"})
# Programs whose first operand is an expression, with the options that give it instead.
_EXPRESSION: Final = {
    "grep": ("-e", "-f", "--regexp", "--file"),
    "egrep": ("-e", "-f", "--regexp", "--file"),
    "fgrep": ("-e", "-f", "--regexp", "--file"),
    "rg": ("-e", "-f", "--regexp", "--file", "--files"),
    "ag": (),
    "ack": (),
    "sed": ("-e", "-f", "--expression", "--file"),
    "awk": ("-f", "--file"),
    "gawk": ("-f", "--file"),
    "mawk": ("-f",),
    "jq": ("-f", "--from-file"),
    "fd": (),
    "fdfind": (),
    "tr": (),
}
_PATH_OPTIONS: Final = {
    "fd": ("-C", "--base-directory", "--search-path", "--ignore-file"),
    "fdfind": ("-C", "--base-directory", "--search-path", "--ignore-file"),
    "rg": ("--ignore-file",),
    "grep": ("--exclude-from",),
}
_FIND_FILES: Final = name_set("-newer -samefile -fprint -fprint0 -fprintf -fls -files0-from")
_EXPRESSION_OPTIONS: Final = frozenset({"-e", "--regexp", "--expression"})
_TEXT_OPTIONS: Final = {
    "git": frozenset({"-m", "--message", "--grep", "--author", "-S", "-G", "--format", "--pretty"}),
    "gh": frozenset({"--title", "--body", "-t", "-b"}),
    "curl": frozenset({"-H", "--header", "-d", "--data", "-X", "-A", "-w"}),
    "pytest": frozenset({"-k", "-m"}),
    "cargo": frozenset({"--features"}),
    "go": frozenset({"-run", "-bench", "-ldflags", "-tags"}),
}
_GIT_READS: Final = name_set(
    "status log diff show blame annotate grep ls-files ls-tree cat-file rev-parse rev-list describe"
    " shortlog merge-base name-rev diff-tree diff-index diff-files check-ignore check-attr reflog"
    " for-each-ref whatchanged count-objects var cherry range-diff"
)
_URL: Final = re.compile(r"(?:https?|ftp|ssh|git|rsync|wss?)://", re.IGNORECASE)
_NETWORK: Final = frozenset({"curl", "wget", "http", "https", "xh", "aria2c", "git"})
_ARCHIVERS: Final = frozenset({"tar", "unzip", "zipinfo", "bsdtar"})


def effects(program: str, words: Sequence[Word]) -> Iterator[Effect]:
    """Yield what a command has to do with paths and hosts.

    Args:
        program: The program's name without its folder.
        words: All words of the command, the program first.
    """
    rest = words[1:]
    if program in _NETWORK:
        yield from _hosts(rest)
    if program in _SILENT:
        return
    if program in {"cp", "mv", "ln", "rsync", "scp", "install"}:
        yield from _copies(program, rest)
        return
    if program == "dd":
        yield from _dd(rest)
        return
    if program == "git":
        yield from _git(rest)
        return
    kind = _kind(program, rest)
    reach = reach_of(program, rest)
    for effect in _paths(rest, kind, _skipped(program, rest)):
        yield effect._replace(reach=reach)
    if program == "find":
        yield from _find(words, kind)
    elif (
        reach is not None and (program in GREPS or program == "rg") and searches_here(program, rest)
    ):
        yield Effect(kind, literal("."), reach)


def _git(rest: Sequence[Word]) -> Iterator[Effect]:
    kind = _kind("git", rest)
    first = rest[0].text if rest else None
    if first == "mv":
        yield from _copies("mv", rest[1:])
        return
    magic = first in {"rm", "clean", "stash"}
    for effect in _paths(rest, kind, _skipped("git", rest)):
        # To git, what the shell has left of a pattern names files at any depth.
        wild = (magic and (effect.word.text or "")[:1] == ":") or set(effect.word.text or "") & set(
            "*?["
        )
        yield effect._replace(word=Word(effect.word.raw)) if magic and wild else effect
    for word in rest:
        text = word.text or ""
        if ":" in text and (not text.startswith("-") or text.startswith("-L")):
            # HEAD:path names a file of the repository's past, which may hold what the present file does.
            path = text.rsplit(":", 1)[1] if text.startswith("-L") else text.split(":", 1)[1]
            yield Effect(kind, literal(path or "."))


def _find(words: Sequence[Word], kind: EffectKind) -> Iterator[Effect]:
    """Where find starts; what stands in its tests are names to compare with, but for these."""
    roots = find_roots(words)
    for word in roots if roots is not None else (Word("find"),):
        yield Effect(kind, word)
    for option, value in pairwise(words):
        if option.text in _FIND_FILES:
            yield Effect(
                EffectKind.READ if option.text in {"-newer", "-samefile"} else EffectKind.WRITE,
                value,
            )


def _kind(program: str, rest: Sequence[Word]) -> EffectKind:  # noqa: PLR0911 - one return for each kind of program
    if program in _READERS:
        return EffectKind.READ
    if program in _WRITERS:
        return EffectKind.WRITE
    if program in _DELETERS:
        return EffectKind.DELETE
    if program in {"sed", "gsed"}:
        in_place = any(
            (w.text or "").startswith("--in-place")
            or re.match(r"-[a-zA-Z]*i", w.text or "") is not None
            for w in rest
        )
        return EffectKind.WRITE if in_place else EffectKind.READ
    if program in _EXPRESSION or program in _ARCHIVERS:
        return EffectKind.READ
    if program == "find":
        return EffectKind.DELETE if any(w.text == "-delete" for w in rest) else EffectKind.READ
    if program == "git":
        first = rest[0].text if rest else None
        if first in {"rm", "clean"}:
            return EffectKind.DELETE
        if first == "mv":
            return EffectKind.WRITE
        return EffectKind.READ if first in _GIT_READS else EffectKind.TOUCH
    return EffectKind.TOUCH


def _skipped(program: str, rest: Sequence[Word]) -> frozenset[int]:
    """Return the indexes of words that are text to the program, not paths."""
    skipped: set[int] = set()
    text_options = _TEXT_OPTIONS.get(program, frozenset[str]())
    for index, word in enumerate(rest[:-1]):
        if word.text in text_options:
            skipped.add(index + 1)
    if program == "find":
        return frozenset(range(len(rest)))
    skipped |= names_only(program, rest)
    if program in _EXPRESSION:
        given = any((w.text or "").split("=", 1)[0] in _EXPRESSION[program] for w in rest)
        for index, word in enumerate(rest):
            if index and rest[index - 1].text in _EXPRESSION_OPTIONS:
                skipped.add(index)
            elif (
                (index and rest[index - 1].text in _PATH_OPTIONS.get(program, ()))
                or index in skipped
                or given
            ):
                continue
            elif not (word.raw if word.text is None else word.text).startswith("-"):
                skipped.add(index)
                break
    return frozenset(skipped)


def _paths(
    rest: Sequence[Word], kind: EffectKind, skipped: frozenset[int] = frozenset()
) -> Iterator[Effect]:
    for index, word in enumerate(rest):
        text = word.text
        if index in skipped:
            continue
        if text is None:
            yield Effect(kind, word)
        elif not text.startswith("-"):
            if text and not _URL.match(text):
                yield Effect(kind, word)
                if "=" in text and "/" in text:
                    yield Effect(kind, literal(text.split("=", 1)[1]))
                yield from _behind_colons(text, kind)
        elif text != "-":
            for tail in _tails(text):
                yield Effect(kind, tail)
                yield from _behind_colons(tail.text or "", kind)


def _behind_colons(text: str, kind: EffectKind) -> Iterator[Effect]:
    """What a program not known here may take for a path of its own: html:../x, json:.git/x."""
    if kind is EffectKind.TOUCH and ":" in text and not _URL.match(text):
        for piece in text.split(":")[1:]:
            if piece.startswith(("/", ".", "~")):
                yield Effect(kind, literal(piece))


def _tails(option: str) -> Iterator[Word]:
    """Yield every end of an option that could be a path: --file=/x, -I../y, -f.git/config."""
    if "=" in option:
        yield literal(option.split("=", 1)[1])
    elif (
        not option.startswith("--") and option[2:] not in {"", "."} and set(option[2:]) & set("/.~")
    ):
        yield literal(option[2:])
    for at, char in enumerate(option):
        if char in "/~" and at > 1 and option[at - 1] != "/":
            yield literal(option[at:])
            break


def _copies(program: str, rest: Sequence[Word]) -> Iterator[Effect]:
    """Sources are read (or moved away), the target is written; which is which needs certainty."""
    operands: list[Word] = []
    target: Word | None = None
    only = False
    skip = False
    for index, word in enumerate(rest):
        text = word.text
        if skip:
            skip = False
        elif only or text is None or not text.startswith("-") or text == "-":
            operands.append(word)
        elif text == "--":
            only = True
        elif text in {"-t", "--target-directory"}:
            target = rest[index + 1] if index + 1 < len(rest) else None
            skip = True
        elif text.startswith("--target-directory="):
            target = literal(text.split("=", 1)[1])
        else:
            yield from (Effect(EffectKind.WRITE, tail) for tail in _tails(text))
    if target is None and operands:
        target = operands.pop() if len(operands) > 1 or program != "ln" else literal(".")
    source = EffectKind.DELETE if program == "mv" else EffectKind.READ
    if program == "ln":
        # A link opens its target to whatever is done through it later.
        source = EffectKind.WRITE
    reach = reach_of(program, rest)
    for word in operands:
        yield Effect(source, word, reach)
        if target is not None and program != "ln":
            yield Effect(EffectKind.WRITE, target, source=word)
        if target is not None and target.text is not None and word.text is not None:
            name = word.text.rstrip("/").rsplit("/", 1)[-1]
            yield Effect(
                EffectKind.WRITE,
                Word(target.raw, f"{target.text}/{name}", tilde=target.tilde),
            )
    if target is not None:
        yield Effect(EffectKind.WRITE, target)


def _dd(rest: Sequence[Word]) -> Iterator[Effect]:
    for word in rest:
        name, _, value = (word.text or "").partition("=")
        if word.text is None or name not in {"if", "of"}:
            if word.text is None:
                yield Effect(EffectKind.WRITE, word)
            continue
        yield Effect(EffectKind.READ if name == "if" else EffectKind.WRITE, literal(value))


def _hosts(rest: Sequence[Word]) -> Iterator[Effect]:
    for word in rest:
        if word.text is not None and _URL.match(word.text):
            try:
                host = urlsplit(word.text).hostname
            except ValueError:
                host = None
            yield Effect(EffectKind.NETWORK, literal(host or "?", word.text))
