"""The order of messages in a pipe that has room again before the loop noticed it."""

from __future__ import annotations

import os

import anyio

from autopilot_ls.model.errors import AgentDied
from autopilot_ls.wire.outgoing import OutgoingPipe


async def test_a_late_writer_does_not_overtake_those_who_wait() -> None:
    reading, writing = os.pipe()
    pipe = OutgoingPipe(os.fdopen(writing, "wb", buffering=0), timeout=10)
    first = b"1" * 3_000_000
    got = b""
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pipe.write, first)
            await anyio.wait_all_tasks_blocked()
            # There is room now, but the loop has had no turn to write more of the first message.
            got += os.read(reading, 1_000_000)
            with anyio.move_on_after(0):
                await pipe.write(b"2")
            with anyio.fail_after(10):
                while len(got) < len(first) + 1:
                    await anyio.wait_readable(reading)
                    got += os.read(reading, 100_000)
    finally:
        pipe.close(AgentDied("The test is over."))
        os.close(reading)
    assert got == first + b"2"
