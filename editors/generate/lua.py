"""What the Neovim client knows of the server: LuaCATS classes, the names of commands, the settings; and its help.

Of the help only what stands between two marks is written; a person writes the rest. `__main__` stands above,
`sources` below.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, cast

from editors.generate.sources import (
    ROOT,
    Schema,
    Schemas,
    definition,
    member,
    members,
    settings_of,
    target,
)

CODE: Final = Path("editors/nvim/lua/autopilot/generated.lua")
HELP: Final = Path("editors/nvim/doc/autopilot.txt")
TAGS: Final = Path("editors/nvim/doc/tags")

WIDTH: Final = 78
"""Columns of a line of help."""

_PLAIN: Final = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "null": "nil",
}

_HEAD: Final = """\
--- Generated from schemas/ by `python -m editors.generate`; not to be edited.
--- What goes between this client and the server, and the server's settings.
"""


def generate(schemas: Schemas) -> Mapping[Path, str]:
    """Return the Lua module, the help with its generated parts made anew, and its tags, by their paths."""
    text = _help(schemas)
    return {CODE: _module(schemas), HELP: text, TAGS: _tags(text)}


# The module -------------------------------------------------------------------------------------


def _module(schemas: Schemas) -> str:
    methods = schemas.methods
    commands = sorted(member(methods, "commands"))
    parts = [_HEAD, "local M = {}\n"]
    parts += [_class(name, definition(methods, name)) for name in _reachable(methods)]
    parts.append(_settings_class(schemas.settings))
    names = "".join(f"\n---| '{name}'" for name in commands)
    parts.append(f"---@alias autopilot.Command{names}\n")
    tree = _tree(path for path, _ in settings_of(schemas.settings))
    parts.append(
        f"--- The names of the server's settings, nested as they are.\nM.settings = {tree}\n"
    )
    parts.append("return M\n")
    return "\n".join(parts)


def _reachable(methods: Schema) -> list[str]:
    """Return the names of what the client gets: results of commands, and notifications but events."""
    found: set[str] = set()
    waiting: list[object] = [
        member(cast("Schema", each), "result") for each in member(methods, "commands").values()
    ]
    waiting += [
        member(cast("Schema", each), "params")
        for name, each in member(methods, "notifications").items()
        if name != "autopilot/event"
    ]
    waiting += [
        member(cast("Schema", each), part)
        for each in member(methods, "requests").values()
        for part in ("params", "result")
    ]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            schema = cast("Schema", part)
            name = target(schema)
            if name is not None and name not in found:
                found.add(name)
                waiting.append(definition(methods, name))
            waiting += schema.values()
        elif isinstance(part, list):
            waiting += cast("list[object]", part)
    return sorted(found)


def _name(name: str) -> str:
    return "autopilot." + name.rsplit("__", 1)[-1]


def _class(name: str, schema: Schema) -> str:
    if "properties" not in schema:
        return f"---@alias {_name(name)} {_type(schema)}\n"
    return _fields(_name(name), schema)


def _fields(name: str, schema: Schema) -> str:
    required = cast("list[str]", schema.get("required", []))
    lines = [f"---@class {name}"]
    for field, value in member(schema, "properties").items():
        mark = "" if field in required else "?"
        lines.append(f"---@field {field}{mark} {_type(cast('Schema', value))}")
    return "\n".join(lines) + "\n"


def _type(schema: Schema) -> str:
    name = target(schema)
    if name is not None:
        return _name(name)
    if "const" in schema:
        return _literal(schema["const"])
    choices = members(schema, "anyOf") or members(schema, "oneOf")
    if choices:
        return "|".join(dict.fromkeys(_type(choice) for choice in choices))
    if "enum" in schema:
        return "|".join(_literal(each) for each in cast("list[object]", schema["enum"]))
    kind = schema.get("type")
    if kind == "array":
        inner = _type(member(schema, "items"))
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    if kind == "object":
        values = member(schema, "additionalProperties")
        return f"table<string, {_type(values) if values else 'any'}>"
    return _PLAIN.get(str(kind), "any")


def _literal(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


def _settings_class(settings: Schema) -> str:
    """Return the classes of the settings, all of which may be left out."""
    parts: list[str] = []

    def walk(name: str, schema: Schema) -> None:
        lines = [f"---@class {name}"]
        for field, value in member(schema, "properties").items():
            each = cast("Schema", value)
            group = target(each)
            if group is not None and "properties" in (found := definition(settings, group)):
                below = f"{name}.{field}"
                walk(below, found)
                lines.append(f"---@field {field}? {below}")
            else:
                resolved = definition(settings, group) if group is not None else each
                kind = _type(resolved) if "autopilot." not in _type(resolved) else "any"
                lines.append(f"---@field {field}? {kind}")
        parts.append("\n".join(lines) + "\n")

    walk("autopilot.Settings", settings)
    return "\n".join(parts)


def _tree(paths: Iterable[str]) -> str:
    """Return the names as a nested Lua table whose leaves are true."""
    root: dict[str, object] = {}
    for path in sorted(paths):
        *groups, leaf = path.split(".")
        here = root
        for group in groups:
            here = cast("dict[str, object]", here.setdefault(group, {}))
        here[leaf] = True

    def write(part: dict[str, object], indent: str) -> str:
        lines = ["{"]
        for name, value in part.items():
            shown = (
                "true" if value is True else write(cast("dict[str, object]", value), indent + "  ")
            )
            lines.append(f"{indent}  {name} = {shown},")
        return "\n".join([*lines, f"{indent}}}"])

    return write(root, "")


# The help ---------------------------------------------------------------------------------------


def _help(schemas: Schemas) -> str:
    text = (ROOT / HELP).read_text(encoding="utf-8")
    for name, lines in (
        ("settings", _settings_help(schemas.settings)),
        ("commands", _commands_help(schemas.methods)),
    ):
        mark = f"(generated: {name})"
        before, _, rest = text.partition(mark)
        _, end, after = rest.partition(f"(end of {name})")
        if not end:
            raise SystemExit(f"{HELP} lacks the marks of {name}.")
        body = "\n".join(lines)
        text = f"{before}{mark}\n\n{body}\n\n(end of {name}){after}"
    return text


def _tags(text: str) -> str:
    """Return what `:helptags` would write, so that the help is found where no plugin manager runs it."""
    tags = sorted(re.findall(r"(?<!\S)\*([^\s*|]+)\*(?!\S)", text))
    return "".join(f"{tag}\t{HELP.name}\t/*{tag}*\n" for tag in tags)


def _settings_help(settings: Schema) -> Iterator[str]:
    for path, each in settings_of(settings):
        name = f"*autopilot-setting-{path}*"
        yield f"{path:<{WIDTH - len(name)}}{name}"
        yield from _wrapped(str(each.get("description", "")))


def _commands_help(methods: Schema) -> Iterator[str]:
    for name, each in member(methods, "commands").items():
        yield name
        yield from _wrapped(str(cast("Schema", each)["title"]))


def _wrapped(text: str) -> list[str]:
    # What help would take for a tag or a link is no such thing here.
    plain = re.sub(r"[*|]", "'", text)
    return textwrap.wrap(plain, WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
