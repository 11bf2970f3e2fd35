"""Taking the command out of what runs it: shells, wrappers, xargs, find, git's options and more.

What cannot be taken apart with certainty becomes an unknown part. Wrappers that only run a command
disappear from the parts; those that change what it may do (sudo) stay as a part of their own.
`wrappers` has the tables; `walker` stands above.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from autopilot_ls.policy.shell.parts import (
    MAX_DEPTH,
    NOWHERE,
    Collector,
    Folder,
    Part,
    PartKind,
    shorten,
)
from autopilot_ls.policy.shell.words import Word, literal
from autopilot_ls.policy.shell.wrappers import (
    FIND_RUNS,
    GIT_FLAGS,
    GIT_HARMLESS,
    INTERPRETERS,
    OTHER_SHELLS,
    RUNNERS,
    SHELLS,
    STANDARD_FOLDERS,
    WRAPPERS,
    XARGS_FLAGS,
    XARGS_VALUED,
    Wrapper,
)

_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VERSIONED: Final = re.compile(r"(python|pypy|perl|ruby|lua|php|node)\d[\d.]*(?:-dbg|t)?")
_SHELL_OPTION: Final = re.compile(r"-[a-zA-Z]+")
_SHELL_LONG: Final = frozenset({"--login", "--norc", "--noprofile", "--posix", "--no-rcs", "--restricted"})
_SHELL_FLAGS: Final = frozenset("cleiuxfnvaEpr")
_MAX_COMMANDS: Final = 8

Folders = tuple[Folder, ...]


@dataclass(frozen=True, slots=True)
class _Setting:
    """Where a command stands.

    Attributes:
        stdin: The exact text it reads, when that is known.
        has_stdin: Whether it reads from something else than the agent's own input.
        feeder: The words of the command whose output it reads.
    """

    source: str
    folders: Folders
    via: tuple[str, ...]
    stdin: str | None = None
    has_stdin: bool = False
    feeder: tuple[Word, ...] = ()

    def inside(self, wrapper: str) -> _Setting:
        return replace(self, via=(*self.via, wrapper))


def program_name(text: str) -> str:
    """Return a program's name without a standard folder; another path stays as it is."""
    if "/" not in text:
        return text
    path = PurePosixPath(text)
    return path.name if str(path.parent) in STANDARD_FOLDERS else text


def interpreter_name(name: str) -> str:
    """Return the interpreter's name without its version (`python3.12` is `python`)."""
    match = _VERSIONED.fullmatch(name)
    return match[1] if match else name


