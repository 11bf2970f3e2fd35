"""Judging one action part by part against indexed rules.

`Judge` is made for one action: it asks the rules about each part and gathers what each of them gets.
It puts nothing together: `policy` takes the most cautious. Reads the disk to see where paths are,
keeps nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
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
from autopilot_ls.policy.file_judging import FileJudge
from autopilot_ls.policy.paths import is_from_workspace
from autopilot_ls.policy.programs import SHELL_BUILTINS
from autopilot_ls.policy.rules import ChangeName, matches_name, program_names
from autopilot_ls.policy.scripts import problem as script_problem
from autopilot_ls.policy.shell import Part, PartKind, parse
from autopilot_ls.policy.shell.expansions import is_secret
from autopilot_ls.policy.shell.words import literal
from autopilot_ls.policy.verdicts import PartVerdict, strongest


class Judge(FileJudge):
    """Judges the parts of one action."""

    # --- actions ---------------------------------------------------------------------------

    def command(self, action: CommandAction) -> list[PartVerdict]:
        """Judge a command."""
        found: list[PartVerdict] = []
        shown = action.command[:200]
        if action.types_input:
            found.append(self.default(shown, "It is typed into a program that runs."))
            return found
        for part in parse(action.command):
            found += self._part(part, action.cwd)
        if not found:
            found.append(self.default(shown, "It runs nothing that a rule could judge."))
        elif not self.at.place(action.cwd).inside:
            found.append(self.default(shown, "It runs in a folder outside the workspace."))
        line = self.strongest_of(self.index.lines_of(action.command), lambda rule: not rule.allows)
        if line is not None:
            found.append(self.by_rule(shown, line))
        if action.network_host is not None:
            found.append(self.host(action.network_host, action.network_host, needed=True))
        found += [self.permission(text) for text in action.permissions]
        return found

    def exact_line(self, action: CommandAction) -> PartVerdict | None:
        """Return the verdict of a rule that allows exactly this line, None when there is none."""
        if action.types_input or action.network_host is not None or action.permissions:
            return None
        if not self.at.place(action.cwd).inside:
            return None  # The same line does something else in another folder.
        rule = self.strongest_of(self.index.lines_of(action.command), lambda rule: rule.allows)
        return None if rule is None else self.by_rule(action.command[:200], rule)

    def patch(self, action: PatchAction) -> list[PartVerdict]:
        """Judge changes of files, old and new path of each."""
        found: list[PartVerdict] = []
        for change in action.changes:
            kind: ChangeName = "rename" if change.move_to else _CHANGES[change.kind]
            for path in (change.path, change.move_to):
                if path is not None:
                    places = self.at.places(self.at.root, literal(path))
                    found += self.edits(path, places, kind)
        if not action.changes:
            found.append(self.default("patch", "The agent did not say what the patch changes."))
        if action.grant_root is not None:
            reason = "It asks to write below a folder without asking again."
            found.append(self.default(action.grant_root, reason, hard=True))
        return found

    def is_where_it_says(self, action: PatchAction) -> bool:
        """Tell whether no link leads from the paths of a patch to somewhere else."""
        paths = [p for change in action.changes for p in (change.path, change.move_to) if p]
        places = [self.at.place(os.path.normpath(os.path.join(self.at.root, p))) for p in paths]  # noqa: PTH118 - as text
        return all(
            len(place.relative) == 1 if place.inside else place.real == place.written
            for place in places
        )

    def tool(self, action: ToolAction) -> PartVerdict:
        """Judge the call of a tool."""
        name = f"{action.server}/{action.tool}"
        rule = self.strongest_of(self.index.tools, lambda rule: matches_name(rule.tools, name))
        if rule is not None:
            return self.by_rule(name, rule)
        return self.default(name, "No rule allows this tool.")

    def permission(self, text: str) -> PartVerdict:
        """Judge a permission by its readable line."""
        rule = self.strongest_of(
            self.index.permissions, lambda rule: matches_name(rule.permissions, text)
        )
        if rule is not None and not (rule.allows and self.mode is Mode.READ_ONLY):
            return self.by_rule(text, rule)
        return self.default(text, "It asks for a further permission.")

    def question(self, text: str) -> PartVerdict:
        """Judge a question: a rule can deny it, nothing can answer it."""
        rule = self.strongest_of(self.index.questions, lambda rule: rule.outcome is Outcome.DENY)
        if rule is not None:
            return self.by_rule(text, rule)
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
        rule = self.strongest_of(self.index.networks, lambda rule: matches_name(rule.network, name))
        if rule is not None and not (rule.allows and self.mode is Mode.READ_ONLY):
            return self.by_rule(part, rule)
        if needed:
            return self.default(part, f"No rule allows connections to {name}.")
        return PartVerdict(part, Outcome.ALLOW, "no-rule", "mode", "No rule is against it.")

    # --- parts of a command ----------------------------------------------------------------

    def _part(self, part: Part, cwd: str) -> Iterator[PartVerdict]:
        match part.kind:
            case PartKind.UNKNOWN:
                yield self.unmatched(part.source, f"Not understood: {part.note}.")
            case PartKind.COMMAND:
                yield from self._simple(part, cwd)
            case PartKind.ENVIRONMENT:
                yield self._variable(part, cwd)
            case PartKind.NETWORK:
                yield self.host(part.note, part.source, needed=True)
            case PartKind.READ:
                yield from self.effect(Effect(EffectKind.READ, part.words[0]), part, cwd)
            case PartKind.WRITE:
                yield from self.effect(Effect(EffectKind.WRITE, part.words[0]), part, cwd)

    def _simple(self, part: Part, cwd: str) -> Iterator[PartVerdict]:
        exact, loose = program_names(part.words)
        first = (part.words[1].text or "") if len(part.words) > 1 else ""
        matching = [
            rule
            for rule, pattern in self.index.commands_of(exact, loose, first)
            if rule.matches_command(part.words, pattern) and self.holds(rule)
        ]
        rule = strongest(matching)
        if self.escalated and rule is not None and rule.outcome is Outcome.ASK:
            # To ask is more than such a command gets by itself: only who speaks of it may say so.
            speaks = any(one.escalated and not one.narrowing for one in matching)
            rule = rule if speaks else None
        problem = script_problem(loose, part.words)
        secret = any(is_secret(name) for word in part.words for name in word.variables)
        if rule is not None and rule.allows and not (problem or secret):
            problem = self._foreign(exact, cwd)
        if rule is not None and rule.allows and (problem or secret):
            yield self.default(
                part.source, f"Not understood: {problem or 'it takes in a secret variable'}."
            )
        elif rule is not None:
            yield self.by_rule(part.source, rule)
        else:
            yield self.unmatched(part.source, "No rule is for this command.")
        for effect in effects(exact, part.words):
            yield from self._effect(effect, part, cwd)

    def _foreign(self, program: str, cwd: str) -> str:
        """Return why a program may not be what its name says, empty when it is.

        Where files may be changed, what the workspace brings along runs anyway: its tests, its tools.
        """
        if self.mode not in {Mode.READ_ONLY, Mode.PROPOSE} or program in SHELL_BUILTINS:
            return ""
        if is_from_workspace(program, cwd, self.at):
            return "the workspace has a program of this name on the PATH"
        return ""

    def _variable(self, part: Part, cwd: str) -> PartVerdict:
        name = part.note
        rule = self.strongest_of(
            self.index.environments,
            lambda rule: matches_name(rule.environment, name),
        )
        if rule is None:
            return self.unmatched(part.source, f"No rule is for the variable {name}.")
        if rule.allows and name.endswith("PATH"):
            value = part.words[0].text if part.words else None
            for folder in part.folders:
                here = self.at.folder(cwd, folder)
                places = [
                    self.at.places(here, literal(piece or "."))
                    for piece in (value.split(":") if value is not None else [])
                ]
                if not places or any(not p or not p[0].inside for p in places):
                    reason = f"{name} leads outside the workspace."
                    return self.default(part.source, reason)
        return self.by_rule(part.source, rule)

    def _effect(self, effect: Effect, part: Part, cwd: str) -> Iterator[PartVerdict]:
        if effect.kind is EffectKind.NETWORK:
            yield self.host(effect.word.text or "?", part.source, needed=False)
        else:
            yield from self.effect(effect, part, cwd)


_CHANGES: Final[dict[ChangeKind, ChangeName]] = {
    ChangeKind.ADD: "add",
    ChangeKind.UPDATE: "update",
    ChangeKind.DELETE: "delete",
}
