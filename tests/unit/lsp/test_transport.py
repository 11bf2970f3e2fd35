from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from autopilot_ls.lsp.transport import SOFT_LIMIT, can_be_watched, open_outbox, start_reading
from tests.protocol.client import until


class Sink:
    def __init__(self) -> None:
        self.data = bytearray()
        self.over = asyncio.Event()

    def received(self, chunk: bytes) -> None:
        self.data += chunk

    def ended(self) -> None:
        self.over.set()


@pytest.mark.parametrize("watched", [True, False])
async def test_what_is_written_before_the_end_is_read(*, watched: bool) -> None:
    incoming, outgoing = os.pipe()
    sink = Sink()
    await start_reading(incoming, sink, watched=watched)
    outbox = await open_outbox(outgoing, watched=watched, lost=lambda: None, drained=lambda: None)
    text = b"x" * 3_000_000
    outbox.write(text)
    await outbox.close(10)
    if not watched:
        os.close(outgoing)
    async with asyncio.timeout(10):
        await sink.over.wait()
    assert bytes(sink.data) == text


@pytest.mark.parametrize("watched", [True, False])
async def test_reader_that_stops_reading_blocks_nobody_and_is_given_up(*, watched: bool) -> None:
    incoming, outgoing = os.pipe()
    lost: list[bool] = []
    outbox = await open_outbox(
        outgoing,
        watched=watched,
        lost=lambda: lost.append(True),
        drained=lambda: None,
        hard_limit=4 * SOFT_LIMIT,
    )
    assert not outbox.congested
    for _ in range(6):
        outbox.write(b"x" * (SOFT_LIMIT // 2))
    await asyncio.sleep(0)
    assert outbox.congested
    assert not lost
    for _ in range(6):
        outbox.write(b"x" * SOFT_LIMIT)
    await until(lambda: lost == [True])
    await outbox.close(0.05)
    os.close(incoming)


async def test_congestion_ends_when_the_reader_goes_on() -> None:
    incoming, outgoing = os.pipe()
    drained = asyncio.Event()
    outbox = await open_outbox(outgoing, watched=True, lost=lambda: None, drained=drained.set)
    outbox.write(b"x" * (2 * SOFT_LIMIT))
    assert outbox.congested
    sink = Sink()
    await start_reading(incoming, sink, watched=True)
    async with asyncio.timeout(10):
        await drained.wait()
    assert not outbox.congested
    await outbox.close(5)


async def test_reader_that_goes_is_noticed() -> None:
    incoming, outgoing = os.pipe()
    lost = asyncio.Event()
    outbox = await open_outbox(outgoing, watched=True, lost=lost.set, drained=lambda: None)
    os.close(incoming)
    async with asyncio.timeout(10):
        await lost.wait()
    outbox.write(b"nobody hears this")


def test_only_pipes_and_separate_sockets_are_watched(tmp_path: Path) -> None:
    incoming, outgoing = os.pipe()
    assert can_be_watched(incoming, outgoing)
    one, other = socket.socketpair()
    with one, other, (tmp_path / "file").open("wb") as file:
        assert can_be_watched(one.fileno(), other.fileno())
        assert not can_be_watched(one.fileno(), one.fileno())
        assert not can_be_watched(incoming, file.fileno())
    os.close(incoming)
    os.close(outgoing)
