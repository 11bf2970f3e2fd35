"""Judging paths: what a command or a patch reads, changes, moves, or takes in with a folder.

Reads the disk to see where paths are, keeps nothing. `judging` builds on it; `verdicts` says what a
rule or the mode gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from autopilot_ls.model.approvals import Mode, Outcome
from autopilot_ls.policy.effects import Effect, EffectKind
from autopilot_ls.policy.index import PathIndex
from autopilot_ls.policy.paths import NEUTRAL, Place, exists, has_other_names
from autopilot_ls.policy.patterns import PathPatterns
from autopilot_ls.policy.rules import ChangeName, Rule
from autopilot_ls.policy.shell import Folder, Part, PartKind
from autopilot_ls.policy.trees import Reach, becomes_protected, holds_protected, protected_below
from autopilot_ls.policy.verdicts import PartVerdict, Verdicts

_DESCRIPTOR: Final = re.compile(r"/dev/fd/\d+")
_LEAVE_OUT: Final = (
    " Leave it out of the search, or use rg or git grep, which skip what git ignores."
)


class FileJudge(Verdicts):
    """Judges the paths of one action."""

    def effect(self, effect: Effect, part: Part, cwd: str) -> Iterator[PartVerdict]:
        """Judge one path, or host, that a part of a command has to do with."""
        text = effect.word.text
        # Only programs take `-` for their input or output; to a redirection it is a file's name.
        is_file = text == "-" and part.kind is not PartKind.COMMAND
        if text is not None and not is_file and (text in NEUTRAL or _DESCRIPTOR.fullmatch(text)):
            return
        for folder in part.folders:
            places = self.at.places(self.at.folder(cwd, folder), effect.word)
            shown = f"{effect.kind.value} {text if text is not None else effect.word.raw}"
            if effect.source is not None:
                yield from self._renames(effect, shown, folder, places, cwd)
                continue
            reach = effect.reach or (Reach() if effect.word.tree else None)
            if reach is not None and places is not None:
                yield from self._below(effect, reach, places)
            match effect.kind:
                case EffectKind.READ:
                    yield from self._reads(shown, places)
                case EffectKind.TOUCH:
                    if places is not None:
                        yield from self._touches(shown, places)
                case EffectKind.DELETE:
                    yield from self.edits(shown, places, "delete")
                case _:
                    yield from self.edits(shown, places, None)

    def _below(
        self, effect: Effect, reach: Reach, places: Sequence[Place]
    ) -> Iterator[PartVerdict]:
        """Judge what is protected in the folders that a command takes in."""
        reads = effect.kind is EffectKind.READ
        name = (effect.word.glob or "").partition("/**/")[2] if effect.word.tree else ""
        if name:
            reach = reach._replace(names=(name,))
        protecting = self._protecting(self.index.reads if reads else self.index.edits)
        for place in places:
            found, known = protected_below(
                place.real, protecting, self.at, reach, changes=not reads
            )
            for one in found:
                shown = f"{effect.kind.value} {self.at.shown(one)}"
                if reads:
                    for verdict in self._reads(shown, [one]):
                        hint = _LEAVE_OUT if reach.plain else ""
                        yield replace(verdict, reason=f"{verdict.reason}{hint}")
                elif effect.kind is EffectKind.TOUCH:
                    yield from self._touches(shown, [one])
                else:
                    yield from self.edits(shown, [one], None)
            if not known:
                shown = f"{effect.kind.value} {self.at.shown(place)}"
                yield self.default(
                    shown, "The folder is too large to tell what it holds.", changes=not reads
                )

    def _protecting(self, index: PathIndex) -> list[PathPatterns]:
        rules = [rule for rule in index.rules if not rule.allows and self.holds(rule)]
        return [one for rule in rules if (one := rule.edit or rule.read) is not None]

    def _renames(
        self, effect: Effect, shown: str, folder: Folder, places: Sequence[Place] | None, cwd: str
    ) -> Iterator[PartVerdict]:
        """Judge the names that files get by being moved or copied with their folder."""
        sources = effect.source and self.at.places(self.at.folder(cwd, folder), effect.source)
        protecting = self._protecting(self.index.edits)
        for source in sources or ():
            name = source.written.rsplit("/", 1)[-1]
            for place in places or ():
                for target in (place.real, f"{place.real.rstrip('/')}/{name}"):
                    inner = self.at.beneath(target)
                    if any(one.touches(inner) for one in protecting):
                        yield from self.edits(shown, [inner], None)
                    elif becomes_protected(source, target, self.at, protecting):
                        reason = "What it holds would be protected there, or is too much to tell."
                        yield self.default(shown, reason, changes=True)

    def _reads(self, shown: str, places: Sequence[Place] | None) -> Iterator[PartVerdict]:
        if places is None:
            yield self.default(shown, "It is not known which file is read.")
            return
        for place in places:
            rule = self.strongest_of(
                self.index.reads.of(place),
                lambda rule, at=place: _path_matches(rule.read, rule, at),
            )
            if rule is not None:
                yield self.by_rule(shown, rule)
            elif place.inside:
                yield PartVerdict(
                    shown, Outcome.ALLOW, "inside", "mode", "It reads inside the workspace."
                )
            else:
                yield self.default(shown, "It reads outside the workspace.")

    def _touches(self, shown: str, places: Sequence[Place]) -> Iterator[PartVerdict]:
        """Judge words of a program not known here, which could be paths that it reads or writes."""
        for place in places:
            rule = self.strongest_of(
                self.index.edits.of(place),
                lambda rule, at=place: not rule.allows and _path_matches(rule.edit, rule, at),
            )
            if rule is not None:
                yield self.by_rule(shown, rule)
            elif not place.inside:
                readable = self.strongest_of(
                    self.index.reads.of(place),
                    lambda rule, at=place: _path_matches(rule.read, rule, at),
                )
                if readable is not None:
                    yield self.by_rule(shown, readable)
                else:
                    yield self.default(shown, "It reaches outside the workspace.")

    def edits(
        self, shown: str, places: Sequence[Place] | None, kind: ChangeName | None
    ) -> Iterator[PartVerdict]:
        """Judge a change.

        Args:
            shown: What to show.
            places: What is changed, None when that is not known.
            kind: How; None when it depends on what is there.
        """
        if places is None:
            yield self.default(shown, "It is not known which file is changed.", changes=True)
            return
        for place in places:
            yield self._edit(shown, place, kind or ("update" if exists(place.real) else "add"))

    def _edit(self, shown: str, place: Place, kind: ChangeName) -> PartVerdict:
        def of_kind(rule: Rule) -> bool:
            return not rule.kinds or kind in rule.kinds

        rule = self.strongest_of(
            self.index.edits.of(place),
            lambda rule: of_kind(rule) and _path_matches(rule.edit, rule, place),
        )
        if self.mode is Mode.READ_ONLY and (rule is None or rule.outcome is not Outcome.DENY):
            return self.default(shown, "It changes a file.", changes=True)
        if rule is not None and not rule.allows:
            return self.by_rule(shown, rule, changes=True)
        if place.real == self.at.real and kind in {"delete", "rename"}:
            return self.default(shown, "It takes the whole workspace away.", changes=True)
        takes_away = kind in {"delete", "rename"}
        if takes_away and holds_protected(self.at, place, self._protecting(self.index.edits)):
            reason = "The folder is large, or holds something that is protected."
            return self.default(shown, reason, changes=True)
        if has_other_names(place.written) or has_other_names(place.real):
            return self.default(
                shown, "The file has another name elsewhere (hard link).", changes=True
            )
        if rule is not None:
            return self.by_rule(shown, rule, changes=True)
        where = "It changes a file." if place.inside else "It changes a file outside the workspace."
        return self.default(shown, where, changes=True)


def _path_matches(patterns: PathPatterns | None, rule: Rule, place: Place) -> bool:
    if patterns is None:
        return False
    return patterns.covers(place) if rule.allows else patterns.touches(place)
