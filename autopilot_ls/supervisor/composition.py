"""Joining the layers by the settings: which runtimes there are, and which limits hold.

The only place that names concrete runtimes; each is imported when it is first needed. Not aware of
sessions. `supervisor` stands above, `runtimes` below.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from autopilot_ls.runtimes.base import (
    AgentRuntime,
    OpenOptions,
    RuntimeFactory,
    RuntimeSink,
    Unrecorded,
)
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.review.reviews import Reviews
from autopilot_ls.supervisor.review.values import Snapshots
from autopilot_ls.supervisor.tasks import Tasks


def default_factories(settings: Settings) -> Mapping[str, RuntimeFactory]:
    """Return the runtimes of this package by name, set up by the settings."""
    from autopilot_ls.runtimes.codex import CodexFactory

    return {"codex": CodexFactory(settings.codex)}


@asynccontextmanager
async def transient_runtime(
    factory: RuntimeFactory, options: OpenOptions, sink: RuntimeSink | None = None
) -> AsyncGenerator[AgentRuntime]:
    """Start an agent that serves no session; no thread is opened.

    Args:
        factory: Starts it.
        options: How.
        sink: Gets what it reports; nobody does when omitted.

    Raises:
        AgentError: The agent cannot be had.
    """
    async with factory.open(options, sink or Unrecorded()) as runtime:
        yield runtime


def make_reviews(
    settings: Settings, tasks: Tasks, changed: Callable[[Path], None]
) -> Reviews | None:
    """Return where it is kept what agents change; None when the settings say that it is not.

    Args:
        settings: The checked settings.
        tasks: Where the looking at workspaces runs.
        changed: Called with a workspace when what is to be reviewed there has changed.
    """
    if not settings.review.enabled:
        return None
    folder = settings.state_folder

    def snapshots(store: Path, workspace: Path) -> Snapshots:
        # Git is looked for when a turn begins, and no sooner.
        from autopilot_ls.edits.baselines.baselines import Baselines
        from autopilot_ls.supervisor.review.snapshots import GitSnapshots

        baselines = Baselines(store, workspace, private=[folder], start=tasks.start_soon)
        return GitSnapshots(baselines, workspace)

    keep_for = settings.trace.max_age_days * 86_400.0
    return Reviews(folder, snapshots, tasks, changed, keep_for)
