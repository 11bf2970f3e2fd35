"""What keeps Codex from acting unjudged through the user's own configuration of it.

Says what our threads override, and what cannot be overridden and therefore refuses to start. Reads
Codex's configuration as it is in effect for the session's folder, each time before a thread opens. Not
aware of turns. `runtime` and `doctor` stand above, `fields` below.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from autopilot_ls.model.approvals import Mode
from autopilot_ls.runtimes.codex.fields import as_table, table
from autopilot_ls.wire.jsonrpc import JsonObject, JsonValue

APPROVAL_POLICY: Final = "untrusted"
"""The strictest asking that Codex has: every patch and nearly every command."""

FALLBACK_POLICY: Final = "on-request"
"""For a Codex that no longer takes the strictest one; together with the read-only sandbox."""

FALLBACK_UNSEEN: Final = (
    "This Codex no longer asks before every command: commands that run inside its read-only sandbox "
    "are not shown for approval. Patches, and commands that leave the sandbox, still are."
)
REVIEWER: Final = "user"

Ask = Callable[[str, JsonObject], Awaitable[JsonValue]]


@dataclass(frozen=True, slots=True)
class Guard:
    """How a thread is kept from acting unjudged.

    Attributes:
        config: Overrides of Codex's configuration for the thread.
    """

    config: JsonObject = field(default_factory=dict[str, JsonValue])


def sandbox_for(mode: Mode, *, asks_everything: bool) -> str:
    """Return the sandbox of a mode.

    In *propose* a command that was accepted should be able to do its work in the workspace, while the
    kernel keeps it there; it asks before, whatever the sandbox. Where Codex no longer asks before
    every command, only the read-only sandbox keeps it from writing unasked.
    """
    if mode is Mode.READ_ONLY or not asks_everything:
        return "read-only"
    return "workspace-write"


async def inspect(ask: Ask, cwd: Path) -> Guard:
    """Read Codex's configuration, and say how a thread in this folder is guarded.

    Args:
        ask: Sends a reading request to Codex.
        cwd: The thread's folder.

    Raises:
        AgentNotSafe: Something in it lets actions pass unjudged and cannot be overridden.
        AgentError: It cannot be read.
    """
    read = as_table(await ask("config/read", {"cwd": str(cwd), "includeLayers": True}))
    config = table(read, "config")
    servers: JsonObject = {
        name: {"default_tools_approval_mode": "prompt"} for name in table(config, "mcp_servers")
    }
    return Guard(config={"mcp_servers": servers} if servers else {})
