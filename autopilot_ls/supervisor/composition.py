"""Joining the layers by the settings: which runtimes there are, and which limits hold.

The only place that names concrete runtimes; each is imported when it is first needed. Not aware of
sessions. `supervisor` stands above, `runtimes` below.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from autopilot_ls.runtimes.base import (
    AgentRuntime,
    OpenOptions,
    RuntimeFactory,
    Unrecorded,
)
from autopilot_ls.settings.tree import Settings


def default_factories(settings: Settings) -> Mapping[str, RuntimeFactory]:
    """Return the runtimes of this package by name, set up by the settings."""
    from autopilot_ls.runtimes.codex import CodexFactory

    return {"codex": CodexFactory(settings.codex)}


@asynccontextmanager
async def transient_runtime(
    factory: RuntimeFactory, options: OpenOptions
) -> AsyncGenerator[AgentRuntime]:
    """Start an agent only to ask it something; no thread is opened.

    Raises:
        AgentError: The agent cannot be had.
    """
    async with factory.open(options, Unrecorded()) as runtime:
        yield runtime
