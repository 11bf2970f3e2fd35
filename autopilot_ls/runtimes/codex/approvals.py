"""What Codex asks, as actions; and decisions, as the answers Codex understands.

Pure. An accept is only ever the plain one: nothing that lasts beyond the turn is granted, whatever
the request offers. What cannot be shown to a person in full is refused at once. Not aware of who
decides or of the pipe; `desk` stands above, `open_items`, `items` and `fields` below.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from autopilot_ls.model.approvals import (
    Action,
    CommandAction,
    Decision,
    DecisionKind,
    ElicitationAction,
    PatchAction,
    PermissionAction,
    ProposedChange,
    Question,
    QuestionAction,
    QuestionOption,
    ToolAction,
)
from autopilot_ls.runtimes.codex.fields import (
    Table,
    as_json,
    flag,
    optional_text,
    plain,
    table,
    tables,
    text,
    texts,
)
from autopilot_ls.runtimes.codex.items import legacy_changes
from autopilot_ls.runtimes.codex.open_items import OpenItems
from autopilot_ls.runtimes.codex.permissions import Reserved, in_words, never, never_written
from autopilot_ls.wire.messages import JsonObject, JsonValue

METHOD_NOT_FOUND: Final = -32601
INVALID_REQUEST: Final = -32600
INTERNAL_ERROR: Final = -32603


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that a person or the policy decides on."""

    action: Action
    thread_id: str
    turn_id: str | None = None
    item_id: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is answered at once.

    Attributes:
        result: The answer, or None when it is an error.
        error: Code and message of the error.
        notice: What a person should know about it; empty when nothing.
    """

    result: JsonObject | None
    error: tuple[int, str] | None = None
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What a request is read with: the items under way, a thread's folder, what nobody may be given."""

    items: OpenItems
    folder_of: Callable[[str], str]
    reserved: Callable[[], Reserved] = Reserved


def _command(params: Table, context: Context) -> Asked | Refused:
    thread, item_id = text(params, "threadId"), text(params, "itemId")
    begun = context.items.native(thread, item_id) or {}
    network = table(params, "networkApprovalContext")
    types_input = text(params, "kind", "command") != "command"
    command = optional_text(params, "command")
    if types_input:
        context.items.expect_input(thread, item_id)
        command = _typed(command or "")
    else:
        context.items.mark_asked(thread, item_id)
    if command is None and not types_input:
        command = optional_text(begun, "command")
    host = optional_text(network, "host")
    if command is None and host is None and not types_input:
        return refusal(
            {"decision": "decline"}, "Codex asked to run a command without saying which."
        )
    cwd = optional_text(params, "cwd") or optional_text(begun, "cwd") or context.folder_of(thread)
    extra = in_words(table(params, "additionalPermissions"), cwd)
    action = CommandAction(
        command=command or "",
        cwd=cwd,
        # Codex asks about input only where the program runs outside the sandbox.
        escalated=types_input,
        types_input=types_input,
        network_host=host,
        permissions=tuple(extra),
    )
    return _asked(params, action)


