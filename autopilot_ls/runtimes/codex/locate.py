"""Where the Codex program is, and how it is started.

Decides on paths, arguments and environment only; starts nothing. Not aware of the protocol. `runtime`,
`manifest` and `doctor` stand above, the settings and the model's errors below.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import JsonValue

from autopilot_ls.model.errors import AgentNotFound, AgentTooOld, InvalidSettings
from autopilot_ls.model.text import one_line
from autopilot_ls.runtimes.codex.protocol import OLDEST_VERSION
from autopilot_ls.settings.tree import CodexSettings

INSTALL_ADVICE: Final = (
    "Install it with `pip install 'autopilot-ls[codex]'`, put `codex` on the PATH, or name it in the "
    "setting codex.command."
)
DECIDED_BY_US: Final = frozenset(
    {
        "approval_policy",
        "approvals_reviewer",
        "default_permissions",
        "permissions",
        "sandbox_mode",
    }
)
"""Configuration keys that Autopilot sets for each thread; overrides of them are left out."""

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_VERSION: Final = re.compile(r"(?<![\d.])(\d{1,5})\.(\d{1,5})\.(\d{1,5})(?!\d)")


@dataclass(frozen=True, slots=True)
class Located:
    """A Codex that was found.

    Attributes:
        command: The program and its first arguments.
        source: What named it: the settings, the package that the extra installs, or the PATH.
    """

    command: tuple[str, ...]
    source: Literal["settings", "package", "path"]


def _bundled() -> str | None:
    """Return the program of the package `openai-codex-cli-bin`, if that is installed."""
    try:
        from codex_cli_bin import bundled_codex_path  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        return None
    try:
        path = Path(bundled_codex_path())
    except (OSError, RuntimeError):
        return None
    return str(path) if os.access(path, os.X_OK) else None


def locate(command: Sequence[str], environment: Mapping[str, str]) -> Located:
    """Find Codex.

    Args:
        command: The setting `codex.command`; empty when it is not set.
        environment: Whose PATH is searched.

    Raises:
        AgentNotFound: There is none.
    """
    if command:
        program = os.path.expanduser(command[0])  # noqa: PTH111 reason: a bare name must stay one
        found = _on_path(program, environment)
        if found is None:
            raise AgentNotFound(
                f"The Codex that the setting codex.command names does not exist or cannot be "
                f"executed: {one_line(program)}.",
                advice="Correct the setting codex.command, or remove it to use the installed Codex.",
            )
        return Located((found, *command[1:]), "settings")
    bundled = _bundled()
    if bundled is not None:
        return Located((bundled,), "package")
    found = _on_path("codex", environment)
    if found is not None:
        return Located((found,), "path")
    raise AgentNotFound("Codex is not installed.", advice=INSTALL_ADVICE)


def _on_path(program: str, environment: Mapping[str, str]) -> str | None:
    if os.sep in program:
        path = Path(program)
        return program if path.is_file() and os.access(path, os.X_OK) else None
    # A relative folder on the PATH would be one of the workspace, whose programs nobody chose.
    folders = [
        folder
        for folder in environment.get("PATH", os.defpath).split(os.pathsep)
        if Path(folder).is_absolute()
    ]
    return shutil.which(program, path=os.pathsep.join(folders)) if folders else None


def parse_version(text: str) -> tuple[int, int, int] | None:
    """Return the first version number in a text such as `codex-cli 0.163.0`."""
    found = _VERSION.search(text)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def check_version(version: tuple[int, int, int] | None, said: str) -> str:
    """Return the version as text.

    Args:
        version: What Codex reported, parsed.
        said: What it reported, as it was.

    Raises:
        AgentTooOld: It is older than what Autopilot is tested with, or cannot be told.
    """
    oldest = ".".join(map(str, OLDEST_VERSION))
    advice = "Install a newer one, for example with `pip install -U 'autopilot-ls[codex]'`."
    if version is None:
        raise AgentTooOld(
            f"Codex does not say which version it is ({one_line(said)}); at least {oldest} is needed.",
            advice=advice,
        )
    shown = ".".join(map(str, version))
    if version < OLDEST_VERSION:
        raise AgentTooOld(f"Codex {shown} is too old; at least {oldest} is needed.", advice=advice)
    return shown


def environment_for(settings: CodexSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the Codex process.

    Args:
        settings: Its additions win; `home` replaces CODEX_HOME when it is set.
        environment: The environment of the person's editor.
    """
    added = {name: value.get_secret_value() for name, value in settings.env.items()}
    home = {} if settings.home is None else {"CODEX_HOME": str(settings.home)}
    return {**environment, **added, **home}


def account_command(
    settings: CodexSettings, environment: Mapping[str, str], *words: str
) -> tuple[list[str], dict[str, str]]:
    """Return the command of Codex that logs in or out in a terminal, and its environment.

    Args:
        settings: Which Codex, in which home, with which configuration.
        environment: The environment of the person's terminal.
        words: What Codex calls it, as `login --device-auth`.

    Raises:
        AgentNotFound: There is no Codex.
        InvalidSettings: The configuration cannot be written as TOML.
    """
    added = environment_for(settings, environment)
    program = locate(settings.command, added).command
    return [*program, *words, *override_arguments(settings.config)], added


def override_arguments(config: Mapping[str, JsonValue]) -> list[str]:
    """Return overrides of Codex's configuration as arguments: `-c key=value` for each leaf.

    Args:
        config: Nested as in config.toml. What Autopilot decides itself is left out.

    Raises:
        InvalidSettings: A value cannot be written as TOML.
    """
    return [part for leaf in _leaves(nested_config(config), ()) for part in ("-c", leaf)]


def nested_config(config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the setting `codex.config` nested, without what Autopilot decides itself.

    Args:
        config: May name a leaf of a table by a dotted key, as on Codex's command line.
    """
    result: dict[str, JsonValue] = {}
    for name, value in config.items():
        *path, last = name.split(".")
        inner = result
        for part in path:
            below = inner.get(part)
            deeper = dict(below) if isinstance(below, dict) else {}
            inner[part] = deeper
            inner = deeper
        before = inner.get(last)
        if isinstance(before, dict) and isinstance(value, dict):
            inner[last] = {**before, **value}
        else:
            inner[last] = value
    return {name: value for name, value in result.items() if name not in DECIDED_BY_US}


def _leaves(config: Mapping[str, JsonValue], path: tuple[str, ...]) -> Iterator[str]:
    for name, value in config.items():
        here = (*path, name)
        if not _BARE.fullmatch(name):
            raise InvalidSettings(
                f"codex.config: {name!r} is no name of a setting of Codex.",
                advice="Write it as in config.toml.",
            )
        # Codex splits keys at every dot, quoted or not: only a value can hold other names.
        if isinstance(value, dict) and value and all(_BARE.fullmatch(key) for key in value):
            yield from _leaves(value, here)
        else:
            yield f"{'.'.join(here)}={_toml(value, '.'.join(here))}"


def _toml(value: JsonValue, where: str) -> str:
    if isinstance(value, dict):
        members = (f"{_string(key)}={_toml(each, f'{where}.{key}')}" for key, each in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_toml(each, where) for each in value) + "]"
    if isinstance(value, str):
        return _string(value)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        raise InvalidSettings(
            f"codex.config.{where}: {value} cannot be written in Codex's configuration.",
            advice="Remove it, or give it a value.",
        )
    return json.dumps(value)


def _string(value: str) -> str:
    # JSON's escapes are TOML's too, as long as no surrogates are written; DEL is TOML's own case.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
