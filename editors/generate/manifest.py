"""What the VS Code client's manifest says of the server: its settings, and its commands with their titles.

Only those parts of `package.json` are written; a person writes the rest, also in the same lists: settings
that begin with `autopilot.server.` and commands of another category. `__main__` stands above, `sources`
below.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from editors.generate.sources import ROOT, Schema, Schemas, member, members, settings_of

PATH: Final = Path("editors/vscode/package.json")

CLIENT_PREFIX: Final = "autopilot.server."
"""Where the settings begin that are the client's own and never reach the server."""

SERVED: Final = "Autopilot Server"
"""The category of commands that take an argument: they are for key bindings, and not in the palette."""

_KEPT: Final = (
    "type",
    "enum",
    "items",
    "default",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "pattern",
    "maxLength",
    "minLength",
    "maxItems",
    "additionalProperties",
)


def generate(schemas: Schemas) -> Mapping[Path, str]:
    """Return the manifest with its generated parts made anew, by its path in the repository."""
    manifest = cast("dict[str, object]", json.loads((ROOT / PATH).read_text(encoding="utf-8")))
    contributes = cast("dict[str, object]", manifest["contributes"])
    contributes["configuration"] = _configuration(contributes, schemas.settings)
    contributes["commands"] = _commands(contributes, schemas.methods)
    menus = cast("dict[str, object]", contributes["menus"])
    menus["commandPalette"] = _palette(contributes, schemas.methods)
    return {PATH: json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"}


def _configuration(contributes: Schema, settings: Schema) -> object:
    written = member(member(contributes, "configuration"), "properties")
    own = {name: value for name, value in written.items() if name.startswith(CLIENT_PREFIX)}
    served = {f"autopilot.{path}": _setting(each) for path, each in settings_of(settings)}
    return {"title": "Autopilot", "properties": {**own, **served}}


def _setting(schema: Schema) -> Schema:
    """Return a setting as VS Code's settings editor understands it."""
    choices = members(schema, "anyOf")
    plain: dict[str, object] = {**schema}
    if choices:
        plain |= next(each for each in choices if each.get("type") != "null")
        plain["type"] = [str(each["type"]) for each in choices]
    if "const" in plain:
        plain["enum"] = [plain["const"]]
    shown: dict[str, object] = {name: plain[name] for name in _KEPT if name in plain}
    values = shown.get("additionalProperties")
    if isinstance(values, Mapping):
        kind = cast("Schema", values).get("type")
        # Of a nested tree, the settings editor only wants to know that there is one.
        shown["additionalProperties"] = {"type": kind} if kind else True
    if plain.get("type") == "object":
        shown.setdefault("default", {})
    # Links to other settings in backquotes are a convenience of that editor.
    shown["markdownDescription"] = plain["description"]
    shown["scope"] = plain.get("scope", "window")
    return shown


def _commands(contributes: Schema, methods: Schema) -> list[object]:
    return [
        *_own(contributes),
        *(
            {"command": name, "title": cast("Schema", each)["title"], "category": SERVED}
            for name, each in member(methods, "commands").items()
        ),
    ]


def _own(contributes: Schema) -> list[Schema]:
    return [each for each in members(contributes, "commands") if each.get("category") != SERVED]


def _palette(contributes: Schema, methods: Schema) -> list[object]:
    own = {each["command"] for each in _own(contributes)}
    written = members(member(contributes, "menus"), "commandPalette")
    return [
        *(each for each in written if each["command"] in own),
        *({"command": name, "when": "false"} for name in member(methods, "commands")),
    ]
