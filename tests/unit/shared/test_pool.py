"""The supervisors that editors share: one for equal settings, kept while needed, each with its own faults."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.settings.tree import Settings
from autopilot_ls.shared import pool as pools
from autopilot_ls.shared.clients import Client
from autopilot_ls.shared.pool import Pool
from autopilot_ls.supervisor.caller import Caller

LIMIT = 20.0
ONE, OTHER = Settings(), Settings(state_dir=Path("/other"))


class Supervisor:
    """A supervisor as far as the pool looks at it."""

    def __init__(self) -> None:
        self.is_working = False
        self.fault = anyio.Event()
        self.closed = anyio.Event()


class Opened:
    """Stands in for `open_supervisor`, and keeps what was opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.all: list[Supervisor] = []
        self.refusal: Exception | None = None
        monkeypatch.setattr(pools, "open_supervisor", self.open)
        monkeypatch.setattr(pools, "LOOK_PAUSE", 0.01)

    @asynccontextmanager
    async def open(self, settings: Settings) -> AsyncGenerator[Supervisor]:
        del settings
        if self.refusal is not None:
            raise self.refusal
        supervisor = Supervisor()
        self.all.append(supervisor)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._fail, supervisor)
            try:
                yield supervisor
            finally:
                supervisor.closed.set()
                tasks.cancel_scope.cancel()

    async def _fail(self, supervisor: Supervisor) -> None:
        await supervisor.fault.wait()
        raise RuntimeError("a fault")


@asynccontextmanager
async def pool_of(idle: Callable[[], float]) -> AsyncGenerator[Pool]:
    async with anyio.create_task_group() as tasks:
        pool = Pool(tasks, idle)
        yield pool
        await pool.end()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    return Opened(monkeypatch)


async def soon(event: anyio.Event) -> None:
    with anyio.fail_after(LIMIT):
        await event.wait()


async def test_equal_settings_share_one_and_others_have_their_own(opened: Opened) -> None:
    async with pool_of(lambda: 60) as pool:
        async with pool.use(ONE) as a, pool.use(ONE) as b, pool.use(OTHER) as c:
            assert a is b
            assert a is not c
            assert pool.users(a) == 2
        async with pool.use(ONE) as again:
            assert again is a
    assert len(opened.all) == 2
    assert all(supervisor.closed.is_set() for supervisor in opened.all)


async def test_one_stays_while_it_is_used_or_works_and_ends_when_idle(opened: Opened) -> None:
    async with pool_of(lambda: 0) as pool:
        async with pool.use(ONE) as hosted:
            with anyio.move_on_after(0.2):
                await hosted.ended.wait()
            assert not hosted.ended.is_set()
            opened.all[0].is_working = True
        with anyio.move_on_after(0.2):
            await hosted.ended.wait()
        assert not hosted.ended.is_set()
        opened.all[0].is_working = False
        await soon(hosted.ended)
        assert pool.is_empty
        async with pool.use(ONE) as another:
            assert another is not hosted


async def test_what_is_idle_is_released_at_once_and_nothing_else(opened: Opened) -> None:
    async with pool_of(lambda: 3600) as pool, pool.use(OTHER) as used:
        async with pool.use(ONE) as idle:
            pass
        opened.all[1].is_working = True
        await pool.release()
        assert not idle.ended.is_set()
        opened.all[1].is_working = False
        with anyio.fail_after(LIMIT):
            await pool.release()
        assert idle.ended.is_set()
        assert not used.ended.is_set()


async def test_who_comes_while_one_ends_waits_and_gets_another(opened: Opened) -> None:
    async with pool_of(lambda: 3600) as pool:
        async with pool.use(ONE) as first:
            pass
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.release)
            await soon(first.ended)
            async with pool.use(ONE) as second:
                assert second is not first
                assert not second.ended.is_set()
    assert len(opened.all) == 2


async def test_a_fault_of_one_touches_no_other_and_it_can_be_had_anew(opened: Opened) -> None:
    async with pool_of(lambda: 60) as pool, pool.use(OTHER) as other:
        async with pool.use(ONE) as broken:
            opened.all[1].fault.set()
            await soon(broken.ended)
        assert not other.ended.is_set()
        async with pool.use(ONE) as mended:
            assert not mended.ended.is_set()


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (PermissionError("no"), PermissionError),
        (AutopilotError("no"), AutopilotError),
        (RuntimeError("no"), AutopilotError),
        (ExceptionGroup("all", [OSError("no")]), OSError),
    ],
)
async def test_what_cannot_be_had_says_why_to_who_wants_it(
    opened: Opened, refusal: Exception, told: type[Exception]
) -> None:
    async with pool_of(lambda: 60) as pool:
        opened.refusal = refusal
        with pytest.raises(told):
            async with pool.use(ONE):
                pass
        opened.refusal = None
        async with pool.use(ONE):
            assert len(opened.all) == 1


async def test_what_earlier_editors_left_is_not_kept_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen: list[int] = []
    on = False

    def enable() -> None:
        nonlocal on
        on = True

    monkeypatch.setattr(gc, "isenabled", lambda: on)
    monkeypatch.setattr(gc, "enable", enable)
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(1))
    monkeypatch.setattr(gc, "set_threshold", lambda *_numbers: None)
    for _ in range(3):
        nothing = cast("Any", None)
        client = Client(nothing, Caller({}, Path("/")), said="", applied=nothing)
        client._load()
    assert frozen == [1]
