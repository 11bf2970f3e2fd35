"""What a person may decide on single hunks of a pending patch, and on all of a file.

Pure: from the hunks at a place to offers. A choice waits until every hunk has one; then the decision is
made. Only what is possible is offered. Not aware of documents. `code_actions` and `lenses` stand above.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, cast

from pydantic import JsonValue

from autopilot_ls.lsp import methods
from autopilot_ls.lsp.convert import content
from autopilot_ls.lsp.features.actions import Offer, UnsavedText, accepting
from autopilot_ls.lsp.features.approval_actions import MAX_REASON
from autopilot_ls.lsp.features.shown_hunk import ShownHunk
from autopilot_ls.model.approvals import Approval, ChangeKind, Mark
from autopilot_ls.model.review import units_of
from autopilot_ls.model.text import count, one_line
from autopilot_ls.presentation.approvals import relative

MAX_HUNKS: Final = 4
"""Hunks of one place that are offered one by one."""

MAX_FILES: Final = 2
"""Files of one place that are offered as a whole."""


def mark(
    approval: Approval, hunks: Sequence[str], choice: str, message: str = ""
) -> dict[str, JsonValue]:
    """Return the argument of `autopilot.approval.mark`."""
    argument: dict[str, JsonValue] = {
        "approvalId": approval.id,
        "hunks": list(hunks),
        "mark": choice,
    }
    if message:
        argument["message"] = message
    return argument


def offers(
    approval: Approval,
    here: Sequence[ShownHunk],
    *,
    root: str | None,
    selection: str = "",
    unfit: Collection[str] = (),
    made: Collection[str] = (),
    unsaved: UnsavedText | None = None,
) -> list[Offer]:
    """Return what may be decided on single hunks; nothing where the patch is one hunk.

    Args:
        approval: One that waits.
        here: Its hunks at this place.
        root: The session's folder, which paths are shown relative to.
        selection: The text that is selected, which may be a reason.
        unfit: Units that cannot be accepted, since somebody typed into them.
        made: Those of them that need no choice, since the person has made them by hand.
        unsaved: Says that files of the patch have unsaved changes.
    """
    if not here or here[0].total == 1:
        return []
    unfit = set(unfit) - set(made)
    found: list[Offer] = []
    several = len(here) > 1
    for shown in here[:MAX_HUNKS]:
        ready = shown.unit.id not in unfit
        offered = _of_hunk(approval, shown, selection, root, several=several)
        found += [offer for offer in offered if ready or offer.argument["mark"] != "accept"]
    files = list({shown.unit.file_id: shown for shown in here}.values())
    for shown in files[:MAX_FILES]:
        # A patch may have a thousand units: they are looked through only where something is wrong.
        ready = not unfit or not any(
            u.file_id == shown.unit.file_id and u.id in unfit for u in units_of(approval)
        )
        offered = _of_file(approval, shown, root)
        found += [offer for offer in offered if ready or offer.argument["mark"] != "accept"]
    if unsaved is not None:
        left = undecided(approval, made)
        found = [way for offer in found for way in _ways(approval, offer, unsaved, left)]
    return [*found, *of_rest(approval, unfit=unfit, made=made, unsaved=unsaved)]


def of_rest(
    approval: Approval,
    *,
    unfit: Collection[str],
    made: Collection[str],
    unsaved: UnsavedText | None,
) -> list[Offer]:
    """Return what may be decided on all hunks at once that have no choice yet; nothing before the first choice."""
    found = list(_of_rest(approval, set(unfit) - set(made), made))
    if unsaved is None:
        return found
    left = undecided(approval, made)
    return [way for offer in found for way in _ways(approval, offer, unsaved, left)]


def undecided(approval: Approval, made: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return the hunks of a patch that have no choice yet, and need one, each with the id of its file."""
    chosen = {choice.hunk_id for choice in approval.marks}.union(made)
    return [(unit.id, unit.file_id) for unit in units_of(approval) if unit.id not in chosen]


def completes(left: Iterable[tuple[str, str]], hunks: Collection[str]) -> bool:
    """Tell whether nothing is undecided any more when these hunks, or files, have their choice."""
    return all(hunk in hunks or file in hunks for hunk, file in left)


