"""The JSON Schema of policy files, for completion and checks in editors.

Generated into `schemas/policy.json`. Made from the tables of `language`, so that both stay one.
"""

from __future__ import annotations

from typing import Final

from autopilot_ls.policy.language import CHOICES, FLAGS, KEYS, LISTS, MATCHERS, ONLY_WITH
from autopilot_ls.policy.limits import Limits

_TEXTS: Final = {
    "name": "What the rule is called in verdicts and lists; unique in the file.",
    "verdict": "What the rule says. The most cautious rule wins: hard deny > deny > ask > allow.",
    "hard": "With deny: nothing outweighs it. With ask: no grant for the session lifts it.",
    "command": "Command patterns: words as the shell reads them, … for any further words, * inside a"
    " word, {a,b} for alternatives.",
    "line": "Whole command lines, exact to the character.",
    "edit": "Path patterns of files that are changed. Without / at any depth, with / from the"
    " workspace's root, /… and ~/… absolute; ! takes away.",
    "read": "Path patterns of files that commands read.",
    "network": "Names of hosts, * for any text.",
    "tool": "MCP tools as server/tool, * for any text.",
    "permission": "Further permissions, by their readable lines, * for any text.",
    "question": "Questions of the agent; they can be denied, never answered by a rule.",
    "environment": "Names of variables that a line sets; ! takes away.",
    "kinds": "What is done to the file; all when it is left out.",
    "with": "One of these options must be given.",
    "without": "None of these options or words may be given, in whatever spelling; * is any text.",
    "escalated": "An allow also reaches commands that ask to leave the sandbox; an ask or deny reaches"
    " only those.",
    "expansions": "… also takes words that depend on variables or other commands.",
    "modes": "Where the rule holds. Left out: an ask or deny everywhere, an allow of commands in"
    " propose, auto and escalate, any other allow in auto and escalate.",
    "workspace": "Folders of sessions that the rule is for.",
    "risk": "How much harm it can do; an allow of high risk asks in the mode escalate.",
    "reason": "One sentence that is shown with each verdict.",
}
_LIMITS: Final = {
    "approvals": "Approvals by rule within approvals_window.",
    "approvals_window": "Seconds that approvals are counted over.",
    "files": "Files changed in one turn.",
    "lines": "Lines changed in one turn.",
    "commands": "Commands run in one turn.",
    "tokens": "Tokens used in one turn, sub-agents included.",
    "seconds": "Wall time of one turn in seconds, without what it waited for a person.",
    "failures": "Failed commands and edits one after another.",
    "idle_turns": "Turns one after another that change no file.",
}


def _property(key: str) -> dict[str, object]:
    described: dict[str, object] = {"description": _TEXTS[key]}
    if key in FLAGS:
        return {**described, "type": "boolean"}
    item: dict[str, object] = {"type": "string", "minLength": 1}
    if key in CHOICES:
        item = {"enum": list(CHOICES[key])}
    if key not in LISTS:
        return {**described, **item}
    return {**described, "oneOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def policy_schema() -> dict[str, object]:
    """Return the JSON Schema of a policy file."""
    rule: dict[str, object] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["verdict"],
        "properties": {key: _property(key) for key in sorted(KEYS)},
        "oneOf": [{"required": [key]} for key in MATCHERS],
        # In words that the older drafts have too, which is what editors' TOML tools go by.
        "allOf": [
            {
                "if": {"required": [key]},
                "then": {"anyOf": [{"required": [one]} for one in others]},
            }
            for key, others in ONLY_WITH.items()
        ],
    }
    limits: dict[str, object] = {
        "type": "object",
        "additionalProperties": False,
        "description": "What stops a runaway: reaching one asks a person; tokens and seconds stop the turn. 0 is no limit.",
        "properties": {
            name: {"type": "integer", "minimum": 0, "description": _LIMITS[name]}
            for name in Limits.names()
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Autopilot policy",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "version": {"const": 1, "description": "The version of the language."},
            "rule": {"type": "array", "items": rule, "description": "The rules."},
            "limits": limits,
        },
    }
