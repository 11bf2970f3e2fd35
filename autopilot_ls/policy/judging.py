"""Judging one action part by part against indexed rules.

`Judge` is made for one action: it asks the rules about each part and gathers what each of them gets.
It puts nothing together: `policy` takes the most cautious. Reads the disk to see where paths are,
keeps nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from autopilot_ls.model.approvals import (
    ChangeKind,
    CommandAction,
    Mode,
    Outcome,
    PatchAction,
    ToolAction,
)
from autopilot_ls.policy.effects import Effect, EffectKind, effects
from autopilot_ls.policy.index import Index, PathIndex
from autopilot_ls.policy.paths import (
    NEUTRAL,
    Place,
    Workspace,
    exists,
    has_other_names,
    is_from_workspace,
)
from autopilot_ls.policy.patterns import PathPatterns, of_workspaces
from autopilot_ls.policy.programs import SHELL_BUILTINS
from autopilot_ls.policy.rules import ChangeName, Risk, Rule, matches_name, program_names
from autopilot_ls.policy.scripts import problem as script_problem
from autopilot_ls.policy.shell import Folder, Part, PartKind, parse
from autopilot_ls.policy.shell.expansions import is_secret
from autopilot_ls.policy.shell.words import literal
from autopilot_ls.policy.trees import Reach, becomes_protected, holds_protected, protected_below

_DESCRIPTOR: Final = re.compile(r"/dev/fd/\d+")
_LEAVE_OUT: Final = (
    " Leave it out of the search, or use rg or git grep, which skip what git ignores."
)
_RANK: Final = {Outcome.ALLOW: 1, Outcome.ASK: 3, Outcome.DENY: 5}


@dataclass(frozen=True, slots=True)
class PartVerdict:
    """What one part of an action gets.

    Attributes:
        part: The part's text.
        rule: The rule that decided; the mode's own name when none did.
        source: Where that rule stands: `mode`, `session grant`, or a file with its line.
        reason: One sentence for a person.
        hard: A *deny* that nothing outweighs, or an *ask* that no grant lifts.
        by_default: No rule spoke: a grant or an exact line may lift it.
        changes: Whether the part changes files.
    """

    part: str
    outcome: Outcome
    rule: str
    source: str
    reason: str
    risk: Risk = "low"
    hard: bool = False
    by_default: bool = False
    changes: bool = False

    @property
    def rank(self) -> int:
        """How cautious it is; the highest of all parts decides."""
        return _RANK[self.outcome] + self.hard


def rank(rule: Rule) -> int:
    """Return how cautious a rule is."""
    return _RANK[rule.outcome] + rule.hard


def strongest(rules: Iterable[Rule]) -> Rule | None:
    """Return the most cautious rule, the first among equals."""
    best: Rule | None = None
    for rule in rules:
        if best is None or rank(rule) > rank(best):
            best = rule
    return best


class Judge:
    """Judges the parts of one action."""

    def __init__(
        self,
        index: Index,
        mode: Mode,
        workspace: Path,
        *,
        escalated: bool,
        search_path: str | None = None,
    ) -> None:
        """Create a judge.

        Args:
            index: The rules in force.
            mode: The session's mode.
            workspace: The session's folder.
            escalated: Whether the action asks to leave the sandbox.
            search_path: The PATH that commands are run with; this process's own when omitted.
        """
        self._index = index
        self._mode = mode
        self._at = Workspace(workspace, search_path)
        self._escalated = escalated
        self._found: list[PartVerdict] = []

    # --- gathering -------------------------------------------------------------------------

    def _holds(self, rule: Rule) -> bool:
        if not rule.holds_in(self._mode):
            return False
        if rule.workspace:
            patterns = of_workspaces(rule.workspace)
            place = self._at.place(self._at.root)
            if not (patterns.covers(place) if rule.allows else patterns.touches(place)):
                return False
        if rule.escalated and not rule.allows and not self._escalated:
            return False
        return not (
            rule.allows
            and self._escalated
            and not rule.escalated
            and (rule.commands or rule.lines or rule.environment)
        )

    def _by_rule(self, part: str, rule: Rule, *, changes: bool = False) -> PartVerdict:
        reason = rule.reason or f"The rule {rule.name} says {rule.outcome.value}."
        outcome = rule.outcome
        if outcome is Outcome.ASK and self._mode is Mode.READ_ONLY:
            outcome = Outcome.DENY
        if outcome is Outcome.ALLOW and self._mode is Mode.ESCALATE and rule.risk == "high":
            outcome = Outcome.ASK
            reason = f"{reason} The risk is high, so a person decides."
        risk = rule.risk or ("low" if outcome is Outcome.ALLOW else "high")
        source = f"{rule.source}:{rule.line}" if rule.line else rule.source
        return PartVerdict(
            part, outcome, rule.name, source, reason, risk, rule.hard, changes=changes
        )

    def _default(
        self, part: str, reason: str, *, changes: bool = False, hard: bool = False
    ) -> PartVerdict:
        if self._mode is Mode.READ_ONLY:
            told = f"{reason} The session is read-only."
            return PartVerdict(
                part,
                Outcome.DENY,
                "read-only",
                "mode",
                told,
                "high",
                by_default=True,
                changes=changes,
            )
        return PartVerdict(
            part, Outcome.ASK, self._mode.value, "mode", reason, "high", hard, True, changes
        )

    def _unmatched(self, part: str, reason: str) -> PartVerdict:
        """Return what a command gets that no rule allows: asking, but not for leaving the sandbox."""
        if not self._escalated:
            return self._default(part, reason)
        told = (
            "No command leaves the sandbox. Ask for the permissions that it needs instead "
            "(network, or folders to write to), and run it again inside."
        )
        return PartVerdict(part, Outcome.DENY, "sandbox", "mode", told, "high", by_default=True)

    def _rules(self, rules: Iterable[Rule], test: Callable[[Rule], bool]) -> Rule | None:
        return strongest(rule for rule in rules if test(rule) and self._holds(rule))

    # --- actions ---------------------------------------------------------------------------

    def command(self, action: CommandAction) -> list[PartVerdict]:
        """Judge a command."""
        found: list[PartVerdict] = []
        shown = action.command[:200]
        if action.types_input:
            found.append(self._default(shown, "It is typed into a program that runs."))
            return found
        for part in parse(action.command):
            found += self._part(part, action.cwd)
        if not found:
            found.append(self._default(shown, "It runs nothing that a rule could judge."))
        elif not self._at.place(action.cwd).inside:
            found.append(self._default(shown, "It runs in a folder outside the workspace."))
        line = self._rules(self._index.lines_of(action.command), lambda rule: not rule.allows)
        if line is not None:
            found.append(self._by_rule(shown, line))
        if action.network_host is not None:
            found.append(self.host(action.network_host, action.network_host, needed=True))
        found += [self.permission(text) for text in action.permissions]
        return found

    def exact_line(self, action: CommandAction) -> PartVerdict | None:
        """Return the verdict of a rule that allows exactly this line, None when there is none."""
        if action.types_input or action.network_host is not None or action.permissions:
            return None
        if not self._at.place(action.cwd).inside:
            return None  # The same line does something else in another folder.
        rule = self._rules(self._index.lines_of(action.command), lambda rule: rule.allows)
        return None if rule is None else self._by_rule(action.command[:200], rule)

    def patch(self, action: PatchAction) -> list[PartVerdict]:
        """Judge changes of files, old and new path of each."""
        found: list[PartVerdict] = []
        for change in action.changes:
            kind: ChangeName = "rename" if change.move_to else _CHANGES[change.kind]
            for path in (change.path, change.move_to):
                if path is not None:
                    places = self._at.places(self._at.root, literal(path))
                    found += self._edits(path, places, kind)
        if not action.changes:
            found.append(self._default("patch", "The agent did not say what the patch changes."))
        if action.grant_root is not None:
            reason = "It asks to write below a folder without asking again."
            found.append(self._default(action.grant_root, reason, hard=True))
        return found

    def is_where_it_says(self, action: PatchAction) -> bool:
        """Tell whether no link leads from the paths of a patch to somewhere else."""
        paths = [p for change in action.changes for p in (change.path, change.move_to) if p]
        places = [self._at.place(os.path.normpath(os.path.join(self._at.root, p))) for p in paths]  # noqa: PTH118 - as text
        return all(
            len(place.relative) == 1 if place.inside else place.real == place.written
            for place in places
        )

    def tool(self, action: ToolAction) -> PartVerdict:
        """Judge the call of a tool."""
        name = f"{action.server}/{action.tool}"
        rule = self._rules(self._index.tools, lambda rule: matches_name(rule.tools, name))
        if rule is not None:
            return self._by_rule(name, rule)
        return self._default(name, "No rule allows this tool.")

    def permission(self, text: str) -> PartVerdict:
        """Judge a permission by its readable line."""
        rule = self._rules(
            self._index.permissions, lambda rule: matches_name(rule.permissions, text)
        )
        if rule is not None and not (rule.allows and self._mode is Mode.READ_ONLY):
            return self._by_rule(text, rule)
        return self._default(text, "It asks for a further permission.")

    def question(self, text: str) -> PartVerdict:
        """Judge a question: a rule can deny it, nothing can answer it."""
        rule = self._rules(self._index.questions, lambda rule: rule.outcome is Outcome.DENY)
        if rule is not None:
            return self._by_rule(text, rule)
        reason = "Only a person can answer a question."
        return PartVerdict(text, Outcome.ASK, "question", "mode", reason, hard=True)

    def host(self, host: str, part: str, *, needed: bool) -> PartVerdict:
        """Judge a connection.

        Args:
            host: The host's name.
            part: What to show.
            needed: Whether an *allow* is needed, or only not to be forbidden.
        """
        name = host.lower().rstrip(".")
        rule = self._rules(self._index.networks, lambda rule: matches_name(rule.network, name))
        if rule is not None and not (rule.allows and self._mode is Mode.READ_ONLY):
            return self._by_rule(part, rule)
        if needed:
            return self._default(part, f"No rule allows connections to {name}.")
        return PartVerdict(part, Outcome.ALLOW, "no-rule", "mode", "No rule is against it.")

    # --- parts of a command ----------------------------------------------------------------

    def _part(self, part: Part, cwd: str) -> Iterator[PartVerdict]:
        match part.kind:
            case PartKind.UNKNOWN:
                yield self._unmatched(part.source, f"Not understood: {part.note}.")
            case PartKind.COMMAND:
                yield from self._simple(part, cwd)
            case PartKind.ENVIRONMENT:
                yield self._variable(part, cwd)
            case PartKind.NETWORK:
                yield self.host(part.note, part.source, needed=True)
            case PartKind.READ:
                yield from self._effect(Effect(EffectKind.READ, part.words[0]), part, cwd)
            case PartKind.WRITE:
                yield from self._effect(Effect(EffectKind.WRITE, part.words[0]), part, cwd)

    def _simple(self, part: Part, cwd: str) -> Iterator[PartVerdict]:
        exact, loose = program_names(part.words)
        first = (part.words[1].text or "") if len(part.words) > 1 else ""
        matching = [
            rule
            for rule, pattern in self._index.commands_of(exact, loose, first)
            if rule.matches_command(part.words, pattern) and self._holds(rule)
        ]
        rule = strongest(matching)
        if self._escalated and rule is not None and rule.outcome is Outcome.ASK:
            # To ask is more than such a command gets by itself: only who speaks of it may say so.
            speaks = any(one.escalated and not one.narrowing for one in matching)
            rule = rule if speaks else None
        problem = script_problem(loose, part.words)
        secret = any(is_secret(name) for word in part.words for name in word.variables)
        if rule is not None and rule.allows and not (problem or secret):
            problem = self._foreign(exact, cwd)
        if rule is not None and rule.allows and (problem or secret):
            yield self._default(
                part.source, f"Not understood: {problem or 'it takes in a secret variable'}."
            )
        elif rule is not None:
            yield self._by_rule(part.source, rule)
        else:
            yield self._unmatched(part.source, "No rule is for this command.")
        for effect in effects(exact, part.words):
            yield from self._effect(effect, part, cwd)

    def _foreign(self, program: str, cwd: str) -> str:
        """Return why a program may not be what its name says, empty when it is.

        Where files may be changed, what the workspace brings along runs anyway: its tests, its tools.
        """
        if self._mode not in {Mode.READ_ONLY, Mode.PROPOSE} or program in SHELL_BUILTINS:
            return ""
        if is_from_workspace(program, cwd, self._at):
            return "the workspace has a program of this name on the PATH"
        return ""

    def _variable(self, part: Part, cwd: str) -> PartVerdict:
        name = part.note
        rule = self._rules(
            self._index.environments,
            lambda rule: matches_name(rule.environment, name),
        )
        if rule is None:
            return self._unmatched(part.source, f"No rule is for the variable {name}.")
        if rule.allows and name.endswith("PATH"):
            value = part.words[0].text if part.words else None
            for folder in part.folders:
                here = self._at.folder(cwd, folder)
                places = [
                    self._at.places(here, literal(piece or "."))
                    for piece in (value.split(":") if value is not None else [])
                ]
                if not places or any(not p or not p[0].inside for p in places):
                    reason = f"{name} leads outside the workspace."
                    return self._default(part.source, reason)
        return self._by_rule(part.source, rule)

    def _effect(self, effect: Effect, part: Part, cwd: str) -> Iterator[PartVerdict]:
        if effect.kind is EffectKind.NETWORK:
            yield self.host(effect.word.text or "?", part.source, needed=False)
            return
        text = effect.word.text
        # Only programs take `-` for their input or output; to a redirection it is a file's name.
        is_file = text == "-" and part.kind is not PartKind.COMMAND
        if text is not None and not is_file and (text in NEUTRAL or _DESCRIPTOR.fullmatch(text)):
            return
        for folder in part.folders:
            places = self._at.places(self._at.folder(cwd, folder), effect.word)
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
                    yield from self._edits(shown, places, "delete")
                case _:
                    yield from self._edits(shown, places, None)

    def _below(
        self, effect: Effect, reach: Reach, places: Sequence[Place]
    ) -> Iterator[PartVerdict]:
        """Judge what is protected in the folders that a command takes in."""
        reads = effect.kind is EffectKind.READ
        name = (effect.word.glob or "").partition("/**/")[2] if effect.word.tree else ""
        if name:
            reach = reach._replace(names=(name,))
        protecting = self._protecting(self._index.reads if reads else self._index.edits)
        for place in places:
            found, known = protected_below(
                place.real, protecting, self._at, reach, changes=not reads
            )
            for one in found:
                shown = f"{effect.kind.value} {self._at.shown(one)}"
                if reads:
                    for verdict in self._reads(shown, [one]):
                        hint = _LEAVE_OUT if reach.plain else ""
                        yield replace(verdict, reason=f"{verdict.reason}{hint}")
                elif effect.kind is EffectKind.TOUCH:
                    yield from self._touches(shown, [one])
                else:
                    yield from self._edits(shown, [one], None)
            if not known:
                shown = f"{effect.kind.value} {self._at.shown(place)}"
                yield self._default(
                    shown, "The folder is too large to tell what it holds.", changes=not reads
                )

    def _protecting(self, index: PathIndex) -> list[PathPatterns]:
        rules = [rule for rule in index.rules if not rule.allows and self._holds(rule)]
        return [one for rule in rules if (one := rule.edit or rule.read) is not None]

    def _renames(
        self, effect: Effect, shown: str, folder: Folder, places: Sequence[Place] | None, cwd: str
    ) -> Iterator[PartVerdict]:
        """Judge the names that files get by being moved or copied with their folder."""
        sources = effect.source and self._at.places(self._at.folder(cwd, folder), effect.source)
        protecting = self._protecting(self._index.edits)
        for source in sources or ():
            name = source.written.rsplit("/", 1)[-1]
            for place in places or ():
                for target in (place.real, f"{place.real.rstrip('/')}/{name}"):
                    inner = self._at.beneath(target)
                    if any(one.touches(inner) for one in protecting):
                        yield from self._edits(shown, [inner], None)
                    elif becomes_protected(source, target, self._at, protecting):
                        reason = "What it holds would be protected there, or is too much to tell."
                        yield self._default(shown, reason, changes=True)

    def _reads(self, shown: str, places: Sequence[Place] | None) -> Iterator[PartVerdict]:
        if places is None:
            yield self._default(shown, "It is not known which file is read.")
            return
        for place in places:
            rule = self._rules(
                self._index.reads.of(place),
                lambda rule, at=place: _path_matches(rule.read, rule, at),
            )
            if rule is not None:
                yield self._by_rule(shown, rule)
            elif place.inside:
                yield PartVerdict(
                    shown, Outcome.ALLOW, "inside", "mode", "It reads inside the workspace."
                )
            else:
                yield self._default(shown, "It reads outside the workspace.")

    def _touches(self, shown: str, places: Sequence[Place]) -> Iterator[PartVerdict]:
        """Judge words of a program not known here, which could be paths that it reads or writes."""
        for place in places:
            rule = self._rules(
                self._index.edits.of(place),
                lambda rule, at=place: not rule.allows and _path_matches(rule.edit, rule, at),
            )
            if rule is not None:
                yield self._by_rule(shown, rule)
            elif not place.inside:
                readable = self._rules(
                    self._index.reads.of(place),
                    lambda rule, at=place: _path_matches(rule.read, rule, at),
                )
                if readable is not None:
                    yield self._by_rule(shown, readable)
                else:
                    yield self._default(shown, "It reaches outside the workspace.")

    def _edits(
        self, shown: str, places: Sequence[Place] | None, kind: ChangeName | None
    ) -> Iterator[PartVerdict]:
        if places is None:
            yield self._default(shown, "It is not known which file is changed.", changes=True)
            return
        for place in places:
            yield self._edit(shown, place, kind or ("update" if exists(place.real) else "add"))

    def _edit(self, shown: str, place: Place, kind: ChangeName) -> PartVerdict:
        def of_kind(rule: Rule) -> bool:
            return not rule.kinds or kind in rule.kinds

        rule = self._rules(
            self._index.edits.of(place),
            lambda rule: of_kind(rule) and _path_matches(rule.edit, rule, place),
        )
        if self._mode is Mode.READ_ONLY and (rule is None or rule.outcome is not Outcome.DENY):
            return self._default(shown, "It changes a file.", changes=True)
        if rule is not None and not rule.allows:
            return self._by_rule(shown, rule, changes=True)
        if place.real == self._at.real and kind in {"delete", "rename"}:
            return self._default(shown, "It takes the whole workspace away.", changes=True)
        takes_away = kind in {"delete", "rename"}
        if takes_away and holds_protected(self._at, place, self._protecting(self._index.edits)):
            reason = "The folder is large, or holds something that is protected."
            return self._default(shown, reason, changes=True)
        if has_other_names(place.written) or has_other_names(place.real):
            return self._default(
                shown, "The file has another name elsewhere (hard link).", changes=True
            )
        if rule is not None:
            return self._by_rule(shown, rule, changes=True)
        where = "It changes a file." if place.inside else "It changes a file outside the workspace."
        return self._default(shown, where, changes=True)


_CHANGES: Final[dict[ChangeKind, ChangeName]] = {
    ChangeKind.ADD: "add",
    ChangeKind.UPDATE: "update",
    ChangeKind.DELETE: "delete",
}


def _path_matches(patterns: PathPatterns | None, rule: Rule, place: Place) -> bool:
    if patterns is None:
        return False
    return patterns.covers(place) if rule.allows else patterns.touches(place)