def _typed(command: str) -> str:
    """Return the input itself, out of the line that Codex makes of it for people."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    match words:
        case ["write_stdin", "--session-id", _, typed]:
            return typed
        case _:
            return command


def _asked(params: Table, action: Action) -> Asked:
    return Asked(
        action,
        thread_id=text(params, "threadId"),
        turn_id=optional_text(params, "turnId"),
        item_id=optional_text(params, "itemId"),
        reason=text(params, "reason"),
    )


def _patch(params: Table, context: Context) -> Asked | Refused:
    thread, item_id = text(params, "threadId"), text(params, "itemId")
    changes = context.items.changes(thread, item_id)
    context.items.mark_asked(thread, item_id)
    if changes is None:
        return refusal(
            {"decision": "decline"},
            "Codex asked to change files, but what it would change cannot be told.",
        )
    forbidden = _reserved_file(changes, context, thread)
    if forbidden:
        return refusal({"decision": "decline"}, forbidden)
    return _asked(
        params, PatchAction(changes=changes, grant_root=optional_text(params, "grantRoot"))
    )


def _reserved_file(changes: Iterable[ProposedChange], context: Context, thread: str) -> str:
    names = [name for each in changes for name in (each.path, each.move_to) if name]
    return never_written(names, context.folder_of(thread), context.reserved())


def _permissions(params: Table, context: Context) -> Asked | Refused:
    wanted = table(params, "permissions")
    cwd = optional_text(params, "cwd") or context.folder_of(text(params, "threadId"))
    lines = in_words(wanted, cwd)
    if not lines:
        return refusal({"permissions": {}}, "Codex asked for permissions without saying which.")
    forbidden = never(wanted, cwd, context.reserved())
    if forbidden:
        return refusal({"permissions": {}}, forbidden)
    action = PermissionAction(cwd=cwd, permissions=tuple(lines), native=as_json(wanted))
    return _asked(params, action)


def _question(native: Table) -> Question:
    options = tuple(
        QuestionOption(label=text(option, "label"), description=text(option, "description"))
        for option in tables(native, "options")
    )
    return Question(
        id=text(native, "id"),
        header=text(native, "header"),
        text=text(native, "question"),
        options=options,
        free_text=not options or flag(native, "isOther"),
        secret=flag(native, "isSecret"),
    )


def _questions(params: Table, _context: Context) -> Asked | Refused:
    questions = tuple(_question(each) for each in tables(params, "questions"))
    ids = {question.id for question in questions}
    if not questions or "" in ids or len(ids) < len(questions):
        return refusal({"answers": {}}, "Codex asked a question that cannot be shown.")
    return _asked(params, QuestionAction(questions=questions))


def _elicitation(params: Table, context: Context) -> Asked | Refused:
    server, message = text(params, "serverName"), text(params, "message")
    meta = table(params, "_meta")
    if "codex_approval_kind" in meta:
        return _tool(params, meta, context)
    mode = text(params, "mode")
    if mode == "url":
        action = ElicitationAction(server=server, message=message, url=text(params, "url"))
    elif mode in ("form", "openai/form", "openaiForm"):
        schema = plain(params.get("requestedSchema")) or "{}"
        action = ElicitationAction(server=server, message=message, content_schema=schema)
    else:
        return refusal(
            {"action": "decline", "content": None},
            f"The MCP server {server} asked for something that Autopilot cannot show ({mode}).",
        )
    return _asked(params, action)


def _tool(params: Table, meta: Table, context: Context) -> Asked:
    server, message = text(params, "serverName"), text(params, "message")
    thread = text(params, "threadId")
    arguments = table(meta, "tool_params")
    call = context.items.tool_call(thread, server, arguments, message)
    item_id = None if call is None else text(call, "id")
    if item_id is not None:
        context.items.mark_asked(thread, item_id)
    kind = plain(meta.get("codex_approval_kind"))
    fallback = optional_text(meta, "tool_name") or ("" if kind == "mcp_tool_call" else kind)
    action = ToolAction(
        server=server,
        tool=fallback if call is None else text(call, "tool"),
        arguments=as_json(arguments),
        message=message,
    )
    return Asked(
        action,
        thread_id=thread,
        turn_id=optional_text(params, "turnId"),
        item_id=item_id,
        reason=text(meta, "tool_description"),
    )


def _legacy_patch(params: Table, context: Context) -> Asked | Refused:
    thread = text(params, "conversationId")
    changes = legacy_changes(table(params, "fileChanges"), context.folder_of(thread))
    if changes is None:
        return refusal(
            _denied(""), "Codex asked to change files, but what it would change cannot be told."
        )
    forbidden = _reserved_file(changes, context, thread)
    if forbidden:
        return refusal(_denied(""), forbidden)
    action = PatchAction(changes=changes, grant_root=optional_text(params, "grantRoot"))
    item_id = optional_text(params, "callId")
    return Asked(action, thread_id=thread, item_id=item_id, reason=text(params, "reason"))


def _legacy_command(params: Table, context: Context) -> Asked | Refused:
    words = texts(params, "command")
    if not words:
        return refusal(_denied(""), "Codex asked to run a command without saying which.")
    thread = text(params, "conversationId")
    action = CommandAction(
        command=shlex.join(words),
        cwd=text(params, "cwd") or context.folder_of(thread),
    )
    item_id = optional_text(params, "callId")
    return Asked(action, thread_id=thread, item_id=item_id, reason=text(params, "reason"))


_READERS: Final[dict[str, Callable[[Table, Context], Asked | Refused]]] = {
    "item/commandExecution/requestApproval": _command,
    "item/fileChange/requestApproval": _patch,
    "item/permissions/requestApproval": _permissions,
    "item/tool/requestUserInput": _questions,
    "mcpServer/elicitation/request": _elicitation,
    "applyPatchApproval": _legacy_patch,
    "execCommandApproval": _legacy_command,
}


def refusal(result: JsonObject, notice: str) -> Refused:
    """Return the answer that refuses, with what to tell the person."""
    return Refused(result, notice=f"{notice} It was declined.")


def _at_once(method: str, params: Table) -> Refused:
    """Answer what no person has to decide on."""
    if method == "item/tool/call":
        tool = text(params, "tool")
        return refusal(
            {"contentItems": [], "success": False},
            f"Codex called the tool {tool!r}, which Autopilot does not offer.",
        )
    if method == "currentTime/read":
        return Refused({"currentTimeAt": int(time.time())})
    if method == "account/chatgptAuthTokens/refresh":
        return Refused(None, (INTERNAL_ERROR, "Autopilot does not keep Codex's login."))
    if method == "attestation/generate":
        return Refused(None, (INTERNAL_ERROR, "Autopilot does not attest."))
    return Refused(None, (METHOD_NOT_FOUND, "Autopilot does not know this request."))


def read_request(method: str, params: Table, context: Context) -> Asked | Refused:
    """Return what a server request asks, or its refusal.

    Args:
        method: The request's method.
        params: Its parameters, not trusted.
        context: What else is known.
    """
    reader = _READERS.get(method)
    if reader is None:
        return _at_once(method, params)
    return reader(params, context)


def _denied(message: str) -> JsonObject:
    return {"decision": {"denied": {"rejection": message or "rejected by user"}}}


def _content(decision: Decision) -> JsonValue:
    """Return the content for an accepted elicitation; raises ValueError when it is no JSON."""
    if decision.content is None:
        return None
    content: JsonValue = json.loads(decision.content)
    return content


def _chosen(decision: Decision, params: Table) -> JsonObject:
    known = {text(each, "id") for each in tables(params, "questions")}
    return {
        name: {"answers": list(given)} for name, given in decision.answers.items() if name in known
    }


def answer_for(method: str, params: Table, decision: Decision) -> JsonObject:
    """Return Codex's wording of a decision.

    Args:
        method: The method of the request.
        params: Its parameters.
        decision: The decision; "for this session" is a plain accept to Codex.

    Raises:
        ValueError: An accept's content is not JSON; nothing may be sent as accepted then.
    """
    accepts, cancels = decision.kind.accepts, decision.kind is DecisionKind.CANCEL
    match method:
        case "item/permissions/requestApproval":
            # The very object that was asked for, and for no longer than the turn.
            wanted = table(params, "permissions")
            granted: JsonObject = json.loads(as_json(wanted)) if accepts else {}
            return {"permissions": granted, "scope": "turn"}
        case "item/tool/requestUserInput":
            return {"answers": _chosen(decision, params) if accepts else {}}
        case "mcpServer/elicitation/request":
            if accepts:
                return {"action": "accept", "content": _content(decision)}
            return {"action": "cancel" if cancels else "decline", "content": None}
        case "applyPatchApproval" | "execCommandApproval":
            if accepts:
                return {"decision": "approved"}
            return {"decision": "abort"} if cancels else _denied(decision.message)
        case _:
            if accepts:
                return {"decision": "accept"}
            return {"decision": "cancel" if cancels else "decline"}


def tells_reason(method: str) -> bool:
    """Tell whether the answer itself carries the reason of a decline."""
    return method in ("applyPatchApproval", "execCommandApproval")


def ends_turn(method: str) -> bool:
    """Tell whether a cancel of this request by itself ends Codex's turn."""
    return method in (
        "item/commandExecution/requestApproval",
        "item/fileChange/requestApproval",
        "applyPatchApproval",
        "execCommandApproval",
    )


def widens(method: str) -> bool:
    """Tell whether an accept of this request gives more than the turn's sandbox does."""
    return method == "item/permissions/requestApproval"
