"""An approval in words: one line, a description, and its patch as a diff.

Everything a person decides on is made visible here: no character of it is interpreted, none is hidden.
Not aware of how a decision is taken. `transcript`, `status` and the clients stand above.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Final, assert_never

from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    CommandAction,
    ElicitationAction,
    FileChange,
    Hunk,
    Mark,
    Mode,
    Outcome,
    PatchAction,
    PermissionAction,
    Question,
    QuestionAction,
    ToolAction,
)
from autopilot_ls.model.diffstat import of_hunks, of_proposed, summed
from autopilot_ls.model.review import units_of
from autopilot_ls.model.text import count, one_line, visible
from autopilot_ls.presentation.commands import unwrapped
from autopilot_ls.presentation.markdown import Redact, code, fence, plain, said, unchanged
from autopilot_ls.presentation.verdicts import explained

LIMITS: Final = "limits of the policy"
"""Where the rule of an approval stands that waits because a limit is reached."""

_PERMISSIONS: Final = 2
"""Permissions that a title has room for, and characters of each."""
_PERMISSION: Final = 44


def relative(path: str, root: str | None) -> str:
    """Return the path relative to the root where it lies under it; not made visible."""
    if root:
        whole = PurePath(path)
        if whole.is_relative_to(root):
            return str(whole.relative_to(root))
    return path


def is_limited(approval: Approval) -> bool:
    """Tell whether it waits because a limit is reached, whatever the rules say."""
    return approval.verdict.rule.startswith("limit-") and approval.verdict.source == LIMITS


def alarm(approval: Approval, mode: Mode) -> str:
    """Return what must be said loudly of an approval that waits, nothing for an ordinary one.

    Args:
        approval: The approval.
        mode: The session's mode; in escalate, the person is taken to be away.
    """
    if approval.verdict.outcome is not Outcome.ASK:
        return ""
    if is_limited(approval):
        return "LIMIT REACHED"
    return "HIGH RISK" if approval.verdict.risk == "high" and mode is Mode.ESCALATE else ""


def title(
    approval: Approval, *, root: str | None = None, redact: Redact = unchanged, limit: int = 120
) -> str:
    """Return what is asked for, as one visible line of plain text.

    Args:
        approval: The approval.
        root: The session's folder, which paths are shown relative to.
        redact: Leaves out secrets.
        limit: Characters at most.
    """
    return one_line(redact(_title(approval, root)), limit)


def _title(approval: Approval, root: str | None) -> str:
    action = approval.action
    match action:
        case CommandAction():
            return _command_title(action)
        case PatchAction():
            return _patch_title(approval, action, root)
        case PermissionAction():
            return f"Allow for this turn: {_widest(action.permissions)}"
        case QuestionAction():
            return "Answer: " + " / ".join(
                question.text or question.header for question in action.questions
            )
        case ElicitationAction():
            return f"MCP server {action.server} asks: {action.message}"
        case ToolAction():
            return f"Call the tool {_tool(action)}"
        case _:
            assert_never(action)


def _command_title(action: CommandAction) -> str:
    if action.types_input:
        return f"Type into the running program: {action.command}"
    if action.network_host:
        return f"Reach the network host {action.network_host}: {unwrapped(action.command)}"
    verb = "Run outside the sandbox" if action.escalated else "Run"
    if action.permissions:
        verb += f" (may {_widest(action.permissions)})"
    return f"{verb}: {unwrapped(action.command)}"


def _widest(permissions: tuple[str, ...]) -> str:
    """Return the first permissions, which are the widest, and how many more there are.

    Cutting the whole would let a long list of harmless ones hide what comes after.
    """
    shown = "; ".join(one_line(each, _PERMISSION) for each in permissions[:_PERMISSIONS])
    more = len(permissions) - _PERMISSIONS
    return f"{shown}; and {more} more" if more > 0 else shown


_VERBS = {ChangeKind.ADD: "Create", ChangeKind.DELETE: "Delete", ChangeKind.UPDATE: "Change"}


def _patch_title(approval: Approval, action: PatchAction, root: str | None) -> str:
    changes = approval.files or action.changes
    if not changes:
        return "Change files"
    first = changes[0]
    verb = _VERBS[first.kind] if len({change.kind for change in changes}) == 1 else "Change"
    name = relative(first.path, root)
    if first.move_to is not None:
        verb, name = "Rename", f"{name} to {relative(first.move_to, root)}"
    more = f" and {count(len(changes) - 1, 'more file')}" if len(changes) > 1 else ""
    stats = of_hunks(approval.files) if approval.files else of_proposed(action.changes)
    return f"{verb} {name}{more} ({summed(stats)})"


def _tool(action: ToolAction) -> str:
    return f"{action.server}.{action.tool}" if action.server else action.tool


def describe(approval: Approval, *, root: str | None = None, redact: Redact = unchanged) -> str:
    """Return what is asked for, where, why, and which rule asked, as markdown.

    Args:
        approval: The approval.
        root: The session's folder, which paths are shown relative to.
        redact: Leaves out secrets.
    """
    lines = [f"**{plain(title(approval, root=root, redact=redact))}**", ""]
    lines.extend(details(approval, root=root, redact=redact))
    lines.extend(why(approval, redact=redact))
    if approval.files:
        lines.extend(["", *fence(redact(unified_diff(approval.files, root=root)), "diff")])
    return "\n".join(lines)


def why(approval: Approval, *, redact: Redact = unchanged) -> list[str]:
    """Return the agent's reason, and how the verdict explains itself, as markdown lines."""
    lines: list[str] = []
    if approval.reason.strip():
        lines.extend(["", "The agent's reason:", "", *said(redact(approval.reason)), ""])
    lines.append(f"- **Verdict:** {explained(approval.verdict, redact=redact, markdown=True)}")
    return lines