def _ways(
    approval: Approval, offer: Offer, unsaved: UnsavedText, left: Iterable[tuple[str, str]]
) -> Iterable[Offer]:
    """Yield the ways to carry out an offer; with the last choice, files are written."""
    hunks, choice = cast("list[str]", offer.argument["hunks"]), offer.argument["mark"]
    if choice == "none" or not completes(left, hunks):
        return [offer]
    others = (one for one in approval.marks if one.hunk_id not in hunks)
    if choice == "reject" and not any(one.mark is Mark.ACCEPT for one in others):
        return [offer]
    return accepting(offer, unsaved)


def _of_hunk(
    approval: Approval, shown: ShownHunk, selection: str, root: str | None, *, several: bool
) -> Iterable[Offer]:
    unit, chosen = shown.unit, shown.mark
    name = _named(shown, root, several=several)
    if not unit.file.problem and not (chosen and chosen.mark is Mark.ACCEPT):
        yield _offer(approval, [unit.id], "accept", f"accept {name}")
    if not (chosen and chosen.mark is Mark.REJECT):
        yield _offer(approval, [unit.id], "reject", f"reject {name}")
    if selection.strip():
        reason = selection.strip()[:MAX_REASON]
        title = f"reject {name}, with the selected text as the reason"
        yield _offer(approval, [unit.id], "reject", title, reason)
    if chosen:
        said = "accept" if chosen.mark is Mark.ACCEPT else "reject"
        yield _offer(approval, [unit.id], "none", f"take back “{said}” for {name}")


def _named(shown: ShownHunk, root: str | None, *, several: bool) -> str:
    unit = shown.unit
    file = unit.file
    name = one_line(relative(file.path, root), 60)
    if file.kind is ChangeKind.ADD:
        return f"creating {name}"
    if file.kind is ChangeKind.DELETE:
        return f"deleting {name}"
    moved = (
        f" and the renaming to {one_line(relative(file.move_to, root), 60)}" if file.move_to else ""
    )
    if unit.hunk is None:
        return f"the change of {name}{moved}"
    which = "the hunk" if several else "this hunk"
    at = f" at line {unit.hunk.old_start}" if several else ""
    lines = unit.hunk.new_lines or unit.hunk.old_lines
    first = one_line(content(lines[0]).strip(), 50) if lines else ""
    return f"{which}{at}{moved} ({unit.number} of {unit.of}): {first}"


def _of_file(approval: Approval, shown: ShownHunk, root: str | None) -> Iterable[Offer]:
    unit = shown.unit
    if unit.of in (1, shown.total):
        return
    name = one_line(relative(unit.file.path, root), 60)
    what = f"all {count(unit.of, 'hunk')} of {name}"
    if not unit.file.problem:
        yield _offer(approval, [unit.file_id], "accept", f"accept {what}")
    yield _offer(approval, [unit.file_id], "reject", f"reject {what}")


def _of_rest(approval: Approval, unfit: Collection[str], made: Collection[str]) -> Iterable[Offer]:
    if not approval.marks and not made:
        return
    chosen = {choice.hunk_id for choice in approval.marks}.union(made)
    open_ = [unit for unit in units_of(approval) if unit.id not in chosen]
    left = [unit.id for unit in open_]
    if not left and not approval.marks:
        return  # All is made by hand.
    if not left:
        # The decision was refused, such as because a file was not saved, or the rest was made by hand.
        accepted = sum(
            choice.mark is Mark.ACCEPT and choice.hunk_id not in made for choice in approval.marks
        )
        title = (
            f"carry out your choices: accept {accepted}, reject {len(approval.marks) - accepted}"
        )
        last = approval.marks[-1]
        yield _offer(approval, [last.hunk_id], last.mark.value, title, last.message)
        return
    what = f"the {count(len(left), 'remaining hunk')}"
    if not any(unit.file.problem or unit.id in unfit for unit in open_):
        yield _offer(approval, left, "accept", f"accept {what}")
    yield _offer(approval, left, "reject", f"reject {what}")


def _offer(
    approval: Approval, hunks: Sequence[str], choice: str, title: str, message: str = ""
) -> Offer:
    return Offer(title, methods.APPROVAL_MARK, mark(approval, hunks, choice, message))
