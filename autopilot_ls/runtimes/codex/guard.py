"""What keeps Codex from acting unjudged through the user's own configuration of it.

Says what our threads override, and finds what cannot be overridden and therefore refuses to start. Looks
at Codex's configuration as it is in effect for the session's folder, each time before a thread opens. Not
aware of turns. `conversation` and `doctor` stand above, `rules` and `fields` below.

Measured with 0.155.1 and 0.163.0. Codex does not keep the overrides with a thread, so that they go with
each start, resume and fork; and they go as one nested object, because flat and nested keys together
apply in random order.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autopilot_ls.model.errors import AgentNotSafe
from autopilot_ls.runtimes.codex.fields import Table, as_table, flag, table, tables, text
from autopilot_ls.runtimes.codex.rules import RuleState, read_rules
from autopilot_ls.wire.messages import JsonObject, JsonValue

APPROVAL_POLICY: Final = "untrusted"
"""The strictest asking that Codex has: every patch and every command."""

FALLBACK_POLICY: Final = "on-request"
"""For a Codex that no longer takes the strictest one; together with the read-only sandbox."""

FALLBACK_UNSEEN: Final = (
    "This Codex no longer asks before every command: commands that run inside its read-only sandbox "
    "are not shown for approval. Patches, and commands that leave the sandbox, still are."
)
REVIEWER: Final = "user"

DECIDING_HOOKS: Final = frozenset({"preToolUse", "permissionRequest"})
"""Hooks that can answer Codex's questions in the person's place."""

_SYSTEM_FOLDER: Final = Path("/etc/codex")
_MAX_PARENTS: Final = 100
_MAX_LINK: Final = 4096
_SHOWN_RULES: Final = 3

_FEATURES: Final[JsonObject] = {
    # They run unasked, can accept in the person's place, or bring tools that run unasked.
    "hooks": False,
    "plugins": False,
    "apps": False,
    "tool_suggest": False,
    "skill_mcp_dependency_install": False,
    "code_mode": False,
    "code_mode_only": False,
    "exec_permission_approvals": False,
    # They let Codex go on by itself.
    "memories": False,
    "goals": False,
    # Input for a program outside the sandbox asks; the default was no before 0.163.
    "write_stdin_approval": True,
    # Calls of MCP tools ask in the form that says so.
    "tool_call_mcp_elicitation": True,
    # How Codex gets more than its sandbox gives: it asks for one turn, and stays inside.
    "request_permissions_tool": True,
}
_IF_SWITCHED_ON: Final = ("shell_zsh_fork", "unified_exec_zsh_fork")
"""A shell of older Codex in which it decides by itself on each program that a command starts. Newer ones
tell the person that there is no such feature, whatever is said of it: so nothing is, unless it is on."""

_OVERRIDES: Final[JsonObject] = {
    "features": _FEATURES,
    "notify": [],
    # It would warn, with each thread, of the features that are set above.
    "suppress_unstable_features_warning": True,
}
_UNLESS_WISHED: Final[JsonObject] = {
    # They act without asking, by their nature: only who asks Autopilot for them gets them. What is
    # typed into a program that has a terminal is anything that the program can be told to do.
    "features": {"view_image": False, "unified_exec_tty": False},
    "web_search": "disabled",
    # The plan is what tells how far a turn has come.
    "tools": {"update_plan": {"enabled": True}},
}

Ask = Callable[[str, JsonObject], Awaitable[JsonValue]]


@dataclass(frozen=True, slots=True)
class Guard:
    """How a thread is kept from acting unjudged.

    Attributes:
        config: Overrides of Codex's configuration for the thread, to be sent whole.
        rules: The rule files as they were looked at.
        rule_folders: Where they are.
        warnings: What the person should know, one sentence each.
    """

    config: JsonObject
    rules: RuleState
    rule_folders: tuple[Path, ...]
    warnings: tuple[str, ...] = ()


def merge(base: Mapping[str, JsonValue], over: Mapping[str, JsonValue]) -> JsonObject:
    """Return both objects as one, the second winning where they meet."""
    result = dict(base)
    for name, value in over.items():
        before = result.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            result[name] = merge(before, value)
        else:
            result[name] = value
    return result


def _untrusted_folders(cwd: Path) -> list[str]:
    """Return every folder that Codex could take for the project.

    A workspace that Codex trusts has its own configuration loaded, with servers that are started and
    rules that allow. Codex asks by the real path, of the repository, of its main work tree, or of the
    folder itself.
    """
    real = Path(os.path.realpath(cwd))
    folders = [str(cwd), *map(str, [real, *real.parents][:_MAX_PARENTS])]
    for folder in [real, *real.parents][:_MAX_PARENTS]:
        main = _main_work_tree(folder / ".git")
        if main is not None:
            folders.append(main)
    return list(dict.fromkeys(folders))


def _main_work_tree(link: Path) -> str | None:
    """Return the main work tree that a linked one names in its `.git` file."""
    try:
        if not link.is_file():
            return None
        with link.open("rb") as file:
            said = file.read(_MAX_LINK).decode("utf-8", "surrogateescape").strip()
    except OSError:
        return None
    if not said.startswith("gitdir:"):
        return None
    # …/main/.git/worktrees/name
    folder = Path(os.path.realpath(link.parent / said.removeprefix("gitdir:").strip()))
    parts = folder.parts
    return str(Path(*parts[: parts.index(".git")])) if ".git" in parts[1:] else None


def _configs(read: Table) -> list[Table]:
    """Return what is in effect and what it is made of, but for what the workspace brings.

    The workspace is not trusted in our thread, and what it says may hide what the user says.
    """
    layers = [each for each in tables(read, "layers") if not _is_project(each)]
    return [table(read, "config"), *(table(layer, "config") for layer in layers)]


def _servers(read: Table) -> dict[str, set[str]]:
    """Return the MCP servers that a thread will have, with the tools that are named for each.

    Those that only the workspace's configuration has will not be there, and Codex opens no thread with an
    override for what is not there.
    """
    _, *others = _configs(read)
    elsewhere = {name for config in others for name in table(config, "mcp_servers")}
    brought = {
        name
        for layer in tables(read, "layers")
        if _is_project(layer)
        for name in table(table(layer, "config"), "mcp_servers")
    }
    found: dict[str, set[str]] = {}
    for config in _configs(read):
        for name, server in table(config, "mcp_servers").items():
            if name in elsewhere or name not in brought:
                found.setdefault(name, set()).update(table(as_table(server), "tools"))
    return found


def _is_project(layer: Table) -> bool:
    return text(table(layer, "name"), "type") == "project"


def thread_config(wished: Mapping[str, JsonValue], read: Table, cwd: Path) -> JsonObject:
    """Return the overrides of Codex's configuration for a thread.

    Args:
        wished: The setting `codex.config`, nested. It is sent along, since Codex forgets what its
            arguments said of a table that a thread overrides.
        read: Codex's configuration with its layers, as it answers `config/read`.
        cwd: The thread's folder.
    """
    servers: JsonObject = {}
    for name, named in _servers(read).items():
        tools: JsonObject = {tool: {"approval_mode": "prompt"} for tool in sorted(named)}
        servers[name] = {"default_tools_approval_mode": "prompt"}
        if tools:
            servers[name] = {"default_tools_approval_mode": "prompt", "tools": tools}
    ours = merge(
        _OVERRIDES,
        {
            "projects": {
                folder: {"trust_level": "untrusted"} for folder in _untrusted_folders(cwd)
            },
            **({"mcp_servers": servers} if servers else {}),
            "features": {
                name: False
                for name in _IF_SWITCHED_ON
                if any(flag(table(config, "features"), name) for config in _configs(read))
            },
        },
    )
    return merge(merge(_UNLESS_WISHED, wished), ours)


def _rule_folders(read: Table, home: str) -> tuple[Path, ...]:
    folders = {_SYSTEM_FOLDER}
    if home:
        folders.add(Path(home))
    for layer in tables(read, "layers"):
        name = table(layer, "name")
        # Those of projects are out, since we do not trust any; every other kind counts.
        if not _is_project(layer) and text(name, "file"):
            folders.add(Path(text(name, "file")).parent)
    return tuple(sorted(folders))


def _refuse_rules(state: RuleState) -> None:
    if not state.findings:
        return
    places = "; ".join(str(each) for each in state.findings[:_SHOWN_RULES])
    rest = len(state.findings) - _SHOWN_RULES
    more = f" (and {rest} more)" if rest > 0 else ""
    raise AgentNotSafe(
        "Codex's own rules would run commands without asking you, outside its sandbox, and Codex has "
        f"no way to leave them out: {places}{more}.",
        advice=(
            'Remove those rules, give them decision="prompt", or let Autopilot use a Codex folder '
            "without them (setting codex.home; it needs its own `autopilot-ls login`)."
        ),
    )


def _refuse_hooks(listed: Table) -> None:
    for entry in tables(listed, "data"):
        for hook in tables(entry, "hooks"):
            managed = flag(hook, "isManaged") or text(hook, "trustStatus") == "managed"
            if managed and text(hook, "eventName") in DECIDING_HOOKS:
                raise AgentNotSafe(
                    f"A managed hook of Codex ({text(hook, 'sourcePath')}) may answer in your place, "
                    "and managed hooks cannot be switched off.",
                    advice="Ask whoever manages this computer, or use another agent.",
                )


async def inspect(ask: Ask, cwd: Path, *, home: str, wished: Mapping[str, JsonValue]) -> Guard:
    """Look at Codex's configuration, and say how a thread in this folder is guarded.

    Args:
        ask: Sends a reading request to Codex.
        cwd: The thread's folder.
        home: Codex's own folder, as Codex names it.
        wished: The setting `codex.config`, nested.

    Raises:
        AgentNotSafe: Something in it lets actions pass unjudged and cannot be overridden.
        RpcError: It cannot be read.
    """
    read = as_table(await ask("config/read", {"cwd": str(cwd), "includeLayers": True}))
    hooks = as_table(await ask("hooks/list", {"cwds": [str(cwd)]}))
    _refuse_hooks(hooks)
    folders = _rule_folders(read, home)
    rules = read_rules(folders)
    _refuse_rules(rules)
    config = thread_config(wished, read, cwd)
    return Guard(config, rules, folders, _warnings(read, hooks))


def check_again(guard: Guard) -> None:
    """Look at the rule files once more, after Codex has read them.

    Raises:
        AgentNotSafe: They have changed meanwhile, so that nobody knows what Codex has read.
    """
    state = read_rules(guard.rule_folders)
    _refuse_rules(state)
    if state.fingerprint != guard.rules.fingerprint:
        raise AgentNotSafe(
            "Codex's rule files changed while Codex was reading them.", advice="Try again."
        )


def _warnings(read: Table, hooks: Table) -> tuple[str, ...]:
    """Say what a person may miss, because Autopilot switches it off, or should know to run."""
    config = table(read, "config")
    found = [
        f"The MCP server {name} is started outside the sandbox with each thread; its tools ask."
        for name in sorted(_servers(read))
    ]
    active = [
        hook
        for entry in tables(hooks, "data")
        for hook in tables(entry, "hooks")
        if text(hook, "trustStatus") == "trusted" and flag(hook, "enabled", default=True)
    ]
    if active:
        found.append(f"{len(active)} hooks of Codex do not run under Autopilot.")
    if any(flag(as_table(each), "enabled") for each in table(config, "plugins").values()):
        found.append("Plugins of Codex are off under Autopilot, since their tools may not ask.")
    if any(_is_project(layer) for layer in tables(read, "layers")):
        found.append("The workspace's own .codex configuration is not loaded under Autopilot.")
    if config.get("notify"):
        found.append("Codex's `notify` program does not run under Autopilot.")
    return tuple(found)