def details(approval: Approval, *, root: str | None, redact: Redact) -> list[str]:
    """Return what exactly is asked for and where, as markdown lines."""
    action = approval.action
    match action:
        case CommandAction():
            return _command_details(action, root, redact)
        case PatchAction():
            return _patch_details(approval, action, root)
        case PermissionAction():
            rows = [f"- {plain(redact(line), 500)}" for line in action.permissions]
            return [*rows, f"- **In:** {code(relative(action.cwd, root))}"]
        case QuestionAction():
            return [
                line for question in action.questions for line in question_lines(question, redact)
            ]
        case ElicitationAction():
            lines = [
                f"- **MCP server:** {code(action.server)}",
                "",
                *said(redact(action.message)),
                "",
            ]
            if action.url:
                lines.append(f"- **Address it wants opened:** {code(redact(action.url), 2_000)}")
            return lines
        case ToolAction():
            lines = [f"- **Tool:** {code(_tool(action))}"]
            if action.message:
                lines.extend(["", *said(redact(action.message))])
            return [*lines, "", *fence(redact(action.arguments), "json"), ""]
        case _:
            assert_never(action)


def _command_details(action: CommandAction, root: str | None, redact: Redact) -> list[str]:
    info = "text" if action.types_input else "sh"
    lines = [*fence(redact(action.command), info), ""]
    lines.append(f"- **In:** {code(relative(action.cwd, root))}")
    if action.escalated:
        lines.append("- **Outside the sandbox**")
    if action.network_host:
        lines.append(f"- **Network host:** {code(action.network_host)}")
    lines.extend(f"- **Asks with it:** {plain(redact(line), 500)}" for line in action.permissions)
    return lines


def _patch_details(approval: Approval, action: PatchAction, root: str | None) -> list[str]:
    lines: list[str] = []
    for change, stat in zip(approval.files, of_hunks(approval.files), strict=True):
        name = code(relative(change.path, root), 500)
        if change.move_to is not None:
            name += f" → {code(relative(change.move_to, root), 500)}"
        lines.append(f"- {_VERBS[change.kind]} {name} ({summed([stat])})")
        if change.problem:
            lines.append(f"  - **Cannot be accepted:** {plain(change.problem, 500)}")
    if not approval.files:
        lines.extend(
            f"- {_VERBS[change.kind]} {code(relative(change.path, root), 500)}"
            for change in action.changes
        )
    if action.grant_root:
        lines.append(
            f"- It also asks to write under {code(action.grant_root)} without asking; "
            "that is never granted."
        )
    return lines


