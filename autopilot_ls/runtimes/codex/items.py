"""Codex's items as the items of the model.

Pure, and total: whatever an item looks like, something is returned, at worst an `OtherItem`. Not
aware of notifications; `item_reports`, `watch` and `approvals` stand above, `fields` and the model below.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Final

from autopilot_ls.model.approvals import ChangeKind, ProposedChange
from autopilot_ls.model.items import (
    AgentMessage,
    CommandExecution,
    Compaction,
    FileChanges,
    Item,
    ItemStatus,
    OtherItem,
    PlanText,
    Reasoning,
    SubAgentCall,
    ToolCall,
    UserMessage,
    WebSearch,
)
from autopilot_ls.model.text import one_line
from autopilot_ls.runtimes.codex.fields import (
    Table,
    as_json,
    joined,
    number,
    optional_integer,
    optional_text,
    plain,
    table,
    tables,
    text,
    texts,
)

_STATUS: Final = {
    "inProgress": ItemStatus.IN_PROGRESS,
    "completed": ItemStatus.COMPLETED,
    "failed": ItemStatus.FAILED,
    "interrupted": ItemStatus.FAILED,
    "declined": ItemStatus.DECLINED,
}
_RESOURCE_TOOLS: Final = frozenset(
    {
        "list_mcp_resource_templates",
        "list_mcp_resources",
        "read_mcp_resource",
    }
)
"""They read what a server offers, and Codex never asks about them."""

_KINDS: Final = {"add": ChangeKind.ADD, "delete": ChangeKind.DELETE, "update": ChangeKind.UPDATE}


def _absolute(path: str, cwd: str) -> str:
    # Not normalised: `..` behind a symbolic link leads elsewhere than its letters say.
    return posixpath.join(cwd, path) if cwd else path


def proposed_changes(native: Table, cwd: str) -> tuple[ProposedChange, ...] | None:
    """Return the changes of a `fileChange` item with absolute paths.

    Args:
        native: The item, or anything else with a `changes` member of that form.
        cwd: Absolute folder that relative paths start from.

    Returns:
        None when a part of it cannot be understood, since then nobody can judge the whole.
    """
    listed = native.get("changes")
    found = tables(native, "changes")
    if not isinstance(listed, list) or len(found) != len(listed) or not found:  # pyright: ignore[reportUnknownArgumentType]
        return None
    changes = [_proposed_change(each, cwd) for each in found]
    complete = tuple(each for each in changes if each is not None)
    return complete if len(complete) == len(changes) else None


def _proposed_change(native: Table, cwd: str) -> ProposedChange | None:
    described = table(native, "kind")
    kind = _KINDS.get(text(described, "type"))
    path, diff = optional_text(native, "path"), native.get("diff")
    if kind is None or path is None or not isinstance(diff, str):
        return None
    if kind is not ChangeKind.UPDATE:
        return ProposedChange(path=_absolute(path, cwd), kind=kind, form="content", text=diff)
    target = optional_text(described, "move_path")
    if target is not None:
        # For people, Codex writes the new place behind the diff of a move.
        diff = diff.removesuffix(f"\n\nMoved to: {target}")
    return ProposedChange(
        path=_absolute(path, cwd),
        kind=kind,
        move_to=None if target is None else _absolute(target, cwd),
        form="unified",
        text=diff,
    )


def legacy_changes(native: Table, cwd: str) -> tuple[ProposedChange, ...] | None:
    """Return the changes of an `applyPatchApproval`, or None when one cannot be understood."""
    changes: list[ProposedChange] = []
    for path, described in native.items():
        change = table(native, path)
        kind = _KINDS.get(text(change, "type"))
        member = "unified_diff" if kind is ChangeKind.UPDATE else "content"
        body = change.get(member)
        if kind is None or not path or described is not change or not isinstance(body, str):
            return None
        target = optional_text(change, "move_path") if kind is ChangeKind.UPDATE else None
        changes.append(
            ProposedChange(
                path=_absolute(path, cwd),
                kind=kind,
                move_to=None if target is None else _absolute(target, cwd),
                form="unified" if kind is ChangeKind.UPDATE else "content",
                text=body,
            )
        )
    return tuple(changes) or None


def _user_message(native: Table, status: ItemStatus) -> Item:
    parts: list[str] = []
    for part in tables(native, "content"):
        kind = text(part, "type")
        if kind == "text":
            parts.append(text(part, "text"))
        else:
            name = optional_text(part, "path") or optional_text(part, "url") or text(part, "name")
            parts.append(f"[{kind}: {name}]")
    return UserMessage(id=text(native, "id"), status=status, text="\n".join(parts))


def _agent_message(native: Table, status: ItemStatus) -> Item:
    return AgentMessage(id=text(native, "id"), status=status, text=text(native, "text"))


def _plan(native: Table, status: ItemStatus) -> Item:
    return PlanText(id=text(native, "id"), status=status, text=text(native, "text"))


def _reasoning(native: Table, status: ItemStatus) -> Item:
    return Reasoning(
        id=text(native, "id"),
        status=status,
        summary=joined(texts(native, "summary")),
        content=joined(texts(native, "content")),
    )


def _command(native: Table, status: ItemStatus) -> Item:
    duration = number(native, "durationMs")
    return CommandExecution(
        id=text(native, "id"),
        status=status,
        command=text(native, "command"),
        cwd=text(native, "cwd"),
        output=text(native, "aggregatedOutput"),
        exit_code=optional_integer(native, "exitCode"),
        duration=None if duration is None else duration / 1000,
        process_id=optional_text(native, "processId"),
    )


def _file_change(native: Table, status: ItemStatus, cwd: str = "") -> Item:
    changes = proposed_changes(native, cwd)
    return FileChanges(id=text(native, "id"), status=status, changes=changes or ())


def _content(blocks: list[Table]) -> str:
    """Return the readable part of a tool's answer; images and sounds are named only."""
    return "\n".join(
        text(block, "text") if "text" in block else f"[{text(block, 'type', 'content')}]"
        for block in blocks
    )