class Unwrapper:
    """Adds the parts of one simple command."""

    def __init__(self, collector: Collector, depth: int) -> None:
        self._collector = collector
        self._depth = depth
        self._special: dict[str, Callable[[str, tuple[Word, ...], _Setting], Folders | None]] = {
            "env": self._env,
            "xargs": self._xargs,
            "find": self._find,
            "git": self._git,
            "eval": self._eval,
            "source": self._source,
            ".": self._source,
            "cd": self._cd,
            "pushd": self._moved,
            "popd": self._moved,
            "chdir": self._moved,
            "trap": self._trap,
            "alias": self._alias,
            "su": self._su,
            "make": self._make,
            "gmake": self._make,
            "cargo": self._cargo,
            "npm": self._folder_options,
            "pnpm": self._folder_options,
            "yarn": self._folder_options,
            "go": self._folder_options,
        }

    def run(
        self,
        words: tuple[Word, ...],
        *,
        source: str,
        folders: Folders,
        via: tuple[str, ...],
        stdin: str | None = None,
        has_stdin: bool = False,
        feeder: tuple[Word, ...] = (),
    ) -> Folders | None:
        """Add the parts of a command.

        Returns:
            The folders that hold after it, when it is a `cd`; else None.
        """
        return self._run(words, _Setting(source, folders, via, stdin, has_stdin, feeder))

    def _run(self, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        if self._depth + len(at.via) > MAX_DEPTH:
            self._unknown(at, "wrappers are nested too deep")
            return NOWHERE
        if not words:
            self._unknown(at, "there is no command in it")
            return None
        first = words[0].text
        if first is None or words[0].tilde or not first:
            self._unknown(at, "it depends on something else which program runs")
            return NOWHERE
        name = program_name(first)
        base = interpreter_name(name)
        if name in SHELLS:
            return self._shell(name, words, at)
        if name in self._special:
            return self._special[name](name, words, at)
        if name in WRAPPERS:
            if name == "command" and any(word.text in {"-v", "-V"} for word in words[1:2]):
                return self._keep(words, at)
            return self._wrapper(name, WRAPPERS[name], words[1:], words, at)
        if name in RUNNERS and tuple(w.text for w in words[1 : 1 + len(RUNNERS[name][0])]) == (
            RUNNERS[name][0]
        ):
            skip = 1 + len(RUNNERS[name][0])
            return self._wrapper(name, RUNNERS[name][1], words[skip:], words, at)
        if base in INTERPRETERS or name in OTHER_SHELLS:
            self._interpreter(base, words, at)
        self._keep(words, at)
        return None

    # --- adding ----------------------------------------------------------------------------

    def _keep(self, words: tuple[Word, ...], at: _Setting) -> None:
        self._collector.add(
            Part(PartKind.COMMAND, at.source, words, via=at.via, folders=at.folders)
        )

    def _unknown(self, at: _Setting, why: str) -> None:
        self._collector.add(
            Part(PartKind.UNKNOWN, at.source, note=why, via=at.via, folders=at.folders)
        )

    def _parse(self, text: str, at: _Setting) -> None:
        from autopilot_ls.policy.shell.parsing import parse_into

        parse_into(
            text, self._collector, depth=self._depth + len(at.via), folders=at.folders, via=at.via
        )

    def _assigned(self, word: Word, at: _Setting) -> bool:
        match = _ASSIGNMENT.fullmatch(word.raw if word.text is None else word.text)
        if match is None:
            return False
        value = () if word.text is None else (literal(match[2]),)
        self._collector.add(
            Part(
                PartKind.ENVIRONMENT, shorten(word.raw), value, match[1], at.via, at.folders
            )
        )
        return True

    # --- shells and code -------------------------------------------------------------------

    def _shell(self, name: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        inner = at.inside(name)
        index, runs_text = 1, False
        while index < len(words):
            text = words[index].text
            if text is None:
                self._unknown(at, "it depends on something else what this shell runs")
                return None
            if text in _SHELL_LONG:
                index += 1
                continue
            if text in {"-o", "+o", "-O", "+O"}:
                index += 2
                continue
            if not text.startswith(("-", "+")):
                break
            if not _SHELL_OPTION.fullmatch(text) or not set(text[1:]) <= _SHELL_FLAGS | {"o"}:
                self._unknown(at, "an option of this shell is not followed")
                return None
            runs_text = runs_text or "c" in text
            index += 2 if "o" in text else 1
        rest = words[index:]
        if runs_text:
            if not rest or rest[0].text is None:
                self._unknown(at, "it depends on something else what this shell runs")
            else:
                self._parse(rest[0].text, inner)
            return None
        if rest:
            self._keep((literal(name), *rest), at)
        elif at.stdin is not None:
            self._parse(at.stdin, inner)
        else:
            self._unknown(at, "this shell runs what it reads")
        return None

    def _interpreter(self, base: str, words: tuple[Word, ...], at: _Setting) -> None:
        inline = INTERPRETERS.get(base, frozenset({"-c"}))
        reads = len(words) == 1 or (len(words) > 1 and words[1].text in {"-", "/dev/stdin"})
        if reads and (at.has_stdin or base in OTHER_SHELLS):
            self._unknown(at, f"{base} runs what it reads")
            return
        short = {option[1] for option in inline if len(option) == 2 and option[0] == "-"}  # noqa: PLR2004 - a dash and a letter
        for word in words[1:]:
            text = word.text
            if text is None:
                self._unknown(at, f"it depends on something else what {base} is told")
                return
            if base != "deno" and not text.startswith("-"):
                return
            cluster = not text.startswith("--") and bool(short & set(text[1:]))
            if text.split("=", 1)[0] in inline or cluster:
                self._unknown(at, f"code in the line is given to {base}")
                return
            if base in {"python", "pypy"} and text == "-m":
                return

    def _eval(self, name: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        texts = [word.text for word in words[1:]]
        if None in texts or not texts:
            self._unknown(at, "it depends on something else what is evaluated")
        else:
            self._parse(" ".join(text for text in texts if text is not None), at.inside(name))
        return NOWHERE

    def _source(self, _: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        self._unknown(at, "commands of a file are run in this shell")
        self._keep(words, at)
        return NOWHERE

    def _trap(self, name: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        if len(words) > 1 and words[1].text is not None and words[1].text not in {"-", "", "-l"}:
            self._parse(words[1].text, at.inside(name))
        self._keep(words, at)
        return None

    def _alias(self, name: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        for word in words[1:]:
            if word.text is not None and "=" in word.text:
                self._parse(word.text.split("=", 1)[1], at.inside(name))
        if len(words) > 1:
            self._unknown(at, "an alias is defined in the line")
        else:
            self._keep(words, at)
        return None

    def _su(self, name: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        for option, value in zip(words[1:], words[2:], strict=False):
            if option.text in {"-c", "--command"} and value.text is not None:
                self._parse(value.text, at.inside(name))
        self._keep(words, at)
        return None

    # --- wrappers --------------------------------------------------------------------------

    def _wrapper(
        self,
        name: str,
        wrapper: Wrapper,
        rest: tuple[Word, ...],
        words: tuple[Word, ...],
        at: _Setting,
    ) -> Folders | None:
        if wrapper.kept:
            self._keep(words, at)
        start = self._skip_options(wrapper, rest, at)
        if start is None:
            return None
        rest = rest[start:]
        if any(word.text is None for word in rest[: wrapper.operands]):
            self._unknown(at, f"it depends on something else what {name} is told")
            return None
        rest = rest[wrapper.operands :]
        inner = at.inside(name)
        while wrapper.kept and rest and _ASSIGNMENT.fullmatch(rest[0].text or rest[0].raw):
            self._assigned(rest[0], inner)
            rest = rest[1:]
        if not rest:
            if not wrapper.kept and not (name == "exec" and len(words) == 1):
                self._keep(words, at)
            elif name == "exec":
                self._keep(words, at)
            return None
        if wrapper.shell_text:
            texts = [word.text for word in rest]
            if None in texts:
                self._unknown(at, f"it depends on something else what {name} runs")
            else:
                self._parse(" ".join(text for text in texts if text is not None), inner)
            return None
        moved = self._run(rest, inner)
        return moved if name in {"command", "builtin", "time", "noglob"} else None

    def _skip_options(
        self, wrapper: Wrapper, rest: Sequence[Word], at: _Setting
    ) -> int | None:
        index = 0
        while index < len(rest):
            text = rest[index].text
            if text is None or not text.startswith("-") or text == "-":
                break
            index += 1
            if text == "--":
                break
            if text in wrapper.valued:
                index += 1
            elif text in wrapper.flags or text.split("=", 1)[0] in wrapper.valued:
                continue
            elif any(text.startswith(option) and len(option) == 2 for option in wrapper.valued):  # noqa: PLR2004 - -n5
                continue
            elif text[1:].isdigit() and "-n" in wrapper.valued:
                continue
            elif not wrapper.understood:
                self._unknown(at, f"the option {text[:40]} of this wrapper is not followed")
                return None
        return index

    def _env(self, name: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        rest, inner = words[1:], at.inside(name)
        while rest:
            text = rest[0].text
            if text in {"-i", "-", "-v", "--ignore-environment", "--debug"}:
                rest = rest[1:]
            elif text in {"-u", "--unset"}:
                rest = rest[2:]
            elif text is not None and text.startswith(("--unset=", "-u")):
                rest = rest[1:]
            elif text is not None and text.startswith("-"):
                self._unknown(at, "this option of env is not followed")
                return None
            elif self._assigned(rest[0], inner):
                rest = rest[1:]
            else:
                break
        if not rest:
            self._keep((literal(name),), at)
        else:
            self._run(rest, inner)
        return None

    def _xargs(self, name: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        index, null, placeholder = 1, False, ""
        while index < len(words):
            text = words[index].text
            if text is None or not text.startswith("-"):
                break
            null = null or text in {"-0", "--null"}
            index += 1
            if text in {"-I", "-i", "-J"}:
                placeholder = (words[index].text or "") if index < len(words) else ""
                index += 1
            elif text.startswith("-I"):
                placeholder = text[2:]
            elif text in XARGS_VALUED:
                index += 1
            elif text not in XARGS_FLAGS and not re.fullmatch(r"-[nPLs]\d+|-[0rtx]+|--max-\w+=\d+", text):
                self._unknown(at, "this option of xargs is not followed")
                return None
            null = null or bool(re.fullmatch(r"-[0rtx]*0[0rtx]*", text))
        rest = words[index:] or (literal("echo"),)
        given = self._fed(at) if null else Word("(what is read)")
        if placeholder:
            rest = tuple(_filled(word, placeholder, given) for word in rest)
        else:
            rest = (*rest, given)
        self._run(rest, replace(at.inside(name), stdin=None))
        return None

    def _fed(self, at: _Setting) -> Word:
        """Return the word that stands for file names which find printed with NUL between them."""
        texts = [word.text for word in at.feeder]
        if texts[:1] == ["find"] and "-print0" in texts:
            roots = _find_roots(at.feeder)
            if roots is not None and len(roots) == 1:
                return Word("(files found)", glob=f"{roots[0]}/**")
        return Word("(what is read)")

    def _find(self, name: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        self._keep(words, at)
        roots = _find_roots(words)
        index = 1
        while index < len(words):
            option = words[index].text
            index += 1
            if option not in FIND_RUNS:
                continue
            end = next(
                (i for i in range(index, len(words)) if words[i].text in {";", "+"}), None
            )
            if end is None or end == index:
                self._unknown(at, "the command that find runs has no clear end")
                return None
            one = len(roots) == 1 if roots else False
            here = roots[0] if roots and one else None
            found = Word("{}", glob=f"{here}/**") if here is not None else Word("{}")
            command = tuple(_filled(word, "{}", found) for word in words[index:end])
            inner = at.inside(name)
            if option in {"-execdir", "-okdir"}:
                inner = replace(inner, folders=NOWHERE)
            self._run(command, replace(inner, stdin=None, has_stdin=False))
            index = end + 1
        return None

    # --- programs with options before their subcommand ---------------------------------------

    def _git(self, name: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        index = 1
        while index < len(words):
            text = words[index].text
            if text is None or not text.startswith("-"):
                break
            if text == "-C" and index + 1 < len(words):
                at = replace(at, folders=_moved(at.folders, words[index + 1]))
                index += 2
            elif text in GIT_FLAGS:
                index += 1
            elif text == "-c" and index + 1 < len(words):
                self._git_setting(words[index + 1], at)
                index += 2
            else:
                if text not in {"--version", "--help", "-h", "-v"}:
                    self._unknown(at, f"git's option {text[:40]} is not followed")
                break
        self._keep((literal(name), *words[index:]), at)
        return None

    def _git_setting(self, word: Word, at: _Setting) -> None:
        text = word.text
        if text is not None and text.lower().startswith(GIT_HARMLESS):
            return
        self._unknown(at, "a git setting in the line can run programs")
        if text is not None and "=!" in text:
            self._parse(text.split("=!", 1)[1], at.inside("git"))

    def _make(self, name: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        return self._moved_options(name, words, at, frozenset({"-C", "--directory"}))

    def _folder_options(self, name: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        if name in RUNNERS and len(words) > 1 and words[1].text in RUNNERS[name][0]:
            return self._wrapper(name, RUNNERS[name][1], words[2:], words, at)
        return self._moved_options(name, words, at, frozenset({"-C", "--prefix", "--dir", "--cwd"}))

    def _cargo(self, name: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        if len(words) > 1 and (words[1].text or "").startswith("+"):
            words = (words[0], *words[2:])
        return self._moved_options(name, words, at, frozenset())

    def _moved_options(
        self, name: str, words: tuple[Word, ...], at: _Setting, options: frozenset[str]
    ) -> Folders | None:
        kept: list[Word] = [literal(name)]
        index = 1
        while index < len(words):
            text = words[index].text or ""
            if text in options and index + 1 < len(words):
                at = replace(at, folders=_moved(at.folders, words[index + 1]))
                index += 2
            elif text.split("=", 1)[0] in options and "=" in text:
                at = replace(at, folders=_moved(at.folders, literal(text.split("=", 1)[1])))
                index += 1
            else:
                kept.append(words[index])
                index += 1
        self._keep(tuple(kept), at)
        return None

    # --- folders ---------------------------------------------------------------------------

    def _cd(self, _: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        rest = [word for word in words[1:] if word.text not in {"--", "-P", "-L"}]
        self._keep((literal("cd"), *rest), at)
        if len(rest) != 1 or rest[0].text is None or rest[0].text.startswith(("-", "+")):
            return NOWHERE
        return _moved(at.folders, rest[0])

    def _moved(self, _: str, words: tuple[Word, ...], at: _Setting) -> Folders | None:
        self._keep(words, at)
        return NOWHERE


def _moved(folders: Folders, to: Word) -> Folders:
    if to.text is None:
        return NOWHERE
    return tuple(
        (*folder, to) if folder is not None and len(folder) < _MAX_COMMANDS else None
        for folder in folders
    )


def _filled(word: Word, placeholder: str, value: Word) -> Word:
    """Put what is found into a word of the command."""
    if word.text is None or placeholder not in word.text:
        return word
    return value if word.text == placeholder else Word(word.raw)


def _find_roots(words: tuple[Word, ...]) -> list[str] | None:
    """Return where find starts; None when that is not certain."""
    roots: list[str] = []
    for word in words[1:]:
        if word.text is None or word.tilde:
            return None
        if word.text in {"-H", "-L", "-P"} and not roots:
            continue
        if word.text.startswith(("-", "(", "!")):
            break
        if any(char in word.text for char in "*?["):
            return None
        roots.append(word.text.rstrip("/") or "/")
    return roots or ["."]
