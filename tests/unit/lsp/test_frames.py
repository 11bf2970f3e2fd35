from __future__ import annotations

import asyncio
from itertools import pairwise

from autopilot_ls.lsp.frames import Frames
from tests.protocol.client import until


async def test_many_marks_make_one_call_a_frame() -> None:
    calls: list[tuple[str, float]] = []
    loop = asyncio.get_running_loop()

    def send(key: str) -> bool:
        calls.append((key, loop.time()))
        return False

    frames = Frames(send, lambda: False, interval=0.02)
    began = loop.time()
    while loop.time() - began < 0.2:
        for _ in range(100):
            frames.mark("a")
        frames.mark("b")
        await asyncio.sleep(0)
    for key in "ab":
        times = [time for name, time in calls if name == key]
        assert 2 <= len(times) <= 11
        assert all(later - earlier >= 0.019 for earlier, later in pairwise(times))
    frames.close()


async def test_nothing_is_sent_while_nobody_reads_and_then_what_was_missed() -> None:
    calls: list[str] = []
    congested = True

    def send(key: str) -> bool:
        calls.append(key)
        return False

    frames = Frames(send, lambda: congested, interval=0.001)
    frames.mark("a")
    await until(lambda: frames._held == {"a"})
    frames.mark("a")
    assert calls == []
    congested = False
    frames.resume()
    await until(lambda: calls == ["a"])


async def test_more_to_send_comes_with_the_next_frame() -> None:
    left = [3]

    def send(key: str) -> bool:
        del key
        left[0] -= 1
        return left[0] > 0

    frames = Frames(send, lambda: False, interval=0.001)
    frames.mark("a")
    await until(lambda: left == [0])
