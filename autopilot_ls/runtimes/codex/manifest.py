"""The pinned protocol of Codex: which versions it was written for, and what becomes of each name.

Codex writes the schema of exactly the protocol it speaks. `schemas/codex/manifest.json` has the hash of
that for each version tested, and the lists of `protocol`; a schema with a name that stands in no list
fails the check, so that nothing new goes by unnoticed. Not aware of sessions; the command line stands
above, `locate`, `protocol` and `wire` below.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import anyio

import autopilot_ls
from autopilot_ls.model.errors import AgentError, AgentStartFailed
from autopilot_ls.model.text import one_line
from autopilot_ls.runtimes.codex.failures import readable_stderr
from autopilot_ls.runtimes.codex.fields import Table, as_table, table, tables, text
from autopilot_ls.runtimes.codex.locate import environment_for, locate, parse_version
from autopilot_ls.runtimes.codex.protocol import (
    ASKED_REQUESTS,
    MAPPED_ITEMS,
    MAPPED_NOTIFICATIONS,
    RECORDED_ITEMS,
    RECORDED_NOTIFICATIONS,
    REFUSED_REQUESTS,
)
from autopilot_ls.settings.tree import CodexSettings
from autopilot_ls.wire.process import spawn

MANIFEST_FILE: Final = "codex/manifest.json"
"""Where the manifest is within the folder of the schemas."""

_LIMIT: Final = 30.0
_MAX_OUTPUT: Final = 1024 * 1024
_GROUPS: Final = ("notifications", "serverRequests", "items")
_ADVICE: Final = "Check the setting codex.command, and that the installed Codex is complete."


@dataclass(frozen=True, slots=True)
class Protocol:
    """The protocol of one Codex, as its schema says.

    Attributes:
        version: As text, such as `0.163.0`.
        digest: SHA-256 of the schema, in hexadecimal.
        names: The names in use, by group: `notifications`, `serverRequests`, `items`.
    """

    version: str
    digest: str
    names: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class ManifestReport:
    """How a Codex compares with the pinned protocol.

    Attributes:
        version: Codex's version.
        pinned_versions: The versions the manifest has.
        same: Whether its schema is the pinned one; None when its version is not pinned.
        unlisted: Names in its schema that stand in no list, such as `notification foo/bar`.
        vanished: Listed names that its schema does not have.
        stale: Whether the manifest is not what the code says.
    """

    version: str
    pinned_versions: tuple[str, ...]
    same: bool | None
    unlisted: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    stale: bool = False

    @property
    def problems(self) -> tuple[str, ...]:
        """What makes a check fail, one sentence each; empty when it passes."""
        found: list[str] = []
        if self.stale:
            found.append("The manifest is not what the code says; run: autopilot-ls schema")
        if self.unlisted:
            names = ", ".join(self.unlisted)
            found.append(f"Codex {self.version} has what no list of Autopilot names: {names}.")
        if self.same is False:
            found.append(f"The schema of Codex {self.version} is not the pinned one.")
        return tuple(found)


def manifest_path() -> Path:
    """Return where the manifest is: in the installed package, else in the checkout around it."""
    package = Path(autopilot_ls.__file__).parent
    installed = package / "schemas" / MANIFEST_FILE
    return installed if installed.exists() else package.parent / "schemas" / MANIFEST_FILE


def code_lists() -> dict[str, dict[str, str]]:
    """Return what the code does with each name, as it stands in the manifest."""
    notifications = {
        **dict.fromkeys(MAPPED_NOTIFICATIONS, "mapped"),
        **dict.fromkeys(RECORDED_NOTIFICATIONS, "recorded-only"),
    }
    requests = {
        **dict.fromkeys(ASKED_REQUESTS, "approval"),
        **dict.fromkeys(REFUSED_REQUESTS, "answered"),
    }
    items = {
        **dict.fromkeys(MAPPED_ITEMS, "mapped"),
        **dict.fromkeys(RECORDED_ITEMS, "recorded-only"),
    }
    lists = {"notifications": notifications, "serverRequests": requests, "items": items}
    return {group: dict(sorted(names.items())) for group, names in lists.items()}


def manifest_content(versions: Mapping[str, str]) -> dict[str, object]:
    """Return the content of the manifest.

    Args:
        versions: The hash of the schema for each version that is pinned.
    """
    ordered = dict(sorted(versions.items(), key=lambda each: parse_version(each[0]) or (0, 0, 0)))
    return {"versions": ordered, **code_lists()}


def read_versions(path: Path) -> dict[str, str]:
    """Return the pinned versions with the hash of their schema; empty without a manifest."""
    versions = table(_read(path), "versions")
    return {name: digest for name, digest in versions.items() if isinstance(digest, str)}


def _read(path: Path) -> Table:
    try:
        return as_table(cast("object", json.loads(path.read_bytes())))
    except (OSError, ValueError, RecursionError):
        return {}


async def run_once(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, limit: float = _LIMIT
) -> str:
    """Run Codex for something that ends by itself, and return what it prints.

    Raises:
        AgentError: It fails, or takes longer than `limit` seconds.
    """
    output = b""
    async with spawn(command, cwd=folder, env=environment) as process:
        with anyio.move_on_after(limit) as scope:
            while (chunk := await process.read()) and len(output) < _MAX_OUTPUT:
                output += chunk
            ended = await process.wait()
            if ended.code == 0:
                return output.decode("utf-8", "replace")
        said = readable_stderr(process.stderr_tail())
        how = f"took longer than {limit:g} seconds" if scope.cancelled_caught else "failed"
    shown = " ".join(command[1:])
    raise AgentStartFailed(
        f"`codex {shown}` {how}. {said}".strip(),
        advice=_ADVICE,
    )


async def read_protocol(command: Sequence[str], environment: Mapping[str, str]) -> Protocol:
    """Let a Codex write its schema, and read the names from it.

    Args:
        command: The program and its first arguments.
        environment: Its environment.

    Raises:
        AgentError: It cannot be run, or its schema has another form than any known.
    """
    with tempfile.TemporaryDirectory(prefix="autopilot-codex-schema-") as name:
        folder = Path(name)
        said = await run_once([*command, "--version"], environment, folder)
        out = folder / "schema"
        generate = ["app-server", "generate-json-schema", "--experimental", "--out", str(out)]
        await run_once([*command, *generate], environment, folder)
        return await anyio.to_thread.run_sync(_read_schema, out, said)


def _read_schema(folder: Path, said: str) -> Protocol:
    version = parse_version(said)
    # Another program may tell of its whole licence.
    shown = (
        ".".join(map(str, version)) if version else one_line(said.strip().partition("\n")[0], 100)
    )
    bundle = table(_read(folder / "codex_app_server_protocol.v2.schemas.json"), "definitions")
    names = {
        "notifications": _names(_read(folder / "ServerNotification.json"), "method"),
        "serverRequests": _names(_read(folder / "ServerRequest.json"), "method"),
        "items": _names(table(bundle, "ThreadItem"), "type"),
    }
    for group in _GROUPS:
        if not names[group]:
            raise AgentError(
                f"The schema of Codex {shown} has another form: no {group} in it.",
                advice=_ADVICE,
            )
    return Protocol(shown, _digest(folder), names)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.json")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def _names(schema: Table, member: str) -> frozenset[str]:
    """Return the values by which the variants of a union are told apart."""
    found: set[str] = set()
    for variant in [*tables(schema, "oneOf"), *tables(schema, "anyOf")]:
        tag = table(table(variant, "properties"), member)
        values = tag.get("enum")
        for value in cast("list[object]", values) if isinstance(values, list) else []:
            if isinstance(value, str):
                found.add(value)
        if "const" in tag:
            found.add(text(tag, "const"))
    return frozenset(found - {""})


def compare(protocol: Protocol, path: Path) -> ManifestReport:
    """Compare a protocol with the manifest and with the lists of the code."""
    versions = read_versions(path)
    lists = code_lists()
    unlisted: list[str] = []
    vanished: list[str] = []
    for group in _GROUPS:
        known, used = frozenset(lists[group]), protocol.names[group]
        kind = {"serverRequests": "server request"}.get(group, group.removesuffix("s"))
        unlisted += [f"{kind} {name}" for name in sorted(used - known)]
        vanished += [f"{kind} {name}" for name in sorted(known - used)]
    pinned = versions.get(protocol.version)
    return ManifestReport(
        version=protocol.version,
        pinned_versions=tuple(versions),
        same=None if pinned is None else pinned == protocol.digest,
        unlisted=tuple(unlisted),
        vanished=tuple(vanished),
        stale=_read(path) != manifest_content(versions),
    )


async def check_manifest(
    settings: CodexSettings, environment: Mapping[str, str], path: Path | None = None
) -> ManifestReport:
    """Compare the Codex that is installed with the pinned protocol.

    Args:
        settings: Which Codex.
        environment: The environment it is looked for and run in.
        path: The manifest; the package's own when omitted.

    Raises:
        AgentError: There is no Codex, or it cannot write its schema.
    """
    complete = environment_for(settings, environment)
    located = locate(settings.command, complete)
    protocol = await read_protocol(located.command, complete)
    return compare(protocol, path or manifest_path())


@dataclass(frozen=True, slots=True)
class Generated:
    """A manifest that was made anew.

    Attributes:
        content: What is to be written, as JSON with two spaces.
        report: How the Codex compares with the new lists; `unlisted` must be empty.
    """

    content: dict[str, object]
    report: ManifestReport
    versions: dict[str, str] = field(default_factory=dict[str, str])


async def generate_manifest(
    settings: CodexSettings, environment: Mapping[str, str], path: Path
) -> Generated:
    """Make the manifest anew: the lists of the code, and the installed Codex among the versions.

    Args:
        settings: Which Codex.
        environment: The environment it is looked for and run in.
        path: The present manifest, whose other versions are kept; it need not exist.

    Raises:
        AgentError: There is no Codex, or it cannot write its schema.
    """
    complete = environment_for(settings, environment)
    located = locate(settings.command, complete)
    protocol = await read_protocol(located.command, complete)
    versions = {**read_versions(path), protocol.version: protocol.digest}
    return Generated(manifest_content(versions), compare(protocol, path), versions)
