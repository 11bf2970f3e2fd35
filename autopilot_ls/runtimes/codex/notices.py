"""Codex's warnings in words for a person.

Pure functions, one for each notification that is nothing but something to say. Not aware of turns or
items; `mapping` stands above, `fields` below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from autopilot_ls.model.events import Notice
from autopilot_ls.runtimes.codex.fields import Table, table, text

_ACCOUNTS: Final = {
    "apikey": "API key",
    "apiKey": "API key",
    "chatgpt": "ChatGPT",
    "chatgptAuthTokens": "ChatGPT",
    "amazonBedrock": "Amazon Bedrock",
}


def account_description(mode: str | None, plan: str) -> str:
    """Say in words which login Codex has.

    Args:
        mode: Codex's name for the kind of login; None when there is none.
        plan: The name of the plan, empty when unknown.
    """
    if mode is None:
        return "not logged in"
    shown = _ACCOUNTS.get(mode, mode)
    return f"{shown} ({plan})" if plan and plan != "unknown" else shown


def _say(severity: Literal["info", "warning", "error"], code: str, message: str) -> Notice | None:
    return Notice(severity=severity, code=code, message=message) if message else None


def _warning(params: Table) -> Notice | None:
    return _say("warning", "warning", text(params, "message"))


def _with_details(params: Table) -> str:
    summary, details = text(params, "summary"), text(params, "details")
    return f"{summary} {details}" if details else summary


def _config(params: Table) -> Notice | None:
    path = text(params, "path")
    message = _with_details(params)
    return _say("warning", "configWarning", f"{path}: {message}" if path else message)


def _deprecation(params: Table) -> Notice | None:
    return _say("info", "deprecationNotice", _with_details(params))


def _guardian(params: Table) -> Notice | None:
    return _say("warning", "guardianWarning", text(params, "message"))


def _rerouted(params: Table) -> Notice | None:
    before, after = text(params, "fromModel"), text(params, "toModel")
    return _say("warning", "modelRerouted", f"The model is now {after} instead of {before}.")


def _auth_recovery(params: Table) -> Notice | None:
    return _say("info", "authRecovery", text(params, "message"))


def _mcp(params: Table) -> Notice | None:
    if text(params, "status") != "failed":
        return None
    name, error = text(params, "name"), text(params, "error")
    return _say(
        "warning", "mcpServerFailed", f"The MCP server {name} did not start. {error}".strip()
    )


def _hook(params: Table) -> Notice | None:
    run = table(params, "run")
    status = text(run, "status")
    if status not in ("failed", "blocked", "stopped"):
        return None
    said = text(run, "statusMessage")
    message = f"Codex's hook for {text(run, 'eventName')} {status}. {said}".strip()
    return _say("warning", "hook", message)


def _thread_gone(params: Table) -> Notice | None:
    return _say("info", "threadClosed", f"Codex closed the thread {text(params, 'threadId')}.")


def _world_writable(_params: Table) -> Notice | None:
    return _say(
        "warning",
        "worldWritable",
        "Folders that anybody may write to lie inside what Codex's sandbox allows.",
    )


NOTICES: Final[dict[str, Callable[[Table], Notice | None]]] = {
    "configWarning": _config,
    "deprecationNotice": _deprecation,
    "guardianWarning": _guardian,
    "hook/completed": _hook,
    "mcpServer/startupStatus/updated": _mcp,
    "model/rerouted": _rerouted,
    "modelProvider/authRecoveryStarted": _auth_recovery,
    "thread/closed": _thread_gone,
    "thread/deleted": _thread_gone,
    "warning": _warning,
    "windows/worldWritableWarning": _world_writable,
}
"""By the notification's method; a function gives None where there is nothing to say."""
