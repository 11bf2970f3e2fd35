"""What an MCP server asks for, as far as a terminal can ask it: flat fields of simple types.

The Model Context Protocol restricts these schemas to flat objects of texts, numbers, truth values and
choices; what goes beyond is refused, not guessed. Pure. `prompting` stands above.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from autopilot_ls.model.text import one_line

_MAX_FIELDS: Final = 50
_SIMPLE: Final = frozenset({"string", "number", "integer", "boolean"})
_TRUTH: Final = {"y": True, "yes": True, "true": True, "n": False, "no": False, "false": False}


class Refused(Exception):
    """It cannot be asked, or the answer does not fit; the message says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One field that is asked for.

    Attributes:
        kind: The JSON type.
        choices: The only possible texts, empty when any will do.
    """

    name: str
    prompt: str
    kind: str
    choices: tuple[str, ...]
    required: bool


def asked_for(content_schema: str) -> list[Wanted]:
    """Return the fields of a schema.

    Args:
        content_schema: The JSON Schema as JSON text; comes from an MCP server.

    Raises:
        Refused: The schema asks for more than a terminal can.
    """
    try:
        schema = _object(json.loads(content_schema))
    except (ValueError, RecursionError):
        raise Refused("what it asks for cannot be read") from None
    properties = _object(schema.get("properties", {}))
    required = schema.get("required", [])
    names = cast("list[object]", required) if isinstance(required, list) else []
    if len(properties) > _MAX_FIELDS:
        raise Refused("it asks for too much")
    return [_wanted(name, _object(about), name in names) for name, about in properties.items()]


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise Refused("what it asks for has a form that is not known here")
    return cast("Mapping[str, object]", value)


def _wanted(name: str, about: Mapping[str, object], required: bool) -> Wanted:  # noqa: FBT001
    kind = about.get("type", "string")
    if not isinstance(kind, str) or kind not in _SIMPLE:
        raise Refused(f"{one_line(name, 60)} is not a simple value")
    listed = about.get("enum", [])
    values = cast("list[object]", listed) if isinstance(listed, list) else []
    choices = tuple(value for value in values if isinstance(value, str))
    if len(choices) != len(values):
        raise Refused(f"{one_line(name, 60)} has choices that are no text")
    title = one_line(str(about.get("title") or name), 80)
    hint = ", ".join(choices) or {"boolean": "yes or no", "string": "text"}.get(kind, kind)
    optional = "" if required else ", may be empty"
    return Wanted(name, f"{title} ({one_line(hint, 300)}{optional})", kind, choices, required)


def read_value(wanted: Wanted, typed: str, content: dict[str, object]) -> None:
    """Put the value that was typed into the content.

    Raises:
        Refused: It does not fit; the message says what would.
    """
    text = typed.strip()
    if not text:
        if wanted.required:
            raise Refused("This is needed.")
        return
    if wanted.choices and text not in wanted.choices:
        raise Refused(f"Type one of: {', '.join(wanted.choices)}.")
    content[wanted.name] = _value(wanted.kind, text)


def _value(kind: str, text: str) -> object:
    if kind == "string":
        return text
    if kind == "boolean":
        if text.lower() not in _TRUTH:
            raise Refused("Type yes or no.")
        return _TRUTH[text.lower()]
    try:
        number = json.loads(text)
    except ValueError:
        number = None
    fits = int if kind == "integer" else (int, float)
    if isinstance(number, bool) or not isinstance(number, fits):
        raise Refused("Type a whole number." if kind == "integer" else "Type a number.")
    return number
