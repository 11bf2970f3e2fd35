"""What a baseline costs, beside the `git status` that the same folder costs in the user's own repository.

Both are started in turn, so that whatever else the machine does hits both.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from autopilot_ls.edits.baselines.baselines import Baselines
from tests.bench.report import Figure, at_most, median, quartiles

WARM_AIM = 1.5
FIRST_AIM = 12.0
FOLDERS = 400


@dataclass
class _Times:
    """Milliseconds."""

    status: list[float] = field(default_factory=list[float])
    first: list[float] = field(default_factory=list[float])
    stored: list[float] = field(default_factory=list[float])
    settled: list[float] = field(default_factory=list[float])
    warm: list[float] = field(default_factory=list[float])
    changed: list[float] = field(default_factory=list[float])


def measure(cwd: Path, files: int, runs: int) -> list[Figure]:
    """Measure with a repository of so many committed files."""
    workspace = cwd / "workspace"
    _make(workspace, files)
    times = anyio.run(_measure, cwd, workspace, runs)
    status = f"git status {median(times.status):.0f} ms"
    return [
        _figure(
            "baseline, first",
            samples=times.first,
            against=status,
            status=times.status,
            aim=FIRST_AIM,
            files=files,
        ),
        _figure(
            "baseline, first, until it is stored",
            samples=times.stored,
            against=status,
            status=times.status,
            aim=None,
            files=files,
        ),
        _figure(
            "baseline, the one after the first",
            samples=times.settled,
            against=status,
            status=times.status,
            aim=None,
            files=files,
        ),
        _figure(
            "baseline, warm",
            samples=times.warm,
            against=status,
            status=times.status,
            aim=WARM_AIM,
            files=files,
        ),
        _figure(
            "changes of ten files",
            samples=times.changed,
            against=status,
            status=times.status,
            aim=None,
            files=files,
        ),
    ]


def _figure(
    name: str,
    *,
    samples: list[float],
    against: str,
    status: list[float],
    aim: float | None,
    files: int,
) -> Figure:
    ratio = median(samples) / median(status)
    return Figure(
        name,
        median(samples),
        "ms",
        against,
        ratio,
        "" if aim is None else f"≤ {aim:g} ×",
        None if aim is None else at_most(ratio, aim),
        f"{files:,} files; {quartiles(samples, 'ms')}; git status {quartiles(status, 'ms')}",
        tuple(samples),
    )


def _make(workspace: Path, files: int) -> None:
    for number in range(files):
        folder = workspace / f"part{number % 20}" / f"folder{number % FOLDERS}"
        if number < FOLDERS:
            folder.mkdir(parents=True)
        lines = (f"value_{line} = {number * line}\n" for line in range(10 + number % 120))
        (folder / f"module{number}.py").write_text("".join(lines))
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "x")):
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *words], cwd=workspace, check=True, capture_output=True)


async def _measure(cwd: Path, workspace: Path, runs: int) -> _Times:
    times = _Times()
    _status(workspace)
    for number in range(runs):
        async with anyio.create_task_group() as tasks:
            await _measure_once(cwd / f"store{number}", workspace, times, tasks)
    return times


async def _measure_once(store: Path, workspace: Path, times: _Times, tasks: TaskGroup) -> None:
    store.mkdir()  # noqa: ASYNC240 reason: nothing else runs meanwhile
    baselines = Baselines(store, workspace, environ=os.environ, start=tasks.start_soon)
    times.status.append(_status(workspace))
    began = time.perf_counter()
    first = await baselines.take()
    times.first.append((time.perf_counter() - began) * 1000)
    await baselines.changes(first.id, first.id)
    times.stored.append((time.perf_counter() - began) * 1000)
    times.settled.append(await _take(baselines))
    for _ in range(3):
        times.status.append(_status(workspace))
        times.warm.append(await _take(baselines))
    base = await baselines.take()
    for changed in range(10):
        with (workspace / f"part{changed}" / f"folder{changed}" / f"module{changed}.py").open(
            "a"
        ) as file:
            file.write("more\n")
    began = time.perf_counter()
    found = await baselines.changes(base.id)
    times.changed.append((time.perf_counter() - began) * 1000)
    assert len(found.files) == 10


async def _take(baselines: Baselines) -> float:
    began = time.perf_counter()
    await baselines.take()
    return (time.perf_counter() - began) * 1000


def _status(workspace: Path) -> float:
    began = time.perf_counter()
    subprocess.run(["git", "status", "--porcelain"], cwd=workspace, check=True, capture_output=True)
    return (time.perf_counter() - began) * 1000
