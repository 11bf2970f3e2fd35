"""The TypeScript types of our commands and notifications, for the VS Code client.

A member with a default may be left out of an argument, and is always there in an answer. Only what the
client sends and receives is written: it takes no events. `__main__` stands above, `sources` below.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, cast

from editors.generate.sources import Schema, Schemas, definition, member, members, target

PATH: Final = Path("editors/vscode/src/generated.ts")

NOT_TAKEN: Final = frozenset({"autopilot/event"})
"""Notifications that the client tells the server to leave out."""

_HEAD: Final = """\
// Generated from schemas/lsp.json by `make schemas`; do not edit.
// The types of what goes between client and server. Knows no editor and no logic.
"""

_PLAIN: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def generate(schemas: Schemas) -> Mapping[Path, str]:
    """Return the file by its path in the repository."""
    return {PATH: _Types(schemas.methods).text()}


class _Types:
    """Writes the models that are reached from the commands and notifications."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        commands = member(schema, "commands")
        notifications = member(schema, "notifications")
        self._commands = {name: cast("Schema", each) for name, each in commands.items()}
        self._notifications = {
            name: cast("Schema", each)
            for name, each in notifications.items()
            if name not in NOT_TAKEN
        }
        self._sent = self._reached(member(each, "argument") for each in self._commands.values())
        received = [member(each, "result") for each in self._commands.values()]
        received += [member(each, "params") for each in self._notifications.values()]
        self._all = self._sent | self._reached(iter(received))
        self._names = _short(self._all)

    def _reached(self, roots: Iterator[Schema]) -> set[str]:
        found: set[str] = set()
        waiting = [name for root in roots for name in _references(root)]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += _references(definition(self._schema, name))
        return found

    def text(self) -> str:
        """Return the whole file."""
        names = sorted(self._all, key=lambda each: self._names[each])
        parts = [_HEAD, *map(self._model, names)]
        parts.append("/** Each command with its one argument and its result. */")
        parts.append("export interface Commands {")
        for name, each in self._commands.items():
            argument = self._type(member(each, "argument"))
            result = self._type(member(each, "result"))
            parts.append(f"  /** {each['title']}. */")
            parts.append(f"  {json.dumps(name)}: {{ argument: {argument}; result: {result} }};")
        parts.append("}\n")
        parts.append("/** Each notification with what it carries. */")
        parts.append("export interface Notifications {")
        for name, each in self._notifications.items():
            parts.append(f"  /** {each['title']}. */")
            parts.append(f"  {json.dumps(name)}: {self._type(member(each, 'params'))};")
        parts.append("}")
        return "\n".join(parts) + "\n"

    def _model(self, name: str) -> str:
        schema, shown = definition(self._schema, name), self._names[name]
        said = str(schema.get("description", "")).partition("\n\n")[0].replace("\n", " ")
        head = f"/** {said} */\n" if said else ""
        if "properties" not in schema and schema.get("type") != "object":
            return f"{head}export type {shown} = {self._type(schema)};\n"
        required = cast("list[str]", schema.get("required", []))
        lines = [f"{head}export interface {shown} {{"]
        for key, value in member(schema, "properties").items():
            optional = "?" if name in self._sent and key not in required else ""
            lines.append(f"  {key}{optional}: {self._type(cast('Schema', value))};")
        return "\n".join([*lines, "}"]) + "\n"

    def _type(self, schema: Schema) -> str:
        name = target(schema)
        if name is not None:
            return self._names[name]
        if "const" in schema:
            return json.dumps(schema["const"])
        if "enum" in schema:
            return " | ".join(json.dumps(each) for each in cast("list[object]", schema["enum"]))
        choices = members(schema, "anyOf") or members(schema, "oneOf")
        if choices:
            return " | ".join(dict.fromkeys(map(self._type, choices)))
        if schema.get("type") == "array":
            item = self._type(member(schema, "items"))
            return f"readonly ({item})[]" if "|" in item else f"readonly {item}[]"
        if schema.get("type") == "object":
            values = member(schema, "additionalProperties")
            return f"Readonly<Record<string, {self._type(values) if values else 'never'}>>"
        return _PLAIN.get(str(schema.get("type")), "unknown")


def _references(schema: object) -> list[str]:
    """Return the definitions that a schema names, in any depth."""
    if isinstance(schema, Mapping):
        schema = cast("Schema", schema)
        own = target(schema)
        found = [own] if own is not None else []
        return found + [name for value in schema.values() for name in _references(value)]
    if isinstance(schema, list):
        return [name for value in cast("list[object]", schema) for name in _references(value)]
    return []


def _short(names: set[str]) -> dict[str, str]:
    """Return names without the modules they are qualified by, where that leaves them apart."""
    plain = [name.rpartition("__")[2] for name in names]
    return {
        name: short
        if plain.count(short := name.rpartition("__")[2]) == 1
        else name.replace("_", "")
        for name in names
    }
