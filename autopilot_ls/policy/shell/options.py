"""Programs with options before their subcommand, and folders: git, make, npm, cargo, cd.

`unwrap` builds on this, `unwrapping` stands below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from autopilot_ls.policy.shell.flow import Folders
from autopilot_ls.policy.shell.parts import NOWHERE, Part, PartKind
from autopilot_ls.policy.shell.unwrapping import Setting, Unwrapping
from autopilot_ls.policy.shell.words import Word, literal
from autopilot_ls.policy.shell.wrappers import GIT_FLAGS, GIT_HARMLESS, RUNNERS

_MAX_COMMANDS: Final = 8
_TOOLCHAIN: Final = re.compile(r"\+(?:stable|beta|nightly|\d[\d.]*)(?:-\d{4}-\d\d-\d\d)?")


class Options(Unwrapping):
    """Takes the options that stand before a subcommand away."""

    def _git(self, name: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        index = 1
        begun, entered = at, list[Word]()
        while index < len(words):
            text = words[index].text
            if text is None or not text.startswith("-"):
                break
            if text == "-C" and index + 1 < len(words):
                at = replace(at, folders=moved_folders(at.folders, words[index + 1]))
                entered.append(words[index + 1])
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
        self._enter(entered, begun)
        return None

    def _enter(self, folders: Iterable[Word], at: Setting) -> None:
        """Add the folders that a program goes to, one after the other: going there counts as reading."""
        for folder in folders:
            self._collector.add(
                Part(PartKind.READ, at.source, (folder,), via=at.via, folders=at.folders)
            )
            at = replace(at, folders=moved_folders(at.folders, folder))

    def _git_setting(self, word: Word, at: Setting) -> None:
        text = word.text
        if text is not None and text.lower().startswith(GIT_HARMLESS):
            return
        self._unknown(at, "a git setting in the line can run programs")
        if text is not None and "=!" in text:
            self._parse(text.split("=!", 1)[1], at.inside("git"))

    def _make(self, name: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        return self._moved_options(name, words, at, frozenset({"-C", "--directory"}))

    def _folder_options(self, name: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        if name in RUNNERS and len(words) > 1 and words[1].text in RUNNERS[name][0]:
            return self._wrapper(name, RUNNERS[name][1], words[2:], words, at)
        return self._moved_options(name, words, at, frozenset({"-C", "--prefix", "--dir", "--cwd"}))

    def _cargo(self, name: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        if len(words) > 1 and _TOOLCHAIN.fullmatch(words[1].text or ""):
            words = (words[0], *words[2:])
        return self._moved_options(name, words, at, frozenset())

    def _moved_options(
        self, name: str, words: tuple[Word, ...], at: Setting, options: frozenset[str]
    ) -> Folders | None:
        kept: list[Word] = [literal(name)]
        begun, entered = at, list[Word]()
        index = 1
        while index < len(words):
            text = words[index].text or ""
            if text in options and index + 1 < len(words):
                entered.append(words[index + 1])
                index += 2
            elif text.split("=", 1)[0] in options and "=" in text:
                entered.append(literal(text.split("=", 1)[1]))
                index += 1
            else:
                kept.append(words[index])
                index += 1
        for folder in entered:
            at = replace(at, folders=moved_folders(at.folders, folder))
        self._keep(tuple(kept), at)
        self._enter(entered, begun)
        return None

    def _cd(self, _: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        rest = [word for word in words[1:] if word.text not in {"--", "-P", "-L"}]
        self._keep((literal("cd"), *rest), at)
        if len(rest) != 1 or rest[0].text is None or rest[0].text.startswith(("-", "+")):
            return NOWHERE
        return moved_folders(at.folders, rest[0])

    def _moved(self, _: str, words: tuple[Word, ...], at: Setting) -> Folders | None:
        self._keep(words, at)
        return NOWHERE


def moved_folders(folders: Folders, to: Word) -> Folders:
    """Return where a `cd` from any of the folders leads to."""
    if to.text is None:
        return NOWHERE
    return tuple(
        (*folder, to) if folder is not None and len(folder) < _MAX_COMMANDS else None
        for folder in folders
    )
