"""Taking the command out of what runs it: shells, wrappers, xargs, find, git's options and more.

What cannot be taken apart with certainty becomes an unknown part. Wrappers that only run a command
disappear from the parts; those that change what it may do (sudo) stay as a part of their own.
`runners` and `options` are its halves; `commands` stands above.
"""

from __future__ import annotations

from collections.abc import Callable

from autopilot_ls.policy.shell.flow import Folders
from autopilot_ls.policy.shell.options import Options
from autopilot_ls.policy.shell.parts import MAX_DEPTH, NOWHERE, Collector
from autopilot_ls.policy.shell.runners import Runners
from autopilot_ls.policy.shell.unwrapping import Setting, interpreter_name, program_name
from autopilot_ls.policy.shell.words import Word
from autopilot_ls.policy.shell.wrappers import (
    INTERPRETERS,
    OTHER_SHELLS,
    RUNNERS,
    SHELLS,
    WRAPPERS,
)

__all__ = ["Unwrapper", "interpreter_name", "program_name"]


class Unwrapper(Runners, Options):
    """Adds the parts of one simple command."""

    def __init__(self, collector: Collector, depth: int) -> None:
        super().__init__(collector, depth)
        self._special: dict[str, Callable[[str, tuple[Word, ...], Setting], Folders | None]] = {
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
        return self._run(words, Setting(source, folders, via, stdin, has_stdin, feeder))

    def _run(self, words: tuple[Word, ...], at: Setting) -> Folders | None:  # noqa: PLR0911 - one return for each kind of program
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
        if (
            name in RUNNERS
            and tuple(w.text for w in words[1 : 1 + len(RUNNERS[name][0])]) == (RUNNERS[name][0])
        ):
            skip = 1 + len(RUNNERS[name][0])
            return self._wrapper(name, RUNNERS[name][1], words[skip:], words, at)
        if base in INTERPRETERS or name in OTHER_SHELLS:
            self._interpreter(base, words, at)
        self._keep(words, at)
        return None
