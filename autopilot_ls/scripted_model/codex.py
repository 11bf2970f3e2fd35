"""How Codex is told to talk to the scripted model, without touching the user's configuration.

Above it stand the demo and the tests, which hand the result to `thread/start` or to the command
line. It knows of Codex only the names of its configuration keys.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autopilot_ls.scripted_model.outputs import JsonObject
    from autopilot_ls.scripted_model.server import ScriptedModel

PROVIDER = "autopilot_scripted"
MODEL = "gpt-5.5"
"""A name that Codex knows: it offers the freeform `apply_patch` tool to known models only."""


def codex_config(model: ScriptedModel) -> JsonObject:
    """The configuration that makes Codex use this model, nested as in `config.toml`.

    Retries are off, so that a scripted error is seen at once and takes one step. Questions are
    offered in every collaboration mode, the plan tool is offered, and reasoning summaries are
    shown.
    """
    return {
        "model": MODEL,
        "model_provider": PROVIDER,
        "model_reasoning_summary": "detailed",
        "model_providers": {
            PROVIDER: {
                "name": "Scripted model",
                "base_url": model.base_url,
                "wire_api": "responses",
                "request_max_retries": 0,
                "stream_max_retries": 0,
                "stream_idle_timeout_ms": 600_000,
                "requires_openai_auth": False,
                "supports_websockets": False,
            }
        },
        "tools": {"update_plan": {"enabled": True}},
        "features": {"default_mode_request_user_input": True},
    }


def codex_arguments(config: Mapping[str, object]) -> list[str]:
    """The same as arguments of the `codex` command: `-c key=value`, once per leaf."""
    return [part for path, value in _leaves(config, ()) for part in ("-c", f"{path}={value}")]


def _leaves(table: Mapping[str, object], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        here = (*path, name)
        if isinstance(value, dict):
            yield from _leaves(value, here)  # pyright: ignore[reportUnknownArgumentType]
        else:
            # JSON scalars and lists of them are TOML values too.
            yield ".".join(here), json.dumps(value)
