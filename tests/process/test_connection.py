"""Children that flood, that never end a line, that end in the middle of things."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.model.errors import AgentDied, LineTooLong
from autopilot_ls.wire.jsonrpc import JsonRpcConnection
from autopilot_ls.wire.messages import Incoming, Notification
from autopilot_ls.wire.process import ProcessLimits, spawn


class Counter:
    """Records nothing but how much there was."""

    def __init__(self) -> None:
        self.frames = 0

    def record(self, direction: Literal["in", "out"], frames: Sequence[bytes]) -> int:
        assert direction in {"in", "out"}
        first = self.frames + 1
        self.frames += len(frames)
        return first


def ignore(batch: Sequence[Incoming]) -> None:
    assert batch


async def converse(
    code: str,
    on_batch: Callable[[Sequence[Incoming]], None],
    act: Callable[[JsonRpcConnection], object] | None = None,
) -> JsonRpcConnection:
    limits = ProcessLimits(close_grace=1, terminate_grace=1)
    command = [sys.executable, "-I", "-c", code]
    async with spawn(command, cwd=Path("/"), env=dict(os.environ), limits=limits) as process:
        connection = JsonRpcConnection(process, Counter(), on_batch)
        if act is not None:
            act(connection)
        with anyio.fail_after(60):
            await connection.run()
    return connection


async def test_a_flood_is_handed_on_whole_in_order_and_cheaply() -> None:
    count = 300_000
    code = (
        "import os\n"
        f"for start in range(0, {count}, 1000):\n"
        '    text = "".join(\'{"method":"item/agentMessage/delta","params":{"threadId":"0199a213-81c0",'
        '"itemId":"msg_1","delta":"%d"}}\\n\' % n for n in range(start, start + 1000)).encode()\n'
        "    while text: text = text[os.write(1, text):]\n"
    )
    position = 0

    def check(batch: Sequence[Incoming]) -> None:
        nonlocal position
        for incoming in batch:
            assert isinstance(incoming, Notification)
            assert incoming.params["delta"] == str(position)
            position += 1
            assert incoming.frame == position

    started = time.process_time()
    await converse(code, check)
    spent = time.process_time() - started
    assert position == count
    # About 3 microseconds where it was written; 60,000 frames a second must leave most of a core.
    assert spent / count < 12e-6


async def test_a_giant_line_is_one_frame() -> None:
    size = 20_000_000
    sizes: list[int] = []

    def check(batch: Sequence[Incoming]) -> None:
        for incoming in batch:
            assert isinstance(incoming, Notification)
            sizes.append(len(str(incoming.params["text"])))

    code = f'print(\'{{"method":"m","params":{{"text":"\' + \'x\' * {size} + \'"}}}}\')'
    await converse(code, check)
    assert sizes == [size]


async def test_a_line_without_end_is_cut_off_in_bounded_memory() -> None:
    code = "import os\nwhile True: os.write(1, b'[' * 65536)"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(LineTooLong, match="67,108,864"):
        await converse(code, ignore)
    unit = 1 if sys.platform == "darwin" else 1024
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
    assert grown < 200_000_000


async def test_a_child_that_ends_in_mid_request_after_much_stderr() -> None:
    code = (
        "import sys\n"
        "sys.stderr.write('noise ' * 60000)\n"
        "line = sys.stdin.readline()\n"
        'sys.stdout.write(\'{"method":"half\'); sys.stdout.flush()\n'
        "sys.exit('thread panicked')\n"
    )
    errors: list[AgentDied] = []
    async with anyio.create_task_group() as tasks:

        async def ask(connection: JsonRpcConnection) -> None:
            try:
                await connection.request("initialize", {}, timeout=60)
            except AgentDied as error:
                errors.append(error)

        def act(connection: JsonRpcConnection) -> None:
            tasks.start_soon(ask, connection)

        await converse(code, ignore, act)
    assert len(errors) == 1
    assert "thread panicked" in str(errors[0])
    assert "exit code 1" in str(errors[0])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "method", "params", "result", "error"]), inner)
    ),
    max_leaves=8,
)


@given(
    st.lists(st.one_of(JSON.map(lambda value: json.dumps(value).encode()), st.binary()), max_size=5)
)
async def test_no_frame_whatever_it_says_breaks_the_routing(lines: list[bytes]) -> None:
    class NoProcess:
        name = "nobody"
        exit = None

    got: list[Incoming] = []
    connection = JsonRpcConnection(NoProcess(), Counter(), got.extend)  # type: ignore[arg-type]
    connection._receive(lines)
    assert len(got) + connection.unexpected_replies == len(lines)