def _mcp_call(native: Table, status: ItemStatus) -> Item:
    result = table(native, "result")
    shown = _content(tables(result, "content")) or plain(result.get("structuredContent"))
    return ToolCall(
        id=text(native, "id"),
        status=status,
        server=text(native, "server"),
        tool=text(native, "tool"),
        arguments=plain(native.get("arguments")),
        result=shown,
        error=text(table(native, "error"), "message"),
    )


def _dynamic_call(native: Table, status: ItemStatus) -> Item:
    return ToolCall(
        id=text(native, "id"),
        status=status,
        server=text(native, "namespace"),
        tool=text(native, "tool"),
        arguments=plain(native.get("arguments")),
        result=_content(tables(native, "contentItems")),
        error="The tool reported a failure." if native.get("success") is False else "",
    )


def _collab_call(native: Table, status: ItemStatus) -> Item:
    return SubAgentCall(
        id=text(native, "id"),
        status=status,
        tool=text(native, "tool"),
        thread_ids=texts(native, "receiverThreadIds"),
        prompt=text(native, "prompt"),
    )


def _sub_agent_activity(native: Table, status: ItemStatus) -> Item:
    thread = optional_text(native, "agentThreadId")
    return SubAgentCall(
        id=text(native, "id"),
        status=status,
        tool=text(native, "kind"),
        thread_ids=() if thread is None else (thread,),
        prompt=text(native, "agentPath"),
    )


def _web_search(native: Table, status: ItemStatus) -> Item:
    action = table(native, "action")
    query = text(native, "query") or text(action, "query") or text(action, "url")
    return WebSearch(id=text(native, "id"), status=status, query=query)


def _compaction(native: Table, status: ItemStatus) -> Item:
    return Compaction(id=text(native, "id"), status=status)


_SUMMARIES: Final[dict[str, Callable[[Table], str]]] = {
    "hookPrompt": lambda item: "\n".join(text(part, "text") for part in tables(item, "fragments")),
    "functionCallOutput": lambda item: f"{text(item, 'name')}: {plain(item.get('output'))}",
    "imageView": lambda item: text(item, "path"),
    "sleep": lambda item: f"{(number(item, 'durationMs') or 0) / 1000:g} s",
    "imageGeneration": lambda item: text(item, "savedPath") or text(item, "revisedPrompt"),
    "enteredReviewMode": lambda item: text(item, "review"),
    "exitedReviewMode": lambda item: text(item, "review"),
}


def _other(native: Table, status: ItemStatus) -> Item:
    native_type = text(native, "type", "?")
    summary = _SUMMARIES.get(native_type, as_json)(native)
    return OtherItem(
        id=text(native, "id"), status=status, native_type=native_type, summary=summary[:2_000]
    )


MAPPERS: Final[dict[str, Callable[[Table, ItemStatus], Item]]] = {
    "userMessage": _user_message,
    "agentMessage": _agent_message,
    "plan": _plan,
    "reasoning": _reasoning,
    "commandExecution": _command,
    "fileChange": _file_change,
    "mcpToolCall": _mcp_call,
    "dynamicToolCall": _dynamic_call,
    "collabAgentToolCall": _collab_call,
    "subAgentActivity": _sub_agent_activity,
    "webSearch": _web_search,
    "contextCompaction": _compaction,
    **dict.fromkeys(_SUMMARIES, _other),
}


def item_from(native: Table, *, done: bool, cwd: str) -> Item:
    """Return the item in the model's form.

    Args:
        native: The item as Codex sent it.
        done: Whether it came with `item/completed`; decides where the item names no status itself.
        cwd: Absolute folder that relative paths in a patch start from.
    """
    default = ItemStatus.COMPLETED if done else ItemStatus.IN_PROGRESS
    status = _STATUS.get(text(native, "status"), default)
    native_type = text(native, "type")
    if native_type == "fileChange":
        return _file_change(native, status, cwd)
    return MAPPERS.get(native_type, _other)(native, status)


def was_carried_out(native: Table) -> bool:
    """Tell whether a finished item did something that has to be asked about before."""
    status = text(native, "status")
    match text(native, "type"):
        case "commandExecution":
            typed_only = text(native, "source") in ("unifiedExecInteraction", "userShell")
            ran = (optional_integer(native, "exitCode") or 0) >= 0
            return status in ("completed", "failed") and ran and not typed_only
        case "fileChange":
            return status == "completed"
        case "mcpToolCall":
            return status == "completed" and text(native, "tool") not in _RESOURCE_TOOLS
        case _:
            return False


def describe(native: Table) -> str:
    """Return one line that says which item this is."""
    match text(native, "type"):
        case "commandExecution":
            return one_line(text(native, "command"), 300)
        case "fileChange":
            paths = [text(change, "path") for change in tables(native, "changes")]
            return one_line("a change of " + ", ".join(paths), 300)
        case _:
            return one_line(f"the tool {text(native, 'server')}.{text(native, 'tool')}", 300)