def question_lines(question: Question, redact: Redact) -> list[str]:
    """Return a question with its options as markdown lines."""
    header = f"**{plain(redact(question.header))}:** " if question.header else ""
    lines = [f"{header}{code(question.id)}", "", *said(redact(question.text)), ""]
    for option in question.options:
        note = f": {plain(redact(option.description), 500)}" if option.description else ""
        lines.append(f"- {plain(redact(option.label))}{note}")
    if question.options and question.free_text:
        lines.append("- or an answer of your own")
    return [*lines, ""] if question.options else lines


def unified_diff(files: Iterable[FileChange], *, root: str | None = None) -> str:
    """Return a proposed patch as a unified diff without context, for a preview; made visible.

    A line end that differs between old and new lines shows as `␍`.
    """
    lines: list[str] = []
    for change in files:
        lines.extend(_file_head(change, root))
        for hunk in change.hunks:
            lines.extend(_hunk(hunk))
    return "\n".join(lines) + "\n" if lines else ""


def diff_rows(approval: Approval, *, root: str | None = None) -> list[tuple[str, str | None]]:
    """Return the lines of `unified_diff`, each with the unit it belongs to and the choices so far.

    The head of a file belongs to its first unit.
    """
    choices = {choice.hunk_id: choice for choice in approval.marks}
    rows: list[tuple[str, str | None]] = []
    for unit in units_of(approval):
        if unit.number == 1:
            rows.extend((line, unit.id) for line in _file_head(unit.file, root))
        chosen = choices.get(unit.id)
        said = {None: "", Mark.ACCEPT: " ✓ accepted", Mark.REJECT: " ✗ rejected"}[
            chosen.mark if chosen else None
        ]
        if unit.hunk is None:
            rows.append((f"@@ {_VERBS[unit.file.kind].lower()} @@{said}", unit.id))
            continue
        head, *body = _hunk(unit.hunk)
        rows.append((head + said, unit.id))
        rows.extend((line, unit.id) for line in body)
    return rows


def _file_head(change: FileChange, root: str | None) -> list[str]:
    old, new = relative(change.path, root), relative(change.move_to or change.path, root)
    added, deleted = change.kind is ChangeKind.ADD, change.kind is ChangeKind.DELETE
    lines = [
        "--- " + ("/dev/null" if added else f"a/{one_line(old, 500)}"),
        "+++ " + ("/dev/null" if deleted else f"b/{one_line(new, 500)}"),
    ]
    if change.problem:
        lines.append(f"# Cannot be accepted: {one_line(change.problem, 500)}")
    return lines


def _hunk(hunk: Hunk) -> list[str]:
    # A range without lines names the line before it.
    old_start = hunk.old_start if hunk.old_lines else hunk.old_start - 1
    new_start = hunk.new_start if hunk.new_lines else hunk.new_start - 1
    lines = [f"@@ -{old_start},{len(hunk.old_lines)} +{new_start},{len(hunk.new_lines)} @@"]
    ends = {_end(line) for line in (*hunk.old_lines, *hunk.new_lines)} - {""}
    for mark, rows in (("-", hunk.old_lines), ("+", hunk.new_lines)):
        for row in rows:
            end = _end(row)
            shown = visible(row.removesuffix(end) if end else row)
            lines.append(mark + shown + ("␍" if "\r" in end and len(ends) > 1 else ""))
            if not end:
                lines.append("\\ No newline at end of file")
    return lines


def _end(line: str) -> str:
    for end in ("\r\n", "\n", "\r"):
        if line.endswith(end):
            return end
    return ""
