"""Remembered decisions: what "always allow" offers, and the file of rules that it writes.

The file is a policy in the same language, one rule a line, so that a person can read it and delete
lines, and so that thousands of rules load fast. Pure text functions.
`load` reads the file as a layer; the supervisor offers, adds and forgets.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from autopilot_ls.model.approvals import (
    Action,
    ChangeKind,
    CommandAction,
    Outcome,
    PatchAction,
    ToolAction,
)
from autopilot_ls.model.text import one_line, visible
from autopilot_ls.policy.language import PolicyText, read_policy
from autopilot_ls.policy.lazy import LazyRules, RuleLine
from autopilot_ls.policy.paths import Workspace
from autopilot_ls.policy.patterns import PathPatterns
from autopilot_ls.policy.programs import (
    NEVER_REMEMBERED,
    SUBCOMMANDS,
    THREE_WORDS,
)
from autopilot_ls.policy.rules import REST, Rule
from autopilot_ls.policy.shell import Part, PartKind, parse
from autopilot_ls.policy.shell.unwrap import interpreter_name, program_name
from autopilot_ls.policy.shell.wrappers import INTERPRETERS, OTHER_SHELLS, SHELLS, WRAPPERS

HEADER: Final = """\
# Decisions that were remembered ("always allow"). One rule a line; delete a line to forget it.
version = 1
rule = [
"""
FOOTER: Final = "]\n"
_STRING: Final = r'"[^"\\\x00-\x1f\x7f]*+(?:\\["\\][^"\\\x00-\x1f\x7f]*+)*+"'
_LINE: Final = re.compile(
    rf"  \{{ name = ({_STRING}), verdict = \"(allow|ask|deny)\", (command|line|edit|tool) = ({_STRING}),"
    rf" workspace = ({_STRING}), reason = ({_STRING}) \}},"
)
_PLAIN: Final = r"[A-Za-z0-9_./:@+,=^-]+"
_HEAD: Final = re.compile(r"(?:#[^\n]*\n)*version = 1")
# The patterns that we write, which need no further check; any other goes the long way.
_LINES: Final = re.compile(
    rf"  \{{ name = ({_STRING}), verdict = \"allow\","
    rf" (?:command = \"({_PLAIN})((?: {_PLAIN})*(?: …)?)\"|(line|edit|tool) = ({_STRING})),"
    rf" workspace = ({_STRING}), reason = ({_STRING}) \}},\n"
)
_REASON: Final = re.compile(r"Remembered by (.*) at (\d{4}-\d\d-\d\d [0-9:+-]+)\.")
_BRACKETED: Final = re.compile(r"\[([*?\[{])\]")
_WORD: Final = re.compile(r"[A-Za-z0-9_./:@+,=^-]+")


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that can be remembered.

    Attributes:
        label: What a person chooses, such as "always allow `pytest …` in this workspace".
        key: The matcher: `command`, `line`, `edit` or `tool`.
        pattern: Its pattern.
    """

    label: str
    key: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """A remembered rule, for lists.

    Attributes:
        workspace: The folder in which it holds.
    """

    name: str
    verdict: str
    key: str
    pattern: str
    workspace: str
    reason: str

    @property
    def by(self) -> str:
        """Who decided it; empty when the reason does not say it as ours do."""
        match = _REASON.fullmatch(self.reason)
        return match[1] if match else ""

    @property
    def at(self) -> str:
        """When it was decided, for people; empty likewise."""
        match = _REASON.fullmatch(self.reason)
        return match[2] if match else ""


def why_remembered(by: str, at: str) -> str:
    """Return the reason of a rule that a person wanted.

    Args:
        by: Who.
        at: When, for people.
    """
    return f"Remembered by {one_line(by, 80)} at {at}."


def offers(action: Action, workspace: Path) -> tuple[Offer, ...]:
    """Return what may be remembered of an action, the widest first; empty when nothing should be.

    What is escalated, typed into a program, or reaches for more rights is never remembered.

    Args:
        action: What was asked.
        workspace: The session's folder.
    """
    if isinstance(action, CommandAction):
        if (
            action.escalated
            or action.types_input
            or action.network_host is not None
            or action.permissions
        ):
            return ()
        return _command_offers(action)
    if isinstance(action, PatchAction):
        return _edit_offers(action, workspace)
    if isinstance(action, ToolAction):
        name = f"{action.server}/{action.tool}"
        if _WORD.fullmatch(name):
            return (Offer(f"always allow the tool {name}", "tool", name),)
    return ()


def _command_offers(action: CommandAction) -> tuple[Offer, ...]:
    parts = parse(action.command)
    found: list[Offer] = []
    commands = [part for part in parts if part.kind is PartKind.COMMAND]
    understood = all(
        part.kind is not PartKind.UNKNOWN
        and not set(part.via) - {"bash", "sh", "zsh", "time", "timeout", "env"}
        for part in parts
    )
    if understood and len(commands) == 1 and len(parts) == 1:
        found += [
            Offer(f"always allow `{visible(text)}` in this workspace", "command", text)
            for text in _prefixes(commands[0])
        ]
    line = _exact_line(action.command)
    if understood and line is not None:
        shown = visible(line)
        found.append(Offer(f"always allow exactly `{shown}` in this workspace", "line", line))
    return tuple(found)


def _exact_line(command: str) -> str | None:
    from autopilot_ls.policy.index import shell_line

    line = shell_line(command)
    plain = len(line) <= 400 and line.isascii() and line.isprintable()  # noqa: PLR2004 - what a person can read
    return line if plain else None


def _prefixes(part: Part) -> list[str]:
    """Return patterns for a command, never one for what runs anything it is given."""
    texts = [word.text for word in part.words]
    if any(text is None for text in texts):
        return []
    words = [text for text in texts if text is not None]
    name = program_name(words[0])
    base = interpreter_name(name)
    if (
        base in INTERPRETERS
        or name in WRAPPERS
        or name in SHELLS | OTHER_SHELLS | NEVER_REMEMBERED
        or not all(_WORD.fullmatch(word) and "..." not in word for word in words[:3])
        or name.startswith("-")
    ):
        return []
    if name not in SUBCOMMANDS:
        return [f"{name} {REST}"] if len(words) > 1 else [name, f"{name} {REST}"]
    if len(words) < 2 or words[1].startswith("-"):  # noqa: PLR2004 - program and subcommand
        return []
    sub = f"{name} {words[1]}"
    if sub in NEVER_REMEMBERED:
        return []
    if sub in THREE_WORDS:
        if len(words) < 3 or words[2].startswith("-"):  # noqa: PLR2004 - and the script's name
            return []
        return [f"{sub} {words[2]} {REST}"]
    return [f"{sub} {REST}"]


def _edit_offers(action: PatchAction, workspace: Path) -> tuple[Offer, ...]:
    if action.grant_root is not None or len(action.changes) != 1:
        return ()
    change = action.changes[0]
    if change.move_to is not None or change.kind is ChangeKind.DELETE:
        return ()
    place = Workspace(workspace).place(change.path)
    if len(place.relative) != 1 or not _WORD.fullmatch(place.relative[0]):
        return ()
    path = place.relative[0]
    found = [Offer(f"always allow changes to {path} in this workspace", "edit", f"./{path}")]
    folder = path.rsplit("/", 1)[0] if "/" in path else ""
    if folder:
        found.insert(
            0,
            Offer(
                f"always allow changes below {folder}/ in this workspace", "edit", f"./{folder}/**"
            ),
        )
    return tuple(found)


# --- the file's text --------------------------------------------------------------------------------


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _for_folder(workspace: Path) -> str:
    text = Workspace(workspace).real
    if not text.isprintable():
        raise ValueError("the folder's name cannot be written into a rule")
    return "".join(f"[{char}]" if char in "*?[{" else char for char in text)


def rule_name(offer: Offer, workspace: Path) -> str:
    """Return the name of the rule that an offer would write: stable, so that none comes twice."""
    text = "\n".join((offer.key, offer.pattern, str(workspace)))
    return "remembered-" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def added(text: str, offer: Offer, *, workspace: Path, reason: str) -> str:
    """Return the file's text with a rule for an offer; the same text when it is there already.

    Args:
        text: The file's text, empty when there is none.
        offer: What to remember.
        workspace: Where it is to hold.
        reason: Who decided and when, for people.

    Raises:
        ValueError: The pattern cannot be written, or the file has been edited so that it cannot be
            added to.
    """
    if not offer.pattern.strip() or not offer.pattern.isprintable():
        raise ValueError("an empty or unprintable pattern cannot be remembered")
    reason = "".join(c if c.isprintable() else " " for c in reason).strip() or "Remembered."
    name = rule_name(offer, workspace)
    current = text or HEADER + FOOTER
    if any(one.name == name for one in listed(current)):
        return current
    if not current.rstrip().endswith("]") or "rule = [" not in current:
        raise ValueError("the file of remembered rules has no `rule = [ … ]` to add to")
    line = (
        f'  {{ name = {_quoted(name)}, verdict = "allow", {offer.key} = {_quoted(offer.pattern)},'
        f" workspace = {_quoted(_for_folder(workspace))}, reason = {_quoted(reason)} }},\n"
    )
    head = current.rstrip()[:-1].rstrip()
    if not head.endswith(("[", ",")):
        head += ","
    return f"{head}\n{line}{FOOTER}"


def removed(text: str, names: AbstractSet[str]) -> str:
    """Return the file's text without the rules of these names."""
    lines = text.splitlines(keepends=True)
    kept = [
        line
        for line in lines
        if (match := _LINE.fullmatch(line.rstrip("\r\n"))) is None
        or _unquoted(match[1]) not in names
    ]
    return "".join(kept)


def listed(text: str) -> tuple[Remembered, ...]:
    """Return the remembered rules of a text, in their order."""
    found: list[Remembered] = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None:
            name, verdict, key, pattern, workspace, why = match.groups()
            found.append(
                Remembered(
                    _unquoted(name),
                    verdict,
                    key,
                    _unquoted(pattern),
                    _BRACKETED.sub(r"\1", _unquoted(workspace)),
                    _unquoted(why),
                )
            )
    return tuple(found)


def _unquoted(text: str) -> str:
    return cast("str", json.loads(text)) if "\\" in text else text[1:-1]


def remembered_alone(offer: Offer, workspace: Path) -> PolicyText:
    """Return what the file would say with the rule for one offer only.

    Raises:
        ValueError: The rule cannot be written.
    """
    return read_remembered(added("", offer, workspace=workspace, reason=""), "remembered")


def read_remembered(text: str, file: str) -> PolicyText:
    """Read the file fast when it is as we write it, else as any policy file.

    Arguments and result are those of `language.read_policy`.
    """
    start = text.find("\nrule = [\n")
    if start < 0 or not _HEAD.fullmatch(text, 0, start) or not text.endswith("\n]\n"):
        return read_policy(text, file)
    start += len("\nrule = [\n")
    number = text.count("\n", 0, start) + 1
    end = len(text) - len(FOOTER)
    programs: dict[str, list[RuleLine]] = {}
    rules: list[Rule] = []
    names: set[str] = set()
    for match in _LINES.finditer(text, start, end):
        if match.start() != start:
            break
        start = match.end()
        name, program, rest, key, other, workspace, reason = match.groups()
        name = _unquoted(name)
        names.add(name)
        if program is not None:
            line = RuleLine(number, name, program + rest, _unquoted(workspace), _unquoted(reason))
            programs.setdefault(program, []).append(line)
        else:
            value = _unquoted(other)
            rule = _rule(
                key,
                value,
                RuleLine(number, name, "", _unquoted(workspace), _unquoted(reason)),
                file,
            )
            if rule is None:
                return read_policy(text, file)
            rules.append(rule)
        number += 1
    known = len(rules) + sum(map(len, programs.values()))
    if start != end or len(names) != known:
        return read_policy(text, file)
    return PolicyText(file, tuple(rules), lazy=LazyRules(file, programs))


def _rule(key: str, value: str, line: RuleLine, file: str) -> Rule | None:
    if not value.strip() or value.startswith("!") or ".." in value.split("/"):
        return None
    return Rule(
        name=line.name,
        outcome=Outcome.ALLOW,
        source=file,
        line=line.number,
        lines=(value,) if key == "line" else (),
        edit=PathPatterns((value,)) if key == "edit" else None,
        tools=(value,) if key == "tool" else (),
        workspace=(line.workspace,),
        reason=line.reason,
    )
