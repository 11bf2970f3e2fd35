"""`autopilot-ls schema`: the files in `schemas/` that are made from the code.

Not aware of what the schemas are for. The settings, the events, the LSP methods and the
policy stand below, each of which knows its own schema; `main` stands above.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import anyio

from autopilot_ls.cli.commands import Exit, Schema
from autopilot_ls.cli.setup import load_settings
from autopilot_ls.model.errors import AgentNotFound, InvalidRequest

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def _settings() -> Mapping[str, object]:
    from autopilot_ls.settings.tree import json_schema

    return json_schema()


def _events() -> Mapping[str, object]:
    from autopilot_ls.model.events import Event

    schema: Mapping[str, object] = Event.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": _DIALECT, **schema, "title": "Events of autopilot-ls"}


def _lsp() -> Mapping[str, object]:
    from autopilot_ls.lsp.methods import lsp_schema

    return lsp_schema()


def _policy() -> Mapping[str, object]:
    from autopilot_ls.policy.schema import policy_schema

    return policy_schema()


GENERATED: Final[Mapping[str, Callable[[], Mapping[str, object]]]] = {
    "settings.json": _settings,
    "events.json": _events,
    "lsp.json": _lsp,
    "policy.json": _policy,
}
"""Each generated file with what makes its content."""


def render(content: Mapping[str, object]) -> str:
    """Return the one text of a schema: the order the code gives, two spaces, a newline at the end."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def run_schema(command: Schema) -> int:
    """Write the files or, with `check`, name those that differ.

    Raises:
        InvalidRequest: There is no folder to write to or compare with.
    """
    folder = command.out if command.out is not None else Path("schemas")
    if command.out is None and not folder.is_dir():
        raise InvalidRequest(
            f"There is no folder {folder.absolute()}.",
            advice="Run it in a checkout of autopilot-ls, or name a folder with --out.",
        )
    differing = [name for name, make in GENERATED.items() if _differs(folder / name, make())]
    if not command.check:
        _write(folder, differing)
        return anyio.run(_write_manifest, folder)
    problems = [f"{folder / name} is not what the code says." for name in differing]
    if problems:
        problems.append("Run: autopilot-ls schema")
    problems += anyio.run(_check_manifest, folder)
    for problem in problems:
        print(f"autopilot-ls: {problem}", file=sys.stderr)
    return Exit.FAILED if problems else Exit.OK


def _differs(path: Path, content: Mapping[str, object]) -> bool:
    try:
        return path.read_bytes() != render(content).encode()
    except FileNotFoundError:
        return True


def _write(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(render(GENERATED[name]()), encoding="utf-8")
        print(f"Wrote {folder / name}.")
    if not names:
        print("The schemas made from the code were up to date.")


async def _check_manifest(folder: Path) -> list[str]:
    """Return what is wrong with the pinned protocol of Codex; nothing without a Codex to compare."""
    from autopilot_ls.runtimes.codex.manifest import MANIFEST_FILE, check_manifest

    settings = load_settings()
    try:
        report = await check_manifest(settings.codex, os.environ, folder / MANIFEST_FILE)
    except AgentNotFound as missing:
        print(f"autopilot-ls: The protocol was not checked. {missing}", file=sys.stderr)
        return []
    return list(report.problems)


async def _write_manifest(folder: Path) -> int:
    """Pin the protocol of the installed Codex, with the lists of the code."""
    from autopilot_ls.runtimes.codex.manifest import MANIFEST_FILE, generate_manifest

    settings = load_settings()
    path = anyio.Path(folder / MANIFEST_FILE)
    try:
        made = await generate_manifest(settings.codex, os.environ, Path(path))
    except AgentNotFound as missing:
        print(f"autopilot-ls: The protocol was not pinned. {missing}", file=sys.stderr)
        return Exit.OK
    await path.parent.mkdir(parents=True, exist_ok=True)
    await path.write_text(render(made.content), encoding="utf-8")
    print(f"Pinned the protocol of Codex {made.report.version} in {path}.")
    if made.report.unlisted:
        print(f"autopilot-ls: No list names {', '.join(made.report.unlisted)}.", file=sys.stderr)
    return Exit.FAILED if made.report.unlisted else Exit.OK
