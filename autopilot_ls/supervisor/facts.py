"""What an agent is told of a patch that was not accepted as a whole.

Exact and bounded: which hunks of which files are applied, which are not and why. Names, lines and places
are the agent's own; everything else is ours or, as it was typed, the person's. Pure. Not aware of how
the agent is told; `broker` and `session` stand above, `model.review` below.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from autopilot_ls.model.approvals import Approval, ChangeKind, Decision
from autopilot_ls.model.events import FilesSettled
from autopilot_ls.model.review import Unit, units_of
from autopilot_ls.model.text import count

MAX_LISTED: Final = 60
"""Hunks that are named one by one, of those applied and of those not, each."""

MAX_LINES: Final = 8
"""Lines shown of a hunk that was not applied: of the old ones, and of the new ones."""

MAX_LINE: Final = 200
MAX_REASON: Final = 4_000
MAX_TEXT: Final = 24_000
"""Characters of the whole."""

MAX_NEXT: Final = 60_000
"""Characters of all that opens a turn."""

_INTRODUCTION: Final = (
    "The user reviewed your patch hunk by hunk. The call itself is answered as rejected, because the "
    "accepted hunks were applied for you. Do not make them again; read a file before you change it "
    "further."
)


def partial_facts(
    approval: Approval,
    decision: Decision,
    *,
    root: str,
    unsaved: Collection[str] = (),
    failure: str = "",
    missing: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return what the agent is told when some hunks were accepted.

    Args:
        approval: About a patch.
        decision: Names the accepted units.
        root: The session's folder, which paths are shown relative to.
        unsaved: Paths of files whose accepted hunks stand in the person's editor only.
        failure: Why nothing was applied all the same; empty when it was.
        missing: Paths of files whose accepted hunks the person's editor did not take, with the reason.
    """
    units = list(units_of(approval))
    named = set(decision.hunks or ())
    accepted = {unit.id for unit in units if unit.id in named and unit.file.path not in missing}
    if missing and not accepted and not failure:
        failure = " ".join(dict.fromkeys(missing.values()))
    if failure:
        intro = "The user accepted a part of your patch, but it could not be applied."
        lines = [f"{intro} {failure}", "Read the files before you go on."]
        rest = units
    else:
        lines = [
            _INTRODUCTION,
            "",
            "Applied:",
            *_applied([unit for unit in units if unit.id in accepted], root, unsaved),
        ]
        rest = [unit for unit in units if unit.id not in accepted]
    lines += _words(decision)
    if rest:
        moved = {unit.file_id for unit in units if unit.id in accepted and not failure}
        lines += ["", "Not applied:", *_refused(rest, decision.reasons, root, moved)]
    lines += [
        f"The user accepted the hunks of {_relative(path, root)}, but the editor did not take them: {why}"
        for path, why in missing.items()
        if accepted
    ][:MAX_LISTED]
    return _bounded(lines)


def facts_after_crash(
    approval: Approval, decision: Decision, settled: FilesSettled | None, *, root: str
) -> str:
    """Return what the agent is told when Autopilot ended before it could tell more.

    Args:
        approval: About a patch.
        decision: Names the accepted units.
        settled: What the disk holds of them; None when it was to hold none of them.
        root: As in `partial_facts`.
    """
    ended = "Autopilot ended before it was known whether the user's editor took them."
    if decision.in_editor:
        return partial_facts(approval, decision, root=root, failure=ended)
    missing = dict.fromkeys(decision.merged, ended)
    if settled is None or settled.outcome == "applied":
        return partial_facts(approval, decision, root=root, missing=missing)
    return partial_facts(approval, decision, root=root, failure=settled.detail)


def _words(decision: Decision) -> list[str]:
    said = decision.message.strip()[:MAX_REASON]
    return ["", "The user says:", said] if said else []


def refusal(approval: Approval, decision: Decision, *, root: str) -> str:
    """Return what the agent is told when every hunk was rejected by itself; reasons included."""
    reasons = {reason for reason in decision.reasons.values() if reason.strip()}
    if not reasons:
        return decision.message
    lines = ["The user rejected every hunk of your patch. Nothing was applied.", *_words(decision)]
    units = list(units_of(approval))
    if len(reasons) == 1 and len(decision.reasons) == len(units):
        lines += ["", "The user says:", *[reason.strip()[:MAX_REASON] for reason in reasons]]
    else:
        lines += ["", "Not applied:", *_refused(units, decision.reasons, root)]
    return _bounded(lines)


def opening(due: Iterable[str], text: str) -> str:
    """Return a turn's text with what the agent could not be told before."""
    facts = [fact for fact in due if fact]
    if not facts:
        return text
    kept: list[str] = []
    left = MAX_NEXT
    for fact in reversed(facts):  # What happened last matters most.
        if len(fact) > left:
            break
        kept.insert(0, fact)
        left -= len(fact)
    known = "\n\n".join(kept)
    return f"(What became of your last changes:)\n\n{known}\n\n(The task:)\n\n{text}"


def _applied(units: Sequence[Unit], root: str, unsaved: Collection[str]) -> list[str]:
    lines: list[str] = []
    for unit in units[:MAX_LISTED]:
        where = ""
        if unit.file.path in unsaved:
            where = " (in the user's editor, not saved to disk yet)"
        lines.append(f"- {_named(unit, root)}{where}")
    return lines + _more(len(units) - MAX_LISTED)


def _refused(
    units: Sequence[Unit], reasons: Mapping[str, str], root: str, moved: Collection[str] = ()
) -> list[str]:
    lines: list[str] = []
    for unit in units[:MAX_LISTED]:
        lines.append(f"- {_named(unit, root, moves=unit.file_id not in moved)}")
        reason = reasons.get(unit.id, "").strip()
        if unit.file.problem and unit.number == 1:
            lines.append(f"  {unit.file.problem[:MAX_REASON]}")
        if unit.hunk is not None:
            lines += _shortened("-", unit.hunk.old_lines)
            lines += _shortened("+", unit.hunk.new_lines)
        if reason:
            lines.append(f"  The user says: {reason[:MAX_REASON]}")
    return lines + _more(len(units) - MAX_LISTED)


def _more(number: int) -> list[str]:
    return [f"- and {count(number, 'more hunk')}"] if number > 0 else []


def _named(unit: Unit, root: str, *, moves: bool = True) -> str:
    file, hunk = unit.file, unit.hunk
    name = _relative(file.path, root)
    if file.kind is ChangeKind.ADD:
        return f"{name}: creating it"
    if file.kind is ChangeKind.DELETE:
        return f"{name}: deleting it"
    moved = f", renaming it to {_relative(file.move_to, root)}" if file.move_to and moves else ""
    if hunk is None:
        return f"{name}: the whole change{moved}"
    number = f"hunk {unit.number} of {unit.of}" if unit.of > 1 else "the only hunk"
    return f"{name}: {number}, at line {hunk.old_start}{moved}"


def _relative(path: str, root: str) -> str:
    whole = PurePath(path)
    return str(whole.relative_to(root)) if whole.is_relative_to(root) else path


def _shortened(mark: str, lines: Sequence[str]) -> list[str]:
    shown = [f"    {mark}{line.rstrip(chr(13) + chr(10))[:MAX_LINE]}" for line in lines[:MAX_LINES]]
    more = len(lines) - MAX_LINES
    return [*shown, f"    {mark}… ({count(more, 'more line')})"] if more > 0 else shown


def _bounded(lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "\n… (cut)"
