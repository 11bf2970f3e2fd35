from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel
import pytest

from autopilot_ls.lsp.jobs import MAX_JOBS, Jobs, TooBusy
from autopilot_ls.model.errors import AutopilotError, SessionNotFound


async def test_cancelled_wait_leaves_the_work_going_on() -> None:
    finished, go = anyio.Event(), anyio.Event()

    async def work() -> None:
        await go.wait()
        finished.set()

    async with anyio.create_task_group() as tasks:
        jobs = Jobs(tasks)
        waiter = asyncio.ensure_future(jobs.run(work))
        await anyio.lowlevel.checkpoint()
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        go.set()
        with anyio.fail_after(5):
            await finished.wait()


async def test_errors_go_to_whoever_waits_and_harm_nobody_else() -> None:
    async def fail() -> None:
        raise SessionNotFound("gone")

    async def fault() -> None:
        raise ZeroDivisionError

    async def well() -> int:
        return 1

    async with anyio.create_task_group() as tasks:
        jobs = Jobs(tasks)
        jobs.start(fault)
        jobs.start(fail)
        with pytest.raises(SessionNotFound):
            await jobs.run(fail)
        with pytest.raises(ZeroDivisionError):
            await jobs.run(fault)
        assert await jobs.run(well) == 1


async def test_waiters_are_told_when_the_server_ends() -> None:
    waiter: asyncio.Future[None] | None = None
    async with anyio.create_task_group() as tasks:
        waiter = asyncio.ensure_future(Jobs(tasks).run(anyio.sleep_forever))
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert waiter is not None
    with pytest.raises(AutopilotError, match="shutting down"):
        await waiter


async def test_too_much_at_once_is_refused() -> None:
    async with anyio.create_task_group() as tasks:
        jobs = Jobs(tasks)
        for _ in range(MAX_JOBS):
            jobs.start(anyio.sleep_forever)
        with pytest.raises(TooBusy):
            await jobs.run(anyio.sleep_forever)
        tasks.cancel_scope.cancel()
