"""The schemas that everything is generated from.

Not aware of what is made of them. The generators stand above.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, cast

ROOT: Final = Path(__file__).parents[2]

Schema: TypeAlias = Mapping[str, object]

SETTINGS_PREFIX: Final = "#/$defs/"


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schemas as they are read.

    Attributes:
        methods: `schemas/lsp.json`: commands, notifications and the models they use.
        settings: `schemas/settings.json`.
    """

    methods: Schema
    settings: Schema

    @classmethod
    def load(cls, root: Path = ROOT) -> Schemas:
        """Read the schemas of this repository."""
        folder = root / "schemas"
        return cls(_read(folder / "lsp.json"), _read(folder / "settings.json"))


def _read(path: Path) -> Schema:
    return cast("Schema", json.loads(path.read_text(encoding="utf-8")))


def member(schema: Schema, name: str) -> Schema:
    """Return a member that is an object, or an empty one where there is none."""
    found = schema.get(name)
    return cast("Schema", found) if isinstance(found, Mapping) else {}


def members(schema: Schema, name: str) -> list[Schema]:
    """Return a member that is a list of objects, or an empty one."""
    found = schema.get(name)
    return cast("list[Schema]", found) if isinstance(found, list) else []


def target(schema: Schema) -> str | None:
    """Return the name of the definition that a schema refers to, if it does."""
    found = schema.get("$ref")
    return str(found).removeprefix(SETTINGS_PREFIX) if found is not None else None


def settings_of(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield each setting by its dotted path, groups followed, as the settings' schema has it."""

    def walk(part: Schema, path: str) -> Iterator[tuple[str, Schema]]:
        for name, value in member(part, "properties").items():
            each = cast("Schema", value)
            group = target(each)
            if group is not None and "properties" in (found := definition(schema, group)):
                yield from walk(found, f"{path}{name}.")
            else:
                yield f"{path}{name}", each

    yield from walk(schema, prefix)


def definition(schema: Schema, name: str) -> Schema:
    """Return one of a schema's own definitions; raises KeyError for an unknown one."""
    return cast("Schema", member(schema, "$defs")[name])
